"""What a loop over rows keeps of its results, in tensor arrays, and how the whole is made of them when the loop is over.

One class for each kind of result: dense tensors are stacked; ragged and sparse rows, whose parts differ in size, are
joined part by part. `map_fn` uses them in graphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.ops.concatenation import concat
from penstock.ops.ragged.joining import as_ragged
from penstock.ops.ragged.spec import RaggedTensorSpec
from penstock.ops.ragged.tensor import RaggedTensor
from penstock.ops.tensor_array import TensorArray
from penstock.types import dtypes, errors
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor, SparseTensorSpec
from penstock.types.tensors import Tensor


class StackedRows:
    """Dense rows of one shape.

    Args:
      spec: a spec, a dtype, or a tensor whose dtype is meant.
      count: how many rows.
      infer_shape: whether all rows must have the shape of the first.
    """

    def __init__(self, spec: Any, count: Any, infer_shape: bool = True):
        self._dtype, self._count = as_dtype(getattr(spec, "dtype", spec)), count
        shape = spec.shape if hasattr(spec, "is_compatible_with") and hasattr(spec, "shape") else None
        self._infer_shape, self._shape = infer_shape, shape
        self._row_shape = TensorShape(None)

    def arrays(self) -> list[TensorArray]:
        """The tensor arrays that the loop carries."""
        options = {"infer_shape": self._infer_shape, "element_shape": self._shape}
        return [TensorArray(self._dtype, size=self._count, **options)]

    def parts(self, row: Any, index: Any) -> list[Any]:
        """What is written at `index` into each of them."""
        row = convert_to_tensor(row, None if isinstance(row, Tensor) else self._dtype)
        if row.dtype.base_dtype != self._dtype.base_dtype:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"the function returned {row.dtype.name} where {self._dtype.name} was expected: say so in fn_output_signature",
            )
        self._row_shape = row.shape
        return [row]

    def whole(self, arrays: Sequence[TensorArray]) -> Any:
        """All rows together."""
        stacked = arrays[0].stack()
        count = self._count if isinstance(self._count, int) else None
        stacked.set_shape(TensorShape([count]).concatenate(self._row_shape))
        return stacked


class RaggedRows:
    """Rows of a `RaggedTensorSpec`: their values, and for each ragged dimension the lengths in it, one after another."""

    def __init__(self, spec: Any, count: Any):
        self._spec, self._count = spec, count

    def arrays(self) -> list[TensorArray]:
        spec = self._spec
        rank = spec.shape.rank
        inner = None if rank is None else [None, *spec.shape.as_list()[spec.ragged_rank + 1 :]]
        shapes = [(spec.dtype, inner), (spec.row_splits_dtype, [])]
        shapes += [(spec.row_splits_dtype, [None])] * spec.ragged_rank
        return [
            TensorArray(dtype, size=self._count, infer_shape=False, element_shape=shape)
            for dtype, shape in shapes
        ]

    def parts(self, row: Any, index: Any) -> list[Any]:
        spec = self._spec
        if not spec.ragged_rank:
            row = convert_to_tensor(row, spec.dtype)
            return [row, _size(row, spec.row_splits_dtype)]
        row = as_ragged(row, spec.ragged_rank, spec.row_splits_dtype)
        row = row.with_row_splits_dtype(spec.row_splits_dtype)
        lengths = list(row.nested_row_lengths())
        return [row.flat_values, row.nrows(out_type=spec.row_splits_dtype), *lengths]

    def whole(self, arrays: Sequence[TensorArray]) -> Any:
        values, outer, *inner = arrays
        lengths = [outer.stack(), *(each.concat() for each in inner)]
        flat = values.concat()
        flat.set_shape(values.element_shape)
        result = RaggedTensor.from_nested_row_lengths(flat, lengths, validate=False)
        if isinstance(self._count, int):
            result.row_splits.set_shape([self._count + 1])
        return result


class SparseRows:
    """Rows of a `SparseTensorSpec`: their indices with the row's number in front, their values, and their shapes."""

    def __init__(self, spec: Any, count: Any):
        self._spec, self._count = spec, count

    def arrays(self) -> list[TensorArray]:
        rank = self._spec.shape.rank
        shapes = [
            (dtypes.int64, [None, None if rank is None else rank + 1]),
            (self._spec.dtype, [None]),
            (dtypes.int64, [rank]),
        ]
        return [
            TensorArray(dtype, size=self._count, infer_shape=False, element_shape=shape)
            for dtype, shape in shapes
        ]

    def parts(self, row: Any, index: Any) -> list[Any]:
        number = execute("Cast", (index,), {"DstT": dtypes.int64})
        size = execute("Pack", ([_size(row.values, dtypes.int32), convert_to_tensor(1)],), {"axis": 0})
        column = execute("Fill", (size, number), None)
        return [concat([column, row.indices], 1), row.values, row.dense_shape]

    def whole(self, arrays: Sequence[TensorArray]) -> Any:
        indices, values, shapes = arrays
        stacked = shapes.stack()
        largest = execute("Max", (stacked, convert_to_tensor(0)), {"keep_dims": False})
        count = execute("Reshape", (_size(stacked, dtypes.int64), convert_to_tensor([1])), None)
        result = SparseTensor(indices.concat(), values.concat(), concat([count, largest], 0))
        known = self._count if isinstance(self._count, int) else None
        result.set_shape(TensorShape([known]).concatenate(self._spec.shape))
        return result


def rows_of(spec: Any, count: Any, infer_shape: bool = True) -> StackedRows | RaggedRows | SparseRows:
    """What keeps rows of a spec, or of a dtype."""
    if isinstance(spec, RaggedTensorSpec):
        return RaggedRows(spec, count)
    if isinstance(spec, SparseTensorSpec):
        return SparseRows(spec, count)
    return StackedRows(spec, count, infer_shape)


def _size(tensor: Any, dtype: Any) -> Any:
    """The first dimension, as a scalar."""
    shape = execute("Shape", (tensor,), {"out_type": dtype})
    begin, end, step = convert_to_tensor([0]), convert_to_tensor([1]), convert_to_tensor([1])
    return execute("StridedSlice", (shape, begin, end, step), {"shrink_axis_mask": 1})
