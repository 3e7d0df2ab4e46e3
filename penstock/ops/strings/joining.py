"""Joining strings: `tf.strings.join`, `reduce_join`, `unsorted_segment_join`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, reduction
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import renamed
from penstock.ops.dtype_sets import INDICES
from penstock.ops.gathering import gather
from penstock.ops.ragged.construction import ragged_range
from penstock.ops.ragged.row_partition import splits_from_lengths
from penstock.ops.ragged.tensor import RaggedTensor, is_ragged
from penstock.ops.strings.kernels import bytes_attr, string_array
from penstock.types import dtypes, errors
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _join(inputs: list, *, separator: Any) -> np.ndarray:
    shape: tuple[int, ...] = ()
    for each in inputs:
        if np.ndim(each):
            if shape and np.shape(each) != shape:
                raise ValueError(f"Input shapes do not match: {list(shape)} vs. {list(np.shape(each))}")
            shape = np.shape(each)
    columns = [np.broadcast_to(np.asarray(each, object), shape).reshape(-1) for each in inputs]
    rows = zip(*columns) if columns else [()]
    return string_array(map(bytes_attr(separator).join, rows), shape)


def _join_shape(call: ShapeCall) -> TensorShape:
    shape = TensorShape([])
    for index in range(len(call.inputs)):
        each = call.shape(index)
        if each.rank is None:
            return TensorShape(None)
        if each.rank:
            try:
                shape = each if not shape.rank else shape.merge_with(each)
            except ValueError:
                raise call.error("all shapes but those of scalars must be equal") from None
    return shape


op(
    "StringJoin(inputs: N*string; separator='') -> output: string",
    numpy=_join,
    shape=_join_shape,
    gradient=stops,
)


def _reduce_join(inputs: Any, reduction_indices: Any, *, keep_dims: bool, separator: Any) -> np.ndarray:
    strings = np.asarray(inputs, object)
    rank = strings.ndim
    axes = []
    for axis in np.reshape(reduction_indices, -1).tolist():
        if not -rank <= axis < rank:
            raise errors.OutOfRangeError(
                None,
                None,
                f"ReduceJoin: Invalid reduction dimension {axis} for input with {rank} dimension(s)",
            )
        if axis % rank in axes:
            raise ValueError(f"Duplicate reduction dimension {axis}")
        axes.append(axis % rank)
    kept = [axis for axis in range(rank) if axis not in axes]
    # The axis that is named first is joined first: it varies fastest.
    rows = strings.transpose([*kept, *reversed(axes)])
    out = rows.shape[: len(kept)]
    rows = rows.reshape(math.prod(out), math.prod(rows.shape[len(kept) :]))
    joined = string_array(map(bytes_attr(separator).join, rows), out)
    if keep_dims:
        return joined.reshape([1 if axis in axes else size for axis, size in enumerate(strings.shape)])
    return joined


op(
    "ReduceJoin(inputs: string, reduction_indices: int32; keep_dims=False, separator='') -> output: string",
    numpy=_reduce_join,
    shape=reduction,
    gradient=stops,
)


def _segment_join(inputs: Any, segment_ids: Any, num_segments: Any, *, separator: Any) -> np.ndarray:
    strings, count = np.asarray(inputs, object), int(np.asarray(num_segments))
    if strings.shape[: np.ndim(segment_ids)] != np.shape(segment_ids):
        raise ValueError(
            f"segment_ids {list(np.shape(segment_ids))} must have the first dimensions of the input {list(strings.shape)}"
        )
    if count < 0:
        raise ValueError(f"Number of segments must be non-negative but got {count}")
    ids = np.reshape(segment_ids, -1)
    if ids.size and (ids.min() < 0 or ids.max() >= count):
        raise ValueError("segment_ids are not allowed to exceed num_segments or to have negative values.")
    inner = strings.shape[np.ndim(segment_ids) :]
    rows = strings.reshape(ids.size, math.prod(inner))
    order = np.argsort(ids, kind="stable")
    ends = np.searchsorted(ids[order], np.arange(count + 1)).tolist()
    columns = rows[order].T.tolist()
    join = bytes_attr(separator).join
    joined = (join(column[start:end]) for column in columns for start, end in itertools.pairwise(ends))
    return string_array(joined, (len(columns), count)).T.reshape(count, *inner)


def _segment_join_shape(call: ShapeCall) -> TensorShape:
    count, ids = call.value(2), call.shape(1)
    if ids.rank is None or call.shape(0).rank is None:
        return TensorShape(None)
    return TensorShape([None if count is None else int(count)]).concatenate(call.shape(0)[ids.rank :])


op(
    "UnsortedSegmentJoin(inputs: string, segment_ids: Tindices, num_segments: Tnumsegments; separator='')"
    " -> output: string",
    numpy=_segment_join,
    shape=_segment_join_shape,
    gradient=stops,
    types={"Tindices": INDICES, "Tnumsegments": INDICES},
)


@export("strings.join", v1=["strings.join", "string_join"])
def join(inputs: Sequence[Any], separator: str = "", name: str | None = None) -> Tensor:
    """Joins strings element by element.

    Args:
      inputs: string tensors of one shape; scalars go with every element of the others.
      separator: what stands between the parts.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the shapes differ.

    Example:
      >>> import penstock as tf
      >>> tf.strings.join([["a", "b"], ["c", "d"], "!"], separator=" ").numpy().tolist()
      [b'a c !', b'b d !']
    """
    tensors = [convert_to_tensor(each, dtypes.string) for each in inputs]
    return execute("StringJoin", (tensors,), {"separator": separator}, name)


@export("strings.reduce_join", v1=[])
def reduce_join(
    inputs: Any, axis: Any = None, keepdims: bool = False, separator: str = "", name: str | None = None
) -> Any:
    """Joins the strings along axes.

    Args:
      inputs: a string tensor or `RaggedTensor`.
      axis: the axis, or the axes in the order in which they are joined; all, in reading order, by default.
      keepdims: keep the axes, with size 1.
      separator: what stands between the parts.
      name: the node's name in a graph.

    Raises:
      OutOfRangeError: there is no such axis.

    Example:
      >>> import penstock as tf
      >>> tf.strings.reduce_join([["a", "b"], ["c", "d"]], axis=1, separator="-").numpy().tolist()
      [b'a-b', b'c-d']
    """
    if is_ragged(inputs):
        return _reduce_join_ragged(inputs, axis, keepdims, separator)
    inputs = convert_to_tensor(inputs, dtypes.string)
    if axis is None:
        rank = inputs.shape.rank
        if rank is None:
            last = execute("Sub", (execute("Rank", (inputs,)), convert_to_tensor(1)))
            axis = execute("Range", (last, convert_to_tensor(-1), convert_to_tensor(-1)))
        else:
            axis = np.arange(rank - 1, -1, -1, dtype=np.int32)
    axis = convert_to_tensor(np.array(axis, np.int32) if isinstance(axis, list) else axis, dtypes.int32)
    return execute("ReduceJoin", (inputs, axis), {"keep_dims": keepdims, "separator": separator}, name)


@export(v1=["strings.reduce_join", "reduce_join"])
def reduce_join_v1(
    inputs: Any,
    axis: Any = None,
    keep_dims: bool | None = None,
    separator: str = "",
    name: str | None = None,
    reduction_indices: Any = None,
    keepdims: bool | None = None,
) -> Any:
    """TF 1's names of the arguments of `tf.strings.reduce_join`."""
    keep = renamed(keepdims, keep_dims, "keepdims and keep_dims")
    return reduce_join(
        inputs, renamed(axis, reduction_indices, "axis and reduction_indices"), bool(keep), separator, name
    )


def _reduce_join_ragged(value: RaggedTensor, axis: Any, keepdims: bool, separator: str) -> Any:
    rank = value.shape.rank
    axes = range(rank) if axis is None else np.atleast_1d(constant_value(convert_to_tensor(axis))).tolist()
    for each in axes:
        if not -rank <= each < rank:
            raise ValueError(f"axis={each} out of bounds: expected {-rank}<=axis<{rank}")
    counted = sorted((each % rank for each in axes), reverse=True)
    result: Any = value
    for each in counted:
        if isinstance(result, RaggedTensor):
            result = _join_ragged_axis(result, each, separator)
        else:
            result = reduce_join(result, each, separator=separator)
    if keepdims:
        for each in reversed(counted):
            result = execute("ExpandDims", (result, convert_to_tensor(each)))
    return result


def _join_ragged_axis(value: RaggedTensor, axis: int, separator: str) -> Any:
    if axis == 0:
        lengths = value.row_lengths()
        padded = execute("ConcatV2", ([convert_to_tensor([0], lengths.dtype), lengths], convert_to_tensor(0)))
        columns = execute("Max", (padded, convert_to_tensor([0])))
        offsets = ragged_range(lengths, row_splits_dtype=lengths.dtype).values
        return _join_rows(value.values, offsets, columns, separator)
    if axis == 1:
        return _join_rows(value.values, value.value_rowids(), value.nrows(), separator)
    if isinstance(value.values, RaggedTensor):
        return value.with_values(_join_ragged_axis(value.values, axis - 1, separator))
    return value.with_values(reduce_join(value.values, axis - 1, separator=separator))


def _join_rows(data: Any, segment_ids: Tensor, count: Tensor, separator: str) -> Any:
    """Joins the rows of `data` with the same segment id, element by element; shorter rows count as ended."""
    if not isinstance(data, RaggedTensor):
        return unsorted_segment_join(data, segment_ids, count, separator)
    lengths = data.row_lengths()
    longest = execute("UnsortedSegmentMax", (lengths, segment_ids, count))
    out_splits = splits_from_lengths(execute("Maximum", (longest, convert_to_tensor(0, lengths.dtype))))
    starts = gather(out_splits, segment_ids)
    targets = ragged_range(starts, starts + lengths, row_splits_dtype=lengths.dtype).values
    values = _join_rows(data.values, targets, out_splits[-1], separator)
    return RaggedTensor.from_row_splits(values, out_splits, validate=False)


@export("strings.unsorted_segment_join")
def unsorted_segment_join(
    inputs: Any, segment_ids: Any, num_segments: Any, separator: str = "", name: str | None = None
) -> Tensor:
    """Joins the strings of each segment.

    Args:
      inputs: a string tensor.
      segment_ids: the segment of each string (or row), of a shape that the shape of `inputs` begins with.
      num_segments: how many segments there are.
      separator: what stands between the parts.
      name: the node's name in a graph.

    Returns:
      `[num_segments, ...]`; "" for an empty segment.

    Raises:
      InvalidArgumentError: an id is negative, or not below `num_segments`.

    Example:
      >>> import penstock as tf
      >>> tf.strings.unsorted_segment_join(["a", "b", "c"], [1, 0, 1], 2, separator="-").numpy().tolist()
      [b'b', b'a-c']
    """
    tensors = (
        convert_to_tensor(inputs, dtypes.string),
        convert_to_tensor(segment_ids),
        convert_to_tensor(num_segments),
    )
    return execute("UnsortedSegmentJoin", tensors, {"separator": separator}, name)
