"""Reads TensorFlow's checkpoints: `PREFIX.index`, a table of what there is, and `PREFIX.data-?????-of-?????`.

Everything that is read is compared with its checksum; what is damaged raises DataLossError with the file and the tensor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from penstock.io import tensor_encoding
from penstock.io.checksums import mask
from penstock.io.filesystem import files_of, os_errors
from penstock.io.proto_schema import message_classes
from penstock.io.random_access import RandomAccessFile
from penstock.io.sorted_table import SortedTable
from penstock.io.tensor_slice import TensorSlice, slice_key
from penstock.types import errors
from penstock.types.dtypes import DType, as_dtype

_SCHEMA = """
message BundleHeaderProto {
  enum Endianness { LITTLE = 0; BIG = 1; }
  int32 num_shards = 1;
  Endianness endianness = 2;
  VersionDef version = 3;
}
message TensorSliceProto {
  message Extent { int64 start = 1; oneof has_length { int64 length = 2; } }
  repeated Extent extent = 1;
}
message BundleEntryProto {
  DataType dtype = 1;
  TensorShapeProto shape = 2;
  int32 shard_id = 3;
  int64 offset = 4;
  int64 size = 5;
  fixed32 crc32c = 6;
  repeated TensorSliceProto slices = 7;
}
"""
HEADER_KEY = b""
VERSION = 1


def messages() -> Any:
    """The classes of the messages in an index: BundleHeaderProto, BundleEntryProto, TensorSliceProto."""
    return message_classes("tensor_bundle", _SCHEMA, ("tensor_shape", "types", "versions"))


def index_path(prefix: str) -> str:
    """The file that says what a checkpoint holds."""
    return f"{prefix}.index"


def data_path(prefix: str, shard: int, shards: int) -> str:
    """The file with the values of one part of a checkpoint."""
    return f"{prefix}.data-{shard:05d}-of-{shards:05d}"


class Entry(NamedTuple):
    """What the index says of a tensor.

    Attributes:
      slices: the slices that it is stored in, each with an entry of its own; empty where it is stored whole.
    """

    dtype: DType
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc32c: int
    slices: tuple[TensorSlice, ...]


class BundleReader:
    """A checkpoint that is read.

    Args:
      prefix: the path of the checkpoint, without `.index`.

    Raises:
      NotFoundError: there is no such checkpoint.
      DataLossError: its index is damaged.
    """

    def __init__(self, prefix: Any):
        files, self.prefix = files_of(prefix)
        self._index_path = index_path(self.prefix)
        if not files.exists(self._index_path):
            raise errors.NotFoundError(
                None,
                None,
                "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for "
                f"{self.prefix}",
            )
        self._entries: dict[bytes, Entry] = {}
        self._names: list[str] = []
        self._files: dict[int, RandomAccessFile] = {}
        with os_errors(self._index_path):
            table = SortedTable(self._index_path)
        try:
            self._read_index(table)
        finally:
            table.close()

    # What there is.

    def names(self) -> list[str]:
        """The names of the tensors, sorted."""
        return list(self._names)

    def __contains__(self, name: str) -> bool:
        return name.encode() in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def entry(self, name: str) -> Entry:
        """What is known about a tensor.

        Raises:
          NotFoundError: the checkpoint has none of that name.
        """
        found = self._entries.get(name.encode())
        if found is None:
            raise errors.NotFoundError(None, None, f"Key {name} not found in checkpoint")
        return found

    def dtype(self, name: str) -> DType:
        """The dtype of a tensor."""
        return self.entry(name).dtype

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, of the whole where it is stored in slices."""
        return self.entry(name).shape

    # Values.

    def read(self, name: str) -> np.ndarray:
        """The value of a tensor: an array of its own; strings are objects of bytes.

        Raises:
          NotFoundError: the checkpoint has none of that name, or a data file is missing.
          DataLossError: it is damaged.
        """
        entry = self.entry(name)
        if not entry.slices:
            return self._value(name, entry)
        places = [self._within(name, piece, entry) for piece in entry.slices]
        sizes = (math.prod(each.stop - each.start for each in place) for place in places)
        if sum(sizes) < math.prod(entry.shape):  # before room is made for it
            raise self._damaged(self._index_path, name, "its slices do not cover it")
        try:
            whole = np.empty(entry.shape, object if entry.dtype.name == "string" else entry.dtype.np_dtype)
            covered = np.zeros(entry.shape, bool)
        except ValueError as error:  # no array has such a shape
            raise self._damaged(self._index_path, name, str(error)) from None
        for piece, place in zip(entry.slices, places):
            whole[place] = self._stored_slice(name, piece)
            covered[place] = True
        if not covered.all():
            raise self._damaged(self._index_path, name, "its slices do not cover it")
        return whole

    def read_slice(self, name: str, piece: TensorSlice) -> np.ndarray:
        """The value of a slice of a tensor, however that is stored.

        Raises:
          InvalidArgumentError: the slice does not lie inside the tensor.
        """
        entry = self.entry(name)
        try:
            place = piece.within(entry.shape)
        except ValueError as error:
            raise errors.InvalidArgumentError(None, None, f"{name} in {self.prefix}: {error}") from None
        if piece in entry.slices:
            return self._stored_slice(name, piece)
        return np.array(self.read(name)[place], order="C")

    def close(self) -> None:
        """Closes the data files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __enter__(self) -> BundleReader:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    # The index.

    def _read_index(self, table: SortedTable) -> None:
        from google.protobuf.message import DecodeError

        classes = messages()
        pairs = iter(table)
        key, value = next(pairs, (None, b""))
        if key != HEADER_KEY:
            raise self._damaged(self._index_path, None, "it has no header")
        try:
            header = classes.BundleHeaderProto.FromString(value)
            if header.version.min_consumer > VERSION:
                raise errors.FailedPreconditionError(
                    None,
                    None,
                    f"{self._index_path}: the checkpoint asks for a reader of version {header.version.min_consumer}; "
                    f"this is version {VERSION}",
                )
            self.num_shards: int = header.num_shards
            self._big_endian = header.endianness == 1
            for key, value in pairs:
                self._entries[key] = _entry(classes.BundleEntryProto.FromString(value))
                if not key.startswith(b"\0"):  # those are slices
                    self._names.append(key.decode())
        except (DecodeError, TypeError, ValueError) as error:
            raise self._damaged(self._index_path, None, str(error)) from None

    def _stored_slice(self, name: str, piece: TensorSlice) -> np.ndarray:
        entry = self._entries.get(slice_key(name, piece))
        if entry is None:
            raise self._damaged(self._index_path, name, f"its slice {piece} is missing")
        return self._value(f"{name} [{piece}]", entry)

    def _within(self, name: str, piece: TensorSlice, entry: Entry) -> tuple[slice, ...]:
        try:
            return piece.within(entry.shape)
        except ValueError as error:
            raise self._damaged(self._index_path, name, str(error)) from None

    # The data.

    def _value(self, name: str, entry: Entry) -> np.ndarray:
        path = data_path(self.prefix, entry.shard, self.num_shards)
        stored = self._file(entry.shard, path)
        end = entry.offset + entry.size
        if entry.offset < 0 or entry.size < 0 or end > len(stored):
            raise self._damaged(
                path, name, f"it lies at bytes {entry.offset} to {end} of a file that has {len(stored)}"
            )
        # What is compared with the checksum is our copy, not a file that may still change.
        data = stored.array(entry.offset, entry.size)
        try:
            count = int(np.prod(entry.shape, dtype=object))
            if mask(tensor_encoding.checksum(data, entry.dtype, count)) != entry.crc32c:
                raise ValueError("its checksum does not match")
            return tensor_encoding.decode(data, entry.dtype, entry.shape, self._big_endian)
        except ValueError as error:
            raise self._damaged(path, name, str(error)) from None

    def _file(self, shard: int, path: str) -> RandomAccessFile:
        if shard not in self._files:
            with os_errors(path):
                self._files[shard] = RandomAccessFile(path)
        return self._files[shard]

    def _damaged(self, path: str, name: str | None, what: str) -> errors.DataLossError:
        tensor = "" if name is None else f"tensor {name!r}: "
        return errors.DataLossError(None, None, f"The checkpoint file {path} is damaged: {tensor}{what}")


def _entry(message: Any) -> Entry:
    return Entry(
        as_dtype(message.dtype),
        tuple(dim.size for dim in message.shape.dim),
        message.shard_id,
        message.offset,
        message.size,
        message.crc32c,
        tuple(TensorSlice.of(each) for each in message.slices),
    )
