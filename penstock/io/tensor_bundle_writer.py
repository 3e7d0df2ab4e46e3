"""Writes TensorFlow's checkpoints, and makes one of several.

The files are written under other names, brought to the disk and then renamed, the index last: a checkpoint is there when
its index is, and a reader that comes in between finds checksums that do not match, never a wrong value.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from penstock.io import tensor_encoding
from penstock.io.checksums import mask
from penstock.io.filesystem import files_of, os_errors, replacing
from penstock.io.sorted_table import SortedTable, write_table
from penstock.io.tensor_bundle import HEADER_KEY, VERSION, data_path, index_path, messages
from penstock.io.tensor_slice import TensorSlice, slice_key
from penstock.types import errors
from penstock.types.dtypes import DType, dtype_of_array


class BundleWriter:
    """A checkpoint that is written. Use it in a `with`: the files appear at its end, unless there was an error.

    Args:
      prefix: the path of the checkpoint, without `.index`; its directory is made.

    Example:
      >>> import os, tempfile, numpy as np
      >>> from penstock.io.tensor_bundle import BundleReader
      >>> prefix = os.path.join(tempfile.mkdtemp(), "model")
      >>> with BundleWriter(prefix) as writer:
      ...     writer.add("w", np.array([1.0, 2.0], np.float32))
      >>> BundleReader(prefix).read("w")
      array([1., 2.], dtype=float32)
    """

    def __init__(self, prefix: Any):
        self._system, self.prefix = files_of(prefix)
        self._entries: dict[bytes, Any] = {}
        self._position = 0
        self._files = contextlib.ExitStack()
        self._data: Any = None

    def __enter__(self) -> BundleWriter:
        directory = os.path.dirname(self.prefix)
        with os_errors(directory):
            self._system.makedirs(directory or ".")
        self._data = self._files.enter_context(replacing(data_path(self.prefix, 0, 1)))
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> Any:
        if kind is not None:
            return self._files.__exit__(kind, error, traceback)
        to_disk(self._data)
        self._files.close()
        _write_index(self.prefix, self._entries, shards=1)
        return None

    def add(self, name: str, value: Any, dtype: DType | None = None) -> None:
        """Adds a whole tensor.

        Args:
          name: its name.
          value: an array; strings as objects of bytes.
          dtype: by default that of the array, which does not tell quantized numbers from plain ones.

        Raises:
          InvalidArgumentError: the name is empty, is no UTF-8, or was added before.
        """
        try:
            key = name.encode()
        except UnicodeEncodeError:
            raise errors.InvalidArgumentError(
                None, None, f"the name of a tensor is written as UTF-8, got {name!r}"
            ) from None
        self._check_new(key, name)
        self._entries[key] = self._write(np.asarray(value), dtype)

    def add_slice(
        self, name: str, shape: Sequence[int], piece: TensorSlice, value: Any, dtype: DType | None = None
    ) -> None:
        """Adds a slice of a tensor of `shape`.

        Raises:
          InvalidArgumentError: the value does not fit the slice, or the tensor was added with another shape.
        """
        array, whole = np.asarray(value), tuple(shape)
        if piece.shape_in(whole) != array.shape:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"{name}: the slice {piece} of {list(whole)} got a value of shape {list(array.shape)}",
            )
        if piece.is_full:
            self.add(name, array, dtype)
            return
        key = slice_key(name, piece)
        self._check_new(key, f"{name} [{piece}]")
        self._entries[key] = entry = self._write(array, dtype)
        full = self._entries.get(name.encode())
        if full is None:
            full = messages().BundleEntryProto(dtype=entry.dtype)
            _set_shape(full, whole)
            self._entries[name.encode()] = full
        elif tuple(dim.size for dim in full.shape.dim) != whole or full.dtype != entry.dtype:
            raise errors.InvalidArgumentError(
                None, None, f"{name}: the slices of a tensor must agree on its shape and dtype"
            )
        piece.fill(full.slices.add())

    def _check_new(self, key: bytes, name: str) -> None:
        if not key or key in self._entries:
            raise errors.InvalidArgumentError(None, None, f"Adding duplicate or empty key: {name!r}")

    def _write(self, array: np.ndarray, dtype: DType | None) -> Any:
        dtype = dtype_of_array(array) if dtype is None else dtype
        entry = messages().BundleEntryProto(dtype=dtype.as_datatype_enum, offset=self._position)
        _set_shape(entry, array.shape)
        crc = 0
        for piece, crc in tensor_encoding.encode(array, dtype):  # noqa: B007 - the last covers all
            self._data.write(piece)
            self._position += len(piece)
        entry.size, entry.crc32c = self._position - entry.offset, mask(crc)
        return entry


def merge_bundles(prefixes: Sequence[Any], target: Any, allow_missing: bool = False) -> None:
    """Makes one checkpoint of several by renaming their data files and joining their indexes.

    Args:
      prefixes: the checkpoints, which are no more afterwards.
      target: the prefix of the new one.
      allow_missing: whether a checkpoint that does not exist is passed over.

    Raises:
      NotFoundError: one of them, or all, do not exist.
      InvalidArgumentError: two of them have the same tensor.
    """
    system, target = files_of(target)
    sources = [files_of(each)[1] for each in prefixes]
    if allow_missing:
        sources = [each for each in sources if system.exists(index_path(each))]
    if not sources:
        raise errors.NotFoundError(None, None, f"At least one prefix checkpoint is required to make {target}")
    entries: dict[bytes, Any] = {}
    files: list[str] = []
    for source in sources:
        _join(source, entries, files)
    with os_errors(target):
        system.makedirs(os.path.dirname(target) or ".")
        for shard, path in enumerate(files):
            system.move(path, data_path(target, shard, len(files)))
        _write_index(target, entries, len(files))
        for source in sources:
            if source != target:
                system.remove(index_path(source))


def _join(source: str, entries: dict[bytes, Any], files: list[str]) -> None:
    """Puts the entries of a checkpoint into `entries`, with the shards numbered on, and its data files into `files`."""
    from google.protobuf.message import DecodeError

    classes = messages()
    with os_errors(index_path(source)):
        table = SortedTable(index_path(source))
    first = len(files)
    try:
        shards = 0
        for key, value in table:
            if key == HEADER_KEY:
                shards = classes.BundleHeaderProto.FromString(value).num_shards
                files.extend(data_path(source, shard, shards) for shard in range(shards))
                continue
            entry = classes.BundleEntryProto.FromString(value)
            if not entry.slices:
                entry.shard_id += first
            if key not in entries:
                entries[key] = entry
            elif entry.slices and entries[key].slices and entries[key].shape == entry.shape:
                entries[key].slices.extend(entry.slices)
            else:
                raise errors.InvalidArgumentError(
                    None, None, f"Merging checkpoints: {key!r} is in several of them, the last is {source}"
                )
    except DecodeError as error:
        raise errors.DataLossError(
            None, None, f"The checkpoint file {index_path(source)} is damaged: {error}"
        )
    finally:
        table.close()


def _write_index(prefix: str, entries: dict[bytes, Any], shards: int) -> None:
    header = messages().BundleHeaderProto(num_shards=shards)
    header.version.producer = VERSION
    pairs = [(HEADER_KEY, header.SerializeToString())]
    pairs += [(key, entries[key].SerializeToString()) for key in sorted(entries)]
    with replacing(index_path(prefix)) as file:
        write_table(file, pairs)
        to_disk(file)
    _names_to_disk(os.path.dirname(prefix) or ".")


def _set_shape(entry: Any, shape: Sequence[int]) -> None:
    entry.shape.SetInParent()
    for size in shape:
        entry.shape.dim.add(size=size)


def to_disk(file: IO[bytes]) -> None:
    """Waits until what was written to a file would survive the loss of power."""
    file.flush()
    with contextlib.suppress(AttributeError, io.UnsupportedOperation):  # files that are not local
        os.fsync(file.fileno())


def _names_to_disk(directory: str) -> None:
    """The same for the names of the files in a directory."""
    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError:  # the directory is not local, or the system does not open directories
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
