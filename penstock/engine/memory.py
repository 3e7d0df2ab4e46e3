"""How malloc treats large blocks: what XLA's temporary buffers need on a CPU.

glibc maps each large block afresh and unmaps it when it is freed; so it does with what does not fit into the heap of
64 MB that every thread has for itself. XLA allocates its buffers at each call, from several threads, so that a training
step spent more time in page faults than in arithmetic. Instead there is one heap, and what is freed in it is kept and
used again.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from typing import Any

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8

_KEEPING = (
    (_M_MMAP_MAX, 0),  # no block gets a mapping of its own
    (_M_TRIM_THRESHOLD, 2**31 - 1),  # what is free at the end of the heap goes back from 2 GB on
    (_M_TOP_PAD, 64 * 2**20),  # the heap grows by large steps
)


def share_one_heap() -> bool:
    """Lets threads that start from now on allocate from the main heap; returns whether it did.

    This is called when Penstock is imported: a heap that a thread has got stays, and is given to others too.
    """
    return _set(((_M_ARENA_MAX, 1),))


# What is free for small blocks from the start, or they would be cut out of the large ones that were freed.
_FOR_SMALL_BLOCKS = 128 * 2**20


def keep_freed_memory() -> bool:
    """Keeps large blocks that are freed, for this process; returns whether it did."""
    if not _set(_KEEPING):
        return False
    libc = _libc()
    free = libc.malloc(_FOR_SMALL_BLOCKS)
    libc.malloc(64)  # the end: what follows is not joined with it
    libc.free(free)
    return True


class _Mallinfo(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


def bytes_in_use() -> int:
    """What malloc has given out, in a few microseconds; 0 where its library does not say."""
    read = _mallinfo()
    if read is None:
        return 0
    found = read()
    return found.uordblks + found.hblkhd


@functools.cache
def _mallinfo() -> Any:
    try:
        function = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return None
    function.restype, function.argtypes = _Mallinfo, []
    return function


# Around an aligned block malloc cuts off as much, at most; then it is free, too.
_CUT_OFF = 256


def place_of_next(size: int, place: int) -> int:
    """Where malloc is about to put a block of `size` bytes; 0 where that is not Penstock's to ask.

    If that is far from `place`, where the last one was, all pages of free memory go back to the system first, those of the
    old place among them. malloc does not always use a large block that was freed for the next one: it cuts some bytes off both
    ends to align it, and where small blocks got those, the rest is too short. Then both would stay in memory.
    """
    libc = _libc()
    if libc is None:
        return 0
    found = libc.malloc(size + _CUT_OFF)
    libc.free(found)
    if found is not None and abs(found - place) > size // 16:
        libc.malloc_trim(0)
    return found or 0


@functools.cache
def _libc() -> Any:
    if not _may_set():
        return None
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.malloc_trim.argtypes = [ctypes.c_size_t]
    return libc


def _may_set() -> bool:
    """Whether malloc is glibc's, and the user has not chosen how it works.

    That choice is a variable `MALLOC_...` (such as `MALLOC_TRIM_THRESHOLD_`), or `PENSTOCK_MALLOC=0`.
    """
    if os.environ.get("PENSTOCK_MALLOC") == "0" or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        return sys.platform == "linux" and bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (AttributeError, OSError, ValueError):  # another libc
        return False


def _set(settings: tuple[tuple[int, int], ...]) -> bool:
    """Sets malloc so, where it may be set."""
    if not _may_set():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    done = [mallopt(name, value) for name, value in settings]
    return all(each == 1 for each in done)
