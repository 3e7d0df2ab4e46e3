"""Several elements into one and back: batch, padded_batch, unbatch, window."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.data.dataset import INFINITE, UNKNOWN, Dataset
from penstock.data.element import DatasetSpec, Layout, as_eager, leaves
from penstock.types import dtypes, errors
from penstock.types.shapes import TensorShape
from penstock.types.specs import NoneTensorSpec, TensorSpec
from penstock.types.tensors import Tensor


def _batched_size(size: int, batch: int, drop: bool) -> int:
    if size < 0:
        return size
    return size // batch if drop else -(-size // batch)


class Batch(Dataset):
    """Elements stacked."""

    def __init__(self, source: Dataset, batch_size: int, drop_remainder: bool):
        size = source._size()
        exact = drop_remainder or size == INFINITE or (size >= 0 and size % batch_size == 0 and size > 0)
        self._fixed = batch_size if exact and (drop_remainder or size == INFINITE) else None
        flat = [_batched_spec(spec, self._fixed) for spec in leaves(source._element_spec)]
        super().__init__(source._layout.fill(flat), (source,))
        self._batch_size, self._drop = batch_size, drop_remainder
        self._plain = all(isinstance(spec, (TensorSpec, NoneTensorSpec)) for spec in flat)

    def _iterate(self) -> Iterator[list]:
        elements = self._parents[0]._iterate()
        while True:
            rows = list(itertools.islice(elements, self._batch_size))
            if not rows or (self._drop and len(rows) < self._batch_size):
                return
            yield self._stack(rows)

    def _stack(self, rows: list[list]) -> list:
        if self._plain:
            return [_stack([as_eager(row[i]) for row in rows]) for i in range(len(rows[0]))]
        from penstock.ops.stacking_composites import stack_composites

        layout = self._parents[0]._layout
        columns = zip(*(leaves(layout.pack(row)) for row in rows))
        stacked = []
        for spec, column in zip(leaves(self._parents[0]._element_spec), columns):
            if isinstance(spec, NoneTensorSpec):
                stacked.append(None)
            elif isinstance(spec, TensorSpec):
                from penstock.types.tensors import EagerTensor

                stacked.append(EagerTensor(_stack([each.host() for each in column]), spec.dtype))
            else:
                stacked.append(stack_composites(column))
        return self._layout.flatten(self._layout.fill(stacked))

    def _size(self) -> int:
        return _batched_size(self._parents[0]._size(), self._batch_size, self._drop)


def _batched_spec(spec: Any, size: int | None) -> Any:
    if isinstance(spec, NoneTensorSpec):
        return spec
    return spec._batch(size)


def _stack(column: list) -> np.ndarray:
    first = column[0]
    shape = np.shape(first)
    for each in column:
        if np.shape(each) != shape:
            raise errors.InvalidArgumentError(
                None, None, f"Cannot batch tensors with different shapes in component 0. First element had shape "
                f"{list(shape)} and another element had shape {list(np.shape(each))}."
            )  # fmt: skip
    out = np.empty((len(column), *shape), getattr(first, "dtype", None) or object)
    for index, each in enumerate(column):
        out[index] = each
    return out


class PaddedBatch(Dataset):
    """Elements of different sizes stacked, padded."""

    def __init__(self, source: Dataset, batch_size: int, shapes: Any, values: Any, drop_remainder: bool):
        specs = leaves(source._element_spec)
        if any(not isinstance(spec, TensorSpec) for spec in specs):
            raise TypeError("`padded_batch` is only supported for datasets that produce tensor elements.")
        given = (
            [spec.shape for spec in specs] if shapes is None else _per_leaf(source._layout, shapes, _is_shape)
        )
        self._shapes = [
            TensorShape([None if dim in (None, -1) else dim for dim in _dims(shape)]) for shape in given
        ]
        for spec, shape in zip(specs, self._shapes):
            if spec.shape.rank is None and shapes is None:
                raise ValueError(
                    "You must provide `padded_shapes` argument because component 0 has unknown rank."
                )
            if spec.shape.rank is not None and shape.rank != spec.shape.rank:
                raise ValueError(
                    f"The padded shape {shape} is not compatible with the shape {spec.shape} of the input."
                )
        paddings = [None] * len(specs) if values is None else _per_leaf(source._layout, values, _is_value)
        self._values = [_padding(spec, value) for spec, value in zip(specs, paddings)]
        size = batch_size if drop_remainder else None
        flat = [
            TensorSpec(TensorShape([size]).concatenate(shape), spec.dtype)
            for spec, shape in zip(specs, self._shapes)
        ]
        super().__init__(source._layout.fill(flat), (source,))
        self._batch_size, self._drop = batch_size, drop_remainder

    def _iterate(self) -> Iterator[list]:
        elements = self._parents[0]._iterate()
        while True:
            rows = list(itertools.islice(elements, self._batch_size))
            if not rows or (self._drop and len(rows) < self._batch_size):
                return
            yield [
                self._pad([np.asarray(as_eager(row[i])) for row in rows], self._shapes[i], self._values[i])
                for i in range(len(rows[0]))
            ]

    @staticmethod
    def _pad(column: list[np.ndarray], shape: TensorShape, value: Any) -> np.ndarray:
        largest = [max(sizes) for sizes in zip(*(each.shape for each in column))]
        dims = [most if dim is None else dim for most, dim in zip(largest, shape.as_list())]
        if any(most > dim for most, dim in zip(largest, dims)):
            raise errors.InvalidArgumentError(
                None, None, f"Attempted to pad to a smaller size than the input element: {largest} to {dims}."
            )
        out = np.full((len(column), *dims), value, column[0].dtype)
        for index, each in enumerate(column):
            out[(index, *(slice(0, size) for size in each.shape))] = each
        return out

    def _size(self) -> int:
        return _batched_size(self._parents[0]._size(), self._batch_size, self._drop)


def _is_shape(value: Any) -> bool:
    return isinstance(value, TensorShape) or (
        isinstance(value, (list, tuple))
        and all(each is None or isinstance(each, (int, np.integer)) for each in value)
    )


def _is_value(value: Any) -> bool:
    return not isinstance(value, (tuple, dict))


def _dims(shape: Any) -> list:
    return (
        shape.as_list()
        if isinstance(shape, TensorShape)
        else list(np.asarray(shape))
        if isinstance(shape, Tensor)
        else list(shape)
    )


def _per_leaf(layout: Layout, given: Any, is_leaf: Any) -> list:
    """A value for each leaf of the elements; a single one serves all."""

    def walk(spec: Any, value: Any) -> list:
        if isinstance(spec, tuple) and isinstance(value, (tuple, list)) and len(value) == len(spec):
            return [found for each, inner in zip(spec, value) for found in walk(each, inner)]
        if isinstance(spec, dict):
            return [found for key in sorted(spec) for found in walk(spec[key], value[key])]
        return [value]

    if is_leaf(given) and isinstance(layout.spec, (tuple, dict)):
        return [given] * len(leaves(layout.spec))
    return walk(layout.spec, given)


def _padding(spec: TensorSpec, value: Any) -> Any:
    if value is None:
        return b"" if spec.dtype is dtypes.string else np.zeros((), spec.dtype.as_numpy_dtype)[()]
    if isinstance(value, Tensor):
        if value.dtype != spec.dtype:
            raise TypeError(
                f"Mismatched type between padding value ({value.dtype.name}) and input dataset's component ({spec.dtype.name})"
            )
        return value.numpy()
    if spec.dtype is dtypes.string:
        return value.encode() if isinstance(value, str) else value
    return np.asarray(value).astype(spec.dtype.as_numpy_dtype)[()]


class Unbatch(Dataset):
    """Elements split along their first dimension."""

    def __init__(self, source: Dataset):
        flat = [
            spec if isinstance(spec, NoneTensorSpec) else spec._unbatch()
            for spec in leaves(source._element_spec)
        ]
        super().__init__(source._layout.fill(flat), (source,))
        self._plain = all(isinstance(spec, (TensorSpec, NoneTensorSpec)) for spec in flat)

    def _iterate(self) -> Iterator[list]:
        for element in self._parents[0]._iterate():
            if self._plain:
                yield from (list(row) for row in zip(*(as_eager(each) for each in element)))
                continue
            from penstock.data.sources import Slices

            yield from Slices(self._parents[0]._layout.pack(element))._iterate()

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


class Window(Dataset):
    """Datasets of neighbouring elements."""

    def __init__(self, source: Dataset, size: int, shift: int, stride: int, drop_remainder: bool):
        super().__init__(
            source._layout.fill([DatasetSpec(spec) for spec in leaves(source._element_spec)]), (source,)
        )
        self._window, self._shift, self._stride, self._drop = size, shift, stride, drop_remainder

    def _iterate(self) -> Iterator[list]:
        span = (self._window - 1) * self._stride + 1
        elements = self._parents[0]._iterate()
        buffer: list = []
        ended = False
        while True:
            while len(buffer) < span and not ended:
                element = next(elements, None)
                if element is None:
                    ended = True
                else:
                    buffer.append(element)
            chosen = buffer[: span : self._stride]
            if not chosen or (self._drop and len(chosen) < self._window):
                return
            yield self._datasets(chosen)
            missing = self._shift - len(buffer)
            del buffer[: self._shift]
            for _ in range(max(missing, 0)):
                if next(elements, None) is None:
                    return

    def _datasets(self, rows: list[list]) -> list:
        specs = leaves(self._parents[0]._element_spec)
        return [Listed(spec, [[row[i]] for row in rows]) for i, spec in enumerate(specs)]

    def _size(self) -> int:
        size = self._parents[0]._size()
        if size < 0:
            return size
        if self._drop:
            span = (self._window - 1) * self._stride + 1
            return max(0, (size - span) // self._shift + 1)
        return -(-size // self._shift)


class Listed(Dataset):
    """Elements that are there already."""

    def __init__(self, element_spec: Any, rows: list[list]):
        super().__init__(element_spec)
        self._rows = rows

    def _iterate(self) -> Iterator[list]:
        return iter(self._rows)

    def _size(self) -> int:
        return len(self._rows)
