"""`FunctionType`: the parameters and results of a concrete function with their types, as a signature of Python's."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable as PythonCallable
from typing import Any

from penstock.engine.export import export
from penstock.types import nest
from penstock.types.specs import TensorSpec
from penstock.types.tensors import Tensor
from penstock.types.type_spec import TypeSpec


@export("types.experimental.FunctionType")
class FunctionType(inspect.Signature):
    """An `inspect.Signature` whose annotations are specs of tensors and literals.

    Example:
      >>> import penstock as tf
      >>> concrete = tf.function(lambda x, y: x > y).get_concrete_function(tf.TensorSpec([2]), 3)
      >>> print(concrete.function_type)
      (x: TensorSpec(shape=(2,), dtype=tf.float32, name=None), y: Literal[3]) -> TensorSpec(shape=(2,), dtype=tf.bool, name=None)
    """

    @classmethod
    def from_callable(
        cls, obj: PythonCallable, *, follow_wrapped: bool = True, **options: Any
    ) -> FunctionType:
        """The signature of a Python function."""
        return super().from_callable(obj, follow_wrapped=follow_wrapped, **options)

    @property
    def output(self) -> Any:
        """The type of what the function returns."""
        return self.return_annotation

    def __str__(self) -> str:
        return _text(self)


class Described:
    """A type in a signature, which prints as TensorFlow prints it: literals, specs, and containers of them."""

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Described) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return _described(self.value)


def _described(value: Any) -> str:
    if type(value) is TensorSpec:
        return repr(TensorSpec(value.shape, value.dtype))  # the parameter has the name
    if isinstance(value, TypeSpec):
        return repr(value)
    if isinstance(value, Tensor):
        return repr(TensorSpec(value.shape, value.dtype))
    if isinstance(value, dict):
        return f"Dict[{', '.join(f'[{key!r}, {_described(each)}]' for key, each in value.items())}]"
    if isinstance(value, (list, tuple)):
        kind = "List" if isinstance(value, list) else "Tuple"
        return f"{kind}[{', '.join(map(_described, value))}]"
    return f"Literal[{value!r}]"


def _text(signature: inspect.Signature) -> str:
    """As `inspect` writes it; annotations that are objects are written by their `repr`."""
    parts, seen_positional, seen_star = [], False, False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            seen_positional = True
        elif seen_positional:
            parts.append("/")
            seen_positional = False
        if parameter.kind is parameter.VAR_POSITIONAL:
            seen_star = True
        elif parameter.kind is parameter.KEYWORD_ONLY and not seen_star:
            parts.append("*")
            seen_star = True
        parts.append(str(parameter))
    if seen_positional:
        parts.append("/")
    result = "" if signature.return_annotation is signature.empty else f" -> {signature.return_annotation!r}"
    return f"({', '.join(parts)}){result}"


def function_type_of(signature: inspect.Signature | None, arguments: Any, results: Any) -> FunctionType:
    """The type of a trace.

    Args:
      signature: that of the Python function; None where it is not known.
      arguments: (args, kwargs) of the traced call, with a spec for each tensor.
      results: what the trace returns, with a tensor or spec in each place.
    """
    args, kwargs = arguments
    names = [] if signature is None else list(signature.parameters.values())
    found, extra = [], False
    for i, value in enumerate(args):
        parameter = names[i] if i < len(names) else None
        if parameter is not None and parameter.kind in (
            parameter.POSITIONAL_ONLY,
            parameter.POSITIONAL_OR_KEYWORD,
        ):
            found.append((parameter.name, value))
            continue
        extra = True
        star = next((each.name for each in names if each.kind is each.VAR_POSITIONAL), "args")
        found.append(
            (f"{star}_{i - len(found) + sum(1 for name, _ in found if name.startswith(star))}", value)
        )
    kind = inspect.Parameter.POSITIONAL_ONLY if extra else inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind, annotation=Described(value)) for name, value in found]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=Described(kwargs[name]))
        for name in kwargs
    ]
    return FunctionType(
        parameters, return_annotation=Described(nest.map_structure(lambda each: each, results))
    )


@export("types.experimental.Callable", v1=[])
class Callable(abc.ABC):
    """What `tf.function` makes: it is called with tensors, and knows its `FunctionType`."""

    @property
    @abc.abstractmethod
    def function_type(self) -> FunctionType:
        """The parameters and results."""


@export("types.experimental.AtomicFunction", v1=[])
class AtomicFunction(Callable):
    """A callable that is one graph, whose captures are given with the call."""

    @abc.abstractmethod
    def call_with_captures(self, args: tuple, kwargs: dict, captures: list[Any]) -> Any:
        """Calls the graph with other tensors in the place of those that it captured."""
