"""`TraceType`: what a user's own class tells `tf.function` about its objects, so that calls with equal ones share a trace."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from penstock.types.type_spec import TypeSpec


class TraceType(abc.ABC):
    """The type of an argument, as far as a trace depends on it.

    A class whose objects have a method `__tf_tracing_type__(context)` returns one from there. Calls of a `tf.function`
    whose arguments have equal types use one trace.

    Example:
      >>> import penstock as tf
      >>> class BySign(tf.types.experimental.TraceType):
      ...     def __init__(self, number):
      ...         self.number = number
      ...     def is_subtype_of(self, other):
      ...         return self == other
      ...     def most_specific_common_supertype(self, others):
      ...         return self if all(self == other for other in others) else None
      ...     def placeholder_value(self, placeholder_context=None):
      ...         return self.number
      ...     def __eq__(self, other):
      ...         return isinstance(other, BySign) and (self.number.value < 0) == (other.number.value < 0)
      ...     def __hash__(self):
      ...         return hash(self.number.value < 0)
      >>> class Number:
      ...     def __init__(self, value):
      ...         self.value = value
      ...     def __tf_tracing_type__(self, context):
      ...         return BySign(self)
      >>> sign = tf.function(lambda number: tf.constant(-1 if number.value < 0 else 1))
      >>> [int(sign(Number(value))) for value in (-3, -5, 7)], sign.experimental_get_tracing_count()
      ([-1, -1, 1], 2)
    """

    @abc.abstractmethod
    def is_subtype_of(self, other: TraceType) -> bool:
        """Whether a trace for `other` serves an argument of this type too."""

    @abc.abstractmethod
    def most_specific_common_supertype(self, others: Sequence[TraceType]) -> TraceType | None:
        """The narrowest type that this one and `others` are subtypes of; None where there is none."""

    @abc.abstractmethod
    def placeholder_value(self, placeholder_context: Any) -> Any:
        """What stands for the argument while the function is traced."""

    def to_tensors(self, value: Any) -> list[Any]:
        """The tensors in a value: inputs of the trace. None by default."""
        return []

    def from_tensors(self, tensors: Iterator[Any]) -> Any:
        """A value with tensors, pulled from an iterator, in the place of its own."""
        return self.placeholder_value(None)

    def flatten(self) -> list[Any]:
        """The specs of the tensors that `to_tensors` gives."""
        return []

    def cast(self, value: Any, cast_context: Any) -> Any:
        """`value` as one of this type."""
        return value

    @abc.abstractmethod
    def __hash__(self) -> int: ...

    @abc.abstractmethod
    def __eq__(self, other: object) -> bool: ...


TraceType.register(TypeSpec)  # type: ignore[type-abstract]  # a spec says the same of tensors and composites


@runtime_checkable
class SupportsTracingProtocol(Protocol):
    """Objects that tell `tf.function` their `TraceType`."""

    def __tf_tracing_type__(self, context: Any) -> TraceType:
        """The type that decides which trace serves this object."""


def tracing_type_of(value: Any) -> TraceType | None:
    """What an object says of itself; None where it says nothing."""
    say = getattr(type(value), "__tf_tracing_type__", None)
    return None if say is None else say(value, None)
