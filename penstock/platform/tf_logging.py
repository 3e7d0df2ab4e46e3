"""`tf.compat.v1.logging`: functions over the logger that `tf.get_logger()` returns."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

from penstock.engine.context import process
from penstock.engine.export import export
from penstock.ops.debug_settings import get_logger

__all__ = ["get_logger"]

DEBUG, INFO, WARN, ERROR, FATAL = (
    logging.DEBUG,
    logging.INFO,
    logging.WARNING,
    logging.ERROR,
    logging.CRITICAL,
)
for _name in ("DEBUG", "INFO", "WARN", "ERROR", "FATAL"):
    export(v1=[f"logging.{_name}"])(globals()[_name])


@export(v1=["logging.log"])
def log(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at a level."""
    get_logger().log(level, msg, *args, stacklevel=kwargs.pop("stacklevel", 2), **kwargs)


export(v1=["logging.vlog"])(log)
vlog = log


def _at(level: int, name: str) -> Callable[..., None]:
    def write(msg: Any, *args: Any, **kwargs: Any) -> None:
        get_logger().log(level, msg, *args, stacklevel=kwargs.pop("stacklevel", 2), **kwargs)

    write.__name__ = write.__qualname__ = name
    write.__doc__ = f"Logs `msg % args` at level {logging.getLevelName(level)}."
    return export(v1=[f"logging.{name}"])(write)


debug = _at(DEBUG, "debug")
info = _at(INFO, "info")
warn = _at(WARN, "warn")
warning = _at(WARN, "warning")
error = _at(ERROR, "error")
fatal = _at(FATAL, "fatal")


@export(v1=["logging.TaskLevelStatusMessage"])
def TaskLevelStatusMessage(msg: Any) -> None:
    """Logs an error."""
    get_logger().error(msg, stacklevel=2)


@export(v1=["logging.flush"])
def flush() -> None:
    """Hands what was logged to the operating system."""
    for handler in get_logger().handlers:
        handler.flush()


@export(v1=["logging.get_verbosity"])
def get_verbosity() -> int:
    """The level from which on messages are logged.

    Example:
      >>> import penstock as tf
      >>> tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
      >>> tf.compat.v1.logging.get_verbosity()
      40
    """
    return get_logger().getEffectiveLevel()


@export(v1=["logging.set_verbosity"])
def set_verbosity(v: int | str) -> None:
    """Sets the level from which on messages are logged."""
    get_logger().setLevel(v)


@export(v1=["logging.log_if"])
def log_if(level: int, msg: Any, condition: Any, *args: Any) -> None:
    """Logs where `condition` holds."""
    if condition:
        get_logger().log(level, msg, *args, stacklevel=2)


def _calls_from_here() -> int:
    """How often the caller's caller was at its line before."""
    frame = sys._getframe(2)
    counts = process.registry.setdefault("logging_counts", {})
    place = (frame.f_code.co_filename, frame.f_lineno)
    counts[place] = counts.get(place, -1) + 1
    return counts[place]


@export(v1=["logging.log_every_n"])
def log_every_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Logs the first, the (n + 1)st, ... of the calls from one line of the program."""
    if _calls_from_here() % n == 0:
        get_logger().log(level, msg, *args, stacklevel=2)


@export(v1=["logging.log_first_n"])
def log_first_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Logs the first `n` of the calls from one line of the program."""
    if _calls_from_here() < n:
        get_logger().log(level, msg, *args, stacklevel=2)
