"""How variables are cut into shards: `tf.distribute.experimental.partitioners`.

A partitioner is called with a shape and a dtype and says into how many parts each axis is cut. All cut the first axis.
"""

from __future__ import annotations

import math
from typing import Any

from penstock.engine.export import export
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape

_STRING_BYTES = 16  # what an element of a string variable counts, as in TensorFlow


@export("distribute.experimental.partitioners.Partitioner")
class Partitioner:
    """What cuts variables. Subclasses define `__call__(shape, dtype, axis=0)`."""

    def __call__(self, shape: Any, dtype: Any, axis: int = 0) -> list[int]:
        """The number of parts of each axis; all but `axis` have one."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it cuts: define __call__")


@export("distribute.experimental.partitioners.FixedShardsPartitioner")
class FixedShardsPartitioner(Partitioner):
    """Cuts into a fixed number of shards (fewer where the axis is shorter).

    Args:
      num_shards: how many.

    Example:
      >>> import penstock as tf
      >>> tf.distribute.experimental.partitioners.FixedShardsPartitioner(2)(tf.TensorShape([10, 3]), tf.float32)
      [2, 1]
    """

    def __init__(self, num_shards: int):
        self._num_shards = num_shards

    def __call__(self, shape: Any, dtype: Any, axis: int = 0) -> list[int]:
        """The number of parts of each axis."""
        return _cut(shape, axis, min(self._num_shards, TensorShape(shape)[axis]))


@export("distribute.experimental.partitioners.MinSizePartitioner")
class MinSizePartitioner(Partitioner):
    """Cuts into as many shards as there can be with at least so many bytes each.

    Args:
      min_shard_bytes: the least size of a shard.
      max_shards: the most shards.
      bytes_per_string: what an element of a string variable counts.

    Raises:
      ValueError: one of them is less than 1.

    Example:
      >>> import penstock as tf
      >>> partitioner = tf.distribute.experimental.partitioners.MinSizePartitioner(min_shard_bytes=4, max_shards=2)
      >>> partitioner(tf.TensorShape([6, 1]), tf.float32)
      [2, 1]
    """

    def __init__(
        self, min_shard_bytes: int = 256 << 10, max_shards: int = 1, bytes_per_string: int = _STRING_BYTES
    ):
        _check_positive("min_shard_bytes", min_shard_bytes)
        _check_positive("max_shards", max_shards)
        _check_positive("bytes_per_string", bytes_per_string)
        self._least, self._max_shards, self._string_bytes = min_shard_bytes, max_shards, bytes_per_string

    def __call__(self, shape: Any, dtype: Any, axis: int = 0) -> list[int]:
        """The number of parts of each axis."""
        rows = TensorShape(shape)[axis]
        total = _row_bytes(shape, dtype, axis, self._string_bytes) * rows
        return _cut(shape, axis, max(1, min(self._max_shards, rows, math.ceil(total / self._least))))


@export("distribute.experimental.partitioners.MaxSizePartitioner")
class MaxSizePartitioner(Partitioner):
    """Cuts into as few shards as it takes to have at most so many bytes in each.

    Args:
      max_shard_bytes: the greatest size of a shard.
      max_shards: the most shards; None for any number.
      bytes_per_string: what an element of a string variable counts.

    Raises:
      ValueError: one of them is less than 1.

    Example:
      >>> import penstock as tf
      >>> partitioner = tf.distribute.experimental.partitioners.MaxSizePartitioner(max_shard_bytes=4)
      >>> partitioner(tf.TensorShape([6, 1]), tf.float32)
      [6, 1]
    """

    def __init__(
        self, max_shard_bytes: int, max_shards: int | None = None, bytes_per_string: int = _STRING_BYTES
    ):
        _check_positive("max_shard_bytes", max_shard_bytes)
        if max_shards:
            _check_positive("max_shards", max_shards)
        _check_positive("bytes_per_string", bytes_per_string)
        self._greatest, self._max_shards, self._string_bytes = max_shard_bytes, max_shards, bytes_per_string

    def __call__(self, shape: Any, dtype: Any, axis: int = 0) -> list[int]:
        """The number of parts of each axis."""
        rows = TensorShape(shape)[axis]
        # A shard has whole rows: as many as fit, but at least one.
        rows_of_shard = max(
            1, math.floor(self._greatest / _row_bytes(shape, dtype, axis, self._string_bytes))
        )
        shards = math.ceil(rows / rows_of_shard)
        return _cut(shape, axis, min(shards, self._max_shards) if self._max_shards else shards)


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"Argument `{name}` must be positive. Received: {value}")


def _row_bytes(shape: Any, dtype: Any, axis: int, string_bytes: int) -> int:
    dtype, sizes = as_dtype(dtype), TensorShape(shape).as_list()
    size = string_bytes if dtype is dtypes.string else dtype.size
    return size * math.prod(each for i, each in enumerate(sizes) if i != axis)


def _cut(shape: Any, axis: int, parts: int) -> list[int]:
    counts = [1] * TensorShape(shape).rank
    counts[axis] = parts
    return counts


def offsets_of(partitioner: Any, shape: TensorShape, dtype: Any) -> list[int] | None:
    """Where each shard begins, and the number of rows at the end; None where a variable is not cut.

    Raises:
      ValueError: the partitioner's answer does not have a number for each axis, or cuts another axis than the first.
    """
    if partitioner is None or not shape.rank:
        return None
    parts = list(partitioner(shape=shape, dtype=dtype))
    if not parts or len(parts) != shape.rank or any(each < 1 for each in parts):
        raise ValueError(
            f"variable_partitioner must return a positive number for each axis of {shape}, got {parts}"
        )
    if any(each > 1 for each in parts[1:]):
        raise ValueError(
            f"variable_partitioner must return a list with at most one non-one element, the first: got {parts}"
        )
    if parts[0] == 1:
        return None
    rows = shape[0]
    if parts[0] > rows:
        raise ValueError(f"variable_partitioner asks for {parts[0]} shards of {rows} rows")
    # The first `rows % parts` shards hold one row more than the others, as embedding_lookup expects.
    each, extra = divmod(rows, parts[0])
    return [i * each + min(i, extra) for i in range(parts[0] + 1)]
