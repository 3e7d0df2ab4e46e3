"""`contrib.layers.utils`: sizes of dimensions that must be known, pairs of numbers, and conditions that may be known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.export import export
from penstock.ops.grouping import smart_cond as cond_where_unknown
from penstock.types.shapes import TensorShape
from penstock.v1.api import tf


def _names(name: str) -> list[str]:
    return [f"contrib.{each}.{name}" for each in ("layers.utils", "layers.python.layers.utils", "slim.utils")]


def _dimension(shape: Any, index: int, min_rank: int) -> int:
    shape = TensorShape(shape)
    if shape.rank is None:
        raise ValueError(f"dimension {index} must be known; the rank of the shape is not")
    if shape.rank < min_rank:
        raise ValueError(f"rank of shape must be at least {min_rank} not: {shape.rank}")
    size = shape.as_list()[index]
    if size is None:
        raise ValueError(f"dimension {index} of shape {shape} must be known")
    return size


@export(v1=_names("last_dimension"))
def last_dimension(shape: Any, min_rank: int = 1) -> int:
    """The size of a shape's last dimension.

    Raises:
      ValueError: it is unknown, or there are fewer than `min_rank` dimensions.

    Example:
      >>> import penstock as tf
      >>> tf.compat.v1.contrib.layers.utils.last_dimension(tf.TensorShape([None, 8, 3]))
      3
    """
    return _dimension(shape, -1, min_rank)


@export(v1=_names("first_dimension"))
def first_dimension(shape: Any, min_rank: int = 1) -> int:
    """The size of a shape's first dimension; raises as `last_dimension`."""
    return _dimension(shape, 0, min_rank)


@export(v1=_names("channel_dimension"))
def channel_dimension(shape: Any, data_format: str, min_rank: int = 1) -> int:
    """The size of the dimension of channels: the second for "NC...", else the last; raises as `last_dimension`."""
    return _dimension(shape, 1 if data_format.startswith("NC") else -1, min_rank)


@export(v1=_names("two_element_tuple"))
def two_element_tuple(int_or_tuple: Any) -> tuple[int, int]:
    """A pair: of a number twice, or of the two numbers given.

    Raises:
      ValueError: there are not one or two numbers.
    """
    if isinstance(int_or_tuple, list | tuple):
        values = tuple(int_or_tuple)
    elif isinstance(int_or_tuple, TensorShape):
        values = tuple(int_or_tuple.as_list())
    else:
        values = (int(int_or_tuple),) * 2
    if len(values) != 2:
        raise ValueError(f"Must be a list with 2 elements: {int_or_tuple}")
    return (int(values[0]), int(values[1]))


@export(v1=_names("n_positive_integers"))
def n_positive_integers(n: int, value: Any) -> tuple[int, ...]:
    """`n` positive numbers: one number repeated, or those given.

    Raises:
      TypeError: `value` is neither a number nor a sequence.
      ValueError: there are not 1 or `n` of them, or one is not positive.
    """
    given = value if isinstance(value, list | tuple) else [value]
    values = tuple(int(each) for each in given)
    if len(values) == 1:
        values *= n
    if len(values) != n or any(each <= 0 for each in values):
        raise ValueError(f"Expected 1 or {n} positive integers, got {value}")
    return values


@export(v1=_names("constant_value"))
def constant_value(value_or_tensor_or_var: Any, dtype: Any = None) -> Any:
    """The value of a number or of a tensor that is known; None otherwise.

    Raises:
      ValueError: a tensor's dtype is not `dtype`.
    """
    value = value_or_tensor_or_var
    if not tf.is_tensor(value) and not hasattr(value, "op"):
        return value
    if dtype is not None and value.dtype.base_dtype != dtype:
        raise ValueError(f"It has the wrong type {value.dtype} instead of {dtype}")
    return None if hasattr(value, "initializer") else tf.get_static_value(value)


@export(v1=_names("static_cond"))
def static_cond(pred: bool, fn1: Callable, fn2: Callable) -> Any:
    """`fn1()` or `fn2()`, by a Python boolean.

    Raises:
      TypeError: `fn1` or `fn2` cannot be called.
    """
    for name, function in (("fn1", fn1), ("fn2", fn2)):
        if not callable(function):
            raise TypeError(f"{name} must be callable.")
    return fn1() if pred else fn2()


@export(v1=_names("smart_cond"))
def smart_cond(pred: Any, fn1: Callable, fn2: Callable, name: str | None = None) -> Any:
    """`tf.cond`, or one of the functions where the condition is known."""
    return cond_where_unknown(pred, fn1, fn2, name)
