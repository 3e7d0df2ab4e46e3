"""Buffers for batches that begin at a multiple of 64 bytes: XLA's programs take such NumPy arrays without a copy."""

from __future__ import annotations

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
    address = buffer.__array_interface__["data"][0]
    start = -address % ALIGNMENT
    return np.ndarray(shape, kind, buffer, start), address + start
