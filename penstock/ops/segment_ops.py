"""Ops that reduce rows by segment: SegmentSum, UnsortedSegmentMax, ... and their gradients.

In NumPy rows are sorted by segment and reduced in one `reduceat`; in XLA they are scattered. The number of segments of
the sorted ops is the last id plus one, so those need the ids' values. Public functions are in `segments`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from penstock.engine import index_range
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static
from penstock.engine.xla import jax, jnp
from penstock.ops.arithmetic import conj, where, zeros_like
from penstock.ops.broadcasting import shape_of
from penstock.ops.dtype_sets import INDICES, NUMBERS, REAL
from penstock.ops.variables import native_updates
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _limits(dtype: Any) -> tuple[Any, Any]:
    """The least and the greatest finite number."""
    info = np.iinfo(dtype) if dtype.kind in "iu" else ml_dtypes.finfo(dtype)
    return info.min, info.max


# Reduction -> NumPy's ufunc, the name in jax.ops, what an empty segment holds.
_REDUCTIONS: dict[str, tuple[np.ufunc, str, Callable]] = {
    "Sum": (np.add, "segment_sum", lambda dtype: 0),
    "Prod": (np.multiply, "segment_prod", lambda dtype: 1),
    "Max": (np.maximum, "segment_max", lambda dtype: _limits(dtype)[0]),
    "Min": (np.minimum, "segment_min", lambda dtype: _limits(dtype)[1]),
}


def _wide(x: Any, kind: str) -> Any:
    """16-bit floats are added and multiplied in float32."""
    narrow = x.dtype.itemsize == 2 and x.dtype.kind not in "iu"
    return x.astype(np.float32) if narrow and kind in ("Sum", "Prod") else x


def reduce_numpy(kind: str, data: np.ndarray, ids: np.ndarray, count: int, empty: Any = None) -> np.ndarray:
    """Rows of `data` reduced by segment; rows with negative ids are left out."""
    ufunc, _, identity = _REDUCTIONS[kind]
    rows = _wide(data.reshape(-1, *data.shape[np.ndim(ids) :]) if data.size else data[:0], kind)
    flat = np.reshape(ids, -1)
    out = np.full(
        (count, *data.shape[np.ndim(ids) :]), identity(data.dtype) if empty is None else empty, rows.dtype
    )
    if flat.size and rows.size:
        ends = _ends(flat)
        if np.any(flat[ends] > flat[ends + 1]):
            order = np.argsort(flat, kind="stable")
            flat, rows = flat[order], rows[order]
            ends = _ends(flat)
        first = np.searchsorted(flat, 0)
        if first:
            flat, rows, ends = flat[first:], rows[first:], ends[ends >= first] - first
        if flat.size:
            starts = np.concatenate([[0], ends + 1])
            out[flat[starts]] = ufunc.reduceat(rows, starts, axis=0, dtype=rows.dtype)
    return out.astype(data.dtype, copy=False)


def _ends(flat: np.ndarray) -> np.ndarray:
    """Where another id follows. Sorted ids have few such places, so that what else is asked is asked of few."""
    return np.flatnonzero(flat[1:] != flat[:-1])


def reduce_xla(kind: str, data: Any, ids: Any, count: int, empty: Any = None) -> Any:
    """The same in XLA."""
    _, function, identity = _REDUCTIONS[kind]
    shape = data.shape[np.ndim(ids) :]
    rows = _wide(jnp.reshape(data, (int(np.prod(np.shape(ids))), *shape)), kind)
    flat = jnp.reshape(ids, -1)
    if kind == "Sum" and empty is None and (sums := native_updates.sum_rows(rows, flat, count)) is not None:
        return sums.astype(data.dtype)
    flat = jnp.where(flat < 0, count, flat)  # out of range is dropped, where -1 would mean the last
    out = getattr(jax.ops, function)(rows, flat, count)
    fill = identity(data.dtype) if empty is None else empty
    if kind in ("Max", "Min") or empty is not None:
        used = jnp.zeros(count + 1, bool).at[flat].set(True)[:count]
        out = jnp.where(used.reshape(-1, *[1] * len(shape)), out, jnp.asarray(fill, out.dtype))
    return out.astype(data.dtype)


def _check_ids(data: Any, ids: Any, count: int) -> None:
    """Ids of an unsorted op must be below the count, and have the leading shape of the data."""
    if np.shape(data)[: np.ndim(ids)] != np.shape(ids):
        raise ValueError(
            f"data.shape = {list(np.shape(data))} does not start with segment_ids.shape = {list(np.shape(ids))}"
        )
    if count < 0:
        raise ValueError(f"Input num_segments must be non-negative, got {count}")
    if isinstance(ids, (np.ndarray, np.generic)) and np.size(ids) and np.max(ids) >= count:
        at = np.unravel_index(np.argmax(np.asarray(ids) >= count), np.shape(ids))
        place = ",".join(str(int(i)) for i in at)
        raise ValueError(f"segment_ids[{place}] = {np.asarray(ids)[at]} is out of range [0, {count})")


def _unsorted(reduce: Callable, kind: str) -> Callable:
    def body(data: Any, segment_ids: Any, num_segments: Any) -> Any:
        count = int(static(num_segments))
        _check_ids(data, segment_ids, count)
        return reduce(kind, data, segment_ids, count)

    return body


def check_sorted(data: Any, ids: np.ndarray, count: int | None) -> int:
    """The number of segments of sorted ids.

    Raises:
      ValueError: the ids are not sorted, negative, too large, or do not fit the data.
    """
    if ids.ndim != 1:
        raise ValueError(f"segment_ids should be a vector, got shape {list(ids.shape)}")
    if np.ndim(data) < 1 or len(ids) != data.shape[0]:
        raise ValueError("segment_ids should be the same size as dimension 0 of input.")
    if np.any(ids[1:] < ids[:-1]):
        raise ValueError("segment ids are not increasing")
    needed = int(ids[-1]) + 1 if len(ids) else 0
    if len(ids) and ids[0] < 0:
        raise ValueError(
            f"Segment id {ids[0]} out of range [0, {needed}), possibly because 'segment_ids' input is not sorted."
        )
    if count is not None and needed > count:
        raise ValueError(f"Segment id {ids[-1]} out of range [0, {count})")
    return needed if count is None else count


def _sorted(reduce: Callable, kind: str) -> Callable:
    def body(data: Any, segment_ids: Any, num_segments: Any = None) -> Any:
        fixed = num_segments is not None
        if fixed and not isinstance(segment_ids, (np.ndarray, np.generic)):
            return reduce(kind, data, segment_ids, int(static(num_segments)))
        ids = static(segment_ids)
        count = check_sorted(data, ids, int(static(num_segments)) if fixed else None)
        # A segment without rows holds 0 in the older ops, and the identity of the reduction in the newer ones.
        return reduce(kind, data, ids, count, None if fixed or kind in ("Sum", "Prod") else 0)

    return body


def _mean(reduce: Callable) -> Callable:
    def body(data: Any, segment_ids: Any) -> Any:
        ids = static(segment_ids)
        count = check_sorted(data, ids, None)
        rows = np.maximum(np.bincount(ids, minlength=count), 1).reshape(-1, *[1] * (np.ndim(data) - 1))
        total = reduce("Sum", _wide(data, "Sum"), ids, count)
        if data.dtype.kind in "iu":
            quotient = abs(total) // rows.astype(data.dtype)  # rounded toward zero
            return (quotient * (total > 0) - quotient * (total < 0)).astype(data.dtype)
        return (total / rows.astype(total.dtype)).astype(data.dtype)

    return body


# Shapes.


def _unsorted_shape(call: ShapeCall) -> TensorShape:
    data, ids, count = call.shape(0), call.shape(1), call.value(2)
    if ids.rank is None or data.rank is None:
        return TensorShape(None)
    if not data[: ids.rank].is_compatible_with(ids):
        raise call.error("data must start with the shape of segment_ids")
    return TensorShape([None if count is None else int(count)]) + data[ids.rank :]


def _sorted_shape(call: ShapeCall) -> TensorShape:
    data, ids = call.shape(0), call.shape(1).with_rank(1)
    if data.rank is None:
        return TensorShape(None)
    if data.rank == 0 or not data[:1].is_compatible_with(ids):
        raise call.error("segment_ids must have one entry for each row of data")
    count = call.value(2) if len(call.inputs) > 2 else None
    known = call.value(1) if count is None else None
    if known is not None:
        count = int(known[-1]) + 1 if len(known) else 0
    return TensorShape([None if count is None else int(count)]) + data[1:]


# Gradients.


def gather_rows(params: Tensor, ids: Tensor) -> Tensor:
    """`params[ids]`, with zeros where an id is negative."""
    zero = execute("ZerosLike", (ids,))
    rows = execute("GatherV2", (params, execute("Maximum", (ids, zero)), convert_to_tensor(0)))
    return where(expanded_like(execute("GreaterEqual", (ids, zero)), rows), rows, zeros_like(rows))


def expanded_like(x: Tensor, like: Tensor) -> Tensor:
    """`x` with trailing dimensions of size 1 up to the rank of `like`."""
    if x.shape.rank is not None and x.shape.rank == like.shape.rank:
        return x
    missing = execute("Sub", (execute("Rank", (like,)), execute("Rank", (x,))))
    ones = execute("Fill", (execute("Reshape", (missing, convert_to_tensor([1]))), convert_to_tensor(1)))
    return execute("Reshape", (x, execute("ConcatV2", ([shape_of(x), ones], convert_to_tensor(0)))))


def _padded(call: Any, *gradients: Tensor | None) -> list[Tensor | None]:
    return [*gradients, *[None] * (len(call.inputs) - len(gradients))]


def _sum_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    return _padded(call, gather_rows(dy, call.inputs[1]))


def _again(call: Any, data: Tensor) -> Tensor:
    """The sum over the same segments as the call's."""
    ids = call.inputs[1]
    count = execute("Shape", (call.outputs[0],), {"out_type": dtypes.int32})[0]
    return execute("UnsortedSegmentSum", (data, ids, count))


def _mean_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    ids = call.inputs[1]
    ones = execute("OnesLike", (ids,))
    rows = execute(
        "Maximum", (execute("Cast", (_again(call, ones),), {"DstT": dtypes.int32}), convert_to_tensor(1))
    )
    count = execute("Cast", (rows,), {"DstT": dy.dtype.base_dtype})
    return _padded(call, gather_rows(dy / expanded_like(count, dy), ids))


def _extreme_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    """Rows that tie share the gradient equally."""
    data, ids = call.inputs[:2]
    chosen = execute("Equal", (data, gather_rows(call.outputs[0], ids)))
    ties = _again(call, execute("Cast", (chosen,), {"DstT": dy.dtype.base_dtype}))
    share = gather_rows(execute("DivNoNan", (dy, ties)), ids)
    return _padded(call, where(chosen, share, zeros_like(share)))


def _product_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    """A row's derivative is the product of the others: of a segment with one zero, only that row's is not 0."""
    data, ids = call.inputs[:2]
    zero = execute("Equal", (data, zeros_like(data)))
    zeros = _again(call, execute("Cast", (zero,), {"DstT": dtypes.int32}))
    dy = where(execute("Greater", (zeros, convert_to_tensor(1))), zeros_like(dy), dy)
    others = where(zero, execute("OnesLike", (data,)), data)
    count = execute("Shape", (call.outputs[0],), {"out_type": dtypes.int32})[0]
    product = gather_rows(execute("UnsortedSegmentProd", (others, ids, count)), ids)
    # In a segment with a zero, rows that are not zero have derivative 0.
    full = gather_rows(call.outputs[0], ids)
    return _padded(call, gather_rows(dy, ids) * conj(where(zero, product, full / others)))


_GRADIENTS = {
    "Sum": _sum_gradient,
    "Prod": _product_gradient,
    "Max": _extreme_gradient,
    "Min": _extreme_gradient,
}

for _kind, _gradient in _GRADIENTS.items():
    _dtypes = REAL if _kind in ("Max", "Min") else NUMBERS
    op(
        f"UnsortedSegment{_kind}(data: T, segment_ids: Tindices, num_segments: Tnumsegments) -> output: T",
        numpy=_unsorted(reduce_numpy, _kind),
        xla=_unsorted(reduce_xla, _kind),
        large=1 << 16,
        shape=_unsorted_shape,
        gradient=_gradient,
        types={"T": _dtypes, "Tindices": INDICES | {dtypes.int16}, "Tnumsegments": INDICES},
        index_range=index_range.below(
            2, 1, lowest=None, message="segment_ids{place} = {value} is out of range [0, {size})"
        ),
    )
    op(
        f"Segment{_kind}(data: T, segment_ids: Tindices) -> output: T",
        numpy=_sorted(reduce_numpy, _kind),
        xla=_sorted(reduce_xla, _kind),
        shape=_sorted_shape,
        gradient=_gradient,
        types={"T": _dtypes, "Tindices": INDICES},
    )
    op(
        f"Segment{_kind}V2(data: T, segment_ids: Tindices, num_segments: Tnumsegments) -> output: T",
        numpy=_sorted(reduce_numpy, _kind),
        xla=_sorted(reduce_xla, _kind),
        shape=_sorted_shape,
        gradient=_gradient,
        types={"T": _dtypes, "Tindices": INDICES, "Tnumsegments": INDICES},
    )

op(
    "SegmentMean(data: T, segment_ids: Tindices) -> output: T",
    numpy=_mean(reduce_numpy),
    xla=_mean(reduce_xla),
    shape=_sorted_shape,
    gradient=_mean_gradient,
    types={"T": NUMBERS, "Tindices": INDICES},
)
