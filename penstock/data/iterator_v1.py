"""The iterators of TF 1: one-shot, initializable, reinitializable and feedable, as nodes of a graph.

Where a program runs eagerly they are built in the default graph, so that sessions can run them there too.
"""

from __future__ import annotations

import weakref
from typing import Any

from penstock.data.dataset import Dataset
from penstock.data.element import Layout, leaves
from penstock.data.iterator import IteratorState, OwnedIterator, make_iterator
from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.graph.func_graph import FuncGraph, set_outputs
from penstock.runtime.executor import executor_of
from penstock.types import errors, nest
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor, SparseTensorSpec
from penstock.types.specs import TensorSpec
from penstock.types.type_spec import TypeSpec


def _scalar(call: Any) -> TensorShape:
    return TensorShape([])


def _find(*, shared_name: str, container: str = "", **_: Any) -> IteratorState:
    """The iterator of this name in the session that runs, or in the process."""
    resources = process.registry.setdefault("iterators", {}) if thread.resources is None else thread.resources
    key = f"{container}/iterator {shared_name}"
    if key not in resources:
        resources[key] = IteratorState(None)
    return resources[key]


def _one_shot(*, dataset_factory: FuncGraph, **attrs: Any) -> IteratorState:
    state = _find(**attrs)
    if state.dataset is None:
        state.make(executor_of(dataset_factory).run([])[0])
    return state


def _string_handle(state: IteratorState) -> Any:
    known = process.registry.setdefault("iterator_handles", weakref.WeakValueDictionary())
    handle = f"iterator {id(state)}"
    known[handle] = state
    return convert_to_tensor(handle.encode()).host()


def _of_string_handle(handle: Any, **_: Any) -> IteratorState:
    text = handle.item() if hasattr(handle, "item") else handle
    state = process.registry.get("iterator_handles", {}).get(text.decode())
    if state is None:
        raise errors.InvalidArgumentError(None, None, f"There is no iterator with the handle {text!r}.")
    return state


op(
    "IteratorV2(; shared_name, container, output_types, output_shapes) -> handle: resource",
    numpy=_find,
    shape=_scalar,
    stateful=True,
)
op(
    "OneShotIterator(; dataset_factory, output_types, output_shapes, container='', shared_name='') -> handle: resource",
    numpy=_one_shot,
    shape=_scalar,
    stateful=True,
)
op(
    "MakeIterator(dataset: variant, iterator: resource) -> ()",
    numpy=lambda dataset, iterator: iterator.make(dataset),
    shape=lambda call: [],
    stateful=True,
)
op(
    "IteratorToStringHandle(resource_handle: resource) -> string_handle: string",
    numpy=_string_handle,
    shape=_scalar,
    stateful=True,
)
op(
    "IteratorFromStringHandleV2(string_handle: string; output_types=[], output_shapes=[]) -> resource_handle: resource",
    numpy=_of_string_handle,
    shape=_scalar,
    stateful=True,
)


@export(v1=["data.Iterator"])
class Iterator(OwnedIterator):
    """An iterator of a graph (TF 1).

    Make one with `Dataset.make_one_shot_iterator`, `Dataset.make_initializable_iterator`, `Iterator.from_structure` or
    `Iterator.from_string_handle`.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
      ...     iterator = tf.compat.v1.data.make_initializable_iterator(tf.data.Dataset.range(2))
      ...     following = iterator.get_next()
      ...     session.run(iterator.initializer)
      ...     session.run(following), session.run(following)
      (np.int64(0), np.int64(1))
    """

    def __init__(
        self,
        iterator_resource: Any,
        initializer: Any,
        output_types: Any,
        output_shapes: Any,
        output_classes: Any,
    ):
        super().__init__(iterator_resource, _spec(output_types, output_shapes, output_classes))
        self._initializer = initializer
        self._dataset: Dataset | None = None  # what eager code goes through

    @staticmethod
    def from_structure(
        output_types: Any,
        output_shapes: Any = None,
        shared_name: str | None = None,
        output_classes: Any = None,
    ) -> Iterator:
        """An iterator that `make_initializer` connects with one dataset after the other."""
        with context.building(_graph()):
            handle = _handle(_spec(output_types, output_shapes, output_classes), shared_name)
        return Iterator(handle, None, output_types, output_shapes, output_classes)

    @staticmethod
    def from_string_handle(
        string_handle: Any, output_types: Any, output_shapes: Any = None, output_classes: Any = None
    ) -> Iterator:
        """The iterator that a fed string names (the value of its `string_handle()`)."""
        spec = _spec(output_types, output_shapes, output_classes)
        with context.building(_graph()):
            handle = execute("IteratorFromStringHandleV2", (convert_to_tensor(string_handle),), _attrs(spec))
        return Iterator(handle, None, output_types, output_shapes, output_classes)

    @property
    def initializer(self) -> Any:
        """The operation that begins with the first element.

        Raises:
          ValueError: the iterator has none.
        """
        if self._initializer is None:
            raise ValueError(
                "The iterator does not have an initializer. This means it was likely created using "
                "`tf.data.Dataset.make_one_shot_iterator()`. For an initializable iterator, use "
                "`tf.data.Dataset.make_initializable_iterator()` instead."
            )
        return self._initializer

    def make_initializer(self, dataset: Dataset, name: str | None = None) -> Any:
        """An operation that begins with the first element of `dataset`.

        Raises:
          TypeError: its elements do not fit those of the iterator.
        """
        for mine, theirs in zip(leaves(self._element_spec), leaves(dataset.element_spec), strict=True):
            if not mine.is_compatible_with(theirs):
                raise TypeError(
                    f"Expected output types and shapes {self._element_spec} but got a dataset of {dataset.element_spec}."
                )
        with context.building(self._handle.graph):
            return execute("MakeIterator", (dataset._variant_tensor, self._handle), None, name)

    def string_handle(self, name: str | None = None) -> Any:
        """A string (scalar tensor) that names the iterator, to be fed to `from_string_handle`."""
        with context.building(self._handle.graph):
            return execute("IteratorToStringHandle", (self._handle,), None, name)

    def get_next(self, name: str | None = None) -> Any:
        """The next element: tensors that are another element in each run of the session."""
        with context.building(self._handle.graph):
            return super().get_next(name)

    def __iter__(self) -> Any:
        if (
            self._dataset is not None and thread.graph is None
        ):  # of a program that runs eagerly, and has sessions too
            return make_iterator(self._dataset)
        raise TypeError("'Iterator' object is not iterable: run what get_next() returns in a session.")

    @property
    def output_types(self) -> Any:
        """The dtypes of an element."""
        return self._layout.fill([each._to_legacy_output_types() for each in leaves(self._element_spec)])

    @property
    def output_shapes(self) -> Any:
        """The shapes of an element."""
        return self._layout.fill([each._to_legacy_output_shapes() for each in leaves(self._element_spec)])

    @property
    def output_classes(self) -> Any:
        """The classes of the parts of an element."""
        return self._layout.fill([each._to_legacy_output_classes() for each in leaves(self._element_spec)])


def _graph() -> Any:
    return thread.graph if thread.graph is not None else context.default_graph()


def _attrs(spec: Any) -> dict:
    layout = Layout(spec)
    return {
        "output_types": list(layout.dtypes),
        "output_shapes": [each.shape for each in layout.flat_specs],
    }


def _handle(spec: Any, shared_name: str | None) -> Any:
    name = shared_name or f"_{id(thread.graph)}_{thread.graph.unique_name('Iterator')}"
    return execute("IteratorV2", (), {"shared_name": name, "container": "", **_attrs(spec)})


def _spec(types: Any, shapes: Any, classes: Any) -> Any:
    """The spec that dtypes, shapes and classes describe, as TF 1 gives them apart."""
    if isinstance(types, TypeSpec):
        return types
    layout = Layout(nest.map_structure(lambda kind: TensorSpec(None, as_dtype(kind)), types))
    kinds = [each.dtype for each in layout.flat_specs]
    dims = [None] * len(kinds) if shapes is None else nest.flatten_up_to(layout.spec, shapes)
    what = [None] * len(kinds) if classes is None else nest.flatten_up_to(layout.spec, classes)
    return layout.fill(
        [
            (SparseTensorSpec if each is SparseTensor else TensorSpec)(TensorShape(shape), kind)
            for kind, shape, each in zip(kinds, dims, what)
        ]
    )


@export(v1=["data.make_one_shot_iterator"])
def make_one_shot_iterator(dataset: Dataset) -> Any:
    """An iterator that runs over a dataset once.

    Returns:
      An `Iterator`; where a program runs eagerly, a Python iterator whose `get_next()` gives the next element.

    Raises:
      ValueError: the dataset depends on placeholders: make an initializable iterator.
    """
    if not isinstance(dataset, Dataset):  # a distributed dataset wraps the iterator that it asks for here
        return dataset.make_one_shot_iterator()
    fetched = process.registry.get(
        "fetched_iterators", False
    )  # the program has sessions: `penstock run` read it
    if (
        thread.graph is None
        and not dataset._needs
        and not fetched
        or (thread.graph is not None and thread.graph.building_function)
    ):
        return make_iterator(dataset)
    factory = FuncGraph("dataset_factory")
    with context.building(factory):
        needs = _copied_by_value(dataset._needs, factory)
        set_outputs(factory, execute("DatasetOfValues", (needs,), {"_dataset": dataset}))
    spec = dataset.element_spec
    with context.building(_graph()):
        name = f"_{id(thread.graph)}_{thread.graph.unique_name('OneShotIterator')}"
        handle = execute(
            "OneShotIterator", (), {"dataset_factory": factory, "shared_name": name, **_attrs(spec)}
        )
    iterator = _of_dataset(dataset, handle)
    iterator._dataset = dataset if thread.graph is None and not dataset._needs else None
    return iterator


def _copied_by_value(tensors: list[Any], factory: FuncGraph) -> list[Any]:
    """Copies of tensors of the outer graph, with all that they are computed from.

    Raises:
      ValueError: a placeholder or an operation with state is among that.
    """
    needed: dict[int, Any] = {}
    pending = [each.op for each in tensors]
    while pending:
        operation = pending.pop()
        if id(operation) in needed:
            continue
        kind = "a placeholder" if operation.type.startswith("Placeholder") else "a stateful node"
        if operation.definition.stateful or kind == "a placeholder":
            raise ValueError(
                f"Cannot capture {kind} (name:{operation.name}, type:{operation.type}) by value: use make_initializable_iterator."
            )
        needed[id(operation)] = operation
        pending += [each.op for each in operation.inputs]
    copies: dict[int, Any] = {}
    for operation in tensors[0].graph.get_operations() if tensors else ():
        if id(operation) in needed:
            copy = factory.add_operation(
                operation.definition,
                [copies[id(each)] for each in operation.inputs],
                operation.attrs,
                operation.name,
                [each.shape for each in operation.outputs],
            )
            copies.update((id(old), new) for old, new in zip(operation.outputs, copy.outputs))
    return [copies[id(each)] for each in tensors]


@export(v1=["data.make_initializable_iterator"])
def make_initializable_iterator(dataset: Dataset, shared_name: str | None = None) -> Iterator:
    """An iterator whose `initializer` begins with the first element; placeholders of the dataset are fed to it."""
    if not isinstance(dataset, Dataset):
        return dataset.make_initializable_iterator(shared_name)
    graph = dataset._needs[0].graph if dataset._needs else _graph()
    with context.building(graph):
        handle = _handle(dataset.element_spec, shared_name)
    iterator = _of_dataset(dataset, handle)
    iterator._initializer = iterator.make_initializer(dataset)
    return iterator


def _of_dataset(dataset: Dataset, handle: Any) -> Iterator:
    iterator = Iterator.__new__(Iterator)
    OwnedIterator.__init__(iterator, handle, dataset.element_spec)
    iterator._initializer = None
    return iterator


def _legacy(dataset_or_iterator: Any, what: str) -> Any:
    if not hasattr(dataset_or_iterator, what):
        spec = dataset_or_iterator.element_spec
        return Layout(spec).fill([getattr(each, f"_to_legacy_{what}")() for each in leaves(spec)])
    return getattr(dataset_or_iterator, what)


@export(v1=["data.get_output_types"])
def get_output_types(dataset_or_iterator: Any) -> Any:
    """The dtypes of an element."""
    return _legacy(dataset_or_iterator, "output_types")


@export(v1=["data.get_output_shapes"])
def get_output_shapes(dataset_or_iterator: Any) -> Any:
    """The shapes of an element."""
    return _legacy(dataset_or_iterator, "output_shapes")


@export(v1=["data.get_output_classes"])
def get_output_classes(dataset_or_iterator: Any) -> Any:
    """The classes of the parts of an element."""
    return _legacy(dataset_or_iterator, "output_classes")
