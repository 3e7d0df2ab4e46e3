"""A line on the terminal that says what is being compiled, where that takes more than a moment."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

PATIENCE = 2.0  # seconds


def announced(program: Callable, describe: Callable[[], str], stream: TextIO | None = None) -> Callable:
    """The same program; its first call, which compiles it, says so on a terminal where it takes long.

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
        out = sys.stderr if stream is None else stream
        if out is None or not out.isatty():
            return program(*arguments)
        timer = threading.Timer(
            PATIENCE, lambda: print(f"penstock: compiling {describe()} ...", file=out, flush=True)
        )
        timer.daemon = True
        timer.start()
        try:
            return program(*arguments)
        finally:
            timer.cancel()

    call.program = getattr(program, "program", program)
    return call
