"""Elements kept or computed ahead: the cache in memory, and prefetch."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

from penstock.data.ahead import Ahead
from penstock.data.dataset import AUTOTUNE, Dataset, count_of
from penstock.data.iteration import Iteration

# AUTOTUNE: elements that take at least this long (seconds) are worth a thread that computes ahead.
_WORTH_A_THREAD = 200e-6
_TUNING_ELEMENTS = 8


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
    """Elements computed ahead on a thread."""

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
        if size == AUTOTUNE and not ready:
            slow = yield from _first(elements)
            if slow is None:
                return
            if not slow:
                yield from elements
                return
        ahead = Ahead(elements, None if size == AUTOTUNE else size, ready, at.inputs[0].close)
        at.keep(lambda: {"ready": ahead.ready}, ahead.still)
        try:
            for element in ahead:
                at.waited = ahead.waited
                yield element
        finally:
            ahead.close()

    def _describe(self) -> str:
        return "buffer_size=AUTOTUNE" if self._buffer_size == AUTOTUNE else f"buffer_size={self._buffer_size}"


def _first(elements: Iterator[list]) -> Any:
    """Gives the first elements; returns whether they were slow enough to be worth a thread, None where all is given."""
    times = []
    for _ in range(_TUNING_ELEMENTS):
        started = time.perf_counter()
        element = next(elements, None)
        times.append(time.perf_counter() - started)
        if element is None:
            return None
        yield element
    return statistics.median(times) >= _WORTH_A_THREAD  # the first elements pay for what is made once
