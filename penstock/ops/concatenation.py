"""Ops that join tensors and take them apart: concat, stack, unstack, split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, normalize_axis
from penstock.engine.static_value import constant_value, static, static_int, static_ints
from penstock.ops.arguments import dtype_of, index_vector, matching
from penstock.ops.reshaping import shape_vector
from penstock.types import dtypes, errors
from penstock.types.shapes import TensorShape, unknown_shape
from penstock.types.tensors import Tensor


def _axis(axis: int, rank: int, what: str) -> int:
    if not -rank <= axis < rank:
        raise ValueError(
            f"{what} : Expected concatenating dimensions in the range [{-rank}, {rank}), but got {axis}"
        )
    return axis % rank


# ConcatV2.


def _concat(xp: Any, values: list, axis: Any) -> Any:
    rank = np.ndim(values[0])
    if not rank:
        raise ValueError("ConcatOp : a scalar cannot be concatenated, use stack")
    return xp.concatenate(values, _axis(static_int(axis), rank, "ConcatOp"))


def _concat_shape(call: ShapeCall) -> TensorShape:
    shapes = [each.shape for each in call.inputs[:-1]]
    rank = next((shape.rank for shape in shapes if shape.rank is not None), None)
    axis = call.entries(len(shapes))
    if rank is None:
        return TensorShape(None)
    if rank == 0:
        raise call.error("scalars cannot be concatenated, use stack")
    if any(shape.rank not in (None, rank) for shape in shapes):
        raise call.error("all tensors must have the same rank")
    if axis is None or axis[0] is None:
        return unknown_shape(rank)
    position = normalize_axis(call, axis[0], rank)
    return join_shapes(call, [shape.with_rank(rank).as_list() for shape in shapes], position)


def join_shapes(call: ShapeCall, shapes: list[list[int | None]], axis: int) -> TensorShape:
    """The shape of a concatenation along `axis`: sizes add up there, and must agree elsewhere."""
    sizes = [shape[axis] for shape in shapes]
    merged = TensorShape([*shapes[0][:axis], None, *shapes[0][axis + 1 :]])
    try:
        for shape in shapes[1:]:
            merged = merged.merge_with([*shape[:axis], None, *shape[axis + 1 :]])
    except ValueError:
        raise call.error(f"all dimensions except axis {axis} must agree") from None
    dims = merged.as_list()
    dims[axis] = None if None in sizes else sum(sizes)
    return TensorShape(dims)


def _concat_gradient(op: Any, dy: Any) -> list:
    values, axis = op.inputs[:-1], op.inputs[-1]
    if len(values) == 1:
        return [dy, None]
    known = constant_value(axis)
    rank = next((each.shape.rank for each in values if each.shape.rank is not None), None)
    position = None if known is None else int(known.reshape(()))
    if position is not None and rank is not None and all(each.shape.rank is not None for each in values):
        sizes = [each.shape[position % rank] for each in values]
        if None not in sizes:
            return [
                *execute(
                    "SplitV", (convert_to_tensor(dy), index_vector(sizes), axis), {"num_split": len(sizes)}
                ),
                None,
            ]
    sizes = [
        execute("GatherV2", (shape_vector(each), _wrapped(axis, each), convert_to_tensor(0)))
        for each in values
    ]
    lengths = execute("Pack", (sizes,), {"axis": 0})
    return [*execute("SplitV", (convert_to_tensor(dy), lengths, axis), {"num_split": len(values)}), None]


def _wrapped(axis: Tensor, x: Tensor) -> Tensor:
    """`axis` counted from the front of `x`, in a graph that may know neither."""
    return execute("FloorMod", (execute("Cast", (axis,), {"DstT": dtypes.int32}), execute("Rank", (x,))))


op("ConcatV2(values: N*T, axis: Tidx) -> output: T", _concat, shape=_concat_shape, gradient=_concat_gradient)
op(
    "Concat(concat_dim: int32, values: N*T) -> output: T",
    lambda xp, axis, values: _concat(xp, values, axis),
    gradient=lambda op, dy: [None, *execute(
        "SplitV",
        (
            convert_to_tensor(dy),
            execute("Pack", ([shape_vector(each)[int(constant_value(op.inputs[0]))] for each in op.inputs[1:]],)),
            op.inputs[0],
        ),
        {"num_split": len(op.inputs) - 1},
    )],
)  # fmt: skip


def _concat_offset(xp: Any, axis: Any, shapes: list) -> list:
    position = static_int(axis)
    offsets, total = [], 0
    for shape in shapes:
        sizes = static(shape)
        offset = np.zeros_like(sizes)
        offset[position] = total
        total += int(sizes[position])
        offsets.append(offset)
    return offsets


op(
    "ConcatOffset(concat_dim: int32, shape: N*shape_type) -> offset: N*shape_type",
    _concat_offset,
    shape=lambda call: [each.shape for each in call.inputs[1:]],
    gradient=stops,
)


@export("concat")
def concat(values: Any, axis: Any, name: str | None = "concat") -> Tensor:
    """Joins tensors along a dimension.

    Args:
      values: a list of tensors of one dtype, whose shapes agree in all dimensions but `axis` (or a single tensor).
      axis: an integer in [-rank, rank).

    Raises:
      InvalidArgumentError: the shapes do not fit, or `axis` is out of range.

    Example:
      >>> import penstock as tf
      >>> tf.concat([[[1, 2]], [[3, 4]]], axis=0).numpy().tolist()
      [[1, 2], [3, 4]]
    """
    if not isinstance(values, (list, tuple)):
        values = [values]
    if not values:
        raise errors.InvalidArgumentError(
            None, None, "ConcatV2: there must be at least one tensor to concatenate"
        )
    tensors = matching(*values)
    if len(tensors) == 1:
        return execute("Identity", tensors, None, name)
    return execute("ConcatV2", (tensors, index_vector(axis)), None, name)


# Pack and Unpack.


def _pack(xp: Any, values: list, *, axis: int) -> Any:
    if xp is np and np.ndim(values[0]) == 0 and values[0].dtype.kind != "O":
        return np.array(values, values[0].dtype)  # shapes, mostly: much faster than np.stack
    return xp.stack(values, axis)


def _pack_shape(call: ShapeCall) -> TensorShape:
    shape = call.shape(0)
    try:
        for i in range(1, len(call.inputs)):
            shape = shape.merge_with(call.shape(i))
    except ValueError:
        raise call.error("all shapes must be equal") from None
    if shape.rank is None:
        return shape
    axis = call.attrs["axis"]
    if not -shape.rank - 1 <= axis <= shape.rank:
        raise call.error(f"axis = {axis} not in [{-shape.rank - 1}, {shape.rank + 1})")
    dims = shape.as_list()
    dims.insert(axis if axis >= 0 else axis + shape.rank + 1, len(call.inputs))
    return TensorShape(dims)


op(
    "Pack(values: N*T; axis=0) -> output: T",
    _pack,
    shape=_pack_shape,
    gradient=lambda op, dy: execute(
        "Unpack", (convert_to_tensor(dy),), {"num": len(op.inputs), "axis": op.attrs["axis"]}
    ),
)
op(
    "ParallelConcat(values: N*T; shape) -> output: T",
    lambda xp, values, *, shape: xp.concatenate(values, 0),
    shape=lambda call: TensorShape(call.attrs["shape"]),
    gradient=lambda op, dy: execute("Split", (convert_to_tensor(0), dy), {"num_split": len(op.inputs)}),
)


@export("stack")
def stack(values: Any, axis: int = 0, name: str | None = "stack") -> Tensor:
    """Joins tensors of one shape along a new dimension.

    Args:
      values: a list of tensors of one dtype and shape.
      axis: the position of the new dimension, in [-(rank + 1), rank].

    Raises:
      InvalidArgumentError: the shapes differ.
      ValueError: `axis` is out of range.

    Example:
      >>> import penstock as tf
      >>> tf.stack([[1, 4], [2, 5], [3, 6]], axis=1).numpy().tolist()
      [[1, 2, 3], [4, 5, 6]]
    """
    if isinstance(values, Tensor):
        if axis == 0:
            return values
        values = unstack(values)
    if axis == 0 and all(dtype_of(each) is None for each in values):
        try:
            return convert_to_tensor(values, name=name)  # numbers, which may be of several kinds
        except (TypeError, ValueError):
            pass  # the pieces do not fit, and the op says why
    tensors = matching(*values)
    rank = tensors[0].shape.rank
    if rank is not None and not -rank - 1 <= axis <= rank:
        raise ValueError(f"Argument `axis` = {axis} not in range [{-rank - 1}, {rank + 1})")
    return execute("Pack", (tensors,), {"axis": axis}, name)


@export("parallel_stack")
def parallel_stack(values: Any, name: str | None = "parallel_stack") -> Tensor:
    """As `tf.stack` along dimension 0; the name promises that the pieces are put in place as they become ready.

    Example:
      >>> import penstock as tf
      >>> tf.parallel_stack([[1, 4], [2, 5]]).numpy().tolist()
      [[1, 4], [2, 5]]
    """
    tensors = matching(*values)
    shape = TensorShape([len(tensors)]).concatenate(tensors[0].shape)
    rows = [execute("ExpandDims", (each, convert_to_tensor(0))) for each in tensors]
    return execute("ParallelConcat", (rows,), {"shape": shape}, name)


def _unpack(xp: Any, value: Any, *, num: int, axis: int) -> list:
    rank = np.ndim(value)
    if not -rank <= axis < rank:
        raise ValueError(f"axis = {axis} not in [{-rank}, {rank})")
    if np.shape(value)[axis] != num:
        raise ValueError(f"Input shape axis {axis} must equal {num}, got shape {list(np.shape(value))}")
    lead = (slice(None),) * (axis % rank)
    return [value[(*lead, i, ...)] for i in range(num)]


def _unpack_shape(call: ShapeCall) -> list[TensorShape]:
    given, num, axis = call.shape(0), call.attrs["num"], call.attrs["axis"]
    if given.rank is None:
        return [given] * num
    position = normalize_axis(call, axis, given.rank)
    dims = given.as_list()
    if dims.pop(position) not in (None, num):
        raise call.error(f"dimension {position} must be {num}")
    return [TensorShape(dims)] * num


op(
    "Unpack(value: T; num, axis=0) -> output: num*T",
    _unpack,
    shape=_unpack_shape,
    gradient=lambda op, *dys: stack(list(dys), op.attrs["axis"]),
    view=True,
)


@export("unstack")
def unstack(value: Any, num: int | None = None, axis: int = 0, name: str | None = "unstack") -> list[Tensor]:
    """Takes a tensor apart along a dimension.

    Args:
      value: a tensor of rank 1 or more.
      num: the size of the dimension; by default the static one.
      axis: the dimension, in [-rank, rank).

    Returns:
      A list of `num` tensors without that dimension.

    Raises:
      ValueError: `num` is not given and not known, or `axis` is out of range.
      InvalidArgumentError: `num` is not the size.

    Example:
      >>> import penstock as tf
      >>> [each.numpy().tolist() for each in tf.unstack([[1, 2, 3], [4, 5, 6]], axis=1)]
      [[1, 4], [2, 5], [3, 6]]
    """
    tensor = convert_to_tensor(value)
    if num is None:
        rank = tensor.shape.rank
        if rank is not None:
            if not -rank <= axis < rank:
                raise ValueError(f"Argument `axis` = {axis} not in range [{-rank}, {rank})")
            num = tensor.shape.as_list()[axis]
        if num is None:
            raise ValueError(f"Cannot infer argument `num` from shape {tensor.shape}")
    return execute("Unpack", (tensor,), {"num": int(num), "axis": axis}, name)


# Split and SplitV.


def _split(xp: Any, split_dim: Any, value: Any, *, num_split: int) -> list:
    rank, axis = np.ndim(value), static_int(split_dim)
    if not -rank <= axis < rank:
        raise ValueError(f"-input rank(-{rank}) <= split_dim < input rank ({rank}), but got {axis}")
    size = np.shape(value)[axis]
    if num_split < 1 or size % num_split:
        raise ValueError(
            f"Number of ways to split should evenly divide the split dimension, but got split_dim {axis} "
            f"(size = {size}) and num_split {num_split}"
        )
    return _pieces(value, axis % rank, [size // num_split] * num_split)


def _pieces(value: Any, axis: int, sizes: Sequence[int]) -> list:
    lead, start, pieces = (slice(None),) * axis, 0, []
    for size in sizes:
        pieces.append(value[(*lead, slice(start, start + size))])
        start += size
    return pieces


def _split_shape(call: ShapeCall) -> list[TensorShape]:
    axis, given, num = call.entries(0), call.shape(1), call.attrs["num_split"]
    if given.rank is None:
        return [given] * num
    if axis is None or axis[0] is None:
        return [unknown_shape(given.rank)] * num
    position = normalize_axis(call, axis[0], given.rank)
    dims = given.as_list()
    if dims[position] is not None:
        if dims[position] % num:
            raise call.error(
                f"dimension {position} of size {dims[position]} must be evenly divisible by {num}"
            )
        dims[position] //= num
    return [TensorShape(dims)] * num


op(
    "Split(split_dim: int32, value: T; num_split) -> output: num_split*T",
    _split,
    shape=_split_shape,
    gradient=lambda op, *dys: [None, concat(list(dys), op.inputs[0])],
    view=True,
)


def _split_v(xp: Any, value: Any, size_splits: Any, split_dim: Any, *, num_split: int) -> list:
    rank, axis, sizes = np.ndim(value), static_int(split_dim), list(static_ints(size_splits))
    if not -rank <= axis < rank:
        raise ValueError(f"-input rank(-{rank}) <= split_dim < input rank ({rank}), but got {axis}")
    total = np.shape(value)[axis]
    if len(sizes) != num_split or sizes.count(-1) > 1 or min(sizes) < -1:
        raise ValueError(f"size_splits must hold {num_split} sizes, one of which may be -1, got {sizes}")
    if -1 in sizes:
        sizes[sizes.index(-1)] = total - sum(sizes) - 1
    if sum(sizes) != total or min(sizes) < 0:
        raise ValueError(
            "Determined shape must either match input shape along split_dim exactly if fully specified, or be less "
            f"than the size of the input along split_dim if not fully specified.  Got: {sum(sizes)} for size {total}"
        )
    return _pieces(value, axis % rank, sizes)


def _split_v_shape(call: ShapeCall) -> list[TensorShape]:
    given, sizes, axis, num = call.shape(0), call.entries(1), call.entries(2), call.attrs["num_split"]
    if given.rank is None:
        return [given] * num
    if axis is None or axis[0] is None:
        return [unknown_shape(given.rank)] * num
    position = normalize_axis(call, axis[0], given.rank)
    dims = given.as_list()
    total = dims[position]
    sizes = [None] * num if sizes is None else list(sizes)
    if len(sizes) != num:
        raise call.error(f"size_splits must have {num} entries, got {len(sizes)}")
    if sizes.count(-1) == 1 and None not in sizes:
        sizes[sizes.index(-1)] = None if total is None else total - sum(sizes) - 1
    if total is not None and None not in sizes and (sum(sizes) != total or min(sizes) < 0):
        raise call.error(f"sizes {sizes} must add up to dimension {position}, which is {total}")
    sizes = [None if size == -1 else size for size in sizes]
    return [TensorShape([*dims[:position], size, *dims[position + 1 :]]) for size in sizes]


op(
    "SplitV(value: T, size_splits: Tlen, split_dim: int32; num_split) -> output: num_split*T",
    _split_v,
    shape=_split_v_shape,
    gradient=lambda op, *dys: [concat(list(dys), op.inputs[2]), None, None],
    view=True,
)


@export("split")
def split(
    value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None, name: str | None = "split"
) -> list[Tensor]:
    """Splits a tensor along a dimension.

    Args:
      value: a tensor.
      num_or_size_splits: an int, the number of equal pieces; or a vector with the sizes, one of which may be -1.
      axis: the dimension.
      num: the number of sizes, where it is not known while a graph is built.

    Returns:
      A list of tensors.

    Raises:
      InvalidArgumentError: the dimension does not divide evenly, or the sizes do not add up.
      ValueError: the number of pieces is not known.

    Example:
      >>> import penstock as tf
      >>> [each.numpy().tolist() for each in tf.split([1, 2, 3, 4, 5], [2, -1])]
      [[1, 2], [3, 4, 5]]
    """
    tensor = convert_to_tensor(value)
    if isinstance(num_or_size_splits, (int, np.integer)):
        attrs = {"num_split": int(num_or_size_splits)}
        return execute("Split", (index_vector(axis, dtypes.int32), tensor), attrs, name)
    sizes = index_vector(num_or_size_splits, name="Const")
    if sizes.shape.rank == 0:
        raise ValueError("Rank-0 tensors are not supported as the num_or_size_splits argument to split.")
    if num is None:
        num = sizes.shape[0]
        if num is None:
            raise ValueError(f"Cannot infer argument `num` from shape {sizes.shape}")
    return execute("SplitV", (tensor, sizes, index_vector(axis, dtypes.int32)), {"num_split": num}, name)
