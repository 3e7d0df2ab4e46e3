"""Event files: the `Event` messages that TensorBoard reads, as records with checksums, one file for each writer.

Events wait in memory until there are more than `max_queue` of them, or `flush_millis` have passed since the last flush.
A flush hands whole records to the operating system, so the file of a program that dies can be read to its end. Used by
the ops of `writer_ops` and by TF 1's `FileWriter`.
"""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from typing import Any

from penstock.io.filesystem import local_path
from penstock.io.record_writer import TFRecordWriter
from penstock.ops import gfile

_file_numbers = itertools.count()


class EventFile:
    """A file of events, made with the first event. All methods may be called from any thread.

    Args:
      logdir: its directory, which is made where it does not exist.
      max_queue: how many events wait at most.
      flush_millis: how long an event waits at most while others come, in milliseconds.
      filename_suffix: the end of the file's name.

    Attributes:
      path: the file, None before the first event.

    Example:
      >>> import os, tempfile
      >>> from penstock.summary.event_file import EventFile
      >>> events = EventFile(tempfile.mkdtemp())
      >>> events.add_message(step=1)
      >>> events.close()
      >>> os.path.basename(events.path).startswith("events.out.tfevents.")
      True
    """

    def __init__(
        self, logdir: str, max_queue: int = 10, flush_millis: int = 120_000, filename_suffix: str = ""
    ):
        self.logdir = local_path(logdir)
        self.path: str | None = None
        self._max_queue, self._flush_seconds = max_queue, flush_millis / 1000
        self._suffix = filename_suffix
        self._waiting = 0
        self._last_flush = time.monotonic()
        self._records: TFRecordWriter | None = None
        self._lock = threading.RLock()
        gfile.makedirs(self.logdir)

    def _open(self) -> TFRecordWriter:
        from tensorboard.compat.proto import event_pb2

        stamp = f"{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_file_numbers)}"
        self.path = os.path.join(self.logdir, f"events.out.tfevents.{stamp}{self._suffix}")
        records = self._records = TFRecordWriter(self.path)
        version = event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2")
        version.source_metadata.writer = "penstock.summary.event_file"
        records.write(version.SerializeToString())
        records.flush()  # a reader that watches the directory sees the run at once
        return records

    def add(self, event: bytes) -> None:
        """Adds a serialized `Event`."""
        with self._lock:
            records = self._records or self._open()
            records.write(event)
            self._waiting += 1
            late = time.monotonic() - self._last_flush >= self._flush_seconds
            if self._waiting > self._max_queue or late:
                self.flush()

    def add_message(self, *, wall_time: float | None = None, **fields: Any) -> None:
        """Adds the `Event` with these fields, of now unless `wall_time` says otherwise."""
        from tensorboard.compat.proto import event_pb2

        event = event_pb2.Event(wall_time=time.time() if wall_time is None else wall_time, **fields)
        self.add(event.SerializeToString())

    def flush(self) -> None:
        """Hands all waiting events to the operating system."""
        with self._lock:
            if self._records is not None:
                self._records.flush()
            self._waiting, self._last_flush = 0, time.monotonic()

    def close(self) -> None:
        """Flushes and closes the file; another event begins a new one."""
        with self._lock:
            if self._records is not None:
                self._records.close()
            self._records = None

    def __repr__(self) -> str:
        return f"<events in {self.logdir!r}>"
