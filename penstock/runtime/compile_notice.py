"""A line on the terminal that says what is being compiled, where that takes more than a moment."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from penstock.engine.xla import compile_for

PATIENCE = 2.0  # seconds


def announced(program: Callable, describe: Callable[[], str], stream: TextIO | None = None) -> Callable:
    """The same program; its first call, which compiles it, says so on a terminal where it takes long.

    The result has `compile(*arguments)` too, for a program of `engine.xla.jit`, which does without the call and returns how
    much temporary memory that will take, in bytes.

    Args:
      program: what to call.
      describe: what it is, for people; asked only where the line is shown.
      stream: where to write; standard error where it is not given.
    """
    called = False

    def call(*arguments: Any) -> Any:
        nonlocal called
        if called:
            return program(*arguments)
        called = True
        with _notice(describe, stream):
            return program(*arguments)

    def compile(*arguments: Any) -> int:
        nonlocal called
        called = True
        with _notice(describe, stream):
            return compile_for(program, *arguments)

    call.program, call.compile = getattr(program, "program", program), compile
    return call


@contextlib.contextmanager
def _notice(describe: Callable[[], str], stream: TextIO | None) -> Iterator[None]:
    """Prints a line when what happens inside takes long."""
    out = sys.stderr if stream is None else stream
    if out is None or not out.isatty():
        yield
        return
    timer = threading.Timer(
        PATIENCE, lambda: print(f"penstock: compiling {describe()} ...", file=out, flush=True)
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
