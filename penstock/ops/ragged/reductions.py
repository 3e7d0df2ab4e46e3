"""Reductions of ragged tensors: what `tf.reduce_sum` and its siblings do for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import EXPORTS
from penstock.engine.static_value import constant_value
from penstock.ops.casting import cast
from penstock.ops.gathering import gather
from penstock.ops.ragged.construction import ragged_range
from penstock.ops.ragged.joining import counted_axis, expand_dims
from penstock.ops.ragged.row_partition import splits_from_lengths
from penstock.ops.ragged.tensor import RaggedTensor
from penstock.types import dtypes
from penstock.types.tensors import Tensor

# Reduction -> the op that aggregates segments.
_SEGMENT_OPS = {
    "sum": "UnsortedSegmentSum",
    "prod": "UnsortedSegmentProd",
    "max": "UnsortedSegmentMax",
    "min": "UnsortedSegmentMin",
}


def aggregate(kind: str, data: Any, segment_ids: Tensor, num_segments: Tensor) -> Any:
    """Aggregates the rows of `data` (ragged or not) that have the same segment id; shorter rows count as ended."""
    if not isinstance(data, RaggedTensor):
        return execute(_SEGMENT_OPS[kind], (data, segment_ids, num_segments))
    lengths = data.row_lengths()
    zero = convert_to_tensor(0, lengths.dtype)
    out_lengths = execute(
        "Maximum", (execute("UnsortedSegmentMax", (lengths, segment_ids, num_segments)), zero)
    )
    out_splits = splits_from_lengths(out_lengths)
    starts = gather(out_splits, segment_ids)
    targets = ragged_range(starts, starts + lengths, row_splits_dtype=lengths.dtype).values
    values = aggregate(kind, data.values, targets, out_splits[-1])
    return RaggedTensor.from_row_splits(values, out_splits, validate=False)


def _reduce_axis(kind: str, value: RaggedTensor, axis: int) -> Any:
    if axis == 0:
        lengths = value.row_lengths()
        columns = execute("Maximum", (_largest(lengths), convert_to_tensor(0, lengths.dtype)))
        offsets = ragged_range(lengths, row_splits_dtype=lengths.dtype).values
        return aggregate(kind, value.values, offsets, columns)
    if axis == 1:
        return aggregate(kind, value.values, value.value_rowids(), value.nrows())
    if isinstance(value.values, RaggedTensor):
        return value.with_values(_reduce_axis(kind, value.values, axis - 1))
    return value.with_values(EXPORTS["v2"][f"math.reduce_{kind}"](value.values, axis - 1))


def _largest(lengths: Tensor) -> Tensor:
    padded = execute("ConcatV2", ([convert_to_tensor([0], lengths.dtype), lengths], convert_to_tensor(0)))
    return execute("Max", (padded, convert_to_tensor([0])), {"keep_dims": False})


def _axes(value: RaggedTensor, axis: Any) -> list[int]:
    """The axes, counted from the front, from the last to the first."""
    given = np.atleast_1d(constant_value(convert_to_tensor(axis)))
    counted = [counted_axis(each, value.shape.rank) for each in given]
    if len(set(counted)) != len(counted):
        raise ValueError(f"axes {axis} repeat")
    return sorted(counted, reverse=True)


def _plain(kind: str) -> Callable:
    function = EXPORTS["v2"][f"math.reduce_{kind}"]
    return getattr(function, "__wrapped__", function)


def reduce(kind: str, value: RaggedTensor, axis: Any = None, keepdims: bool = False) -> Any:
    """`tf.reduce_<kind>` of a ragged tensor, for sum, prod, max, and min.

    Without an axis all values are reduced. Reducing a ragged dimension removes it; the result is a tensor where no
    ragged dimension is left.
    """
    result: Any = value
    if axis is None:
        result = _plain(kind)(value.flat_values)
        if keepdims:
            for _ in range(value.shape.rank):
                result = result[None]
        return result
    axes = _axes(value, axis)
    for each in axes:
        if isinstance(result, RaggedTensor):
            result = _reduce_axis(kind, result, each)
        else:
            result = _plain(kind)(result, each)
    return _with_kept(result, axes) if keepdims else result


def _with_kept(result: Any, axes: list[int]) -> Any:
    for each in reversed(axes):
        result = expand_dims(result, each) if isinstance(result, RaggedTensor) else _expand(result, each)
    return result


def _expand(tensor: Tensor, axis: int) -> Tensor:
    return execute("ExpandDims", (tensor, convert_to_tensor(axis)))


def mean(value: RaggedTensor, axis: Any = None, keepdims: bool = False) -> Any:
    """`tf.reduce_mean` of a ragged tensor."""
    if axis is None:
        result = _plain("mean")(value.flat_values)
        return (
            result
            if not keepdims
            else reduce("sum", value.with_flat_values(value.flat_values), None, True) * 0 + result
        )
    total = reduce("sum", value, axis, keepdims)
    ones = value.with_flat_values(execute("OnesLike", (value.flat_values,)))
    count = reduce("sum", ones, axis, keepdims)
    return total / count  # of integers too: a mean of them is floating


def variance(value: RaggedTensor, axis: Any = None, keepdims: bool = False) -> Any:
    """`tf.math.reduce_variance` of a ragged tensor: E[x²] - E[x]²."""
    if value.dtype.is_integer:
        raise TypeError("input_tensor must be floating or complex")
    square = value.with_flat_values(execute("Square", (value.flat_values,)))
    first, second = mean(value, axis, keepdims), mean(square, axis, keepdims)
    if not isinstance(first, RaggedTensor):
        return second - first * first
    return first.with_flat_values(second.flat_values - first.flat_values * first.flat_values)


def std(value: RaggedTensor, axis: Any = None, keepdims: bool = False) -> Any:
    """`tf.math.reduce_std` of a ragged tensor."""
    found = variance(value, axis, keepdims)
    if isinstance(found, RaggedTensor):
        return found.with_flat_values(execute("Sqrt", (found.flat_values,)))
    return execute("Sqrt", (found,))


def truth(kind: str, value: RaggedTensor, axis: Any = None, keepdims: bool = False) -> Any:
    """`tf.reduce_all` (kind "prod") or `tf.reduce_any` (kind "sum") of a ragged bool tensor."""
    numbers = value.with_flat_values(cast(convert_to_tensor(value.flat_values, dtypes.bool), dtypes.int32))
    found = reduce(kind, numbers, axis, keepdims)
    if isinstance(found, RaggedTensor):
        return found.with_flat_values(cast(found.flat_values, dtypes.bool))
    return cast(found, dtypes.bool)
