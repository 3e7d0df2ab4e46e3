"""Random adjustments of images in two forms: `random_*` with a stream of numbers, `stateless_random_*` with a seed.

The forms of a function differ only in where their uniform numbers come from: `draw(shape, minval, maxval, dtype)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.image.adjust import adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation
from penstock.ops.image.batches import at_least_3d
from penstock.ops.image.flip import mirrored
from penstock.ops.random.stateful import random_uniform
from penstock.ops.random.stateless import stateless_random_uniform
from penstock.types import dtypes
from penstock.types.errors import InvalidArgumentError
from penstock.types.tensors import Tensor

Draw = Callable[..., Tensor]


def _stream(seed: int | None) -> Draw:
    return lambda shape, low, high, dtype=dtypes.float32: random_uniform(shape, low, high, dtype, seed)


def _stateless(seed: Any) -> Draw:
    return lambda shape, low, high, dtype=dtypes.float32: stateless_random_uniform(
        shape, seed, low, high, dtype
    )


def _symmetric(draw: Draw, max_delta: Any) -> Tensor:
    return draw([], -max_delta, max_delta)


def _check_delta(max_delta: Any, largest: float | None = None) -> None:
    if largest is not None and max_delta > largest:
        raise ValueError(f"max_delta must be <= {largest}.")
    if max_delta < 0:
        raise ValueError("max_delta must be non-negative.")


def _check_range(lower: Any, upper: Any) -> None:
    if upper <= lower:
        raise ValueError("upper must be > lower.")
    if lower < 0:
        raise ValueError("lower must be non-negative.")


def _brightness(image: Any, max_delta: Any, draw: Draw) -> Tensor:
    _check_delta(max_delta)
    return adjust_brightness(image, _symmetric(draw, max_delta))


def _contrast(image: Any, lower: Any, upper: Any, draw: Draw) -> Tensor:
    _check_range(lower, upper)
    return adjust_contrast(image, draw([], lower, upper))


def _hue(image: Any, max_delta: Any, draw: Draw) -> Tensor:
    _check_delta(max_delta, 0.5)
    return adjust_hue(image, _symmetric(draw, max_delta))


def _saturation(image: Any, lower: Any, upper: Any, draw: Draw) -> Tensor:
    _check_range(lower, upper)
    return adjust_saturation(image, draw([], lower, upper))


def _flip(image: Any, axis: int, draw: Draw) -> Tensor:
    """Mirrors one image along `axis` half of the time; in a batch, each image on its own."""
    image = at_least_3d(image)
    rank = image.shape.rank
    if rank not in (3, 4):
        raise ValueError(f"'image' (shape {image.shape}) must have either 3 or 4 dimensions.")
    if rank == 3:
        chosen = draw([], 0.0, 1.0) < 0.5
        return execute("SelectV2", (chosen, mirrored(image, axis), image))
    count = execute("Shape", (image,))[:1]
    chosen = execute("Reshape", (draw(count, 0.0, 1.0) > 0.5, convert_to_tensor([-1, 1, 1, 1])))
    flipped = execute("SelectV2", (chosen, mirrored(image, axis + 1), image))
    flipped.set_shape(image.shape)
    return flipped


def _crop(value: Any, size: Any, draw: Draw, name: str | None) -> Tensor:
    value, size = convert_to_tensor(value), convert_to_tensor(size, dtypes.int32)
    shape = execute("Shape", (value,), {"out_type": size.dtype})
    _check_size(value, size)
    limit = shape - size + 1
    numbers = draw(execute("Shape", (shape,)), 0, size.dtype.max, size.dtype)
    return execute("Slice", (value, numbers % limit, size), None, name or "random_crop")


def _check_size(value: Tensor, size: Tensor) -> None:
    """Sizes that are known are checked at once; others fail in Slice."""
    from penstock.engine.static_value import constant_value

    wanted = constant_value(size)
    if wanted is None or value.shape.rank is None:
        return
    if any(dim is not None and dim < want for dim, want in zip(value.shape.as_list(), wanted.tolist())):
        raise InvalidArgumentError(
            None, None, f"Need value.shape >= size, got {value.shape} and {wanted.tolist()}"
        )


@export("image.random_brightness")
def random_brightness(image: Any, max_delta: Any, seed: int | None = None) -> Tensor:
    """`tf.image.adjust_brightness` by a random delta in [-max_delta, max_delta).

    Raises:
      ValueError: `max_delta` is negative.
    """
    return _brightness(image, max_delta, _stream(seed))


@export("image.stateless_random_brightness")
def stateless_random_brightness(image: Any, max_delta: Any, seed: Any) -> Tensor:
    """`tf.image.random_brightness` with a delta that is a function of `seed`, two integers."""
    return _brightness(image, max_delta, _stateless(seed))


@export("image.random_contrast")
def random_contrast(image: Any, lower: Any, upper: Any, seed: int | None = None) -> Tensor:
    """`tf.image.adjust_contrast` by a random factor in [lower, upper).

    Raises:
      ValueError: `lower` is negative, or `upper` is not larger.
    """
    return _contrast(image, lower, upper, _stream(seed))


@export("image.stateless_random_contrast")
def stateless_random_contrast(image: Any, lower: Any, upper: Any, seed: Any) -> Tensor:
    """`tf.image.random_contrast` with a factor that is a function of `seed`, two integers."""
    return _contrast(image, lower, upper, _stateless(seed))


@export("image.random_hue")
def random_hue(image: Any, max_delta: Any, seed: int | None = None) -> Tensor:
    """`tf.image.adjust_hue` by a random delta in [-max_delta, max_delta).

    Raises:
      ValueError: `max_delta` is not in [0, 0.5].
    """
    return _hue(image, max_delta, _stream(seed))


@export("image.stateless_random_hue")
def stateless_random_hue(image: Any, max_delta: Any, seed: Any) -> Tensor:
    """`tf.image.random_hue` with a delta that is a function of `seed`, two integers."""
    return _hue(image, max_delta, _stateless(seed))


@export("image.random_saturation")
def random_saturation(image: Any, lower: Any, upper: Any, seed: int | None = None) -> Tensor:
    """`tf.image.adjust_saturation` by a random factor in [lower, upper).

    Raises:
      ValueError: `lower` is negative, or `upper` is not larger.
    """
    return _saturation(image, lower, upper, _stream(seed))


@export("image.stateless_random_saturation")
def stateless_random_saturation(image: Any, lower: Any, upper: Any, seed: Any = None) -> Tensor:
    """`tf.image.random_saturation` with a factor that is a function of `seed`, two integers."""
    return _saturation(image, lower, upper, _stateless(seed))


@export("image.random_flip_left_right")
def random_flip_left_right(image: Any, seed: int | None = None) -> Tensor:
    """`tf.image.flip_left_right` half of the time; in a batch, for each image on its own.

    Raises:
      ValueError: the rank is not 3 or 4.
    """
    return _flip(image, 1, _stream(seed))


@export("image.stateless_random_flip_left_right")
def stateless_random_flip_left_right(image: Any, seed: Any) -> Tensor:
    """`tf.image.random_flip_left_right` with choices that are a function of `seed`, two integers."""
    return _flip(image, 1, _stateless(seed))


@export("image.random_flip_up_down")
def random_flip_up_down(image: Any, seed: int | None = None) -> Tensor:
    """`tf.image.flip_up_down` half of the time; in a batch, for each image on its own.

    Raises:
      ValueError: the rank is not 3 or 4.
    """
    return _flip(image, 0, _stream(seed))


@export("image.stateless_random_flip_up_down")
def stateless_random_flip_up_down(image: Any, seed: Any) -> Tensor:
    """`tf.image.random_flip_up_down` with choices that are a function of `seed`, two integers."""
    return _flip(image, 0, _stateless(seed))


@export("image.random_crop", v1=["image.random_crop", "random_crop"])
def random_crop(value: Any, size: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """A part of a tensor at a random place.

    Args:
      value: a tensor. size: the shape of the part, one entry for each dimension.
      seed: makes the sequence of places repeatable.

    Returns:
      A tensor of shape `size` and the dtype of `value`.

    Raises:
      InvalidArgumentError: `size` is larger than the tensor.

    Example:
      >>> import penstock as tf
      >>> tf.image.random_crop(tf.ones([8, 8, 3]), [4, 4, 3]).shape
      TensorShape([4, 4, 3])
    """
    return _crop(value, size, _stream(seed), name)


@export("image.stateless_random_crop")
def stateless_random_crop(value: Any, size: Any, seed: Any, name: str | None = None) -> Tensor:
    """`tf.image.random_crop` at a place that is a function of `seed`, two integers."""
    return _crop(value, size, _stateless(seed), name)
