"""Blocks of space moved into depth or into the batch, and back.

space_to_depth and depth_to_space work on images; space_to_batch_nd and batch_to_space_nd on any spatial dimensions.
All are a reshape, a transpose and a reshape.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import constant_value, static, static_ints
from penstock.ops.arguments import index_vector
from penstock.ops.padding import padding_entries
from penstock.ops.reshaping import one_of
from penstock.types.shapes import TensorShape, unknown_shape
from penstock.types.tensors import Tensor

# SpaceToDepth and DepthToSpace. NCHW_VECT_C keeps four channels together in a fifth dimension.


def _format(data_format: Any) -> str:
    data_format = data_format.decode() if isinstance(data_format, bytes) else data_format
    if data_format not in ("NHWC", "NCHW", "NCHW_VECT_C"):
        raise ValueError(f"data_format must be NHWC, NCHW or NCHW_VECT_C, got {data_format!r}")
    return data_format


def _check_image(x: Any, data_format: str) -> None:
    rank = 5 if data_format == "NCHW_VECT_C" else 4
    if np.ndim(x) != rank:
        raise ValueError(f"Input rank should be {rank} instead of {np.ndim(x)}")


def _space_to_depth(xp: Any, x: Any, *, block_size: int, data_format: Any) -> Any:
    kind, b = _format(data_format), block_size
    _check_image(x, kind)
    height, width = np.shape(x)[1:3] if kind == "NHWC" else np.shape(x)[2:4]
    if height % b or width % b:
        raise ValueError(f"Image width {width} and height {height} should be divisible by block_size: {b}")
    if kind == "NHWC":
        n, h, w, c = x.shape
        x = x.reshape((n, h // b, b, w // b, b, c)).transpose((0, 1, 3, 2, 4, 5))
        return x.reshape((n, h // b, w // b, b * b * c))
    n, c, h, w, *four = x.shape
    x = x.reshape((n, c, h // b, b, w // b, b, *four)).transpose((0, 3, 5, 1, 2, 4, *range(6, 6 + len(four))))
    return x.reshape((n, b * b * c, h // b, w // b, *four))


def _depth_to_space(xp: Any, x: Any, *, block_size: int, data_format: Any) -> Any:
    kind, b = _format(data_format), block_size
    _check_image(x, kind)
    depth = x.shape[3 if kind == "NHWC" else 1]
    if depth % (b * b):
        raise ValueError(f"Input depth dimension {depth} should be divisible by: {b * b}")
    if kind == "NHWC":
        n, h, w, c = x.shape
        x = x.reshape((n, h, w, b, b, c // (b * b))).transpose((0, 1, 3, 2, 4, 5))
        return x.reshape((n, h * b, w * b, c // (b * b)))
    n, c, h, w, *four = x.shape
    x = x.reshape((n, b, b, c // (b * b), h, w, *four)).transpose(
        (0, 3, 4, 1, 5, 2, *range(6, 6 + len(four)))
    )
    return x.reshape((n, c // (b * b), h * b, w * b, *four))


def _image_shape(down: bool) -> Any:
    """The rule for SpaceToDepth (`down`) or DepthToSpace."""

    def rule(call: ShapeCall) -> TensorShape:
        kind, b = _format(call.attrs["data_format"]), call.attrs["block_size"]
        rank = 5 if kind == "NCHW_VECT_C" else 4
        try:
            dims = call.shape(0).with_rank(rank).as_list()
        except ValueError:
            raise call.error(f"the rank must be {rank}") from None
        space, depth = ((1, 2), 3) if kind == "NHWC" else ((2, 3), 1)
        for axes, by, divide in ((space, b, down), ((depth,), b * b, not down)):
            for axis in axes:
                if dims[axis] is None:
                    continue
                if divide and dims[axis] % by:
                    raise call.error(f"dimension {axis} of size {dims[axis]} should be divisible by {by}")
                dims[axis] = dims[axis] // by if divide else dims[axis] * by
        return TensorShape(dims)

    return rule


def _inverse(op_type: str) -> Any:
    def rule(op: Any, dy: Any) -> Tensor:
        attrs = {name: op.attrs[name] for name in ("block_size", "data_format")}
        return execute(op_type, (convert_to_tensor(dy),), attrs)

    return rule


op(
    "SpaceToDepth(input: T; block_size, data_format='NHWC') -> output: T",
    _space_to_depth,
    shape=_image_shape(down=True),
    gradient=_inverse("DepthToSpace"),
)
op(
    "DepthToSpace(input: T; block_size, data_format='NHWC') -> output: T",
    _depth_to_space,
    shape=_image_shape(down=False),
    gradient=_inverse("SpaceToDepth"),
)


@export("nn.space_to_depth", v1=[])
def space_to_depth(input: Any, block_size: int, data_format: str = "NHWC", name: str | None = None) -> Tensor:
    """Moves blocks of `block_size` by `block_size` pixels into the depth dimension.

    Args:
      input: a tensor of shape [batch, height, width, depth], or as `data_format` says.
      block_size: an int; height and width must be divisible by it.
      data_format: "NHWC", "NCHW" or "NCHW_VECT_C".

    Returns:
      A tensor of shape [batch, height / block_size, width / block_size, depth * block_size ** 2].

    Raises:
      InvalidArgumentError: the size is not divisible.

    Example:
      >>> import penstock as tf
      >>> tf.nn.space_to_depth([[[[1], [2]], [[3], [4]]]], 2).numpy().tolist()
      [[[[1, 2, 3, 4]]]]
    """
    attrs = {"block_size": int(block_size), "data_format": data_format}
    return execute("SpaceToDepth", (convert_to_tensor(input),), attrs, name)


@export(v1=["nn.space_to_depth", "space_to_depth"])
def space_to_depth_v1(
    input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC"
) -> Tensor:
    """TF 1's `space_to_depth`; as `tf.nn.space_to_depth`."""
    return space_to_depth(input, block_size, data_format, name)


@export("nn.depth_to_space", v1=[])
def depth_to_space(input: Any, block_size: int, data_format: str = "NHWC", name: str | None = None) -> Tensor:
    """Moves depth into blocks of `block_size` by `block_size` pixels: the inverse of `space_to_depth`.

    Args:
      input: a tensor of shape [batch, height, width, depth], or as `data_format` says.
      block_size: an int; the depth must be divisible by its square.
      data_format: "NHWC", "NCHW" or "NCHW_VECT_C".

    Raises:
      InvalidArgumentError: the depth is not divisible.

    Example:
      >>> import penstock as tf
      >>> tf.nn.depth_to_space([[[[1, 2, 3, 4]]]], 2).numpy().tolist()
      [[[[1], [2]], [[3], [4]]]]
    """
    attrs = {"block_size": int(block_size), "data_format": data_format}
    return execute("DepthToSpace", (convert_to_tensor(input),), attrs, name)


@export(v1=["nn.depth_to_space", "depth_to_space"])
def depth_to_space_v1(
    input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC"
) -> Tensor:
    """TF 1's `depth_to_space`; as `tf.nn.depth_to_space`."""
    return depth_to_space(input, block_size, data_format, name)


# SpaceToBatchND and BatchToSpaceND.


def _block_arguments(
    x: Any, block_shape: Any, margins: Any, name: str
) -> tuple[tuple[int, ...], list[list[int]]]:
    blocks, pairs = static_ints(block_shape), static(margins)
    if pairs.shape != (len(blocks), 2):
        raise ValueError(f"{name} should have shape [{len(blocks)}, 2] instead of {list(pairs.shape)}")
    if np.ndim(x) < 1 + len(blocks):
        raise ValueError(f"input rank should be >= {1 + len(blocks)} instead of {np.ndim(x)}")
    if min(blocks, default=1) < 1:
        raise ValueError(f"All values in block_shape must be positive, got value {min(blocks)}")
    if pairs.size and pairs.min() < 0:
        raise ValueError(f"{name} must be non-negative, got {pairs.tolist()}")
    return blocks, pairs.tolist()


def _space_to_batch(xp: Any, x: Any, block_shape: Any, paddings: Any) -> Any:
    blocks, pairs = _block_arguments(x, block_shape, paddings, "paddings")
    count = len(blocks)
    rest = x.shape[1 + count :]
    x = xp.pad(x, [(0, 0), *map(tuple, pairs), *[(0, 0)] * len(rest)])
    for i, (size, block) in enumerate(zip(x.shape[1:], blocks, strict=False)):
        if size % block:
            raise ValueError(f"padded_shape[{i}]={size} is not divisible by block_shape[{i}]={block}")
    outer = [size // block for size, block in zip(x.shape[1:], blocks, strict=False)]
    split = [each for pair in zip(outer, blocks, strict=True) for each in pair]
    batch = x.shape[0]
    x = x.reshape((batch, *split, *rest))
    order = [*range(2, 2 * count + 1, 2), 0, *range(1, 2 * count, 2), *range(2 * count + 1, x.ndim)]
    return x.transpose(order).reshape((batch * math.prod(blocks), *outer, *rest))


def _batch_to_space(xp: Any, x: Any, block_shape: Any, crops: Any) -> Any:
    blocks, pairs = _block_arguments(x, block_shape, crops, "crops")
    count, total = len(blocks), math.prod(blocks)
    rest, space = x.shape[1 + count :], x.shape[1 : 1 + count]
    if x.shape[0] % total:
        raise ValueError(
            f"Input batch dimension ({x.shape[0]}) is not divisible by product of block sizes ({total})"
        )
    batch = x.shape[0] // total
    x = x.reshape((*blocks, batch, *space, *rest))
    order = [count]
    for i in range(count):
        order += [count + 1 + i, i]
    x = x.transpose([*order, *range(2 * count + 1, x.ndim)])
    full = [size * block for size, block in zip(space, blocks, strict=True)]
    x = x.reshape((batch, *full, *rest))
    for i, (size, pair) in enumerate(zip(full, pairs, strict=True)):
        if sum(pair) > size:
            raise ValueError(f"cropped_shape[{i}]={size - sum(pair)} must be non-negative")
    return x[(slice(None), *(slice(a, size - b) for size, (a, b) in zip(full, pairs, strict=True)))]


def _batch_shape(to_batch: bool) -> Any:
    """The rule for SpaceToBatchND (`to_batch`) or BatchToSpaceND."""

    def rule(call: ShapeCall) -> TensorShape:
        given, blocks = call.shape(0), call.entries(1)
        if given.rank is None:
            return TensorShape(None)
        if blocks is None:
            return unknown_shape(given.rank)
        return block_shape(call, given, blocks, padding_entries(call.inputs[2]), to_batch)

    return rule


def block_shape(
    call: ShapeCall, given: TensorShape, blocks: list[int | None], pairs: list | None, to_batch: bool
) -> TensorShape:
    """The shape after space was moved to the batch, or back, in blocks; `pairs` are the paddings or crops."""
    if given.rank < 1 + len(blocks):
        raise call.error(f"input rank should be >= {1 + len(blocks)}")
    dims = given.as_list()
    pairs = [[None, None]] * len(blocks) if pairs is None else pairs
    total = None if None in blocks else math.prod(blocks)
    if dims[0] is not None:
        if not to_batch and total is not None and dims[0] % total:
            raise call.error(f"the batch dimension must be divisible by the product of block sizes {total}")
        dims[0] = None if total is None else dims[0] * total if to_batch else dims[0] // total
    for i, (block, pair) in enumerate(zip(blocks, pairs, strict=True)):
        size = dims[i + 1]
        if size is None or block is None or None in pair:
            dims[i + 1] = None
            continue
        size = size + sum(pair) if to_batch else size * block - sum(pair)
        if size < 0 or (to_batch and size % block):
            raise call.error(f"the padded dimension {i + 1} of size {size} must be divisible by {block}")
        dims[i + 1] = size // block if to_batch else size
    return TensorShape(dims)


def _moved_back(op_type: str) -> Any:
    return lambda op, dy: [execute(op_type, (convert_to_tensor(dy), *op.inputs[1:])), None, None]


op(
    "SpaceToBatchND(input: T, block_shape: Tblock_shape, paddings: Tpaddings) -> output: T",
    _space_to_batch,
    shape=_batch_shape(to_batch=True),
    gradient=_moved_back("BatchToSpaceND"),
)
op(
    "BatchToSpaceND(input: T, block_shape: Tblock_shape, crops: Tcrops) -> output: T",
    _batch_to_space,
    shape=_batch_shape(to_batch=False),
    gradient=_moved_back("SpaceToBatchND"),
)


def _square(xp: Any, x: Any, margins: Any, block_size: int, body: Any) -> Any:
    """TF 1's forms: images, and one block size for both dimensions."""
    if np.ndim(x) != 4:
        raise ValueError(f"Input rank should be 4 instead of {np.ndim(x)}")
    return body(xp, x, np.array([block_size, block_size]), margins)


def _square_shape(to_batch: bool) -> Any:
    def rule(call: ShapeCall) -> TensorShape:
        try:
            given = call.shape(0).with_rank(4)
        except ValueError:
            raise call.error("the rank must be 4") from None
        blocks = [call.attrs["block_size"]] * 2
        return block_shape(call, given, blocks, padding_entries(call.inputs[1]), to_batch)

    return rule


def _square_back(op_type: str) -> Any:
    def rule(op: Any, dy: Any) -> list:
        return [
            execute(op_type, (convert_to_tensor(dy), op.inputs[1]), {"block_size": op.attrs["block_size"]}),
            None,
        ]

    return rule


op(
    "SpaceToBatch(input: T, paddings: Tpaddings; block_size) -> output: T",
    lambda xp, x, paddings, *, block_size: _square(xp, x, paddings, block_size, _space_to_batch),
    shape=_square_shape(to_batch=True),
    gradient=_square_back("BatchToSpace"),
)
op(
    "BatchToSpace(input: T, crops: Tidx; block_size) -> output: T",
    lambda xp, x, crops, *, block_size: _square(xp, x, crops, block_size, _batch_to_space),
    shape=_square_shape(to_batch=False),
    gradient=_square_back("SpaceToBatch"),
)


@export("space_to_batch_nd", v1=["space_to_batch_nd", "manip.space_to_batch_nd"])
def space_to_batch_nd(input: Any, block_shape: Any, paddings: Any, name: str | None = None) -> Tensor:
    """Pads spatial dimensions, divides them into blocks, and moves the place within a block into the batch dimension.

    Args:
      input: a tensor of shape [batch, spatial..., rest...].
      block_shape: an integer vector with one size for each spatial dimension.
      paddings: an integer matrix of shape [spatial dimensions, 2].

    Returns:
      A tensor of shape [batch * product of block_shape, padded / block..., rest...].

    Raises:
      InvalidArgumentError: a padded dimension is not divisible by its block size.

    Example:
      >>> import penstock as tf
      >>> tf.space_to_batch_nd([[1, 2, 3, 4]], [2], [[0, 0]]).numpy().tolist()
      [[1, 3], [2, 4]]
    """
    inputs = (convert_to_tensor(input), index_vector(block_shape), index_vector(paddings))
    return execute("SpaceToBatchND", inputs, None, name)


@export("space_to_batch", "nn.space_to_batch", v1=[])
def space_to_batch(input: Any, block_shape: Any, paddings: Any, name: str | None = None) -> Tensor:
    """As `tf.space_to_batch_nd`."""
    return space_to_batch_nd(input, block_shape, paddings, name)


@export(v1=["space_to_batch", "nn.space_to_batch"])
def space_to_batch_v1(
    input: Any, paddings: Any, block_size: int | None = None, name: str | None = None, block_shape: Any = None
) -> Tensor:
    """TF 1's `space_to_batch` of images; `block_size` is one size for both dimensions."""
    return space_to_batch_nd(input, _blocks(block_size, block_shape), paddings, name)


def _blocks(block_size: int | None, block_shape: Any) -> Any:
    blocks = one_of("block_shape", block_shape, "block_size", block_size)
    return [blocks, blocks] if isinstance(blocks, (int, np.integer)) else blocks


def _batch_to_space_nd(input: Any, block_shape: Any, crops: Any, name: str | None = None) -> Tensor:
    """Moves the batch dimension into blocks of space and crops: the inverse of `tf.space_to_batch_nd`.

    Args:
      input: a tensor of shape [batch, spatial..., rest...].
      block_shape: an integer vector with one size for each spatial dimension.
      crops: an integer matrix of shape [spatial dimensions, 2]: how much to cut off before and after.

    Raises:
      InvalidArgumentError: the batch is not divisible by the product of the block sizes.

    Example:
      >>> import penstock as tf
      >>> tf.batch_to_space([[1, 3], [2, 4]], [2], [[0, 0]]).numpy().tolist()
      [[1, 2, 3, 4]]
    """
    inputs = (convert_to_tensor(input), index_vector(block_shape), index_vector(crops))
    return execute("BatchToSpaceND", inputs, None, name)


batch_to_space = export("batch_to_space", v1=["batch_to_space_nd", "manip.batch_to_space_nd"])(
    _batch_to_space_nd
)


@export(v1=["batch_to_space"])
def batch_to_space_v1(
    input: Any, crops: Any, block_size: int | None = None, name: str | None = None, block_shape: Any = None
) -> Tensor:
    """TF 1's `batch_to_space` of images; `block_size` is one size for both dimensions."""
    return batch_to_space(input, _blocks(block_size, block_shape), crops, name)


@export("required_space_to_batch_paddings")
def required_space_to_batch_paddings(
    input_shape: Any, block_shape: Any, base_paddings: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The paddings that make spatial dimensions divisible by block sizes, and the crops that undo them.

    Args:
      input_shape: an integer vector: the spatial dimensions.
      block_shape: an integer vector of the same length.
      base_paddings: an integer matrix of shape [n, 2]: the least paddings; zeros by default.

    Returns:
      `(paddings, crops)`, both of shape [n, 2].

    Example:
      >>> import penstock as tf
      >>> [each.numpy().tolist() for each in tf.required_space_to_batch_paddings([7], [2])]
      [[[0, 1]], [[0, 1]]]
    """
    sizes, blocks = index_vector(input_shape), index_vector(block_shape)
    known = [constant_value(each) for each in (sizes, blocks)]
    base = None if base_paddings is None else index_vector(base_paddings)
    known.append(np.zeros((len(known[1]), 2), np.int32) if base is None and known[1] is not None
                 else None if base is None else constant_value(base))  # fmt: skip
    if all(each is not None for each in known):
        full = known[0] + known[2].sum(1)
        extra = (-full) % known[1]
        paddings = np.stack([known[2][:, 0], known[2][:, 1] + extra], 1).astype(np.int32)
        crops = np.stack([np.zeros_like(extra), extra], 1).astype(np.int32)
        return convert_to_tensor(paddings, name="paddings"), convert_to_tensor(crops, name="crops")
    zeros = execute("ZerosLike", (blocks,))
    before, after = (zeros, zeros) if base is None else (base[:, 0], base[:, 1])
    extra_tensor = execute("FloorMod", (-(sizes + before + after), blocks))
    return (
        execute("Pack", ([before, after + extra_tensor],), {"axis": 1}, "paddings"),
        execute("Pack", ([zeros, extra_tensor],), {"axis": 1}, "crops"),
    )
