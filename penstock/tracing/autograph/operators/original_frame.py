"""`super()`, `eval`, `locals` and `globals`, which act on the frame that they are called from.

Converted code calls them through `converted_call`, so that they are given the frame of the converted function.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def _frame(scope: Any, innermost: bool = True) -> FrameType:
    """The frame that has `scope`, the function scope of the caller, as a local variable.

    The blocks of a converted function are functions too: the innermost frame sees the variables where the call
    stands, the outermost is that of the function itself.
    """
    frame: FrameType | None = sys._getframe(1)
    found = None
    while frame is not None:
        if frame.f_locals.get(scope.name) is scope:
            found = frame
            if innermost:
                break
        frame = frame.f_back
    assert found is not None, "a converted function holds its scope while it runs"
    return found


def _eval(scope: Any, args: tuple) -> Any:
    frame = _frame(scope)
    source, variables = args[0], args[1:]
    if not variables:
        variables = (frame.f_globals, frame.f_locals)
    return eval(source, *variables)


def _super(scope: Any, args: tuple) -> Any:
    if args:
        return super(*args)
    frame = _frame(scope, innermost=False)
    itself = frame.f_locals[frame.f_code.co_varnames[0]]  # the first argument comes first
    return super(frame.f_locals["__class__"], itself)


# builtin -> f(scope of the caller, positional arguments)
OVERLOADS: dict[Any, Callable[[Any, tuple], Any]] = {
    eval: _eval,
    super: _super,
    locals: lambda scope, args: _frame(scope).f_locals,
    globals: lambda scope, args: _frame(scope).f_globals,
}
