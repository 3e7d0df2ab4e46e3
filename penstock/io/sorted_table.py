"""The sorted table of LevelDB: a file of (key, value) pairs, which TensorFlow uses for the index of a checkpoint.

    blocks of pairs | metaindex block | index block | footer

A block shares prefixes between neighbouring keys, ends with its restart points, and is followed by its compression and
checksum. The index block maps the last key of each block to its place; the footer says where the index is.
"""

from __future__ import annotations

import bisect
import struct
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

from penstock.io import snappy
from penstock.io.checksums import crc32c, mask
from penstock.io.random_access import RandomAccessFile
from penstock.io.varint import read_varint, write_varint
from penstock.types import errors

MAGIC = 0xDB4775248B80FB57
_FOOTER = 48  # two handles of at most 20 bytes, padded, and the magic number
_TRAILER = 5  # compression and checksum after a block
_PLAIN, _SNAPPY = 0, 1

_RESTART_INTERVAL = 16
_BLOCK_SIZE = 256 << 10


class _Place(NamedTuple):
    """Where a block lies in the file."""

    offset: int
    size: int

    @staticmethod
    def read(data: bytes, position: int = 0) -> tuple[_Place, int]:
        offset, position = read_varint(data, position)
        size, position = read_varint(data, position)
        return _Place(offset, size), position

    def bytes(self) -> bytes:
        return write_varint(self.offset) + write_varint(self.size)


class SortedTable:
    """Reads a table. Every block is checked against its checksum when it is read.

    Args:
      path: the file; it is open until `close`.

    Raises:
      DataLossError: the file is no table, is cut off, or a byte of it changed.
      OSError: the file cannot be opened.
    """

    def __init__(self, path: str):
        self.path = path
        self._file = RandomAccessFile(path)
        size = len(self._file)
        if size < _FOOTER:
            raise self._damaged(f"it has {size} bytes, fewer than the {_FOOTER} of a footer")
        footer = self._file.read(size - _FOOTER, _FOOTER)
        if int.from_bytes(footer[-8:], "little") != MAGIC:
            raise self._damaged("it does not end with the magic number of a sorted table")
        try:
            _, position = _Place.read(footer)
            index, _ = _Place.read(footer, position)
        except ValueError as error:
            raise self._damaged(str(error)) from None
        self._blocks = [(key, self._place(value)) for key, value in self._block(index)]

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """All pairs, in the order of the keys."""
        for _, place in self._blocks:
            yield from self._block(place)

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None; reads only the block where the key would be."""
        block = bisect.bisect_left(self._blocks, key, key=lambda each: each[0])
        if block == len(self._blocks):
            return None
        return next((value for found, value in self._block(self._blocks[block][1]) if found == key), None)

    def close(self) -> None:
        """Ends the mapping of the file."""
        self._file.close()

    def _damaged(self, what: str) -> errors.DataLossError:
        return errors.DataLossError(None, None, f"{self.path} is damaged or is no table of tensors: {what}")

    def _place(self, value: bytes) -> _Place:
        try:
            return _Place.read(value)[0]
        except ValueError as error:
            raise self._damaged(str(error)) from None

    def _block(self, place: _Place) -> Iterator[tuple[bytes, bytes]]:
        contents = self._contents(place)
        try:
            yield from _pairs(contents)
        except ValueError as error:
            raise self._damaged(f"in the block at byte {place.offset}: {error}") from None

    def _contents(self, place: _Place) -> bytes:
        end = place.offset + place.size
        if end + _TRAILER > len(self._file) - _FOOTER:
            raise self._damaged(f"a block of {place.size} bytes at byte {place.offset} goes beyond the end")
        block = self._file.read(place.offset, place.size + _TRAILER)
        data, stored = block[: place.size + 1], int.from_bytes(block[place.size + 1 :], "little")
        if mask(crc32c(data)) != stored:
            raise self._damaged(f"the checksum of the block at byte {place.offset} does not match")
        if data[-1] == _PLAIN:
            return data[:-1]
        if data[-1] != _SNAPPY:
            raise self._damaged(f"the block at byte {place.offset} has the unknown compression {data[-1]}")
        try:
            return snappy.decompress(data[:-1])
        except ValueError as error:
            raise self._damaged(f"in the block at byte {place.offset}: {error}") from None


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(block) < 4:
        raise ValueError("it has no restart points")
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise ValueError(f"it cannot hold {restarts} restart points")
    key, position = b"", 0
    while position < end:
        shared, position = read_varint(block, position)
        unshared, position = read_varint(block, position)
        length, position = read_varint(block, position)
        if shared > len(key) or position + unshared + length > end:
            raise ValueError(f"the entry that ends at byte {position} goes beyond its limits")
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + length]
        position += length


def write_table(file: IO[bytes], pairs: Iterable[tuple[bytes, bytes]]) -> None:
    """Writes a table, without compression.

    Args:
      file: a file open for writing.
      pairs: keys and values in the order of the keys, each key once.

    Raises:
      ValueError: the keys are not in order.
    """
    position = 0

    def write(block: _BlockBuilder) -> _Place:
        nonlocal position
        contents = block.finish()
        data = contents + bytes([_PLAIN])
        file.write(data + struct.pack("<I", mask(crc32c(data))))
        place = _Place(position, len(contents))
        position += len(contents) + _TRAILER
        return place

    index, block = _BlockBuilder(), _BlockBuilder()
    last: bytes | None = None
    for key, value in pairs:
        if last is not None and key <= last:
            raise ValueError(f"the key {key!r} of a table comes after {last!r}")
        block.add(key, value)
        last = key
        if block.size >= _BLOCK_SIZE:
            index.add(key, write(block).bytes())
            block = _BlockBuilder()
    if block.size:
        index.add(last or b"", write(block).bytes())
    metaindex = write(_BlockBuilder())
    handles = metaindex.bytes() + write(index).bytes()
    file.write(handles.ljust(_FOOTER - 8, b"\0") + MAGIC.to_bytes(8, "little"))


def _shared(key: bytes, other: bytes) -> int:
    """How many bytes two keys begin with alike."""
    return next((place for place, (a, b) in enumerate(zip(key, other)) if a != b), min(len(key), len(other)))


class _BlockBuilder:
    """Collects the pairs of one block."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._restarts: list[int] = []
        self._count = 0
        self._last = b""

    @property
    def size(self) -> int:
        return len(self._out)

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self._count % _RESTART_INTERVAL:
            shared = _shared(key, self._last)
        else:
            self._restarts.append(len(self._out))
        self._out += write_varint(shared) + write_varint(len(key) - shared) + write_varint(len(value))
        self._out += key[shared:] + value
        self._last = key
        self._count += 1

    def finish(self) -> bytes:
        restarts = self._restarts or [0]
        return bytes(self._out) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
