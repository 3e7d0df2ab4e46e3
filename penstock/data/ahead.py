"""`Ahead`: a thread that computes elements before they are asked for."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from penstock.engine.background_threads import stop_at_exit
from penstock.ops.random.stream import carried

_END = object()
_LARGEST_BUFFER = 512


class _Failed:
    """An error on its way from the producing thread to the consumer."""

    def __init__(self, error: BaseException):
        self.error = error


class Ahead:
    """The elements of an iterator, computed on a thread that ends with `close`, or when this object is dropped.

    Args:
      elements: the iterator.
      size: how many elements may wait; None to begin with two, and to double that where the consumer still waits.
      ready: elements that are there already.
      finish: called by the thread when it was stopped and leaves the iterator.

    Attributes:
      still: a lock; while it is held, the thread leaves the iterator alone.
      waited: seconds that the consumer has waited.
    """

    def __init__(
        self,
        elements: Iterator[Any],
        size: int | None,
        ready: list | None = None,
        finish: Callable[[], None] | None = None,
    ):
        self._shared = _Shared(elements, size or 2, collections.deque(ready or ()), finish)
        self._tuned = size is None
        self._was_full = False
        self.still = self._shared.still
        self.waited = 0.0
        thread = threading.Thread(target=carried(self._shared.produce), name="tf_data_ahead", daemon=True)
        stop_at_exit(thread, self._shared.stop)
        thread.start()

    @property
    def ready(self) -> list:
        """The elements that wait, without the end or the error behind them."""
        return [each for each in self._shared.ready if each is not _END and not isinstance(each, _Failed)]

    @property
    def size(self) -> int:
        """How many elements may wait."""
        return self._shared.size

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        shared = self._shared
        with shared.changed:
            if not shared.ready:
                self._wait()
            self._was_full = self._was_full or len(shared.ready) >= shared.size
            element = shared.ready.popleft()
            if element is _END or isinstance(element, _Failed):
                shared.ready.append(element)  # it stays the last
            shared.changed.notify()
        if element is _END:
            raise StopIteration
        if isinstance(element, _Failed):
            raise element.error
        return element

    def _wait(self) -> None:
        """Waits for an element. An empty buffer that had been full was too small: computing is fast, but not steady."""
        shared = self._shared
        if self._tuned and self._was_full and shared.size < _LARGEST_BUFFER:
            shared.size, self._was_full = shared.size * 2, False
            shared.changed.notify()
        started = time.perf_counter()
        while not shared.ready:
            shared.changed.wait()
        self.waited += time.perf_counter() - started

    def close(self) -> None:
        """Ends the thread, after the element that it computes now."""
        self._shared.stop()

    def __del__(self) -> None:
        self._shared.stop()


class _Shared:
    """What the thread and the consumer both have; the thread keeps nothing else alive."""

    def __init__(
        self, elements: Iterator[Any], size: int, ready: collections.deque, finish: Callable[[], None] | None
    ):
        self.elements, self.size, self.ready, self.finish = elements, size, ready, finish
        self.changed = threading.Condition()
        self.still = threading.Lock()
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True
        if self.changed.acquire(blocking=False):
            try:
                self.changed.notify_all()
            finally:
                self.changed.release()

    def produce(self) -> None:
        going = True
        while going:
            with self.changed:
                while len(self.ready) >= self.size and not self.stopped:
                    self.changed.wait(1.0)  # a stop that could not take the lock is seen then
            with self.still:
                if self.stopped:
                    if self.finish is not None:
                        self.finish()
                    return
                element = _next(self.elements)
                with self.changed:
                    self.ready.append(element)
                    self.changed.notify()
            going = element is not _END and not isinstance(element, _Failed)


def _next(elements: Iterator[Any]) -> Any:
    try:
        return next(elements, _END)
    except BaseException as error:
        return _Failed(error)
