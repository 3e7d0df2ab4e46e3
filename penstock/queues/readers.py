"""TF 1's readers: records of files whose names come out of a queue. In new programs `tf.data` does this."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.queues.queues import make_resource
from penstock.types import dtypes
from penstock.types.tensors import Tensor


@export(v1=["ReaderBase"])
class ReaderBase:
    """A reader.

    Args:
      reader_ref: the handle.
      supports_serialize: whether its state can be saved.
    """

    def __init__(self, reader_ref: Tensor, supports_serialize: bool = False) -> None:
        self._reader_ref, self._supports_serialize = reader_ref, supports_serialize

    @property
    def reader_ref(self) -> Tensor:
        """The handle."""
        return self._reader_ref

    @property
    def supports_serialize(self) -> bool:
        """Whether `serialize_state` and `restore_state` work."""
        return self._supports_serialize

    def read(self, queue: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
        """The next record as (key, value), two string scalars; takes the next file from the queue where that is needed.

        Args:
          queue: a queue of file names, or its handle.
          name: the node's name in a graph.

        Raises:
          OutOfRangeError: the queue is closed and empty.
        """
        handle = getattr(queue, "queue_ref", queue)
        return tuple(execute("ReaderReadV2", (self._reader_ref, handle), None, name))

    def read_up_to(self, queue: Any, num_records: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
        """At least one and at most `num_records` records as (keys, values), two string vectors.

        Args:
          queue: a queue of file names, or its handle.
          num_records: an int64 scalar.
          name: the node's name in a graph.

        Raises:
          OutOfRangeError: the queue is closed and empty.
        """
        handle = getattr(queue, "queue_ref", queue)
        count = convert_to_tensor(num_records, dtypes.int64)
        return tuple(execute("ReaderReadUpToV2", (self._reader_ref, handle, count), None, name))

    def num_records_produced(self, name: str | None = None) -> Tensor:
        """How many records were read, an int64 scalar."""
        return execute("ReaderNumRecordsProducedV2", (self._reader_ref,), None, name)

    def num_work_units_completed(self, name: str | None = None) -> Tensor:
        """How many files were read to their end, an int64 scalar."""
        return execute("ReaderNumWorkUnitsCompletedV2", (self._reader_ref,), None, name)

    def serialize_state(self, name: str | None = None) -> Tensor:
        """The state as a string scalar.

        Raises:
          UnimplementedError: this kind may be in the middle of a file.
        """
        return execute("ReaderSerializeStateV2", (self._reader_ref,), None, name)

    def restore_state(self, state: Any, name: str | None = None) -> Any:
        """Goes back to a state that `serialize_state` gave.

        Raises:
          UnimplementedError: this kind may be in the middle of a file.
        """
        tensor = convert_to_tensor(state, dtypes.string)
        return execute("ReaderRestoreStateV2", (self._reader_ref, tensor), None, name)

    def reset(self, name: str | None = None) -> Any:
        """Forgets the file and the counts."""
        return execute("ReaderResetV2", (self._reader_ref,), None, name)


@export(v1=["WholeFileReader"])
class WholeFileReader(ReaderBase):
    """Gives (name, contents) of each file.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> path = os.path.join(tempfile.mkdtemp(), "a.txt")
      >>> tf.io.write_file(path, "text")
      >>> queue = tf.queue.FIFOQueue(1, tf.string, shapes=[[]])
      >>> queue.enqueue(path)
      >>> tf.compat.v1.WholeFileReader().read(queue)[1].numpy()
      b'text'
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__(make_resource("WholeFileReaderV2", {}, name or "WholeFileReaderV2", None), True)


@export(v1=["IdentityReader"])
class IdentityReader(ReaderBase):
    """Gives the names of the queue themselves, as keys and values."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(make_resource("IdentityReaderV2", {}, name or "IdentityReaderV2", None), True)


@export(v1=["TextLineReader"])
class TextLineReader(ReaderBase):
    """Gives the lines of text files, without their ends; a key is `name:number`.

    Args:
      skip_header_lines: how many lines are left out at the beginning of each file.
      name: the node's name in a graph.
    """

    def __init__(self, skip_header_lines: int | None = None, name: str | None = None) -> None:
        attrs = {"skip_header_lines": skip_header_lines or 0}
        super().__init__(make_resource("TextLineReaderV2", attrs, name or "TextLineReaderV2", None))


@export(v1=["FixedLengthRecordReader"])
class FixedLengthRecordReader(ReaderBase):
    """Gives records of one size; a key is `name:index`.

    Args:
      record_bytes: the size of a record.
      header_bytes, footer_bytes: what is left out at the beginning and the end of each file.
      hop_bytes: how far a record begins behind the one before; the size of a record for 0 or None.
      name: the node's name in a graph.
      encoding: "", "ZLIB" or "GZIP".
    """

    def __init__(
        self,
        record_bytes: int,
        header_bytes: int | None = None,
        footer_bytes: int | None = None,
        hop_bytes: int | None = None,
        name: str | None = None,
        encoding: str | None = None,
    ) -> None:
        attrs = {
            "record_bytes": record_bytes,
            "header_bytes": header_bytes or 0,
            "footer_bytes": footer_bytes or 0,
            "hop_bytes": hop_bytes or 0,
            "encoding": encoding or "",
        }
        name = name or "FixedLengthRecordReaderV2"
        super().__init__(make_resource("FixedLengthRecordReaderV2", attrs, name, None))


@export(v1=["TFRecordReader"])
class TFRecordReader(ReaderBase):
    """Gives the records of TFRecord files; a key is `name:offset`.

    Args:
      name: the node's name in a graph.
      options: a `TFRecordOptions`.
    """

    def __init__(self, name: str | None = None, options: Any = None) -> None:
        from penstock.io.record_writer import TFRecordOptions

        attrs = {"compression_type": TFRecordOptions.get_compression_type_string(options)}
        super().__init__(make_resource("TFRecordReaderV2", attrs, name or "TFRecordReaderV2", None))


@export(v1=["LMDBReader"])
class LMDBReader(ReaderBase):
    """Gives the entries of LMDB databases, in the order of their keys. It needs `pip install penstock[lmdb]`.

    The queue names databases: the folder of each, or its one file.

    Args:
      name: the node's name in a graph.
      options: TensorFlow's readers have options for compressed files; LMDB's files are not compressed.

    Raises:
      ValueError: there are options.
    """

    def __init__(self, name: str | None = None, options: Any = None) -> None:
        if options is not None:
            raise ValueError(f"LMDBReader: LMDB's files are not compressed, got options={options!r}")
        super().__init__(make_resource("LMDBReader", {}, name or "LMDBReader", None))
