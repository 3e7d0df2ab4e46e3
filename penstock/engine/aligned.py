"""Buffers for batches that begin at a multiple of 64 bytes: XLA's programs take such NumPy arrays without a copy."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

ALIGNMENT = 64


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """As `numpy.empty`, aligned.

    Example:
      >>> empty((3, 5), np.float32).ctypes.data % ALIGNMENT
      0
    """
    kind = np.dtype(dtype)
    return np.empty(shape, kind) if kind.hasobject else empty_at(shape, kind)[0]


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
