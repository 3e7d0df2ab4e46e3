"""`tf.experimental.dtensor.DVariable`: a variable whose value is spread over a mesh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.distribute.layout import Layout
from penstock.dtensor.placement import fetch_layout, is_dtensor, relayout
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.ops.casting import cast
from penstock.ops.variables.variable import Variable
from penstock.types import dtypes, errors


@export("experimental.dtensor.DVariable", v1=[])
class DVariable(Variable):
    """A variable that keeps its layout: what is assigned goes where its parts are.

    Args:
      initial_value: a tensor with a layout, or anything else together with `layout`; or a function that returns it.
      dtype: what the value is converted to.
      layout: the layout of the value.
      All other arguments are those of `tf.Variable`.

    Raises:
      InvalidArgumentError: neither the value nor the arguments have a layout.

    Example:
      >>> import penstock as tf
      >>> dtensor = tf.experimental.dtensor
      >>> mesh = dtensor.create_mesh([("x", 1)], devices=["CPU:0"])
      >>> v = dtensor.DVariable(tf.zeros([4]), layout=dtensor.Layout(["x"], mesh))
      >>> v.assign_add(tf.ones([4])).numpy(), v.layout.sharding_specs
      (array([1., 1., 1., 1.], dtype=float32), ['x'])
    """

    def __init__(
        self, initial_value: Any, *args: Any, dtype: Any = None, layout: Layout | None = None, **kwargs: Any
    ):
        if thread.graph is not None:
            raise errors.InvalidArgumentError(
                None, None, "DVariable: make variables eagerly, outside of functions"
            )
        value = initial_value() if callable(initial_value) else initial_value
        value = convert_to_tensor(value, dtype)
        if layout is not None:
            value = relayout(value, layout)
        if not is_dtensor(value):
            raise errors.InvalidArgumentError(
                None, None, "Neither layout nor DTensor initial value are provided."
            )
        self._save_as_bf16 = False
        super().__init__(value, *args, dtype=dtype, **kwargs)

    @property
    def layout(self) -> Layout:
        """The layout of the value."""
        return fetch_layout(self)

    @property
    def save_as_bf16(self) -> bool:
        """Whether checkpoints hold the value in bfloat16."""
        return self._save_as_bf16

    @save_as_bf16.setter
    def save_as_bf16(self, save_as_bf16: bool) -> None:
        self._save_as_bf16 = bool(save_as_bf16) and self.dtype.is_floating

    def _serialize_to_tensors(self) -> dict[str, Any]:
        found = super()._serialize_to_tensors()
        return (
            {name: cast(value, "bfloat16") for name, value in found.items()} if self._save_as_bf16 else found
        )

    @property
    def _stored_dtypes(self) -> tuple:
        """Other dtypes that a checkpoint may have for the value."""
        return (dtypes.bfloat16,) if self._save_as_bf16 else ()

    def _restore_from_tensors(self, restored_tensors: dict[str, Any]) -> Any:
        return super()._restore_from_tensors(
            {name: cast(value, self.dtype) for name, value in restored_tensors.items()}
        )


@export("experimental.dtensor.enable_save_as_bf16", v1=[])
def enable_save_as_bf16(variables: Sequence[Any]) -> None:
    """Saves the floating-point ones among variables in bfloat16."""
    for each in variables:
        if isinstance(each, DVariable):
            each.save_as_bf16 = True
