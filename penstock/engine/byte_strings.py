"""Byte strings as native functions take them: where each lies in memory, and its size."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from penstock.engine.aligned import address_of


class ByteStrings:
    """Where byte strings lie.

    Attributes:
      strings: they, which stay there for as long as this object. addresses: of an array of pointers to them.
      sizes: of an array of int64.
    """

    __slots__ = ("strings", "addresses", "sizes", "_pointers", "_sizes")

    def __init__(self, strings: Sequence[bytes]):
        self.strings = strings
        self._pointers = (ctypes.c_char_p * len(strings))(*strings)
        self._sizes = np.fromiter(map(len, strings), np.int64, len(strings))
        self.addresses, self.sizes = ctypes.addressof(self._pointers), address_of(self._sizes)
