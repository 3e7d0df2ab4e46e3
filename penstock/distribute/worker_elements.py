"""Nodes of input pipelines that give one worker of a cluster its part of each batch, for as long as any has one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.data.dataset import UNKNOWN, Dataset
from penstock.data.element import leaves
from penstock.data.iteration import Iteration
from penstock.engine.context import process
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec


class OwnParts(Dataset):
    """Of elements that hold a part for each replica of all workers, the parts of this worker's replicas.

    Args:
      source: its elements are tuples of `workers * count` parts. count: how many replicas a worker has.
      worker: which worker this is.
    """

    def __init__(self, source: Dataset, count: int, worker: int):
        self._first, self._count = worker * count, count
        super().__init__(source.element_spec[self._first : self._first + count], (source,))

    def _elements(self, at: Iteration) -> Iterator[list]:
        width = len(self._layout.flat_specs) // self._count
        start, end = self._first * width, (self._first + self._count) * width
        return (element[start:end] for element in at.input())

    def _describe(self) -> str:
        return f"replicas {self._first} to {self._first + self._count - 1}"


class PartsInTurn(Dataset):
    """Of elements that hold parts, `count` parts at a time: the batches of a worker that reads its own data.

    Each batch of the source becomes as many steps as there are workers, since each step of the cluster takes one batch.
    """

    def __init__(self, source: Dataset, count: int):
        self._count = count
        part = source.element_spec[0]
        for other in source.element_spec[1:]:
            part = _common(part, other)
        super().__init__((part,) * count, (source,))

    def _elements(self, at: Iteration) -> Iterator[list]:
        size = len(self._layout.flat_specs)
        for element in at.input():
            for start in range(0, len(element), size):
                parts = element[start : start + size]
                if any(len(each) for each in parts):
                    yield parts

    def _size(self) -> int:
        return UNKNOWN


def _common(first: Any, second: Any) -> Any:
    """The spec that fits elements of both."""
    from penstock.types import nest

    return nest.map_structure(
        lambda a, b: a.most_specific_common_supertype([b]), first, second, expand_composites=False
    )


class UntilAllEnd(Dataset):
    """The elements of this worker, then empty ones until the other workers have none left either.

    Where elements have fixed shapes, so that there can be no empty ones, it ends for all when the first one ends.
    """

    def __init__(self, source: Dataset, place: str):
        self._place = place
        specs = leaves(source.element_spec)
        self._fills = all(
            isinstance(each, TensorSpec) and (each.shape.rank is None or not each.shape.is_fully_defined())
            for each in specs
        )
        super().__init__(source.element_spec, (source,))

    def _elements(self, at: Iteration) -> Iterator[list]:
        elements = at.input()
        while True:
            element = next(elements, None)
            others = process.workers.texts(self._place, "" if element is None else "more")
            if not any(others) or (not all(others) and not self._fills):
                return
            yield self._empty() if element is None else element

    def _empty(self) -> list:
        return [_no_rows(spec) for spec in self._layout.flat_specs]


def _no_rows(spec: TensorSpec) -> np.ndarray:
    sizes = [size or 0 for size in spec.shape] if spec.shape.rank is not None else [0]
    shape = TensorShape([0, *sizes[1:]] if sizes else [])
    dtype = object if spec.dtype.name == "string" else spec.dtype.as_numpy_dtype
    return np.full(shape.as_list(), b"" if dtype is object else 0, dtype)
