"""`Dataset.save` and `Dataset.load`: elements in a folder, in the format that TensorFlow writes and reads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from penstock.data.dataset import UNKNOWN, Dataset
from penstock.data.element import ElementFunction
from penstock.data.element_files import compression_kind, read_elements
from penstock.data.iteration import Iteration, Run
from penstock.data.planner import planned
from penstock.data.progress import Progress
from penstock.data.written_runs import RunWriter, read_metadata, shard_files
from penstock.io.filesystem import local_path, os_errors, replacing
from penstock.ops.random.stream import new_states
from penstock.saving.structured_values import decode, encode
from penstock.types import errors
from penstock.types.tensors import Tensor

_SPEC = "dataset_spec.pb"
_ERROR = "ERROR"  # what went wrong, where another process was to save


def as_path(path: Any) -> str:
    """A path that was given as text or a string tensor."""
    if isinstance(path, Tensor):
        path = path.numpy()
    return local_path(path)


def shard_function(function: Callable | None, dataset: Dataset) -> ElementFunction | None:
    """The traced function that says which shard an element goes to.

    Raises:
      TypeError: it does not return an integer scalar.
    """
    if function is None:
        return None
    traced = ElementFunction(function, dataset._layout)
    if not isinstance(traced.result, Tensor) or not traced.result.dtype.is_integer:
        raise TypeError(f"Invalid `shard_func`. It must return an integer scalar, got {traced.output_spec}.")
    return traced


def save(dataset: Dataset, path: Any, compression: Any, shard_func: Callable | None) -> None:
    """See `Dataset.save`."""
    folder, kind = as_path(path), compression_kind(compression)
    shard_of = shard_function(shard_func, dataset)
    call = None if shard_of is None else shard_of.bound(shard_of.captures)
    spec = encode(dataset.element_spec)
    with os_errors(folder):
        os.makedirs(folder, exist_ok=True)
    writer = RunWriter(folder, dataset._layout, kind)
    progress = Progress(f"saving {os.path.basename(folder)}", dataset._size())
    iteration = Iteration(planned(dataset), Run())
    try:
        with new_states():
            for element in iteration._elements:
                writer.write(element, 0 if call is None else int(call(element)[0]))
                progress.advance()
        with replacing(os.path.join(folder, _SPEC)) as file:
            file.write(spec.SerializeToString())
        writer.finish()
    finally:
        progress.close()
        iteration.close()
        writer.abandon()


def say_that_saving_failed(folder: str, why: str) -> None:
    """Tells whoever waits for a folder that it will not become whole."""
    with replacing(os.path.join(folder, _ERROR)) as file:
        file.write(why.encode())


def _wait_until_whole(folder: str) -> None:
    """Waits for a folder that another process writes.

    Raises:
      DataLossError: it could not.
    """
    while read_metadata(folder) is None:
        error = os.path.join(folder, _ERROR)
        if os.path.exists(error):
            with open(error, "rb") as file:
                why = file.read().decode()
            raise errors.DataLossError(None, None, f"{folder} was not saved as a whole: {why}")
        time.sleep(0.1)


def load(path: Any, element_spec: Any, compression: Any, reader_func: Callable | None, wait: bool) -> Dataset:
    """See `Dataset.load`."""
    folder = as_path(path)
    if wait:
        _wait_until_whole(folder)
    if element_spec is None:
        file = os.path.join(folder, _SPEC)
        if not os.path.exists(file):
            raise errors.NotFoundError(None, None, f"tf.data snapshot element_spec file not found: {file}.")
        from tensorboard.compat.proto import struct_pb2

        with open(file, "rb") as opened:
            element_spec = decode(struct_pb2.StructuredValue.FromString(opened.read()))
    record = read_metadata(folder)
    if record is None:
        raise errors.NotFoundError(
            None, None, f"Could not find a finished dataset in {folder}: there is no metadata file, or the save was cut off."
        )  # fmt: skip
    return shards_of(folder, record, element_spec, compression_kind(compression), reader_func)


def shards_of(
    folder: str, record: Any, element_spec: Any, compression: str, reader_func: Callable | None
) -> Dataset:
    """A dataset of what a run wrote; by default one shard after the other, element by element in turn."""
    shards = list(shard_files(folder, record.run_id))
    if reader_func is None and len(shards) <= 1:
        return Written(shards[0] if shards else [], element_spec, compression, record.num_elements)
    names = Dataset.range(len(shards))
    datasets = names.map(lambda shard: Shards(shards, element_spec, compression, shard))
    if reader_func is None:
        return datasets.interleave(lambda each: each, cycle_length=len(shards))
    result = reader_func(datasets)
    if not isinstance(result, Dataset):
        raise TypeError(f"Invalid `reader_func`. It must return a `Dataset` object, got {type(result)}.")
    return result


class Written(Dataset):
    """The elements of files, one after the other."""

    def __init__(self, files: list[str], element_spec: Any, compression: str, size: int = UNKNOWN):
        super().__init__(element_spec)
        self._files, self._compression, self._count = files, compression, size

    def _elements(self, at: Iteration) -> Iterator[list]:
        return self._read(self._files, at)

    def _read(self, files: list[str], at: Iteration) -> Iterator[list]:
        number, given = at.kept.get("file", 0), at.kept.get("given", 0)
        at.keep(lambda: {"file": number, "given": given})
        for path in files[number:]:
            for element in read_elements(path, self._layout, self._compression, given):
                given += 1
                yield element
            number, given = number + 1, 0

    def _size(self) -> int:
        return self._count


class Shards(Written):
    """The elements of one of several shards, whose number may be a symbolic tensor."""

    def __init__(self, shards: list[list[str]], element_spec: Any, compression: str, shard: Any):
        super().__init__([], element_spec, compression)
        self._shards, self._shard = shards, self._parameter(shard)

    def _elements(self, at: Iteration) -> Iterator[list]:
        return self._read(self._shards[int(at.value(self._shard))], at)
