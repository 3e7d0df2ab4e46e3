"""How closely the calls of one program follow each other.

On the CPU, JAX begins a call while the one before it still runs, and takes its temporary memory at once. That saves what
little time Python needs between them, and costs the memory of two or three calls; so long calls wait for each other.
"""

from __future__ import annotations

import time
from typing import Any

from penstock.engine.context import process
from penstock.engine.memory import bytes_in_use


class Pace:
    """Of one program: how long its calls take, and when the last one began."""

    __slots__ = ("_measured", "_shortest", "_started", "_freed")

    _MEASURED = 3  # calls
    _LONG = 0.01  # seconds
    _MUCH = 1 << 25  # bytes

    def __init__(self) -> None:
        self._measured, self._shortest, self._started = 0, float("inf"), 0.0
        self._freed = 0  # bytes, at the end of the last call

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
        while_running = bytes_in_use() if waits else 0
        value.block_until_ready()
        taken = time.perf_counter() - self._started
        self._shortest = min(self._shortest, taken)
        self._measured += 1
        if waits and taken >= self._LONG:
            self._wait_for_memory(while_running, taken)

    def _wait_for_memory(self, while_running: int, taken: float) -> None:
        """Waits until the temporary memory is free: a thread of XLA's does that after it says that results are there."""
        # Where much comes free, or may do so, it is worth waiting for a thread that other processes keep from running.
        much = self._freed >= self._MUCH or self._measured <= self._MEASURED
        longest = min(taken / 20, 20e-3) if much else min(taken / 100, 1e-3)
        enough = max(self._freed, self._MUCH) / 2
        start, freed = time.perf_counter(), 0
        while time.perf_counter() - start < longest and freed < enough:
            time.sleep(1e-4)
            freed = while_running - bytes_in_use()
        self._freed = max(freed, 0)
