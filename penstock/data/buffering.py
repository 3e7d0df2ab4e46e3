"""Elements kept or computed ahead: cache and prefetch."""

from __future__ import annotations

import itertools
import queue
import statistics
import threading
import time
from collections.abc import Iterator

from penstock.data.dataset import AUTOTUNE, Dataset
from penstock.ops.random_stream import carried

# AUTOTUNE: elements that take at least this long (seconds) are worth a thread that computes ahead.
_WORTH_A_THREAD = 200e-6
_TUNING_ELEMENTS = 8


class Cache(Dataset):
    """The elements of the first full iteration, kept in memory."""

    def __init__(self, source: Dataset):
        super().__init__(source._element_spec, (source,))
        self._kept: list | None = None
        self._lock = threading.Lock()

    def _iterate(self) -> Iterator[list]:
        if self._kept is not None:
            yield from self._kept
            return
        seen = []
        for element in self._parents[0]._iterate():
            seen.append(element)
            yield element
        with self._lock:
            if self._kept is None:
                self._kept = seen


_END = object()


class Prefetch(Dataset):
    """Elements computed ahead on a thread."""

    def __init__(self, source: Dataset, buffer_size: int):
        super().__init__(source._element_spec, (source,))
        self._buffer_size = buffer_size

    def _iterate(self) -> Iterator[list]:
        elements = self._parents[0]._iterate()
        if self._buffer_size == 0:
            return elements
        if self._buffer_size != AUTOTUNE:
            return _ahead(elements, self._buffer_size)
        return self._tuned(elements)

    @staticmethod
    def _tuned(elements: Iterator) -> Iterator[list]:
        """Inline while elements are cheap, on a thread where they are not."""
        times = []
        for _ in range(_TUNING_ELEMENTS):
            started = time.perf_counter()
            element = next(elements, _END)
            times.append(time.perf_counter() - started)
            if element is _END:
                return
            yield element
        if statistics.median(times) < _WORTH_A_THREAD:  # the first elements pay for what is made once
            yield from elements
        else:
            yield from _ahead(elements, 4)


def _ahead(elements: Iterator, size: int) -> Iterator[list]:
    """The elements, up to `size` of them computed before they are asked for."""
    ready: queue.Queue = queue.Queue(size)
    stopped = threading.Event()

    def produce() -> None:
        try:
            for element in itertools.chain(elements, [_END]):
                while not stopped.is_set():
                    try:
                        ready.put(element, timeout=0.2)
                        break
                    except queue.Full:
                        continue
                if stopped.is_set():
                    return
        except BaseException as error:  # handed to the consumer
            while not stopped.is_set():
                try:
                    ready.put(_Failed(error), timeout=0.2)
                    return
                except queue.Full:
                    continue

    threading.Thread(target=carried(produce), name="tf_data_prefetch", daemon=True).start()
    try:
        while True:
            element = ready.get()
            if element is _END:
                return
            if isinstance(element, _Failed):
                raise element.error
            yield element
    finally:
        stopped.set()


class _Failed:
    """An error on its way from the producing thread to the consumer."""

    def __init__(self, error: BaseException):
        self.error = error
