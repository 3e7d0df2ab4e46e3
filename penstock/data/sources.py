"""Datasets that come from somewhere: tensors, slices, generators, ranges, random numbers, file names."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from penstock.data.dataset import INFINITE, UNKNOWN, Dataset
from penstock.data.element import Layout, as_eager, leaves, spec_of
from penstock.data.iteration import Iteration
from penstock.data.random_numbers import RandomWords, dataset_seeds
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.ops.gfile import matching
from penstock.ops.ragged.tensor import RaggedTensor
from penstock.runtime.executor import to_raw
from penstock.types import dtypes, errors, nest
from penstock.types.dtypes import as_dtype
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.specs import NoneTensorSpec, TensorSpec
from penstock.types.tensors import SymbolicTensor, Tensor

_FEW = 64  # elements that a source makes all at once, where it is repeated


def _known(tensor: Any) -> Any:
    """The array of a tensor, or the tensor itself where its value is known only when the pipeline runs."""
    if isinstance(tensor, SymbolicTensor):
        known = constant_value(tensor)
        return tensor if known is None else known
    return to_raw(tensor)  # type: ignore[arg-type]


class Tensors(Dataset):
    """One element."""

    _cheap = True

    def __init__(self, structure: Any):
        super().__init__(spec_of(structure))
        self._flat = [_known(each) for each in self._layout.tensors(structure)]
        self._need(self._flat)

    def _elements(self, at: Iteration) -> Iterator[list]:
        given = [at.kept.get("given", False)]
        at.keep(lambda: {"given": given[0]})
        if not given[0]:
            given[0] = True
            yield from self.few(at)

    def few(self, at: Iteration) -> list[list]:
        """The elements, which are few."""
        return [[at.value(each) for each in self._flat]]

    def _size(self) -> int:
        return 1


class Slices(Dataset):
    """The slices of tensors along their first dimension."""

    _cheap = True

    def __init__(self, structure: Any):
        batched = spec_of(structure)
        specs = leaves(batched)
        if not specs or all(isinstance(spec, NoneTensorSpec) for spec in specs):
            raise ValueError("Invalid `element`. `element` should not be empty.")
        for spec in specs:
            if isinstance(spec, TensorSpec) and spec.shape.rank == 0:
                raise ValueError("Unbatching a tensor is only supported for rank >= 1")
        layout = Layout(batched)
        super().__init__(layout.fill([_row_spec(spec) for spec in specs]))
        self._batched = layout
        self._plain = all(isinstance(spec, (TensorSpec, NoneTensorSpec)) for spec in specs)
        self._columns = [_known(each) for each in layout.tensors(structure)]
        self._need(self._columns)
        sizes = {_rows(spec, leaf) for spec, leaf in zip(specs, leaves(structure)) if leaf is not None}
        known = sorted(size for size in sizes if size is not None)
        if len(known) > 1:
            raise ValueError(f"Dimensions {known[0]} and {known[1]} are not compatible")
        self._count = known[0] if known else UNKNOWN

    def _elements(self, at: Iteration) -> Iterator[list]:
        columns = [at.value(each) for each in self._columns]
        rows = self._rows_of_tensors(columns) if self._plain else self._rows_of_composites(columns)
        positions = iter(range(at.kept.get("next", 0), rows.size))
        at.keep(lambda: {"next": rows.size - operator.length_hint(positions)})
        return map(rows.row, positions)

    def _rows_of_tensors(self, columns: list) -> _Rows:
        columns = [as_eager(each) for each in columns]
        sizes = {len(each) for each in columns}
        if len(sizes) > 1:
            raise errors.InvalidArgumentError(
                None, None, f"Dimensions {sorted(sizes)} are not compatible: all components must have the same first one."
            )  # fmt: skip
        if len(columns) == 1:
            column = columns[0]
            return _Rows(len(column), lambda index: [column[index]])
        return _Rows(sizes.pop(), lambda index: [column[index] for column in columns])

    def _rows_of_composites(self, columns: list) -> _Rows:
        specs = leaves(self._element_spec)
        values = leaves(self._batched.pack(columns))
        sizes = [_rows(spec, each) for spec, each in zip(specs, values) if each is not None]
        parts = [_row_of(each, spec) for each, spec in zip(values, specs)]
        return _Rows(sizes[0], lambda index: [array for part in parts for array in part(index)])

    def _size(self) -> int:
        return self._count


class _Rows:
    """How many elements there are, and how to get one."""

    def __init__(self, size: Any, row: Any):
        self.size, self.row = int(size), row


def _rows(spec: Any, value: Any) -> int | None:
    """The size of the first dimension of a component, where it is known."""
    if isinstance(value, SymbolicTensor):
        return value.shape[0] if value.shape.rank else None
    if isinstance(value, Tensor):
        return value.shape[0]
    if hasattr(value, "nrows"):
        return _number(value.nrows())
    if hasattr(value, "dense_shape"):
        return _number(value.dense_shape[0])
    if hasattr(value, "shape") and value.shape.rank:
        return value.shape[0]
    first = nest.flatten(value, expand_composites=True)[0]
    return first.shape[0] if first.shape.rank else None


def _number(value: Any) -> int | None:
    known = constant_value(value) if isinstance(value, SymbolicTensor) else to_raw(value)
    return None if known is None else int(known)


def _row_of(column: Any, spec: Any) -> Callable[[int], list]:
    """A function that gives the arrays of one row of a component.

    Args:
      column: the component, of eager tensors.
      spec: of a row.
    """
    if column is None:
        return lambda index: []
    if isinstance(column, Tensor):
        array = _array(column)
        return lambda index: [array[index]]
    if isinstance(column, SparseTensor):
        return _row_of_sparse(*map(_array, (column.indices, column.values, column.dense_shape)))
    if isinstance(column, RaggedTensor) and column.ragged_rank == 1:
        values, splits = _array(column.values), _array(column.row_splits).tolist()
        return lambda index: [values[splits[index] : splits[index + 1]]]
    layout = Layout(spec)
    return lambda index: layout.flatten(_row(column, spec, index))


def _array(tensor: Any) -> Any:
    """The value of an eager tensor, as elements have it."""
    return as_eager(to_raw(tensor))


def _row_of_sparse(indices: np.ndarray, values: np.ndarray, shape: np.ndarray) -> Callable[[int], list]:
    """The same of a sparse tensor whose indices are in order, as TensorFlow wants them."""
    rows, rest, size = indices[:, 0].copy(), indices[:, 1:], shape[1:]

    def row(index: int) -> list:
        first, last = rows.searchsorted((index, index + 1)).tolist()
        return [rest[first:last], values[first:last], size]

    return row


def _row(column: Any, spec: Any, index: int) -> Any:
    """Row `index` of a composite; of one that cannot be indexed, that of each of its tensors."""
    if hasattr(column, "__getitem__"):
        return column[index]
    parts = [each[index] for each in nest.flatten(column, expand_composites=True)]
    return nest.pack_sequence_as(spec, parts, expand_composites=True)


def _row_spec(spec: Any) -> Any:
    if isinstance(spec, NoneTensorSpec):
        return spec
    return spec._unbatch()


class Range(Dataset):
    """The numbers from `start` to `stop` in steps."""

    _cheap = True

    def __init__(self, *args: Any, output_type: Any = dtypes.int64):
        if not 1 <= len(args) <= 3:
            raise ValueError(
                f"Invalid `args`. The length of `args` should be between 1 and 3, got {len(args)}."
            )
        dtype = as_dtype(output_type)
        super().__init__(TensorSpec([], dtype))
        self._bounds = [self._parameter(each) for each in args]
        self._type = dtype.as_numpy_dtype

    def _range(self, values: list) -> range:
        numbers = [int(each.numpy()) if isinstance(each, Tensor) else int(each) for each in values]
        if len(numbers) == 3 and numbers[2] == 0:
            raise errors.InvalidArgumentError(None, None, "step must be a non-zero integer.")
        return range(*numbers)

    def _elements(self, at: Iteration) -> Iterator[list]:
        numbers, kind = self._range([at.value(each) for each in self._bounds]), self._type
        rest = iter(numbers[at.kept.get("next", 0) :])
        at.keep(lambda: {"next": len(numbers) - operator.length_hint(rest)})
        return ([kind(value)] for value in rest)

    def few(self, at: Iteration) -> list[list] | None:
        """The elements, if they are few."""
        numbers = self._range([at.value(each) for each in self._bounds])
        return [[self._type(value)] for value in numbers] if len(numbers) <= _FEW else None

    def _size(self) -> int:
        if any(isinstance(each, SymbolicTensor) for each in self._bounds):
            return UNKNOWN
        return len(self._range(self._bounds))


class Counter(Dataset):
    """The numbers from `start` on in steps, without end."""

    def __init__(self, start: Any, step: Any, dtype: Any):
        dtype = as_dtype(dtype)
        super().__init__(TensorSpec([], dtype))
        self._start, self._step = self._parameter(start), self._parameter(step)
        self._type = dtype.as_numpy_dtype

    def _elements(self, at: Iteration) -> Iterator[list]:
        start, step = (
            np.asarray(each.numpy() if isinstance(each, Tensor) else each)
            for each in (at.value(self._start), at.value(self._step))
        )
        position = at.kept.get("next", 0)
        at.keep(lambda: {"next": position})
        while True:
            position += 1
            yield [np.asarray(start + (position - 1) * step).astype(self._type)[()]]

    def _size(self) -> int:
        return INFINITE


@export("data.experimental.RandomDataset")
class Random(Dataset):
    """Pseudorandom int64 numbers without end, TensorFlow's where a seed is set."""

    def __init__(self, seed: Any = None, rerandomize_each_iteration: Any = None, name: str | None = None):
        super().__init__(TensorSpec([], dtypes.int64))
        self._seeds, self._rerandomize = dataset_seeds(seed), bool(rerandomize_each_iteration)
        self._iterations = RandomWords(*self._seeds)

    def _words(self, at: Iteration) -> RandomWords:
        """The words of an iteration, from its position on."""
        if "words" in at.kept:
            return RandomWords(*at.kept["words"])
        if self._rerandomize:
            return RandomWords(next(self._iterations), next(self._iterations))
        return RandomWords(*self._seeds)

    def _elements(self, at: Iteration) -> Iterator[list]:
        words = self._words(at)
        at.keep(lambda: {"words": words.position})
        return ([np.int64(word)] for word in words)

    def _size(self) -> int:
        return INFINITE


def patterns_of(file_pattern: Any) -> list[str]:
    """One pattern, or several, as a list: text, bytes, paths, or a string tensor."""
    given = file_pattern.numpy() if isinstance(file_pattern, Tensor) else file_pattern
    return [os.fsdecode(each) for each in np.ravel(np.asarray(given, object))]


def list_files(file_pattern: Any, shuffle: bool, seed: Any) -> Dataset:
    """The names of files that match glob patterns.

    Raises:
      InvalidArgumentError: nothing matches.
    """
    patterns = patterns_of(file_pattern)
    found = matching(patterns)
    if not found:
        raise errors.InvalidArgumentError(None, None, f"No files matched pattern: {', '.join(patterns)}")
    dataset = Dataset.from_tensor_slices(np.array([name.encode() for name in found], object))
    return dataset.shuffle(len(found), seed) if shuffle else dataset


def sparse_slices(sparse: Any) -> Dataset:
    """The rows of a sparse tensor as (indices, values, dense shape)."""
    rows = Dataset.from_tensor_slices(sparse)
    return rows.map(lambda row: (row.indices, row.values, row.dense_shape))
