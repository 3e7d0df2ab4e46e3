"""Reading variables that may have no value yet.

Converted loops and conditionals pass their variables through functions, so that "not assigned yet" must itself be a
value: `Undefined`, or `UndefinedReturnValue` for what the function returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Undefined:
    """A variable that was not assigned; attributes and elements of it are not assigned either."""

    __slots__ = ("symbol_name",)

    def __init__(self, symbol_name: str):
        self.symbol_name = symbol_name

    def read(self) -> Any:
        """What reading the variable in Python does."""
        raise UnboundLocalError(f"'{self.symbol_name}' is used before assignment")

    def __repr__(self) -> str:
        return self.symbol_name

    def __getattribute__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, name)
        except AttributeError:
            return self

    def __getitem__(self, index: Any) -> Undefined:
        return self


class UndefinedReturnValue:
    """What a function returns that has not met a `return` yet."""


def is_undefined(value: Any) -> bool:
    """True for None and for variables without a value."""
    return value is None or isinstance(value, (Undefined, UndefinedReturnValue))


def ld(value: Any) -> Any:
    """Reads a variable; UnboundLocalError where it was not assigned."""
    if isinstance(value, Undefined):
        return value.read()
    return value


def ldu(load: Callable[[], Any], name: str) -> Any:
    """Reads `d["a"]`, `self.x` and the like by calling `load`; `Undefined` where that does not exist."""
    try:
        return load()
    except (KeyError, AttributeError, NameError):
        return Undefined(name)
