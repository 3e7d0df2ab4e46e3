"""How many threads NumPy's products and decompositions use.

NumPy's wheels bring OpenBLAS, whose threads wait for each other in loops that keep cores busy. For one large product of
matrices they are worth it. For everything else (many small products, a decomposition, which is a sequence of small
ones) they cost more processor time than the arithmetic, and where other threads use the cores, such as XLA's or those
of an input pipeline, a hundred times the time.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any


class _Threads:
    """The number of threads of BLAS libraries, lowered to 1 while somebody asks for that.

    Args:
      libraries: those that are loaded, as threadpoolctl gives them.
    """

    def __init__(self, libraries: Sequence[Any]):
        self._libraries = libraries
        self._lock = threading.Lock()
        self._asking = 0
        self._before: list[int] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._asking:
                self._before = [each.get_num_threads() for each in self._libraries]
                for each in self._libraries:
                    each.set_num_threads(1)
            self._asking += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._asking -= 1
            if not self._asking:
                for each, count in zip(self._libraries, self._before, strict=True):
                    each.set_num_threads(count)


@functools.cache
def one_thread() -> contextlib.AbstractContextManager:
    """The context in which NumPy's linear algebra stays on the thread that calls it.

    While one thread of the program is in it, other threads' products have one thread too.
    """
    from threadpoolctl import ThreadpoolController

    return _Threads(ThreadpoolController().select(user_api="blas").lib_controllers)


def on_one_thread(body: Callable) -> Callable:
    """A kernel's NumPy body, on the calling thread alone."""

    @functools.wraps(body)
    def call(*inputs: Any, **attrs: Any) -> Any:
        with one_thread():
            return body(*inputs, **attrs)

    return call
