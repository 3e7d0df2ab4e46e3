"""Elements of ragged tensors picked out: gather, gather_nd, boolean_mask, where."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.static_value import constant_value
from penstock.ops.casting import cast
from penstock.ops.gathering import gather as dense_gather
from penstock.ops.ragged.broadcast import broadcast_flat
from penstock.ops.ragged.construction import gather_rows
from penstock.ops.ragged.joining import as_ragged, counted_axis, tile
from penstock.ops.ragged.structure import merge_dims
from penstock.ops.ragged.tensor import RaggedTensor, from_ragged_value
from penstock.ops.ragged.value import RaggedTensorValue
from penstock.ops.selection import boolean_mask as dense_boolean_mask
from penstock.types import dtypes, errors
from penstock.types.tensors import Tensor


def _either(value: Any, dtype: Any = None) -> Any:
    if isinstance(value, RaggedTensorValue):
        return from_ragged_value(value)
    return value if isinstance(value, RaggedTensor) else convert_to_tensor(value, dtype)


def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    axis: Any = None,
    batch_dims: int = 0,
    name: str | None = None,
) -> Any:
    """`tf.gather` where the parameters, the indices, or both are ragged."""
    params, indices = _either(params), _either(indices)
    if isinstance(indices, RaggedTensor) and indices.dtype not in (dtypes.int32, dtypes.int64):
        raise TypeError(f"indices must be integers, got {indices.dtype.name}")
    if batch_dims < 0:
        batch_dims += indices.shape.rank
    axis = batch_dims if axis is None else counted_axis(axis, params.shape.rank)
    if batch_dims:
        return _batch_gather(params, indices, axis, batch_dims)
    if axis and (isinstance(params, RaggedTensor) or isinstance(indices, RaggedTensor)):
        return _gather_inner(params, indices, axis)
    if isinstance(indices, RaggedTensor):
        return indices.with_values(gather(params, indices.values))
    if not isinstance(params, RaggedTensor):
        return dense_gather(params, indices)
    rank = indices.shape.rank
    if rank == 0:
        return params[indices]
    if rank > 1:
        return as_ragged(indices, rank - 1, params.row_splits.dtype).with_flat_values(
            gather(params, execute("Reshape", (indices, convert_to_tensor([-1]))))
        )
    _check_rows(params, indices)
    return gather_rows(params, indices)


def _check_rows(params: RaggedTensor, indices: Tensor) -> None:
    known, rows = constant_value(indices), params._row_partition.static_nrows
    if known is not None and rows is not None and known.size and (known.min() < 0 or known.max() >= rows):
        raise errors.InvalidArgumentError(
            None, None, f"GatherV2: indices {known.tolist()} are not all in [0, {rows})"
        )


def _gather_inner(params: Any, indices: Any, axis: int) -> Any:
    """Gathers along an inner axis: the same indices in every slice."""
    if not isinstance(params, RaggedTensor):
        params = RaggedTensor.from_tensor(params, row_splits_dtype=indices.row_splits.dtype)
    if axis > 1:
        return params.with_values(gather(params.values, indices, axis=axis - 1))
    dtype = params.row_splits.dtype
    flat = indices.flat_values if isinstance(indices, RaggedTensor) else indices
    flat = execute("Reshape", (flat, convert_to_tensor([-1])))
    known, shortest = constant_value(flat), constant_value(params.row_lengths())
    if (
        known is not None
        and shortest is not None
        and known.size
        and shortest.size
        and known.max() >= shortest.min()
    ):
        raise errors.InvalidArgumentError(
            None, None, f"gather: indices {known.tolist()} are out of range of a row"
        )
    places = execute("Reshape", (params.row_starts()[:, None] + cast(flat, dtype), convert_to_tensor([-1])))
    values = gather_rows(params.values, places)
    rows = params.nrows()
    if not isinstance(indices, RaggedTensor):
        return _in_rows(values, indices, rows, dtype)
    several = tile(indices, [int(constant_value(rows)), *[1] * (indices.shape.rank - 1)])
    count = cast(indices.nrows(), dtype)
    return RaggedTensor.from_uniform_row_length(several.with_flat_values(values), count, rows, validate=False)


def _in_rows(values: Any, indices: Tensor, rows: Tensor, dtype: Any) -> Any:
    """Values for dense indices in each of several rows, in the shape of the indices."""
    sizes = execute("Shape", (indices,), {"out_type": dtype})
    result = values
    for position in range(indices.shape.rank - 1, -1, -1):
        outer = rows
        for before in range(position):
            outer = outer * sizes[before]
        result = RaggedTensor.from_uniform_row_length(result, sizes[position], outer, validate=False)
    return result


def _batch_gather(params: Any, indices: Any, axis: int, batch_dims: int) -> Any:
    """Gathers in each row of a batch: indices become positions among all rows' values."""
    if axis != batch_dims:
        raise ValueError("ragged gather with batch_dims needs axis == batch_dims")
    if not isinstance(indices, RaggedTensor):
        if indices.shape.rank == batch_dims:  # one index for each row
            return _batch_gather(
                params, execute("ExpandDims", (indices, convert_to_tensor(-1))), axis, batch_dims
            ).values
        indices = RaggedTensor.from_tensor(indices, ragged_rank=max(batch_dims, 1))
    if not isinstance(params, RaggedTensor):
        params = RaggedTensor.from_tensor(
            params, ragged_rank=max(batch_dims, 1), row_splits_dtype=indices.row_splits.dtype
        )
    if params.row_splits.dtype is not indices.row_splits.dtype:
        params, indices = (
            params.with_row_splits_dtype(dtypes.int64),
            indices.with_row_splits_dtype(dtypes.int64),
        )
    if batch_dims > 1:
        return indices.with_values(_batch_gather(params.values, indices.values, axis - 1, batch_dims - 1))
    starts = params.row_starts()
    inner: Any = indices.values
    offsets = dense_gather(starts, indices.value_rowids())
    while isinstance(inner, RaggedTensor):
        offsets = dense_gather(offsets, inner.value_rowids())
        inner = inner.values
    absolute = cast(inner, offsets.dtype) + offsets
    return indices.with_flat_values(absolute).with_values(
        _through(
            indices.values,
            gather_rows(params.values, absolute)
            if absolute.shape.rank == 1
            else gather(params.values, absolute),
        )
    )


def _through(shape_of: Any, values: Any) -> Any:
    return shape_of.with_flat_values(values) if isinstance(shape_of, RaggedTensor) else values


def gather_nd(
    params: Any, indices: Any, batch_dims: int = 0, name: str | None = None, bad_indices_policy: str = ""
) -> Any:
    """`tf.gather_nd` of a ragged tensor: each innermost row of `indices` is a place in `params`."""
    if batch_dims != 0:
        raise ValueError("batch_dims != 0 is not supported for ragged gather yet.")
    params, indices = _either(params), _either(indices)
    if isinstance(indices, RaggedTensor):
        return (
            indices.with_values(gather_nd(params, indices.values))
            if indices.ragged_rank > 1 or indices.values.shape.rank > 1
            else gather_nd(params, indices.to_tensor())
        )
    depth, rank = indices.shape[-1], indices.shape.rank
    if depth is None:
        raise ValueError("The innermost dimension of indices may not be ragged")
    if rank > 2:
        flat = gather_nd(params, merge_dims(indices, 0, rank - 2))
        return as_ragged(indices[..., 0], rank - 2).with_flat_values(flat)
    if rank == 1:
        return params[tuple(indices[position] for position in range(depth))]
    if depth == 0:
        return gather(params[None], indices[:, :0].shape[0] * [0])
    result: Any = params
    places = indices[:, 0]
    for position in range(1, depth):
        if isinstance(result, RaggedTensor):
            places = dense_gather(cast(result.row_starts(), indices.dtype), places) + indices[:, position]
            result = result.values
        else:
            rest = _columns([places, *(indices[:, each] for each in range(position, depth))])
            return execute("GatherNd", (result, rest))
    return gather_rows(result, places) if isinstance(result, RaggedTensor) else dense_gather(result, places)


def _columns(columns: list[Tensor]) -> Tensor:
    """Vectors as the columns of a matrix."""
    return execute("Pack", (columns,), {"axis": 1})


def boolean_mask(data: Any, mask: Any, name: str | None = None) -> Any:
    """The elements of `data` where `mask` is true; the result is ragged where the mask has inner dimensions.

    Raises:
      ValueError: the mask is not boolean, or a scalar. InvalidArgumentError: its rows are not those of the data.

    Example:
      >>> import penstock as tf
      >>> tf.ragged.boolean_mask([[1, 2, 3], [4, 5, 6]], [[True, False, True], [False, False, True]])
      <tf.RaggedTensor [[1, 3], [6]]>
    """
    data, mask = _either(data), _either(mask)
    if mask.dtype is not dtypes.bool:
        raise ValueError(f"mask must be boolean, got {mask.dtype.name}")
    if mask.shape.rank is None:
        raise ValueError("mask.shape.ndims must be known statically.")
    if mask.shape.rank == 0:
        raise ValueError("mask cannot be scalar.")
    return _masked(data, mask)


def _masked(data: Any, mask: Any) -> Any:
    if mask.shape.rank == 1:
        return dense_rows(data, mask)
    dtype = next(
        (each.row_splits.dtype for each in (data, mask) if isinstance(each, RaggedTensor)), dtypes.int64
    )
    data, mask = _by_rows(data, dtype), _by_rows(mask, dtype)
    _check_same_rows(data, mask)
    kept = _masked(data.values, mask.values)
    if mask.shape.rank > 2:
        return data.with_values(kept)
    counts = execute("UnsortedSegmentSum", (cast(mask.values, dtype), mask.value_rowids(), mask.nrows()))
    return RaggedTensor.from_row_lengths(kept, counts, validate=False)


def _by_rows(value: Any, dtype: Any) -> RaggedTensor:
    """`value` as a ragged tensor whose rows are not marked as being of one length."""
    if not isinstance(value, RaggedTensor):
        value = RaggedTensor.from_tensor(value, row_splits_dtype=dtype)
    return RaggedTensor.from_row_splits(value.values, value.row_splits, validate=False)


def _check_same_rows(data: RaggedTensor, mask: RaggedTensor) -> None:
    left, right = constant_value(data.row_splits), constant_value(mask.row_splits)
    if left is not None and right is not None and not np.array_equal(left, right):
        raise errors.InvalidArgumentError(None, None, "boolean_mask: data and mask must have the same rows")


def dense_rows(values: Any, mask: Tensor) -> Any:
    """The rows of a tensor or ragged tensor where a bool vector is true."""
    if not isinstance(values, RaggedTensor):
        return dense_boolean_mask(values, mask)
    places = execute("Reshape", (execute("Where", (mask,)), convert_to_tensor([-1])))
    return gather_rows(values, places)


def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    """`tf.where` with a ragged argument: elementwise choice, or the places of true elements."""
    if x is None and y is None:
        return _coordinates(_either(condition))
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    flats, pack = broadcast_flat([condition, x, y])
    chosen, left, right = flats
    left, right = _matched(left, right)
    return pack(execute("SelectV2", (convert_to_tensor(chosen, dtypes.bool), left, right)))


def _matched(left: Any, right: Any) -> tuple[Tensor, Tensor]:
    from penstock.ops.arguments import matching

    return tuple(matching(left, right))  # type: ignore[return-value]


def _coordinates(condition: RaggedTensor) -> Tensor:
    """The place of every true element, as rows of indices."""
    sparse = condition.with_flat_values(cast(condition.flat_values, dtypes.bool)).to_sparse()
    return dense_boolean_mask(sparse.indices, sparse.values)
