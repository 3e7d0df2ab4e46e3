"""Ops that repeat elements: broadcast_to, tile, repeat."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import constant_value, static_ints
from penstock.ops.arguments import index_vector
from penstock.ops.broadcasting import shape_of, sum_to_operands
from penstock.ops.reshaping import reshape, shape_vector
from penstock.types import dtypes
from penstock.types.shapes import TensorShape, broadcast_shape, unknown_shape
from penstock.types.tensors import Tensor


def _broadcast_to(xp: Any, x: Any, shape: Any) -> Any:
    dims = static_ints(shape)
    if min(dims, default=0) < 0:
        raise ValueError(f"Dimension {min(dims)} must be >= 0")
    try:
        return xp.broadcast_to(x, dims)
    except ValueError:
        raise ValueError(f"Incompatible shapes: {list(np.shape(x))} vs. {list(dims)}") from None


def _broadcast_to_shape(call: ShapeCall) -> TensorShape:
    target, given = call.shape_from(1), call.shape(0)
    if target.rank is None or given.rank is None:
        return target
    if given.rank > target.rank:
        raise call.error(f"the rank must be at most that of the requested shape {target}")
    try:
        result = broadcast_shape(given, target)
    except ValueError:
        raise call.error(f"the shape does not broadcast to {target}") from None
    if not result.is_compatible_with(target):
        raise call.error(f"the shape does not broadcast to {target}")
    return target.merge_with(result)


def _broadcast_to_gradient(op: Any, dy: Any) -> list:
    dy = convert_to_tensor(dy)
    return [sum_to_operands(op.inputs[0], dy, dy, None)[0], None]


op(
    "BroadcastTo(input: T, shape: Tidx) -> output: T",
    _broadcast_to,
    shape=_broadcast_to_shape,
    gradient=_broadcast_to_gradient,
    view=True,
)


@export("broadcast_to")
def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """Repeats a tensor along dimensions of size 1, and along new leading ones, to a shape.

    Args:
      input: a tensor.
      shape: an int32 or int64 vector.

    Raises:
      InvalidArgumentError: the shapes do not broadcast.

    Example:
      >>> import penstock as tf
      >>> tf.broadcast_to([1, 2, 3], [2, 3]).numpy().tolist()
      [[1, 2, 3], [1, 2, 3]]
    """
    return execute("BroadcastTo", (convert_to_tensor(input), index_vector(shape)), None, name)


# Tile.


def _tile(xp: Any, x: Any, multiples: Any) -> Any:
    counts = static_ints(multiples)
    if len(counts) != np.ndim(x):
        raise ValueError(
            f"Expected multiples argument to be a vector of length {np.ndim(x)} but got length {len(counts)}"
        )
    for axis, count in enumerate(counts):
        if count < 0:
            raise ValueError(f"Expected multiples[{axis}] >= 0, but got {count}")
    return xp.tile(x, counts)


def _tile_shape(call: ShapeCall) -> TensorShape:
    given, counts = call.shape(0), call.entries(1)
    if counts is None:
        return unknown_shape(given.rank)
    if given.rank is None:
        return unknown_shape(len(counts))
    if len(counts) != given.rank:
        raise call.error(f"multiples must have {given.rank} entries, got {len(counts)}")
    if any(count is not None and count < 0 for count in counts):
        raise call.error(f"multiples must not be negative, got {counts}")
    pairs = zip(given.as_list(), counts, strict=True)
    return TensorShape([None if dim is None or count is None else dim * count for dim, count in pairs])


def _tile_gradient(op: Any, dy: Any) -> list:
    """Splits every dimension of `dy` into (repetition, original) and sums over the repetitions."""
    x, multiples = op.inputs
    shape, counts = x.shape, constant_value(multiples)
    if shape.is_fully_defined() and counts is not None:
        pairs = zip(counts.tolist(), shape.as_list(), strict=True)
        split = index_vector([size for pair in pairs for size in pair])
        axes = index_vector(list(range(0, 2 * shape.rank, 2)))
    else:
        sizes = execute(
            "Pack", ([execute("Cast", (multiples,), {"DstT": dtypes.int32}), shape_vector(x)],), {"axis": 1}
        )
        split = reshape(sizes, [-1])
        limit = execute("Size", (split,), {"out_type": dtypes.int32})
        axes = execute("Range", (convert_to_tensor(0), limit, convert_to_tensor(2)))
    total = execute("Sum", (reshape(dy, split), axes), {"keep_dims": False})
    return [reshape(total, shape_of(x)), None]


op("Tile(input: T, multiples: Tmultiples) -> output: T", _tile, shape=_tile_shape, gradient=_tile_gradient)


@export("tile", v1=["tile", "manip.tile"])
def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:
    """Repeats a tensor `multiples[i]` times along dimension i.

    Args:
      input: a tensor.
      multiples: an int32 or int64 vector with one entry for each dimension.

    Raises:
      InvalidArgumentError: `multiples` has another length, or a negative entry.

    Example:
      >>> import penstock as tf
      >>> tf.tile([[1, 2]], [2, 2]).numpy().tolist()
      [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    return execute("Tile", (convert_to_tensor(input), index_vector(multiples)), None, name)


# repeat, made of other ops.


@export("repeat")
def repeat(input: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """Repeats the elements of a tensor, each next to itself.

    Args:
      input: a tensor.
      repeats: an integer, or a vector with one entry for each element along `axis`.
      axis: the dimension; by default the tensor is flattened first.

    Raises:
      ValueError: `axis` is out of range, or `repeats` has another length than the dimension.
      InvalidArgumentError: a count is negative.

    Example:
      >>> import penstock as tf
      >>> tf.repeat([[1, 2], [3, 4]], [1, 2], axis=0).numpy().tolist()
      [[1, 2], [3, 4], [3, 4]]
    """
    from penstock.ops.gathering import gather

    data = convert_to_tensor(input)
    if axis is None:
        data, axis = reshape(data, [-1]), 0
    repeats = index_vector(repeats)
    rank = data.shape.rank
    if rank is not None and not -rank <= axis < max(rank, 1):
        raise ValueError(f"axis={axis} out of bounds: expected {-rank}<=axis<{rank}")
    if rank == 0:
        data, rank = reshape(data, [1]), 1
    if repeats.shape.rank == 0 or repeats.shape.num_elements() == 1:
        return _repeat_all(data, repeats, axis, name)
    if rank is not None and not data.shape[axis : axis + 1 or None].is_compatible_with(repeats.shape):
        raise ValueError(f"Dimensions {data.shape[axis]} and {repeats.shape[0]} are not compatible")
    return gather(data, _repeated_positions(repeats), axis=axis, name=name)


def _repeat_all(data: Tensor, count: Tensor, axis: int, name: str | None) -> Tensor:
    """Every element equally often: a tile along a new dimension, which is then merged into `axis`."""
    rank = data.shape.rank
    if rank is None:
        raise ValueError("tf.repeat needs a tensor whose rank is known")
    axis %= rank
    expanded = execute("ExpandDims", (data, index_vector(axis + 1)))
    known = constant_value(count)
    times = count if known is None else int(known.reshape(()))
    if known is None:
        times = reshape(count, [])
    multiples = [1] * (axis + 1) + [times] + [1] * (rank - axis - 1)
    tiled = tile(expanded, multiples)
    dims = data.shape.as_list()
    merged = dims[axis] * times if known is not None and dims[axis] is not None else -1
    if dims.count(None) > (dims[axis] is None) or (merged == -1 and 0 in dims):
        sizes = shape_vector(data)
        before, after = sizes[:axis], sizes[axis + 1 :]
        middle = reshape(sizes[axis] * execute("Cast", (reshape(count, []),), {"DstT": dtypes.int32}), [1])
        return reshape(tiled, execute("ConcatV2", ([before, middle, after], convert_to_tensor(0))), name)
    return reshape(tiled, [*dims[:axis], merged, *dims[axis + 1 :]], name)


def _repeated_positions(repeats: Tensor) -> Tensor:
    """`[0] * repeats[0] + [1] * repeats[1] + ...`."""
    known = constant_value(repeats)
    if known is not None:
        if known.size and known.min() < 0:
            raise ValueError(f"repeats must not be negative, got {known.tolist()}")
        return convert_to_tensor(np.repeat(np.arange(known.size, dtype=np.int32), known))
    from penstock.ops.ranges import sequence_mask
    from penstock.ops.selection import where

    return where(sequence_mask(repeats))[:, 0]
