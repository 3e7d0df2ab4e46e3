"""`ragged_batch` and `sparse_batch`: elements of different sizes in one ragged or sparse tensor."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.data.batching import batched_size, batched_spec, fixed_batch, stack_component
from penstock.data.dataset import Dataset, count_of
from penstock.data.element import as_eager, component_count, leaves
from penstock.data.iteration import Iteration
from penstock.ops.ragged.spec import RaggedTensorSpec
from penstock.types import errors
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensorSpec
from penstock.types.specs import TensorSpec


class RaggedBatch(Dataset):
    """Batches in which the dimensions that are not known become ragged."""

    def __init__(self, source: Dataset, batch_size: Any, drop_remainder: Any, row_splits_dtype: Any):
        self._drop = bool(drop_remainder)
        fixed = fixed_batch(source, batch_size, self._drop)
        kind = as_dtype(row_splits_dtype)
        specs = leaves(source._element_spec)
        super().__init__(source._layout.fill([_ragged_spec(each, fixed, kind) for each in specs]), (source,))
        self._batch_size = self._parameter(count_of(batch_size, "batch_size"))
        self._splits_type = kind.as_numpy_dtype
        # For each component: the ragged dimensions of a batch, None where arrays are stacked.
        self._ranks = [
            after.ragged_rank if isinstance(after, RaggedTensorSpec) else None
            for after in leaves(self._element_spec)
        ]

    def _elements(self, at: Iteration) -> Iterator[list]:
        size, elements = int(at.value(self._batch_size)), at.input()
        while True:
            rows = list(itertools.islice(elements, size))
            if not rows or (self._drop and len(rows) < size):
                return
            yield self._stack(rows)

    def _stack(self, rows: list[list]) -> list:
        columns = iter(zip(*rows))
        batch: list = []
        for spec, rank in zip(leaves(self._parents[0]._element_spec), self._ranks):
            parts = list(itertools.islice(columns, component_count(spec)))
            if rank is None or not isinstance(spec, TensorSpec):  # composites are stacked as by `batch`
                batch += stack_component(spec, parts)
            else:
                batch += self._ragged([np.asarray(as_eager(each)) for each in parts[0]], rank)
        return batch

    def _ragged(self, arrays: list[np.ndarray], rank: int) -> list[np.ndarray]:
        """The values and the row splits of a batch."""
        splits = []
        for level in range(rank):
            lengths = [each.shape[level] for each in arrays for _ in range(int(np.prod(each.shape[:level])))]
            splits.append(np.concatenate([[0], np.cumsum(lengths)]).astype(self._splits_type))
        inner = {each.shape[rank:] for each in arrays}
        if len(inner) > 1:
            raise errors.InvalidArgumentError(
                None, None, f"Cannot batch tensors whose inner shapes differ: {sorted(inner)}."
            )
        values = np.concatenate([each.reshape(-1, *each.shape[rank:]) for each in arrays])
        return [values, *splits]

    def _size(self) -> int:
        return batched_size(self._parents[0]._size(), self._batch_size, self._drop)


def _ragged_spec(spec: Any, size: int | None, kind: Any) -> Any:
    if not isinstance(spec, TensorSpec) or spec.shape.rank is None or spec.shape.is_fully_defined():
        return batched_spec(spec, size)
    rank = max(axis for axis, dim in enumerate(spec.shape.as_list()) if dim is None) + 1
    return RaggedTensorSpec(TensorShape([size]).concatenate(spec.shape), spec.dtype, rank, kind)


class SparseBatch(Dataset):
    """Batches as sparse tensors that hold the elements from the first position of each dimension on."""

    def __init__(self, source: Dataset, batch_size: Any, row_shape: Any):
        spec = source._element_spec
        if not isinstance(spec, TensorSpec):
            raise TypeError(
                f"Invalid `element_spec`. `sparse_batch` takes datasets of single dense tensors, got {spec}."
            )
        self._row = TensorShape([None if dim in (None, -1) else int(dim) for dim in row_shape])
        size = fixed_batch(source, batch_size, False)
        super().__init__(SparseTensorSpec(TensorShape([size]).concatenate(self._row), spec.dtype), (source,))
        self._batch_size = self._parameter(count_of(batch_size, "batch_size"))

    def _elements(self, at: Iteration) -> Iterator[list]:
        size, elements = int(at.value(self._batch_size)), at.input()
        while True:
            arrays = [np.asarray(as_eager(row[0])) for row in itertools.islice(elements, size)]
            if not arrays:
                return
            yield self._sparse(arrays)

    def _sparse(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        for each in arrays:
            if each.ndim != self._row.rank:
                raise errors.InvalidArgumentError(
                    None, None, f"Input element had shape {list(each.shape)}, which does not fit rows of shape {self._row}."
                )  # fmt: skip
        largest = [max(dims) for dims in zip(*(each.shape for each in arrays))]
        shape = [most if dim is None else dim for most, dim in zip(largest, self._row.as_list())]
        if any(most > dim for most, dim in zip(largest, shape)):
            raise errors.DataLossError(
                None, None, f"Input element had shape {largest}, which is larger than the row shape {shape}."
            )
        positions = [np.indices(each.shape, np.int64).reshape(each.ndim, -1) for each in arrays]
        numbers = [np.full((1, each.shape[1]), row, np.int64) for row, each in enumerate(positions)]
        indices = np.concatenate(
            [np.concatenate([number, each]) for number, each in zip(numbers, positions)], axis=1
        )
        values = np.concatenate([each.ravel() for each in arrays])
        return [np.ascontiguousarray(indices.T), values, np.array([len(arrays), *shape], np.int64)]

    def _size(self) -> int:
        return batched_size(self._parents[0]._size(), self._batch_size, False)
