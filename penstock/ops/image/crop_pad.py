"""Cropping and padding of images by numbers of pixels."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import index_vector
from penstock.ops.image.batches import as_batch, at_least_3d, larger, require, size_along, smaller
from penstock.types.tensors import Tensor


def _static(value: Any) -> int | None:
    return None if isinstance(value, Tensor) else int(value)


def _number(value: Any) -> Any:
    """A size argument: an int, or a scalar tensor."""
    if isinstance(value, Tensor) or hasattr(value, "__tf_tensor__"):
        from penstock.engine.static_value import constant_value

        tensor = convert_to_tensor(value)
        known = constant_value(tensor)
        return tensor if known is None else int(known)
    return int(value)


@export("image.crop_to_bounding_box")
def crop_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Tensor:
    """A rectangle of an image or of a batch of images.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      offset_height, offset_width: the first row and column.
      target_height, target_width: the size of the rectangle.

    Returns:
      The rectangle, of the dtype and rank of `image`.

    Raises:
      ValueError: the rectangle reaches beyond the image, or is empty.

    Example:
      >>> import penstock as tf
      >>> tf.image.crop_to_bounding_box(tf.ones([4, 5, 3]), 1, 2, 2, 3).shape
      TensorShape([2, 3, 3])
    """
    top, left, height, width = map(_number, (offset_height, offset_width, target_height, target_width))

    def crop(batch: Tensor) -> Tensor:
        require(left >= 0, "offset_width must be >= 0.")
        require(top >= 0, "offset_height must be >= 0.")
        require(width > 0, "target_width must be > 0.")
        require(height > 0, "target_height must be > 0.")
        require(size_along(batch, 2) >= width + left, "width must be >= target + offset.")
        require(size_along(batch, 1) >= height + top, "height must be >= target + offset.")
        begin, size = index_vector([0, top, left, 0]), index_vector([-1, height, width, -1])
        cropped = execute("Slice", (batch, begin, size))
        channels = None if batch.shape.rank is None else batch.shape[3]
        cropped.set_shape(
            [batch.shape[0] if batch.shape.rank else None, _static(height), _static(width), channels]
        )
        return cropped

    return as_batch(image, crop)


@export("image.pad_to_bounding_box")
def pad_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Tensor:
    """An image, or batch of images, with zeros around it.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      offset_height, offset_width: rows of zeros above, and columns of zeros to the left.
      target_height, target_width: the size of the result.

    Returns:
      The padded image, of the dtype and rank of `image`.

    Raises:
      ValueError: the image does not fit, or an offset is negative.

    Example:
      >>> import penstock as tf
      >>> tf.image.pad_to_bounding_box(tf.ones([1, 1, 1]), 0, 1, 2, 2).numpy().squeeze()
      array([[0., 1.],
             [0., 0.]], dtype=float32)
    """
    top, left, height, width = map(_number, (offset_height, offset_width, target_height, target_width))

    def pad(batch: Tensor) -> Tensor:
        right = width - left - size_along(batch, 2)
        bottom = height - top - size_along(batch, 1)
        require(top >= 0, "offset_height must be >= 0")
        require(left >= 0, "offset_width must be >= 0")
        require(right >= 0, "width must be <= target - offset")
        require(bottom >= 0, "height must be <= target - offset")
        flat = index_vector([0, 0, top, bottom, left, right, 0, 0])
        paddings = execute("Reshape", (flat, convert_to_tensor([4, 2])))
        padded = execute("Pad", (batch, paddings))
        channels = None if batch.shape.rank is None else batch.shape[3]
        padded.set_shape(
            [batch.shape[0] if batch.shape.rank else None, _static(height), _static(width), channels]
        )
        return padded

    return as_batch(image, pad)


@export(
    "image.resize_with_crop_or_pad",
    v1=["image.resize_with_crop_or_pad", "image.resize_image_with_crop_or_pad"],
)
def resize_with_crop_or_pad(image: Any, target_height: Any, target_width: Any) -> Tensor:
    """The middle of an image, or the image in the middle of zeros, so that it has the wanted size.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      target_height, target_width: the size of the result.

    Returns:
      The cropped or padded image, of the dtype and rank of `image`.

    Raises:
      ValueError: a size is not positive.

    Example:
      >>> import penstock as tf
      >>> tf.image.resize_with_crop_or_pad(tf.ones([4, 2, 1]), 2, 4).numpy().squeeze()
      array([[0., 1., 1., 0.],
             [0., 1., 1., 0.]], dtype=float32)
    """
    height, width = _number(target_height), _number(target_width)

    def fit(batch: Tensor) -> Tensor:
        require(width > 0, "target_width must be > 0.")
        require(height > 0, "target_height must be > 0.")
        rows, columns = size_along(batch, 1), size_along(batch, 2)
        missing_rows, missing_columns = height - rows, width - columns
        cropped = crop_to_bounding_box(
            batch,
            larger(-missing_rows // 2, 0),
            larger(-missing_columns // 2, 0),
            smaller(height, rows),
            smaller(width, columns),
        )
        return pad_to_bounding_box(
            cropped, larger(missing_rows // 2, 0), larger(missing_columns // 2, 0), height, width
        )

    return as_batch(image, fit)


@export("image.central_crop")
def central_crop(image: Any, central_fraction: Any) -> Tensor:
    """The middle of an image, with `central_fraction` of its height and of its width.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      central_fraction: in (0, 1]; a number or a scalar tensor.

    Raises:
      ValueError: `central_fraction` is out of range, or the rank is not 3 or 4.

    Example:
      >>> import penstock as tf
      >>> tf.image.central_crop(tf.ones([8, 8, 3]), 0.5).shape
      TensorShape([4, 4, 3])
    """
    image = at_least_3d(image)
    fraction = central_fraction
    if isinstance(fraction, Tensor):
        from penstock.engine.static_value import constant_value

        known = constant_value(fraction)
        fraction = fraction if known is None else float(known)
    if not isinstance(fraction, Tensor):
        if not 0 < fraction <= 1:
            raise ValueError("central_fraction must be within (0, 1]")
        if fraction == 1:
            return image

    def start(size: Any) -> Any:
        if isinstance(size, Tensor) or isinstance(fraction, Tensor):
            from penstock.ops.casting import cast
            from penstock.types import dtypes

            wide = cast(size, dtypes.float64)
            return cast((wide - wide * cast(fraction, dtypes.float64)) / 2.0, dtypes.int32)
        return int((size - size * fraction) / 2)

    def crop(batch: Tensor) -> Tensor:
        rows, columns = size_along(batch, 1), size_along(batch, 2)
        top, left = start(rows), start(columns)
        return crop_to_bounding_box(batch, top, left, rows - top * 2, columns - left * 2)

    return as_batch(image, crop)
