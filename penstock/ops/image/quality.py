"""How alike two images are: PSNR, SSIM and multi-scale SSIM.

Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, and "Multiscale
structural similarity for image quality assessment", 2003.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.broadcasting import shape_of
from penstock.ops.casting import cast
from penstock.ops.image.color import convert_image_dtype
from penstock.ops.nn.conv import with_flat_batch
from penstock.types import dtypes
from penstock.types.errors import InvalidArgumentError
from penstock.types.tensors import Tensor


def _mean(x: Tensor, axes: Sequence[int]) -> Tensor:
    return execute("Mean", (x, convert_to_tensor(list(axes))))


def _in_floats(a: Any, b: Any, max_val: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Both images and the range of their values as float32, integers scaled to [0, 1]."""
    a, b = convert_to_tensor(a), convert_to_tensor(b)
    max_val = convert_image_dtype(cast(max_val, a.dtype), dtypes.float32)
    return convert_image_dtype(a, dtypes.float32), convert_image_dtype(b, dtypes.float32), max_val


@export("image.psnr")
def psnr(a: Any, b: Any, max_val: Any, name: str | None = None) -> Tensor:
    """The peak signal-to-noise ratio of two images: `20 log10(max_val) - 10 log10(mean((a - b) ** 2))`.

    Args:
      a, b: `[..., height, width, channels]` of one dtype.
      max_val: the range of the values, such as 255 or 1.0.

    Returns:
      One float32 number for each pair of images, in decibels.

    Example:
      >>> import penstock as tf
      >>> tf.image.psnr(tf.zeros([4, 4, 3]), tf.fill([4, 4, 3], 0.1), max_val=1.0).numpy().round(3)
      np.float32(20.0)
    """
    a, b, max_val = _in_floats(a, b, max_val)
    error = _mean(execute("SquaredDifference", (a, b)), [-3, -2, -1])
    peak = convert_to_tensor(20 / math.log(10), dtypes.float32) * execute("Log", (max_val,))
    noise = convert_to_tensor(10 / math.log(10), dtypes.float32) * execute("Log", (error,))
    return execute("Sub", (peak, noise), None, name or "psnr")


def _gaussian(size: int, sigma: float) -> np.ndarray:
    places = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    logits = -0.5 * places * places / np.float32(sigma) ** 2
    weights = np.exp(logits[:, None] + logits[None, :])
    return (weights / weights.sum()).astype(np.float32)[:, :, None, None]


def _similarity(
    x: Tensor, y: Tensor, max_val: Tensor, filter_size: int, filter_sigma: float, k1: float, k2: float
) -> tuple[Tensor, Tensor]:
    """The maps of SSIM and of its contrast-structure part, for every channel."""
    depth = x.shape[-1]
    if depth is None:
        raise ValueError("ssim: the number of channels must be known")
    window = convert_to_tensor(np.tile(_gaussian(filter_size, filter_sigma), [1, 1, depth, 1]))
    attrs = {"strides": [1, 1, 1, 1], "padding": "VALID"}

    def blurred(image: Tensor) -> Tensor:
        if image.shape.rank == 3:
            batch = execute(
                "DepthwiseConv2dNative", (execute("ExpandDims", (image, convert_to_tensor(0))), window), attrs
            )
            return execute("Squeeze", (batch,), {"squeeze_dims": [0]})
        if image.shape.rank == 4:
            return execute("DepthwiseConv2dNative", (image, window), attrs)
        return with_flat_batch(image, 4, lambda flat: execute("DepthwiseConv2dNative", (flat, window), attrs))

    c1 = execute("Square", (max_val * k1,))
    c2 = execute("Square", (max_val * k2,))
    mean_x, mean_y = blurred(x), blurred(y)
    both = mean_x * mean_y * 2.0
    squares = execute("Square", (mean_x,)) + execute("Square", (mean_y,))
    luminance = (both + c1) / (squares + c1)
    covariance = blurred(x * y) * 2.0
    variances = blurred(execute("Square", (x,)) + execute("Square", (y,)))
    structure = (covariance - both + c2) / (variances - squares + c2)
    return luminance * structure, structure


def _check_images(a: Tensor, b: Tensor) -> None:
    for image in (a, b):
        image.shape.with_rank_at_least(3)
    first, second = a.shape, b.shape
    if first.rank is None or second.rank is None:
        return
    batches = zip(first.as_list()[-4::-1], second.as_list()[-4::-1])
    fits = first[-3:].is_compatible_with(second[-3:])
    if not fits or any(m != n and None not in (m, n) and 1 not in (m, n) for m, n in batches):
        raise ValueError(f"Two images are not compatible: {first} and {second}")


def _check_size(image: Tensor, filter_size: int) -> None:
    if image.shape.rank is not None:
        for size in image.shape.as_list()[-3:-1]:
            if size is not None and size < filter_size:
                raise InvalidArgumentError(
                    None, None, f"ssim: images of {image.shape} are smaller than the filter of {filter_size}"
                )


@export("image.ssim")
def ssim(
    img1: Any,
    img2: Any,
    max_val: Any,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    return_index_map: bool = False,
) -> Tensor:
    """The structural similarity of two images, 1 for equal ones.

    Args:
      img1, img2: `[..., height, width, channels]` of one dtype.
      max_val: the range of the values, such as 255 or 1.0.
      filter_size, filter_sigma: the Gaussian window over which means and variances are taken.
      k1, k2: keep the quotients finite.
      return_index_map: gives the similarity around each pixel instead of the mean.

    Returns:
      One float32 number for each pair of images; a map of them if `return_index_map`.

    Raises:
      ValueError: the shapes do not fit.
      InvalidArgumentError: the images are smaller than the filter.

    Example:
      >>> import penstock as tf
      >>> image = tf.random.stateless_uniform([16, 16, 1], seed=[1, 2])
      >>> tf.image.ssim(image, image, max_val=1.0).numpy().round(4)
      np.float32(1.0)
    """
    img1, img2 = convert_to_tensor(img1), convert_to_tensor(img2)
    _check_images(img1, img2)
    a, b, max_val = _in_floats(img1, img2, max_val)
    _check_size(a, filter_size)
    similarity, _ = _similarity(a, b, max_val, filter_size, filter_sigma, k1, k2)
    if return_index_map:
        return _mean(similarity, [-1])
    return _mean(_mean(similarity, [-3, -2]), [-1])


_POWER_FACTORS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@export("image.ssim_multiscale")
def ssim_multiscale(
    img1: Any,
    img2: Any,
    max_val: Any,
    power_factors: Sequence[float] = _POWER_FACTORS,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Tensor:
    """The structural similarity at several scales: a product of powers of SSIM of images that are halved repeatedly.

    Args:
      img1, img2: `[..., height, width, channels]` of one dtype, large enough to be halved.
      max_val: the range of the values.
      power_factors: the weight of each scale, from the finest on.
      filter_size, filter_sigma, k1, k2: as in `tf.image.ssim`.

    Returns:
      One float32 number for each pair of images.

    Raises:
      ValueError: the shapes do not fit.
      InvalidArgumentError: the images at the coarsest scale are smaller than the filter.

    Example:
      >>> import penstock as tf
      >>> image = tf.random.stateless_uniform([32, 32, 1], seed=[1, 2])
      >>> tf.image.ssim_multiscale(image, image, 1.0, power_factors=[0.5, 0.5]).numpy().round(4)
      np.float32(1.0)
    """
    img1, img2 = convert_to_tensor(img1), convert_to_tensor(img2)
    _check_images(img1, img2)
    a, b, max_val = _in_floats(img1, img2, max_val)
    factors = []
    for scale in range(len(power_factors)):
        if scale > 0:
            a, b = _halved(a), _halved(b)
        _check_size(a, filter_size)
        similarity, structure = _similarity(a, b, max_val, filter_size, filter_sigma, k1, k2)
        last = scale == len(power_factors) - 1
        factors.append(execute("Relu", (_mean(similarity if last else structure, [-3, -2]),)))
    powers = execute(
        "Pow", (execute("Pack", (factors,), {"axis": -1}), convert_to_tensor(power_factors, dtypes.float32))
    )
    return _mean(execute("Prod", (powers, convert_to_tensor([-1]))), [-1])


def _halved(image: Tensor) -> Tensor:
    """Means of 2x2 pixels; an odd row or column is repeated first."""
    rank = image.shape.rank or 4
    if rank != 4:
        batch = execute("ConcatV2", ([convert_to_tensor([-1]), shape_of(image)[-3:]], convert_to_tensor(0)))
        halved = _halved(execute("Reshape", (image, batch)))
        lead = shape_of(image)[:-3]
        return execute(
            "Reshape", (halved, execute("ConcatV2", ([lead, shape_of(halved)[1:]], convert_to_tensor(0))))
        )
    odd = shape_of(image)[1:3] % 2
    zero = convert_to_tensor(0)
    pairs = execute("Pack", ([zero, zero, zero, odd[0], zero, odd[1], zero, zero],))
    padded = execute(
        "MirrorPad", (image, execute("Reshape", (pairs, convert_to_tensor([4, 2])))), {"mode": "SYMMETRIC"}
    )
    return execute("AvgPool", (padded,), {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"})
