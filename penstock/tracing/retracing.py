"""Notices functions that are traced again and again, and says so: tracing costs more than most calls."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

_WINDOW = 10  # the calls that are looked at
_MANY = 5  # tracings among them
_LARGEST_NUMBER_OF_WARNINGS = 2  # for one function

_ADVICE = (
    "Tracing is expensive and the excessive number of tracings could be due to (1) creating @tf.function repeatedly in a "
    "loop: define it outside of the loop; (2) passing tensors with different shapes: @tf.function(reduce_retracing=True) "
    "traces once for all of them; (3) passing Python objects instead of tensors: pass tensors where values change."
)


class TracingHistory:
    """The last calls of a function, wherever in a program the function is made.

    Attributes:
      calls: how many there were.
    """

    __slots__ = ("calls", "_traced", "_warnings")

    def __init__(self) -> None:
        self.calls = 0
        self._traced: list[int] = []  # which of the last calls traced
        self._warnings = 0

    def note_tracing(self, function: Callable) -> None:
        """The current call has traced the function."""
        self._traced = [each for each in self._traced if self.calls - each < _WINDOW]
        self._traced.append(self.calls)
        if len(self._traced) < _MANY or self._warnings >= _LARGEST_NUMBER_OF_WARNINGS:
            return
        self._warnings += 1
        # Threads may all have called before the first of them has traced.
        calls = max(self.calls - self._traced[0] + 1, len(self._traced))
        logging.getLogger("tensorflow").warning(
            "%d out of the last %d calls to %s triggered tf.function retracing. %s",
            len(self._traced), calls, getattr(function, "stands_for", function), _ADVICE,
        )  # fmt: skip


_histories: dict[Any, TracingHistory] = {}  # by where the function is in its program


def history_of(function: Callable) -> TracingHistory:
    """The history of a Python function, or of what it `stands_for`: one for all functions made by the same lines."""
    code = getattr(getattr(function, "stands_for", function), "__code__", None)
    if code is None:
        return TracingHistory()
    return _histories.setdefault((code.co_filename, code.co_firstlineno, code.co_name), TracingHistory())
