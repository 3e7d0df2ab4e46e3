"""What programs import from `tensorflow.compiler.tf2xla.python.xla`: XLA's own ops under the names of that module."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.ops.xla_call_module import NEWEST_VERSION
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def dynamic_update_slice(input: Any, update: Any, indices: Any, name: str | None = None) -> Tensor:
    """`input` with a block replaced by `update`; a block that would reach over the edge is moved inside.

    Args:
      input: a tensor.
      update: a tensor of the same dtype and rank, no larger than `input` in any dimension.
      indices: an integer vector, the place of the block's first corner.

    Raises:
      InvalidArgumentError: the ranks differ, or the update is too large.

    Example:
      >>> import penstock as tf
      >>> dynamic_update_slice(tf.zeros([4]), tf.ones([2]), [3]).numpy()
      array([0., 0., 1., 1.], dtype=float32)
    """
    input = convert_to_tensor(input)
    inputs = (input, convert_to_tensor(update, input.dtype), convert_to_tensor(indices))
    return execute("XlaDynamicUpdateSlice", inputs, None, name)


def dynamic_slice(input: Any, start_indices: Any, size_indices: Any, name: str | None = None) -> Tensor:
    """A block of `input` of a fixed size; one that would reach over the edge is moved inside.

    Args:
      input: a tensor.
      start_indices: an integer vector, the place of the block's first corner.
      size_indices: an integer vector, the block's shape.

    Raises:
      InvalidArgumentError: the block is larger than `input`.

    Example:
      >>> import penstock as tf
      >>> dynamic_slice(tf.range(6), [5], [2]).numpy()
      array([4, 5], dtype=int32)
    """
    start = convert_to_tensor(start_indices)
    inputs = (convert_to_tensor(input), start, convert_to_tensor(size_indices, start.dtype))
    return execute("XlaDynamicSlice", inputs, None, name)


def call_module_maximum_supported_version() -> int:
    """The newest calling convention that `call_module` follows."""
    return NEWEST_VERSION


def call_module(
    args: Any, *, version: int, module: bytes, Tout: Any, Sout: Any, **attrs: Any
) -> list[Tensor]:
    """Runs a serialized StableHLO program; `jax2tf.convert` ends here.

    Args:
      args: its arguments.
      version: the calling convention of the module (see `jax.export`).
      module: the program, serialized.
      Tout, Sout: dtypes and shapes of the results, None for dimensions that depend on the arguments.

    Raises:
      InvalidArgumentError: the arguments do not fit the module.
    """
    shapes = [TensorShape(each) for each in Sout]
    types = [as_dtype(each) for each in Tout]
    tensors = [convert_to_tensor(each) for each in args]
    return list(
        execute(
            "XlaCallModule",
            (tensors,),
            {"version": version, "module": module, "Tout": types, "Sout": shapes, **attrs},
        )
    )
