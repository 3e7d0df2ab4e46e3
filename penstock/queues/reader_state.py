"""What a TF 1 reader's resource tensor holds: the file that it reads, whose name it took from a queue, and its place there.

A kind of reader is a function from the name of a file to its records: pairs of a key and a value.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

from penstock.io.compressed import Decompressed
from penstock.io.filesystem import files_of, open_to_read, os_errors
from penstock.io.proto_schema import message_classes
from penstock.io.records import OVERHEAD, RecordReader
from penstock.types import errors

Records = Iterator[tuple[bytes, bytes]]
_BUFFER_SIZE = 256 * 1024
_STATE = """
message ReaderBaseState {
  int64 work_started = 1;
  int64 work_finished = 2;
  int64 num_records_produced = 3;
  bytes current_work = 4;
}
"""


class ReaderState:
    """A reader.

    Args:
      kind: what it is called.
      records: the records of a file of the given name.
      serializable: whether its state can be saved: it is never in the middle of a file then.
    """

    handle_data = None

    def __init__(self, kind: str, records: Callable[[bytes], Records], serializable: bool = False) -> None:
        self.kind, self._records, self._serializable = kind, records, serializable
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forgets the file and the counts."""
        with self._lock:
            self._current: Records | None = None
            self._work = b""
            self.produced = self.started = self.completed = 0

    def read(self, queue: Any) -> tuple[bytes, bytes]:
        """The next record; where the file has no more, of the next file in the queue.

        Raises:
          OutOfRangeError: the queue is closed and empty.
        """
        with self._lock:
            while True:
                found = self._next(queue)
                if found is not None:
                    return found

    def read_up_to(self, queue: Any, count: int) -> list[tuple[bytes, bytes]]:
        """At least one and at most `count` records, all of one file.

        Raises:
          OutOfRangeError: the queue is closed and empty.
          InvalidArgumentError: `count` is not positive.
        """
        if count < 1:
            raise ValueError(f"num_records must be positive, got {count}")
        with self._lock:
            found = [self.read(queue)]
            while len(found) < count and (record := self._next(queue)) is not None:
                found.append(record)
            return found

    def _next(self, queue: Any) -> tuple[bytes, bytes] | None:
        """The next record of the file; None at its end."""
        if self._current is None:
            (work,) = queue.dequeue()
            self._work, self.started = work.item() if hasattr(work, "item") else work, self.started + 1
            self._current = self._records(self._work)
        try:
            found = next(self._current, None)
        except errors.OpError:
            self._current, self.completed = None, self.completed + 1
            raise
        if found is None:
            self._current, self.completed = None, self.completed + 1
        else:
            self.produced += 1
        return found

    def serialize(self) -> bytes:
        """The state as bytes.

        Raises:
          UnimplementedError: this kind may be in the middle of a file.
        """
        self._check_serializable()
        with self._lock:
            state = message_classes("reader_base", _STATE).ReaderBaseState(
                work_started=self.started,
                work_finished=self.completed,
                num_records_produced=self.produced,
                current_work=self._work if self._current is not None else b"",
            )
            return state.SerializeToString()

    def restore(self, data: bytes) -> None:
        """Goes back to a state.

        Raises:
          UnimplementedError: this kind may be in the middle of a file.
          InvalidArgumentError: these bytes are no state.
        """
        from google.protobuf.message import DecodeError

        self._check_serializable()
        try:
            state = message_classes("reader_base", _STATE).ReaderBaseState.FromString(data)
        except DecodeError:
            raise ValueError(f"Could not parse state for {self.kind}: {data[:40]!r}") from None
        with self._lock:
            self.reset()
            self.started, self.completed = state.work_started, state.work_finished
            self.produced = state.num_records_produced
            if state.current_work:
                self._work, self._current = state.current_work, self._records(state.current_work)

    def _check_serializable(self) -> None:
        if not self._serializable:
            raise errors.UnimplementedError(None, None, f"Reader SerializeState of a {self.kind}")


def identity(work: bytes) -> Records:
    """The name itself, as key and value."""
    yield work, work


def whole_file(path: bytes) -> Records:
    """The contents of a file; the key is its name."""
    with os_errors(path.decode()), open_to_read(path) as file:
        yield path, file.read()


def records_of_tfrecord(path: bytes, compression: str) -> Records:
    """The records of a TFRecord file; the key is `name:offset`."""
    with RecordReader(path.decode(), compression) as reader:
        offset = 0
        for record in reader:
            yield b"%s:%d" % (path, offset), record
            offset += len(record) + OVERHEAD


def records_of_lmdb(path: bytes) -> Records:
    """The entries of an LMDB database, in the order of their keys.

    Args:
      path: the database: its folder, or its one file.

    Raises:
      NotFoundError: there is none.
      DataLossError: the file is no LMDB database, or a damaged one.
      ImportError: the package lmdb is not installed.
    """
    try:
        import lmdb
    except ImportError as error:
        raise ImportError("LMDBReader needs lmdb: pip install penstock[lmdb]") from error
    name = path.decode()
    if not os.path.exists(name):
        raise errors.NotFoundError(None, None, f"{name}: No such file or directory")
    try:
        with (
            lmdb.open(name, subdir=os.path.isdir(name), readonly=True, lock=False, create=False) as database,
            database.begin() as transaction,
        ):
            yield from transaction.cursor()
    except lmdb.Error as error:
        raise errors.DataLossError(None, None, f"{name}: {error}") from None


def lines(path: bytes, skipped: int) -> Records:
    """The lines of a text file without their ends; the key is `name:number`, from 1 on."""
    files, name = files_of(path)
    with os_errors(name), files.open_file(name, "rb") as file:
        for number, line in enumerate(file, 1):
            if number > skipped:
                yield b"%s:%d" % (path, number), line.rstrip(b"\n").replace(b"\r", b"")


def fixed_length_records(
    path: bytes, header: int, record: int, footer: int, hop: int, encoding: str
) -> Records:
    """Records of one size between a header and a footer; the key is `name:index`, from 0 on.

    Args:
      path: the file.
      header, record, footer: sizes in bytes.
      hop: how far a record begins behind the one before; the size of a record for 0.
      encoding: "" or "ZLIB".
    """
    name, hop = path.decode(), hop or record
    with os_errors(name):
        file: Any = open_to_read(name)
        if encoding:
            file = Decompressed(file, encoding, name)
        try:
            window, index = _take(file, header + record + footer)[header:], 0
            while len(window) >= record + footer:
                yield b"%s:%d" % (path, index), window[:record]
                missing = hop + record + footer - len(window)
                window = (window + _take(file, missing) if missing > 0 else window)[hop:]
                index += 1
        finally:
            file.close()


def _take(file: Any, count: int) -> bytes:
    """The next bytes of a file, fewer only at its end."""
    pieces = []
    while count > 0 and (piece := file.read(min(count, _BUFFER_SIZE))):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)
