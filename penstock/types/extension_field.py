"""The fields of extension types: which annotations a field may have, and how a value is converted to fit one.

`extension_type` calls `fields_of` once for each class, and `convert` for each value of a field.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Mapping
from typing import Any, NamedTuple

from penstock.types import dtypes, nest, upcalls
from penstock.types.composite import CompositeTensor
from penstock.types.dtypes import DType
from penstock.types.immutable_dict import ImmutableDict
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.tensors import Tensor
from penstock.types.type_spec import TypeSpec

NO_DEFAULT = inspect.Parameter.empty

# Annotations whose values are what they are: `isinstance` decides, nothing is converted.
_PLAIN_TYPES = (int, float, str, bytes, bool, type(None))
# What a field, or a part of one, may hold in an AnonymousExtensionType, which has no annotations.
_ANONYMOUS_TYPES = (*_PLAIN_TYPES, DType, TensorShape, Tensor, CompositeTensor, TypeSpec)


_EMPTY_TUPLES = (tuple[()], typing.Tuple[()])  # noqa: UP006 - they are different objects


class Field(NamedTuple):
    """One annotated attribute of an extension type."""

    name: str
    annotation: Any
    default: Any = NO_DEFAULT


def fields_of(cls: Any, base: type, scope: dict[str, Any], local: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields of an extension type, those of its base classes first.

    Args:
      cls: The class.
      base: `ExtensionType`; annotations of it and of its bases are no fields.
      scope: The globals where the class is defined, in which annotations that are strings are looked up.
      local: The locals there.

    Raises:
      NameError: if an annotation names a class that is not defined yet.
      TypeError: if an annotation is of an unsupported kind.
    """
    annotations: dict[str, Any] = {}
    for ancestor in reversed(cls.__mro__[1:]):
        if issubclass(ancestor, base):
            annotations.update({field.name: field.annotation for field in ancestor._fields()})
    own = types.SimpleNamespace(__annotations__=raw_annotations(cls))
    for name, annotation in typing.get_type_hints(own, scope, {**local, cls.__name__: cls}).items():
        try:
            check_annotation(annotation)
        except TypeError as error:
            raise TypeError(f"In field {name!r}: {error}") from None
        annotations[name] = annotation
    return tuple(Field(name, hint, default_of(cls, name, base)) for name, hint in annotations.items())


def default_of(cls: type, name: str, base: type) -> Any:
    """The value that the body of `cls`, or else of a base class, gives a field; NO_DEFAULT if none does."""
    for ancestor in cls.__mro__:
        if ancestor is base:
            break
        if name in vars(ancestor):
            return vars(ancestor)[name]
    return NO_DEFAULT


def raw_annotations(cls: type) -> dict[str, Any]:
    """The annotations in the body of `cls`, strings left as they are."""
    return inspect.get_annotations(cls)


def check_annotation(annotation: Any) -> None:
    """Raises TypeError unless a field may be annotated so."""
    if annotation is None or annotation in _PLAIN_TYPES or annotation in (Tensor, TensorShape, DType):
        return
    if isinstance(annotation, type) and not typing.get_args(annotation):
        if issubclass(annotation, CompositeTensor | Tensor):
            return
        raise TypeError(f"Unsupported type annotation {annotation.__name__!r}")
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple and (args or annotation in _EMPTY_TUPLES):
        for arg in args[:1] if args[1:] == (Ellipsis,) else args:
            check_annotation(arg)
    elif (origin is collections.abc.Mapping and args) or origin in (typing.Union, types.UnionType):
        for arg in args:
            check_annotation(arg)
    else:
        raise TypeError(f"Unsupported type annotation {annotation!r}")


class _For(NamedTuple):
    """What a value is converted for: how tensors and composites must look in it."""

    name: str
    tensor: typing.Callable[[Any, str], Any]
    composite: typing.Callable[[Any, type, str], Any]


def _mismatch(path: str, expected: str, value: Any) -> TypeError:
    return TypeError(f"{path}: expected {expected}, got {type(value).__name__!r}")


def _to_tensor(value: Any, path: str) -> Any:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, TypeSpec):
        raise _mismatch(path, "a Tensor", value)
    try:
        return upcalls.convert_to_tensor(value)
    except (ValueError, TypeError):
        raise _mismatch(path, "a Tensor", value) from None


def _to_composite(value: Any, cls: type, path: str) -> Any:
    if not isinstance(value, cls):
        raise _mismatch(path, repr(cls.__name__), value)
    return value


def _to_tensor_spec(value: Any, path: str) -> Any:
    if not isinstance(value, TensorSpec):
        raise _mismatch(path, "a TensorSpec", value)
    return value


def _to_composite_spec(value: Any, cls: type, path: str) -> Any:
    if not isinstance(value, TypeSpec) or not issubclass(value.value_type, cls):
        raise _mismatch(path, f"a TypeSpec for {cls.__name__!r}", value)
    return value


FOR_VALUE = _For("value", _to_tensor, _to_composite)
FOR_SPEC = _For("spec", _to_tensor_spec, _to_composite_spec)
# A default is converted when an instance is made; until then any tensor will do.
FOR_DEFAULT = _For("default", lambda value, path: value, _to_composite)


def convert(value: Any, annotation: Any, path: str, purpose: _For) -> Any:
    """Converts the value of a field to what its annotation says.

    Args:
      value: The value.
      annotation: The annotation, which `check_annotation` accepts.
      path: The field's name, and the place inside it, for messages: `scores['a'][0]`.
      purpose: `FOR_VALUE`, `FOR_SPEC` (where TypeSpecs stand for tensors and composites) or `FOR_DEFAULT`.

    Raises:
      TypeError: if the value does not fit.
    """
    if annotation is None:
        annotation = type(None)
    if isinstance(annotation, type) and issubclass(annotation, Tensor):
        return purpose.tensor(value, path)
    if annotation in _PLAIN_TYPES:
        if not isinstance(value, annotation):
            raise _mismatch(path, repr(annotation.__name__), value)
        return value
    if annotation is TensorShape or annotation is DType:
        return _convert_shape_or_dtype(value, annotation, path)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        return _convert_tuple(value, args, path, purpose)
    if origin is collections.abc.Mapping:
        return _convert_mapping(value, args, path, purpose)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, annotation, args, path, purpose)
    return purpose.composite(value, annotation, path)


def _convert_shape_or_dtype(value: Any, annotation: Any, path: str) -> Any:
    try:
        return TensorShape(value) if annotation is TensorShape else dtypes.as_dtype(value)
    except (TypeError, ValueError):
        raise _mismatch(path, f"'tf.{annotation.__name__}'", value) from None


def _convert_tuple(value: Any, args: tuple, path: str, purpose: _For) -> tuple:
    if not isinstance(value, collections.abc.Sequence):
        raise _mismatch(path, "tuple", value)
    if args[1:] == (Ellipsis,):
        args = args[:1] * len(value)
    elif len(args) != len(value):
        raise TypeError(f"{path}: expected tuple with length {len(args)}, got one with length {len(value)}")
    return tuple(
        convert(part, arg, f"{path}[{i}]", purpose)
        for i, (part, arg) in enumerate(zip(value, args, strict=True))
    )


def _convert_mapping(value: Any, args: tuple, path: str, purpose: _For) -> ImmutableDict:
    if not isinstance(value, collections.abc.Mapping):
        raise _mismatch(path, "mapping", value)
    key_type, value_type = args
    return ImmutableDict(
        {
            convert(key, key_type, f"{path}[<key>]", purpose): convert(
                part, value_type, f"{path}[{key!r}]", purpose
            )
            for key, part in value.items()
        }
    )


def _convert_union(value: Any, annotation: Any, args: tuple, path: str, purpose: _For) -> Any:
    for arg in args:
        try:
            return convert(value, arg, path, purpose)
        except TypeError:
            continue
    raise _mismatch(path, str(annotation), value)


def convert_anonymous(value: Any) -> Any:
    """Converts a field of an extension type without annotations: containers become immutable.

    Raises:
      ValueError: if it holds anything that no annotation allows.
    """
    if isinstance(value, _ANONYMOUS_TYPES):
        return value
    if isinstance(value, tuple):
        return tuple(map(convert_anonymous, value))
    if nest.is_mapping(value):
        return ImmutableDict({convert_anonymous(key): convert_anonymous(part) for key, part in value.items()})
    raise ValueError(f"Cannot convert anonymous fields from an unsupported `value` argument: {value!r}.")
