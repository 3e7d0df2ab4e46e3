"""`contrib.framework.arg_scope`: default arguments for functions that are called inside a `with` block."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from penstock.engine.context import process
from penstock.engine.export import export

# A scope maps the key of a function to the arguments that it takes there.
Scope = dict[tuple[str, str], dict[str, Any]]


def _names(name: str) -> list[str]:
    return [
        f"contrib.framework.{name}",
        f"contrib.slim.{name}",
        f"contrib.framework.python.ops.{name}",
        f"contrib.framework.python.ops.arg_scope.{name}",
    ]


def _stack() -> list[Scope]:
    return process.registry.setdefault("arg_scopes", [{}])


def _key(function: Callable) -> tuple[str, str]:
    return getattr(function, "_key_op", (function.__module__, function.__name__))


@export(v1=_names("current_arg_scope"))
def current_arg_scope() -> Scope:
    """The default arguments that hold now."""
    return _stack()[-1]


@export(v1=_names("has_arg_scope"))
def has_arg_scope(func: Callable) -> bool:
    """Whether a function takes arguments from scopes: whether `add_arg_scope` decorates it."""
    return hasattr(func, "_key_op")


@export(v1=_names("arg_scoped_arguments"))
def arg_scoped_arguments(func: Callable) -> tuple[str, ...]:
    """The arguments of a function that scopes may set: those with a default.

    Raises:
      ValueError: the function is not decorated by `add_arg_scope`.
    """
    if not has_arg_scope(func):
        raise ValueError(f"{func} is not decorated with @add_arg_scope")
    parameters = inspect.signature(func).parameters.values()
    return tuple(each.name for each in parameters if each.default is not each.empty)


@export(v1=_names("add_arg_scope"))
def add_arg_scope(func: Callable) -> Callable:
    """Decorates a function that takes default arguments from `arg_scope`."""

    @functools.wraps(func)
    def with_defaults(*args: Any, **kwargs: Any) -> Any:
        defaults = current_arg_scope().get(with_defaults._key_op)  # type: ignore[attr-defined]
        return func(*args, **{**defaults, **kwargs}) if defaults else func(*args, **kwargs)

    with_defaults._key_op = (func.__module__, func.__name__)  # type: ignore[attr-defined]
    return with_defaults


@export(v1=_names("arg_scope"))
@contextlib.contextmanager
def arg_scope(list_ops_or_scope: Any, **kwargs: Any) -> Iterator[Scope]:
    """Sets default arguments of functions inside.

    Args:
      list_ops_or_scope: the functions, decorated by `add_arg_scope`; or a scope to enter again, without arguments.
      **kwargs: the arguments that they take where a call does not give them.

    Yields:
      The scope, which may be entered again.

    Raises:
      ValueError: a function does not take arguments from scopes, or a scope is given with arguments.

    Example:
      >>> import penstock as tf
      >>> slim = tf.compat.v1.contrib.slim
      >>> with tf.Graph().as_default(), slim.arg_scope([slim.conv2d], padding="VALID", activation_fn=None):
      ...     slim.conv2d(tf.ones([1, 5, 5, 2]), 3, [3, 3]).shape.as_list()
      [1, 3, 3, 3]
    """
    if isinstance(list_ops_or_scope, dict):
        if kwargs:
            raise ValueError(
                "When attempting to re-use a scope by suppling a dictionary, kwargs must be empty."
            )
        new = dict(list_ops_or_scope)
    else:
        if not isinstance(list_ops_or_scope, (list, tuple, set)):
            raise TypeError(
                f"list_ops_or_scope must either be a list/tuple or reused scope (i.e. dict), got {list_ops_or_scope!r}"
            )
        new = dict(current_arg_scope())
        for function in list_ops_or_scope:
            if not has_arg_scope(function):
                raise ValueError(f"{_key(function)} is not decorated with @add_arg_scope")
            new[_key(function)] = {**new.get(_key(function), {}), **kwargs}
    _stack().append(new)
    try:
        yield new
    finally:
        _stack().pop()
