"""`Workers`: threads that share the parts of a work. Handing one over costs a few microseconds, a tenth of what futures do."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from penstock.engine.background_threads import stop_at_exit


class Workers:
    """Threads that call functions, until `end`.

    Args:
      count: how many. name: what the names of the threads begin with.

    Example:
      >>> workers, found = Workers(2, "example"), []
      >>> workers.call([lambda: found.append(1), lambda: found.append(2)]).wait()
      >>> sorted(found)
      [1, 2]
      >>> workers.end()
    """

    def __init__(self, count: int, name: str):
        self._calls: queue.SimpleQueue = queue.SimpleQueue()
        self._count = count
        for index in range(count):
            thread = threading.Thread(target=_work, args=(self._calls,), name=f"{name}_{index}", daemon=True)
            stop_at_exit(thread, self.end)
            thread.start()

    def call(self, calls: Sequence[Callable[[], None]]) -> Parts:
        """Has functions called, each on one of the threads."""
        parts = Parts(queue.SimpleQueue(), len(calls))
        for index, each in enumerate(calls):
            self._calls.put((each, index, parts.done))
        return parts

    def end(self) -> None:
        """Ends the threads, after the calls that they are in; others that wait are never made."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._calls.get_nowait()
        for _ in range(self._count):
            self._calls.put(None)


class Parts(NamedTuple):
    """Calls that were handed to threads.

    Attributes:
      done: gets the index of each call that has ended, and its error or None. count: how many calls there are.
    """

    done: queue.SimpleQueue
    count: int

    def wait(self) -> None:
        """Waits for all calls, once; raises the error of the first of those that failed."""
        ended = [self.done.get() for _ in range(self.count)]
        failed = [each for each in ended if each[1] is not None]
        if failed:
            raise min(failed, key=lambda each: each[0])[1]


def _work(calls: queue.SimpleQueue) -> None:
    while (given := calls.get()) is not None:
        call, index, done = given
        error = None
        try:
            call()
        except BaseException as raised:
            error = raised
        done.put((index, error))
        del given, call, done, error  # a thread that waits keeps nothing alive
