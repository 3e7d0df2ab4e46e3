"""`and`, `or`, `not`, `==` and `!=`: Python's for Python values, ops where an operand is a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.tensors import is_tensor


def not_(a: Any) -> Any:
    """`not a`."""
    if not is_tensor(a):
        return not a
    return tf.logical_not(a)


def and_(a: Callable[[], Any], b: Callable[[], Any]) -> Any:
    """`a() and b()`: `b` is only evaluated where `a` is true, in a graph as in Python."""
    left = a()
    if not is_tensor(left):
        return left and b()
    return tf.cond(left, b, lambda: left)


def or_(a: Callable[[], Any], b: Callable[[], Any]) -> Any:
    """`a() or b()`: `b` is only evaluated where `a` is false."""
    left = a()
    if not is_tensor(left):
        return left or b()
    return tf.cond(left, lambda: left, b)


def eq(a: Any, b: Any) -> Any:
    """`a == b`, elementwise for tensors even where their `==` compares identity."""
    if not is_tensor(a) and not is_tensor(b):
        return a == b
    return tf.equal(a, b)


def not_eq(a: Any, b: Any) -> Any:
    """`a != b`."""
    return not_(eq(a, b))
