"""How many threads NumPy's products and decompositions use.

NumPy's wheels bring OpenBLAS, whose threads wait for each other in loops that keep cores busy. For one large product of
matrices they are worth it. For everything else (many small products, a decomposition, which is a sequence of small
ones) they cost more processor time than the arithmetic, and where other threads use the cores, such as XLA's or those
of an input pipeline, a hundred times the time.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


class _Threads:
    """OpenBLAS's number of threads, lowered to 1 while somebody asks for that."""

    def __init__(self, library: ctypes.CDLL):
        self._get = library.scipy_openblas_get_num_threads64_
        self._set = library.scipy_openblas_set_num_threads64_
        self._lock = threading.Lock()
        self._asking = 0
        self._before = 1

    def __enter__(self) -> None:
        with self._lock:
            if not self._asking:
                self._before = self._get()
                self._set(1)
            self._asking += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._asking -= 1
            if not self._asking:
                self._set(self._before)


@functools.cache
def one_thread() -> contextlib.AbstractContextManager:
    """The context in which NumPy's linear algebra stays on the thread that calls it.

    It does nothing where NumPy was built with another library. While one thread of the program is in it, other threads'
    products have one thread too.
    """
    for file in (Path(np.__file__).parents[1] / "numpy.libs").glob("libscipy_openblas64_*"):
        with contextlib.suppress(OSError, AttributeError):
            return _Threads(ctypes.CDLL(str(file)))
    return contextlib.nullcontext()


def on_one_thread(body: Callable) -> Callable:
    """A kernel's NumPy body, on the calling thread alone."""

    @functools.wraps(body)
    def call(*inputs: Any, **attrs: Any) -> Any:
        with one_thread():
            return body(*inputs, **attrs)

    return call
