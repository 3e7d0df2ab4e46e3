"""Datasets whose elements are split over the replicas of a strategy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from penstock.data.dataset import Dataset
from penstock.data.element import leaves
from penstock.data.iterator import IteratorBase
from penstock.data.optional import Optional
from penstock.distribute.options import InputReplicationMode, replication_mode
from penstock.distribute.replica_context import InputContext
from penstock.distribute.replica_elements import InTurn, SplitBatches
from penstock.distribute.values import PerReplica, PerReplicaSpec
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.casting import cast
from penstock.ops.concatenation import concat
from penstock.ops.ragged.tensor import RaggedTensor
from penstock.ops.sparse.slicing import slice_ as sparse_slice
from penstock.tracing.autograph.overloads import FOR, register
from penstock.types import dtypes, nest
from penstock.types.composite import CompositeTensor
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.specs import TensorSpec
from penstock.types.type_spec import TypeSpec


@export("distribute.DistributedDataset")
class DistributedDataset:
    """A dataset whose elements hold a `PerReplica` for each component.

    Made by `strategy.experimental_distribute_dataset` and `strategy.distribute_datasets_from_function`. Iterating gives
    a `DistributedIterator`.

    Example:
      >>> import penstock as tf
      >>> strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
      >>> for batch in strategy.experimental_distribute_dataset(tf.data.Dataset.range(3).batch(3)):
      ...     print([each.numpy().tolist() for each in batch.values])
      [[0, 1], [2]]
    """

    def __init__(self, parts: Dataset):
        self._parts = parts  # its elements are tuples: the structure of each replica

    def __iter__(self) -> DistributedIterator:
        return DistributedIterator(iter(self._parts))

    def make_initializable_iterator(self, shared_name: str | None = None) -> DistributedIterator:
        """An iterator of a graph; its `initializer` begins with the first element."""
        from penstock.data.iterator_v1 import make_initializable_iterator

        return DistributedIterator(make_initializable_iterator(self._parts, shared_name))

    def make_one_shot_iterator(self) -> DistributedIterator:
        """An iterator of a graph that begins by itself."""
        from penstock.data.iterator_v1 import make_one_shot_iterator

        return DistributedIterator(make_one_shot_iterator(self._parts))

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


def distribute(dataset: Any, count: int, options: Any = None) -> DistributedDataset:
    """The dataset with each element split along its first dimension into `count` parts.

    Raises:
      TypeError: it is no dataset. IndexError: its elements are scalars.
      NotImplementedError: `options` ask for an input of its own for each replica, which takes a function.
    """
    if isinstance(dataset, DistributedDataset):
        raise ValueError("experimental_distribute_dataset: the dataset is distributed already")
    _check_dataset(dataset)
    if replication_mode(options) is InputReplicationMode.PER_REPLICA:
        raise NotImplementedError(
            "InputReplicationMode.PER_REPLICA is only supported in `distribute_datasets_from_function`."
        )
    if all(isinstance(each, TensorSpec) for each in leaves(dataset.element_spec)):
        return DistributedDataset(SplitBatches(dataset, count))
    return DistributedDataset(dataset.map(lambda *element: _split(element, count)))


def distribute_function(
    dataset_fn: Callable, context: InputContext, count: int, options: Any = None
) -> DistributedDataset:
    """What `dataset_fn(context)` makes, whose elements go to one replica after the other.

    With `InputReplicationMode.PER_REPLICA` the function is called for each replica, which gets its own dataset.
    """
    calls = count if replication_mode(options) is InputReplicationMode.PER_REPLICA else 1
    datasets = [dataset_fn(context) for _ in range(calls)]
    for each in datasets:
        _check_dataset(each)
    return DistributedDataset(InTurn(datasets, count))


def _check_dataset(dataset: Any) -> None:
    if not isinstance(dataset, Dataset):
        # AttributeError, because that is what TensorFlow's look at the object's fields ends in.
        raise AttributeError(
            f"expected a tf.data.Dataset to distribute, got {type(dataset).__name__!r} object"
        )


def _split(element: tuple, count: int) -> tuple:
    """`count` structures: `ceil(n / count)` rows for each replica, the last ones less or none."""
    structure = element[0] if len(element) == 1 else element
    flat = [
        each if isinstance(each, CompositeTensor) else convert_to_tensor(each)
        for each in nest.flatten(structure)
    ]
    parts: list[list[Any]] = [[] for _ in range(count)]
    for each in flat:
        rows = _row_count(each)
        size = (rows + count - 1) // count
        for i, part in enumerate(parts):
            part.append(_slice(each, i * size, size, rows))
    return tuple(nest.pack_sequence_as(structure, part) for part in parts)


def _row_count(value: Any) -> Any:
    """An int where it is known, else a tensor."""
    if value.shape.rank and value.shape[0] is not None:
        return value.shape[0]
    if isinstance(value, RaggedTensor):
        return value.nrows()
    if isinstance(value, SparseTensor):
        return value.dense_shape[0]
    return execute("Shape", (value,), None)[0]


def _slice(value: Any, begin: Any, size: Any, rows: Any) -> Any:
    if isinstance(value, SparseTensor):
        others = value.dense_shape[1:]
        start = concat([[cast(begin, dtypes.int64)], 0 * others], 0)
        return sparse_slice(value, start, concat([[cast(size, dtypes.int64)], others], 0))
    if isinstance(rows, int):
        return value[min(begin, rows) : min(begin + size, rows)]
    return value[begin : begin + size]


def _regroup(parts: tuple) -> Any:
    """The element of all replicas; of a single one as it is."""
    return parts[0] if len(parts) == 1 else nest.map_structure(lambda *values: PerReplica(values), *parts)


def _regrouped_specs(specs: tuple) -> Any:
    return specs[0] if len(specs) == 1 else nest.map_structure(PerReplicaSpec, *specs)


@export("distribute.DistributedIterator")
class DistributedIterator(IteratorBase):
    """An iterator of a distributed dataset: `next(it)` raises StopIteration at the end, `it.get_next()` OutOfRangeError."""

    def __init__(self, iterator: Any):
        self._wrapped = iterator

    @property
    def element_spec(self) -> Any:
        """The specs of an element."""
        return _regrouped_specs(self._wrapped.element_spec)

    @property
    def _type_spec(self) -> DistributedIteratorSpec:
        return DistributedIteratorSpec(self._wrapped._type_spec)

    @property
    def initializer(self) -> Any:
        """The operation that begins with the first element, in a graph."""
        return self._wrapped.initializer

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._in_graph() if thread.graph is not None else _regroup(next(self._wrapped))

    def get_next(self, name: str | None = None) -> Any:
        """The next element.

        Raises:
          OutOfRangeError: there is none.
        """
        return _regroup(self._wrapped.get_next())

    def get_next_as_optional(self) -> Any:
        """The next element as an optional, empty at the end."""
        return DistributedOptional(self._wrapped.get_next_as_optional())

    def _no_element(self) -> DistributedOptional:
        """What `get_next_as_optional` gives at the end."""
        return DistributedOptional(self._wrapped._no_element())


class DistributedOptional(Optional):
    """An element of a distributed dataset that may be missing."""

    def __init__(self, optional: Any):
        super().__init__(optional._variant_tensor, _regrouped_specs(optional.element_spec))
        self._wrapped = optional

    def get_value(self, name: str | None = None) -> Any:
        """The element.

        Raises:
          InvalidArgumentError: there is none.
        """
        return _regroup(self._wrapped.get_value(name))

    @property
    def _type_spec(self) -> DistributedOptionalSpec:
        return DistributedOptionalSpec(self._wrapped._type_spec)


class _WrappingSpec(TypeSpec):
    """The spec of something distributed around the spec of what it is made of."""

    __slots__ = ("_inner",)
    _wraps: type

    def __init__(self, inner: Any):
        self._inner = inner

    @property
    def value_type(self) -> type:
        return self._wraps

    def _serialize(self) -> tuple:
        return (self._inner,)

    @property
    def _component_specs(self) -> tuple:
        return (self._inner,)

    def _to_components(self, value: Any) -> tuple:
        return (value._wrapped,)

    def _from_components(self, components: Any) -> Any:
        return self._wraps(components[0])

    def __hash__(self) -> int:
        return hash(self._inner)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._inner == other._inner


class DistributedIteratorSpec(_WrappingSpec):
    """The spec of a distributed iterator."""

    __slots__ = ()
    _wraps = DistributedIterator


class DistributedOptionalSpec(_WrappingSpec):
    """The spec of an element that may be missing."""

    __slots__ = ()
    _wraps = DistributedOptional


# Loops over them in converted code are loops of the graph.
_LOOPS = "penstock.tracing.autograph.operators.datasets"
register(FOR, DistributedDataset, f"{_LOOPS}:dataset_loop")
register(FOR, DistributedIterator, f"{_LOOPS}:iterator_loop")
register(next, DistributedIterator, f"{_LOOPS}:next_")
