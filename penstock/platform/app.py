"""`tf.compat.v1.app.run`: calls the program's main function with what is left of the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export


def _known_flags(arguments: Sequence[str]) -> list[str]:
    """Reads the flags that are defined and returns the rest, as TensorFlow 1 does."""
    from absl import flags

    return flags.FLAGS(list(arguments), known_only=True)


@export(v1=["app.run"])
def run(main: Callable[[list[str]], Any] | None = None, argv: Sequence[str] | None = None) -> None:
    """Runs a program and ends the process with what its main function returns.

    Args:
      main: called with the program's name and the arguments that are no flags; by default the function `main` of the
        module that was started.
      argv: the command line, `sys.argv` by default.
    """
    from absl import app

    program: Callable[[list[str]], Any] = main or sys.modules["__main__"].main
    app.run(program, None if argv is None else list(argv), flags_parser=_known_flags)
