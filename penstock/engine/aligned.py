"""Buffers that begin at a multiple of 64 bytes: XLA's programs take such NumPy arrays without a copy.

That is good for batches, and bad for what programs write: XLA must not write into memory of NumPy's.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import mmap
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.compiler_options import compiler_options
from penstock.engine.context import process
from penstock.engine.native import is_for_one_cpu
from penstock.engine.xla import jax, jit, jnp, wide_types

ALIGNMENT = 64

# Bytes. What is not aligned is copied at each call: a small array at once, a larger one by a thread, on which another one then
# waits to run the program.
_WORTH_ALIGNING = 1 << 16
_UNALIGNED = 16  # bytes; JAX copies what begins there
_WORTH_COMPILING = 1 << 24  # bytes; a program that copies arrays of one shape takes 10 ms to compile


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """As `numpy.empty`, aligned.

    Example:
      >>> empty((3, 5), np.float32).ctypes.data % ALIGNMENT
      0
    """
    kind = np.dtype(dtype)
    return np.empty(shape, kind) if kind.hasobject else empty_at(shape, kind)[0]


def zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """As `numpy.zeros`; a large array takes no memory, and cannot be written into."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size >= _WORTH_COMPILING and not kind.hasobject and hasattr(mmap, "MAP_ANONYMOUS"):
        with contextlib.suppress(OSError, OverflowError):  # then NumPy says that there is no such memory
            pages = _ZeroPages(-1, size + ALIGNMENT, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            if hasattr(mmap, "MADV_HUGEPAGE"):
                with contextlib.suppress(OSError):
                    pages.madvise(mmap.MADV_HUGEPAGE)
            array = np.ndarray(shape, kind, pages)
            array.flags.writeable = False
            return array
    return np.zeros(shape, kind)


class _ZeroPages(mmap.mmap):
    """Memory of large zeros: the system keeps none of it for them, as nobody writes there."""


def empty_at(shape: tuple[int, ...], kind: np.dtype) -> tuple[np.ndarray, int]:
    """An aligned array of numbers, and its address."""
    buffer = np.empty(math.prod(shape) * kind.itemsize + ALIGNMENT, np.uint8)
    address = address_of(buffer)
    start = -address % ALIGNMENT
    return np.ndarray(shape, kind, buffer, start), address + start


def address_of(array: np.ndarray) -> int:
    """Where a contiguous array lies in memory."""
    try:  # NumPy's own ways to say it take three times as long
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):  # it is read-only or empty, or its dtype is none of NumPy's
        return array.ctypes.data


def copied(array: np.ndarray, dtype: Any) -> np.ndarray:
    """A copy of an array, aligned where that saves the programs that take it some time.

    Args:
      array: an array. dtype: that of the copy.
    """
    if array.nbytes < _WORTH_ALIGNING:
        return array.astype(dtype)
    copy = empty(array.shape, dtype)
    np.copyto(copy, array, casting="unsafe")
    return copy


def in_own_memory(array: np.ndarray) -> Any:
    """A JAX array with the same numbers in memory of XLA's, which programs may write into.

    The copy of a large array goes on while the caller does other things, so nobody may change `array` any more.
    """
    if type(array.base) is _ZeroPages:
        array = np.ndarray(array.shape, array.dtype, array.base, _UNALIGNED)
    elif array.ctypes.data % ALIGNMENT == 0 and not process.accelerator:
        if array.nbytes >= _WORTH_COMPILING:
            return _copying()(array)
        array = _unaligned(array)
    with wide_types():
        return jax.device_put(array)


def _unaligned(array: np.ndarray) -> np.ndarray:
    """A copy that JAX does not take as it is: to copy it again takes less time than to compile a program that copies."""
    buffer = empty((array.nbytes + _UNALIGNED,), np.uint8)
    copy = buffer[_UNALIGNED:].view(array.dtype).reshape(array.shape)
    np.copyto(copy, array)
    return copy


def first_value(value: Any) -> Any:
    """What a new variable keeps of an array: large zeros begin at once to be copied into memory of XLA's.

    Programs write there soon, as optimizers begin with such zeros, and the system takes its time for memory that is new.
    """
    if type(getattr(value, "base", None)) is not _ZeroPages:
        return value
    return in_own_memory(value) if is_for_one_cpu() and jax.local_device_count() == 1 else value


def array_behind(view: np.ndarray) -> Any | None:
    """The JAX array that a NumPy array is a view of, where nobody has it but that view; None otherwise.

    A program may write into its memory as soon as the view is gone; as long as somebody has that, JAX takes other memory.
    """
    found, references = _array_and_references(view)
    if found is None or references > _references_of_one() or found.is_deleted():
        return None
    return found if found.shape == view.shape and found.dtype == view.dtype else None


def _array_and_references(view: np.ndarray) -> tuple[Any, int]:
    """The array, and how many references there are to it, those of this function among them."""
    found = view.base.obj if type(view.base) is memoryview else None
    return (found, sys.getrefcount(found)) if isinstance(found, jax.Array) else (None, 0)


@functools.cache
def _references_of_one() -> int:
    """What `_array_and_references` counts where nobody else has the array: versions of Python differ."""
    with wide_types():
        return _array_and_references(np.asarray(jax.device_put(np.zeros(1))))[1]


@functools.cache
def _copying() -> Callable:
    return jit(lambda array: jnp.copy(array), compiler_options=compiler_options(()))
