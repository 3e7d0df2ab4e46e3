"""Calls of a function on several threads, with the results in order; AUTOTUNE finds how many threads are worth it."""

from __future__ import annotations

import collections
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from penstock.data.iteration import Iteration
from penstock.ops.random_stream import carried

# AUTOTUNE: calls that take at least this long (seconds) are worth handing to other threads.
_WORTH_A_THREAD = 400e-6
_TUNING_CALLS = 16
_MOST_CALLS = 8 * (os.cpu_count() or 1)


class Tuner:
    """How many calls to keep under way, found by trying: more, while the consumer waits and more made it faster.

    Attributes:
      calls: how many.
    """

    _WINDOW = 24  # elements between two decisions
    _GAIN = 1.05

    def __init__(self) -> None:
        self.calls = 2
        self._settled = False
        self._elements = self._waits = 0
        self._started = time.perf_counter()
        self._rate = 0.0

    def gave(self, waited: bool) -> None:
        """Notes that the consumer got an element, and whether it had to wait."""
        if self._settled:
            return
        self._elements += 1
        self._waits += waited
        if self._elements < self._WINDOW:
            return
        now = time.perf_counter()
        rate = self._elements / (now - self._started)
        if rate < self._rate * self._GAIN:
            self.calls, self._settled = self.calls // 2, True
        elif self._waits * 4 < self._elements or self.calls >= _MOST_CALLS:
            self._settled = True
        else:
            self.calls, self._rate = self.calls * 2, rate
        self._elements = self._waits = 0
        self._started = now


class Calls:
    """The results of `call(*prepare(element))` for every element, several calls at once.

    Args:
      at: the position of the node that calls.
      prepare: runs here, in order (where the random numbers of a call are drawn). call: runs on any thread.
      workers: how many calls at once; None to find out.
      ordered: whether results come in the order of the elements.
    """

    def __init__(self, at: Iteration, prepare: Callable, call: Callable, workers: int | None, ordered: bool):
        self._at, self._prepare, self._call = at, prepare, call
        self._workers, self._ordered = workers, ordered
        self._running: collections.deque[tuple[Any, Future]] = collections.deque()
        self._done: list = at.kept.get(
            "done", []
        )  # results of an earlier iterator, or what it did not finish
        at.keep(self._describe)

    def _describe(self) -> dict:
        done = list(self._done)
        for prepared, future in self._running:
            if future.exception() is None:
                done.append({"result": future.result()})
            else:
                done.append({"again": prepared})  # it fails again, when its turn comes
        return {"done": done}

    def results(self, elements: Iterator[list]) -> Iterator[list]:
        """The results."""
        call, prepare = self._call, self._prepare
        while self._done:
            entry = self._done.pop(0)
            yield entry["result"] if "result" in entry else call(entry["again"])
        if self._workers is None:
            times = []
            for _ in range(_TUNING_CALLS):
                element = next(elements, None)
                if element is None:
                    return
                started = time.perf_counter()
                result = call(prepare(element))
                times.append(time.perf_counter() - started)
                yield result
            # The first call pays for what is made once, so the median tells.
            if statistics.median(times) < _WORTH_A_THREAD:
                for element in elements:
                    yield call(prepare(element))
                return
        yield from self._on_threads(elements)

    def _on_threads(self, elements: Iterator[list]) -> Iterator[list]:
        tuner = Tuner() if self._workers is None else None
        pool = ThreadPoolExecutor(self._workers or _MOST_CALLS, thread_name_prefix="tf_data_map")
        call = carried(self._call)
        more = True
        try:
            while more or self._running:
                limit = tuner.calls if tuner else (self._workers or 1) * 2
                while more and len(self._running) < limit:
                    element = next(elements, None)
                    if element is None:
                        more = False
                    else:
                        prepared = self._prepare(element)
                        self._running.append((prepared, pool.submit(call, prepared)))
                if self._running:
                    yield self._next(tuner)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _next(self, tuner: Tuner | None) -> list:
        chosen = 0
        if not self._ordered:
            chosen = next((i for i, (_, each) in enumerate(self._running) if each.done()), 0)
        future = self._running[chosen][1]
        del self._running[chosen]
        waits = not future.done()
        if waits:
            started = time.perf_counter()
            future.exception()
            self._at.waited += time.perf_counter() - started
        if tuner is not None:
            tuner.gave(waits)
        return future.result()
