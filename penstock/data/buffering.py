"""Elements kept or computed ahead: the cache in memory, and prefetch."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from typing import Any

from penstock.data.ahead import Ahead
from penstock.data.dataset import AUTOTUNE, Dataset, count_of
from penstock.data.iteration import Iteration

# Where elements take at least this long (seconds) to make and to use, a thread computes ahead.
_WORTH_A_THREAD = 200e-6
_IN_A_ROW = 5  # elements after which that is believed


class _Memory:
    """What a cache holds: all elements, or None until they have been gone through once."""

    def __init__(self) -> None:
        self.rows: list | None = None
        self.lock = threading.Lock()


class Cache(Dataset):
    """The elements of the first full iteration, kept in memory."""

    def __init__(self, source: Dataset):
        super().__init__(source._element_spec, (source,))
        self._memory = _Memory()  # the planner's copies of this node share it

    def _elements(self, at: Iteration) -> Iterator[list]:
        memory = self._memory
        given, building = at.kept.get("given", 0), at.kept.get("building")
        if memory.rows is None and at.kept.get("whole") is not None:
            memory.rows = at.kept["whole"]
        at.keep(lambda: {"given": given, "building": building, "whole": None if building else memory.rows})
        if memory.rows is not None:
            building = None
        elif building is None:
            building = []
        if building is not None:
            for element in at.input():
                building.append(element)
                given += 1
                yield element
            with memory.lock:
                if memory.rows is None:
                    memory.rows = building
            return
        while given < len(memory.rows):
            given += 1
            yield memory.rows[given - 1]


class Prefetch(Dataset):
    """Elements computed ahead on a thread.

    A thread is worth its handing over (some fifty microseconds) where both sides take their time: it gains the shorter of
    the two. So elements are computed here until both turn out to be slow.
    """

    def __init__(self, source: Dataset, buffer_size: Any):
        super().__init__(source._element_spec, (source,))
        self._buffer_size = self._parameter(count_of(buffer_size, "buffer_size", least=-1))

    def _elements(self, at: Iteration) -> Iterator[list]:
        size = int(at.value(self._buffer_size))
        elements = at.input()
        ready = at.kept.get("ready", [])
        at.keep(lambda: {"ready": ready})
        while ready and size == 0:
            yield ready.pop(0)
        if size == 0:
            yield from elements
            return
        if not ready:
            slow = yield from _until_slow(elements)
            if not slow:
                return
        ahead = Ahead(elements, None if size == AUTOTUNE else size, ready, at.inputs[0].close)
        at.keep(lambda: {"ready": ahead.ready}, ahead.still)
        try:
            for element in ahead:
                at.waited = ahead.waited
                if size == AUTOTUNE:
                    at.tuned["buffer_size"] = ahead.size
                yield element
        finally:
            ahead.close()

    def _describe(self) -> str:
        return "buffer_size=AUTOTUNE" if self._buffer_size == AUTOTUNE else f"buffer_size={self._buffer_size}"


def _until_slow(elements: Iterator[list]) -> Generator[list, None, bool]:
    """Gives elements until a thread that computes ahead would be worth it; returns whether there are more."""
    now, slow = time.perf_counter, 0
    started = now()
    for element in elements:
        computed = now()
        yield element
        used = now()
        slow = slow + 1 if min(computed - started, used - computed) > _WORTH_A_THREAD else 0
        started = used
        if slow == _IN_A_ROW:
            return True
    return False
