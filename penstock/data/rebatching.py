"""`rebatch`: batches of other sizes from batches, by slicing and joining them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.data.dataset import INFINITE, UNKNOWN, Dataset
from penstock.data.element import as_eager, leaves
from penstock.data.iteration import Iteration
from penstock.engine.aligned import empty
from penstock.types import errors
from penstock.types.shapes import TensorShape
from penstock.types.specs import NoneTensorSpec, TensorSpec
from penstock.types.tensors import Tensor


class Rebatch(Dataset):
    """Batches of given sizes; a list of sizes is gone through again and again."""

    def __init__(self, source: Dataset, sizes: Any, drop_remainder: bool):
        given = np.asarray(sizes.numpy() if isinstance(sizes, Tensor) else sizes)
        if given.dtype.kind not in "iu" or given.ndim > 1:
            raise ValueError(f"`batch_size` must be an integer or a list of integers, got {sizes!r}.")
        self._sizes = [int(each) for each in given.ravel()]
        if not self._sizes or min(self._sizes) < 0 or max(self._sizes) == 0:
            raise errors.InvalidArgumentError(
                None, None, f"`batch_size` must be greater than zero, got {sizes!r}."
            )
        self._drop = drop_remainder
        fixed = self._sizes[0] if drop_remainder and len(set(self._sizes)) == 1 else None
        specs = leaves(source._element_spec)
        for spec in specs:
            if (
                not isinstance(spec, (TensorSpec, NoneTensorSpec))
                or isinstance(spec, TensorSpec)
                and spec.shape.rank == 0
            ):
                raise ValueError(f"`rebatch` takes batches of dense tensors, got {source._element_spec}.")
        super().__init__(source._layout.fill([_with_size(each, fixed) for each in specs]), (source,))

    def _elements(self, at: Iteration) -> Iterator[list]:
        rest: list = at.kept.get(
            "rest", []
        )  # elements not used up, the first without the rows that were given
        turn = at.kept.get("turn", 0)
        at.keep(lambda: {"rest": rest, "turn": turn})
        elements = at.input()
        while True:
            wanted = self._sizes[turn % len(self._sizes)]
            while sum(len(each[0]) for each in rest) < max(wanted, 1):
                element = next(elements, None)
                if element is None:
                    break
                rest.append([as_eager(each) for each in element])
            there = sum(len(each[0]) for each in rest)
            if there == 0 or (there < wanted and self._drop):
                return
            batch, rest = _split(rest, min(wanted, there))
            turn += 1
            yield batch

    def _size(self) -> int:
        return INFINITE if self._parents[0]._size() == INFINITE else UNKNOWN


def _with_size(spec: Any, size: int | None) -> Any:
    if isinstance(spec, NoneTensorSpec) or spec.shape.rank is None:
        return spec
    return TensorSpec(TensorShape([size]).concatenate(spec.shape[1:]), spec.dtype)


def _split(elements: list[list], count: int) -> tuple[list, list[list]]:
    """The first `count` rows of elements as one, and the elements that are left."""
    pieces: list[list] = []
    if count == 0:
        return [each[:0] for each in elements[0]], elements
    left = count
    while left:
        first = elements[0]
        rows = len(first[0])
        if rows <= left:
            pieces.append(first)
            elements = elements[1:]
            left -= rows
        else:
            pieces.append([each[:left] for each in first])
            elements = [[each[left:] for each in first], *elements[1:]]
            left = 0
    if len(pieces) == 1:
        return pieces[0], elements
    return [_joined(column, count) for column in zip(*pieces)], elements


def _joined(column: tuple, count: int) -> np.ndarray:
    shapes = {each.shape[1:] for each in column}
    if len(shapes) > 1:
        raise errors.InvalidArgumentError(
            None, None, f"Cannot rebatch tensors with different shapes: {sorted(shapes)}."
        )
    out = empty((count, *column[0].shape[1:]), column[0].dtype)
    return np.concatenate(column, out=out)
