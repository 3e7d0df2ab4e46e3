"""Copies of flipped images by a native function, which leaves other Python threads running."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from penstock.engine.native import host_library

_PIXEL = 12  # bytes: three float32


@functools.cache
def _function() -> Any:
    """The native function, or None where there is none."""
    found = getattr(host_library(), "penstock_copy_reversed_pixels", None)
    if found is not None:
        found.restype = None
        found.argtypes = [ctypes.c_void_p, *[ctypes.c_long] * 3, ctypes.c_void_p]
    return found


def copy_reversed_pixels(target: np.ndarray, source: np.ndarray) -> bool:
    """`target[...] = source` for an image [height, width, 3] of float32 whose pixels lie in reverse order in each row.

    Args:
      target: contiguous, of the same shape and dtype.

    Returns:
      False, and nothing is copied, where the image is another one or there is no native function.
    """
    if source.strides[1:] != (-_PIXEL, source.itemsize) or source.itemsize * source.shape[-1] != _PIXEL:
        return False
    if source.size == 0 or not target.flags.c_contiguous or _function() is None:
        return False
    rows, pixels, _ = source.shape
    _function()(source.ctypes.data, rows, pixels, source.strides[0], target.ctypes.data)
    return True
