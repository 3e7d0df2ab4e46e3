"""Elements of datasets: structures of tensors for programs, flat lists of arrays inside a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.graph.func_graph import FuncGraph, set_outputs
from penstock.graph.rewrites import rewrite
from penstock.runtime.executor import executor_of, to_raw, to_tensor
from penstock.types import dtypes, nest
from penstock.types.specs import NoneTensorSpec, TensorSpec, type_spec_from_value
from penstock.types.tensors import EagerTensor, Tensor


def to_structure(value: Any) -> Any:
    """A user's structure as one of tensors and composites. As in TensorFlow, tuples are structure, lists are tensors.

    What has no symbolic part becomes eager tensors, also while a graph is built.
    """
    with context.building(None):
        return converted(value)


def converted(value: Any) -> Any:
    """As `to_structure`, but numbers become nodes of the graph that is being built."""
    if value is None or isinstance(value, Tensor):
        return value
    if isinstance(value, tuple):
        parts = [converted(each) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, dict):
        return type(value)((key, converted(each)) for key, each in value.items())
    if hasattr(value, "_type_spec") and not hasattr(value, "handle"):
        return value
    return convert_to_tensor(value)


def spec_of(structure: Any) -> Any:
    """The specs of a structure of tensors."""

    def one(each: Any) -> Any:
        if each is None:
            return NoneTensorSpec()
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


class Layout:
    """How elements of one spec lie in flat lists.

    Attributes:
      spec: the structure of specs. flat_specs: the TensorSpec of each array in the list.
    """

    def __init__(self, spec: Any):
        self.spec = spec
        self._leaf_specs = leaves(spec)
        self.flat_specs = [part for each in self._leaf_specs for part in _component_specs(each)]
        self.dtypes = [each.dtype for each in self.flat_specs]
        self._simple = all(isinstance(each, TensorSpec) for each in self._leaf_specs)
        self._single = isinstance(spec, TensorSpec)
        self._has_strings = dtypes.string in self.dtypes

    def flatten(self, structure: Any) -> list[Any]:
        """The arrays of an element."""
        return [to_raw(each) for each in self.tensors(structure)]

    def tensors(self, structure: Any) -> list[Any]:
        """The tensors of an element."""
        flat: list[Any] = []
        for spec, leaf in zip(self._leaf_specs, leaves(structure), strict=True):
            if isinstance(spec, NoneTensorSpec):
                continue
            if isinstance(spec, TensorSpec):
                flat.append(leaf)
            else:
                flat.extend(nest.flatten(leaf, expand_composites=True))
        return flat

    def pack(self, flat: Sequence[Any]) -> Any:
        """The element, of eager tensors, that arrays stand for."""
        if self._has_strings:
            flat = [as_array(each) for each in flat]
        return self.pack_tensors([to_tensor(value, dtype) for value, dtype in zip(flat, self.dtypes)])

    def pack_tensors(self, tensors: Sequence[Any]) -> Any:
        """The element that tensors, one for each array, stand for."""
        if self._simple:
            return tensors[0] if self._single else self.fill(tensors)
        rest = iter(tensors)

        def one(spec: Any) -> Any:
            if isinstance(spec, NoneTensorSpec):
                return None
            if isinstance(spec, TensorSpec):
                return next(rest)
            parts = [next(rest) for _ in range(component_count(spec))]
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


def _component_specs(spec: Any) -> list[Any]:
    if isinstance(spec, NoneTensorSpec):
        return []
    if isinstance(spec, TensorSpec):
        return [spec]
    return nest.flatten(spec._component_specs, expand_composites=True)


def component_count(spec: Any) -> int:
    """How many arrays stand for a leaf of an element."""
    return len(_component_specs(spec))


class ElementFunction:
    """A user's function of elements: traced once, run on flat lists of arrays.

    Args:
      function: called with the components of a tuple element as arguments, as TensorFlow does.
      layout: of the elements it takes.
      extra: specs of arguments that come before the element (the state of `scan` and `reduce`).

    Attributes:
      graph: what it does. result: the structure of symbolic tensors that it returned.
      output_spec, output_layout: of its results. captures: the tensors of outer graphs that it uses.
      several: its form for several elements, once that is known (`data/row_calls.py`); False where there is none.
    """

    several: Any = None

    def __init__(self, function: Callable, layout: Layout, extra: Layout | None = None):
        from penstock.tracing.autograph import control_status_ctx, tf_convert

        call = tf_convert(function, control_status_ctx())
        self.name = getattr(function, "__name__", "function")
        self._python = (function, layout, extra) if process.registry.get("data_debug_mode") else None
        self.graph = FuncGraph(self.name)
        self.graph.outer_graph = context.thread.graph
        with context.building(self.graph), context.tapes_stopped():
            arguments = [] if extra is None else [extra.pack_tensors(self._inputs(extra))]
            element = layout.pack_tensors(self._inputs(layout))
            arguments += _as_arguments(element) if extra is None else (element,)
            self.result = _structure_of_result(call(*arguments))
            self.output_spec = spec_of(self.result)
            self.output_layout = Layout(self.output_spec)
            set_outputs(self.graph, self.output_layout.tensors(self.result))
        self._take(self.graph)

    @classmethod
    def of_graph(cls, name: str, graph: FuncGraph, output_spec: Any) -> ElementFunction:
        """A function that a graph stands for, whose inputs are the arrays of an element, then its captures."""
        function = cls.__new__(cls)
        function.name, function._python = name, None
        function.result, function.output_spec = graph.outputs, output_spec
        function.output_layout = Layout(output_spec)
        function._take(graph)
        return function

    def __reduce__(self) -> tuple:
        return ElementFunction.of_graph, (self.name, self.graph, self.output_spec)

    def _take(self, graph: FuncGraph) -> None:
        self.graph = rewrite(graph).after  # it runs op by op, once for every element
        self.captures = self.graph.external_captures
        self._takes_strings = any(each.dtype is dtypes.string for each in self.graph.inputs)

    @property
    def in_debug_mode(self) -> bool:
        """Whether the Python function itself is called for each element."""
        return self._python is not None

    @property
    def is_random(self) -> bool:
        """Whether it draws random numbers from a stream."""
        from penstock.data.random_parts import is_random

        return any(is_random(each) for each in self.graph.get_operations())

    def _inputs(self, layout: Layout) -> list[Any]:
        return [self.graph.add_input(spec.dtype, spec.shape, "element") for spec in layout.flat_specs]

    def bound(self, captured: Sequence[Any]) -> Callable[[Sequence[Any]], list[Any]]:
        """The function on the arrays of an element (after those of the extra argument), for values of its captures."""
        if self._python is not None:
            return self._call_python
        values = [to_raw(each) if isinstance(each, EagerTensor) else each for each in captured]
        run = executor_of(self.graph, prefer_host=True).run
        strings = self._takes_strings

        def call(flat: Sequence[Any]) -> list[Any]:
            if strings:
                flat = [as_array(each) for each in flat]
            outer = thread.graph, thread.tapes
            thread.graph, thread.tapes = None, ()
            try:
                return run([*flat, *values])
            finally:
                thread.graph, thread.tapes = outer

        return call

    def _call_python(self, flat: Sequence[Any]) -> list[Any]:
        """Calls the function itself: the debug mode."""
        function, layout, extra = self._python  # type: ignore[misc]
        count = 0 if extra is None else len(extra.flat_specs)
        element = layout.pack(flat[count:])
        arguments = _as_arguments(element) if extra is None else (extra.pack(flat[:count]), element)
        with context.building(None), context.tapes_stopped():
            return self.output_layout.flatten(_structure_of_result(function(*arguments)))


def _as_arguments(element: Any) -> tuple:
    return tuple(element) if isinstance(element, tuple) and not hasattr(element, "_fields") else (element,)


def _structure_of_result(result: Any) -> Any:
    """What a map function returned: a list of several values counts as a tuple, a list inside as a tensor, as in TensorFlow."""
    if isinstance(result, list):
        result = tuple(result)

    def inner(value: Any) -> Any:
        return converted(value) if isinstance(value, list) else _structure_of_result(value)

    if isinstance(result, tuple):
        parts = [inner(each) for each in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    if isinstance(result, dict):
        return type(result)((key, inner(each)) for key, each in result.items())
    return converted(result)


def as_array(value: Any) -> Any:
    """A string of a flat list, which may lie there as `bytes`, in the form that kernels take; others as they are."""
    if type(value) is not bytes:
        return value
    array = np.empty((), object)
    array[()] = value
    return array


def as_bytes(value: Any) -> bytes:
    """A scalar string of a flat list."""
    return value if type(value) is bytes else value.item()


def as_eager(value: Any) -> Any:
    """A raw value as an array on the host."""
    return (
        value
        if isinstance(value, (np.ndarray, np.generic)) or not hasattr(value, "__array__")
        else np.asarray(value)
    )
