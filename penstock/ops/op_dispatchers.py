"""Dispatchers of calls that fail: how libraries give public functions arguments that TensorFlow does not know.

The package tf_keras builds models from calls such as `tf.reshape(symbolic_input, ...)` so, and so does `keras2` for
Keras 3: a function that raises an AttributeError, TypeError or ValueError asks the dispatchers before the error goes
on. Nothing of this costs anything before one is registered; then the functions in the namespaces are replaced, and so
are the operators of tensors.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import EXPORTS, export
from penstock.engine.wrappers import make_decorator
from penstock.ops.dispatch import place
from penstock.types.tensors import Tensor

_NOT_SUPPORTED = object()

# Namespaces whose functions are about tensors; "" is `tf` itself.
_NAMESPACES = frozenset(
    " audio bitwise debugging dtypes image io linalg math nn quantization ragged random signal sets sparse strings".split(" ")
)  # fmt: skip

_global_dispatchers: list[GlobalOpDispatcher] = []
_supported: dict[Callable, Callable] = {}  # a public function -> what asks the dispatchers when it fails


@export("__internal__.dispatch.OpDispatcher", v1=[])
class OpDispatcher:
    """Takes over failing calls of one function: a subclass overrides `handle(args, kwargs)`."""

    NOT_SUPPORTED = _NOT_SUPPORTED

    def handle(self, args: tuple, kwargs: dict) -> Any:
        """The result of the call, or `NOT_SUPPORTED` where these arguments are none of this dispatcher's."""
        return self.NOT_SUPPORTED

    def register(self, op: Callable) -> None:
        """Asks this dispatcher when calls of `op` fail: a public function, or a class method of a tensor's class."""
        if not hasattr(op, "_dispatchers"):
            op = _replace_method(op) if inspect.ismethod(op) else _replace_functions([op])[0]
        op._dispatchers.append(self)  # type: ignore[union-attr]


@export("__internal__.dispatch.GlobalOpDispatcher", v1=[])
class GlobalOpDispatcher:
    """Takes over failing calls of all functions: a subclass overrides `handle(op, args, kwargs)`."""

    NOT_SUPPORTED = _NOT_SUPPORTED

    def handle(self, op: Callable, args: tuple, kwargs: dict) -> Any:
        """The result of the call, or `NOT_SUPPORTED` where these arguments are none of this dispatcher's."""
        return self.NOT_SUPPORTED

    def register(self) -> None:
        """Asks this dispatcher when calls of public functions over tensors fail."""
        if not _global_dispatchers:
            _replace_functions(_functions_over_tensors())
        _global_dispatchers.append(self)


@export("__internal__.dispatch.add_dispatch_support", v1=[])
def add_dispatch_support(
    target: Callable | None = None, iterable_parameters: Iterable[str] | None = None
) -> Callable:
    """A decorator: calls of the function that fail go to the dispatchers.

    Args:
      target: the function.
      iterable_parameters: parameters that may be iterators; they become lists, so that a dispatcher sees them whole.

    Example:
      >>> import penstock as tf
      >>> class OfText(tf.__internal__.dispatch.OpDispatcher):
      ...     def handle(self, args, kwargs):
      ...         return len(args[0]) if isinstance(args[0], str) else self.NOT_SUPPORTED
      >>> @tf.__internal__.dispatch.add_dispatch_support
      ... def half(x):
      ...     return x / 2
      >>> OfText().register(half)
      >>> half(3), half("abc")
      (1.5, 3)
    """
    if target is None:
        return functools.partial(add_dispatch_support, iterable_parameters=iterable_parameters)
    if not iterable_parameters:
        return _asking(target)
    signature, names = inspect.signature(target), tuple(iterable_parameters)

    @functools.wraps(target)
    def with_lists(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        for name in names:
            if hasattr(bound.arguments.get(name), "__next__"):
                bound.arguments[name] = list(bound.arguments[name])
        return target(*bound.args, **bound.kwargs)

    return _asking(with_lists)


class _TypeBasedDispatcher(OpDispatcher):
    """Calls a function where an argument, or an element of a list among them, is of one of some types."""

    def __init__(self, function: Callable, kinds: tuple[type, ...]):
        self._function, self._kinds = function, kinds

    def handle(self, args: tuple, kwargs: dict) -> Any:
        """See the class."""
        for value in (*args, *kwargs.values()):
            several = value if isinstance(value, (list, tuple)) else (value,)
            if any(isinstance(each, self._kinds) for each in several):
                return self._function(*args, **kwargs)
        return self.NOT_SUPPORTED


def dispatch_for_types(op: Callable, *kinds: type) -> Callable:
    """A decorator: its function is called where a call of `op` with arguments of some types fails."""

    def decorate(function: Callable) -> Callable:
        _TypeBasedDispatcher(function, kinds).register(op)
        return function

    return decorate


def _asking(function: Callable, op: Callable | None = None, reflected: bool = False) -> Any:
    """`function` with the dispatchers behind it.

    Args:
      function: what is called first.
      op: the public function that dispatchers are told, where it is another one.
      reflected: whether `op` takes the two arguments the other way around.
    """
    own: list[OpDispatcher] = [] if op is None else op._dispatchers  # type: ignore[attr-defined]

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            result = function(*args, **kwargs)
            if result is not NotImplemented:
                return result
        except (AttributeError, TypeError, ValueError):
            result = _dispatch(op or asking, own, args[::-1] if reflected else args, kwargs)
            if result is _NOT_SUPPORTED:
                raise
            return result
        # An operator that leaves the call to the other side; Python does not ask that where both are of one class.
        result = _dispatch(op or asking, own, args[::-1] if reflected else args, kwargs)
        return NotImplemented if result is _NOT_SUPPORTED else result

    asking = make_decorator(function, call)
    asking._dispatchers = own  # type: ignore[attr-defined]
    return asking


def _dispatch(op: Callable, own: list[OpDispatcher], args: tuple, kwargs: dict) -> Any:
    for dispatcher in own:
        result = dispatcher.handle(args, kwargs)
        if result is not _NOT_SUPPORTED:
            return result
    for everywhere in _global_dispatchers:
        result = everywhere.handle(op, args, kwargs)
        if result is not _NOT_SUPPORTED:
            return result
    return _NOT_SUPPORTED


def _functions_over_tensors() -> list[Callable]:
    return [
        thing
        for names in EXPORTS.values()
        for name, thing in names.items()
        if isinstance(thing, types.FunctionType)
        and (name.rpartition(".")[0] in _NAMESPACES or name.startswith("__operators__."))
    ]


def _replace_functions(functions: list[Callable]) -> list[Any]:
    """Puts functions that ask the dispatchers into the namespaces, and gives them."""
    for function in functions:
        if not hasattr(function, "_dispatchers"):
            _supported.setdefault(function, _asking(function))
    place(_supported)
    return [_supported.get(function, function) for function in functions]


def _replace_method(method: Any) -> Any:
    """The same for a class method, in its class; the class counts as the first argument."""
    asking = _asking(method.__func__)
    setattr(method.__self__, method.__name__, classmethod(asking))
    return asking


# Operators, which Python calls by their place in the class.

_OPERATORS = {
    "add": "__operators__.add", "sub": "math.subtract", "mul": "math.multiply", "truediv": "math.truediv",
    "div": "math.truediv", "floordiv": "math.floordiv", "mod": "math.floormod", "pow": "math.pow",
    "matmul": "linalg.matmul", "and": "math.logical_and", "or": "math.logical_or", "xor": "math.logical_xor",
    "lt": "math.less", "le": "math.less_equal", "gt": "math.greater", "ge": "math.greater_equal",
    "eq": "__operators__.eq", "ne": "__operators__.ne", "neg": "math.negative", "abs": "math.abs",
    "invert": "math.logical_not", "getitem": "__operators__.getitem",
}  # fmt: skip


@export("__operators__.add", v1=[])
def _add(x: Any, y: Any, name: str | None = None) -> Any:
    """`x + y`, as an operator of tensors."""
    return convert_to_tensor(x) + y


@export("__operators__.eq", v1=[])
def _eq(self: Any, other: Any) -> Any:
    """`self == other`, as an operator of tensors."""
    return convert_to_tensor(self) == other


@export("__operators__.ne", v1=[])
def _ne(self: Any, other: Any) -> Any:
    """`self != other`, as an operator of tensors."""
    return convert_to_tensor(self) != other


@export("__operators__.getitem", v1=[])
def _getitem(tensor: Any, slice_spec: Any, var: Any = None) -> Any:
    """`tensor[slice_spec]`, as an operator of tensors."""
    return convert_to_tensor(tensor if var is None else var)[slice_spec]


@export("__operators__.ragged_getitem", v1=[])
def _ragged_getitem(rt_input: Any, key: Any) -> Any:
    """`rt_input[key]` of a ragged tensor."""
    if not hasattr(rt_input, "row_splits"):
        raise TypeError(f"ragged_getitem: got {rt_input!r}, expected a ragged tensor")
    return rt_input[key]


class _OverloadableOperators:
    """`Tensor.OVERLOADABLE_OPERATORS`: who asks for it is about to copy the operators to a class of its own.

    The copies then get objects that are no tensors, so from now on the operators ask the dispatchers.
    """

    def __get__(self, instance: Any, owner: type) -> set[str]:
        found = set()
        for name, public_name in _OPERATORS.items():
            op = EXPORTS["v2"][public_name]
            op = op if hasattr(op, "_dispatchers") else _replace_functions([op])[0]
            for method in (f"__{name}__", f"__r{name}__"):
                function = getattr(Tensor, method, None)
                if function is None:
                    continue
                found.add(method)
                if not hasattr(function, "_dispatchers"):
                    setattr(Tensor, method, _asking(function, op, reflected=method == f"__r{name}__"))
        return found


Tensor.OVERLOADABLE_OPERATORS = _OverloadableOperators()  # type: ignore[attr-defined]
