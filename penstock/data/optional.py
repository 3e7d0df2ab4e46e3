"""`tf.experimental.Optional`: an element that may be there or not, as iterators in graphs give it."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.data.element import Layout, spec_of, to_structure
from penstock.engine.context import thread
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.types import dtypes, errors, nest
from penstock.types.composite import CompositeTensor
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.tensors import EagerTensor
from penstock.types.type_spec import TypeSpec


class OptionalValue:
    """What an optional's variant tensor holds: arrays, or nothing."""

    __slots__ = ("components",)

    def __init__(self, components: list | None):
        self.components = components

    def __repr__(self) -> str:
        return "<no value>" if self.components is None else f"<optional of {len(self.components)} components>"


def _value(optional: OptionalValue) -> list:
    if optional.components is None:
        raise errors.InvalidArgumentError(None, None, "The given optional does not have a value.")
    return optional.components


def _scalar(call: Any) -> TensorShape:
    return TensorShape([])


op("OptionalFromValue(components: *Toutput_types) -> optional: variant", numpy=OptionalValue, shape=_scalar)
op("OptionalNone() -> optional: variant", numpy=lambda: OptionalValue(None), shape=_scalar)
op(
    "OptionalHasValue(optional: variant) -> has_value: bool",
    numpy=lambda optional: np.bool_(optional.components is not None),
    shape=_scalar,
)
op(
    "OptionalGetValue(optional: variant; output_types, output_shapes) -> components: *output_types",
    numpy=lambda optional, *, output_types, output_shapes: _value(optional),
    shape=lambda call: [TensorShape(each) for each in call.attrs["output_shapes"]],
)


@export("experimental.Optional", "data.experimental.Optional")
class Optional(CompositeTensor):
    """A value that may be missing.

    Example:
      >>> import penstock as tf
      >>> optional = tf.experimental.Optional.from_value(42)
      >>> optional.has_value().numpy(), optional.get_value().numpy()
      (np.True_, np.int32(42))
    """

    def __init__(self, variant: Any, element_spec: Any, spec: OptionalSpec | None = None):
        self._variant_tensor = variant
        self._element_spec = element_spec
        self._spec = spec  # which made it: it knows the layout of the values already

    @staticmethod
    def from_value(value: Any) -> Optional:
        """An optional that holds a value (a nest of tensors)."""
        structure = nest.map_structure(lambda each: each, value)
        structure = _as_tensors(structure)
        flat = nest.flatten(structure, expand_composites=True)
        return Optional(
            execute("OptionalFromValue", ([each for each in flat if each is not None],)), spec_of(structure)
        )

    @staticmethod
    def empty(element_spec: Any) -> Optional:
        """An optional without a value."""
        return Optional(execute("OptionalNone", ()), element_spec)

    def has_value(self, name: str | None = None) -> Any:
        """Whether there is a value (a bool scalar)."""
        if (held := self._held()) is not None:
            return EagerTensor(np.bool_(held.components is not None), dtypes.bool)
        return execute("OptionalHasValue", (self._variant_tensor,), None, name)

    def get_value(self, name: str | None = None) -> Any:
        """The value.

        Raises:
          InvalidArgumentError: there is none.
        """
        spec = self._spec
        layout = (
            spec.layout if spec and spec.element_spec is self._element_spec else Layout(self._element_spec)
        )
        if (held := self._held()) is not None:
            return layout.pack(_value(held))
        attrs = {
            "output_types": list(layout.dtypes),
            "output_shapes": [each.shape for each in layout.flat_specs],
        }
        return layout.pack_tensors(execute("OptionalGetValue", (self._variant_tensor,), attrs, name))

    def _held(self) -> OptionalValue | None:
        """What the variant tensor holds, where that is known and no graph is being built."""
        variant = self._variant_tensor
        return variant._np if type(variant) is EagerTensor and thread.graph is None else None

    @property
    def element_spec(self) -> Any:
        """The specs of the value."""
        return self._element_spec

    @property
    def _type_spec(self) -> OptionalSpec:
        return OptionalSpec(self._element_spec)


def _as_tensors(structure: Any) -> Any:
    if isinstance(structure, list):
        return tuple(_as_tensors(each) for each in structure)
    if isinstance(structure, tuple):
        parts = [_as_tensors(each) for each in structure]
        return type(structure)(*parts) if hasattr(structure, "_fields") else tuple(parts)
    if isinstance(structure, dict):
        return type(structure)((key, _as_tensors(each)) for key, each in structure.items())
    return to_structure(structure)


@export("OptionalSpec", v1=["OptionalSpec", "data.experimental.OptionalStructure"])
class OptionalSpec(TypeSpec):
    """The spec of an `Optional`."""

    __slots__ = ("_element_spec", "_layout")

    def __init__(self, element_spec: Any):
        self._element_spec = element_spec
        self._layout: Layout | None = None

    @property
    def element_spec(self) -> Any:
        """The specs of the value."""
        return self._element_spec

    @property
    def layout(self) -> Layout:
        """How the value lies in the optional."""
        if self._layout is None:
            self._layout = Layout(self._element_spec)
        return self._layout

    @property
    def value_type(self) -> type:
        return Optional

    @staticmethod
    def from_value(value: Optional) -> OptionalSpec:
        """The spec of an optional."""
        return OptionalSpec(value.element_spec)

    def _serialize(self) -> tuple:
        return (self._element_spec,)

    @property
    def _component_specs(self) -> TensorSpec:
        return TensorSpec([], dtypes.variant)

    def _to_components(self, value: Any) -> Any:
        return value._variant_tensor

    def _from_components(self, components: Any) -> Optional:
        return Optional(components, self._element_spec, self)

    def __hash__(self) -> int:
        return hash("OptionalSpec")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OptionalSpec) and self._element_spec == other._element_spec
