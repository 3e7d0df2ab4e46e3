"""Reads the checkpoints of early TensorFlow 1: one table that holds the tensors themselves, as messages.

The empty key has the list of tensors and of the slices that each is stored in; each slice has a key of its own.
`open_checkpoint` reads checkpoints of either format.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.graph.tensor_proto import FIELDS
from penstock.io.filesystem import files_of, os_errors, replacing
from penstock.io.proto_schema import message_classes
from penstock.io.sorted_table import SortedTable, write_table
from penstock.io.tensor_bundle import BundleReader, index_path
from penstock.io.tensor_bundle_writer import to_disk
from penstock.io.tensor_slice import TensorSlice, slice_key
from penstock.types import dtypes, errors
from penstock.types.dtypes import DType, as_dtype, dtype_of_array

_SCHEMA = """
message TensorSliceProto {
  message Extent { int64 start = 1; oneof has_length { int64 length = 2; } }
  repeated Extent extent = 1;
}
message SavedSliceMeta {
  string name = 1;
  TensorShapeProto shape = 2;
  DataType type = 3;
  repeated TensorSliceProto slice = 4;
}
message SavedTensorSliceMeta { repeated SavedSliceMeta tensor = 1; VersionDef versions = 2; }
message SavedSlice { string name = 1; TensorSliceProto slice = 2; TensorProto data = 3; }
message SavedTensorSlices { SavedTensorSliceMeta meta = 1; SavedSlice data = 2; }
"""
_FIELDS = {
    **FIELDS,
    dtypes.complex64: "scomplex_val",
    dtypes.complex128: "dcomplex_val",
    dtypes.string: "string_val",
}


def messages() -> Any:
    """The classes of the messages in such a checkpoint."""
    imports = ("tensor_shape", "types", "versions", "tensor")
    return message_classes("saved_tensor_slice", _SCHEMA, imports)


class _Tensor:
    """A tensor of the checkpoint: its slices, each with the table that holds it."""

    def __init__(self, dtype: DType, shape: tuple[int, ...]):
        self.dtype, self.shape = dtype, shape
        self.slices: dict[TensorSlice, SortedTable] = {}


class CheckpointV1Reader:
    """A checkpoint in TF 1's first format; has the methods of `BundleReader`.

    Args:
      prefix: the file, or a pattern of the files that a sharded checkpoint has.

    Raises:
      NotFoundError: there is no such file.
      DataLossError: a file is damaged.
    """

    def __init__(self, prefix: Any):
        self.prefix = files_of(prefix)[1]
        paths = _files(self.prefix)
        if not paths:
            raise errors.NotFoundError(
                None,
                None,
                "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for "
                f"{self.prefix}",
            )
        self._tensors: dict[str, _Tensor] = {}
        self._tables: list[SortedTable] = []
        for path in paths:
            with os_errors(path):
                self._tables.append(SortedTable(path))
            self._read_list(self._tables[-1])

    def names(self) -> list[str]:
        """The names of the tensors, sorted."""
        return sorted(self._tensors)

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def _tensor(self, name: str) -> _Tensor:
        if name not in self._tensors:
            raise errors.NotFoundError(None, None, f"Key {name} not found in checkpoint")
        return self._tensors[name]

    def dtype(self, name: str) -> DType:
        """The dtype of a tensor."""
        return self._tensor(name).dtype

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor."""
        return self._tensor(name).shape

    def read(self, name: str) -> np.ndarray:
        """The value of a tensor; errors as for `BundleReader.read`."""
        tensor = self._tensor(name)
        sizes = (math.prod(piece.shape_in(tensor.shape)) for piece in tensor.slices)
        if sum(sizes) < math.prod(tensor.shape):  # before room is made for it
            raise self._damaged(f"the slices of {name!r} do not cover it")
        whole = np.empty(tensor.shape, _numpy_kind(tensor.dtype))
        covered = np.zeros(tensor.shape, bool)
        for piece, table in tensor.slices.items():
            value = self._slice(name, tensor, piece, table)
            place = piece.within(tensor.shape)
            whole[place], covered[place] = value, True
        if not covered.all():
            raise self._damaged(f"the slices of {name!r} do not cover it")
        return whole

    def read_slice(self, name: str, piece: TensorSlice) -> np.ndarray:
        """The value of a slice of a tensor, however that is stored."""
        tensor = self._tensor(name)
        if piece in tensor.slices:
            return self._slice(name, tensor, piece, tensor.slices[piece])
        try:
            return np.array(self.read(name)[piece.within(tensor.shape)], order="C")
        except ValueError as error:
            raise errors.InvalidArgumentError(None, None, f"{name} in {self.prefix}: {error}") from None

    def close(self) -> None:
        """Ends the mappings of the files."""
        for table in self._tables:
            table.close()

    def __enter__(self) -> CheckpointV1Reader:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def _read_list(self, table: SortedTable) -> None:
        for each in self._message(table, b"", "it has no list of tensors").meta.tensor:
            try:
                dtype, shape = as_dtype(each.type), tuple(dim.size for dim in each.shape.dim)
                tensor = self._tensors.setdefault(each.name, _Tensor(dtype, shape))
                if (tensor.dtype, tensor.shape) != (dtype, shape):
                    raise ValueError(f"its files do not agree on {each.name!r}")
                for piece in map(TensorSlice.of, each.slice):
                    piece.within(shape)
                    tensor.slices[piece] = table
            except (TypeError, ValueError) as error:
                raise self._damaged(str(error)) from None

    def _message(self, table: SortedTable, key: bytes, missing: str) -> Any:
        from google.protobuf.message import DecodeError

        value = table.get(key)
        if value is None:
            raise self._damaged(missing)
        try:
            return messages().SavedTensorSlices.FromString(value)
        except DecodeError as error:
            raise self._damaged(str(error)) from None

    def _slice(self, name: str, tensor: _Tensor, piece: TensorSlice, table: SortedTable) -> np.ndarray:
        missing = f"the slice {piece} of {name!r} is missing"
        saved = self._message(table, slice_key(name, piece), missing).data
        try:
            return _values(saved.data, tensor.dtype).reshape(piece.shape_in(tensor.shape))
        except ValueError as error:
            raise self._damaged(f"the slice {piece} of {name!r}: {error}") from None

    def _damaged(self, what: str) -> errors.DataLossError:
        return errors.DataLossError(None, None, f"The checkpoint file {self.prefix} is damaged: {what}")


def open_checkpoint(prefix: Any) -> BundleReader | CheckpointV1Reader:
    """Opens a checkpoint of either format.

    Raises:
      NotFoundError: there is none.
      DataLossError: it is damaged.
    """
    files, path = files_of(prefix)
    if not files.exists(index_path(path)) and _files(path):
        return CheckpointV1Reader(path)
    return BundleReader(path)


def _files(prefix: str) -> list[str]:
    """The files of a checkpoint in the first format: the one of that name, or those that match it."""
    files, _ = files_of(prefix)
    found = [prefix] if files.exists(prefix) else files.glob(prefix)
    return sorted(path for path in found if not files.isdir(path))


def _numpy_kind(dtype: DType) -> Any:
    return object if dtype is dtypes.string else dtype.np_dtype


def _values(message: Any, dtype: DType) -> np.ndarray:
    """The elements in a TensorProto, flat."""
    kind = _numpy_kind(dtype)
    if message.tensor_content:
        return np.frombuffer(message.tensor_content, kind)
    field = _FIELDS.get(dtype)
    if field is None:
        raise ValueError(f"it has the dtype {dtype.name}, for which the format has no place")
    stored = getattr(message, field)
    if dtype.is_complex:
        return np.array(stored, dtype.real_dtype.np_dtype).view(kind)
    if field == "half_val":
        return np.array(stored, np.uint16).view(kind)
    values = np.empty(len(stored), kind)
    values[:] = stored
    return values


def write_checkpoint_v1(
    path: Any, tensors: Sequence[tuple[str, Sequence[int], TensorSlice | None, np.ndarray]]
) -> None:
    """Writes a checkpoint in the first format; the file appears whole.

    Args:
      path: the file.
      tensors: for each tensor or slice its name, the shape of the whole, the slice (None for all), and the value.

    Raises:
      InvalidArgumentError: the format has no place for a dtype, or a slice is given twice.
    """
    (files, path), classes = files_of(path), messages()
    listed = classes.SavedTensorSlices()
    metas: dict[str, Any] = {}
    pairs: dict[bytes, bytes] = {}
    for name, shape, piece, value in tensors:
        piece = piece or TensorSlice(((0, None),) * len(shape))
        saved = classes.SavedTensorSlices()
        saved.data.name = name
        saved.data.slice.SetInParent()
        piece.fill(saved.data.slice)
        dtype = _fill(saved.data.data, value, name)
        meta = metas.get(name)
        if meta is None:
            meta = metas[name] = listed.meta.tensor.add(name=name, type=dtype.as_datatype_enum)
            meta.shape.SetInParent()
            for size in shape:
                meta.shape.dim.add(size=size)
        piece.fill(meta.slice.add())
        key = slice_key(name, piece)
        if key in pairs:
            raise errors.InvalidArgumentError(None, None, f"the slice {piece} of {name!r} is saved twice")
        pairs[key] = saved.SerializeToString()
    listed.meta.versions.producer = 1
    pairs[b""] = listed.SerializeToString()
    with os_errors(path):
        files.makedirs(os.path.dirname(path) or ".")
    with replacing(path) as file:
        write_table(file, sorted(pairs.items()))
        to_disk(file)


def _fill(message: Any, value: np.ndarray, name: str) -> DType:
    """Puts the elements of an array into a TensorProto; returns the dtype."""
    dtype = dtype_of_array(value)
    field = _FIELDS.get(dtype)
    if field is None:
        raise errors.InvalidArgumentError(
            None, None, f"{name}: checkpoints of version 1 cannot hold the dtype {dtype.name}"
        )
    flat = np.ascontiguousarray(value).reshape(-1)
    if dtype.is_complex:
        flat = flat.view(dtype.real_dtype.np_dtype)
    elif field == "half_val":
        flat = flat.view(np.uint16)
    message.dtype = dtype.as_datatype_enum
    getattr(message, field).extend(flat.tolist())
    return dtype
