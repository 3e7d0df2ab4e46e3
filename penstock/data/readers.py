"""Datasets of files: `TFRecordDataset`, `TextLineDataset`, `FixedLengthRecordDataset`.

Files stream through a buffer, so memory does not grow with them; a saved position is an offset in a file. A file that
turns out to be damaged is left after its error, so that `ignore_errors` goes on with the next one.
"""

from __future__ import annotations

import abc
import operator
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np

from penstock.data.dataset import UNKNOWN, Dataset, count_of
from penstock.data.element import to_structure
from penstock.data.interleaving import Interleave
from penstock.data.iteration import Iteration
from penstock.data.sources import Slices
from penstock.engine.export import export
from penstock.io.compressed import Decompressed, checked_kind
from penstock.io.filesystem import open_to_read, os_errors
from penstock.io.records import OVERHEAD, RecordReader
from penstock.types import dtypes, errors
from penstock.types.specs import TensorSpec
from penstock.types.tensors import Tensor

_BUFFER_SIZE = 256 * 1024


def file_names(given: Any) -> Dataset:
    """File names (text, a list, a string tensor, or a dataset of them) as a dataset of strings.

    Raises:
      TypeError: they are no strings. ValueError: it is a dataset of something else than scalars.
    """
    if isinstance(given, Dataset):
        spec = given.element_spec
        if not isinstance(spec, TensorSpec) or spec.dtype is not dtypes.string:
            raise TypeError(
                f"The `filenames` argument must contain `tf.string` elements. Got elements of {spec}."
            )
        if spec.shape.rank not in (0, None):
            raise ValueError(f"The `filenames` argument must contain scalars, got elements of {spec}.")
        return given
    if not isinstance(given, Tensor):
        if isinstance(given, (list, tuple)) and not any(isinstance(each, Tensor) for each in given):
            given = [_text(each) for each in given]
        elif not isinstance(given, (list, tuple, np.ndarray)):
            given = _text(given)
    tensor = (
        to_structure(given if given != [] else np.empty([0], object))
        if not isinstance(given, Tensor)
        else given
    )
    if tensor.dtype is not dtypes.string:
        raise TypeError(
            f"The `filenames` argument must contain `tf.string` elements. Got `{tensor.dtype.name}` elements."
        )
    from penstock.engine.convert import convert_to_tensor
    from penstock.engine.execute import execute

    return Slices(execute("Reshape", (tensor, convert_to_tensor([-1]))) if tensor.shape.rank != 1 else tensor)


def _text(name: Any) -> Any:
    return name.__fspath__() if hasattr(name, "__fspath__") else name


class _Options:
    """How files are read; numbers and text may be symbolic tensors."""

    def __init__(self, node: Dataset, compression_type: Any, buffer_size: Any):
        self._compression = node._parameter(compression_type)
        self._buffer_size = node._parameter(buffer_size)

    def compression(self, at: Iteration) -> str:
        value = at.value(self._compression)
        value = "" if value is None else value
        value = value.item() if hasattr(value, "item") else value
        return checked_kind(value.decode() if isinstance(value, bytes) else value)

    def buffer_size(self, at: Iteration) -> int:
        value = at.value(self._buffer_size)
        return int(value) if value is not None and int(value) > 0 else _BUFFER_SIZE


class Files(Dataset):
    """What is in files, one after the other. A subclass says how one file is read.

    Args:
      names: a dataset of file names.
    """

    def __init__(self, names: Dataset, compression_type: Any, buffer_size: Any):
        super().__init__(TensorSpec([], dtypes.string), (names,))
        self._reading = _Options(self, compression_type, buffer_size)

    @abc.abstractmethod
    def _blocks(self, path: str, compression: str, buffer_size: int, offset: int) -> Iterator[_Block]:
        """What the file holds from an offset on, in blocks."""

    def _elements(self, at: Iteration) -> Iterator[list]:
        compression, buffer_size = self._reading.compression(at), self._reading.buffer_size(at)
        name, offset = at.kept.get("name"), at.kept.get("offset", 0)
        block: _Block | None = None
        rest: Iterator[bytes] = iter(())
        at.keep(
            lambda: {
                "name": name, "offset": offset if block is None else block.offset_before(operator.length_hint(rest))
            }
        )  # fmt: skip
        names = at.input()
        while True:
            if name is None:
                element = next(names, None)
                if element is None:
                    return
                name, offset = as_text(element[0]), 0
            try:
                for block in self._blocks(name, compression, buffer_size, offset):
                    rest = iter(block.rows)
                    for row in rest:
                        yield [row]
            except errors.OpError:
                name, block = None, None  # the next call goes on with the next file
                raise
            name, block = None, None

    def _size(self) -> int:
        return UNKNOWN


def as_text(name: Any) -> str:
    """A string of a flat list as text."""
    name = name.item() if hasattr(name, "item") else name
    return name.decode() if isinstance(name, bytes) else name


class _Block:
    """Some rows of a file, and where they lie.

    Args:
      rows: what is given. start: the offset of the first. size_of: the number of bytes that row number `i` takes.
    """

    __slots__ = ("rows", "_start", "_size_of")

    def __init__(self, rows: list[bytes], start: int, size_of: Callable[[int], int]):
        self.rows, self._start, self._size_of = rows, start, size_of

    def offset_before(self, left: int) -> int:
        """The offset of the first of the last `left` rows."""
        return self._start + sum(self._size_of(index) for index in range(len(self.rows) - left))


class RecordFiles(Files):
    """The records of TFRecord files."""

    def _blocks(self, path: str, compression: str, buffer_size: int, offset: int) -> Iterator[_Block]:
        with RecordReader(path, compression, buffer_size, offset) as reader:
            start = offset
            for rows in reader.batches():
                yield _Block(rows, start, lambda index, rows=rows: len(rows[index]) + OVERHEAD)
                start = reader.position


def _open(path: str, compression: str, offset: int) -> IO[bytes] | Decompressed:
    raw = open_to_read(path)
    file = Decompressed(raw, compression, path) if compression else raw
    if offset:
        file.seek(offset)
    return file


class LineFiles(Files):
    """The lines of text files, without their ends."""

    def _blocks(self, path: str, compression: str, buffer_size: int, offset: int) -> Iterator[_Block]:
        with os_errors(path):
            file = _open(path, compression, offset)
        try:
            rest, start = b"", offset
            while True:
                with os_errors(path):
                    chunk = file.read(buffer_size)
                *lines, rest = (rest + chunk).split(b"\n") if chunk else ([rest] if rest else []) + [b""]
                if lines:
                    block = self._block(lines, start)
                    yield block
                    start += sum(map(len, lines)) + len(lines)
                if not chunk:
                    return
        finally:
            file.close()

    @staticmethod
    def _block(lines: list[bytes], start: int) -> _Block:
        rows = lines
        if any(b"\r" in line for line in lines):
            rows = [line.replace(b"\r", b"") for line in lines]
        return _Block(rows, start, lambda index: len(lines[index]) + 1)


class FixedLengthFiles(Files):
    """The records of files in which each takes the same number of bytes."""

    def __init__(
        self, names: Dataset, record: Any, header: Any, footer: Any, compression_type: Any, buffer_size: Any
    ):
        super().__init__(names, compression_type, buffer_size)
        self._record = self._parameter(count_of(record, "record_bytes"))
        self._header = self._parameter(count_of(header or 0, "header_bytes", least=0))
        self._footer = self._parameter(count_of(footer or 0, "footer_bytes", least=0))

    def _elements(self, at: Iteration) -> Iterator[list]:
        self._sizes = tuple(int(at.value(each)) for each in (self._record, self._header, self._footer))
        return super()._elements(at)

    def _blocks(self, path: str, compression: str, buffer_size: int, offset: int) -> Iterator[_Block]:
        size, header, footer = self._sizes
        offset = offset or header
        with os_errors(path):
            file = _open(path, compression, offset)
        try:
            rest, start = b"", offset
            while True:
                with os_errors(path):
                    chunk = file.read(max(buffer_size, size + footer))
                rest += chunk
                whole = max(len(rest) - footer, 0) // size
                if not chunk:
                    excess = len(rest) - footer - whole * size
                    if excess:
                        raise errors.InvalidArgumentError(
                            None, None, f"Excess bytes of {excess} after reading {start + whole * size - header} bytes of "
                            f"records of {size} bytes each: {path}"
                        )  # fmt: skip
                    return
                if whole:
                    rows = [rest[index * size : (index + 1) * size] for index in range(whole)]
                    rest = rest[whole * size :]
                    yield _Block(rows, start, lambda index: size)
                    start += whole * size
        finally:
            file.close()


class FileDataset(Dataset):
    """A public dataset of files: one after the other, or several at once.

    Args:
      names: a dataset of file names. read: makes the dataset of what is in the files of such a dataset.
    """

    _cheap = True

    def __init__(self, filenames: Any, read: Callable[[Dataset], Dataset], num_parallel_reads: Any):
        names = file_names(filenames)
        if num_parallel_reads is None:
            inner = read(names)
        else:
            inner = Interleave(
                names, lambda name: read(file_names(name)), num_parallel_reads, 1, num_parallel_reads
            )
        super().__init__(inner.element_spec, (inner,))

    def _elements(self, at: Iteration) -> Iterator[list]:
        return at.input()


@export("data.TFRecordDataset")
class TFRecordDataset(FileDataset):
    """The records of TFRecord files (string scalars).

    Args:
      filenames: names, or a dataset of names.
      compression_type: "", "GZIP" or "ZLIB".
      buffer_size: bytes to read at a time.
      num_parallel_reads: how many files are read at once, record by record in turn; None for one after the other.

    Raises (when iterated):
      NotFoundError: there is no such file. DataLossError: a record is damaged; the message names file and offset.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> path = os.path.join(tempfile.mkdtemp(), "a.tfrecord")
      >>> with tf.io.TFRecordWriter(path) as writer:
      ...     writer.write(b"one")
      >>> list(tf.data.TFRecordDataset(path).as_numpy_iterator())
      [b'one']
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
        name: str | None = None,
    ):
        super().__init__(
            filenames, lambda names: RecordFiles(names, compression_type, buffer_size), num_parallel_reads
        )


@export("data.TextLineDataset")
class TextLineDataset(FileDataset):
    r"""The lines of text files (string scalars), without `\n` and `\r`.

    Args: those of `TFRecordDataset`.
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
        name: str | None = None,
    ):
        super().__init__(
            filenames, lambda names: LineFiles(names, compression_type, buffer_size), num_parallel_reads
        )


@export("data.FixedLengthRecordDataset")
class FixedLengthRecordDataset(FileDataset):
    """The records (string scalars) of files in which each takes the same number of bytes.

    Args:
      record_bytes: the size of a record. header_bytes, footer_bytes: what to leave out at both ends of a file.
      The others are those of `TFRecordDataset`.
    """

    def __init__(
        self,
        filenames: Any,
        record_bytes: Any,
        header_bytes: Any = None,
        footer_bytes: Any = None,
        buffer_size: Any = None,
        compression_type: Any = None,
        num_parallel_reads: Any = None,
        name: str | None = None,
    ):
        def read(names: Dataset) -> Dataset:
            return FixedLengthFiles(
                names, record_bytes, header_bytes, footer_bytes, compression_type, buffer_size
            )

        super().__init__(filenames, read, num_parallel_reads)
