"""Calls of a function on several threads, with the results in order; AUTOTUNE finds how many threads are worth it."""

from __future__ import annotations

import collections
import itertools
import os
import statistics
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from penstock.data.dataset import AUTOTUNE
from penstock.data.iteration import Iteration
from penstock.ops.random.stream import carried

# AUTOTUNE: calls that take at least this long (seconds) are worth handing to other threads, a few at a time.
_WORTH_A_THREAD = 100e-6
_TUNING_CALLS = 16
_FEW_AT_A_TIME = 6e-3  # seconds of work that a thread gets at once
_MOST_TOGETHER = 16  # elements
_UNNOTICED, _MOST_HERE = 1e-3, 64  # the same for calls on the consumer's thread: seconds, elements
_MOST_CALLS = 8 * (os.cpu_count() or 1)


class Parallelism(NamedTuple):
    """How many calls may be under way at once.

    Attributes:
      calls: how many; None to find out. first: how many to try first. least, most: the bounds. threads: the most threads.
    """

    calls: int | None = None
    first: int = 2
    least: int = 1
    most: int = _MOST_CALLS
    threads: int = _MOST_CALLS

    @classmethod
    def of(cls, workers: int, options: Any) -> Parallelism:
        """What `num_parallel_calls` and the options of a pipeline say."""
        tune, own = options.autotune, options.threading.private_threadpool_size or _MOST_CALLS
        threads = own if own > 0 else _MOST_CALLS
        if workers != AUTOTUNE:
            return cls(workers or 1, threads=min(workers or 1, threads))
        if tune.enabled is False:
            cores = os.cpu_count() or 1
            return cls(cores, threads=min(cores, threads))
        most = max(1, min(tune.cpu_budget or _MOST_CALLS, _MOST_CALLS))
        least = max(1, min(tune.min_parallelism or 1, most))
        first = min(max(tune.initial_parallelism or 2, least), most)
        return cls(None, first, least, most, threads)


class Tuner:
    """How many calls to keep under way, found by trying: more, while the consumer waits and more made it faster.

    Attributes:
      calls: how many.
    """

    _WINDOW = 24  # elements between two decisions
    _GAIN = 1.05

    def __init__(self, parallelism: Parallelism) -> None:
        self.calls, self._least, self._most = parallelism.first, parallelism.least, parallelism.most
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
            self.calls, self._settled = max(self.calls // 2, self._least), True
        elif self._waits * 4 < self._elements or self.calls >= self._most:
            self._settled = True
        else:
            self.calls, self._rate = min(self.calls * 2, self._most), rate
        self._elements = self._waits = 0
        self._started = now


class Calls:
    """The results of `call(prepare(element))` for every element, several calls at once.

    A thread gets a few elements at a time where a call is short, because handing over costs some ten microseconds.

    Args:
      at: the position of the node that calls.
      prepare: for several elements; runs here, in order (where the random numbers of a call are drawn).
      call: for one prepared element; runs on any thread.
      several: as `call`, for several elements at once, or None. Where it fails, `call` goes through them.
      parallelism: how many calls at once.
      ordered: whether results come in the order of the elements.
    """

    def __init__(
        self,
        at: Iteration,
        prepare: Callable,
        call: Callable,
        several: Callable | None,
        parallelism: Parallelism,
        ordered: bool,
    ):
        self._at, self._prepare, self._call, self._several = at, prepare, call, several
        self._parallelism, self._ordered = parallelism, ordered
        self._running: collections.deque[_Running] = collections.deque()
        self._times: list[float] = []  # seconds that the first calls took
        self._done: collections.deque[_Outcome] = collections.deque(
            _Outcome(each["prepared"], each["result"]) for each in at.kept.get("done", ())
        )
        at.keep(self._describe)

    def _describe(self) -> dict:
        outcomes = [*self._done, *(each for running in self._running for each in running.outcomes())]
        # What failed, or had not begun when an error ended the threads, is called again, when its turn comes.
        return {"done": [{"prepared": each.prepared, "result": each.result} for each in outcomes]}

    def results(self, elements: Iterator[list]) -> Iterator[list]:
        """The results."""
        while self._done:
            yield self._take()
        if self._parallelism.calls is None:
            more = yield from self._first(elements)
            if not more:
                return
            if self._seconds() < _WORTH_A_THREAD:
                yield from self._here(elements)
                return
        yield from self._on_threads(elements)

    def _first(self, elements: Iterator[list]) -> Generator[list, None, bool]:
        """The first results, which show how long a call takes; then whether there are more elements.

        Of quick calls several are made at once, as they are from then on.
        """
        taken, together, now = _Taken(elements), 1, time.perf_counter
        while taken.more and len(self._times) < _TUNING_CALLS:
            started = now()
            few = taken.next(together)
            self._done.extend(self._outcomes(self._prepare(few)) if few else ())
            if self._several is not None and now() - started < _UNNOTICED:
                together = min(2 * together, max(_TUNING_CALLS - len(self._times), 1))
            while self._done:
                yield self._take()
        if not taken.more:
            taken.end()
        return taken.more

    def _timed(self, call: Callable, given: Any, count: int = 1) -> Any:
        """What a call for some elements gives. It is noted how long the first ones take for each element."""
        if len(self._times) >= _TUNING_CALLS:
            return call(given)
        started = time.perf_counter()
        results = call(given)
        self._times += [(time.perf_counter() - started) / count] * count
        return results

    def _seconds(self) -> float:
        """How long a call takes: the first one pays for what is made once, and others for what else the machine does."""
        return statistics.quantiles(self._times, n=4)[0]

    def _together(self) -> int:
        """How many elements a thread gets at once; one, until it is known how long a call takes."""
        if len(self._times) < _TUNING_CALLS:
            return 1
        return min(max(1, int(_FEW_AT_A_TIME / self._seconds())), _MOST_TOGETHER)

    def _here(self, elements: Iterator[list]) -> Iterator[list]:
        """The results, computed on this thread."""
        if self._several is None:
            for element in elements:
                (prepared,) = self._prepare([element])
                yield self._call(prepared)
            return
        taken, together, now = _Taken(elements), _MOST_TOGETHER, time.perf_counter
        while taken.more:
            started = now()
            few = taken.next(together)
            self._done.extend(self._outcomes(self._prepare(few)) if few else ())
            # A consumer does not notice so short a time, in which many more quick elements are taken.
            quick = now() - started < _UNNOTICED
            together = min(2 * together, _MOST_HERE) if quick else max(together // 2, _MOST_TOGETHER)
            while self._done:
                yield self._take()
        taken.end()

    def _on_threads(self, elements: Iterator[list]) -> Iterator[list]:
        asked, together = self._parallelism, self._together()
        tuner = Tuner(asked) if asked.calls is None else None
        pool = ThreadPoolExecutor(asked.threads, thread_name_prefix="tf_data_map")
        work = carried(self._outcomes)
        taken = _Taken(elements)
        try:
            while True:
                # Of short calls several wait with each thread, and it needs no more of them in reserve.
                limit = tuner.calls if tuner else asked.calls * 2 if together == 1 else asked.calls + 1
                while taken.more and len(self._running) < limit:
                    few = taken.next(together)
                    if few:
                        prepared = self._prepare(few)
                        self._running.append(_Running(pool.submit(work, prepared), prepared))
                if not self._running:
                    taken.end()
                    return
                self._wait(tuner)
                while self._done:
                    yield self._take()
                if together == 1:
                    together = self._together()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _outcomes(self, prepared: list) -> list[_Outcome]:
        if self._several is not None and len(prepared) > 1:
            try:
                return [_Outcome(None, each) for each in self._timed(self._several, prepared, len(prepared))]
            except Exception:  # one of them: which, and what it says, shows below
                pass
        return [self._timed(self._outcome, each) for each in prepared]

    def _outcome(self, prepared: Any) -> _Outcome:
        try:
            return _Outcome(None, self._call(prepared))
        except Exception as error:
            return _Outcome(prepared, None, error)

    def _wait(self, tuner: Tuner | None) -> None:
        """Takes over the results of the next thread that is done: the first, or any where the order does not matter."""
        chosen = 0
        if not self._ordered:
            chosen = next((i for i, each in enumerate(self._running) if each.future.done()), 0)
        future = self._running[chosen].future
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
            self._at.tuned["parallelism"] = tuner.calls

    def _take(self) -> list:
        outcome = self._done.popleft()
        if outcome.error is not None:
            raise outcome.error
        return self._call(outcome.prepared) if outcome.result is None else outcome.result


class _Taken:
    """Elements taken from an iterator, several at a time; an error waits until those before it have had their turn.

    Attributes:
      more: whether there may be more.
    """

    def __init__(self, elements: Iterator[list]):
        self._elements = elements
        self._error: Exception | None = None
        self.more = True

    def next(self, count: int) -> list[list]:
        """The next `count` elements, or fewer at the end."""
        taken: list[list] = []
        try:
            taken.extend(itertools.islice(self._elements, count))
        except Exception as error:
            self._error = error
        self.more = len(taken) == count and self._error is None
        return taken

    def end(self) -> None:
        """Raises the error that ended the elements, if it was one."""
        if self._error is not None:
            raise self._error


class _Running(NamedTuple):
    """Calls that a thread has, or will have."""

    future: Future
    prepared: list

    def outcomes(self) -> list[_Outcome]:
        """What they gave."""
        if self.future.cancelled():
            return [_Outcome(each, None) for each in self.prepared]
        return self.future.result()


class _Outcome:
    """What a call gave: a result or an error; neither where it has to be called again."""

    __slots__ = ("prepared", "result", "error")

    def __init__(self, prepared: Any, result: list | None, error: Exception | None = None):
        self.prepared, self.result, self.error = prepared, result, error
