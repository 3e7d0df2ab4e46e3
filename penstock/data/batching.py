"""Several elements into one, and back: batch and unbatch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from penstock.data.dataset import INFINITE, UNKNOWN, Dataset, count_of
from penstock.data.element import Layout, as_eager, component_count, leaves
from penstock.data.iteration import Iteration, elements_of
from penstock.data.native_batches import copy_reversed_pixels, stack_large
from penstock.engine.aligned import empty
from penstock.ops.ragged.spec import RaggedTensorSpec
from penstock.types import errors
from penstock.types.sparse_tensor import SparseTensorSpec
from penstock.types.specs import NoneTensorSpec, TensorSpec
from penstock.types.tensors import EagerTensor


def batched_size(size: int, batch: Any, drop: bool) -> int:
    """How many batches `size` elements make."""
    if size < 0 or not isinstance(batch, int):
        return size if size == INFINITE else UNKNOWN
    return size // batch if drop else -(-size // batch)


class Batch(Dataset):
    """Elements stacked."""

    def __init__(self, source: Dataset, batch_size: Any, drop_remainder: Any = False):
        drop = bool(drop_remainder)
        fixed = fixed_batch(source, batch_size, drop)
        flat = [batched_spec(spec, fixed) for spec in leaves(source._element_spec)]
        super().__init__(source._layout.fill(flat), (source,))
        self._batch_size, self._drop = self._parameter(count_of(batch_size, "batch_size")), drop
        self._plain = all(isinstance(spec, (TensorSpec, NoneTensorSpec)) for spec in flat)

    def _elements(self, at: Iteration) -> Iterator[list]:
        size, elements = int(at.value(self._batch_size)), at.input()
        while True:
            rows: list[list] = []
            try:
                rows.extend(itertools.islice(elements, size))
            except Exception:
                at.unfinished = rows
                raise
            if not rows or (self._drop and len(rows) < size):
                return
            yield self._stack(rows)

    def _stack(self, rows: list[list]) -> list:
        if self._plain:
            return [stack([as_eager(each) for each in column], i) for i, column in enumerate(zip(*rows))]
        columns = iter(zip(*rows))
        batch: list = []
        for spec in leaves(self._parents[0]._element_spec):
            batch += stack_component(spec, list(itertools.islice(columns, component_count(spec))))
        return batch

    def _size(self) -> int:
        return batched_size(self._parents[0]._size(), self._batch_size, self._drop)

    def _describe(self) -> str:
        return f"batch_size={self._batch_size}" + (", drop_remainder" if self._drop else "")


def stack_component(spec: Any, columns: Sequence[Sequence]) -> list:
    """The arrays that stand for one component of several elements.

    Args:
      spec: the component's, in an element.
      columns: for each array that stands for it in an element, those of all elements.
    """
    if isinstance(spec, NoneTensorSpec):
        return []
    if isinstance(spec, TensorSpec):
        return [stack([as_eager(each) for each in columns[0]])]
    if isinstance(spec, SparseTensorSpec):
        return _stack_sparse(*([np.asarray(as_eager(each)) for each in column] for column in columns))
    if isinstance(spec, RaggedTensorSpec) and spec.ragged_rank == 0:
        rows = [np.asarray(as_eager(each)) for each in columns[0]]
        return [np.concatenate(rows), _splits(map(len, rows), spec.row_splits_dtype.as_numpy_dtype)]
    from penstock.ops.stacking_composites import stack_composites

    layout = Layout(spec)
    return layout.flatten(stack_composites([layout.pack(row) for row in zip(*columns)]))


def _stack_sparse(indices: list, values: list, shapes: list) -> list[np.ndarray]:
    """Sparse tensors as one, which is as large as the largest of them in each dimension."""
    if len(set(map(len, shapes))) > 1:
        raise errors.InvalidArgumentError(
            None, None, f"Cannot batch sparse tensors of different ranks: {sorted(set(map(len, shapes)))}."
        )
    places = np.concatenate(indices)
    rows = np.repeat(np.arange(len(values)), [len(each) for each in values])
    shape = [len(shapes), *np.max(shapes, axis=0)]
    return [np.column_stack([rows, places]), np.concatenate(values), np.array(shape, np.int64)]


def _splits(lengths: Iterable[int], kind: type) -> np.ndarray:
    return np.cumsum([0, *lengths]).astype(kind)


def fixed_batch(source: Dataset, batch_size: Any, drop: bool) -> int | None:
    """The size that every batch has, as far as element specs say it (in TensorFlow only where remainders are dropped)."""
    known = isinstance(batch_size, int | np.integer) or (
        isinstance(batch_size, EagerTensor) and batch_size.shape.rank == 0
    )
    return int(batch_size) if known and (drop or source._size() == INFINITE) else None


def batched_spec(spec: Any, size: int | None) -> Any:
    """The spec of a batch."""
    if isinstance(spec, NoneTensorSpec):
        return spec
    return spec._batch(size)


def stack(column: Sequence, component: int = 0) -> np.ndarray:
    """The arrays of one component of several elements as one array.

    Raises:
      InvalidArgumentError: their shapes or dtypes differ.
    """
    first = column[0]
    if type(first) is bytes or (isinstance(first, np.ndarray) and first.dtype.hasobject and first.ndim == 0):
        texts = np.empty(len(column), object)
        texts[:] = [each if type(each) is bytes else each.item() for each in column]
        return texts
    shape, kind = np.shape(first), getattr(first, "dtype", None)
    if shape == () and kind is not None and kind.isbuiltin == 1 and not kind.hasobject:
        return np.array(column, kind)
    large = stack_large(column)
    if large is not None:
        return large
    out = empty((len(column), *shape), kind or object)
    for index, each in enumerate(column):
        if np.shape(each) != shape:
            raise errors.InvalidArgumentError(
                None, None, f"Cannot batch tensors with different shapes in component {component}. First element had shape "
                f"{list(shape)} and element {index} had shape {list(np.shape(each))}."
            )  # fmt: skip
        _copy(out[index, ...], each)
    return out


def _copy(target: np.ndarray, source: Any) -> None:
    """`target[...] = source`; flipped images are copied pixel by pixel, where NumPy would copy number by number."""
    if (
        isinstance(source, np.ndarray)
        and source.ndim > 1
        and not source.flags.c_contiguous
        and source.strides[-1] == source.itemsize
        and source.dtype == target.dtype
        and not source.dtype.hasobject
    ):
        if copy_reversed_pixels(target, source):
            return
        pixel = np.dtype((np.void, source.itemsize * source.shape[-1]))
        target, source = target.view(pixel), source.view(pixel)
    target[...] = source


class Unbatch(Dataset):
    """Elements split along their first dimension."""

    def __init__(self, source: Dataset):
        for spec in leaves(source._element_spec):
            if isinstance(spec, TensorSpec) and spec.shape.rank == 0:
                raise ValueError("Cannot unbatch an input with scalar components.")
        flat = [
            spec if isinstance(spec, NoneTensorSpec) else spec._unbatch()
            for spec in leaves(source._element_spec)
        ]
        super().__init__(source._layout.fill(flat), (source,))
        self._plain = all(isinstance(spec, (TensorSpec, NoneTensorSpec)) for spec in flat)

    def _elements(self, at: Iteration) -> Iterator[list]:
        element, row = at.kept.get("element"), at.kept.get("row", 0)
        at.keep(lambda: {"element": element, "row": row})
        elements = at.input()
        while True:
            if element is None:
                element, row = next(elements, None), 0
                if element is None:
                    return
            for each in itertools.islice(self._rows(element), row, None):
                row += 1
                yield each
            element = None

    def _rows(self, element: list) -> Iterator[list]:
        if self._plain:
            return map(list, zip(*(as_eager(each) for each in element)))
        from penstock.data.sources import Slices

        return elements_of(Slices(self._parents[0]._layout.pack(element)))

    def _size(self) -> int:
        first = next(
            (spec for spec in leaves(self._parents[0]._element_spec) if isinstance(spec, TensorSpec)), None
        )
        size = self._parents[0]._size()
        if size == INFINITE:
            return INFINITE
        if first is None or first.shape.rank is None or first.shape[0] is None or size < 0:
            return UNKNOWN
        return size * first.shape[0]
