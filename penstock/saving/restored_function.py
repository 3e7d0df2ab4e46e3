"""Functions of a loaded SavedModel: like a `tf.function` that has traces and no Python code."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.saving.structured_values import decode
from penstock.tracing.concrete_function import ConcreteFunction
from penstock.tracing.function import Function
from penstock.tracing.signatures import Binder
from penstock.types import nest
from penstock.types.specs import TensorSpec, TypeSpec, type_spec_from_value
from penstock.types.tensors import Tensor


def signature_of(spec: Any) -> inspect.Signature:
    """The Python signature in a FunctionSpec message."""
    given = decode(spec.fullargspec)
    kinds = inspect.Parameter
    args = list(given.args)
    if spec.is_method:
        args = args[1:]
    defaults = list(given.defaults or ())
    first_default = len(args) - len(defaults)
    parameters = [
        kinds(
            name,
            kinds.POSITIONAL_OR_KEYWORD,
            default=defaults[index - first_default] if index >= first_default else kinds.empty,
        )
        for index, name in enumerate(args)
    ]
    if given.varargs:
        parameters.append(kinds(given.varargs, kinds.VAR_POSITIONAL))
    keyword_defaults = given.kwonlydefaults or {}
    for name in given.kwonlyargs or ():
        default = keyword_defaults.get(name, kinds.empty)
        parameters.append(kinds(name, kinds.KEYWORD_ONLY, default=default))
    if given.varkw:
        parameters.append(kinds(given.varkw, kinds.VAR_KEYWORD))
    return inspect.Signature(parameters)


class RestoredFunction(Function):
    """A polymorphic function of a SavedModel: a call runs the trace that was made for such arguments.

    Args:
      name: its name. concrete_functions: the traces.
      spec: the FunctionSpec message.
    """

    def __init__(self, name: str, concrete_functions: Sequence[ConcreteFunction], spec: Any):
        def restored(*args: Any, **kwargs: Any) -> Any:
            return self._call(args, kwargs)

        signature = decode(spec.input_signature) if spec.HasField("input_signature") else None
        super().__init__(
            restored, name, None, autograph=False, jit_compile=[None, True, False][spec.jit_compile]
        )
        self._input_signature = None if signature is None else tuple(signature)
        self._binder = Binder(restored)
        self._binder.signature = signature_of(spec)
        self._binder.names = [
            each.name
            for each in self._binder.signature.parameters.values()
            if each.kind is each.POSITIONAL_OR_KEYWORD
        ]
        self._binder._simple = False
        self.concrete_functions = list(concrete_functions)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the trace that fits the arguments.

        Raises:
          ValueError: there is none.
        """
        return self._call(args, kwargs)

    def _call(self, args: tuple, kwargs: dict) -> Any:
        if not self.concrete_functions:
            raise ValueError(
                f"Found zero restored functions for caller function {self._name!r}: it had no trace when it was saved."
            )
        bound = self._bind_to_signature(args, kwargs)
        for convert in (False, True):
            for function in self.concrete_functions:
                flat = _flat_arguments(function, bound, convert)
                if flat is not None:
                    return function.call_flat(flat)
        raise self._no_match(args, kwargs)

    def _bind_to_signature(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        try:
            bound_args, bound_kwargs = self._binder.bind(args, kwargs)
        except TypeError:
            raise self._no_match(args, kwargs) from None
        return tuple(bound_args), dict(bound_kwargs)

    def _no_match(self, args: tuple, kwargs: dict) -> ValueError:
        def described(positional: Any, keywords: Any) -> str:
            lines = "".join(f"\n    * {each!r}" for each in positional)
            return (
                f"  Positional arguments ({len(positional)} total):{lines}\n  Keyword arguments: {keywords!r}"
            )

        options = []
        for index, function in enumerate(self.concrete_functions, 1):
            positional, keywords = function.structured_input_signature
            options.append(f"Option {index}:\n{described(positional, keywords)}")
        return ValueError(
            "Could not find matching concrete function to call loaded from the SavedModel. Got:\n"
            f"{described(args, kwargs)}\n\n Expected these arguments to match one of the following "
            f"{len(options)} option(s):\n\n" + "\n\n".join(options)
        )

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """The trace for arguments: tensors, specs, Python values.

        Raises:
          ValueError: there is none.
        """
        if not args and not kwargs:
            if self._input_signature is not None and self.concrete_functions:
                return self.concrete_functions[0]
            if len(self.concrete_functions) == 1:
                return self.concrete_functions[0]
        bound = self._bind_to_signature(args, kwargs)
        for function in self.concrete_functions:
            if _flat_arguments(function, bound, convert=True, specs=True) is not None:
                return function
        raise self._no_match(args, kwargs)

    def _list_all_concrete_functions(self) -> list[ConcreteFunction]:
        return list(self.concrete_functions)

    def _list_all_concrete_functions_for_serialization(self) -> list[ConcreteFunction]:
        return list(self.concrete_functions)

    def experimental_get_tracing_count(self) -> int:
        """How many traces the model was saved with."""
        return len(self.concrete_functions)

    def pretty_printed_concrete_signatures(self, verbose: bool = True) -> str:
        """The signatures of the traces, for people."""
        return "\n\n".join(each.pretty_printed_signature(verbose) for each in self.concrete_functions)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self


def _flat_arguments(
    function: ConcreteFunction, bound: tuple[tuple, dict], convert: bool, specs: bool = False
) -> list[Any] | None:
    """The flat tensors of a call for a trace; None where the trace was made for other arguments.

    Args:
      convert: whether Python values and arrays may become the tensors that the trace expects.
      specs: whether specs may stand for tensors.
    """
    try:
        pairs = list(_leaves(function.structured_input_signature, bound))
    except _OtherStructureError:
        return None
    flat: list[Any] = []
    for want, have in pairs:
        found = _fitting(want, have, convert, specs)
        if found is None:
            return None
        flat.extend(found)
    return flat


class _OtherStructureError(Exception):
    """A call does not have the structure of a trace's arguments."""


def _leaves(want: Any, have: Any) -> Iterator[tuple[Any, Any]]:
    """Pairs of what a trace expects and what a call gives.

    Lists stand for tuples and dicts for mappings of any class: a SavedModel does not keep the classes of others.
    """
    if isinstance(want, Mapping):
        if not isinstance(have, Mapping) or set(want) != set(have):
            raise _OtherStructureError
        for key in sorted(want):
            yield from _leaves(want[key], have[key])
    elif isinstance(want, (list, tuple)):
        if not isinstance(have, (list, tuple)) or len(want) != len(have):
            raise _OtherStructureError
        for one, other in zip(want, have):
            yield from _leaves(one, other)
    else:
        yield want, have


def _fitting(want: Any, have: Any, convert: bool, specs: bool) -> list[Any] | None:
    """The tensors of one argument; None where it does not fit."""
    if isinstance(want, TensorSpec):
        if specs and isinstance(have, TensorSpec):
            fits = want.dtype == have.dtype and want.shape.is_compatible_with(have.shape)
            return [] if fits else None
        tensor = have if isinstance(have, Tensor) else None
        if tensor is None and hasattr(have, "handle") and hasattr(have, "dtype"):
            tensor = convert_to_tensor(have)
        if tensor is None:
            if not convert or have is None:
                return None
            try:
                tensor = convert_to_tensor(have, want.dtype)
            except (ValueError, TypeError):
                return None
        fits = want.dtype == tensor.dtype and want.shape.is_compatible_with(tensor.shape)
        return [tensor] if fits else None
    if isinstance(want, TypeSpec):
        if specs and isinstance(have, TypeSpec):
            return [] if want.is_compatible_with(have) else None
        try:
            fits = want.is_compatible_with(type_spec_from_value(have))
        except TypeError:
            return None
        return nest.flatten(have, expand_composites=True) if fits else None
    if isinstance(have, Tensor):
        return None
    try:
        return [] if type(want) is type(have) and want == have or want is have or want == have else None
    except Exception:
        return None
