"""`tf.function`: a Python function that is traced to a graph, once for each kind of arguments."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.engine.export import export
from penstock.graph.func_graph import FuncGraph, set_outputs
from penstock.runtime.lowering import leave_to_xla
from penstock.tracing.argument_names import argument_names, safe_name
from penstock.tracing.autograph.tracebacks import show_user_code
from penstock.tracing.concrete_function import ConcreteFunction
from penstock.tracing.input_signature import fitted, require_specs, specs_of
from penstock.tracing.retracing import history_of
from penstock.tracing.signatures import (
    Binder,
    ByIdentity,
    accepts,
    decode,
    encode,
    relaxed_shape,
    tensor_keys,
    without_shapes,
)  # fmt: skip
from penstock.tracing.variable_creation import variable_creator
from penstock.types import nest
from penstock.types.composite import CompositeTensor
from penstock.types.specs import TensorSpec
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor
from penstock.types.trackable import Trackable


def _placement() -> Any:
    """What a trace depends on besides its arguments: the strategy in scope, and the replica that is traced."""
    if not thread.strategies:
        return None
    strategy, context_kind = thread.strategies[-1]
    body = None if thread.replica is None else thread.replica.body
    return id(strategy), context_kind, body  # the body itself, so that its id is not given to another


class _Trace:
    """One concrete function of a `Function`, and which calls it serves."""

    __slots__ = ("concrete", "pattern", "shapes", "variables")

    def __init__(self, concrete: ConcreteFunction, pattern: Any, shapes: list, variables: list):
        self.concrete, self.pattern, self.shapes = concrete, pattern, shapes
        self.variables = variables  # those among the arguments it was traced with


# What a copy of a function does not take over.
_OF_TRACES = frozenset(
    (
        "_binder",
        "_lock",
        "_traces",
        "_relaxed",
        "_tracing_count",
        "_history",
        "_created_variables",
        "_methods",
        "_fast",
    )
)


@export("types.experimental.PolymorphicFunction", "types.experimental.GenericFunction")
class Function(Trackable):
    """What `tf.function` returns: calls look up, or trace, the concrete function for their arguments."""

    _is_saveable_function = True

    def __init__(
        self,
        python_function: Callable,
        name: str,
        input_signature: Any = None,
        autograph: bool = True,
        jit_compile: bool | None = None,
        reduce_retracing: bool = False,
        experimental_implements: str | None = None,
        experimental_autograph_options: Any = None,
        experimental_attributes: dict | None = None,
        prefer_host: bool = False,
    ):
        self._python_function = python_function
        self._name = name
        self._input_signature = specs_of(input_signature)
        require_specs(python_function, self._input_signature)
        self._autograph = autograph
        self._autograph_options = experimental_autograph_options
        self._jit_compile = jit_compile
        self._reduce_retracing = reduce_retracing
        self._implements = experimental_implements
        self._attributes = experimental_attributes
        self._prefer_host = prefer_host
        self._forget_traces()
        functools.update_wrapper(self, python_function, updated=())

    def _forget_traces(self) -> None:
        self._binder = Binder(self._python_function)
        self._lock = threading.RLock()
        self._traces: dict[Any, _Trace] = {}
        self._relaxed: dict[Any, list[_Trace]] = {}
        self._tracing_count = 0
        self._history = history_of(self._python_function)
        self._created_variables: list[Any] | None = None  # None until the first trace
        self._methods: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles are of the Python function and how it is to be traced; they begin without traces."""
        return {name: value for name, value in vars(self).items() if name not in _OF_TRACES}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget_traces()

    # Calling.

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function, tracing it first where no trace fits the arguments."""
        if process.functions_run_eagerly:
            return self._python_function(*args, **kwargs)
        self._history.calls += 1
        if self._input_signature is None and not kwargs and len(args) == len(self._binder.names):
            key_parts: list[Any] = []
            tensors = []
            # The usual call: eager tensors by position, or a composite of one, as an iterator is.
            for each in args:
                if type(each) is EagerTensor:
                    dtype = each._dtype
                    key_parts.append((dtype, each._shape_tuple if dtype.is_numpy_compatible else ()))
                    tensors.append(each)
                elif isinstance(each, CompositeTensor) and type(each._only_component) is EagerTensor:
                    key_parts.append(each._type_spec)
                    tensors.append(each._only_component)
                else:
                    break
            else:
                key = (tuple(key_parts), thread.device)
                usual = thread.graph is None and not thread.strategies
                found = self._fast.get(key) if usual else None
                if found is not None:
                    return found.call_flat(tensors)
                concrete, flat = self._lookup_for_call(args, kwargs)
                if usual:
                    self._fast[key] = concrete
                return concrete.call_flat(flat)
        concrete, flat = self._lookup_for_call(args, kwargs)
        return concrete.call_flat(flat)

    @functools.cached_property
    def _fast(self) -> dict:
        return {}

    def _lookup_for_call(self, args: tuple, kwargs: dict) -> tuple[ConcreteFunction, list[Tensor]]:
        tracings = self._tracing_count
        found = self._lookup(args, kwargs)
        if self._tracing_count != tracings:
            self._history.note_tracing(self._python_function)
        return found

    def _lookup(self, args: tuple, kwargs: dict) -> tuple[ConcreteFunction, list[Tensor]]:
        """The concrete function for a call, and the flat tensors to call it with."""
        args, kwargs = self._bind(args, kwargs)
        leaves: list[Tensor] = []
        variables: list[Any] = []
        key = (encode((args, kwargs), leaves, variables), thread.device, _placement())
        found = self._trace_of(key, args, kwargs, leaves, variables)
        if not variables:
            return found.concrete, leaves
        concrete = found.concrete.with_variables(found.variables, variables)
        if concrete is None:  # one of them has another part in this trace: they get a trace of their own
            found = self._trace_of((key, *map(ByIdentity, variables)), args, kwargs, leaves, variables)
            concrete = found.concrete
        return concrete, leaves

    def _trace_of(
        self, key: Any, args: tuple, kwargs: dict, leaves: list[Tensor], variables: list[Any]
    ) -> _Trace:
        found = self._traces.get(key)
        if found is None:
            with self._lock:
                found = self._traces.get(key)
                if found is None:
                    try:
                        found = self._find_or_trace(key, args, kwargs, leaves, variables)
                    except Exception as error:
                        raise show_user_code(error)
                    self._traces[key] = found
        return found

    def _bind(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        try:
            args, kwargs = self._binder.bind(args, kwargs)
        except TypeError as error:
            raise TypeError(f"{self._name}: {error}") from None
        if self._input_signature is not None:
            args = fitted(self._name, self._binder, self._input_signature, args)
        return args, kwargs

    # Tracing.

    def _find_or_trace(
        self, key: Any, args: tuple, kwargs: dict, leaves: list[Tensor], variables: list[Any]
    ) -> _Trace:
        shapes = [each.shape for each in tensor_keys(key)]
        if self._input_signature is not None:
            pattern: Any = ("signature", _without_signature_shapes(key))
            shapes = self._signature_shapes(shapes)
        else:
            pattern = without_shapes(key)
        siblings = self._relaxed.setdefault(pattern, [])
        actual = [each.shape for each in tensor_keys(key)]
        for trace in siblings:
            if all(accepts(general, shape) for general, shape in zip(trace.shapes, actual)) and (
                self._reduce_retracing or self._input_signature is not None or trace.shapes == shapes
            ):
                return trace
        if self._reduce_retracing and siblings and self._input_signature is None:
            for trace in siblings:
                shapes = [relaxed_shape(a, b) for a, b in zip(trace.shapes, shapes)]
        concrete = self._trace(args, kwargs, leaves, shapes)
        trace = _Trace(concrete, pattern, shapes, variables)
        siblings.append(trace)
        return trace

    def _signature_shapes(self, shapes: list) -> list:
        specs = nest.flatten(self._input_signature, expand_composites=True)
        given = [
            None if each.shape.rank is None else tuple(each.shape.as_list())
            for each in specs
            if isinstance(each, TensorSpec)
        ]
        return [*given, *shapes[len(given) :]] if len(given) <= len(shapes) else shapes

    def _trace(
        self, args: tuple, kwargs: dict, leaves: Sequence[Tensor], shapes: Sequence[Any]
    ) -> ConcreteFunction:
        """Traces for arguments in which each tensor has the given shape."""
        if self._created_variables is None:
            created: list[Any] = []
            concrete = self._trace_once(args, kwargs, leaves, shapes, created)
            self._created_variables = created
            if not created:
                return concrete
            # The function made variables: from now on it must not make any, so trace what it does the second time.
        return self._trace_once(args, kwargs, leaves, shapes, None)

    def _trace_once(
        self, args: tuple, kwargs: dict, leaves: Sequence[Tensor], shapes: Sequence[Any], created: list | None
    ) -> ConcreteFunction:
        from penstock.ops.variables.creation import variable_creator_scope

        self._tracing_count += 1
        graph = FuncGraph(self._name)
        names = iter(argument_names(self._binder.names, args, kwargs))
        with context.building(graph):
            placeholders = []
            for leaf, shape in zip(leaves, shapes, strict=True):
                user_name = next(names, "arg")
                if isinstance(leaf, SymbolicTensor):
                    user_name = getattr(leaf.op, "_spec_name", None) or user_name
                placeholder = graph.add_input(leaf.dtype, shape, safe_name(user_name))
                placeholder.op._user_name = user_name
                placeholder.handle_data = getattr(leaf, "handle_data", None) or getattr(
                    leaf.host()
                    if isinstance(leaf, EagerTensor) and not leaf.dtype.is_numpy_compatible
                    else None,
                    "handle_data",
                    None,
                )
                placeholders.append(placeholder)
            filled = iter(placeholders)
            traced_args = decode(args, filled, self._input_signature)
            traced_kwargs = decode(kwargs, filled)
            given = {id(inside): outside for inside, outside in zip(placeholders, leaves)}
            with variable_creator_scope(variable_creator(created, self._name, given)):
                result = self._converted()(*traced_args, **traced_kwargs)
            set_outputs(graph, result)
        if self._jit_compile:
            leave_to_xla(graph)
        graph.is_traced = True
        specs = iter([TensorSpec(p.shape, p.dtype, name=p.op._user_name) for p in placeholders])
        structured = (decode(args, specs), decode(kwargs, specs))
        graph.structured_input_signature = structured
        concrete = ConcreteFunction(graph, self._binder, structured, self._prefer_host)
        listener = process.registry.get("traced")  # `penstock graph` shows what a program traces
        if listener is not None:
            listener(concrete)
        return concrete

    def _converted(self) -> Callable:
        from penstock.tracing.autograph import ControlStatusCtx, Status, convert, do_not_convert

        if not self._autograph:
            return do_not_convert(self._python_function)
        enabled = ControlStatusCtx(Status.ENABLED, self._autograph_options)
        return convert(self._python_function, optional_features=self._autograph_options, context=enabled)

    # What programs ask of it.

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """Traces for arguments (tensors, `TensorSpec`s, Python values) without running anything.

        Example:
          >>> import penstock as tf
          >>> square = tf.function(lambda x: x * x)
          >>> concrete = square.get_concrete_function(tf.TensorSpec([None], tf.float32))
          >>> concrete(tf.constant([1.0, 3.0])).numpy()
          array([1., 9.], dtype=float32)
        """
        if self._input_signature is not None and not args and not kwargs:
            args = tuple(self._input_signature)
        with context.building(FuncGraph("specs")) as scratch:
            scratch.outer_graph = None

            def stand_in(spec: Any) -> Any:
                if isinstance(spec, TensorSpec):
                    placeholder = scratch.add_input(spec.dtype, spec.shape, safe_name(spec.name or "arg"))
                    placeholder.op._spec_name = spec.name
                    return placeholder
                if hasattr(spec, "_component_specs") and hasattr(spec, "_from_components"):
                    parts = nest.map_structure(stand_in, spec._component_specs)
                    return spec._from_components(parts)
                return spec

            args = nest.map_structure(stand_in, args)
            kwargs = nest.map_structure(stand_in, kwargs)
        with context.building(None) if thread.graph is None else context.building(thread.graph):
            concrete, _ = self._lookup(tuple(args), dict(kwargs))
        return concrete

    @property
    def python_function(self) -> Callable:
        """The function that was decorated."""
        return self._python_function

    @property
    def input_signature(self) -> Any:
        """The signature that was given, as a tuple; None without one."""
        return self._input_signature

    @property
    def function_spec(self) -> Binder:
        """The function's parameters."""
        return self._binder

    @property
    def name(self) -> str:
        """The function's name."""
        return self._name

    def experimental_get_tracing_count(self) -> int:
        """How often the function has been traced."""
        return self._tracing_count

    def experimental_get_compiler_ir(self, *args: Any, **kwargs: Any) -> Callable[..., str]:
        """A function `ir(stage="hlo", device_name=None, platform_name=None)` that gives the XLA program for arguments, as text.

        `platform_name` ("CPU", "CUDA", "ROCM" or "TPU") may name a platform that this machine does not have.
        """
        concrete, flat = self._lookup(args, kwargs)

        def ir(stage: str = "hlo", device_name: str | None = None, platform_name: str | None = None) -> str:
            from penstock.runtime.compiler_ir import compiler_ir

            return compiler_ir(concrete, flat, stage, platform_name or device_name)

        return ir

    def pretty_printed_concrete_signatures(self, verbose: bool = True) -> str:
        """The signatures that have been traced, for people."""
        return "\n\n".join(trace.concrete.pretty_printed_signature(verbose) for trace in self._all_traces())

    def _all_traces(self) -> list[_Trace]:
        return list({id(trace): trace for trace in self._traces.values()}.values())

    def _list_all_concrete_functions(self) -> list[ConcreteFunction]:
        return [trace.concrete for trace in self._all_traces()]

    def _list_all_concrete_functions_for_serialization(self) -> list[ConcreteFunction]:
        """The concrete functions that a SavedModel keeps; a function with an input signature is traced for it."""
        if self._input_signature is not None:
            self.get_concrete_function()
        return self._list_all_concrete_functions()

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        """The traces, by name, as the children of this function in a SavedModel."""
        if save_type == "checkpoint":
            return {}
        traces = self._list_all_concrete_functions_for_serialization()
        return {f"trace_{index}": each for index, each in enumerate(traces)}

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """The function bound to an object: each object has its own traces."""
        if instance is None:
            return self
        try:
            bound = self._methods.get(instance)
        except TypeError:
            bound = None
        if bound is None:
            bound = Function(
                self._python_function.__get__(instance, owner),
                self._name,
                self._input_signature,
                self._autograph,
                self._jit_compile,
                self._reduce_retracing,
                self._implements,
                self._autograph_options,
                self._attributes,
                prefer_host=self._prefer_host,
            )
            try:
                self._methods[instance] = bound
            except TypeError:
                pass
        return bound

    def __repr__(self) -> str:
        return f"<tf.function {self._name!r}>"


def _without_signature_shapes(key: Any) -> Any:
    return without_shapes(key)


@export("function", v1=["function"])
def function(
    func: Callable | None = None,
    input_signature: Any = None,
    autograph: bool = True,
    jit_compile: bool | None = None,
    reduce_retracing: bool = False,
    experimental_implements: str | None = None,
    experimental_autograph_options: Any = None,
    experimental_attributes: dict | None = None,
    experimental_relax_shapes: bool | None = None,
    experimental_compile: bool | None = None,
    experimental_follow_type_hints: bool | None = None,
) -> Any:
    """Compiles a function into a callable graph.

    Args:
      func: the function. Without it a decorator is returned.
      input_signature: a sequence of `TensorSpec`s (nests of them): the function is traced once, for these.
      autograph: whether Python control flow on tensors becomes control flow of the graph.
      jit_compile: what can be compiled is compiled by XLA anyway; with True, as in TensorFlow, an index that is out of
        range is passed over instead of being an error.
      reduce_retracing: whether a second shape of an argument is met with one trace for unknown sizes.

    Returns:
      A `Function`.

    Example:
      >>> import penstock as tf
      >>> @tf.function
      ... def collatz(n):
      ...     steps = 0
      ...     while n != 1:
      ...         n = n // 2 if n % 2 == 0 else 3 * n + 1
      ...         steps += 1
      ...     return steps
      >>> collatz(tf.constant(6)).numpy()
      np.int32(8)
    """

    def decorate(inner: Callable) -> Function:
        return Function(
            inner,
            getattr(inner, "__name__", type(inner).__name__),
            input_signature,
            autograph,
            jit_compile if jit_compile is not None else experimental_compile,
            bool(reduce_retracing or experimental_relax_shapes),
            experimental_implements,
            experimental_autograph_options,
            experimental_attributes,
        )

    return decorate if func is None else decorate(func)
