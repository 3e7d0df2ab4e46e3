"""What is scheduled and not finished: the queue between `ClusterCoordinator.schedule` and the workers' threads.

An error of a function is kept until somebody waits: then the functions that had not started are cancelled, and the error
is raised once. After that the queue is as new.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from penstock.parameter_server.remote_values import RemoteValue
from penstock.parameter_server.worker_task import OfWorker
from penstock.types import errors

MOST_WAITING = 256 * 1024  # functions in the queue; TensorFlow's number


class Closure:
    """A function to be run on some worker.

    Attributes:
      function: the `ShippedFunction`. arguments: plain values for its arguments. result: where the results go.
      iterators: keys of the per-worker iterators among the arguments.
    """

    __slots__ = ("function", "arguments", "result", "iterators")

    def __init__(self, function: Any, arguments: list[Any], result: RemoteValue):
        self.function, self.arguments, self.result = function, arguments, result
        self.iterators = [each.key for each in arguments if isinstance(each, OfWorker)]


class ClosureQueue:
    """Closures in order, those that run, and the first error.

    Args:
      most_waiting: `put` waits while there are so many. workers: how many take closures.
    """

    def __init__(self, most_waiting: int = MOST_WAITING, workers: int = 1):
        self._most_waiting, self._workers = most_waiting, workers
        self._waiting: deque[Closure] = deque()
        self._running = 0
        self._error: Exception | None = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, closure: Closure) -> None:
        """Adds a closure at the end, when there is room.

        Raises:
          what a closure before it raised. UnavailableError: no worker is left. CancelledError: the queue is closed.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._waiting) < self._most_waiting or self._error is not None or self._closed
            )
            self._raise_error()
            if self._closed:
                raise errors.CancelledError(
                    None, None, "the coordinator schedules nothing more: the program ends"
                )
            if not self._workers:
                raise errors.UnavailableError(
                    None, None, "no worker is left: all were lost and did not come back"
                )
            self._waiting.append(closure)
            self._changed.notify_all()

    def get(self, wait: bool = True) -> Closure | None:
        """The next closure, which runs from now on; None where there is none and `wait` is false, or at the end."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting or self._closed:
                return None
            self._running += 1
            closure = self._waiting.popleft()
            self._changed.notify_all()
            return closure

    def put_back(self, closure: Closure) -> None:
        """A worker was lost before it had finished: the closure is the next one again."""
        with self._changed:
            self._running -= 1
            if self._error is not None:
                closure.result._cancel()
            else:
                self._waiting.appendleft(closure)
            self._changed.notify_all()

    @property
    def has_failed(self) -> bool:
        """Whether a closure has failed, and nobody has heard of it yet: nothing is worth waiting for."""
        return self._error is not None

    def finished(self, closure: Closure) -> None:
        """A closure has its results."""
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def failed(self, closure: Closure, error: Exception) -> None:
        """A closure raised an error: those that wait are cancelled."""
        closure.result._fail(error)
        with self._changed:
            self._running -= 1
            self._error = self._error or error
            while self._waiting:
                self._waiting.popleft().result._cancel()
            self._changed.notify_all()

    def lost_worker(self, error: Exception) -> None:
        """A worker does not come back: whoever waits gets to know, for there may be no other."""
        with self._changed:
            self._workers -= 1
            self._error = self._error or error
            while self._waiting:
                self._waiting.popleft().result._cancel()
            self._changed.notify_all()

    def _raise_error(self) -> None:
        """Raises the error, when nothing runs any more, and forgets it."""
        if self._error is None:
            return
        self._changed.wait_for(lambda: self._running == 0)
        error, self._error = self._error, None
        if error is not None:
            raise error

    def join(self, seconds: float | None = None) -> bool:
        """Waits until everything is finished; False where that takes more than so many seconds.

        Raises:
          what a closure raised.
        """
        until = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            done = self._changed.wait_for(
                lambda: self._error is not None or not (self._waiting or self._running),
                None if until is None else max(0, until - time.monotonic()),
            )
            self._raise_error()
            return done

    def done(self) -> bool:
        """Whether everything is finished.

        Raises:
          what a closure raised.
        """
        with self._changed:
            self._raise_error()
            return not (self._waiting or self._running)

    def close(self) -> None:
        """Ends the threads that wait for closures."""
        with self._changed:
            self._closed = True
            while self._waiting:
                self._waiting.popleft().result._cancel()
            self._changed.notify_all()
