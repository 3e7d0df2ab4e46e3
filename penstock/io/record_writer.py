"""Writing TFRecord files: `tf.io.TFRecordWriter` and its options.

Only whole records are handed to the file system, and what a failed write (a full disk) has left is cut off again, so
the file ends with a whole record unless the machine itself stops; the reader then says where.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.engine.export import export
from penstock.io.checksums import crc32c, mask, masked_crc32c
from penstock.io.compressed import Compressed, CompressionLevels
from penstock.io.filesystem import files_of, os_errors
from penstock.io.records import FOOTER, LENGTH, OVERHEAD, read_records
from penstock.types import errors

_BUFFER_SIZE = 256 * 1024
_open: weakref.WeakSet[TFRecordWriter] = weakref.WeakSet()


@export("io.TFRecordCompressionType", v1=["io.TFRecordCompressionType", "python_io.TFRecordCompressionType"])
class TFRecordCompressionType:
    """The kinds of compression of a record file."""

    NONE = 0
    ZLIB = 1
    GZIP = 2


_KIND_NAMES = {
    TFRecordCompressionType.NONE: "",
    TFRecordCompressionType.ZLIB: "ZLIB",
    TFRecordCompressionType.GZIP: "GZIP",
}


@export("io.TFRecordOptions", v1=["io.TFRecordOptions", "python_io.TFRecordOptions"])
class TFRecordOptions:
    """How a record file is compressed; what is None is left to zlib.

    Args:
      compression_type: "GZIP", "ZLIB", "" or None.
      flush_mode: what `flush()` asks of zlib; by default all that was written becomes readable.
      input_buffer_size, output_buffer_size: accepted for TensorFlow's sake; buffers need no tuning here.
      window_bits: base-two logarithm of the history size, plus 16 for GZIP.
      compression_level: 0 (none) to 9 (best); -1 for zlib's default.
      compression_method: zlib has one.
      mem_level: 1 to 9.
      compression_strategy: one of zlib's.

    Raises:
      ValueError: there is no such compression type.

    Example:
      >>> import penstock as tf
      >>> tf.io.TFRecordOptions("GZIP", compression_level=9).compression_type
      'GZIP'
    """

    compression_type_map = _KIND_NAMES

    def __init__(
        self,
        compression_type: Any = None,
        flush_mode: int | None = None,
        input_buffer_size: int | None = None,
        output_buffer_size: int | None = None,
        window_bits: int | None = None,
        compression_level: int | None = None,
        compression_method: int | None = None,
        mem_level: int | None = None,
        compression_strategy: int | None = None,
    ) -> None:
        self.get_compression_type_string(compression_type)
        self.compression_type = compression_type
        self.flush_mode = flush_mode
        self.input_buffer_size = input_buffer_size
        self.output_buffer_size = output_buffer_size
        self.window_bits = window_bits
        self.compression_level = compression_level
        self.compression_method = compression_method
        self.mem_level = mem_level
        self.compression_strategy = compression_strategy

    @classmethod
    def get_compression_type_string(cls, options: Any) -> str:
        """The name ("", "GZIP" or "ZLIB") that options, a `TFRecordCompressionType` or such a name stand for.

        Raises:
          ValueError: it is none of them.
        """
        if not options:
            return ""
        if isinstance(options, TFRecordOptions):
            return cls.get_compression_type_string(options.compression_type)
        if options in _KIND_NAMES:
            return _KIND_NAMES[options]
        if options in _KIND_NAMES.values():
            return options
        raise ValueError(f'Not a valid compression_type: "{options}"')

    def _levels(self) -> CompressionLevels:
        given = {
            "flush_mode": self.flush_mode,
            "window_bits": self.window_bits,
            "level": self.compression_level,
            "memory": self.mem_level,
            "strategy": self.compression_strategy,
        }
        return CompressionLevels(**{name: value for name, value in given.items() if value is not None})


@functools.lru_cache(4096)
def _header(size: int) -> bytes:
    """What stands before a record."""
    length = LENGTH.pack(size)
    return length + FOOTER.pack(masked_crc32c(length))


def _footers(records: list[bytes]) -> list[bytes]:
    """What stands behind each record."""
    checksums = np.fromiter(map(crc32c, records), np.uint32, len(records))
    return mask(checksums).astype("<u4").view("V4").tolist()


class _WholeRecords:
    """A file to which only whole records are written: a write that fails is cut off again."""

    def __init__(self, path: str) -> None:
        files, path = files_of(path)
        self._file = files.open_file(path, "wb", 0)

    def write(self, data: bytes) -> None:
        start = self._file.tell()
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            if self._file.seekable():
                self._file.truncate(start)
                self._file.seek(start)
            raise

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


@export("io.TFRecordWriter", v1=["io.TFRecordWriter", "python_io.TFRecordWriter"])
class TFRecordWriter:
    """Writes records to a TFRecord file, which is made anew.

    Args:
      path: the file.
      options: a `TFRecordOptions`, a `TFRecordCompressionType`, "GZIP", "ZLIB", "" or None.

    Raises:
      NotFoundError: the directory does not exist.
      ValueError: there is no such compression type.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> path = os.path.join(tempfile.mkdtemp(), "a.tfrecord")
      >>> with tf.io.TFRecordWriter(path, "GZIP") as writer:
      ...     writer.write(b"a record")
      >>> from penstock.io.records import read_records
      >>> list(read_records(path, "GZIP"))
      [b'a record']
    """

    def __init__(self, path: Any, options: Any = None) -> None:
        if not isinstance(options, TFRecordOptions):
            options = TFRecordOptions(compression_type=options)
        kind = TFRecordOptions.get_compression_type_string(options)
        self._path = os.fspath(path)
        self._records: list[bytes] = []  # those that are not written yet
        self._size = 0  # of what will be written of them
        with os_errors(self._path):
            file: Any = _WholeRecords(path)
            self._file = Compressed(file, kind, options._levels()) if kind else file
        _open.add(self)

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def write(self, record: bytes | str) -> None:
        """Appends a record: bytes, or text, which is stored as UTF-8.

        Raises:
          FailedPreconditionError: the writer is closed.
          ResourceExhaustedError: the disk is full; the file ends with a whole record.
        """
        if self._file is None:
            raise errors.FailedPreconditionError(None, None, "Writer is closed.")
        if type(record) is bytes:
            pass
        elif isinstance(record, str):
            record = record.encode()
        elif not isinstance(record, bytes):
            if not isinstance(record, bytearray | memoryview):
                raise TypeError(f"TFRecordWriter.write: a record is bytes, not {type(record).__name__}")
            record = bytes(record)
        self._records.append(record)
        self._size += len(record) + OVERHEAD
        if self._size >= _BUFFER_SIZE:
            self._drain()

    def _drain(self) -> None:
        records, self._records, self._size = self._records, [], 0
        headers = map(_header, map(len, records))
        data = b"".join(itertools.chain.from_iterable(zip(headers, records, _footers(records))))
        with os_errors(self._path):
            self._file.write(data)

    def flush(self) -> None:
        """Hands what has been written to the operating system; another process can read it then.

        Raises:
          FailedPreconditionError: the writer is closed.
        """
        if self._file is None:
            raise errors.FailedPreconditionError(None, None, "Writer is closed.")
        self._drain()
        with os_errors(self._path):
            self._file.flush()

    def close(self) -> None:
        """Writes what is left and closes the file; nothing when it is closed already."""
        if self._file is None:
            return
        try:
            self._drain()
        finally:
            file, self._file = self._file, None
            with os_errors(self._path):
                file.close()

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()


@atexit.register
def _close_all() -> None:
    """Writers that a program leaves open are closed while Python can still write: `__del__` may come too late."""
    for writer in list(_open):
        writer.close()


@export(v1=["io.tf_record_iterator", "python_io.tf_record_iterator"])
def tf_record_iterator(path: Any, options: Any = None) -> Iterator[bytes]:
    """The records of a file; in new programs `tf.data.TFRecordDataset`.

    Args:
      path: the file.
      options: as for `TFRecordWriter`.

    Raises:
      DataLossError: a record is corrupted or cut off.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> path = os.path.join(tempfile.mkdtemp(), "a.tfrecord")
      >>> with tf.io.TFRecordWriter(path) as writer:
      ...     writer.write(b"a record")
      >>> next(tf.compat.v1.python_io.tf_record_iterator(path))
      b'a record'
    """
    return read_records(os.fspath(path), TFRecordOptions.get_compression_type_string(options))
