"""What a call of a `tf.function` looks like to its cache: tensors by dtype and shape, Python values by value."""

from __future__ import annotations

import collections
import inspect
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.resources import is_plain
from penstock.types import nest, upcalls
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec, TypeSpec
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor
from penstock.types.trace_type import tracing_type_of


class ByIdentity:
    """A key for an object that is compared by identity and not kept alive."""

    __slots__ = ("_hash", "_ref")

    def __init__(self, thing: Any):
        self._hash = id(thing)
        try:
            self._ref: Callable = weakref.ref(thing)
        except TypeError:
            self._ref = lambda: thing

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and self._ref() is not None and self._ref() is other._ref()

    @property
    def is_alive(self) -> bool:
        """Whether the object still exists."""
        return self._ref() is not None


class ByEquality:
    """A key for an object that says by `==` which others it equals, as the values of a configuration do; not kept alive."""

    __slots__ = ("_hash", "_ref")

    def __init__(self, thing: Any):
        self._hash, self._ref = hash(thing), weakref.ref(thing)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ByEquality):
            return False
        mine, others = self._ref(), other._ref()
        return mine is not None and (mine is others or others is not None and mine == others)


def _by_equality_or_identity(value: Any) -> ByEquality | ByIdentity:
    kind = type(value)
    if kind.__eq__ is object.__eq__ or hasattr(value, "handle"):
        return ByIdentity(value)
    try:
        return ByEquality(value)
    except TypeError:  # it has no hash, or cannot be referred to weakly
        return ByIdentity(value)


class TensorKey:
    """The place of a tensor in a key: its dtype and shape, which `relaxed` makes less specific."""

    __slots__ = ("dtype", "shape", "_hash")

    def __init__(self, dtype: DType, shape: tuple | None):
        self.dtype, self.shape = dtype, shape
        self._hash = hash((dtype, shape))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorKey) and self.dtype is other.dtype and self.shape == other.shape

    def __repr__(self) -> str:
        return f"{self.dtype.name}{list(self.shape) if self.shape is not None else '<unknown>'}"


_BY_VALUE = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
    type(Ellipsis),
    slice,
    DType,
    TensorShape,
    TypeSpec,
    type,
)


def encode(value: Any, leaves: list[Tensor], variables: list[Any]) -> Any:
    """The key of an argument; the tensors in it are appended to `leaves` in `nest` order, each variable to `variables`."""
    kind = type(value)
    if kind is EagerTensor:
        leaves.append(value)
        return TensorKey(
            value._dtype, value._shape_tuple if value._np is None or hasattr(value._np, "shape") else ()
        )
    if kind is SymbolicTensor:
        leaves.append(value)
        shape = value._shape
        return TensorKey(value._dtype, None if shape.rank is None else tuple(shape.as_list()))
    if kind is tuple or kind is list:
        return (kind, *(encode(each, leaves, variables) for each in value))
    if isinstance(value, dict):
        keys = _sorted_keys(value)
        return (kind, tuple(keys), *(encode(value[key], leaves, variables) for key in keys))
    if kind is np.ndarray or isinstance(value, np.generic):
        return encode(convert_to_tensor(value), leaves, variables)
    if isinstance(value, slice):
        return (slice, *(encode(part, leaves, variables) for part in (value.start, value.stop, value.step)))
    if isinstance(value, _BY_VALUE):
        return (kind, value)
    if (
        getattr(value, "_type_spec", None) is not None
        and not hasattr(value, "handle")
        and not isinstance(value, TypeSpec)
    ):
        parts = nest.flatten(value, expand_composites=True)
        return (kind, value._type_spec, *(encode(each, leaves, variables) for each in parts))
    if nest.is_nested(value):
        return (kind, *(encode(each, leaves, variables) for each in nest.flatten(value)))
    if callable(getattr(value, "__array__", None)) and not hasattr(value, "handle"):
        return encode(convert_to_tensor(value), leaves, variables)
    trace_type = tracing_type_of(value)
    if trace_type is not None:
        return (kind, trace_type, *(encode(each, leaves, variables) for each in trace_type.to_tensors(value)))
    if is_replaceable(value):
        place = next((i for i, each in enumerate(variables) if each is value), len(variables))
        if place == len(variables):
            variables.append(value)
        return (kind, value.dtype, value.shape, value.trainable, place)
    return (kind, _by_equality_or_identity(value))


def is_replaceable(value: Any) -> bool:
    """Whether a trace for this variable serves others of its shape, dtype and trainability: those that are one state here."""
    if type(value) is not upcalls.variable_class:
        return False
    handle = value.handle
    return type(handle) is EagerTensor and is_plain(handle.host())


def decode(value: Any, replacements: Any, signature: Any = None) -> Any:
    """`value` with its tensors replaced, in order, by the items of the iterator `replacements`.

    Where `signature`, a structure like `value`, has the spec of a composite, the composite is built as that spec says.
    Where tensors become specs, composites become theirs.
    """
    if isinstance(value, Tensor):
        return next(replacements)
    if isinstance(value, (np.ndarray, np.generic)):
        return next(replacements)
    if isinstance(value, slice):
        return slice(*(decode(part, replacements) for part in (value.start, value.stop, value.step)))
    if isinstance(value, _BY_VALUE):
        return value
    if isinstance(value, dict):
        specs = signature if isinstance(signature, dict) else {}
        found = {key: decode(value[key], replacements, specs.get(key)) for key in _sorted_keys(value)}
        ordered = {key: found[key] for key in value}
        if isinstance(value, collections.defaultdict):
            return type(value)(value.default_factory, ordered)
        return ordered if type(value) is dict else type(value)(ordered)
    if type(value) is tuple or type(value) is list:
        specs = list(signature) if isinstance(signature, (tuple, list)) else []
        specs.extend([None] * (len(value) - len(specs)))
        return type(value)(decode(each, replacements, spec) for each, spec in zip(value, specs))
    if getattr(value, "_type_spec", None) is not None and not hasattr(value, "handle"):
        parts = [decode(each, replacements) for each in nest.flatten(value, expand_composites=True)]
        structure = signature if isinstance(signature, TypeSpec) else value
        if parts and all(isinstance(part, TensorSpec) for part in parts):
            return structure if isinstance(structure, TypeSpec) else value._type_spec
        return nest.pack_sequence_as(structure, parts, expand_composites=True)
    if nest.is_nested(value):
        return nest.pack_sequence_as(value, [decode(each, replacements) for each in nest.flatten(value)])
    if callable(getattr(value, "__array__", None)) and not hasattr(value, "handle"):
        return next(replacements)
    trace_type = tracing_type_of(value)
    return value if trace_type is None else trace_type.from_tensors(replacements)


def _sorted_keys(value: dict) -> list:
    return sorted(value, key=lambda key: ("", key) if isinstance(key, str) else (str(type(key)), key))


def tensor_keys(key: Any) -> list[TensorKey]:
    """The TensorKeys inside a key, in order."""
    if isinstance(key, TensorKey):
        return [key]
    if isinstance(key, tuple):
        return [found for each in key for found in tensor_keys(each)]
    return []


def without_shapes(key: Any) -> Any:
    """A key that equals those of calls which differ in shapes only."""
    if isinstance(key, TensorKey):
        return key.dtype
    if isinstance(key, tuple):
        return tuple(without_shapes(each) for each in key)
    if isinstance(key, TypeSpec) and not isinstance(key, TensorSpec):
        return key if _is_opaque(key) else type(key)
    return key


def _is_opaque(spec: TypeSpec) -> bool:
    """Whether the tensors of a value say nothing of its spec, as an iterator's handle does not say its elements' shapes."""
    components = nest.flatten(spec._component_specs, expand_composites=True)
    return all(isinstance(each, TensorSpec) and not each.dtype.is_numpy_compatible for each in components)


def relaxed_shape(a: tuple | None, b: tuple | None) -> tuple | None:
    """The most specific shape that both are compatible with."""
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple(x if x == y else None for x, y in zip(a, b))


def accepts(general: tuple | None, shape: tuple | None) -> bool:
    """Whether a tensor of shape `shape` may be passed where `general` is expected."""
    if general is None:
        return True
    if shape is None or len(general) != len(shape):
        return False
    return all(want is None or want == have for want, have in zip(general, shape))


class Binder:
    """Binds calls to a Python function's parameters."""

    def __init__(self, function: Callable, is_method: bool = False):
        try:
            self.signature = inspect.signature(function)
        except (TypeError, ValueError):
            self.signature = inspect.Signature(
                [
                    inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
                    inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
                ]
            )
        parameters = list(self.signature.parameters.values())
        if is_method and parameters:
            parameters = parameters[1:]
            self.signature = self.signature.replace(parameters=parameters)
        self.names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self._simple = len(self.names) == len(parameters)

    def bind(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """(positional, keyword-only) arguments with defaults filled in.

        Raises:
          TypeError: the call does not fit the function's parameters.
        """
        if self._simple and not kwargs and len(args) == len(self.names):
            return args, kwargs
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args, bound.kwargs
