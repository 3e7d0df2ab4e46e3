"""What AutoGraph says about its work: warnings always, the rest as `set_verbosity` asks.

Everything goes to the logger `tensorflow`, which programs already know how to silence.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from penstock.engine.context import process
from penstock.engine.export import export

_logger = logging.getLogger("tensorflow")
_KEY = "autograph.verbosity"  # in the process registry: (level, whether to print too)


@export("autograph.set_verbosity")
def set_verbosity(level: int, alsologtostdout: bool = False) -> None:
    """Sets how much AutoGraph tells about what it converts; takes precedence over `AUTOGRAPH_VERBOSITY`.

    Args:
      level: 0 for nothing; 1 names what is converted and the errors on the way; 2 also says why things are left
        alone; 3 shows the converted source.
      alsologtostdout: whether to print the messages too, besides logging them.

    Example:
      >>> import penstock as tf
      >>> tf.autograph.set_verbosity(0)
    """
    process.registry[_KEY] = (level, alsologtostdout)


@export("autograph.trace")
def trace(*args: Any) -> None:
    """Prints its arguments while a function is traced, wherever it stands in converted code.

    Args:
      *args: anything; tensors print as symbols, since they have no value yet.

    Example:
      >>> import penstock as tf
      >>> tf.autograph.trace("tracing", 1)
      tracing 1
    """
    print(*args)


def _setting() -> tuple[int, bool]:
    """The level in force, and whether messages are printed: interactive shells print them by default."""
    interactive = hasattr(sys, "ps1") or hasattr(sys, "ps2")
    return process.registry.get(_KEY) or (int(os.environ.get("AUTOGRAPH_VERBOSITY") or 0), interactive)


def log(level: int, message: str, *args: Any, exc_info: bool = False) -> None:
    """Logs `message % args` where the verbosity is at least `level`."""
    verbosity, to_stdout = _setting()
    if verbosity >= level:
        _logger.info(message, *args, exc_info=exc_info)
        if to_stdout:
            print(message % args)


def warning(message: str, *args: Any) -> None:
    """Warns whatever the verbosity is."""
    _logger.warning(message, *args)
    if _setting()[1]:
        print("WARNING: " + message % args, flush=True)
