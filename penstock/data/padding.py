"""`padded_batch`: elements of different sizes stacked, padded to the largest or to given shapes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.data.batching import batched_size, fixed_batch
from penstock.data.dataset import Dataset, count_of
from penstock.data.element import Layout, as_eager, leaves
from penstock.data.iteration import Iteration
from penstock.engine.aligned import empty
from penstock.engine.static_value import constant_shape
from penstock.types import dtypes, errors
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.tensors import SymbolicTensor, Tensor


class PaddedBatch(Dataset):
    """Elements of different sizes stacked, padded."""

    def __init__(
        self,
        source: Dataset,
        batch_size: Any,
        shapes: Any = None,
        values: Any = None,
        drop_remainder: Any = False,
    ):
        specs = leaves(source._element_spec)
        if any(not isinstance(spec, TensorSpec) for spec in specs):
            raise TypeError("`padded_batch` is only supported for datasets that produce tensor elements.")
        given = (
            [spec.shape for spec in specs] if shapes is None else _per_leaf(source._layout, shapes, _is_shape)
        )
        self._shapes = [_partial_shape(shape) for shape in given]
        symbolic = [shape if isinstance(shape, SymbolicTensor) else None for shape in given]
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
        drop = bool(drop_remainder)
        size = fixed_batch(source, batch_size, drop)
        flat = [
            TensorSpec(TensorShape([size]).concatenate(shape), spec.dtype)
            for spec, shape in zip(specs, self._shapes)
        ]
        super().__init__(source._layout.fill(flat), (source,))
        self._symbolic = symbolic
        self._need(symbolic)
        self._batch_size, self._drop = self._parameter(count_of(batch_size, "batch_size")), drop

    def _elements(self, at: Iteration) -> Iterator[list]:
        size, elements = int(at.value(self._batch_size)), at.input()
        shapes = [
            known if given is None else _partial_shape(at.value(given))
            for known, given in zip(self._shapes, self._symbolic)
        ]
        while True:
            rows = list(itertools.islice(elements, size))
            if not rows or (self._drop and len(rows) < size):
                return
            yield [
                self._pad([np.asarray(as_eager(each)) for each in column], shape, value)
                for column, shape, value in zip(zip(*rows), shapes, self._values)
            ]

    @staticmethod
    def _pad(column: list[np.ndarray], shape: TensorShape, value: Any) -> np.ndarray:
        largest = [max(sizes) for sizes in zip(*(each.shape for each in column))]
        dims = [most if dim is None else dim for most, dim in zip(largest, shape.as_list())]
        if any(most > dim for most, dim in zip(largest, dims)):
            raise errors.DataLossError(
                None, None, f"Attempted to pad to a smaller size than the input element: {largest} to {dims}."
            )
        out = empty((len(column), *dims), column[0].dtype)
        if any(each.shape != tuple(dims) for each in column):
            out[...] = value
        for index, each in enumerate(column):
            place: tuple = (index, *(slice(0, size) for size in each.shape))
            out[place] = each
        return out

    def _size(self) -> int:
        return batched_size(self._parents[0]._size(), self._batch_size, self._drop)


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


def _partial_shape(shape: Any) -> TensorShape:
    if isinstance(shape, SymbolicTensor):
        return constant_shape(shape)
    return TensorShape([None if dim in (None, -1) else int(dim) for dim in _dims(shape)])


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
