"""Buffers for batches that begin at a multiple of 64 bytes: XLA's programs take such NumPy arrays without a copy."""

from __future__ import annotations

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
    if kind.hasobject:
        return np.empty(shape, kind)
    size = kind.itemsize
    for dim in shape:
        size *= dim
    buffer = np.empty(size + ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT
    return buffer[start : start + size].view(kind).reshape(shape)
