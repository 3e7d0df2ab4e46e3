"""How the tensors of a checkpoint are spread over data files: `tf.train.experimental.ShardingCallback` and its policies."""

from __future__ import annotations

import abc
import os
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.export import export
from penstock.io.filesystem import files_of
from penstock.io.tensor_bundle_writer import merge_bundles
from penstock.saving.object_graph import OBJECT_GRAPH_KEY
from penstock.saving.object_writer import HostTensor, write_tensors
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape


@export("train.experimental.ShardableTensor")
class ShardableTensor(NamedTuple):
    """A tensor that a sharding callback assigns to a file.

    Attributes:
      tensor: the value, a NumPy array. dtype, shape: its own.
      device: where it is. name: the same as `checkpoint_key`.
      slice_spec: "" for a whole tensor, else shape and slice as text.
      checkpoint_key: its name in the checkpoint.
    """

    tensor: np.ndarray
    dtype: DType
    device: str
    name: str
    shape: TensorShape
    slice_spec: str
    checkpoint_key: str


Shard = Mapping[str, Mapping[str, Any]]  # checkpoint key -> slice as text -> value


@export("train.experimental.ShardingCallback")
class ShardingCallback(abc.ABC):
    """Says which tensors go into which file of a checkpoint."""

    @property
    @abc.abstractmethod
    def description(self) -> str:
        """What the callback does."""

    @abc.abstractmethod
    def __call__(self, shardable_tensors: Sequence[ShardableTensor]) -> Sequence[Shard]:
        """Returns one dict for each file: checkpoint key -> slice spec -> tensor."""


@export("train.experimental.ShardByTaskPolicy")
class ShardByTaskPolicy(ShardingCallback):
    """One file for each process: all tensors of this one in one file."""

    @property
    def description(self) -> str:
        return "Split tensors into shards based on their device spec task."

    def __call__(self, shardable_tensors: Sequence[ShardableTensor]) -> Sequence[Shard]:
        shard: dict[str, dict[str, Any]] = {}
        for each in shardable_tensors:
            shard.setdefault(each.checkpoint_key, {})[each.slice_spec] = each.tensor
        return [shard]


@export("train.experimental.MaxShardSizePolicy")
class MaxShardSizePolicy(ShardingCallback):
    """Files of at most so many bytes; a larger tensor is cut along its first axes.

    Args:
      max_shard_size: the size in bytes.

    Raises (when a checkpoint is written):
      ValueError: not even one element, or one string tensor, fits.
    """

    def __init__(self, max_shard_size: int):
        self.max_shard_size = max_shard_size

    @property
    def description(self) -> str:
        return "Split tensors into shards with a max shard size."

    def __call__(self, shardable_tensors: Sequence[ShardableTensor]) -> Sequence[Shard]:
        shards: list[dict[str, dict[str, Any]]] = [{}]
        used = 0
        for each in shardable_tensors:
            for spec, piece in self._pieces(each):
                size = _bytes(piece)
                if used and used + size > self.max_shard_size:
                    shards.append({})
                    used = 0
                shards[-1].setdefault(each.checkpoint_key, {})[spec] = piece
                used += size
        return shards

    def _pieces(self, tensor: ShardableTensor) -> list[tuple[str, np.ndarray]]:
        """The tensor in pieces that fit, each with its slice as text."""
        array = tensor.tensor
        if _bytes(array) <= self.max_shard_size:
            return [(tensor.slice_spec, array)]
        if tensor.slice_spec or array.dtype == object or array.itemsize > self.max_shard_size:
            raise ValueError(
                f"{tensor.checkpoint_key} of {_bytes(array)} bytes cannot be cut into pieces of {self.max_shard_size}"
            )
        # The first axes are cut into single entries until a row of what is left fits.
        axis = 0
        while array[(0,) * (axis + 1)].nbytes > self.max_shard_size:
            axis += 1
        rows = max(1, self.max_shard_size // array[(0,) * (axis + 1)].nbytes)
        pieces = []
        for outer in np.ndindex(array.shape[:axis]):
            for start in range(0, array.shape[axis], rows):
                length = min(rows, array.shape[axis] - start)
                index = tuple(slice(at, at + 1) for at in outer) + (slice(start, start + length),)
                extents = [f"{at},1" for at in outer] + [f"{start},{length}"]
                extents += ["-"] * (array.ndim - axis - 1)
                shape = " ".join(str(size) for size in array.shape)
                pieces.append((f"{shape} {':'.join(extents)}", array[index]))
        return pieces


def _bytes(array: np.ndarray) -> int:
    return sum(map(len, array.reshape(-1))) if array.dtype == object else array.nbytes


def write_shards(prefix: str, tensors: Sequence[HostTensor], callback: ShardingCallback) -> None:
    """Writes a checkpoint in the files that a callback asks for."""
    dtypes = {each.key: each.dtype for each in tensors}
    described = [each for each in tensors if each.key == OBJECT_GRAPH_KEY]
    shards = callback([
        ShardableTensor(
            each.value, each.dtype, "/device:CPU:0", each.key, TensorShape(each.value.shape), each.slice_spec, each.key
        )
        for each in tensors
        if each.key != OBJECT_GRAPH_KEY
    ])  # fmt: skip
    files, target = files_of(prefix)
    parts = f"{target}_temp_{uuid.uuid4().hex}"
    try:
        written = []
        for number, shard in enumerate(shards):
            pieces = [
                HostTensor(key, spec, np.asarray(value), dtypes[key])
                for key, slices in shard.items()
                for spec, value in slices.items()
            ]
            written.append(os.path.join(parts, f"part-{number}"))
            write_tensors(written[-1], pieces + (described if number == 0 else []))
        merge_bundles(written, target)
    finally:
        if files.isdir(parts):
            files.rmtree(parts)
