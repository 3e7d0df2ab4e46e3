"""Mirroring, turning and transposing images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.image.batches import at_least_3d
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def _by_rank(image: Any, name: str, function: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Applies `function(image, axis of the rows)` to one image or a batch of any known rank from 3 on."""
    image = at_least_3d(image)
    rank = image.shape.rank
    if rank is None:
        raise ValueError(f"{name}: the rank of the image must be known")
    if rank > 4:
        raise ValueError(f"'image' (shape {image.shape}) must have either 3 or 4 dimensions.")
    return function(image, rank - 3)


def mirrored(image: Tensor, axis: int) -> Tensor:
    """`image` with the order along `axis` reversed."""
    return execute("ReverseV2", (image, convert_to_tensor([axis])))


@export("image.flip_left_right")
def flip_left_right(image: Any) -> Tensor:
    """Mirrors images along their width.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.

    Raises:
      ValueError: the rank is not 3 or 4.

    Example:
      >>> import penstock as tf
      >>> tf.image.flip_left_right([[[1], [2]]]).numpy().ravel()
      array([2, 1], dtype=int32)
    """
    return _by_rank(image, "flip_left_right", lambda image, rows: mirrored(image, rows + 1))


@export("image.flip_up_down")
def flip_up_down(image: Any) -> Tensor:
    """Mirrors images along their height.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.

    Raises:
      ValueError: the rank is not 3 or 4.

    Example:
      >>> import penstock as tf
      >>> tf.image.flip_up_down([[[1]], [[2]]]).numpy().ravel()
      array([2, 1], dtype=int32)
    """
    return _by_rank(image, "flip_up_down", mirrored)


def _transposed(image: Tensor, rows: int) -> Tensor:
    order = list(range(rows)) + [rows + 1, rows, rows + 2]
    return execute("Transpose", (image, convert_to_tensor(order)))


@export("image.transpose", v1=["image.transpose", "image.transpose_image"])
def transpose(image: Any, name: str | None = None) -> Tensor:
    """Exchanges height and width of images.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.

    Raises:
      ValueError: the rank is not 3 or 4.

    Example:
      >>> import penstock as tf
      >>> tf.image.transpose(tf.ones([2, 3, 1])).shape
      TensorShape([3, 2, 1])
    """
    return _by_rank(image, "transpose", _transposed)


def _turned(image: Tensor, rows: int, quarters: int) -> Tensor:
    if quarters == 1:
        return mirrored(_transposed(image, rows), rows)
    if quarters == 2:
        return execute("ReverseV2", (image, convert_to_tensor([rows, rows + 1])))
    if quarters == 3:
        return _transposed(mirrored(image, rows), rows)
    return execute("Identity", (image,))


@export("image.rot90")
def rot90(image: Any, k: Any = 1, name: str | None = None) -> Tensor:
    """Turns images by `k` quarters of a circle, counter-clockwise.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      k: an int, or a scalar int32 tensor.

    Raises:
      ValueError: the rank is not 3 or 4, or `k` is not a scalar.

    Example:
      >>> import penstock as tf
      >>> tf.image.rot90([[[1], [2]]]).numpy().ravel()
      array([2, 1], dtype=int32)
    """
    from penstock.engine.static_value import constant_value

    turns = convert_to_tensor(k, dtypes.int32)
    if turns.shape.rank not in (None, 0):
        raise ValueError(f"k must be a scalar, got shape {turns.shape}")
    known = constant_value(turns)
    if known is not None:
        return _by_rank(image, "rot90", lambda image, rows: _turned(image, rows, int(known) % 4))
    return _by_rank(image, "rot90", lambda image, rows: _turned_by_tensor(image, rows, turns))


def _turned_by_tensor(image: Tensor, rows: int, turns: Tensor) -> Tensor:
    from penstock.ops.control_flow import switch_case

    quarters = execute("FloorMod", (turns, convert_to_tensor(4)))
    branches = [lambda i=i: _turned(image, rows, i) for i in range(4)]
    result = switch_case(quarters, branches)
    result.set_shape([*image.shape.as_list()[:rows], None, None, image.shape[-1]])
    return result
