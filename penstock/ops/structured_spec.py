"""The spec of StructuredTensors: those of the fields, and that of a tensor of the outer shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.types import nest
from penstock.types.shapes import TensorShape
from penstock.types.type_spec import BatchableTypeSpec, TypeSpec, register


@register("tf.StructuredTensor.Spec")
class StructuredTensorSpec(BatchableTypeSpec):
    """The type of a StructuredTensor: those of its fields, and that of a tensor of its outer shape."""

    __slots__ = ("_fields", "_template")

    def __init__(self, fields: dict[str, Any], template: Any):
        self._fields, self._template = dict(fields), template

    @property
    def value_type(self) -> type:
        """The class of the values of this type."""
        from penstock.ops.structured_tensor import StructuredTensor

        return StructuredTensor

    @property
    def shape(self) -> TensorShape:
        """The outer shape."""
        return self._template.shape

    @property
    def rank(self) -> int:
        """The number of outer dimensions."""
        return self.shape.rank  # type: ignore[return-value]

    def _serialize(self) -> tuple:
        return (self._fields, self._template)

    @property
    def _component_specs(self) -> tuple:
        return (self._fields, self._template)

    def _to_components(self, value: Any) -> tuple:
        return (value._fields, value._template)

    def _from_components(self, components: Any) -> Any:
        return self.value_type(*components)

    # Batches: those of every field and of the template.

    def _mapped(self, function: Callable[[Any], TypeSpec]) -> StructuredTensorSpec:
        return StructuredTensorSpec(
            {name: function(spec) for name, spec in self._fields.items()}, function(self._template)
        )

    def _parts(self) -> list[Any]:
        return [*self._fields.values(), self._template]

    def _encoded(self, value: Any, minimum_rank: int) -> list[Any]:
        values = [*(value._fields[name] for name in self._fields), value._template]
        return [
            tensor
            for spec, part in zip(self._parts(), values, strict=True)
            for tensor in nest.flatten(spec.__batch_encoder__.encode(spec, part, minimum_rank))
        ]

    def _batch(self, batch_size: int | None) -> StructuredTensorSpec:
        return self._mapped(lambda spec: spec.__batch_encoder__.batch(spec, batch_size))

    def _unbatch(self) -> StructuredTensorSpec:
        return self._mapped(lambda spec: spec.__batch_encoder__.unbatch(spec))

    @property
    def _flat_tensor_specs(self) -> list[Any]:
        return nest.flatten([spec.__batch_encoder__.encoding_specs(spec) for spec in self._parts()])

    def _to_tensor_list(self, value: Any) -> list[Any]:
        return self._encoded(value, 0)

    def _to_batched_tensor_list(self, value: Any) -> list[Any]:
        return self._encoded(value, 1)

    def _from_compatible_tensor_list(self, tensor_list: list[Any]) -> Any:
        parts = self._parts()
        encodings = nest.pack_sequence_as(
            [spec.__batch_encoder__.encoding_specs(spec) for spec in parts], tensor_list
        )
        *fields, template = (
            spec.__batch_encoder__.decode(spec, encoding)
            for spec, encoding in zip(parts, encodings, strict=True)
        )
        return self.value_type(dict(zip(self._fields, fields, strict=True)), template)
