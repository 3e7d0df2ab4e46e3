"""Ragged tensors joined, repeated and rearranged: concat, stack, expand_dims, squeeze, tile, reverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.static_value import constant_value
from penstock.ops.concatenation import concat as dense_concat
from penstock.ops.concatenation import stack as dense_stack
from penstock.ops.gathering import gather
from penstock.ops.ragged.construction import gather_rows, ragged_range
from penstock.ops.ragged.row_partition import splits_from_lengths
from penstock.ops.ragged.tensor import RaggedTensor, from_ragged_value
from penstock.ops.ragged.value import RaggedTensorValue
from penstock.ops.ranges import range_
from penstock.ops.replication import repeat
from penstock.ops.replication import tile as dense_tile
from penstock.ops.reshaping import reshape
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def counted_axis(axis: Any, rank: int | None, extra: int = 0) -> int:
    """`axis` counted from the front.

    Raises:
      ValueError: it is outside of the rank (`extra` positions more are allowed), or negative with the rank unknown.
    """
    value = int(constant_value(convert_to_tensor(axis)))
    if rank is None:
        if value < 0:
            raise ValueError(f"axis={value} may only be negative if the rank is statically known.")
        return value
    if not -rank - extra <= value < rank + extra:
        raise ValueError(f"axis={value} out of bounds: expected {-rank - extra}<=axis<{rank + extra}")
    return value + rank + extra if value < 0 else value


def as_ragged(value: Any, depth: int, dtype: Any = dtypes.int64) -> RaggedTensor:
    """`value` with at least `depth` row partitions: dense dimensions become uniform ones."""
    if not isinstance(value, RaggedTensor):
        return RaggedTensor.from_tensor(value, ragged_rank=depth, row_splits_dtype=dtype)
    if value.ragged_rank >= depth:
        return value
    inner = value.flat_values
    missing = depth - value.ragged_rank
    return value.with_flat_values(
        RaggedTensor.from_tensor(inner, ragged_rank=missing, row_splits_dtype=value.row_splits.dtype)
    )


def _prepared(values: Sequence[Any]) -> list[Any]:
    """Ragged tensors and tensors, with row splits of one dtype."""
    dtype = next((each.dtype for each in values if isinstance(each, (RaggedTensor, Tensor))), None)
    found: list[Any] = []
    for each in values:
        if isinstance(each, RaggedTensorValue):
            each = from_ragged_value(each)
        found.append(
            each
            if isinstance(each, RaggedTensor)
            else convert_to_tensor(each, None if isinstance(each, Tensor) else dtype)
        )
    kinds = {each.row_splits.dtype for each in found if isinstance(each, RaggedTensor)}
    if len(kinds) > 1:
        found = [
            each.with_row_splits_dtype(dtypes.int64) if isinstance(each, RaggedTensor) else each
            for each in found
        ]
    return found


def _splits_dtype(values: Sequence[Any]) -> Any:
    return next((each.row_splits.dtype for each in values if isinstance(each, RaggedTensor)), dtypes.int64)


# Joining.


def concat(values: Any, axis: Any = 0, name: str | None = None) -> Any:
    """`tf.concat` of ragged tensors (and tensors among them)."""
    found = _prepared(values if isinstance(values, (list, tuple)) else [values])
    if len(found) == 1:
        return found[0]
    rank = next((each.shape.rank for each in found if each.shape.rank is not None), None)
    axis = counted_axis(axis, rank)
    if not any(isinstance(each, RaggedTensor) for each in found) and axis == 0 and rank == 1:
        return dense_concat(found, 0)
    return _concat(found, axis)


def _concat(values: list[Any], axis: int) -> Any:
    if all(not isinstance(each, RaggedTensor) for each in values) and (
        axis != 0 or values[0].shape.rank == 1
    ):
        return dense_concat(values, axis)
    depth = max(each.ragged_rank if isinstance(each, RaggedTensor) else 0 for each in values)
    ragged = [as_ragged(each, max(depth, 1), _splits_dtype(values)) for each in values]
    if axis == 0:
        return _below(ragged)
    if axis == 1:
        return _beside(ragged)
    # Deeper: the rows correspond, so their values are joined one dimension less deep.
    return ragged[0].with_values(_concat([each.values for each in ragged], axis - 1))


def _below(values: list[RaggedTensor]) -> RaggedTensor:
    """Rows of one, then rows of the next."""
    joined = _join_values([each.values for each in values])
    lengths = [each.uniform_row_length for each in values]
    known = [None if each is None else constant_value(each) for each in lengths]
    if all(each is not None for each in known) and len({int(each) for each in known}) == 1:
        rows = execute("AddN", ([each.nrows() for each in values],))
        return RaggedTensor.from_uniform_row_length(joined, lengths[0], rows, validate=False)
    splits, offset = [values[0].row_splits], values[0].row_splits[-1]
    for each in values[1:]:
        splits.append(each.row_splits[1:] + offset)
        offset = offset + each.row_splits[-1]
    return RaggedTensor.from_row_splits(joined, dense_concat(splits, 0), validate=False)


def _join_values(values: list[Any]) -> Any:
    if any(isinstance(each, RaggedTensor) for each in values):
        return _concat(values, 0)
    return dense_concat(values, 0)


def _beside(values: list[RaggedTensor]) -> RaggedTensor:
    """Row i of the result is row i of each, joined."""
    count, rows = len(values), values[0].nrows()
    below = _below([_without_uniform(each) for each in values])
    order = reshape(dense_stack([range_(rows) + rows * position for position in range(count)], 1), [-1])
    woven = gather_rows(below, order)
    step = convert_to_tensor(count, rows.dtype)
    splits = gather(woven.row_splits, range_(rows + 1) * step)
    return RaggedTensor.from_row_splits(woven.values, splits, validate=False)


def _without_uniform(value: RaggedTensor) -> RaggedTensor:
    return RaggedTensor.from_row_splits(value.values, value.row_splits, validate=False)


def stack(values: Any, axis: Any = 0, name: str | None = None) -> Any:
    """`tf.stack` of ragged tensors, and of tensors of different sizes: the new dimension has one slice for each.

    Example:
      >>> import penstock as tf
      >>> tf.ragged.stack([[1, 2], [3]])
      <tf.RaggedTensor [[1, 2], [3]]>
    """
    found = _prepared(values if isinstance(values, (list, tuple)) else [values])
    if not found:
        raise ValueError("values must not be empty")
    rank = found[0].shape.rank
    axis = counted_axis(axis, rank, 1)
    if rank == 0 and not any(isinstance(each, RaggedTensor) for each in found):
        return dense_stack(found)
    if axis == 0:
        if rank == 1 and not any(isinstance(each, RaggedTensor) for each in found):
            lengths = dense_stack([execute("Size", (each,), {"out_type": dtypes.int32}) for each in found])
            return RaggedTensor.from_row_lengths(dense_concat(found, 0), lengths, validate=False)
        ragged = [
            as_ragged(
                each, max(rank - 1, 1) if not isinstance(each, RaggedTensor) else 1, _splits_dtype(found)
            )
            for each in found
        ]
        depth = max(each.ragged_rank for each in ragged)
        ragged = [as_ragged(each, depth) for each in ragged]
        lengths = dense_stack([each.nrows() for each in ragged])
        return RaggedTensor.from_row_lengths(
            _below(ragged) if len(ragged) > 1 else ragged[0], lengths, validate=False
        )
    return concat([expand_dims(each, axis) for each in found], axis)


def expand_dims(value: Any, axis: Any, name: str | None = None) -> Any:
    """`tf.expand_dims` of a ragged tensor."""
    if not isinstance(value, RaggedTensor):
        return execute("ExpandDims", (convert_to_tensor(value), convert_to_tensor(axis)))
    axis = counted_axis(axis, value.shape.rank, 1)
    if axis == 0:
        rows = value.nrows()
        return RaggedTensor.from_uniform_row_length(value, rows, rows * 0 + 1, validate=False)
    if axis == 1:
        rows = value.nrows()
        return RaggedTensor.from_uniform_row_length(value, rows * 0 + 1, rows, validate=False)
    return value.with_values(expand_dims(value.values, axis - 1))


def squeeze(value: RaggedTensor, axis: Any = None, name: str | None = None) -> Any:
    """`tf.squeeze` of a ragged tensor; the axes must be given.

    Raises:
      ValueError: no axis is given. InvalidArgumentError: a dimension does not have size 1.
    """
    if axis is None:
        raise ValueError("Ragged.squeeze must have an axis argument.")
    result: Any = value
    axes = sorted(
        {counted_axis(each, value.shape.rank) for each in np.atleast_1d(np.asarray(axis))}, reverse=True
    )
    for each in axes:
        result = _squeeze(result, each)
    return result


def _squeeze(value: Any, axis: int) -> Any:
    if not isinstance(value, RaggedTensor):
        return execute("Squeeze", (value,), {"squeeze_dims": [axis]})
    if axis == 0:
        return value[0]
    if axis == 1:
        lengths = constant_value(value.row_lengths())
        if lengths is not None and (lengths != 1).any():
            raise ValueError(f"cannot squeeze dimension 1, whose rows have lengths {lengths.tolist()}")
        return value.values
    return value.with_values(_squeeze(value.values, axis - 1))


# Rearranging.


def tile(value: RaggedTensor, multiples: Any, name: str | None = None) -> RaggedTensor:
    """`tf.tile` of a ragged tensor."""
    counts = [int(each) for each in constant_value(convert_to_tensor(multiples))]
    if value.shape.rank is not None and len(counts) != value.shape.rank:
        raise ValueError(f"multiples must have length {value.shape.rank}, got {counts}")
    result = _tile_inner(value, counts[1:])
    if counts[0] == 1:
        return result
    indices = dense_tile(range_(result.nrows()), [counts[0]])
    return gather_rows(result, indices)


def _tile_inner(value: RaggedTensor, counts: list[int]) -> RaggedTensor:
    """Repeats every row `counts[0]` times inside itself, and inner dimensions likewise."""
    first, *rest = counts
    values: Any = value.values
    if isinstance(values, RaggedTensor):
        values = _tile_inner(values, rest)
    elif any(count != 1 for count in rest):
        values = dense_tile(values, [1, *rest])
    value = value.with_values(values)
    if first == 1:
        return value
    starts, limits = repeat(value.row_starts(), first), repeat(value.row_limits(), first)
    places = ragged_range(starts, limits, row_splits_dtype=starts.dtype).values
    splits = splits_from_lengths(value.row_lengths() * first)
    return RaggedTensor.from_row_splits(gather_rows(values, places), splits, validate=False)


def reverse(value: RaggedTensor, axis: Any, name: str | None = None) -> Any:
    """`tf.reverse` of a ragged tensor."""
    result: Any = value
    for each in np.atleast_1d(np.asarray(axis)):
        position = counted_axis(each, value.shape.rank)
        keys = [slice(None)] * position + [slice(None, None, -1)]
        result = result[tuple(keys)]
    return result


def split(
    value: RaggedTensor,
    num_or_size_splits: Any,
    axis: Any = 0,
    num: int | None = None,
    name: str | None = None,
) -> list:
    """`tf.split` of a ragged tensor along its first dimension, or along a uniform one."""
    position = counted_axis(axis, value.shape.rank)
    size = value.shape[position]
    if isinstance(num_or_size_splits, int):
        if size is None:
            raise ValueError("Cannot exclude the ragged dimension: split along uniform dimensions only")
        if size % num_or_size_splits:
            raise ValueError(f"Cannot exactly split the dimension of size {size} into {num_or_size_splits}")
        sizes = [size // num_or_size_splits] * num_or_size_splits
    else:
        sizes = [int(each) for each in constant_value(convert_to_tensor(num_or_size_splits))]
        if size is not None and sum(sizes) != size:
            raise ValueError(f"the sizes {sizes} must add up to {size}")
    parts, begin = [], 0
    for each in sizes:
        parts.append(value[(*[slice(None)] * position, slice(begin, begin + each))])
        begin += each
    return parts
