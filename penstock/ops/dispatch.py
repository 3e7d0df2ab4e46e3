"""Calls of public functions with arguments that are no tensors: ragged, sparse, and users' own types.

A public function that is in a table here, or that a program names in `tf.experimental.dispatch_for_api`, is replaced
in the namespaces by one that looks for such arguments first. With plain tensors that look is all it costs.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from penstock.engine.context import thread
from penstock.engine.export import EXPORTS, export
from penstock.engine.wrappers import make_decorator
from penstock.types.tensors import EagerTensor, SymbolicTensor

_PLAIN = frozenset(
    (
        EagerTensor,
        SymbolicTensor,
        int,
        float,
        bool,
        str,
        bytes,
        complex,
        type(None),
        types.FunctionType,
        types.BuiltinFunctionType,
    )
)

# Public names of functions that work on each element by itself, with one tensor as their first argument, ...
UNARY = """
    zeros_like ones_like identity cast saturate_cast clip_by_value debugging.check_numerics bitwise.invert
    math.abs math.acos math.acosh math.angle math.asin math.asinh math.atan math.atanh math.ceil math.conj math.cos
    math.cosh math.digamma math.erf math.erfc math.erfcinv math.erfinv math.exp math.expm1 math.floor math.imag
    math.is_finite math.is_inf math.is_nan math.is_non_decreasing math.lgamma math.log math.log1p math.log_sigmoid
    math.logical_not math.ndtri math.negative math.real math.reciprocal math.reciprocal_no_nan math.rint math.round
    math.rsqrt math.sigmoid math.sign math.sin math.sinh math.softplus math.sqrt math.square math.tan math.tanh
    math.bessel_i0 math.bessel_i0e math.bessel_i1 math.bessel_i1e math.special.dawsn math.special.expint
    math.special.fresnel_cos math.special.fresnel_sin math.special.spence math.special.bessel_i0
    math.special.bessel_i0e math.special.bessel_i1 math.special.bessel_i1e math.special.bessel_j0
    math.special.bessel_j1 math.special.bessel_k0 math.special.bessel_k0e math.special.bessel_k1
    math.special.bessel_k1e math.special.bessel_y0 math.special.bessel_y1
    nn.elu nn.gelu nn.leaky_relu nn.relu nn.relu6 nn.selu nn.silu nn.softsign nn.dropout
    strings.as_string strings.length strings.lower strings.regex_full_match strings.regex_replace strings.strip
    strings.substr strings.to_hash_bucket strings.to_hash_bucket_fast strings.to_hash_bucket_strong strings.to_number
    strings.unicode_script strings.unicode_transcode strings.upper io.decode_base64 io.decode_compressed
    io.encode_base64 image.adjust_brightness image.adjust_gamma image.convert_image_dtype
""".split()

# ... and with two tensors, which broadcast.
BINARY = """
    math.add math.atan2 math.divide math.divide_no_nan math.equal math.floordiv math.floormod math.greater
    math.greater_equal math.less math.less_equal math.logical_and math.logical_or math.logical_xor math.maximum
    math.minimum math.mod math.multiply math.multiply_no_nan math.nextafter math.not_equal math.pow math.scalar_mul
    math.squared_difference math.subtract math.truediv math.xdivy math.xlog1py math.xlogy math.zeta math.polygamma
    truncatediv truncatemod realdiv dtypes.complex bitwise.bitwise_and bitwise.bitwise_or bitwise.bitwise_xor
    bitwise.left_shift bitwise.right_shift nn.sigmoid_cross_entropy_with_logits
""".split()

BINARY_ASSERTS = """
    debugging.assert_equal debugging.assert_greater debugging.assert_greater_equal debugging.assert_less
    debugging.assert_less_equal debugging.assert_near debugging.assert_none_equal
""".split()


class Api:
    """A public function and what is called instead of it for some types of arguments.

    Attributes:
      function: the function over tensors. replacement: what stands in the namespaces instead.
      kind: "unary", "binary", "binary_assert" or None.
      handlers: pairs of a test of the bound arguments and the function to call; asked from the last to the first.
    """

    def __init__(self, function: Callable, kind: str | None):
        self.function, self.kind = function, kind
        self.replacement: Callable = function
        self.handlers: list[tuple[Callable[[dict], bool], Callable]] = []
        self._signature: inspect.Signature | None = None

    @property
    def signature(self) -> inspect.Signature:
        """The function's signature."""
        if self._signature is None:
            self._signature = inspect.signature(self.function)
        return self._signature

    def call(self, args: tuple, kwargs: dict) -> Any:
        """Calls the handler for the arguments, or else the function itself."""
        try:
            bound = self.signature.bind(*args, **kwargs).arguments
        except TypeError:
            return self.function(*args, **kwargs)
        for test, handler in reversed(self.handlers):
            if test(bound):
                return handler(*args, **kwargs)
        return self.function(*args, **kwargs)


def needs_dispatch(values: Iterable[Any]) -> bool:
    """Whether an argument is neither a tensor nor a plain Python value: composites, or users' types."""
    for value in values:
        kind = type(value)
        if kind in _PLAIN:
            continue
        if kind is list or kind is tuple:
            if needs_dispatch(value):
                return True
        elif (
            getattr(kind, "_expands_to_components", False)
            or kind in _user_types
            or kind.__name__ in _VALUE_TYPES
        ):
            return True
    return False


# NumPy forms of ragged and sparse tensors count as these, and so do the shapes of ragged tensors.
_VALUE_TYPES = frozenset(("RaggedTensorValue", "DynamicRaggedShape"))
_user_types: set[type] = set()
_apis: dict[Callable, Api] = {}  # by the function, and by its replacement in the namespaces


def dispatchable(function: Callable, kind: str | None = None) -> Callable:
    """The function that stands for `function` in the namespaces."""
    known = _apis.get(function)
    if known is not None:
        known.kind = known.kind or kind
        return known.replacement
    api = Api(function, kind)

    def call(*args: Any, **kwargs: Any) -> Any:
        if needs_dispatch(args) or (kwargs and needs_dispatch(kwargs.values())):
            return api.call(args, kwargs)
        return function(*args, **kwargs)

    api.replacement = make_decorator(function, call)
    _apis[function] = _apis[api.replacement] = api
    return api.replacement


def place_replacements() -> None:
    """Puts the dispatching functions into the namespaces, under all names of those that they stand for."""
    place({api.function: api.replacement for api in _apis.values()})


def place(replacements: Mapping[Callable, Callable]) -> None:
    """Puts functions into the namespaces, under all names of those that they stand for."""
    stands_for = {id(function): replacement for function, replacement in replacements.items()}
    for version, prefix in (("v2", ""), ("v1", "compat.v1")):
        for name, thing in EXPORTS[version].items():
            replacement = stands_for.get(id(thing))
            if replacement is None:
                continue
            EXPORTS[version][name] = replacement
            parent, _, leaf = f"{prefix}.{name}".strip(".").rpartition(".")
            module = sys.modules.get(f"penstock.{parent}".rstrip("."))
            if module is not None and getattr(module, leaf, None) is thing:
                setattr(module, leaf, replacement)


def public(name: str) -> list[Callable]:
    """The functions with a public name, in either version of the interface."""
    found = [EXPORTS[version].get(name) for version in ("v2", "v1")]
    return list({id(each): each for each in found if each is not None}.values())


def handle(
    name: str, test: Callable[[dict], bool], handler: Callable[[Api], Callable], kind: str | None = None
) -> None:
    """Registers a handler for a public name; without effect where there is no such function.

    The namespaces change with the next `place_replacements`.
    """
    for function in public(name):
        api = _apis[dispatchable(function, kind)]
        api.handlers.append((test, handler(api)))


# What programs call.


def _api_of(function: Callable) -> Api:
    found = _apis.get(function)
    if found is not None:
        return found
    if not any(thing is function for names in EXPORTS.values() for thing in names.values()):
        raise ValueError(f"{function} does not support dispatch.")
    replacement = dispatchable(function)
    place_replacements()
    return _apis[replacement]


def _matches(value: Any, annotation: Any) -> bool:
    """Whether a value is of an annotated type: classes, unions, lists and tuples of them."""
    origin = typing.get_origin(annotation)
    if origin is None:
        return isinstance(annotation, type) and isinstance(value, annotation)
    parts = typing.get_args(annotation)
    if origin is typing.Union or origin is types.UnionType:
        return any(_matches(value, part) for part in parts)
    if origin is list:
        return isinstance(value, list) and all(_matches(each, parts[0]) for each in value)
    if origin is tuple:
        if len(parts) == 2 and parts[1] is Ellipsis:
            return isinstance(value, tuple) and all(_matches(each, parts[0]) for each in value)
        return isinstance(value, tuple) and len(value) == len(parts) and all(map(_matches, value, parts))
    return False


def _note_types(annotation: Any) -> None:
    if isinstance(annotation, type):
        _user_types.add(annotation)
        subclasses: list[type] = annotation.__subclasses__()
        for subclass in subclasses:
            _note_types(subclass)
    for part in typing.get_args(annotation):
        _note_types(part)


@export("experimental.dispatch_for_api")
def dispatch_for_api(api: Callable, *signatures: dict) -> Callable:
    """A decorator: its function is called instead of `api` for arguments of given types.

    Args:
      api: a public function.
      *signatures: dictionaries from parameter names (or positions) to types; by default the decorated function's
        annotations.

    Raises:
      ValueError: `api` is no public function, or the decorated function has other parameters (it may lack `name`).

    Example:
      >>> import penstock as tf
      >>> class Money(tf.experimental.ExtensionType):
      ...     amount: tf.Tensor
      >>> @tf.experimental.dispatch_for_api(tf.add)
      ... def add_money(x: Money, y: Money, name=None):
      ...     return Money(x.amount + y.amount)
      >>> tf.add(Money(1.0), Money(2.0)).amount.numpy()
      np.float32(3.0)
    """
    entry = _api_of(api)
    names = list(entry.signature.parameters)

    def decorate(function: Callable) -> Callable:
        handler, parameters = function, list(inspect.signature(function).parameters)
        if parameters == [name for name in names if name != "name"]:
            handler = _without_name(entry, function)
        elif parameters != names:
            raise ValueError(
                f"Dispatch function's signature {inspect.signature(function)} does not match API's signature "
                f"{entry.signature}."
            )
        wanted = list(signatures) or [_annotations(function)]
        if not all(wanted):
            raise ValueError("must be called with at least one type annotation")
        for signature in wanted:
            by_name = {names[key] if isinstance(key, int) else key: kind for key, kind in signature.items()}
            for kind in by_name.values():
                _note_types(kind)
            entry.handlers.append((_test_of(by_name), handler))
        return function

    return decorate


def _without_name(entry: Api, function: Callable) -> Callable:
    """A handler without the parameter `name`: it is called in a name scope instead."""

    def call(*args: Any, **kwargs: Any) -> Any:
        bound = entry.signature.bind(*args, **kwargs)
        name = bound.arguments.pop("name", None)
        with thread.graph.name_scope(name) if name and thread.graph is not None else contextlib.nullcontext():
            return function(**bound.arguments)

    call._dispatch_target = function  # type: ignore[attr-defined]
    return call


def _annotations(function: Callable) -> dict[str, Any]:
    return {name: kind for name, kind in typing.get_type_hints(function).items() if name != "return"}


def _test_of(types_of: dict[str, Any]) -> Callable[[dict], bool]:
    return lambda bound: all(name in bound and _matches(bound[name], kind) for name, kind in types_of.items())


@export("experimental.unregister_dispatch_for")
def unregister_dispatch_for(dispatch_target: Callable) -> None:
    """Forgets a function that was registered for dispatch.

    Raises:
      ValueError: it was not.
    """
    found = False
    for entry in set(_apis.values()):
        kept = [
            pair
            for pair in entry.handlers
            if getattr(pair[1], "_dispatch_target", pair[1]) is not dispatch_target
        ]
        found = found or len(kept) != len(entry.handlers)
        entry.handlers[:] = kept
    if not found:
        raise ValueError(f"Function {dispatch_target} was not registered.")


def _elementwise(kind: str, wanted: tuple[Any, ...]) -> Callable:
    """A decorator for `handler(api, *tensors)` that serves all functions of a kind for some types."""
    for each in wanted:
        _note_types(each)

    def decorate(handler: Callable) -> Callable:
        for entry in set(_apis.values()):
            if entry.kind == kind:
                names = list(entry.signature.parameters)[: len(wanted)]
                entry.handlers.append(
                    (_test_of(dict(zip(names, wanted))), _call_with_api(entry, names, handler))
                )
        return handler

    return decorate


def _call_with_api(entry: Api, names: list[str], handler: Callable) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = entry.signature.bind(*args, **kwargs).arguments
        tensors = [bound.pop(name) for name in names]
        rest = {name: value for name, value in bound.items() if name != "name"}

        def api(*values: Any) -> Any:
            return entry.replacement(*values, **rest)

        return handler(api if rest else entry.replacement, *tensors)

    call._dispatch_target = handler  # type: ignore[attr-defined]
    return call


@export("experimental.dispatch_for_unary_elementwise_apis")
def dispatch_for_unary_elementwise_apis(x_type: Any) -> Callable:
    """A decorator: `handler(api, x)` is called for every unary elementwise function of an `x` of a type."""
    return _elementwise("unary", (x_type,))


@export("experimental.dispatch_for_binary_elementwise_apis")
def dispatch_for_binary_elementwise_apis(x_type: Any, y_type: Any) -> Callable:
    """A decorator: `handler(api, x, y)` is called for every binary elementwise function of arguments of two types."""
    return _elementwise("binary", (x_type, y_type))


@export("experimental.dispatch_for_binary_elementwise_assert_apis")
def dispatch_for_binary_elementwise_assert_apis(x_type: Any, y_type: Any) -> Callable:
    """A decorator: `handler(api, x, y)` is called for every binary elementwise assertion about two types."""
    return _elementwise("binary_assert", (x_type, y_type))
