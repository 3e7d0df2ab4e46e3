"""How many threads NumPy's and SciPy's products and decompositions use.

Their wheels bring OpenBLAS, whose threads wait for each other in loops that keep cores busy. For one large product of
matrices they are worth it. For everything else (many small products, a decomposition, which is a sequence of small
ones) they cost more processor time than the arithmetic, and where other threads use the cores, such as XLA's or those
of an input pipeline, a hundred times the time.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any


class _Threads:
    """The number of threads of BLAS libraries, lowered to 1 while somebody asks for that.

    Args:
      loaded: gives those that are loaded, as threadpoolctl has them.
    """

    def __init__(self, loaded: Callable[[], Sequence[Any]]):
        self._loaded = loaded
        self._libraries: Sequence[Any] = ()
        self._lock = threading.Lock()
        self._asking = 0
        self._before: list[int] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._asking:
                self._libraries = self._loaded()
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
def _libraries(with_scipy: bool) -> Sequence[Any]:
    """The BLAS libraries that are loaded: looked for once without SciPy, which brings one of its own, and once with it."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas").lib_controllers


@functools.cache
def one_thread() -> contextlib.AbstractContextManager:
    """The context in which NumPy's and SciPy's linear algebra stays on the thread that calls it.

    While one thread of the program is in it, other threads' products have one thread too.
    """
    return _Threads(lambda: _libraries("scipy.linalg" in sys.modules))


def on_one_thread(body: Callable) -> Callable:
    """A kernel's NumPy body, on the calling thread alone."""

    @functools.wraps(body)
    def call(*inputs: Any, **attrs: Any) -> Any:
        with one_thread():
            return body(*inputs, **attrs)

    return call
