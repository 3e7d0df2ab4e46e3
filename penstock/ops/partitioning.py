"""Rows sorted into groups by a label, and put together again: dynamic_partition and dynamic_stitch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static
from penstock.ops import native_ordering, reshaping
from penstock.ops.arguments import matching
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

# DynamicPartition.

_FEW_GROUPS = 8  # up to here a search for each takes less time than sorting


def _dynamic_partition(data: np.ndarray, partitions: np.ndarray, *, num_partitions: int) -> list[np.ndarray]:
    partitions = np.asarray(partitions)
    if np.shape(data)[: partitions.ndim] != partitions.shape:
        raise ValueError(
            f"data.shape must start with partitions.shape, got data.shape = {list(np.shape(data))}, partitions.shape = "
            f"{list(partitions.shape)}"
        )
    flat = partitions.reshape(-1)
    rows = np.asarray(data).reshape((flat.size, *np.shape(data)[partitions.ndim :]))
    found = native_ordering.divide_items(rows, flat, num_partitions)
    if found is not None:
        return found
    if flat.size and not 0 <= flat.min() <= flat.max() < num_partitions:
        bad = np.flatnonzero((flat < 0) | (flat >= num_partitions))[0]
        place = ",".join(str(i) for i in np.unravel_index(bad, partitions.shape))
        raise ValueError(f"partitions[{place}] = {flat[bad]} is not in [0, {num_partitions})")
    keys = flat.astype(np.min_scalar_type(max(num_partitions - 1, 0)))
    if num_partitions <= _FEW_GROUPS:
        return [rows.take(np.flatnonzero(keys == group), 0) for group in range(num_partitions)]
    # NumPy sorts bytes and 16-bit integers by their digits.
    ends = np.cumsum(np.bincount(flat, minlength=num_partitions))
    return np.split(rows.take(np.argsort(keys, kind="stable"), 0), ends[:-1])[:num_partitions]


def _dynamic_partition_shape(call: ShapeCall) -> list[TensorShape]:
    data, partitions, count = call.shape(0), call.shape(1), call.attrs["num_partitions"]
    if data.rank is None or partitions.rank is None:
        return [TensorShape(None)] * count
    if not data[: partitions.rank].is_compatible_with(partitions):
        raise call.error("the shape of data must start with that of partitions")
    return [TensorShape([None]).concatenate(data[partitions.rank :])] * count


def _dynamic_partition_gradient(op: Any, *dys: Any) -> list:
    """Numbers the rows, partitions the numbers, and stitches the gradients at them."""
    data, partitions = op.inputs
    shape = execute("Shape", (partitions,), {"out_type": dtypes.int32})
    count = execute("Prod", (shape, convert_to_tensor([0])), {"keep_dims": False})
    numbers = execute("Range", (convert_to_tensor(0), count, convert_to_tensor(1)))
    attrs = {"num_partitions": op.attrs["num_partitions"]}
    places = execute("DynamicPartition", (reshaping.reshape(numbers, shape), partitions), attrs)
    stitched = execute("DynamicStitch", (places, [convert_to_tensor(dy) for dy in dys]))
    return [reshaping.reshape(stitched, reshaping.shape_vector(data)), None]


op(
    "DynamicPartition(data: T, partitions: int32; num_partitions) -> outputs: num_partitions*T",
    numpy=_dynamic_partition,
    shape=_dynamic_partition_shape,
    gradient=_dynamic_partition_gradient,
)


@export("dynamic_partition")
def dynamic_partition(
    data: Any, partitions: Any, num_partitions: int, name: str | None = None
) -> list[Tensor]:
    """Sorts slices of a tensor into groups.

    Args:
      data: a tensor.
      partitions: an int32 tensor with values in [0, num_partitions), whose shape is that of the first dimensions of
        `data`.
      num_partitions: the number of groups.

    Returns:
      A list of `num_partitions` tensors.

    Raises:
      InvalidArgumentError: a label is out of range, or the shapes do not fit.

    Example:
      >>> import penstock as tf
      >>> [each.numpy().tolist() for each in tf.dynamic_partition([10, 20, 30], [0, 1, 0], 2)]
      [[10, 30], [20]]
    """
    inputs = (convert_to_tensor(data), convert_to_tensor(partitions, dtypes.int32))
    return execute("DynamicPartition", inputs, {"num_partitions": int(num_partitions)}, name)


# DynamicStitch.


def _row_shape(indices: Sequence[Any], data: Sequence[Any]) -> tuple:
    """The shape of what one index stands for, the same for all pieces."""
    shapes = []
    for i, (index, piece) in enumerate(zip(indices, data, strict=True)):
        if np.shape(piece)[: np.ndim(index)] != np.shape(index):
            raise ValueError(
                f"data[{i}].shape = {list(np.shape(piece))} does not start with indices[{i}].shape = "
                f"{list(np.shape(index))}"
            )
        shapes.append(np.shape(piece)[np.ndim(index) :])
        if shapes[-1] != shapes[0]:
            raise ValueError(
                f"Need data[0].shape[{np.ndim(indices[0])}:] = data[{i}].shape[{np.ndim(index)}:], got data[0].shape = "
                f"{list(np.shape(data[0]))}, data[{i}].shape = {list(np.shape(piece))}"
            )
    return shapes[0]


def _dynamic_stitch(xp: Any, indices: list, data: list) -> Any:
    known = [static(index) for index in indices]
    row = _row_shape(known, data)
    flat = np.concatenate([index.reshape(-1) for index in known])
    if flat.size and flat.min() < 0:
        raise ValueError(f"indices must not be negative, got {flat.min()}")
    size = int(flat.max()) + 1 if flat.size else 0
    pieces = [xp.reshape(piece, (index.size, *row)) for index, piece in zip(known, data, strict=True)]
    rows = xp.concatenate(pieces, 0)
    last = np.zeros(size, np.int64)  # where an index comes again, the later piece counts
    last[flat] = np.arange(flat.size)
    found = np.zeros(size, bool)
    found[flat] = True
    if found.all():
        return rows[last]
    mask = found.reshape((size, *(1,) * len(row)))
    return (
        xp.where(mask, rows[last], xp.zeros((), rows.dtype))
        if rows.dtype != object
        else np.where(mask, rows[last], b"")
    )


def _dynamic_stitch_shape(call: ShapeCall) -> TensorShape:
    count = len(call.inputs) // 2
    row = TensorShape(None)
    largest: int | None = -1
    for i in range(count):
        index, data = call.shape(i), call.shape(count + i)
        value = call.value(i)
        largest = None if value is None or largest is None else max(largest, int(value.max(initial=-1)))
        if index.rank is None or data.rank is None:
            continue
        if not data[: index.rank].is_compatible_with(index):
            raise call.error(f"the shape of data[{i}] must start with that of indices[{i}]")
        try:
            row = row.merge_with(data[index.rank :])
        except ValueError:
            raise call.error("the pieces of data must have rows of one shape") from None
    return TensorShape([None if largest is None else largest + 1]).concatenate(row)


def _dynamic_stitch_gradient(op: Any, dy: Any) -> list:
    """Each piece gets back the rows at its indices.

    As in TensorFlow, a row that a later piece replaced gets the gradient too.
    """
    indices = op.inputs[: len(op.inputs) // 2]
    dy = convert_to_tensor(dy)
    return [None] * len(indices) + [
        execute("GatherV2", (dy, index, convert_to_tensor(0))) for index in indices
    ]


for _name in ("DynamicStitch", "ParallelDynamicStitch"):
    op(
        f"{_name}(indices: N*int32, data: N*T) -> merged: T",
        _dynamic_stitch,
        shape=_dynamic_stitch_shape,
        gradient=_dynamic_stitch_gradient,
    )


@export("dynamic_stitch")
def dynamic_stitch(indices: Any, data: Any, name: str | None = None) -> Tensor:
    """Puts slices of several tensors into one: `result[indices[m][i, ...]] = data[m][i, ...]`.

    Args:
      indices: a list of int32 tensors.
      data: a list of tensors; the shape of `data[m]` starts with that of `indices[m]`.

    Returns:
      A tensor with as many rows as the greatest index asks for; the last slice of an index counts.

    Raises:
      InvalidArgumentError: the shapes do not fit.

    Example:
      >>> import penstock as tf
      >>> tf.dynamic_stitch([[0, 2], [1]], [[10, 30], [20]]).numpy().tolist()
      [10, 20, 30]
    """
    places = [convert_to_tensor(index, dtypes.int32) for index in indices]
    return execute("DynamicStitch", (places, matching(*data)), None, name)
