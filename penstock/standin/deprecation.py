"""What programs import from `tensorflow.python.util.deprecation`: Penstock warns of no deprecated names.

The decorators leave the function as it is: what it says of its own age is in its documentation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Nothing inside warns of a deprecated name, as nothing outside does."""
    yield


def deprecated(date: str | None, instructions: str, warn_once: bool = True) -> Callable[[T], T]:
    """A decorator that gives the function or class back: nothing warns of it."""
    return lambda thing: thing


def deprecated_args(
    date: str | None, instructions: str, *deprecated_arg_names_or_tuples: Any, **kwargs: Any
) -> Callable[[T], T]:
    """A decorator that gives the function back: nothing warns of its old arguments."""
    return lambda thing: thing


def deprecated_arg_values(
    date: str | None, instructions: str, warn_once: bool = True, **deprecated_kwargs: Any
) -> Callable[[T], T]:
    """A decorator that gives the function back: nothing warns of old values of its arguments."""
    return lambda thing: thing


def deprecated_endpoints(*args: str) -> Callable[[T], T]:
    """A decorator that notes which public names of a thing are old ones."""

    def note(thing: Any) -> Any:
        thing._tf_deprecated_api_names = args
        return thing

    return note


def deprecated_alias(deprecated_name: str, name: str, func_or_class: T, warn_once: bool = True) -> T:
    """The function or class, which also has an old name."""
    return func_or_class


def deprecated_argument_lookup(new_name: str, new_value: Any, old_name: str, old_value: Any) -> Any:
    """The value of an argument that has an old name too.

    Raises:
      ValueError: both are given.
    """
    if old_value is None:
        return new_value
    if new_value is not None:
        raise ValueError(f"Cannot specify both '{old_name}' and '{new_name}'.")
    return old_value
