"""`tf.data.Dataset`: the class that programs use, and what every node of a pipeline has.

A transformation is a small class, a node that holds its inputs; the methods that make one stand in `dataset_sources`,
`dataset_elements`, `dataset_batches` and `dataset_order`.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator as PythonIterator
from typing import Any

import numpy as np

from penstock.data.dataset_batches import BatchMethods
from penstock.data.dataset_elements import ElementMethods
from penstock.data.dataset_order import OrderMethods
from penstock.data.dataset_sources import SourceMethods
from penstock.data.dataset_spec import DatasetSpec
from penstock.data.element import ElementFunction, Layout, leaves
from penstock.data.iteration import Iteration, Run
from penstock.data.options import Options
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.runtime.executor import to_raw
from penstock.types import dtypes, errors
from penstock.types.composite import CompositeTensor
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor

INFINITE = -1
UNKNOWN = -2
AUTOTUNE = -1

export("data.INFINITE_CARDINALITY", "data.experimental.INFINITE_CARDINALITY")(INFINITE)
export("data.UNKNOWN_CARDINALITY", "data.experimental.UNKNOWN_CARDINALITY")(UNKNOWN)
export("data.AUTOTUNE", "data.experimental.AUTOTUNE")(AUTOTUNE)
export("data.experimental.SHARD_HINT")(-1)


@export("data.Dataset")
class Dataset(SourceMethods, ElementMethods, BatchMethods, OrderMethods, CompositeTensor):
    """A sequence of elements: nested structures (tuples, dictionaries) of tensors.

    Example:
      >>> import penstock as tf
      >>> dataset = tf.data.Dataset.range(6).map(lambda x: x * x).batch(4)
      >>> for batch in dataset:
      ...     print(batch.numpy())
      [0 1 4 9]
      [16 25]
    """

    _cheap = False  # whether an element costs less than looking at the clock

    def __init__(self, element_spec: Any, inputs: tuple[Dataset, ...] = ()):
        self._element_spec = element_spec
        self._parents = inputs
        self._options = Options()
        # The symbolic tensors whose values it takes to iterate, and the traced functions of this node.
        self._needs: list[SymbolicTensor] = []
        self._functions: list[ElementFunction] = []
        for each in inputs:
            self._options = self._options.merge(each._options)
            self._need(each._needs)
        self._layout = Layout(element_spec)
        self._last_run: Any = None

    def __getstate__(self) -> dict:
        return {**vars(self), "_last_run": None, "_plan": None}  # they belong to this object and its process

    # What a node defines.

    def _elements(self, at: Iteration) -> PythonIterator[list]:
        """The elements, from the position `at` on, as flat lists of arrays."""
        raise TypeError(f"{type(self).__name__} is not a dataset that can be iterated")

    def _size(self) -> int:
        """The number of elements, INFINITE or UNKNOWN."""
        return self._parents[0]._size() if self._parents else UNKNOWN

    def _describe(self) -> str:
        """What `explain` says of the node, after its name."""
        return ""

    # What a node calls while it is made.

    def _need(self, tensors: Any) -> None:
        for each in tensors:
            if isinstance(each, SymbolicTensor) and not any(each is known for known in self._needs):
                self._needs.append(each)

    def _call(self, *functions: ElementFunction) -> None:
        """Notes the functions that this node calls for its elements."""
        for each in functions:
            self._functions.append(each)
            self._need(each.captures)

    def _parameter(self, value: Any) -> Any:
        """A number that a user gave: an int, or a symbolic tensor whose value is known when the pipeline runs."""
        if isinstance(value, SymbolicTensor):
            known = constant_value(value)
            if known is None:
                self._need([value])
            return value if known is None else int(known)
        return value

    # What programs ask of a dataset.

    @property
    def element_spec(self) -> Any:
        """The specs of an element."""
        return self._element_spec

    @property
    def _type_spec(self) -> DatasetSpec:
        return DatasetSpec(self._element_spec)

    @property
    def _variant_tensor(self) -> Tensor:
        """The dataset as a tensor."""
        if thread.graph is None and not self._needs:
            return EagerTensor(self, dtypes.variant)
        return execute("DatasetOfValues", (list(self._needs),), {"_dataset": self})

    def _inputs(self) -> list[Dataset]:
        return list(self._parents)

    def __iter__(self) -> Any:
        """An iterator over the elements.

        Raises:
          RuntimeError: a plain (v1) graph is being built: make an iterator there.
        """
        from penstock.data.iterator import make_iterator

        if thread.graph is not None and not thread.graph.building_function:
            raise RuntimeError(
                "`tf.data.Dataset` only supports Python-style iteration in eager mode or within tf.function."
            )
        return make_iterator(self)

    def as_numpy_iterator(self) -> Any:
        """Iterates over elements with NumPy arrays in the place of tensors.

        Raises:
          RuntimeError: not executing eagerly. TypeError: an element holds something that NumPy has no form for.

        Example:
          >>> import penstock as tf
          >>> list(tf.data.Dataset.range(2).as_numpy_iterator())
          [np.int64(0), np.int64(1)]
        """
        from penstock.data.iterator import NumpyIterator

        return NumpyIterator(self)

    def __len__(self) -> int:
        if thread.graph is not None:
            raise TypeError(
                "`tf.data.Dataset` only supports `len` in eager mode. Use `tf.data.Dataset.cardinality()`."
            )
        size = self._size()
        if size == INFINITE:
            raise TypeError("The dataset is infinite.")
        if size == UNKNOWN:
            raise TypeError("The dataset length is unknown.")
        return size

    def __bool__(self) -> bool:
        return True

    __nonzero__ = __bool__

    def cardinality(self) -> Tensor:
        """The number of elements (an int64 scalar); -1 for infinite, -2 for unknown."""
        if thread.graph is not None and self._needs:
            return execute("DatasetCardinality", (self._variant_tensor,))
        return convert_to_tensor(self._size(), dtypes.int64)

    def options(self) -> Options:
        """The options of the pipeline."""
        return self._options

    def fingerprint(self) -> Tensor:
        """A number (uint64 scalar) that equal pipelines have in common: of its nodes, their parameters and functions."""
        from penstock.data.fingerprint import fingerprint

        return convert_to_tensor(np.uint64(fingerprint(self)))

    def explain(self) -> str:
        """How the pipeline runs: the nodes as the planner arranged them.

        After a run it also says how many elements each node gave, the time spent in it without its inputs, and how
        long the consumer waited.

        Returns:
          The text that it prints.
        """
        from penstock.data.explanation import explain

        text = explain(self)
        print(text)
        return text

    @property
    def output_types(self) -> Any:
        """The dtypes of an element (TF 1)."""
        return self._layout.fill([each._to_legacy_output_types() for each in leaves(self._element_spec)])

    @property
    def output_shapes(self) -> Any:
        """The shapes of an element (TF 1)."""
        return self._layout.fill([each._to_legacy_output_shapes() for each in leaves(self._element_spec)])

    @property
    def output_classes(self) -> Any:
        """The classes of the tensors of an element (TF 1)."""
        return self._layout.fill([each._to_legacy_output_classes() for each in leaves(self._element_spec)])

    def make_one_shot_iterator(self) -> Any:
        """An iterator that runs over the dataset once (TF 1)."""
        from penstock.data.iterator_v1 import make_one_shot_iterator

        return make_one_shot_iterator(self)

    def make_initializable_iterator(self, shared_name: str | None = None) -> Any:
        """An iterator whose `initializer` must run first (TF 1)."""
        from penstock.data.iterator_v1 import make_initializable_iterator

        return make_initializable_iterator(self, shared_name)

    def __repr__(self) -> str:
        return f"<_{type(self).__name__}Dataset element_spec={self.element_spec!r}>"


class Described(Dataset):
    """A dataset that a symbolic variant tensor stands for: what a function of datasets gets while it is traced."""

    def __init__(self, tensor: SymbolicTensor, element_spec: Any):
        super().__init__(element_spec)
        self._tensor = tensor
        self._need([tensor])

    @property
    def _variant_tensor(self) -> Tensor:
        return self._tensor

    def _elements(self, at: Iteration) -> PythonIterator[list]:
        dataset = at.value(self._tensor)
        inner = at.open(dataset, at.kept.get("inner"))
        at.keep(lambda: {"inner": inner.save()})
        return inner.timed()


class Bound(Dataset):
    """A dataset made of symbolic tensors, with their values."""

    def __init__(self, dataset: Dataset, values: list):
        super().__init__(dataset._element_spec)
        self._dataset, self._options = dataset, dataset._options
        self._values = {id(tensor): value for tensor, value in zip(dataset._needs, values, strict=True)}

    def _elements(self, at: Iteration) -> PythonIterator[list]:
        inner = Iteration(self._dataset, Run(self._values, at.run.options), at.kept.get("inner"))
        at.keep(lambda: {"inner": inner.save()})
        try:
            yield from inner._elements
        finally:
            inner.close()

    def _size(self) -> int:
        return self._dataset._size()


def of_variant(tensor: Any, element_spec: Any) -> Dataset:
    """The dataset that a variant tensor holds or stands for."""
    if not isinstance(tensor, EagerTensor):  # a symbolic tensor; or a spec, where signatures are put together
        return Described(tensor, element_spec)
    value = to_raw(tensor)
    if not isinstance(value, Dataset):
        raise errors.InvalidArgumentError(
            None, None, f"Expected a variant tensor that holds a dataset, got {value!r}."
        )
    return value


def count_of(value: Any, name: str, least: int = 1) -> Any:
    """A count that a user gave, as a Python int; a symbolic tensor stays one.

    Raises:
      InvalidArgumentError: it is smaller than `least`. TypeError: it is no integer.
    """
    if isinstance(value, SymbolicTensor):
        return value
    if isinstance(value, Tensor):
        value = value.numpy()
    value = int(value) if isinstance(value, (np.ndarray, np.generic)) else operator.index(value)
    if value < least:
        raise errors.InvalidArgumentError(None, None, f"{name} must be at least {least}, got {value}.")
    return value
