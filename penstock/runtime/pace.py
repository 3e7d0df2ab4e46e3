"""How closely the calls of one program follow each other.

On the CPU, JAX begins a call while the one before it still runs, and takes its temporary memory at once. That saves what
little time Python needs between them, and costs the memory of two or three calls; so long calls wait for each other.
"""

from __future__ import annotations

import time
from typing import Any

from penstock.engine.context import process


class Pace:
    """Of one program: how long its calls take, and when the last one began."""

    __slots__ = ("_measured", "_shortest", "_started")

    _MEASURED = 3  # calls
    _LONG = 0.01  # seconds

    def __init__(self) -> None:
        self._measured, self._shortest, self._started = 0, float("inf"), 0.0

    def note_start(self) -> None:
        """Says that a call has begun."""
        self._started = time.perf_counter()

    def wait(self, value: Any) -> None:
        """Waits until `value`, which the last call computed, is there; not where the first calls were short."""
        if process.accelerator or (self._measured >= self._MEASURED and self._shortest < self._LONG):
            return
        if not self._started or not hasattr(value, "block_until_ready"):
            return
        waits = not value.is_ready()
        value.block_until_ready()
        taken = time.perf_counter() - self._started
        self._shortest = min(self._shortest, taken)
        self._measured += 1
        if waits and taken >= self._LONG:  # XLA frees the memory just after it says that results are there
            time.sleep(min(taken / 100, 1e-3))
