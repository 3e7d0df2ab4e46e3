"""How closely the calls of one program follow each other, and what memory they find.

On the CPU, JAX begins a call while the one before it still runs, and takes its temporary memory at once. That saves what
little time Python needs between them, and costs the memory of two or three calls; so long calls wait for each other, and
for the memory of the call before: a thread of XLA's frees it after it says that results are there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from penstock.engine.context import process
from penstock.engine.memory import bytes_in_use, place_of_next


class Pace:
    """Of one program: how long its calls take, when the last one began, and what memory they take.

    Args:
      one_block: whether its temporary memory is one block. That of several devices is one for each, in any order.
    """

    __slots__ = (
        "_measured",
        "_shortest",
        "_started",
        "_temporary",
        "_in_use",
        "_place",
        "_calls",
        "_next_look",
        "_one_block",
    )

    _MEASURED = 3  # calls
    _LONG = 0.01  # seconds
    _MUCH = 1 << 25  # bytes of temporary memory that are worth a look
    _LONGEST = 0.2  # seconds, of waiting for memory
    _FIRST = 10  # calls, in which memory finds its place

    def __init__(self, one_block: bool = True) -> None:
        self._one_block = one_block
        self._measured, self._shortest, self._started = 0, float("inf"), 0.0
        self._temporary: int | None = None  # bytes, once the program is compiled
        self._in_use = 0  # bytes, before the last call
        self._place = 0  # of the temporary memory
        self._calls, self._next_look = 0, 0

    def before_call(self, last: Any, compile: Callable[[], int] | None) -> None:
        """Waits until the last call is done, unless calls are short, and sees that the next one finds its memory.

        Args:
          last: a value that the last call computed, or is to compute. compile: compiles the program; see
            `compile_notice.announced`.
        """
        if process.accelerator or (self._measured >= self._MEASURED and self._shortest < self._LONG):
            return
        if self._started and hasattr(last, "block_until_ready"):
            self.wait(last)
        if self._temporary is None:
            self.compile(compile or (lambda: 0))
        if (self._temporary or 0) >= self._MUCH:
            self._find_memory()

    def compile(self, compile: Callable[[], int]) -> None:
        """Compiles the program; see `before_call`."""
        self._temporary = compile()

    def note_start(self) -> None:
        """Says that a call has begun."""
        self._started = time.perf_counter()

    def wait(self, value: Any) -> None:
        """Waits for a value of the last call, and for its memory."""
        value.block_until_ready()
        self._shortest = min(self._shortest, time.perf_counter() - self._started)
        self._measured += 1
        if (self._temporary or 0) < self._MUCH:
            return
        enough = self._in_use + self._temporary // 2
        end = time.perf_counter() + self._LONGEST
        while bytes_in_use() > enough and time.perf_counter() < end:
            time.sleep(1e-4)

    def _find_memory(self) -> None:
        self._in_use = bytes_in_use()
        self._calls += 1
        if not self._one_block or self._calls < self._next_look:
            return
        place = place_of_next(self._temporary, self._place)
        if place != self._place:
            self._place = place
            # Giving memory back and getting it again takes time: what moves at each call is let go more and more seldom.
            if self._calls >= self._FIRST:
                self._next_look = 2 * self._calls
