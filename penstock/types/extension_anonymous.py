"""Extension types without a class: `AnonymousExtensionType`, `reinterpret` and `as_dict`.

A saved model may hold values of an extension type whose class the loading program does not have. They are
loaded as anonymous ones, with the same fields, and can be turned into the class once it is there.
"""

from __future__ import annotations

from typing import Any

from penstock.types.extension_field import convert_anonymous
from penstock.types.extension_type import ExtensionType, ExtensionTypeSpec, instance_of
from penstock.types.type_spec import register


class _AnonymousFields:
    """Fields that differ from instance to instance: whatever the constructor is given by name."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def _convert_fields(self) -> None:
        for name, value in self._field_values().items():
            self.__dict__[name] = convert_anonymous(value)

    def _field_values(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    def _check_mutable(self, name: str) -> None:
        raise AttributeError(f"Cannot mutate attribute `{name}` of a {type(self).__name__}.")


class AnonymousExtensionType(_AnonymousFields, ExtensionType):
    """An extension type whose fields are whatever the constructor is given.

    Args:
      **fields: Tensors, composite tensors, numbers, strings, dtypes, shapes, None, and tuples and mappings of
        them.

    Raises:
      ValueError: if a field is anything else.

    >>> from penstock.types.extension_anonymous import AnonymousExtensionType
    >>> AnonymousExtensionType(size=3, unit="m")
    AnonymousExtensionType(size=3, unit='m')
    """

    _is_base = True


@register("tf.AnonymousExtensionType.Spec")
class AnonymousExtensionTypeSpec(_AnonymousFields, ExtensionTypeSpec):
    """The TypeSpec of an AnonymousExtensionType."""

    value_type = AnonymousExtensionType


AnonymousExtensionType.Spec = AnonymousExtensionTypeSpec


def reinterpret(value: ExtensionType, new_type: type[ExtensionType]) -> ExtensionType:
    """Returns an instance of `new_type` with the fields of `value`, checked but not passed through its `__init__`.

    Args:
      value: An instance of any extension type.
      new_type: An extension type with the same field names.

    Raises:
      ValueError: if `value` is no extension type's, or a field is missing.
      TypeError: if a field does not fit its annotation in `new_type`.
    """
    if not isinstance(value, ExtensionType):
        raise ValueError(f"reinterpret expects `value` to be an ExtensionType; got {value!r}.")
    if not (isinstance(new_type, type) and issubclass(new_type, ExtensionType)):
        raise ValueError(
            f"reinterpret expects `new_type` to be a subclass of ExtensionType; got {new_type!r}."
        )
    if isinstance(value, new_type):
        return value
    result = instance_of(new_type, value._field_values())
    result._convert_fields()
    result.__validate__()
    return result


def as_dict(value: ExtensionType) -> dict[str, Any]:
    """Returns the fields of an extension type's value by name; fields that are such values stay as they are.

    >>> import penstock as tf
    >>> class Size(tf.experimental.ExtensionType):
    ...     width: int
    ...     height: int
    >>> tf.experimental.extension_type.as_dict(Size(3, 4))
    {'width': 3, 'height': 4}
    """
    return value._field_values()
