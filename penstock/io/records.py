"""Reading TFRecord files: `length: u64, masked crc: u32, data, masked crc: u32`, repeated, perhaps compressed.

A file streams through a buffer of `buffer_size` bytes (a record that is larger gets what it needs). Every checksum is
checked; damage raises DataLossError with the file and the offset, after all whole records before it have been given.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Any

from penstock.io.checksums import masked_crc32c
from penstock.io.compressed import Decompressed
from penstock.io.filesystem import open_to_read, os_errors
from penstock.types import errors

HEADER = struct.Struct("<QI")
LENGTH = struct.Struct("<Q")
FOOTER = struct.Struct("<I")
OVERHEAD = HEADER.size + FOOTER.size
BUFFER_SIZE = 256 * 1024
_LARGEST_READ = 64 * 1024 * 1024


def read_records(
    path: str, compression: str = "", buffer_size: int | None = None, offset: int = 0
) -> Iterator[bytes]:
    """The records of a file, one by one.

    Args:
      path: the file.
      compression: "", "GZIP" or "ZLIB".
      buffer_size: bytes to read at a time; None or 0 for 256 KiB.
      offset: where the first record begins, in the uncompressed stream.

    Raises:
      NotFoundError: there is no such file.
      DataLossError: a record is corrupted or cut off; the message names the file and the offset.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> path = os.path.join(tempfile.mkdtemp(), "a.tfrecord")
      >>> with tf.io.TFRecordWriter(path) as writer:
      ...     writer.write(b"one")
      ...     writer.write(b"two")
      >>> from penstock.io.records import read_records
      >>> list(read_records(path))
      [b'one', b'two']
    """
    with RecordReader(path, compression, buffer_size, offset) as reader:
        for batch in reader.batches():
            yield from batch


class RecordReader:
    """An open TFRecord file.

    Args: those of `read_records`.

    Attributes:
      path: the file.
      position: the offset, in the uncompressed stream, of the first record that `batches` has not given yet.
    """

    def __init__(
        self, path: str, compression: str = "", buffer_size: int | None = None, offset: int = 0
    ) -> None:
        self.path = path
        self.position = offset
        self._size = buffer_size or BUFFER_SIZE
        with os_errors(path):
            self._file: IO[bytes] | Decompressed = open_to_read(path)
            if compression:
                self._file = Decompressed(self._file, compression, path)
            if offset:
                self._file.seek(offset)

    def __enter__(self) -> RecordReader:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def batches(self) -> Iterator[list[bytes]]:
        """The records in lists: those that end in the next `buffer_size` bytes of the file.

        Raises:
          DataLossError: a record is corrupted or cut off; `position` is its offset then.
        """
        buffer, wanted = b"", HEADER.size
        while True:
            got = len(buffer)
            with os_errors(self.path):  # what is read has no name, so that the next piece gets its memory
                buffer += self._file.read(self._next_read(wanted, got))
            if len(buffer) == got:
                break
            records, consumed, wanted, damage = _split(buffer)
            self.position += consumed
            buffer = buffer[consumed:]
            if records:
                yield records
            if damage:
                raise self._lost(f"corrupted record at {self.position} ({damage})")
        if buffer:
            raise self._lost(f"truncated record at {self.position}: {len(buffer)} of {wanted} bytes are left")

    def _next_read(self, wanted: int, got: int) -> int:
        """How much to read. A length may be wrong, so memory grows no faster than the file delivers."""
        return min(max(self._size, wanted - got), max(_LARGEST_READ, got))

    def _lost(self, what: str) -> errors.DataLossError:
        return errors.DataLossError(None, None, f"{self.path}: {what}")

    def __iter__(self) -> Iterator[bytes]:
        for batch in self.batches():
            yield from batch


def _split(buffer: bytes) -> tuple[list[bytes], int, int, str]:
    """The whole records at the start of a buffer, their size, the size of the next record as far as known, and its damage."""
    records: list[bytes] = []
    at, end, wanted = 0, len(buffer), HEADER.size
    header, footer, masked = HEADER.unpack_from, FOOTER.unpack_from, masked_crc32c
    while end - at >= HEADER.size:
        length, length_crc = header(buffer, at)
        if masked(buffer[at : at + 8]) != length_crc:
            return records, at, wanted, "the checksum of its length is wrong; is this a TFRecord file?"
        start = at + HEADER.size
        stop = start + length
        if stop + FOOTER.size > end:
            wanted = HEADER.size + length + FOOTER.size
            break
        data = buffer[start:stop]
        if masked(data) != footer(buffer, stop)[0]:
            return records, at, wanted, "the checksum of its data is wrong"
        records.append(data)
        at = stop + FOOTER.size
    return records, at, wanted, ""
