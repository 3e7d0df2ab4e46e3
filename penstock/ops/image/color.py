"""Color spaces and dtypes of images: RGB to HSV, grayscale, YIQ and YUV and back, `convert_image_dtype`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.casting import cast, saturate_cast
from penstock.ops.dtype_sets import FLOATS
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.errors import FailedPreconditionError
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _three_channels(call: ShapeCall) -> TensorShape:
    shape = call.shape(0)
    if shape.rank == 0 or (shape.rank is not None and shape[-1] not in (None, 3)):
        raise call.error("images must have 3 channels in the last dimension")
    return shape


def _check_channels(x: Any) -> None:
    if x.ndim < 1 or x.shape[-1] != 3:
        raise ValueError(f"images must have 3 channels in the last dimension, got {list(x.shape)}")


def _on_images(op_type: str, convert: Callable) -> Callable:
    """The kernel of a conversion op, which in TensorFlow calls a wrong number of channels a failed precondition."""

    def kernel(xp: Any, x: Any) -> Any:
        if x.ndim > 0 and x.shape[-1] != 3:
            raise FailedPreconditionError(
                None, None, f"{op_type}: input must have 3 channels but has {x.shape[-1]}"
            )
        return convert(xp, x)

    return kernel


def _planes(xp: Any, x: Any) -> list:
    """The three channels as arrays of their own; NumPy is several times faster where their numbers are neighbours."""
    _check_channels(x)
    planes = [x[..., channel] for channel in range(3)]
    return [each.copy() for each in planes] if xp is np else planes


def rgb_to_hsv_array(xp: Any, x: Any) -> Any:
    """Hue, saturation and value of an array whose last dimension is red, green, blue."""
    return xp.stack(hsv_planes(xp, x), axis=-1)


def hsv_planes(xp: Any, x: Any) -> tuple:
    """As `rgb_to_hsv_array`, in three arrays."""
    red, green, blue = _planes(xp, x)
    number = x.dtype.type
    value = xp.maximum(xp.maximum(red, green), blue)
    spread = value - xp.minimum(xp.minimum(red, green), blue)
    zero, one = xp.zeros((), x.dtype), xp.ones((), x.dtype)
    saturation = xp.where(value > 0, spread / xp.where(value > 0, value, one), zero)
    norm = one / (number(6) * xp.where(spread > 0, spread, one))
    hue = xp.where(
        red == value,
        norm * (green - blue),
        xp.where(green == value, norm * (blue - red) + number(2 / 6), norm * (red - green) + number(4 / 6)),
    )
    hue = xp.where(spread > 0, hue, zero)
    hue = xp.where(hue < 0, hue + one, hue)
    return hue, saturation, value


def hsv_to_rgb_array(xp: Any, x: Any) -> Any:
    """Red, green and blue of an array whose last dimension is hue, saturation, value."""
    return rgb_of_planes(xp, *_planes(xp, x))


def rgb_of_planes(xp: Any, hue: Any, saturation: Any, value: Any) -> Any:
    """As `hsv_to_rgb_array`, from three arrays."""
    kind = hue.dtype
    number, zero, one = kind.type, xp.zeros((), kind), xp.ones((), kind)
    angle = hue * number(6)

    def clipped(ramp: Any) -> Any:
        return xp.minimum(xp.maximum(ramp, zero), one)

    ramps = (
        clipped(xp.abs(angle - number(3)) - one),
        clipped(number(2) - xp.abs(angle - number(2))),
        clipped(number(2) - xp.abs(angle - number(4))),
    )
    return xp.stack([((one - saturation) + saturation * ramp) * value for ramp in ramps], axis=-1)


def _rgb_to_hsv_gradient(op: Any, dy: Tensor) -> Tensor:
    """The derivatives where the largest and smallest channels (the first of equal ones) stay what they are.

    With M and m marking those channels: value = M.x, saturation = 1 - min / value, and
    hue = (next(x) - next(next(x))).M / (6 spread) + constant, where `next` is the following channel, cyclically.
    """
    x = op.inputs[0]
    last = convert_to_tensor(-1)
    kind = x.dtype
    one, zero = convert_to_tensor(1, kind), convert_to_tensor(0, kind)

    def mark(op_type: str) -> Tensor:
        chosen = execute(op_type, (x, last), {"output_type": dtypes.int32})
        return execute("OneHot", (chosen, convert_to_tensor(3), one, zero), {"axis": -1})

    def total(values: Tensor) -> Tensor:
        return execute("Sum", (values, convert_to_tensor([-1])), {"keep_dims": True})

    def turned(values: Tensor, steps: int) -> Tensor:
        return execute("Roll", (values, convert_to_tensor(steps), last))

    largest, smallest = mark("ArgMax"), mark("ArgMin")
    value, least = total(x * largest), total(x * smallest)
    spread = value - least
    d_hue, d_saturation, d_value = (dy[..., i : i + 1] for i in range(3))
    colored, bright = spread > zero, value > zero
    ones = execute("OnesLike", (value,))
    safe_spread = execute("SelectV2", (colored, spread, ones))
    safe_value = execute("SelectV2", (bright, value, ones))
    numerator = total(largest * (turned(x, -1) - turned(x, -2)))
    hue_slope = (turned(largest, 1) - turned(largest, 2)) / safe_spread - numerator / (
        safe_spread * safe_spread
    ) * (largest - smallest)
    saturation_slope = largest * least / (safe_value * safe_value) - smallest / safe_value
    through_hue = execute("SelectV2", (colored, d_hue * hue_slope / convert_to_tensor(6, kind), zero))
    through_saturation = execute("SelectV2", (bright, d_saturation * saturation_slope, zero))
    return through_hue + through_saturation + d_value * largest


op(
    "RGBToHSV(images: T) -> output: T",
    _on_images("RGBToHSV", rgb_to_hsv_array), shape=_three_channels, gradient=_rgb_to_hsv_gradient, types={"T": FLOATS},
)  # fmt: skip
op(
    "HSVToRGB(images: T) -> output: T",
    _on_images("HSVToRGB", hsv_to_rgb_array), shape=_three_channels, gradient=stops, types={"T": FLOATS},
)  # fmt: skip


@export("image.rgb_to_hsv")
def rgb_to_hsv(images: Any, name: str | None = None) -> Tensor:
    """Red, green and blue in [0, 1] to hue, saturation and value in [0, 1].

    Args:
      images: a tensor of a floating dtype whose last dimension is 3.

    Returns:
      A tensor of the dtype and shape of `images`.

    Example:
      >>> import penstock as tf
      >>> tf.image.rgb_to_hsv([0.0, 0.5, 0.0]).numpy().round(4)
      array([0.3333, 1.    , 0.5   ], dtype=float32)
    """
    return execute("RGBToHSV", (convert_to_tensor(images),), None, name)


@export("image.hsv_to_rgb")
def hsv_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """Hue, saturation and value in [0, 1] to red, green and blue in [0, 1].

    Args:
      images: a tensor of a floating dtype whose last dimension is 3.

    Returns:
      A tensor of the dtype and shape of `images`.

    Example:
      >>> import penstock as tf
      >>> tf.image.hsv_to_rgb([0.0, 1.0, 0.5]).numpy()
      array([0.5, 0. , 0. ], dtype=float32)
    """
    return execute("HSVToRGB", (convert_to_tensor(images),), None, name)


@export("image.convert_image_dtype")
def convert_image_dtype(image: Any, dtype: Any, saturate: bool = False, name: str | None = None) -> Tensor:
    """Converts images to a dtype and its range: [0, 1] for floats, [0, max] for integers.

    Args:
      image: a tensor of an integer or floating dtype.
      dtype: the new dtype.
      saturate: clips values that are out of range, which otherwise wrap around.

    Returns:
      A tensor of the shape of `image`.

    Raises:
      AttributeError: one of the dtypes is neither integer nor floating.

    Example:
      >>> import penstock as tf
      >>> tf.image.convert_image_dtype(tf.constant([0, 255], tf.uint8), tf.float32).numpy()
      array([0., 1.], dtype=float32)
    """
    image, dtype = convert_to_tensor(image), as_dtype(dtype)
    for kind, what in ((dtype, "dtype"), (image.dtype, "image dtype")):
        if not kind.is_floating and not kind.is_integer:
            raise AttributeError(f"{what} must be either floating point or integer")
    if dtype == image.dtype:
        return execute("Identity", (image,), None, name)
    to_dtype = saturate_cast if saturate else cast
    if image.dtype.is_integer and dtype.is_integer:
        most_in, most_out = int(image.dtype.max), int(dtype.max)
        if most_in > most_out:  # scaled down first: the largest value stays in range
            step = convert_to_tensor((most_in + 1) // (most_out + 1), image.dtype)
            return to_dtype(execute("FloorDiv", (image, step)), dtype, name)
        factor = (most_out + 1) // (most_in + 1)
        return execute("Mul", (to_dtype(image, dtype), convert_to_tensor(factor, dtype)), None, name)
    if image.dtype.is_floating and dtype.is_floating:
        return cast(image, dtype, name)
    if image.dtype.is_integer:
        scale = convert_to_tensor(1.0 / float(image.dtype.max), dtype)
        return execute("Mul", (cast(image, dtype), scale), None, name)
    # The half makes truncation round, and keeps 1.0 at the largest value.
    scale = convert_to_tensor(float(dtype.max) + 0.5, image.dtype)
    return to_dtype(image * scale, dtype, name)


@export("image.rgb_to_grayscale")
def rgb_to_grayscale(images: Any, name: str | None = None) -> Tensor:
    """The brightness of images: `0.2989 red + 0.587 green + 0.114 blue`.

    Args:
      images: `[..., 3]` of an integer or floating dtype.

    Returns:
      `[..., 1]` of the dtype of `images`.

    Example:
      >>> import penstock as tf
      >>> tf.image.rgb_to_grayscale([[1.0, 1.0, 1.0]]).numpy().round(3)
      array([[1.]], dtype=float32)
    """
    images = convert_to_tensor(images)
    wide = convert_image_dtype(images, dtypes.float32)
    weights = convert_to_tensor(np.array([[0.2989], [0.5870], [0.1140]], np.float32))
    return convert_image_dtype(_mix(wide, weights), images.dtype, name=name)


def _mix(images: Tensor, matrix: Tensor) -> Tensor:
    """The channels multiplied by a matrix."""
    return execute("Einsum", ([images, matrix],), {"equation": "...c,cd->...d"})


@export("image.grayscale_to_rgb")
def grayscale_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """Three equal channels from one.

    Args:
      images: `[..., 1]` of any dtype.

    Returns:
      `[..., 3]` of the dtype of `images`.

    Raises:
      ValueError: the last dimension is not 1.

    Example:
      >>> import penstock as tf
      >>> tf.image.grayscale_to_rgb([[2.0]]).numpy()
      array([[2., 2., 2.]], dtype=float32)
    """
    images = convert_to_tensor(images)
    rank = images.shape.rank
    if rank is None:
        raise ValueError("the rank of the images must be known")
    if rank < 1 or images.shape[-1] not in (None, 1):
        raise ValueError(f"Last dimension of a grayscale image should be size 1. Received: {images.shape}")
    rgb = execute("Tile", (images, convert_to_tensor([1] * (rank - 1) + [3])), None, name)
    rgb.set_shape([*images.shape.as_list()[:-1], 3])
    return rgb


# public name, summary, matrix [from, to].
_LINEAR_SPACES = (
    (
        "rgb_to_yiq",
        "RGB to YIQ, the color space of NTSC television.",
        [[0.299, 0.59590059, 0.2115], [0.587, -0.27455667, -0.52273617], [0.114, -0.32134392, 0.31119955]],
    ),
    (
        "yiq_to_rgb",
        "YIQ, the color space of NTSC television, to RGB.",
        [[1.0, 1.0, 1.0], [0.95598634, -0.27201283, -1.10674021], [0.6208248, -0.64720424, 1.70423049]],
    ),
    (
        "rgb_to_yuv",
        "RGB to YUV, the color space of PAL television.",
        [
            [0.299, -0.14714119, 0.61497538],
            [0.587, -0.28886916, -0.51496512],
            [0.114, 0.43601035, -0.10001026],
        ],
    ),
    (
        "yuv_to_rgb",
        "YUV, the color space of PAL television, to RGB.",
        [[1.0, 1.0, 1.0], [0.0, -0.394642334, 2.03206185], [1.13988303, -0.58062185, 0.0]],
    ),
)


def _linear_space(name: str, summary: str, matrix: list) -> Callable[[Any], Tensor]:
    def convert(images: Any) -> Tensor:
        images = convert_to_tensor(images)
        return _mix(images, convert_to_tensor(matrix, images.dtype))

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"""{summary}

    Args:
      images: `[..., 3]` of a floating dtype.

    Returns:
      A tensor of the dtype and shape of `images`.
    """
    return export(f"image.{name}")(convert)


for _row in _LINEAR_SPACES:
    _linear_space(*_row)
