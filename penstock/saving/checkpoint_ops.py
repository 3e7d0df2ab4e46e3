"""The ops that read and write checkpoints: SaveV2, RestoreV2 and MergeV2Checkpoints, and those of TF 1's first format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.definition import op, stops
from penstock.engine.shape_rules import ShapeCall, no_outputs, scalar
from penstock.io.filesystem import files_of
from penstock.io.tensor_bundle import BundleReader
from penstock.io.tensor_bundle_writer import BundleWriter, merge_bundles
from penstock.io.tensor_slice import parse_shape_and_slice
from penstock.ops.strings.kernels import as_array
from penstock.saving.checkpoint_v1 import CheckpointV1Reader, open_checkpoint, write_checkpoint_v1
from penstock.types import errors
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape


def _text(value: Any, what: str) -> str:
    array = as_array(value)
    if array.size != 1:
        raise ValueError(f"Input {what} should be a scalar string, but had shape: {list(array.shape)}")
    return array.reshape(-1)[0].decode()


def _texts(values: Any) -> list[str]:
    return [each.decode() for each in as_array(values).reshape(-1)]


def _save(prefix: Any, tensor_names: Any, shape_and_slices: Any, tensors: Sequence[np.ndarray]) -> tuple:
    names, slices = _texts(tensor_names), _texts(shape_and_slices)
    if not len(names) == len(slices) == len(tensors):
        raise ValueError(
            f"Got {len(names)} tensor names, {len(slices)} shapes and slices, and {len(tensors)} tensors; "
            "there must be one of each for each tensor"
        )
    with BundleWriter(_text(prefix, "prefix")) as writer:
        for name, text, tensor in zip(names, slices, tensors):
            if not text:
                writer.add(name, _array(tensor))
                continue
            shape, piece = parse_shape_and_slice(text)
            writer.add_slice(name, shape, piece, _array(tensor))
    return ()


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(tensor, object if isinstance(tensor, bytes) else None)


def _read(reader: BundleReader | CheckpointV1Reader, name: str, text: str, dtype: DType) -> np.ndarray:
    stored = reader.dtype(name)
    if stored is not dtype.base_dtype:
        raise errors.InvalidArgumentError(
            None,
            None,
            f"tensor_name = {name}; expected dtype {dtype.base_dtype.name} does not equal original dtype {stored.name}",
        )
    if not text:
        return reader.read(name)
    shape, piece = parse_shape_and_slice(text)
    if shape != reader.shape(name):
        raise ValueError(
            f"tensor_name = {name}; shape in shape_and_slice spec {list(shape)} does not match the shape stored in "
            f"checkpoint: {list(reader.shape(name))}"
        )
    return reader.read_slice(name, piece)


def _restore(
    prefix: Any, tensor_names: Any, shape_and_slices: Any, *, dtypes: Sequence[Any]
) -> list[np.ndarray]:
    names, slices = _texts(tensor_names), _texts(shape_and_slices)
    if not len(names) == len(slices) == len(dtypes):
        raise ValueError(
            f"Got {len(names)} tensor names, {len(slices)} shapes and slices, and {len(dtypes)} dtypes; "
            "there must be one of each for each tensor"
        )
    with open_checkpoint(_text(prefix, "prefix")) as reader:
        rows = zip(names, slices, dtypes)
        return [_read(reader, name, text, as_dtype(dtype)) for name, text, dtype in rows]


def _merge(
    checkpoint_prefixes: Any, destination_prefix: Any, *, delete_old_dirs: bool, allow_missing_files: bool
) -> tuple:
    sources = _texts(checkpoint_prefixes)
    target = _text(destination_prefix, "destination_prefix")
    merge_bundles(sources, target, allow_missing_files)
    if delete_old_dirs:
        # The parts lay in a directory of their own; one that holds more stays.
        files, _ = files_of(target)
        for directory in {os.path.dirname(each) for each in sources} - {os.path.dirname(target)}:
            if files.isdir(directory) and not files.listdir(directory):
                files.rmtree(directory)
    return ()


def _restored_shapes(call: ShapeCall) -> list[TensorShape]:
    texts = call.value(2)
    count = len(call.attrs["dtypes"])
    if texts is None or len(texts) != count:
        return [TensorShape(None)] * count
    return [_slice_shape(each.decode()) for each in texts]


def _slice_shape(text: str) -> TensorShape:
    if not text:
        return TensorShape(None)
    shape, piece = parse_shape_and_slice(text)
    return TensorShape(piece.shape_in(shape))


op(
    "SaveV2(prefix: string, tensor_names: string, shape_and_slices: string, tensors: *dtypes) -> ()",
    numpy=_save,
    shape=no_outputs,
    stateful=True,
)
op(
    "RestoreV2(prefix: string, tensor_names: string, shape_and_slices: string; dtypes) -> tensors: *dtypes",
    numpy=_restore,
    shape=_restored_shapes,
    gradient=stops,
    stateful=True,
)
op(
    "MergeV2Checkpoints(checkpoint_prefixes: string, destination_prefix: string; delete_old_dirs=True, "
    "allow_missing_files=False) -> ()",
    numpy=_merge,
    shape=no_outputs,
    stateful=True,
)


# Names of the files of sharded checkpoints.


def _name_array(text: str) -> np.ndarray:
    return np.array(text.encode(), object)


op(
    "ShardedFilename(basename: string, shard: int32, num_shards: int32) -> filename: string",
    numpy=lambda basename, shard, num_shards: _name_array(
        f"{_text(basename, 'basename')}-{int(shard):05d}-of-{int(num_shards):05d}"
    ),
    shape=scalar,
    gradient=stops,
)
op(
    "ShardedFilespec(basename: string, num_shards: int32) -> filename: string",
    numpy=lambda basename, num_shards: _name_array(
        f"{_text(basename, 'basename')}-?????-of-{int(num_shards):05d}"
    ),
    shape=scalar,
    gradient=stops,
)


# The first format.


def _save_v1(filename: Any, tensor_names: Any, data: Sequence[np.ndarray]) -> tuple:
    return _save_slices_v1(filename, tensor_names, np.full(len(data), b"", object), data)


def _save_slices_v1(
    filename: Any, tensor_names: Any, shapes_and_slices: Any, data: Sequence[np.ndarray]
) -> tuple:
    names, slices = _texts(tensor_names), _texts(shapes_and_slices)
    if not len(names) == len(slices) == len(data):
        raise ValueError(
            f"Got {len(names)} tensor names, {len(slices)} slices, and {len(data)} tensors; they must be equally many"
        )
    tensors = []
    for name, text, tensor in zip(names, slices, map(_array, data)):
        shape, piece = parse_shape_and_slice(text) if text else (tensor.shape, None)
        tensors.append((name, shape, piece, tensor))
    write_checkpoint_v1(_text(filename, "filename"), tensors)
    return ()


def _restore_v1(
    file_pattern: Any, tensor_name: Any, shape_and_slice: Any = b"", *, dt: Any, preferred_shard: int
) -> np.ndarray:
    with open_checkpoint(_text(file_pattern, "file_pattern")) as reader:
        name, text = _text(tensor_name, "tensor_name"), _text(shape_and_slice, "shape_and_slice")
        return _read(reader, name, text, as_dtype(dt))


op(
    "Save(filename: string, tensor_names: string, data: *T) -> ()",
    numpy=_save_v1,
    shape=no_outputs,
    stateful=True,
)
op(
    "SaveSlices(filename: string, tensor_names: string, shapes_and_slices: string, data: *T) -> ()",
    numpy=_save_slices_v1,
    shape=no_outputs,
    stateful=True,
)
op(
    "Restore(file_pattern: string, tensor_name: string; dt, preferred_shard=-1) -> tensor: dt",
    numpy=_restore_v1,
    shape=lambda call: TensorShape(None),
    gradient=stops,
    stateful=True,
)
op(
    "RestoreSlice(file_pattern: string, tensor_name: string, shape_and_slice: string; dt, preferred_shard=-1) -> tensor: dt",
    numpy=_restore_v1,
    shape=lambda call: (
        TensorShape(None) if call.value(2) is None else _slice_shape(call.value(2).reshape(-1)[0].decode())
    ),
    gradient=stops,
    stateful=True,
)


# TensorFlow puts it before the reads of a saver; values here are never written into while they are held.
op("DisableCopyOnRead(resource: resource) -> ()", numpy=lambda resource: (), shape=no_outputs, stateful=True)
