"""What an image looks like after JPEG of some quality: `tf.image.adjust_jpeg_quality` and its random forms."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.image.codecs import decode_jpeg
from penstock.ops.image.color import convert_image_dtype
from penstock.ops.random.stateful import random_uniform
from penstock.ops.random.stateless import stateless_random_uniform
from penstock.types import dtypes
from penstock.types.tensors import Tensor


@export("image.adjust_jpeg_quality")
def adjust_jpeg_quality(
    image: Any, jpeg_quality: Any, dct_method: str = "", name: str | None = None
) -> Tensor:
    """An image, encoded as a JPEG and decoded again.

    Args:
      image: [height, width, 1 or 3], uint8 or another dtype; pixels of a floating one are from 0 to 1.
      jpeg_quality: 0 to 100, a number or an int32 scalar.
      dct_method: see `tf.io.decode_jpeg`.
      name: the node's name in a graph.

    Returns:
      An image of the same shape and dtype.

    Raises:
      InvalidArgumentError: the image has another rank or number of channels, or the quality is out of range.

    Example:
      >>> import penstock as tf
      >>> tf.image.adjust_jpeg_quality(tf.fill([8, 8, 1], tf.constant(200, tf.uint8)), 50).shape
      TensorShape([8, 8, 1])
    """
    image = convert_to_tensor(image, name="image")
    pixels = convert_image_dtype(image, dtypes.uint8, saturate=True)
    data = execute("EncodeJpegVariableQuality", (pixels, convert_to_tensor(jpeg_quality, dtypes.int32)))
    channels = image.shape[-1] if image.shape.rank else None
    decoded = decode_jpeg(data, channels=channels or 0, dct_method=dct_method, name=name)
    return convert_image_dtype(decoded, image.dtype, saturate=True)


def _check(low: int, high: int) -> None:
    if low < 0 or high < 0 or low > 100 or high > 100:
        raise ValueError("jpeg encoding range must be between 0 and 100.")
    if low >= high:
        raise ValueError("`min_jpeg_quality` must be less than `max_jpeg_quality`.")


@export("image.random_jpeg_quality")
def random_jpeg_quality(
    image: Any, min_jpeg_quality: int, max_jpeg_quality: int, seed: int | None = None
) -> Tensor:
    """An image, encoded as a JPEG of random quality and decoded again.

    Args:
      image: see `adjust_jpeg_quality`.
      min_jpeg_quality, max_jpeg_quality: the range of the quality, without the upper end.
      seed: the seed of the operation.

    Raises:
      ValueError: the range is empty, or not inside [0, 100].
    """
    _check(min_jpeg_quality, max_jpeg_quality)
    quality = random_uniform((), min_jpeg_quality, max_jpeg_quality, dtypes.int32, seed)
    return adjust_jpeg_quality(image, quality)


@export("image.stateless_random_jpeg_quality")
def stateless_random_jpeg_quality(
    image: Any, min_jpeg_quality: int, max_jpeg_quality: int, seed: Any
) -> Tensor:
    """An image, encoded as a JPEG of a quality that follows from the seed, and decoded again.

    Args:
      image: see `adjust_jpeg_quality`.
      min_jpeg_quality, max_jpeg_quality: the range of the quality, without the upper end.
      seed: two integers.

    Raises:
      ValueError: the range is empty, or not inside [0, 100].
    """
    _check(min_jpeg_quality, max_jpeg_quality)
    quality = stateless_random_uniform((), seed, min_jpeg_quality, max_jpeg_quality, dtypes.int32)
    return adjust_jpeg_quality(image, quality)
