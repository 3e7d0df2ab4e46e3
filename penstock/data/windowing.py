"""`window`: datasets of neighbouring elements."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import Any

from penstock.data.dataset import INFINITE, UNKNOWN, Dataset, count_of
from penstock.data.dataset_spec import DatasetSpec
from penstock.data.element import Layout, leaves
from penstock.data.iteration import Iteration


class Window(Dataset):
    """Datasets of neighbouring elements."""

    def __init__(self, source: Dataset, size: Any, shift: Any, stride: Any, drop_remainder: bool):
        specs = leaves(source._element_spec)
        super().__init__(source._layout.fill([DatasetSpec(spec) for spec in specs]), (source,))
        self._window = self._parameter(count_of(size, "size"))
        self._shift = self._window if shift is None else self._parameter(count_of(shift, "shift"))
        self._stride = self._parameter(count_of(stride, "stride"))
        self._drop = bool(drop_remainder)
        self._parts = [len(Layout(spec).flat_specs) for spec in specs]

    def _elements(self, at: Iteration) -> Iterator[list]:
        size, shift, stride = (int(at.value(each)) for each in (self._window, self._shift, self._stride))
        span = (size - 1) * stride + 1
        elements = at.input()
        buffer: list = at.kept.get("buffer", [])
        missing = at.kept.get("missing", 0)  # elements to leave out before the next window
        at.keep(lambda: {"buffer": buffer, "missing": missing})
        while True:
            for _ in range(missing):
                next(elements, None)
            missing = 0
            buffer += itertools.islice(elements, span - len(buffer))
            chosen = buffer[:span:stride]
            if not chosen or (self._drop and len(chosen) < size):
                return
            missing = max(shift - len(buffer), 0)
            buffer = buffer[shift:]
            yield self._datasets(chosen)

    def _datasets(self, rows: list[list]) -> list:
        datasets, first = [], 0
        for spec, count in zip(leaves(self._parents[0]._element_spec), self._parts):
            datasets.append(Listed(spec, [row[first : first + count] for row in rows]))
            first += count
        return datasets

    def _size(self) -> int:
        size = self._parents[0]._size()
        if size < 0 or not all(isinstance(each, int) for each in (self._window, self._shift, self._stride)):
            return size if size == INFINITE else UNKNOWN
        if self._drop:
            span = (self._window - 1) * self._stride + 1
            return max(0, (size - span) // self._shift + 1)
        return -(-size // self._shift)


class Listed(Dataset):
    """Elements that are there already."""

    _cheap = True

    def __init__(self, element_spec: Any, rows: list[list]):
        super().__init__(element_spec)
        self._rows = rows

    def _elements(self, at: Iteration) -> Iterator[list]:
        rows = iter(self._rows[at.kept.get("next", 0) :])
        at.keep(lambda: {"next": len(self._rows) - operator.length_hint(rows)})
        return rows

    def _size(self) -> int:
        return len(self._rows)
