"""Ops that pass tensors on: identity, stop_gradient."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import unchanged
from penstock.types.composite import CompositeTensor
from penstock.types.tensors import Tensor

op("Identity(input: T) -> output: T", lambda xp, x: x, shape=unchanged, gradient=lambda op, dy: dy, view=True)
op("StopGradient(input: T) -> output: T", lambda xp, x: x, shape=unchanged, gradient=stops, view=True)
op("PreventGradient(input: T; message='') -> output: T", lambda xp, x, message: x, shape=unchanged, view=True)
op(
    "IdentityN(input: *T) -> output: *T",
    lambda xp, values: values,
    shape=lambda call: [each.shape for each in call.inputs],
    gradient=lambda op, *dys: list(dys),
    view=True,
)


@export("identity")
def identity(input: Any, name: str | None = None) -> Tensor:
    """A tensor with the same shape and values.

    Example:
      >>> import penstock as tf
      >>> tf.identity([1, 2])
      <tf.Tensor: shape=(2,), dtype=int32, numpy=array([1, 2], dtype=int32)>
    """
    if isinstance(input, CompositeTensor):
        from penstock.types import nest

        return nest.map_structure(identity, input, expand_composites=True)
    return execute("Identity", (convert_to_tensor(input),), None, name)


@export("stop_gradient")
def stop_gradient(input: Any, name: str | None = None) -> Tensor:
    """Passes a tensor on and lets no gradient back.

    Example:
      >>> import penstock as tf
      >>> x = tf.constant(3.0)
      >>> with tf.GradientTape() as tape:
      ...     tape.watch(x)
      ...     y = x * tf.stop_gradient(x)
      >>> tape.gradient(y, x).numpy()
      np.float32(3.0)
    """
    return execute("StopGradient", (convert_to_tensor(input),), None, name)


@export("identity_n")
def identity_n(input: Any, name: str | None = None) -> list[Tensor]:
    """A list of tensors with the same shapes and values."""
    return execute("IdentityN", ([convert_to_tensor(each) for each in input],), None, name)
