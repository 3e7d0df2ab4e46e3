"""Distinct values: unique, unique_with_counts, setdiff1d, unravel_index. How many there are depends on the data."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static_ints
from penstock.ops.arguments import index_vector, matching
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _distinct(x: np.ndarray, axis: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct slices in the order of their first appearance, which of them each is, and how often each comes."""
    if axis is not None and 0 in x.shape:
        size = x.shape[axis]
        first = np.zeros(1 if size else 0, np.int64)
        return x.take(first, axis), np.zeros(size, np.int64), np.array([size] if size else [], np.int64)
    kind = x.dtype
    if axis is None and kind.kind in "iu" and (found := _distinct_in_range(x)) is not None:
        return found
    if kind.kind == "V":  # bfloat16 and the like: float32 holds them exactly
        x = x.astype(np.float32)
    _, first, inverse, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    values = x.take(first[order], 0 if axis is None else axis)
    return values.astype(kind), rank[inverse.reshape(-1)], counts[order]


def _distinct_in_range(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """`_distinct` of integers that lie close together, without sorting them; None where they do not."""
    if len(x) < 2:
        return None
    lowest, highest = int(x.min()), int(x.max())
    if highest - lowest >= 4 * len(x):
        return None
    # What is subtracted first, or later, is what has no overflow.
    places = (x - x.dtype.type(lowest)).astype(np.intp) if x.dtype.kind == "u" else x.astype(np.intp) - lowest
    first = np.empty(highest - lowest + 1, np.intp)
    first[places[::-1]] = np.arange(len(x) - 1, -1, -1)  # the assignment that counts is the last one
    appears = np.zeros(len(x), bool)
    appears[first[places]] = True
    order = np.flatnonzero(appears)
    rank = np.empty_like(first)
    rank[places[order]] = np.arange(len(order))
    positions = rank[places]
    return x[order], positions, np.bincount(positions, minlength=len(order))


def _unique(x: np.ndarray, out_idx: DType, axis: Any = None) -> list[np.ndarray]:
    axes = () if axis is None else static_ints(axis)
    if len(axes) > 1:
        raise ValueError("axis does not support input tensors larger than 1 elements")
    if not axes and x.ndim != 1:
        raise ValueError("unique expects a 1D vector.")
    if axes and not -x.ndim <= axes[0] < x.ndim:
        raise ValueError(f"axis must be in [{-x.ndim}, {x.ndim}), got {axes[0]}")
    values, positions, counts = _distinct(x, axes[0] % x.ndim if axes else None)
    return [values, positions.astype(out_idx.np_dtype), counts.astype(out_idx.np_dtype)]


def _vector_shapes(count: int) -> Any:
    """The shapes of the outputs of the ops on vectors: only `idx` of `unique` has a known size."""

    def rule(call: ShapeCall) -> list[TensorShape]:
        if call.shape(0).rank not in (None, 1):
            raise call.error("unique expects a 1D vector.")
        return [TensorShape([None]), call.shape(0).with_rank(1), TensorShape([None])][:count]

    return rule


def _axis_shapes(count: int) -> Any:
    def rule(call: ShapeCall) -> list[TensorShape]:
        given, axis = call.shape(0), call.entries(1)
        if given.rank is None or axis is None or None in axis:
            return [TensorShape(None), TensorShape([None]), TensorShape([None])][:count]
        dims = given.as_list()
        position = axis[0] if axis else 0
        size, dims[position] = dims[position], None
        return [TensorShape(dims), TensorShape([size]), TensorShape([None])][:count]

    return rule


op(
    "Unique(x: T; out_idx=int32) -> (y: T, idx: out_idx)",
    numpy=lambda x, *, out_idx: _unique(x, out_idx)[:2],
    shape=_vector_shapes(2),
    gradient=stops,
)
op(
    "UniqueWithCounts(x: T; out_idx=int32) -> (y: T, idx: out_idx, count: out_idx)",
    numpy=lambda x, *, out_idx: _unique(x, out_idx),
    shape=_vector_shapes(3),
    gradient=stops,
)
op(
    "UniqueV2(x: T, axis: Taxis; out_idx=int32) -> (y: T, idx: out_idx)",
    numpy=lambda x, axis, *, out_idx: _unique(x, out_idx, axis)[:2],
    shape=_axis_shapes(2),
    gradient=stops,
)
op(
    "UniqueWithCountsV2(x: T, axis: Taxis; out_idx=int32) -> (y: T, idx: out_idx, count: out_idx)",
    numpy=lambda x, axis, *, out_idx: _unique(x, out_idx, axis),
    shape=_axis_shapes(3),
    gradient=stops,
)

Unique = collections.namedtuple("Unique", ["y", "idx"])
UniqueWithCounts = collections.namedtuple("UniqueWithCounts", ["y", "idx", "count"])
ListDiff = collections.namedtuple("ListDiff", ["out", "idx"])


@export("unique")
def unique(x: Any, out_idx: Any = dtypes.int32, name: str | None = None) -> Unique:
    """The distinct values of a vector, in the order in which they first appear.

    Args:
      x: a vector.
      out_idx: int32 or int64, the dtype of the positions.

    Returns:
      `(y, idx)` with `y[idx[i]] == x[i]`.

    Raises:
      InvalidArgumentError: `x` is no vector.

    Example:
      >>> import penstock as tf
      >>> y, idx = tf.unique([3, 1, 3])
      >>> y.numpy().tolist(), idx.numpy().tolist()
      ([3, 1], [0, 1, 0])
    """
    return Unique(*execute("Unique", (convert_to_tensor(x),), {"out_idx": as_dtype(out_idx)}, name))


@export("unique_with_counts")
def unique_with_counts(x: Any, out_idx: Any = dtypes.int32, name: str | None = None) -> UniqueWithCounts:
    """The distinct values of a vector and how often each comes.

    Args:
      x: a vector.
      out_idx: int32 or int64, the dtype of positions and counts.

    Returns:
      `(y, idx, count)` with `y[idx[i]] == x[i]`.

    Raises:
      InvalidArgumentError: `x` is no vector.

    Example:
      >>> import penstock as tf
      >>> tf.unique_with_counts([3, 1, 3]).count.numpy().tolist()
      [2, 1]
    """
    tensors = execute("UniqueWithCounts", (convert_to_tensor(x),), {"out_idx": as_dtype(out_idx)}, name)
    return UniqueWithCounts(*tensors)


# ListDiff.


def _list_diff(x: np.ndarray, y: np.ndarray, *, out_idx: DType) -> list[np.ndarray]:
    if x.ndim != 1 or y.ndim != 1:
        raise ValueError(f"x and y must be vectors, got shapes {list(x.shape)} and {list(y.shape)}")
    known = set(y.tolist())
    kept = [i for i, value in enumerate(x.tolist()) if value not in known]
    return [x[kept], np.array(kept, out_idx.np_dtype)]


op(
    "ListDiff(x: T, y: T; out_idx=int32) -> (out: T, idx: out_idx)",
    numpy=_list_diff,
    shape=lambda call: [TensorShape([None])] * 2,
    gradient=stops,
)


@export(v1=["setdiff1d"])
def setdiff1d(x: Any, y: Any, index_dtype: Any = dtypes.int32, name: str | None = None) -> ListDiff:
    """The values of the vector `x` that are not in the vector `y`, and their positions in `x`."""
    return ListDiff(*execute("ListDiff", tuple(matching(x, y)), {"out_idx": as_dtype(index_dtype)}, name))


# UnravelIndex.


def _unravel_index(xp: Any, indices: Any, dims: Any) -> Any:
    sizes = static_ints(dims)
    total = int(np.prod(sizes, dtype=np.int64))
    if np.ndim(dims) != 1:
        raise ValueError(f"dims must be a vector, got shape {list(np.shape(dims))}")
    if xp is np and indices.size and (indices.min() < 0 or indices.max() >= total):
        raise ValueError("index is out of bound as with dims")
    strides = np.array([int(np.prod(sizes[i + 1 :], dtype=np.int64)) for i in range(len(sizes))], np.int64)
    spread = (-1, *(1,) * np.ndim(indices))
    places = indices[None] // strides.reshape(spread) % np.array(sizes, np.int64).reshape(spread)
    return places.astype(indices.dtype)


op(
    "UnravelIndex(indices: Tidx, dims: Tidx) -> output: Tidx",
    _unravel_index,
    shape=lambda call: (
        call.shape(1).concatenate(call.shape(0)) if call.shape(1).rank == 1 else TensorShape(None)
    ),
    gradient=stops,
)


@export("unravel_index")
def unravel_index(indices: Any, dims: Any, name: str | None = None) -> Tensor:
    """Flat indices into an array of shape `dims` as coordinates, one row for each dimension.

    Raises:
      InvalidArgumentError: an index is out of range.

    Example:
      >>> import penstock as tf
      >>> tf.unravel_index([2, 5, 7], [3, 3]).numpy().tolist()
      [[0, 1, 2], [2, 2, 1]]
    """
    first = index_vector(indices)
    return execute("UnravelIndex", (first, index_vector(dims, first.dtype)), None, name)
