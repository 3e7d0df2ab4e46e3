"""Calls of a function on several threads, with the results in order; AUTOTUNE finds how many threads are worth it."""

from __future__ import annotations

import collections
import itertools
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
_FEW_AT_A_TIME = 2e-3  # seconds of work that a thread gets at once
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
    """The results of `call(prepare(element))` for every element, several calls at once.

    A thread gets a few elements at a time where a call is short, because handing over costs some ten microseconds.

    Args:
      at: the position of the node that calls.
      prepare: runs here, in order (where the random numbers of a call are drawn). call: runs on any thread.
      workers: how many calls at once; None to find out.
      ordered: whether results come in the order of the elements.
    """

    def __init__(self, at: Iteration, prepare: Callable, call: Callable, workers: int | None, ordered: bool):
        self._at, self._prepare, self._call = at, prepare, call
        self._workers, self._ordered = workers, ordered
        self._running: collections.deque[Future] = collections.deque()
        self._done: collections.deque[_Outcome] = collections.deque(
            _Outcome(each["prepared"], each["result"]) for each in at.kept.get("done", ())
        )
        at.keep(self._describe)

    def _describe(self) -> dict:
        outcomes = [*self._done, *(each for future in self._running for each in future.result())]
        # What failed is called again, when its turn comes.
        return {"done": [{"prepared": each.prepared, "result": each.result} for each in outcomes]}

    def results(self, elements: Iterator[list]) -> Iterator[list]:
        """The results."""
        call, prepare = self._call, self._prepare
        while self._done:
            yield self._take()
        seconds = _FEW_AT_A_TIME
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
            seconds = statistics.median(times)  # the first call pays for what is made once
            if seconds < _WORTH_A_THREAD:
                for element in elements:
                    yield call(prepare(element))
                return
        yield from self._on_threads(elements, max(1, int(_FEW_AT_A_TIME / seconds)))

    def _on_threads(self, elements: Iterator[list], together: int) -> Iterator[list]:
        tuner = Tuner() if self._workers is None else None
        pool = ThreadPoolExecutor(self._workers or _MOST_CALLS, thread_name_prefix="tf_data_map")
        work = carried(self._several)
        more = True
        try:
            while True:
                limit = tuner.calls if tuner else (self._workers or 1) * 2
                while more and len(self._running) < limit:
                    prepared = [self._prepare(each) for each in itertools.islice(elements, together)]
                    more = len(prepared) == together
                    if prepared:
                        self._running.append(pool.submit(work, prepared))
                if not self._running:
                    return
                self._wait(tuner)
                while self._done:
                    yield self._take()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _several(self, prepared: list) -> list[_Outcome]:
        return [_outcome(self._call, each) for each in prepared]

    def _wait(self, tuner: Tuner | None) -> None:
        """Takes over the results of the next thread that is done: the first, or any where the order does not matter."""
        chosen = 0
        if not self._ordered:
            chosen = next((i for i, each in enumerate(self._running) if each.done()), 0)
        future = self._running[chosen]
        waits = not future.done()
        started = time.perf_counter()
        outcomes = future.result()
        if waits:
            self._at.waited += time.perf_counter() - started
        del self._running[chosen]
        self._done.extend(outcomes)
        if tuner is not None:
            for _ in outcomes:
                tuner.gave(waits)

    def _take(self) -> list:
        outcome = self._done.popleft()
        if outcome.error is not None:
            raise outcome.error
        return self._call(outcome.prepared) if outcome.result is None else outcome.result


class _Outcome:
    """What a call gave: a result or an error; neither where it has to be called again."""

    __slots__ = ("prepared", "result", "error")

    def __init__(self, prepared: Any, result: list | None, error: Exception | None = None):
        self.prepared, self.result, self.error = prepared, result, error


def _outcome(call: Callable, prepared: Any) -> _Outcome:
    try:
        return _Outcome(None, call(prepared))
    except Exception as error:
        return _Outcome(prepared, None, error)
