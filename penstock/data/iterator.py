"""Iterators over datasets: Python iterators in eager mode, resources in graphs; their positions can be saved."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

from penstock.data.dataset import Dataset
from penstock.data.element import Layout, leaves
from penstock.data.iteration import Iteration, Run
from penstock.data.optional import Optional, OptionalValue
from penstock.data.planner import planned
from penstock.data.position_bytes import from_bytes, to_bytes
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.memory import keep_freed_memory
from penstock.runtime.lowering import nested_graphs
from penstock.tracing.autograph.status import is_autograph_disabled
from penstock.types import dtypes, errors
from penstock.types.composite import CompositeTensor
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.tensors import EagerTensor, Tensor
from penstock.types.trackable import Trackable
from penstock.types.type_spec import TypeSpec


class IteratorState:
    """The position in a dataset: what an iterator's resource tensor holds.

    Attributes:
      dataset: what it iterates over; None until a (v1) iterator is initialized.
    """

    def __init__(self, dataset: Dataset | None):
        self._lock = threading.Lock()
        self.dataset: Dataset | None = None
        self._iteration: Iteration | None = None
        self._random_states: dict = {}
        self._elements: Any = None
        if dataset is not None:
            self.make(dataset)

    def make(self, dataset: Dataset) -> None:
        """Begins with the first element of a dataset."""
        with self._lock:
            if self._iteration is not None:
                self._iteration.close()
            _keep_freed_memory()  # batches are large, and as many are freed as are made
            self.dataset = dataset
            self._random_states = {}  # random ops in functions of elements start anew with each iterator
            self._go_on_at(Iteration(planned(dataset), Run(options=dataset._options)))

    def _go_on_at(self, iteration: Iteration) -> None:
        self._iteration, self._elements = iteration, iteration.timed()

    @property
    def iteration(self) -> Iteration:
        """The position in the pipeline, with what it measured.

        Raises:
          FailedPreconditionError: the iterator was not initialized.
        """
        if self._iteration is None:
            raise errors.FailedPreconditionError(None, None, "the iterator has not been initialized")
        return self._iteration

    def get_next(self) -> list:
        """The arrays of the next element.

        Raises:
          OutOfRangeError: there is none. FailedPreconditionError: the iterator was not initialized.
        """
        with self._lock:
            if self._iteration is None or self.dataset is None:
                raise errors.FailedPreconditionError(
                    None, None, "GetNext() failed because the iterator has not been initialized. Ensure that you have run "
                    "the initializer operation for this iterator before getting the next element.",
                )  # fmt: skip
            outer, thread.random_states = thread.random_states, self._random_states
            try:
                element = next(self._elements, None)
            except Exception:
                with self._iteration.still():
                    self._iteration.revive()  # the next call gets the element after this one
                self._elements = self._iteration.timed()
                raise
            finally:
                thread.random_states = outer
            self.dataset._last_run = self._iteration  # what `explain` shows
        if element is None:
            raise errors.OutOfRangeError(None, None, "End of sequence")
        return element

    def save(self) -> bytes:
        """The position, also that of random ops and of what was computed ahead, as bytes."""
        with self._lock:
            assert self._iteration is not None
            with self._iteration.still():
                random = {
                    str(index): self._random_states[stream.name]
                    for index, stream in enumerate(_streams(self._iteration.node))
                    if stream.name in self._random_states
                }
                return to_bytes({"position": self._iteration.save(), "random": random})

    def restore(self, data: bytes) -> None:
        """Goes on at a position that `save` gave, perhaps in another process.

        Raises:
          InvalidArgumentError: it is one of another pipeline. DataLossError: these are not such bytes.
        """
        saved = from_bytes(data)
        with self._lock:
            assert self._iteration is not None
            iteration = Iteration(self._iteration.node, self._iteration.run, saved["position"])
            self._iteration.close()
            streams = _streams(self._iteration.node)
            self._random_states = {streams[int(index)].name: each for index, each in saved["random"].items()}
            self._go_on_at(iteration)

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if (
            self._iteration is not None and not finalizing()
        ):  # then modules are gone, and threads end by themselves
            self._iteration.close()
            self._iteration.forget()
            # A dataset knows its last run: if that knew the dataset, its arrays would stay until the garbage collector comes.
            self._iteration.node = None

    def __repr__(self) -> str:
        return f"<iterator over {self.dataset!r}>"


@functools.cache
def _keep_freed_memory() -> None:
    keep_freed_memory()


def _streams(dataset: Any) -> list:
    """The random streams of the functions of a pipeline, in an order that every process finds."""
    found: list = []

    def of_graph(graph: Any) -> None:
        for operation in graph.get_operations():
            if operation.attrs.get("_stream") is not None:
                found.append(operation.attrs["_stream"])
            if operation.type == "DatasetOfValues":
                of_dataset(operation.attrs["_dataset"])
            if operation.definition.nested:
                for each in nested_graphs(operation):
                    of_graph(each)

    def of_dataset(node: Any) -> None:
        for each in node._parents:
            of_dataset(each)
        for function in node._functions:
            of_graph(function.graph)

    of_dataset(dataset)
    return found


def _shapes(call: Any) -> list[TensorShape]:
    return [TensorShape(each) for each in call.attrs["output_shapes"]]


op(
    "MakeDatasetIterator(dataset: variant) -> handle: resource",
    numpy=IteratorState,
    shape=lambda call: TensorShape([]),
    stateful=True,
)
op(
    "IteratorGetNext(iterator: resource; output_types, output_shapes) -> components: *output_types",
    numpy=lambda iterator, *, output_types, output_shapes: iterator.get_next(),
    shape=_shapes,
    gradient=lambda call, *dys: [None],
    stateful=True,
)


def _next_optional(iterator: IteratorState, *, output_types: Any, output_shapes: Any) -> OptionalValue:
    try:
        return OptionalValue(iterator.get_next())
    except errors.OutOfRangeError:
        return OptionalValue(None)


op(
    "IteratorGetNextAsOptional(iterator: resource; output_types, output_shapes) -> optional: variant",
    numpy=_next_optional,
    shape=lambda call: TensorShape([]),
    stateful=True,
)


def make_iterator(dataset: Dataset) -> OwnedIterator:
    """An iterator over a dataset; inside a graph, one that each run makes anew."""
    if thread.graph is None and not dataset._needs:
        return OwnedIterator(EagerTensor(IteratorState(dataset), dtypes.resource), dataset.element_spec)
    handle = execute("MakeDatasetIterator", (dataset._variant_tensor,))
    return OwnedIterator(handle, dataset.element_spec)


@export("data.Iterator", v1=[])
class IteratorBase(CompositeTensor, Trackable):
    """An iterator over a dataset.

    `tf.train.Checkpoint(iterator=iterator)` saves its position: a restored iterator goes on with the next element, also
    in the middle of a shuffle, and with what was computed ahead.
    """

    _MANY_CALLS = 32
    _calls_in_graph = 0

    def _in_graph(self) -> Any:
        """The next element, for a statement that runs while a function is traced; it never comes to the end of the data.

        Raises:
          ValueError: a Python loop seems to wait for the end.
        """
        self._calls_in_graph += 1
        if self._calls_in_graph > self._MANY_CALLS and is_autograph_disabled():
            raise ValueError(
                "An unusually high number of calls of next() on a `tf.data.Iterator` while a tf.function is traced: `for element "
                "in dataset` needs AutoGraph there, which is disabled"
            )
        return self.get_next()


class OwnedIterator(IteratorBase):
    """An iterator that owns its resource: `next(it)` raises StopIteration at the end, `it.get_next()` OutOfRangeError."""

    def __init__(self, handle: Any, element_spec: Any):
        self._handle = handle
        self._element_spec = element_spec
        self._spec = IteratorSpec(element_spec)
        self._layout = Layout(element_spec)

    @property
    def element_spec(self) -> Any:
        """The specs of an element."""
        return self._element_spec

    @property
    def _type_spec(self) -> IteratorSpec:
        return self._spec

    @property
    def _only_component(self) -> Any:
        return self._handle

    def __iter__(self) -> OwnedIterator:
        return self

    def __next__(self) -> Any:
        if type(self._handle) is EagerTensor and thread.graph is None:
            try:
                return self._layout.pack(self._handle._np.get_next())
            except errors.OutOfRangeError:
                raise StopIteration from None
        return self._in_graph()

    def next(self) -> Any:
        """The same as `next(it)`."""
        return self.__next__()

    def get_next(self, name: str | None = None) -> Any:
        """The next element.

        Raises:
          OutOfRangeError: there is none.
        """
        if type(self._handle) is EagerTensor and thread.graph is None:
            return self._layout.pack(self._handle._np.get_next())
        return self._layout.pack_tensors(execute("IteratorGetNext", (self._handle,), self._attrs(), name))

    def get_next_as_optional(self) -> Optional:
        """The next element as an `Optional`, empty at the end."""
        variant = execute("IteratorGetNextAsOptional", (self._handle,), self._attrs())
        return Optional(variant, self._element_spec)

    def _no_element(self) -> Optional:
        """What `get_next_as_optional` gives at the end."""
        return Optional.empty(self._element_spec)

    def save_position(self) -> bytes:
        """The position as bytes, for programs that keep it by themselves.

        Example:
          >>> import penstock as tf
          >>> iterator = iter(tf.data.Dataset.range(5).shuffle(5, seed=1))
          >>> position, following = iterator.save_position(), next(iterator)
          >>> iterator.restore_position(position)
          >>> int(next(iterator)) == int(following)
          True
        """
        return self._state().save()

    def restore_position(self, position: bytes) -> None:
        """Goes on at a position that `save_position` gave, perhaps in another process.

        Raises:
          InvalidArgumentError: it is one of another pipeline.
        """
        self._state().restore(position)

    def _state(self) -> IteratorState:
        if type(self._handle) is not EagerTensor:
            raise errors.UnimplementedError(
                None, None, "Iterators made inside functions have no position to save."
            )
        return self._handle._np

    def _serialize_to_tensors(self) -> dict[str, Tensor]:
        return {"position": convert_to_tensor(self.save_position())}

    def _restore_from_tensors(self, restored_tensors: dict[str, Tensor]) -> None:
        self.restore_position(restored_tensors["position"].numpy())

    def _attrs(self) -> dict:
        return {
            "output_types": list(self._layout.dtypes),
            "output_shapes": [each.shape for each in self._layout.flat_specs],
        }


@export("data.IteratorSpec")
class IteratorSpec(TypeSpec):
    """The spec of an iterator."""

    __slots__ = ("_element_spec", "_hash")

    def __init__(self, element_spec: Any):
        self._element_spec = element_spec
        self._hash: int | None = None  # known once it was asked for: with each step that gets the iterator

    @property
    def value_type(self) -> type:
        return OwnedIterator

    def _serialize(self) -> tuple:
        return (self._element_spec,)

    @property
    def _component_specs(self) -> tuple:
        return (TensorSpec([], dtypes.resource),)

    def _to_components(self, value: Any) -> tuple:
        return (value._handle,)

    def _from_components(self, components: Any) -> OwnedIterator:
        return OwnedIterator(components[0], self._element_spec)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(tuple(str(each) for each in leaves(self._element_spec)))
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IteratorSpec) and self._element_spec == other._element_spec


@export("data.NumpyIterator")
class NumpyIterator:
    """The elements of a dataset with NumPy arrays in the place of tensors; see `Dataset.as_numpy_iterator`."""

    def __init__(self, dataset: Dataset):
        if thread.graph is not None:
            raise RuntimeError("`as_numpy_iterator()` is only supported in eager mode.")
        for spec in leaves(dataset.element_spec):
            if issubclass(spec.value_type, (Dataset, Optional)):
                raise TypeError(
                    f"`as_numpy_iterator()` is not supported for datasets that produce values of type {spec.value_type}."
                )
        self._iterator = iter(dataset)
        self._layout = dataset._layout

    def __iter__(self) -> NumpyIterator:
        return self

    def __next__(self) -> Any:
        return self._layout.fill([_numpy(each) for each in leaves(next(self._iterator))])

    def next(self) -> Any:
        """The same as `next(it)`."""
        return self.__next__()

    def save(self) -> Tensor:
        """The position, a string scalar.

        Example:
          >>> import penstock as tf
          >>> iterator = tf.data.Dataset.range(5).as_numpy_iterator()
          >>> _ = next(iterator)
          >>> position, following = iterator.save(), next(iterator)
          >>> iterator.restore(position)
          >>> int(next(iterator)) == int(following)
          True
        """
        return convert_to_tensor(self._iterator.save_position())

    def restore(self, state: Any) -> None:
        """Goes on at a position that `save` gave, perhaps in another process.

        Args:
          state: a string scalar.

        Raises:
          InvalidArgumentError: it is one of another pipeline.
        """
        self._iterator.restore_position(convert_to_tensor(state, dtypes.string).numpy())


def _numpy(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.numpy()
    if hasattr(value, "ragged_rank"):
        return value.to_value() if hasattr(value, "to_value") else value.numpy()
    if hasattr(value, "dense_shape"):
        from penstock.types.sparse_tensor import SparseTensorValue

        return SparseTensorValue(value.indices.numpy(), value.values.numpy(), value.dense_shape.numpy())
    return value.numpy() if hasattr(value, "numpy") else value


@export("data.experimental.get_next_as_optional")
def get_next_as_optional(iterator: OwnedIterator) -> Optional:
    """The next element of an iterator as an `Optional`."""
    return iterator.get_next_as_optional()
