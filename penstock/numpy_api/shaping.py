"""Arrays in another shape or order: reshaping, moving axes, joining, splitting, padding, repeating, sorting."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.numpy_api.arrays import (
    asarray,
    branch,
    documented,
    numpy_function,
    promoted,
    rank_of,
    weak_dtypes,
)
from penstock.numpy_api.creation import at_least
from penstock.ops import concatenation, ordering, padding, replication, reshaping, reversal
from penstock.ops.casting import cast
from penstock.ops.creation import ones
from penstock.ops.elementwise import call_op
from penstock.ops.selection import where
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.shapes_of_tensors import size as size_of
from penstock.types import dtypes
from penstock.types.tensors import Tensor

Function = Callable[..., Any]


@numpy_function
def shape(a: Any) -> Any:
    """The shape, as a TensorShape."""
    return asarray(a).shape


@numpy_function
def ndim(a: Any) -> int | None:
    """The number of dimensions."""
    return asarray(a).ndim


@numpy_function
def isscalar(num: Any) -> bool:
    """Whether there are no dimensions."""
    return ndim(num) == 0


@numpy_function
def size(x: Any, axis: int | None = None) -> Any:
    """The number of elements: an int where it is known, else a tensor. An `axis` gives the size of that dimension."""
    x = asarray(x)
    if axis is not None:
        known = None if x.shape.rank is None else x.shape[axis]
        return shape_of(x)[axis] if known is None else known
    known = x.shape.num_elements()
    return size_of(x) if known is None else known


@numpy_function
def reshape(a: Any, newshape: Any, order: str = "C") -> Tensor:
    """`order` is "C" (rows first) or "F" (columns first); a ValueError is raised for others."""
    if order not in ("C", "F"):
        raise ValueError(f"reshape: order must be 'C' or 'F', got {order!r}")
    a, dims = asarray(a), [newshape] if isinstance(newshape, int) else newshape
    if order == "C":
        return reshaping.reshape(a, dims)
    return reshaping.transpose(reshaping.reshape(reshaping.transpose(a), dims[::-1]))


@numpy_function
def ravel(a: Any) -> Tensor:
    """All elements in one dimension."""
    return reshaping.reshape(asarray(a), [-1])


@numpy_function
def flatten(a: Any, order: str = "C") -> Tensor:
    """All elements in one dimension; `order` "F" goes through columns first, "C", "A" and "K" through rows."""
    if order not in ("C", "A", "K", "F"):
        raise ValueError(f"flatten: order must be 'C', 'A', 'K' or 'F', got {order!r}")
    a = asarray(a)
    return ravel(reshaping.transpose(a) if order == "F" else a)


@numpy_function
def expand_dims(a: Any, axis: Any) -> Tensor:
    """A dimension of size 1 is put in."""
    return reshaping.expand_dims(asarray(a), axis)


@numpy_function
def squeeze(a: Any, axis: Any = None) -> Tensor:
    """Dimensions of size 1 are taken out."""
    return reshaping.squeeze(asarray(a), axis)


@numpy_function
def transpose(a: Any, axes: Any = None) -> Tensor:
    """The axes in a new order; without one, reversed."""
    return reshaping.transpose(asarray(a), axes)


@numpy_function
def moveaxis(a: Any, source: Any, destination: Any) -> Tensor:
    """The axes `source` go to the places `destination`; the rank must be known."""
    a = asarray(a)
    sources, targets = ([each] if isinstance(each, int) else list(each) for each in (source, destination))
    if len(sources) != len(targets):
        raise ValueError(f"moveaxis: source {source} and destination {destination} must have one length")
    rank = len(a.shape)
    sources, targets = [each % rank for each in sources], [each % rank for each in targets]
    order = [axis for axis in range(rank) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return a if order == [*range(rank)] else reshaping.transpose(a, order)


@numpy_function
def swapaxes(a: Any, axis1: int, axis2: int) -> Tensor:
    """Two axes change places; the rank must be known."""
    a = asarray(a)
    order = [*range(len(a.shape))]
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return reshaping.transpose(a, order)


def _stack_of(name: str, rank: int, axis: Callable[[list[Tensor]], int]) -> Function:
    """`hstack` and the like: arrays of at least `rank` dimensions, joined along an axis."""

    def call(tup: Any) -> Tensor:
        arrays = promoted(*(_AT_LEAST[rank](each) for each in tup))
        return concatenation.concat(arrays, axis(arrays))

    return documented(call, name)


def _at_least_3(x: Tensor) -> Tensor:
    """A number gets the shape (1, 1, 1), a vector (1, n, 1), a matrix (m, n, 1)."""
    rank = len(x.shape)
    if rank >= 3:
        return x
    return reshaping.reshape(
        x, concatenation.concat([[1] * (rank < 2), shape_of(x), [1] * (1 + (rank == 0))], 0)
    )


_AT_LEAST: dict[int, Function] = {
    1: lambda x: at_least(1, asarray(x)),
    2: lambda x: at_least(2, asarray(x)),
    3: lambda x: _at_least_3(asarray(x)),
}


def _at_least_function(rank: int) -> Function:
    def call(*arys: Any) -> Any:
        found = [_AT_LEAST[rank](each) for each in arys]
        return found[0] if len(found) == 1 else found

    return documented(call, f"atleast_{rank}d")


atleast_1d, atleast_2d, atleast_3d = map(_at_least_function, (1, 2, 3))
hstack = _stack_of("hstack", 1, lambda arrays: 0 if arrays[0].shape.rank == 1 else 1)
vstack = _stack_of("vstack", 2, lambda arrays: 0)
dstack = _stack_of("dstack", 3, lambda arrays: 2)


@numpy_function
def stack(arrays: Any, axis: int = 0) -> Tensor:
    """Arrays of one shape along a new axis."""
    if isinstance(arrays, Tensor):
        return arrays if axis == 0 else swapaxes(arrays, 0, axis)
    return concatenation.stack(promoted(*map(asarray, arrays)), axis)


@numpy_function
def concatenate(arys: Any, axis: int = 0) -> Tensor:
    """Arrays along an axis that they have.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.numpy.concatenate([[1], [2.5]])
      <tf.Tensor: shape=(2,), dtype=float64, numpy=array([1. , 2.5])>
    """
    arrays = arys if isinstance(arys, (list, tuple)) else [arys]
    if not arrays:
        raise ValueError("concatenate: need at least one array, got an empty list")
    return concatenation.concat(promoted(*map(asarray, arrays)), axis)


@numpy_function
def append(arr: Any, values: Any, axis: int | None = None) -> Tensor:
    """`values` after `arr`; both in one dimension, where no axis is given."""
    return concatenate([ravel(arr), ravel(values)]) if axis is None else concatenate([arr, values], axis)


def _split(ary: Any, indices_or_sections: Any, axis: int) -> list[Tensor]:
    """Into equal parts, or at indices that rise."""
    ary = asarray(ary)
    if isinstance(indices_or_sections, int):
        return concatenation.split(ary, indices_or_sections, axis)
    if axis >= len(ary.shape):
        raise ValueError(f"split: axis {axis} is out of bounds for shape {ary.shape}")
    total = ary.shape[axis]
    marks = [0, *indices_or_sections]
    if marks != sorted(marks):
        raise ValueError(f"split: the indices {marks[1:]} must not fall")
    ends = [min(mark, total) for mark in marks] + [total]
    return concatenation.split(ary, [end - start for start, end in itertools.pairwise(ends)], axis)


@numpy_function
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Into equal parts, or at indices that rise."""
    return _split(ary, indices_or_sections, axis)


def _split_along(name: str, axis: int) -> Function:
    def call(ary: Any, indices_or_sections: Any) -> list[Tensor]:
        ary = asarray(ary)
        along = 0 if axis == 1 and ary.shape.rank == 1 else axis
        parts = indices_or_sections
        if isinstance(parts, int) and ary.shape[along] is not None and ary.shape[along] % parts:
            raise ValueError(f"{name}: size {ary.shape[along]} does not divide into {parts} equal parts")
        return _split(ary, parts, along)

    return documented(call, name)


vsplit, hsplit, dsplit = _split_along("vsplit", 0), _split_along("hsplit", 1), _split_along("dsplit", 2)


@numpy_function
def pad(array: Any, pad_width: Any, mode: str, **options: Any) -> Tensor:
    """`mode` is "constant" (with `constant_values`), "reflect" or "symmetric"; `pad_width` a pair for each dimension."""
    if mode not in ("constant", "reflect", "symmetric"):
        raise ValueError(f"pad: unsupported mode {mode!r}; it must be 'constant', 'reflect' or 'symmetric'")
    widths = asarray(pad_width, dtypes.int32)
    return padding.pad(asarray(array), widths, mode.upper(), options.get("constant_values", 0))


@numpy_function
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Tensor:
    """Each element, or each slice along `axis`, `repeats` times."""
    return replication.repeat(asarray(a), asarray(repeats), axis)


@numpy_function
def tile(a: Any, reps: Any) -> Tensor:
    """`reps` copies along each axis; the shorter of shape and `reps` is filled up with ones in front."""
    a = asarray(a)
    counts = reshaping.reshape(asarray(reps, dtypes.int32), [-1])
    rank, length = rank_of(a), counts.shape[0]
    a = at_least(length, a)
    missing = branch(rank > length, lambda: rank - length, lambda: 0)
    return replication.tile(a, concatenation.concat([ones([missing], dtypes.int32), counts], 0))


@numpy_function
def flip(m: Any, axis: int | None = None) -> Tensor:
    """The order along an axis, or along all, reversed."""
    m = asarray(m)
    rank = len(m.shape)
    return reversal.reverse(m, [*range(rank)] if axis is None else [axis % rank])


@numpy_function
def flipud(m: Any) -> Tensor:
    """The first axis reversed."""
    return flip(m, 0)


@numpy_function
def fliplr(m: Any) -> Tensor:
    """The second axis reversed."""
    return flip(m, 1)


@numpy_function
def roll(a: Any, shift: Any, axis: Any = None) -> Tensor:
    """Elements that leave at one end come back at the other; without an axis, in the flattened array."""
    a = asarray(a)
    if axis is not None:
        return reversal.roll(a, shift, axis)
    return reshaping.reshape(reversal.roll(ravel(a), shift, 0), shape_of(a))


@numpy_function
def rot90(m: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Tensor:
    """Rotated `k` times by 90 degrees, from the first of the axes towards the second."""
    m = asarray(m)
    first, second = (axis % len(m.shape) for axis in axes)
    turns = k % 4
    if turns == 0:
        return m
    if turns == 2:
        return flip(flip(m, first), second)
    return (
        swapaxes(flip(m, second), first, second) if turns == 1 else flip(swapaxes(m, first, second), second)
    )


@numpy_function
def diff(a: Any, n: int = 1, axis: int = -1) -> Tensor:
    """`n` times the difference of neighbours; of truth values, whether they differ."""
    a = asarray(a)
    rank = a.shape.rank
    if rank is None or not -rank <= axis < rank or n < 0:
        raise ValueError(
            f"diff: got shape {a.shape}, axis {axis} and n {n}: axis must exist, and n be 0 or more"
        )
    before: list = [slice(None)] * rank
    after = list(before)
    before[axis], after[axis] = slice(None, -1), slice(1, None)
    for _ in range(n):
        a = call_op("NotEqual" if a.dtype == dtypes.bool else "Sub", a[tuple(after)], a[tuple(before)])
    return a


@numpy_function
def sort(a: Any, axis: int | None = -1, kind: str = "quicksort", order: Any = None) -> Tensor:
    """Ascending along an axis; without one, of the flattened array."""
    _check_sort("sort", kind, order, ("quicksort", "stable"))
    a = asarray(a)
    return ordering.sort(ravel(a), 0) if axis is None else ordering.sort(a, axis)


@numpy_function
def argsort(a: Any, axis: int | None = -1, kind: str = "quicksort", order: Any = None) -> Tensor:
    """The indices that sort, in int64."""
    _check_sort("argsort", kind, order, ("quicksort", "stable"))
    a = asarray(a)
    if a.dtype.is_complex:
        raise TypeError(f"argsort: complex numbers have no order, got {a.dtype.name}")
    if a.shape.rank == 0:
        return asarray([0])
    flat, along = (ravel(a), 0) if axis is None else (a, axis)
    found = ordering.argsort(flat, along, stable=kind == "stable")
    return found if weak_dtypes() else cast(found, dtypes.int64)


def _check_sort(name: str, kind: str, order: Any, kinds: tuple[str, ...]) -> None:
    if kind not in kinds:
        raise ValueError(f"{name}: kind must be one of {kinds}, got {kind!r}")
    if order is not None:
        raise ValueError(f"{name}: tensors have no fields, so order must be None, got {order!r}")


def _triangle(name: str, lower: bool) -> Function:
    def call(m: Any, k: int = 0) -> Tensor:
        from penstock.numpy_api.creation import tri

        m = asarray(m)
        if m.shape.rank is None or m.shape.rank < 2 or None in m.shape[-2:].as_list():
            raise ValueError(f"{name}: the last two of at least two dimensions must be known, got {m.shape}")
        mask = tri(*m.shape[-2:].as_list(), k=k if lower else k - 1, dtype=bool)
        zero = asarray(np.zeros((), m.dtype.as_numpy_dtype))
        return where(mask, m, zero) if lower else where(mask, zero, m)

    return documented(call, name)


tril, triu = _triangle("tril", True), _triangle("triu", False)
