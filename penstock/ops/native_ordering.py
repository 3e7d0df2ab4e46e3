"""Native functions that order and count, for kernels on the host.

Each returns None where there is none for its arrays, and the caller then uses NumPy.
"""

from __future__ import annotations

import ctypes
import functools
import math
from typing import Any

import numpy as np

from penstock.engine.aligned import address_of
from penstock.engine.native import host_functions

_LEAST = 1 << 10  # numbers; NumPy is done with fewer before a native function has been called
_MOST_LARGEST = 256  # how many of the largest numbers are kept in order

_POINTER, _LONG, _BOOL = ctypes.c_void_p, ctypes.c_long, ctypes.c_bool
_SIGNATURES: dict[str, tuple[Any, list]] = {
    "penstock_largest_rows": (None, [_POINTER, _LONG, _LONG, _LONG, _BOOL, _POINTER]),
    "penstock_few_above": (None, [_POINTER, _POINTER, _LONG, _LONG, _LONG, _POINTER]),
    "penstock_k_largest": (None, [_POINTER, _LONG, _LONG, _LONG, _POINTER]),
    "penstock_count_numbers": (_BOOL, [_POINTER, _LONG, _BOOL, _LONG, _POINTER]),
    "penstock_divide_items": (None, [_POINTER, _POINTER, _LONG, _LONG, _POINTER]),
}


@functools.cache
def _library() -> ctypes.CDLL | None:
    return host_functions(_SIGNATURES)


def _takes(x: np.ndarray, *dtypes: Any) -> bool:
    """Whether a function may get the array, and is worth its call."""
    return x.size >= _LEAST and x.dtype in dtypes and x.flags.c_contiguous and _library() is not None


def largest_rows(x: np.ndarray, axis: int, smallest: bool) -> np.ndarray | None:
    """`np.argmax(x, axis)`, or `np.argmin`, of float32 with another axis than the last; NaN is neither."""
    axis %= x.ndim
    rows, columns = x.shape[axis], math.prod(x.shape[axis + 1 :])
    if not _takes(x, np.float32) or columns < 16 or rows >= 1 << 31:
        return None
    at = np.empty(x.shape[:axis] + x.shape[axis + 1 :], np.int32)
    outer = math.prod(x.shape[:axis])
    _library().penstock_largest_rows(address_of(x), outer, rows, columns, smallest, address_of(at))
    return at


def few_above(x: np.ndarray, targets: np.ndarray, most: int) -> np.ndarray | None:
    """Which rows of a float32 matrix have finite numbers only, and fewer than `most` above the row's target."""
    if not _takes(x, np.float32) or targets.dtype != np.float32:
        return None
    targets, few = np.ascontiguousarray(targets), np.empty(len(x), np.bool_)
    _library().penstock_few_above(address_of(x), address_of(targets), *x.shape, most, address_of(few))
    return few


def k_largest(x: np.ndarray, k: int) -> np.ndarray | None:
    """Where the `k` largest numbers of each row of float32 are, in order, equal ones by their places; NaN is the least."""
    if not _takes(x, np.float32) or not 0 < k <= min(_MOST_LARGEST, x.shape[-1] // 8):
        return None
    places = np.empty((*x.shape[:-1], k), np.int64)
    rows = math.prod(x.shape[:-1])
    _library().penstock_k_largest(address_of(x), rows, x.shape[-1], k, address_of(places))
    return places


def count_numbers(values: np.ndarray, size: int) -> tuple[np.ndarray, bool] | None:
    """How often each number below `size` is among int32 or int64 values, and whether none is negative."""
    if not _takes(values, np.int32, np.int64) or size > values.size:
        return None
    counts = np.zeros(size, np.int64)
    wide = values.dtype == np.int64
    valid = _library().penstock_count_numbers(address_of(values), values.size, wide, size, address_of(counts))
    return counts, valid


def divide_items(rows: np.ndarray, groups: np.ndarray, count: int) -> list[np.ndarray] | None:
    """The rows of each of `count` groups, where no group is out of range.

    Args:
      rows: any numbers. groups: int32, the group of each row.
    """
    if rows.dtype.kind not in "biufc" or not rows.size or not rows.flags.c_contiguous:
        return None
    counted = count_numbers(groups, count) if groups.dtype == np.int32 else None
    if counted is None or not counted[1] or counted[0].sum() != len(rows):
        return None
    found = [np.empty((size, *rows.shape[1:]), rows.dtype) for size in counted[0]]
    places = np.array([address_of(each) for each in found], np.uintp)
    size = rows.nbytes // len(rows)
    _library().penstock_divide_items(
        address_of(rows), address_of(groups), len(rows), size, address_of(places)
    )
    return found
