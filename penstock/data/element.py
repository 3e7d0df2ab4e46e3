"""Elements of datasets: structures of tensors for programs, flat lists of arrays inside a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.convert import convert_to_tensor
from penstock.graph.func_graph import FuncGraph, set_outputs
from penstock.graph.rewrites import rewrite
from penstock.runtime.executor import executor_of, to_raw, to_tensor
from penstock.types import nest
from penstock.types.specs import NoneTensorSpec, TensorSpec, type_spec_from_value
from penstock.types.tensors import SymbolicTensor, Tensor


def to_structure(value: Any) -> Any:
    """A user's structure as one of tensors and composites. As in TensorFlow, tuples are structure, lists are tensors."""
    if value is None or isinstance(value, Tensor):
        return value
    if isinstance(value, tuple):
        parts = [to_structure(each) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, dict):
        return type(value)((key, to_structure(each)) for key, each in value.items())
    if hasattr(value, "_type_spec") and not hasattr(value, "handle"):
        return value
    return convert_to_tensor(value)


def is_dataset_like(value: Any) -> bool:
    """Whether a value is a dataset (an element may hold datasets, as those of `window` do)."""
    return hasattr(value, "_iterate") and hasattr(value, "element_spec")


def spec_of(structure: Any) -> Any:
    """The specs of a structure of tensors."""

    def one(each: Any) -> Any:
        if each is None:
            return NoneTensorSpec()
        if is_dataset_like(each):
            return DatasetSpec(each.element_spec)
        return each._type_spec if hasattr(each, "_type_spec") else type_spec_from_value(each)

    return _map(one, structure)


def _map(function: Callable, structure: Any) -> Any:
    if isinstance(structure, tuple):
        parts = [_map(function, each) for each in structure]
        return type(structure)(*parts) if hasattr(structure, "_fields") else tuple(parts)
    if isinstance(structure, dict):
        return type(structure)((key, _map(function, each)) for key, each in structure.items())
    return function(structure)


def leaves(structure: Any) -> list[Any]:
    """The leaves of a structure in `tf.nest`'s order (dictionaries by sorted keys); lists and None are leaves."""
    if isinstance(structure, tuple):
        return [leaf for each in structure for leaf in leaves(each)]
    if isinstance(structure, dict):
        return [leaf for key in sorted(structure) for leaf in leaves(structure[key])]
    return [structure]


class DatasetSpec:
    """The spec of a dataset inside an element."""

    def __init__(self, element_spec: Any):
        self.element_spec = element_spec

    def __repr__(self) -> str:
        return f"DatasetSpec({self.element_spec!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DatasetSpec) and self.element_spec == other.element_spec

    def __hash__(self) -> int:
        return hash("DatasetSpec")


class Layout:
    """How elements of one spec lie in flat lists.

    Attributes:
      spec: the structure of specs. flat_specs: the TensorSpec of each array in the list.
    """

    def __init__(self, spec: Any):
        self.spec = spec
        self._leaf_specs = leaves(spec)
        self._counts = [_component_count(each) for each in self._leaf_specs]
        self.flat_specs = [part for each in self._leaf_specs for part in _component_specs(each)]
        self.dtypes = [each.dtype for each in self.flat_specs]
        self._simple = all(isinstance(each, TensorSpec) for each in self._leaf_specs)

    def flatten(self, structure: Any) -> list[Any]:
        """The arrays of an element."""
        flat: list[Any] = []
        for spec, leaf in zip(self._leaf_specs, leaves(structure), strict=True):
            if isinstance(spec, NoneTensorSpec):
                continue
            if isinstance(spec, TensorSpec):
                flat.append(to_raw(leaf))
            elif isinstance(spec, DatasetSpec):
                flat.append(leaf)
            else:
                flat.extend(to_raw(each) for each in nest.flatten(leaf, expand_composites=True))
        return flat

    def pack(self, flat: Sequence[Any]) -> Any:
        """The element, of eager tensors, that arrays stand for."""
        return self.pack_tensors(
            [
                value if isinstance(dtype, _Opaque) else to_tensor(value, dtype)
                for value, dtype in zip(flat, self.dtypes)
            ]
        )

    def pack_tensors(self, tensors: Sequence[Any]) -> Any:
        """The element that tensors, one for each array, stand for."""
        rest = iter(tensors)

        def one(spec: Any) -> Any:
            if isinstance(spec, NoneTensorSpec):
                return None
            if isinstance(spec, (TensorSpec, DatasetSpec)):
                return next(rest)
            parts = [next(rest) for _ in range(_component_count(spec))]
            return nest.pack_sequence_as(spec, parts, expand_composites=True)

        filled = [one(spec) for spec in self._leaf_specs]
        return self.fill(filled)

    def fill(self, values: Sequence[Any]) -> Any:
        """The structure of the spec with other leaves."""
        return _fill(self.spec, iter(values))


def _fill(spec: Any, values: Any) -> Any:
    if isinstance(spec, tuple):
        parts = [_fill(each, values) for each in spec]
        return type(spec)(*parts) if hasattr(spec, "_fields") else tuple(parts)
    if isinstance(spec, dict):
        found = {key: _fill(spec[key], values) for key in sorted(spec)}
        return type(spec)((key, found[key]) for key in spec)
    return next(values)


class _Opaque:
    """The dtype of something in a flat list that is not an array."""


_OPAQUE = _Opaque()


class _OpaqueSpec:
    dtype = _OPAQUE
    shape = None


def _component_specs(spec: Any) -> list[Any]:
    if isinstance(spec, NoneTensorSpec):
        return []
    if isinstance(spec, TensorSpec):
        return [spec]
    if isinstance(spec, DatasetSpec):
        return [_OpaqueSpec]
    return nest.flatten(spec._component_specs, expand_composites=True)


def _component_count(spec: Any) -> int:
    return len(_component_specs(spec))


class ElementFunction:
    """A user's function of elements: traced once, run on flat lists of arrays.

    Args:
      function: called with the components of a tuple element as arguments, as TensorFlow does.
      layout: of the elements it takes.
      extra: specs of arguments that come before the element (the state of `scan` and `reduce`).
    """

    def __init__(self, function: Callable, layout: Layout, extra: Layout | None = None):
        from penstock.tracing.autograph import control_status_ctx, tf_convert

        converted = tf_convert(function, control_status_ctx())
        self._function, self._layout = function, layout
        self._opaque = any(isinstance(dtype, _Opaque) for dtype in layout.dtypes)
        self.graph = FuncGraph(getattr(function, "__name__", "element_function"))
        self.graph.outer_graph = context.thread.graph
        with context.building(self.graph), context.tapes_stopped():
            arguments = [] if extra is None else [extra.pack_tensors(self._inputs(extra))]
            if self._opaque:
                element = layout.fill([_stand_in(spec) for spec in leaves(layout.spec)])
            else:
                element = layout.pack_tensors(self._inputs(layout))
            result = converted(*arguments, *(_as_arguments(element) if extra is None else (element,)))
            self.result = result if is_dataset_like(result) else _structure_of_result(result)
            self.returns_dataset = is_dataset_like(result) or any(
                is_dataset_like(each) for each in leaves(self.result)
            )
            if not self.returns_dataset:
                set_outputs(self.graph, [each for each in leaves(self.result) if each is not None])
                self.graph = rewrite(self.graph).after  # it runs op by op, once for every element
        self.output_spec = self.result.element_spec if is_dataset_like(result) else spec_of(self.result)
        self.output_layout = Layout(self.output_spec)
        self._captures = self.graph.external_captures
        self._runs_eagerly = (
            self.returns_dataset
            or self._opaque
            or any(isinstance(each, SymbolicTensor) for each in self._captures)
        )
        self._extra = extra

    def _inputs(self, layout: Layout) -> list[Any]:
        return [self.graph.add_input(spec.dtype, spec.shape, "element") for spec in layout.flat_specs]

    def run(self, flat: Sequence[Any], captured: Sequence[Any] | None = None) -> list[Any]:
        """Calls the function on the arrays of an element (after those of the extra argument).

        `captured` are the values of symbolic tensors that it captured, where it is called by a node of their graph.
        """
        if captured is not None:
            return executor_of(self.graph, prefer_host=True).run([*flat, *captured])
        if self._runs_eagerly:
            return self.output_layout.flatten(_structure_of_result(self.call_eagerly(flat)))
        values = [*flat, *(to_raw(each) for each in self._captures)]
        with context.building(None), context.tapes_stopped():
            return executor_of(self.graph, prefer_host=True).run(values)

    def call_eagerly(self, flat: Sequence[Any]) -> Any:
        """Calls the Python function itself: functions that return datasets are not traced for running."""
        with context.building(None), context.tapes_stopped():
            if self._extra is not None:
                count = len(self._extra.flat_specs)
                state = self._extra.pack(flat[:count])
                return self._function(state, self._layout.pack(flat[count:]))
            return self._function(*_as_arguments(self._layout.pack(flat)))


def _stand_in(spec: Any) -> Any:
    from penstock.data.dataset import Described

    if isinstance(spec, DatasetSpec):
        return Described(spec.element_spec)
    graph = context.thread.graph
    return graph.add_input(spec.dtype, spec.shape, "element")


def _as_arguments(element: Any) -> tuple:
    return tuple(element) if isinstance(element, tuple) and not hasattr(element, "_fields") else (element,)


def _structure_of_result(result: Any) -> Any:
    """What a map function returned: lists of several values count as tuples, as in TensorFlow."""
    if isinstance(result, list):
        result = tuple(result)
    if is_dataset_like(result) or result is None:
        return result
    if isinstance(result, tuple):
        parts = [
            _structure_of_result(each) if not isinstance(each, list) else to_structure(each)
            for each in result
        ]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    if isinstance(result, dict):
        return type(result)((key, _structure_of_result(each)) for key, each in result.items())
    return to_structure(result)


def as_eager(value: Any) -> Any:
    """A raw value as an array on the host."""
    return (
        value
        if isinstance(value, (np.ndarray, np.generic)) or not hasattr(value, "__array__")
        else np.asarray(value)
    )
