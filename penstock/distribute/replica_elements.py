"""Nodes of input pipelines whose elements hold a part for each replica."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from penstock.data.dataset import INFINITE, UNKNOWN, Dataset
from penstock.data.element import leaves
from penstock.data.iteration import Iteration
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec


class SplitBatches(Dataset):
    """Each batch as `count` parts: `ceil(n / count)` rows for each replica, less or none for the last ones.

    The parts are views of the batch.
    """

    def __init__(self, source: Dataset, count: int):
        flat = leaves(source._element_spec)
        for each in flat:
            if each.shape.rank == 0:
                raise IndexError(
                    "experimental_distribute_dataset: the elements are scalars: batch the dataset first"
                )
        self._count = count
        parts = [source._layout.fill([_part_spec(each, count, i) for each in flat]) for i in range(count)]
        super().__init__(tuple(parts), (source,))

    def _elements(self, at: Iteration) -> Iterator[list]:
        count = self._count
        for element in at.input():
            arrays = [each if hasattr(each, "shape") else np.asarray(each) for each in element]
            sizes = [-(-each.shape[0] // count) for each in arrays]
            yield [each[i * size : (i + 1) * size] for i in range(count) for each, size in zip(arrays, sizes)]

    def _describe(self) -> str:
        return f"replicas={self._count}"


def _part_spec(spec: TensorSpec, count: int, replica: int) -> TensorSpec:
    if spec.shape.rank is None:
        return TensorSpec(None, spec.dtype)
    rows = spec.shape[0]
    if rows is not None:
        size = -(-rows // count)
        rows = max(0, min(rows - replica * size, size))
    return TensorSpec(TensorShape([rows, *spec.shape[1:]]), spec.dtype)


class InTurn(Dataset):
    """Whole elements for the replicas: those of one dataset in turn, or each replica's from a dataset of its own.

    Where elements of different shapes are possible, a replica for which none is left gets an empty one; otherwise the
    last incomplete group is dropped.
    """

    def __init__(self, sources: Sequence[Dataset], count: int):
        spec = sources[0]._element_spec
        for each in sources[1:]:
            if each._element_spec != spec:
                raise ValueError(
                    "distribute_datasets_from_function: the datasets of the replicas have different elements: "
                    f"{spec} and {each._element_spec}"
                )
        super().__init__((spec,) * count, tuple(sources))
        self._count = count
        self._fills = not all(
            isinstance(each, TensorSpec) and each.shape.is_fully_defined() for each in leaves(spec)
        )

    def _elements(self, at: Iteration) -> Iterator[list]:
        inputs = [at.input(i) for i in range(len(self._parents))]
        sources = inputs if len(inputs) > 1 else inputs * self._count
        width = len(self._parents[0]._layout.flat_specs)
        while True:
            rows = [next(each, None) for each in sources]
            left = [each for each in rows if each is not None]
            if not left or (len(left) < len(rows) and not self._fills):
                return
            yield [
                value
                for row in rows
                for value in (row if row is not None else [self._empty(i) for i in range(width)])
            ]

    def _empty(self, component: int) -> np.ndarray:
        """What a replica gets when no element is left: no rows; of a scalar, zero."""
        spec = self._parents[0]._layout.flat_specs[component]
        sizes = [size or 0 for size in spec.shape] if spec.shape.rank is not None else [0]
        dtype = object if spec.dtype.name == "string" else spec.dtype.as_numpy_dtype
        return np.full([0, *sizes[1:]] if sizes else [], b"" if dtype is object else 0, dtype)

    def _size(self) -> int:
        if len(self._parents) > 1:
            return self._parents[0]._size()
        size = self._parents[0]._size()
        if size in (INFINITE, UNKNOWN):
            return size
        return -(-size // self._count) if self._fills else size // self._count

    def _describe(self) -> str:
        return f"replicas={self._count}"
