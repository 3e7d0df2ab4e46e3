"""What programs import from `tensorflow.compiler.tf2xla.python.xla`: XLA's own ops under the names of that module."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
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
