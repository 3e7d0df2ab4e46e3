"""Which input of an op holds indices, and what they may be: `IndexRange`, which op definitions carry.

NumPy kernels refuse an index that is out of range. A compiled program cannot stop in the middle, so the runtime looks at
the indices itself (`runtime/index_checks.py`): on the host before the program runs where it can, else in the program.
On accelerators, as in TensorFlow, an index that is out of range is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ANYTHING = -1  # the size of a dimension whose index may be anything

_UNSIGNED = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}  # by the size of an index
_LARGEST = {size: 1 << 8 * size - 1 for size in _UNSIGNED}


@dataclass(frozen=True, slots=True)
class IndexRange:
    """What an op's indices may be.

    Attributes:
      index: the position of the input that holds them.
      sizes: `sizes(shape, value, attrs)`: the sizes that indices must be below; None where nothing is to be checked.
        `shape(i)` is the shape of input i (of a variable's value), with None for what is not known; `value(i)` is the
        value of an input, or None. A size is None where it is not known. One size for all indices, or, where these are
        vectors (`deep`), one for each entry of a vector.
      message: of the error: of the first bad `index`, with its `size`, its `place` (in brackets) and number, `entry`; with the
        `value` at that place (a vector where `deep`), all `sizes`, and all `values`.
      deep: whether the last dimension of the indices is an index into several dimensions.
      lowest: the least index; None where negative ones are passed over, -1 where they count from the end.
    """

    index: int
    sizes: Callable[[Callable, Callable, dict], Sequence[int | None] | None]
    message: str = "indices{place} = {value} is not in [0, {size})"
    deep: bool = False
    lowest: int | None = 0

    def holds(self, interval: tuple[float, float], sizes: Sequence[int]) -> bool:
        """Whether all indices between two are in range."""
        low, high = interval
        return all(
            size == ANYTHING
            or high < size
            and (self.lowest is None or low >= (0 if self.lowest == 0 else -size))
            for size in sizes
        )

    def outside(self, xp: Any, indices: Any, sizes: Sequence[int]) -> Any:
        """A mask of the entries of `indices` that are out of range."""
        if not self.deep:
            high = indices >= sizes[0]
        else:
            bounds = np.array([np.iinfo(np.int64).max if size == ANYTHING else size for size in sizes])
            high = indices >= bounds
        if self.lowest is None:
            return high
        if self.lowest == 0:
            return high | (indices < 0)
        return high | (indices < -np.array([np.iinfo(np.int64).max if s == ANYTHING else s for s in sizes]))

    def all_inside(self, indices: np.ndarray, sizes: Sequence[int]) -> bool:
        """Whether all are in range, by one pass over the indices."""
        if not indices.size:
            return True
        if len(sizes) == 1 and self.lowest == 0 and sizes[0] <= _LARGEST[indices.itemsize]:
            # Without their sign, negative ones are large.
            return bool(indices.view(_UNSIGNED[indices.itemsize]).max() < sizes[0])
        return not self.outside(np, indices, sizes).any()

    def require(self, indices: np.ndarray, sizes: Sequence[int]) -> None:
        """Raises ValueError where an index is out of range."""
        if not self.all_inside(indices, sizes):
            raise self.error(indices, sizes)

    def error(self, indices: np.ndarray, sizes: Sequence[int]) -> ValueError:
        """The error for indices of which some are out of range."""
        entry = int(np.argmax(self.outside(np, indices, sizes)))
        place = [int(each) for each in np.unravel_index(entry, indices.shape)]
        index = indices.reshape(-1)[entry]
        size = sizes[place[-1]] if self.deep and len(sizes) > 1 else sizes[0]
        if self.deep:
            place = place[:-1]
        values = " ".join(map(str, indices.reshape(-1)[:100]))
        return self._error(
            place,
            index=index,
            entry=entry,
            value=indices[tuple(place)].tolist(),
            size=size,
            sizes=list(sizes),
            values=values,
        )

    def error_of(self, shape: Any, entry: int, index: int, size: int) -> ValueError:
        """The error where no more is known than the first entry that is out of range, counted through all of them."""
        place = [entry]
        if shape.is_fully_defined():
            place = [int(each) for each in np.unravel_index(entry, shape.as_list())]
        return self._error(
            place, index=index, entry=entry, value=index, size=size, sizes=f"[..., {size}, ...]", values="..."
        )

    def _error(self, place: Sequence[int], **known: Any) -> ValueError:
        where = f"[{','.join(map(str, place))}]" if len(place) else ""
        return ValueError(self.message.format(place=where, **known))


def along(axis_input: int | None = None, params: int = 0, indices: int = 1, **options: Any) -> IndexRange:
    """Indices into one dimension of an input: the first, or what another input says."""

    def sizes(shape: Callable, value: Callable, attrs: dict) -> list[int | None]:
        dims, axis = shape(params), attrs.get("batch_dims", 0)
        if axis_input is not None:
            known = value(axis_input)
            axis = None if known is None else int(np.reshape(known, ()))
        elif axis < 0:
            picked = shape(indices)
            axis = None if picked is None else axis + len(picked)
        if dims is None or axis is None or not -len(dims) <= axis < len(dims):
            return [None]
        return [dims[axis]]

    return IndexRange(indices, sizes, **options)


def into(params: int = 0, indices: int = 1, what: str = "shape") -> IndexRange:
    """Index vectors into the first dimensions of an input."""

    def sizes(shape: Callable, value: Callable, attrs: dict) -> list[int | None] | None:
        return _of_vectors(shape(params), shape(indices), attrs)

    return IndexRange(
        indices, sizes, "indices{place} = {value} does not index into " + what + " {sizes}", deep=True
    )


def into_shape(shape_input: int, indices: int = 0) -> IndexRange:
    """Index vectors into an array of a shape that an input tells."""

    def sizes(shape: Callable, value: Callable, attrs: dict) -> list[int | None] | None:
        dims = value(shape_input)
        return _of_vectors(None if dims is None else dims.tolist(), shape(indices), attrs)

    return IndexRange(indices, sizes, "indices{place} = {value} does not index into shape {sizes}", deep=True)


def _of_vectors(
    dims: Sequence[int | None] | None, places: Sequence[int | None] | None, attrs: dict
) -> list[int | None] | None:
    if attrs.get("bad_indices_policy") in ("IGNORE", b"IGNORE"):
        return None
    if dims is None or not places or places[-1] is None:
        return [None]
    return list(dims[: places[-1]]) or None


def below(size_input: int, indices: int, **options: Any) -> IndexRange:
    """Indices below a number that an input tells."""

    def sizes(shape: Callable, value: Callable, attrs: dict) -> list[int | None]:
        size = value(size_input)
        return [None if size is None else int(np.reshape(size, ()))]

    return IndexRange(indices, sizes, **options)


ROWS = along()  # indices of rows of the first input
PLACES = into()  # index vectors into the first input
