"""Byte strings as hash functions read them: as little-endian numbers.

A hash function is written once, in arithmetic of 64-bit words. It serves one string, whose words are Python's numbers,
and all strings of one length together, whose words are arrays.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

_WORD, _HALF = struct.Struct("<Q"), struct.Struct("<I")
_FEW = 32  # strings: as long as NumPy takes for a group of one length


class OneString:
    """One string."""

    __slots__ = ("_data", "length")

    def __init__(self, data: bytes):
        self._data, self.length = data, len(data)

    def word(self, at: int) -> Any:
        """The 8 bytes from a position on."""
        return _WORD.unpack_from(self._data, at)[0]

    def half(self, at: int) -> Any:
        """The 4 bytes from a position on."""
        return _HALF.unpack_from(self._data, at)[0]

    def byte(self, at: int) -> Any:
        """The byte at a position."""
        return self._data[at]

    def rest(self, at: int) -> Any:
        """What is left from a position on, fewer than 8 bytes."""
        return int.from_bytes(self._data[at:], "little")


class StringsOfOneLength:
    """Several strings; what `OneString` gives as a number is an array here, uint64, which wraps around."""

    __slots__ = ("_bytes", "length")

    def __init__(self, strings: Iterable[bytes], length: int):
        self._bytes, self.length = np.frombuffer(b"".join(strings), np.uint8).reshape(-1, length), length

    def _number(self, start: int, end: int) -> np.ndarray:
        padded = np.zeros((len(self._bytes), 8), np.uint8)
        padded[:, : end - start] = self._bytes[:, start:end]
        return padded.view("<u8")[:, 0]

    def word(self, at: int) -> Any:
        """See `OneString`, for this and all below."""
        return self._number(at, at + 8)

    def half(self, at: int) -> Any:
        return self._number(at, at + 4)

    def byte(self, at: int) -> Any:
        return self._number(at, at + 1)

    def rest(self, at: int) -> Any:
        return self._number(at, self.length)


def hashes(function: Callable[[Any], Any], strings: np.ndarray) -> np.ndarray:
    """The hash of each string of an array of bytes: uint64, of the same shape.

    Args:
      function: makes a word of a `OneString`, and an array of `StringsOfOneLength`.
    """
    flat = np.asarray(strings, object).reshape(-1)
    found = np.empty(flat.size, np.uint64)
    lengths = np.fromiter(map(len, flat), np.int64, flat.size)
    order = np.argsort(lengths, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        if len(places) <= _FEW:
            for place in places:
                found[place] = function(OneString(flat[place]))
        elif length := int(lengths[places[0]]):
            found[places] = function(StringsOfOneLength(flat[places], length))
        else:
            found[places] = function(OneString(b""))
    return found.reshape(np.shape(strings))
