"""Public names of `IndexedSlices`, and its conversion to a dense tensor."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor, register_tensor_conversion_function
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.types import dtypes
from penstock.types.indexed_slices import IndexedSlices, IndexedSlicesSpec, IndexedSlicesValue
from penstock.types.tensors import Tensor

export("IndexedSlices")(IndexedSlices)
export("IndexedSlicesSpec")(IndexedSlicesSpec)
export(v1=["IndexedSlicesValue"])(IndexedSlicesValue)


@export(v1=["convert_to_tensor_or_indexed_slices"])
def convert_to_tensor_or_indexed_slices(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """`IndexedSlices` and sparse tensors as they are, anything else as a tensor."""
    if hasattr(value, "indices") and hasattr(value, "values"):
        return value
    return convert_to_tensor(value, dtype, name=name)


def to_dense(
    value: IndexedSlices, dtype: Any = None, name: str | None = None, as_ref: bool = False
) -> Tensor:
    """The dense tensor that slices stand for; slices of the same index add up.

    Raises:
      ValueError: `dtype` is not that of the slices, or their dense shape is not known.
    """
    if dtype is not None and not dtypes.as_dtype(dtype).is_compatible_with(value.dtype):
        raise ValueError(
            f"Incompatible tensor conversion requested to `dtype` {dtypes.as_dtype(dtype).name} for IndexedSlices "
            f"({value}) with dtype {value.dtype.name}"
        )
    if value.dense_shape is None:
        raise ValueError(f"Tensor conversion requested for IndexedSlices without dense_shape: {value}")
    dense_shape = convert_to_tensor(value.dense_shape)
    one = convert_to_tensor([1], dtypes.int32)
    zero = convert_to_tensor([0], dtypes.int32)
    masks = {"begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 1}
    rows = execute("StridedSlice", (dense_shape, zero, one, one), masks)
    inputs = (convert_to_tensor(value.values), convert_to_tensor(value.indices), rows)
    return execute("UnsortedSegmentSum", inputs, None, name)


register_tensor_conversion_function(IndexedSlices, to_dense)
