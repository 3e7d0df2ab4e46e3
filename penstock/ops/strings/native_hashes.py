"""Hashes of all strings of an array by native functions, which read Python's `bytes` where they lie."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from penstock.engine.native import host_functions

_POINTER, _WORD = ctypes.c_void_p, ctypes.c_uint64
_STRINGS = [_POINTER, ctypes.c_long, _POINTER, _POINTER]
_SIGNATURES: dict[str, tuple[Any, list]] = {
    "penstock_fingerprints": (ctypes.c_bool, _STRINGS),
    "penstock_siphashes": (ctypes.c_bool, [*_STRINGS, _WORD, _WORD]),
}
_FEW = 8  # strings: hashed in Python as soon as a native function is called


@functools.cache
def _library() -> Any:
    """The library with the functions, or None."""
    return host_functions(_SIGNATURES)


@functools.cache
def _layout() -> np.ndarray | None:
    """Where an object of type `bytes` has its type, its size and its bytes, and that type; None where that is unknown.

    An object of CPython begins with its reference count and its type; the size follows, and the last field is the byte
    that ends the string.
    """
    header = object.__basicsize__
    layout = np.array([header - 8, header, bytes.__basicsize__ - 1, id(bytes)], np.int64)
    sample = b"as it should be"
    kind, size = (ctypes.c_int64.from_address(id(sample) + int(at)).value for at in layout[:2])
    found = ctypes.string_at(id(sample) + int(layout[2]), len(sample))
    return layout if (kind, size, found) == (id(bytes), len(sample), sample) else None


def native_hashes(name: str, strings: np.ndarray, *key: int) -> np.ndarray | None:
    """The hash of each string, uint64 of the same shape; None where there is no native function for them.

    Args:
      name: "fingerprints" or "siphashes".
      strings: an array of objects.
      key: what the function takes besides, 64-bit words.
    """
    if strings.size < _FEW or not strings.dtype.hasobject or _library() is None or _layout() is None:
        return None
    flat = np.ascontiguousarray(strings)
    found = np.empty(flat.shape, np.uint64)
    function, layout = getattr(_library(), f"penstock_{name}"), _layout()
    done = function(flat.ctypes.data, flat.size, layout.ctypes.data, found.ctypes.data, *key)
    return found if done else None
