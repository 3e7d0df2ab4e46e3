"""`tf.data.DatasetSpec`: datasets as arguments, as elements of datasets (`window`), and as variant tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.definition import op
from penstock.engine.export import export
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.type_spec import BatchableTypeSpec


@export("data.DatasetSpec", v1=["data.DatasetSpec", "data.experimental.DatasetStructure"])
class DatasetSpec(BatchableTypeSpec):
    """The spec of a dataset.

    Args:
      element_spec: the specs of its elements.
      dataset_shape: of a tensor of datasets; () for one.

    Example:
      >>> import penstock as tf
      >>> tf.data.DatasetSpec.from_value(tf.data.Dataset.range(3))
      DatasetSpec(TensorSpec(shape=(), dtype=tf.int64, name=None), TensorShape([]))
    """

    __slots__ = ("_element_spec", "_dataset_shape")

    def __init__(self, element_spec: Any, dataset_shape: Any = ()):
        self._element_spec, self._dataset_shape = element_spec, TensorShape(dataset_shape)

    @staticmethod
    def from_value(value: Any) -> DatasetSpec:
        """The spec of a dataset."""
        return DatasetSpec(value.element_spec)

    @property
    def element_spec(self) -> Any:
        """The specs of an element."""
        return self._element_spec

    @property
    def value_type(self) -> type:
        from penstock.data.dataset import Dataset

        return Dataset

    def _serialize(self) -> tuple:
        return (self._element_spec, self._dataset_shape)

    @property
    def _component_specs(self) -> TensorSpec:
        return TensorSpec(self._dataset_shape, dtypes.variant)

    def _to_components(self, value: Any) -> Any:
        return value._variant_tensor

    def _from_components(self, components: Any) -> Any:
        from penstock.data.dataset import of_variant

        return of_variant(components, self._element_spec) if self._dataset_shape.rank == 0 else components

    def _batch(self, batch_size: Any) -> DatasetSpec:
        return DatasetSpec(self._element_spec, TensorShape([batch_size]).concatenate(self._dataset_shape))

    def _unbatch(self) -> DatasetSpec:
        return DatasetSpec(self._element_spec, self._dataset_shape[1:])

    def _to_legacy_output_types(self) -> Any:
        return self

    def _to_legacy_output_shapes(self) -> Any:
        return self

    def _to_legacy_output_classes(self) -> Any:
        return self

    def __repr__(self) -> str:
        return f"DatasetSpec({self._element_spec!r}, {self._dataset_shape!r})"


def _with_values(needs: list, *, _dataset: Any) -> Any:
    from penstock.data.dataset import Bound

    return Bound(_dataset, needs) if needs else _dataset


# A dataset that was made of symbolic tensors, with their values.
op(
    "DatasetOfValues(needs: *Tneeds; _dataset) -> dataset: variant",
    numpy=_with_values,
    shape=lambda call: TensorShape([]),
    stateful=True,
)

op(
    "DatasetCardinality(input_dataset: variant; cardinality_options='') -> cardinality: int64",
    numpy=lambda dataset, *, cardinality_options: np.int64(dataset._size()),
    shape=lambda call: TensorShape([]),
    stateful=True,
)
