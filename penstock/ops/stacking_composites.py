"""Rows of composites and structures made of rows: what `map_fn` and batching need of ragged and sparse tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.ops.concatenation import concat as dense_concat
from penstock.ops.concatenation import stack as dense_stack
from penstock.ops.creation import zeros
from penstock.ops.ragged.joining import as_ragged
from penstock.ops.ragged.joining import stack as ragged_stack
from penstock.ops.ragged.tensor import RaggedTensor, is_ragged
from penstock.ops.sparse.conversion import expand_dims, reshape
from penstock.ops.sparse.slicing import concat as sparse_concat
from penstock.ops.sparse.slicing import slice_ as sparse_slice
from penstock.types import dtypes, nest
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor


def row_of(value: Any, index: Any) -> Any:
    """Slice `index` of the first dimension of a tensor or composite."""
    if not isinstance(value, SparseTensor):
        return value[index]
    rest = value.dense_shape[1:]
    position = execute(
        "Reshape",
        (execute("Cast", (convert_to_tensor(index),), {"DstT": dtypes.int64}), convert_to_tensor([1])),
    )
    start = dense_concat([position, rest * 0], 0)
    size = dense_concat([position * 0 + 1, rest], 0)
    row = reshape(sparse_slice(value, start, size), rest)
    if value.shape.rank is not None:
        row.set_shape(value.shape[1:])
    return row


def row_count(value: Any) -> Any:
    """The first dimension of a ragged or sparse tensor, as an int32 scalar."""
    count = value.dense_shape[0] if isinstance(value, SparseTensor) else value.nrows()
    return execute("Cast", (count,), {"DstT": dtypes.int32})


def stack_composites(rows: Sequence[Any]) -> Any:
    """Composites of one type as one, with a new first dimension.

    Raises:
      TypeError: the type cannot be batched.
    """
    first = rows[0]
    if is_ragged(first):
        return ragged_stack(list(rows))
    if isinstance(first, SparseTensor):
        return sparse_concat(0, [expand_dims(each, 0) for each in rows], expand_nonconcat_dims=True)
    spec = first._type_spec
    if not hasattr(spec, "_batch"):
        raise TypeError(f"{type(first).__name__} cannot be stacked: its TypeSpec {spec!r} has no batches")
    parts = zip(*(nest.flatten(spec._to_components(each)) for each in rows))
    stacked = [
        stack_composites(part) if hasattr(part[0], "_type_spec") else dense_stack(list(part))
        for part in parts
    ]
    batched = spec._batch(len(rows))
    return batched._from_components(nest.pack_sequence_as(batched._component_specs, stacked))


def stack_ragged(rows: Sequence[Any], spec: Any) -> RaggedTensor:
    """Rows that a `RaggedTensorSpec` describes as one ragged tensor; tensors among them may differ in size."""
    depth = spec.ragged_rank + 1
    if not rows:
        return empty_ragged(spec)
    prepared = [
        as_ragged(each, spec.ragged_rank, spec.row_splits_dtype)
        if spec.ragged_rank
        else convert_to_tensor(each)
        for each in rows
    ]
    stacked = ragged_stack(prepared)
    result = (
        stacked if isinstance(stacked, RaggedTensor) else as_ragged(stacked, depth, spec.row_splits_dtype)
    )
    return result.with_row_splits_dtype(spec.row_splits_dtype)


def empty_ragged(spec: Any) -> RaggedTensor:
    """No rows of a `RaggedTensorSpec`."""
    shape = spec.shape
    inner = [dim or 0 for dim in shape.as_list()[spec.ragged_rank + 1 :]] if shape.rank is not None else []
    result: Any = zeros([0, *TensorShape(inner).as_list()], spec.dtype)
    for _ in range(spec.ragged_rank + 1):
        result = RaggedTensor.from_row_splits(
            result, convert_to_tensor([0], spec.row_splits_dtype), validate=False
        )
    return result
