"""Datasets whose elements are split over the replicas of a strategy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.data.iterator import IteratorBase
from penstock.distribute.values import PerReplica, PerReplicaSpec
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.types import nest
from penstock.types.composite import CompositeTensor
from penstock.types.type_spec import TypeSpec


@export("distribute.DistributedDataset")
class DistributedDataset:
    """A dataset whose elements hold a `PerReplica` for each component. Made by `strategy.experimental_distribute_dataset`."""

    def __init__(self, dataset: Any, count: int, stacked: bool = False):
        self._dataset, self._count = dataset, count
        self._parts = dataset.map(lambda *element: _rows(element, count)) if stacked else dataset

    def __iter__(self) -> DistributedIterator:
        return DistributedIterator(iter(self._parts))

    @property
    def element_spec(self) -> Any:
        """The specs of an element."""
        return _regrouped_specs(self._parts.element_spec)

    @property
    def cardinality(self) -> Any:
        """The number of elements, or a negative number where that is unknown or without end."""
        return self._parts.cardinality()

    def __len__(self) -> int:
        return len(self._parts)

    def reduce(self, initial_state: Any, reduce_func: Any) -> Any:
        """Combines all elements: `state = reduce_func(state, element)`."""
        state = initial_state
        for element in self:
            state = reduce_func(state, element)
        return state


def distribute(dataset: Any, count: int) -> DistributedDataset:
    """The dataset with each element split along its first dimension into `count` parts."""
    return DistributedDataset(dataset.map(lambda *element: _split(element, count)), count)


def _split(element: tuple, count: int) -> tuple:
    """`count` structures: `ceil(n / count)` rows for each replica, the last ones less or none."""
    structure = element[0] if len(element) == 1 else element
    flat = [
        each if isinstance(each, CompositeTensor) else convert_to_tensor(each)
        for each in nest.flatten(structure)
    ]
    parts: list[list[Any]] = [[] for _ in range(count)]
    for each in flat:
        rows = (
            each.shape[0]
            if each.shape.rank and each.shape[0] is not None
            else execute("Shape", (each,), None)[0]
        )
        size = (rows + count - 1) // count
        for i, part in enumerate(parts):
            part.append(_slice(each, i * size, size, rows))
    return tuple(nest.pack_sequence_as(structure, part) for part in parts)


def _slice(value: Any, begin: Any, size: Any, rows: Any) -> Any:
    if isinstance(rows, int):
        return value[min(begin, rows) : min(begin + size, rows)]
    return value[begin : begin + size]


def _rows(element: tuple, count: int) -> tuple:
    structure = element[0] if len(element) == 1 else element
    return tuple(nest.map_structure(lambda each: each[i], structure) for i in range(count))


def _regroup(parts: tuple) -> Any:
    """The element of all replicas; of a single one as it is."""
    return parts[0] if len(parts) == 1 else nest.map_structure(lambda *values: PerReplica(values), *parts)


def _regrouped_specs(specs: tuple) -> Any:
    return specs[0] if len(specs) == 1 else nest.map_structure(PerReplicaSpec, *specs)


@export("distribute.DistributedIterator")
class DistributedIterator(IteratorBase):
    """An iterator of a distributed dataset: `next(it)` raises StopIteration at the end, `it.get_next()` OutOfRangeError."""

    def __init__(self, iterator: Any):
        self._iterator = iterator

    @property
    def element_spec(self) -> Any:
        """The specs of an element."""
        return _regrouped_specs(self._iterator.element_spec)

    @property
    def _type_spec(self) -> DistributedIteratorSpec:
        return DistributedIteratorSpec(self._iterator._type_spec)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.get_next() if thread.graph is not None else _regroup(next(self._iterator))

    def get_next(self) -> Any:
        """The next element.

        Raises:
          OutOfRangeError: there is none.
        """
        return _regroup(self._iterator.get_next())

    def get_next_as_optional(self) -> Any:
        """The next element as an optional, empty at the end."""
        return _DistributedOptional(self._iterator.get_next_as_optional())


class _DistributedOptional:
    """An element of a distributed dataset that may be missing."""

    def __init__(self, optional: Any):
        self._optional = optional

    def has_value(self) -> Any:
        """Whether there is one."""
        return self._optional.has_value()

    def get_value(self) -> Any:
        """The element."""
        return _regroup(self._optional.get_value())


class DistributedIteratorSpec(TypeSpec):
    """The spec of a distributed iterator."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Any):
        self._inner = inner

    @property
    def value_type(self) -> type:
        return DistributedIterator

    def _serialize(self) -> tuple:
        return (self._inner,)

    @property
    def _component_specs(self) -> tuple:
        return (self._inner,)

    def _to_components(self, value: DistributedIterator) -> tuple:
        return (value._iterator,)

    def _from_components(self, components: Any) -> DistributedIterator:
        return DistributedIterator(components[0])

    def __hash__(self) -> int:
        return hash(self._inner)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DistributedIteratorSpec) and self._inner == other._inner
