"""What other layers do in converted code for their types: `for x in dataset`, `len(dataset)`.

Overloads are registered by name, `"module:function"`, and imported when they are first used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

FOR = "for"

# A builtin, or FOR -> [(type of what it is applied to, name of the overload)].
_registered: dict[Any, list[tuple[type, str]]] = {}


def register(what: Any, kind: type, overload: str) -> None:
    """Makes a builtin, or `FOR` loops, run an overload where what they are applied to is a `kind`.

    Args:
      what: the builtin, or `FOR`.
      kind: the class; one that is registered later goes before its base classes.
      overload: the name of a function with the arguments of the builtin, or of `for_loops.for_stmt`.
    """
    _registered.setdefault(what, []).insert(0, (kind, overload))


def find(what: Any, *values: Any) -> Callable | None:
    """The overload that all of `values` have in common; None where there is none."""
    table = _registered.get(what, ())
    names = {next((name for kind, name in table if isinstance(value, kind)), None) for value in values}
    name = names.pop() if len(names) == 1 else None
    if name is None:
        return None
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)
