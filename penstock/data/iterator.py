"""Iterators over datasets: Python iterators in eager mode, resources in graphs."""

from __future__ import annotations

import threading
from typing import Any

from penstock.data.dataset import Dataset
from penstock.data.element import Layout, leaves
from penstock.data.optional import Optional, OptionalValue
from penstock.engine.context import thread
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.types import dtypes, errors
from penstock.types.composite import CompositeTensor
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.tensors import EagerTensor
from penstock.types.type_spec import TypeSpec


class IteratorState:
    """The position in a dataset: what an iterator's resource tensor holds."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset
        self._elements = dataset._iterate()
        self._random_states: dict = {}  # random ops in functions of elements start anew with each iterator
        self._lock = threading.Lock()

    def get_next(self) -> list:
        """The arrays of the next element.

        Raises:
          OutOfRangeError: there is none.
        """
        with self._lock:
            outer, thread.random_states = thread.random_states, self._random_states
            try:
                element = next(self._elements, None)
            finally:
                thread.random_states = outer
        if element is None:
            raise errors.OutOfRangeError(None, None, "End of sequence")
        return element

    def __repr__(self) -> str:
        return f"<iterator over {self.dataset!r}>"


def _shapes(call: Any) -> list[TensorShape]:
    return [TensorShape(each) for each in call.attrs["output_shapes"]]


op(
    "MakeDatasetIterator(; _dataset) -> handle: resource",
    numpy=lambda *, _dataset: IteratorState(_dataset),
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
    if thread.graph is None:
        return OwnedIterator(EagerTensor(IteratorState(dataset), dtypes.resource), dataset.element_spec)
    handle = execute("MakeDatasetIterator", (), {"_dataset": dataset})
    return OwnedIterator(handle, dataset.element_spec)


@export("data.Iterator")
class IteratorBase(CompositeTensor):
    """An iterator over a dataset."""


class OwnedIterator(IteratorBase):
    """An iterator that owns its resource: `next(it)` raises StopIteration at the end, `it.get_next()` OutOfRangeError."""

    def __init__(self, handle: Any, element_spec: Any):
        self._handle = handle
        self._element_spec = element_spec
        self._layout = Layout(element_spec)

    @property
    def element_spec(self) -> Any:
        """The specs of an element."""
        return self._element_spec

    @property
    def _type_spec(self) -> IteratorSpec:
        return IteratorSpec(self._element_spec)

    def __iter__(self) -> OwnedIterator:
        return self

    def __next__(self) -> Any:
        if type(self._handle) is EagerTensor and thread.graph is None:
            try:
                return self._layout.pack(self._handle._np.get_next())
            except errors.OutOfRangeError:
                raise StopIteration from None
        return self.get_next()

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

    def _attrs(self) -> dict:
        return {
            "output_types": list(self._layout.dtypes),
            "output_shapes": [each.shape for each in self._layout.flat_specs],
        }


@export("data.IteratorSpec")
class IteratorSpec(TypeSpec):
    """The spec of an iterator."""

    __slots__ = ("_element_spec",)

    def __init__(self, element_spec: Any):
        self._element_spec = element_spec

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
        return hash(tuple(str(each) for each in leaves(self._element_spec)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IteratorSpec) and self._element_spec == other._element_spec


@export("data.experimental.get_next_as_optional")
def get_next_as_optional(iterator: OwnedIterator) -> Optional:
    """The next element of an iterator as an `Optional`."""
    return iterator.get_next_as_optional()
