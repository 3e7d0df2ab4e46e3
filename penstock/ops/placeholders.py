"""Tensors that a TF 1 session may feed: placeholder_with_default; and guarantee_const, a promise of the opposite."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, unchanged
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _fed_shape(call: ShapeCall) -> TensorShape:
    shape = TensorShape(call.attrs["shape"])
    if not shape.is_compatible_with(call.shape(0)):
        raise call.error(f"the default must have a shape that is compatible with {shape}")
    return shape


# Stateful, so that its default is not taken for its value while a graph is built.
op(
    "PlaceholderWithDefault(input: dtype; shape) -> output: dtype",
    lambda xp, x, *, shape: x,
    shape=_fed_shape,
    gradient=lambda op, dy: dy,
    stateful=True,
    view=True,
)
op(
    "GuaranteeConst(input: T) -> output: T",
    lambda xp, x: x,
    shape=unchanged,
    gradient=lambda op, dy: dy,
    view=True,
)


@export(v1=["placeholder_with_default"])
def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """A placeholder that has a value where a session does not feed one.

    Args:
      input: the default.
      shape: what is known of the shape of the values that may be fed.

    Raises:
      ValueError: the default does not have the shape.
    """
    return execute("PlaceholderWithDefault", (convert_to_tensor(input),), {"shape": TensorShape(shape)}, name)


@export("guarantee_const")
def guarantee_const(input: Any, name: str | None = None) -> Tensor:
    """Passes a tensor on, and promises that its value does not change while the program runs.

    Example:
      >>> import penstock as tf
      >>> int(tf.guarantee_const(3))
      3
    """
    return execute("GuaranteeConst", (convert_to_tensor(input),), None, name)
