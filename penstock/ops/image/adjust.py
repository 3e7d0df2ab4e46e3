"""Adjusting images: brightness, contrast, hue, saturation, gamma, and standardization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import unchanged
from penstock.ops.casting import cast
from penstock.ops.dtype_sets import REAL
from penstock.ops.image.batches import at_least_3d
from penstock.ops.image.color import convert_image_dtype, hsv_planes, rgb_of_planes
from penstock.ops.image.host_functions import adjust_pixels
from penstock.types import dtypes
from penstock.types.tensors import Tensor

_HALF_AND_SINGLE = frozenset({dtypes.float16, dtypes.float32})


def _in_single(function: Callable) -> Callable:
    """A kernel that computes float16 images in float32."""

    def kernel(xp: Any, images: Any, amount: Any) -> Any:
        if images.ndim < 3:
            raise ValueError(f"input must be at least 3-D, got shape {list(images.shape)}")
        wide = images.astype(np.float32, copy=False)
        return function(xp, wide, amount).astype(images.dtype, copy=False)

    return kernel


@_in_single
def _adjust_contrast(xp: Any, x: Any, factor: Any) -> Any:
    if xp is np and x.size and x.flags.c_contiguous:
        return _contrast_of_rows(x, factor)
    mean = xp.mean(x, axis=(-3, -2), keepdims=True)
    return (x - mean) * factor + mean


def _contrast_of_rows(x: np.ndarray, factor: Any) -> np.ndarray:
    """The same on whole rows of pixels: NumPy's loops over three channels cost more than what is in them."""
    *batch, height, width, channels = x.shape
    rows = x.reshape(*batch, height, width * channels)
    totals = rows.sum(axis=-2).reshape(*batch, width, channels).sum(axis=-2, keepdims=True)
    mean = np.broadcast_to(totals / np.float32(height * width), (*batch, width, channels))
    mean = mean.reshape(*batch, 1, width * channels)
    adjusted = rows - mean
    adjusted *= factor
    adjusted += mean
    return adjusted.reshape(x.shape)


@_in_single
def _adjust_hue(xp: Any, x: Any, delta: Any) -> Any:
    adjusted = adjust_pixels("hue", x, delta) if xp is np else None
    if adjusted is not None:
        return adjusted
    hue, saturation, value = hsv_planes(xp, x)
    turned = hue + delta
    return rgb_of_planes(xp, turned - xp.floor(turned), saturation, value)


@_in_single
def _adjust_saturation(xp: Any, x: Any, factor: Any) -> Any:
    adjusted = adjust_pixels("saturation", x, factor) if xp is np else None
    if adjusted is not None:
        return adjusted
    hue, saturation, value = hsv_planes(xp, x)
    saturation = xp.minimum(xp.maximum(saturation * factor, np.float32(0)), np.float32(1))
    return rgb_of_planes(xp, hue, saturation, value)


def _adjust_contrast_v1(xp: Any, x: Any, factor: Any, low: Any, high: Any) -> Any:
    wide = x.astype(np.float32)
    mean = xp.mean(wide, axis=(-3, -2), keepdims=True)
    return xp.minimum(xp.maximum((wide - mean) * factor + mean, low), high)


for _signature, _kernel in (
    ("AdjustContrastv2(images: T, contrast_factor: float32) -> output: T", _adjust_contrast),
    ("AdjustHue(images: T, delta: float32) -> output: T", _adjust_hue),
    ("AdjustSaturation(images: T, scale: float32) -> output: T", _adjust_saturation),
):
    op(_signature, _kernel, shape=unchanged, types={"T": _HALF_AND_SINGLE})
op(
    "AdjustContrast(images: T, contrast_factor: float32, min_value: float32, max_value: float32) -> output: float32",
    _adjust_contrast_v1,
    shape=unchanged,
    types={"T": REAL},
)


def _as_floats(image: Any, adjust: Callable[[Tensor], Tensor]) -> Tensor:
    """Applies `adjust` to a float form of the image, and converts back to its dtype (saturating)."""
    image = convert_to_tensor(image)
    wide = image if image.dtype in _HALF_AND_SINGLE else convert_image_dtype(image, dtypes.float32)
    return convert_image_dtype(adjust(wide), image.dtype, saturate=True)


@export("image.adjust_brightness")
def adjust_brightness(image: Any, delta: Any) -> Tensor:
    """Adds `delta` to every pixel, in the range [0, 1] of float images.

    Args:
      image: images of any integer or floating dtype.
      delta: a scalar, usually in (-1, 1).

    Returns:
      A tensor of the dtype and shape of `image`; integers are clipped to their range.

    Example:
      >>> import penstock as tf
      >>> tf.image.adjust_brightness([[[0.25]]], 0.5).numpy().item()
      0.75
    """
    return _as_floats(image, lambda wide: wide + cast(delta, wide.dtype))


@export("image.adjust_contrast")
def adjust_contrast(images: Any, contrast_factor: Any) -> Tensor:
    """`(x - mean) * contrast_factor + mean`, with the mean of each channel of each image.

    Args:
      images: `[..., height, width, channels]` of any integer or floating dtype.
      contrast_factor: a scalar.

    Returns:
      A tensor of the dtype and shape of `images`.

    Example:
      >>> import penstock as tf
      >>> tf.image.adjust_contrast([[[1.0], [3.0]]], 2.0).numpy().ravel()
      array([0., 4.], dtype=float32)
    """
    factor = convert_to_tensor(contrast_factor, dtypes.float32)
    return _as_floats(images, lambda wide: execute("AdjustContrastv2", (wide, factor)))


@export("image.adjust_hue")
def adjust_hue(image: Any, delta: Any, name: str | None = None) -> Tensor:
    """Turns the hue of RGB images by `delta` of a full circle.

    Args:
      image: `[..., 3]` of any integer or floating dtype.
      delta: a scalar in [-1, 1].

    Returns:
      A tensor of the dtype and shape of `image`.

    Raises:
      ValueError: `delta` is a number out of range.

    Example:
      >>> import penstock as tf
      >>> tf.image.adjust_hue([[[1.0, 0.0, 0.0]]], 0.5).numpy().ravel()
      array([0., 1., 1.], dtype=float32)
    """
    if not isinstance(delta, Tensor) and not -1 <= delta <= 1:
        raise ValueError("delta must be in the interval [-1, 1]")
    delta = convert_to_tensor(delta, dtypes.float32)
    return _as_floats(image, lambda wide: execute("AdjustHue", (wide, delta), None, name))


@export("image.adjust_saturation")
def adjust_saturation(image: Any, saturation_factor: Any, name: str | None = None) -> Tensor:
    """Multiplies the saturation of RGB images.

    Args:
      image: `[..., 3]` of any integer or floating dtype.
      saturation_factor: a scalar.

    Returns:
      A tensor of the dtype and shape of `image`.

    Example:
      >>> import penstock as tf
      >>> tf.image.adjust_saturation([[[1.0, 0.5, 0.5]]], 0.0).numpy().ravel()
      array([1., 1., 1.], dtype=float32)
    """
    factor = convert_to_tensor(saturation_factor, dtypes.float32)
    return _as_floats(image, lambda wide: execute("AdjustSaturation", (wide, factor), None, name))


@export("image.adjust_gamma")
def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Tensor:
    """`gain * image ** gamma`, on the range [0, 1] of float images.

    Args:
      image: images of any integer or floating dtype.
      gamma: not negative; larger than 1 darkens.
      gain: a factor.

    Returns:
      A tensor of the dtype and shape of `image`.

    Raises:
      ValueError: `gamma` is a negative number.

    Example:
      >>> import penstock as tf
      >>> tf.image.adjust_gamma([[[0.5]]], gamma=2.0).numpy().item()
      0.25
    """
    if not isinstance(gamma, Tensor) and gamma < 0:
        raise ValueError("Gamma should be a non-negative real number.")

    def adjust(wide: Tensor) -> Tensor:
        power = execute("Pow", (wide, cast(gamma, wide.dtype)))
        return cast(gain, wide.dtype) * power

    return _as_floats(image, adjust)


@export("image.per_image_standardization")
def per_image_standardization(image: Any) -> Tensor:
    """`(x - mean) / max(stddev, 1 / sqrt(N))`: each image with mean 0 and variance 1.

    Args:
      image: `[..., height, width, channels]`, of N elements each.

    Returns:
      A float32 tensor of the shape of `image`.

    Raises:
      ValueError: the rank is less than 3.

    Example:
      >>> import penstock as tf
      >>> tf.image.per_image_standardization([[[1.0], [3.0]]]).numpy().ravel()
      array([-1.,  1.], dtype=float32)
    """
    image = cast(at_least_3d(image), dtypes.float32)
    axes = convert_to_tensor([-1, -2, -3])
    keep = {"keep_dims": True}
    sizes = execute("Shape", (image,))[-3:]
    count = cast(execute("Prod", (sizes, convert_to_tensor([0]))), dtypes.float32)
    mean = execute("Mean", (image, axes), keep)
    centred = image - mean
    deviation = execute("Sqrt", (execute("Mean", (execute("Square", (centred,)), axes), keep),))
    return centred / execute("Maximum", (deviation, execute("Rsqrt", (count,))))
