"""Copies of elements into batches by native functions, which leave other Python threads running."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.aligned import address_of, empty_at
from penstock.engine.native import host_library

_POINTER, _INT = ctypes.c_void_p, ctypes.c_long
_SIGNATURES = {
    "penstock_stack": [ctypes.POINTER(_POINTER), _INT, _INT, _POINTER],
    "penstock_copy_reversed_pixels": [_POINTER, _INT, _INT, _INT, _POINTER],
}
# Bytes of an element and of a batch that are worth it: smaller ones stay in the caches for whoever uses them.
_LARGE_ELEMENT, _LARGE_BATCH = 2**16, 2**20
_PIXEL = 12  # bytes: three float32


@functools.cache
def _function(name: str) -> Any:
    """A native function, or None where there is none."""
    found = getattr(host_library(), name, None)
    if found is not None:
        found.restype, found.argtypes = None, _SIGNATURES[name]
    return found


def stack_large(column: Sequence) -> np.ndarray | None:
    """Arrays of one shape and dtype as one array, aligned; None where they are not large, or not all contiguous and alike."""
    first = column[0]
    if not isinstance(first, np.ndarray) or first.nbytes < _LARGE_ELEMENT or first.dtype.hasobject:
        return None
    count, stack = len(column), _function("penstock_stack")
    if stack is None or count * first.nbytes < _LARGE_BATCH:
        return None
    places = (_POINTER * count)()
    for index, each in enumerate(column):
        if (
            not isinstance(each, np.ndarray)
            or each.shape != first.shape
            or each.dtype != first.dtype
            or not each.flags.c_contiguous
        ):
            return None
        places[index] = address_of(each)
    out, address = empty_at((count, *first.shape), first.dtype)
    stack(places, count, first.nbytes, address)
    return out


def copy_reversed_pixels(target: np.ndarray, source: np.ndarray) -> bool:
    """`target[...] = source` for an image [height, width, 3] of float32 whose pixels lie in reverse order in each row.

    Args:
      target: contiguous, of the same shape and dtype.

    Returns:
      False, and nothing is copied, where the image is another one or there is no native function.
    """
    if source.strides[1:] != (-_PIXEL, source.itemsize) or source.itemsize * source.shape[-1] != _PIXEL:
        return False
    copy = _function("penstock_copy_reversed_pixels")
    if source.size == 0 or not target.flags.c_contiguous or copy is None:
        return False
    rows, pixels, _ = source.shape
    copy(source.ctypes.data, rows, pixels, source.strides[0], target.ctypes.data)
    return True
