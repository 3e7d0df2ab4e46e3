"""`ConcreteFunction`: one traced graph that can be called, differentiated, and inlined into other graphs."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import Call
from penstock.engine.export import export
from penstock.engine.xla import on_device
from penstock.graph.copying import clone, copy_operations
from penstock.graph.func_graph import FuncGraph
from penstock.runtime.executor import executor_of, to_raw, to_tensor
from penstock.tracing.differentiation import DIFFERENTIABLE_CALL, Differentiable
from penstock.tracing.function_type import Callable as FunctionCallable
from penstock.tracing.function_type import FunctionType, function_type_of
from penstock.tracing.signatures import is_replaceable
from penstock.types import errors, nest
from penstock.types.composite import CompositeTensor
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor
from penstock.types.trackable import Trackable


@export("types.experimental.ConcreteFunction")
class ConcreteFunction(Trackable):
    """A graph with a fixed signature, made by `tf.function(...).get_concrete_function(...)`.

    Attributes:
      graph: the FuncGraph. structured_input_signature: (args, kwargs) with a TensorSpec for each tensor.
      name: the function's name.
    """

    _is_saveable_function = True

    def __init__(
        self, graph: FuncGraph, binder: Any = None, python_arguments: Any = None, prefer_host: bool = False
    ):
        self.graph = graph
        self.name = graph.name
        self._binder = binder
        self._python_arguments = (
            python_arguments  # (args, kwargs) of the call that was traced, tensors replaced by specs
        )
        # Whether the call that was traced had nothing but tensors, by position.
        self._takes_tensors = python_arguments is not None and (
            not python_arguments[1] and all(isinstance(each, TensorSpec) for each in python_arguments[0])
        )
        self._prefer_host = prefer_host
        self._differentiable: dict[tuple[int, ...], Differentiable] = {}
        self._captured: list[Any] | None = None
        # id of a variable, or its handle, that was traced -> what stands for it
        self._others: dict[int, Any] = {}
        self._output_dtypes = [each.dtype for each in graph.outputs]
        self._pack = _packer(graph.structured_outputs)

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The placeholders: arguments, then captures."""
        return list(self.graph.inputs)

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The flat output tensors in the graph."""
        return list(self.graph.outputs)

    @property
    def structured_outputs(self) -> Any:
        """What the function returned when it was traced, with tensors of its graph; specs where it was loaded."""
        return self.graph.structured_outputs if self.graph.is_traced else self._output_specs

    @property
    def _output_specs(self) -> Any:
        return nest.map_structure(
            lambda each: (
                None
                if each is None
                else TensorSpec(each.shape, each.dtype)
                if isinstance(each, Tensor)
                else each
            ),
            self.graph.structured_outputs,
            expand_composites=False,
        )

    @property
    def structured_input_signature(self) -> Any:
        """(args, kwargs) with a TensorSpec for each tensor."""
        return self.graph.structured_input_signature

    @property
    def function_type(self) -> FunctionType:
        """The parameters and results with their types."""
        signature = None if self._binder is None else self._binder.signature
        return function_type_of(signature, self.structured_input_signature, self._output_specs)

    @property
    def captured_inputs(self) -> list[Any]:
        """The outside tensors that the graph uses."""
        return [self._others.get(id(each), each) for each in self.graph.external_captures]

    @property
    def variables(self) -> tuple:
        """The variables that the function uses."""
        return tuple(self._others.get(id(each), each) for each in self.graph.variables)

    @property
    def trainable_variables(self) -> tuple:
        """The trainable variables that the function uses."""
        return tuple(each for each in self.variables if each.trainable)

    @property
    def output_dtypes(self) -> Any:
        """The dtypes of what the function returns."""
        return nest.map_structure(
            lambda each: each.dtype, self.graph.structured_outputs, expand_composites=True
        )

    @property
    def output_shapes(self) -> Any:
        """The shapes of what the function returns."""
        return nest.map_structure(
            lambda each: each.shape, self.graph.structured_outputs, expand_composites=True
        )

    @property
    def function_def(self) -> Any:
        """The graph as a FunctionDef message."""
        from penstock.graph.graph_def import function_def

        return function_def(self.graph)

    def add_to_graph(self, g: Any = None) -> None:
        """Calls are inlined, so there is nothing to add; kept for programs that call it."""

    add_gradient_functions_to_graph = add_to_graph

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the graph with tensors for its arguments, by position or by name."""
        function, flat = self._bound(args, kwargs)
        return function.call_flat(flat)

    def _bound(self, args: tuple, kwargs: dict) -> tuple[ConcreteFunction, list[Any]]:
        """The function for the variables among the arguments, and one tensor for each argument placeholder."""
        variables: list[tuple[Any, Any]] = []
        flat = self._flat_arguments(args, kwargs, variables)
        if not variables:
            return self, flat
        function = self.with_variables(*zip(*variables))
        if function is None:
            names = [given.name for _, given in variables]
            raise ValueError(
                f"{self.name}: one of the variables {names} would have two parts, which were different variables when the "
                "function was traced. Call the tf.function itself, which traces anew for that."
            )
        return function, flat

    def _flat_arguments(self, args: tuple, kwargs: dict, variables: list[tuple[Any, Any]]) -> list[Any]:
        """One tensor for each argument placeholder; (traced, given) goes to `variables` for each variable."""
        placeholders = self.graph.arguments
        if not kwargs and self._takes_tensors and _fit(args, placeholders):
            return list(args)
        if self._python_arguments is not None and self._binder is not None:
            found = self._bind_structured(args, kwargs, variables)
            if found is not None:
                return found
        given = list(nest.flatten(args, expand_composites=True))
        by_name = {each.op.name: each for each in placeholders}
        positional = placeholders[: len(given)]
        named = dict(kwargs)
        flat = [_as_given(value, each.dtype) for value, each in zip(given, positional)]
        for each in placeholders[len(given) :]:
            name = each.op.name
            user_name = getattr(each.op, "_user_name", name)
            if user_name not in named and name not in named:
                raise TypeError(
                    f"{self.name} expected argument {user_name!r} ({each.dtype.name}{each.shape}); it was not given. "
                    f"Its arguments are {sorted(by_name)}."
                )
            flat.append(_as_given(named.pop(user_name if user_name in named else name), each.dtype))
        if len(given) > len(placeholders) or named:
            raise TypeError(
                f"{self.name} takes {len(placeholders)} arguments: got {len(given)} positional ones and {sorted(kwargs)}."
            )
        self._check(flat, of_size=False)
        return flat

    def _bind_structured(
        self, args: tuple, kwargs: dict, variables: list[tuple[Any, Any]]
    ) -> list[Any] | None:
        """Flat arguments of a call in the form of the traced Python call; None where it has another form."""
        expected_args, expected_kwargs = self._python_arguments
        try:
            bound_args, bound_kwargs = self._binder.bind(args, kwargs)
            nest.assert_same_structure(
                (expected_args, expected_kwargs), (tuple(bound_args), dict(bound_kwargs))
            )
        except (TypeError, ValueError):
            return None
        flat: list[Any] = []
        specs = nest.flatten((expected_args, expected_kwargs))
        for spec, value in zip(specs, nest.flatten((tuple(bound_args), dict(bound_kwargs))), strict=True):
            if isinstance(spec, TensorSpec):
                flat.append(_as_given(value, spec.dtype))
            elif hasattr(spec, "_to_components"):
                flat.extend(nest.flatten(spec._to_components(value), expand_composites=True))
            elif is_replaceable(spec) and is_replaceable(value):
                if not spec._type_spec.is_compatible_with(value._type_spec):
                    raise TypeError(f"{self.name} was traced with the variable {spec!r}, got {value!r}.")
                variables.append((spec, value))
            elif isinstance(value, Tensor) or not _same_python(spec, value):
                raise TypeError(
                    f"{self.name} was traced with the Python value {spec!r}; it cannot be called with {value!r}."
                )
        if len(flat) != len(self.graph.arguments):
            return None
        self._check(flat)
        return flat

    def _check(self, flat: Sequence[Any], of_size: bool = True) -> None:
        """Dtypes and shapes of arguments. Flat ones need only have the rank, as in TensorFlow: other batches may come."""
        for value, placeholder in zip(flat, self.graph.arguments):
            expected = placeholder.shape
            if not of_size and expected.rank is not None:
                expected = TensorShape([None] * expected.rank)
            if value.dtype != placeholder.dtype or not expected.is_compatible_with(value.shape):
                message = (
                    f"{self.name}: argument {placeholder.op.name!r} expects {placeholder.dtype.name}{placeholder.shape}, "
                    f"got {value.dtype.name}{value.shape}."
                )
                if value.dtype == placeholder.dtype:
                    raise TypeError(message)
                raise errors.InvalidArgumentError(None, None, message)

    # Calling.

    def with_variables(self, traced: Sequence[Any], given: Sequence[Any]) -> ConcreteFunction | None:
        """This function for other variables in the place of those that it was traced with.

        Returns:
          The function; None where it cannot serve them: two that were traced are one now or one is two, or the graph
          uses one by itself too. Operations on one variable keep their order only where it is one input.
        """
        pairs = list(zip(traced, given))
        if all(old is new for old, new in pairs):
            return self
        handles = {id(old.handle): new.handle for old, new in pairs}
        inputs = [handles.get(id(each), each) for each in self.graph.external_captures]
        if len({id(each) for each in inputs}) < len(inputs) or any(
            handles[id(old.handle)] is not new.handle for old, new in pairs
        ):
            return None
        other = copy.copy(self)
        other._captured = None
        other._others = handles | {id(old): new for old, new in pairs}
        return other

    def call_flat(self, arguments: Sequence[Any]) -> Any:
        """Calls with one tensor for each argument placeholder, and returns the structured result."""
        return self._pack(self.run_flat([*arguments, *self._captures()]))

    def _captures(self) -> list[Any]:
        captured = self._captured
        if captured is None or len(captured) != len(self.graph._captures):
            captured = self._captured = self.captured_inputs
        return captured

    def run_flat(self, tensors: Sequence[Any]) -> list[Tensor]:
        """Calls with one tensor for each input (captures included); returns the flat outputs."""
        if process.graph_observer is not None:
            process.graph_observer(self.graph)
        if thread.tapes:
            for variable in self.variables:
                if variable.trainable:
                    for tape in thread.tapes:
                        tape.variable_accessed(variable)
        if thread.graph is not None or not all(type(each) is EagerTensor for each in tensors):
            return self._inline(tensors)
        if thread.tapes:
            constants = [
                each
                for each in self.graph.eager_constants
                if any(tape.watches(each[0]) for tape in thread.tapes)
            ]
            if constants or any(tape.watches(each) for tape in thread.tapes for each in tensors):
                return self._run_differentiable(tensors, constants)
        return self._run(self.graph, tensors, self._output_dtypes)

    def _run(self, graph: FuncGraph, tensors: Sequence[Any], dtypes: Sequence[Any]) -> list[Tensor]:
        values = [on_device(each) if process.accelerator else to_raw(each) for each in tensors]
        placed = process.run_placed  # where variables live on servers, a program that knows that runs instead
        results = None if placed is None else placed(graph, values)
        if results is None:
            results = executor_of(graph, self._prefer_host).run(values)
        return [to_tensor(value, dtype) for value, dtype in zip(results, dtypes)]

    def _inline(self, tensors: Sequence[Any]) -> list[Tensor]:
        """Copies the body into the graph that is being built."""
        target = thread.graph
        if target is None:
            target = next(each.graph for each in tensors if isinstance(each, SymbolicTensor))
        if target.building_function:
            for variable in self.variables:
                target.watch_variable(variable)
        values = {id(old): target.as_input(new) for old, new in zip(self.graph.inputs, tensors, strict=True)}
        values.update(
            (id(inside), target.as_input(outside)) for outside, inside in self.graph.eager_constants
        )
        with target.name_scope(_scope_name(self.name)):
            copy_operations(self.graph, target, values)
        return [values[id(each)] for each in self.graph.outputs]

    def _run_differentiable(
        self, tensors: Sequence[Any], constants: Sequence[tuple[EagerTensor, SymbolicTensor]]
    ) -> list[Tensor]:
        """Runs the graph so that the tapes can go back through it: with what the backward pass needs as outputs.

        Args:
          tensors: one for each input.
          constants: eager tensors that a tape watches, and the graph's constants for them, which become inputs too.
        """
        orders = (
            sum(2 if tape._persistent else 1 for tape in thread.tapes if hasattr(tape, "_persistent")) or 1
        )
        orders = max(orders, len(thread.tapes))
        key = (orders, *(id(inside) for _, inside in constants))
        ready = self._differentiable.get(key)
        if ready is None:
            graph = clone(self.graph, [inside for _, inside in constants]) if constants else self.graph
            ready = self._differentiable[key] = Differentiable(graph, orders)
        tensors = [*tensors, *(outside for outside, _ in constants)]
        outputs = self._run(ready.graph, tensors, ready.output_dtypes)
        call = Call(DIFFERENTIABLE_CALL, tensors, {"function": ready, "_gradient": ready.gradient}, outputs)
        for tape in thread.tapes:
            tape.record(call)
        return outputs[: len(self.graph.outputs)]

    def pretty_printed_signature(self, verbose: bool = True) -> str:
        """The parameters, results and captures with their types, for people."""
        found = self.function_type
        parameters = [
            f"  {each.name} ({each.kind.name}): {each.annotation!r}" for each in found.parameters.values()
        ]
        captures = [
            f"  {id(outside)}: {TensorSpec(inside.shape, inside.dtype)!r}"
            for outside, inside in self.graph.captures
        ]
        sections = {
            "Input Parameters": parameters,
            "Output Type": [f"  {found.output!r}"],
            "Captures": captures,
        }
        return "\n".join(
            line for title, lines in sections.items() for line in (f"{title}:", *(lines or ["  None"]))
        )

    def __str__(self) -> str:
        return f"ConcreteFunction {self.pretty_printed_signature()}"

    def __repr__(self) -> str:
        return f"<{self}>"


def _scope_name(function_name: str) -> str:
    """The scope of an inlined body: the function's name without what a scope name may not hold or begin with."""
    return re.sub(r"[^A-Za-z0-9_.-]", "", function_name.split("/")[-1]).lstrip("_-") or "call"


def _fit(values: Sequence[Any], placeholders: Sequence[Any]) -> bool:
    """Whether values are eager tensors of exactly the dtypes and shapes of placeholders."""
    return len(values) == len(placeholders) and all(
        type(value) is EagerTensor
        and value._dtype is placeholder.dtype
        and value._dtype.is_numpy_compatible
        and value._shape_tuple == placeholder._shape._dims
        for value, placeholder in zip(values, placeholders)
    )


def _as_given(value: Any, dtype: Any) -> Any:
    """An argument as a tensor; one that is a tensor already keeps its dtype, to be checked with its shape."""
    return convert_to_tensor(value, None if isinstance(value, Tensor) else dtype)


def _same_python(a: Any, b: Any) -> bool:
    try:
        return bool(a is b or a == b)
    except Exception:
        return False


def _packer(structure: Any) -> Callable[[list], Any]:
    """A function from flat outputs to the structure that the Python function returned."""
    if isinstance(structure, Tensor):
        return lambda outputs: outputs[0]
    if type(structure) in (tuple, list) and all(isinstance(each, Tensor) for each in structure):
        kind = type(structure)
        return lambda outputs: kind(outputs)
    if isinstance(structure, CompositeTensor) and isinstance(
        structure._type_spec._component_specs, TensorSpec
    ):
        build = structure._type_spec._from_components
        return lambda outputs: build(outputs[0])
    flat = nest.flatten(structure, expand_composites=True)
    holes = [each is None for each in flat]

    def pack(outputs: list) -> Any:
        filled = iter(outputs)
        values = [None if hole else next(filled) for hole in holes]
        return nest.pack_sequence_as(structure, values, expand_composites=True)

    return pack


FunctionCallable.register(ConcreteFunction)
