"""A file that is read in places: memory-mapped where it is local, else by requests for ranges."""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np

from penstock.io import local_files
from penstock.io.filesystem import files_of


class RandomAccessFile:
    """Pieces of a file.

    Args:
      path: the file, which stays open until `close`.

    Raises:
      OSError: it cannot be opened.
    """

    def __init__(self, path: Any):
        files, text = files_of(path)
        self._map: Any = b""
        self._file: Any = None
        if files is local_files:
            with open(text, "rb") as file:
                self._size = os.fstat(file.fileno()).st_size
                if self._size:
                    self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        else:
            self._file = files.open_file(text, "rb")
            self._size = files.stat(text)[0]

    def __len__(self) -> int:
        return self._size

    def read(self, start: int, size: int) -> bytes:
        """A copy of `size` bytes from `start` on; fewer where the file ends before."""
        if self._file is None:
            return self._map[start : start + size]
        self._file.seek(start)
        return self._file.read(size)

    def array(self, start: int, size: int) -> np.ndarray:
        """The same as an array of bytes, which belongs to the caller."""
        if self._file is None:
            return np.frombuffer(self._map, np.uint8, size, start).copy() if size else np.empty(0, np.uint8)
        return np.frombuffer(self.read(start, size), np.uint8).copy()

    def close(self) -> None:
        """Ends the mapping."""
        if self._map:
            self._map.close()
        if self._file is not None:
            self._file.close()
        self._map, self._size = b"", 0
