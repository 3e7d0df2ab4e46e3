"""`RaggedTensorSpec`: the type of a RaggedTensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.export import export
from penstock.ops.ragged.row_partition import RowPartition
from penstock.ops.ragged.tensor import RaggedTensor, is_ragged
from penstock.ops.ragged.value import RaggedTensorValue
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec, register_type_spec_from_value_converter
from penstock.types.tensors import Tensor
from penstock.types.type_spec import BatchableTypeSpec, register


@register("tf.RaggedTensorSpec")
@export("RaggedTensorSpec")
class RaggedTensorSpec(BatchableTypeSpec):
    """The type of a `RaggedTensor`.

    Args:
      shape: the shape, with None for ragged dimensions.
      dtype: the dtype of the values.
      ragged_rank: the number of row partitions; by default all dimensions but the first.
      row_splits_dtype: int32 or int64.
      flat_values_spec: the spec of the innermost values, where it is more than a TensorSpec.

    Raises:
      ValueError: the ragged rank does not fit the shape.
    """

    __slots__ = ("_shape", "_dtype", "_ragged_rank", "_row_splits_dtype", "_flat_values_spec")

    def __init__(
        self,
        shape: Any = None,
        dtype: Any = dtypes.float32,
        ragged_rank: int | None = None,
        row_splits_dtype: Any = dtypes.int64,
        flat_values_spec: Any = None,
    ):
        self._shape = TensorShape(shape)
        self._row_splits_dtype = as_dtype(row_splits_dtype)
        if flat_values_spec is not None:
            dtype = flat_values_spec.dtype if dtype is None else dtype
        self._flat_values_spec = flat_values_spec
        self._dtype = as_dtype(dtype)
        rank = self._shape.rank
        if ragged_rank is None:
            if rank is None:
                raise ValueError("Must specify ragged_rank or a shape with a known rank.")
            ragged_rank = rank - 1
        if not isinstance(ragged_rank, int):
            raise TypeError(f"Argument `ragged_rank` must be an int. Received {ragged_rank}.")
        if rank is not None and ragged_rank >= max(rank, 1) and not (rank == 0 and ragged_rank <= 0):
            raise ValueError(f"Argument `ragged_rank` ({ragged_rank}) must be less than rank ({rank}).")
        self._ragged_rank = ragged_rank

    @property
    def value_type(self) -> type:
        """The class of the values of this type; a Tensor where the ragged rank is 0."""
        return RaggedTensor if self._ragged_rank > 0 else Tensor

    @property
    def shape(self) -> TensorShape:
        """The shape, with None for ragged dimensions."""
        return self._shape

    @property
    def dtype(self) -> DType:
        """The dtype of the values."""
        return self._dtype

    @property
    def ragged_rank(self) -> int:
        """The number of row partitions."""
        return self._ragged_rank

    @property
    def row_splits_dtype(self) -> DType:
        """The dtype of the row splits."""
        return self._row_splits_dtype

    @property
    def flat_values_spec(self) -> Any:
        """The spec of the innermost values, where one was given."""
        return self._flat_values_spec

    @classmethod
    def from_value(cls, value: Any) -> RaggedTensorSpec:
        """The spec of a RaggedTensor or RaggedTensorValue."""
        if isinstance(value, RaggedTensorValue) or isinstance(value.flat_values, RaggedTensor):
            return cls(value.shape, value.values.dtype, value.ragged_rank, value.row_splits.dtype)
        return value._type_spec

    def _serialize(self) -> tuple:
        parts = (self._shape, self._dtype, self._ragged_rank, self._row_splits_dtype)
        return parts if self._flat_values_spec is None else (*parts, self._flat_values_spec)

    @property
    def _component_specs(self) -> Any:
        if self._ragged_rank <= 0:
            return [TensorSpec(self._shape, self._dtype)]
        flat_shape = TensorShape([None]).concatenate(self._shape[self._ragged_rank + 1 :])
        rows = self._shape[0] if self._shape.rank is not None else None
        outer = TensorSpec([None if rows is None else rows + 1], self._row_splits_dtype)
        inner = [TensorSpec([None], self._row_splits_dtype)] * (self._ragged_rank - 1)
        flat = self._flat_values_spec or TensorSpec(flat_shape, self._dtype)
        return [flat, outer, *inner]

    def _to_components(self, value: Any) -> list:
        return [value.flat_values, *value.nested_row_splits] if is_ragged(value) else [value]

    def _from_components(self, components: Any) -> Any:
        result = components[0]
        if all(isinstance(each, np.ndarray) for each in components):
            for splits in reversed(components[1:]):
                result = RaggedTensorValue(result, splits)
            return result
        for splits in reversed(components[1:]):
            # Not by the factories: a signature packs specs where tensors were.
            result = RaggedTensor(result, RowPartition(splits, internal=True), internal=True)
        if isinstance(result, RaggedTensor) and all(isinstance(each, Tensor) for each in components):
            result = self._with_known_sizes(result)
        return result

    def _with_known_sizes(self, value: RaggedTensor) -> RaggedTensor:
        """`value`, whose partitions know what is known of their values and of the shape."""
        values = (
            self._with_known_sizes(value.values) if isinstance(value.values, RaggedTensor) else value.values
        )
        result = RaggedTensor._from_row_partition(values, value._row_partition, validate=False)
        if result.ragged_rank == self._ragged_rank:
            result._set_shape(self._shape)
        return result

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """Whether a value, or the values of another spec, could be of this type."""
        if self._ragged_rank == 0:
            return TensorSpec(self._shape, self._dtype).is_compatible_with(spec_or_value)
        return super().is_compatible_with(spec_or_value)

    def _batch(self, batch_size: int | None) -> RaggedTensorSpec:
        shape = TensorShape([batch_size]).concatenate(self._shape)
        return RaggedTensorSpec(shape, self._dtype, self._ragged_rank + 1, self._row_splits_dtype)

    def _unbatch(self) -> RaggedTensorSpec:
        # A row of a tensor with one ragged dimension is a tensor.
        return RaggedTensorSpec(self._shape[1:], self._dtype, self._ragged_rank - 1, self._row_splits_dtype)

    def _to_legacy_output_types(self) -> DType:
        return self._dtype

    def _to_legacy_output_shapes(self) -> TensorShape:
        return self._shape

    def _to_legacy_output_classes(self) -> Any:
        return self


RaggedTensor.spec_class = RaggedTensorSpec
register_type_spec_from_value_converter(RaggedTensorValue, RaggedTensorSpec.from_value)
