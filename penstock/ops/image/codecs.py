"""Images as files: `tf.io.decode_jpeg`, `decode_image`, `encode_png`, ... and their ops. The codecs are in `penstock.io`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, scalar
from penstock.io import images, jpeg
from penstock.io.jpeg import (
    JpegDecoding,
    JpegEncoding,
    PixelBuffer,
    decode_and_crop_jpeg,
    encode_jpeg,
    is_jpeg,
    jpeg_shape,
)
from penstock.io.png import encode_png
from penstock.ops.strings.kernels import as_array, bytes_attr, string_array, text_attr
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _contents(value: Any) -> bytes:
    if type(value) is bytes:
        return value
    array = value if isinstance(value, np.ndarray) and value.dtype.hasobject else as_array(value)
    if array.ndim:
        raise ValueError(f"`contents` must be scalar but got shape {list(array.shape)}")
    return array.item()


@functools.lru_cache
def _jpeg(channels: int, *, dct_method: Any, **attrs: Any) -> JpegDecoding:
    return JpegDecoding(channels, dct_method=text_attr(dct_method), **attrs)


def _decode_jpeg(contents: Any, *, channels: int, **attrs: Any) -> np.ndarray:
    data = _contents(contents)
    if is_jpeg(data):
        return jpeg.decode_jpeg(data, _jpeg(channels, **attrs))
    return images.decode("DecodeJpeg", data, channels)


def passing_jpeg(*, channels: int, **attrs: Any) -> Callable[[Any], np.ndarray]:
    """The kernel of DecodeJpeg with these attributes, for pixels that are needed no longer than until the next image.

    Args: the attributes, as kernels take them.
    """
    how, buffer = _jpeg(channels, **attrs), PixelBuffer()

    def decode(contents: Any) -> np.ndarray:
        data = _contents(contents)
        if is_jpeg(data):
            return jpeg.decode_jpeg(data, how, buffer)
        return images.decode("DecodeJpeg", data, channels)

    return decode


def _decode_and_crop(contents: Any, crop_window: Any, *, channels: int, **attrs: Any) -> np.ndarray:
    window = np.asarray(crop_window)
    if window.shape != (4,):
        raise ValueError(f"crop_window must have four elements but got shape {list(window.shape)}")
    return decode_and_crop_jpeg(_contents(contents), window, _jpeg(channels, **attrs))


def _decoder(kind: str) -> Callable:
    """The kernel of an op that decodes, with the attributes that the ops have in common."""

    def kernel(
        contents: Any, *, channels: int = 0, dtype: Any = dtypes.uint8, expand_animations: bool = True
    ) -> np.ndarray:
        depth = as_dtype(dtype)
        if depth not in (dtypes.uint8, dtypes.uint16, dtypes.float32):
            raise ValueError(f"`dtype` must be uint8, uint16 or float32 but got {depth.name}")
        return images.decode(
            kind, _contents(contents), channels, depth.as_numpy_dtype, frames=expand_animations
        )

    return kernel


def _pixels_shape(call: ShapeCall) -> TensorShape:
    """[height, width, channels]."""
    _check_scalar(call)
    channels = call.attrs.get("channels", 0)
    if channels not in (0, 1, 3, 4):
        raise call.error(f"channels must be 0, 1, 3 or 4, got {channels}")
    return TensorShape([None, None, channels or None])


def _check_scalar(call: ShapeCall) -> None:
    if call.shape(0).rank:
        raise call.error(f"`contents` must be scalar but got shape {call.shape(0).as_list()}")


def _frames_shape(call: ShapeCall) -> TensorShape:
    return TensorShape([None]).concatenate(_pixels_shape(call))


def _crop_shape(call: ShapeCall) -> TensorShape:
    window = call.value(1)
    size = [None, None] if window is None or window.shape != (4,) else [int(each) for each in window[2:]]
    return TensorShape([*size, call.attrs["channels"] or None])


def _image_shape(call: ShapeCall) -> TensorShape:
    shape = _pixels_shape(call)
    return TensorShape(None) if call.attrs["expand_animations"] else shape


_JPEG_ATTRS = "channels=0, ratio=1, fancy_upscaling=True, try_recover_truncated=False, acceptable_fraction=1.0, dct_method=''"

op(
    f"DecodeJpeg(contents: string; {_JPEG_ATTRS}) -> image: uint8",
    numpy=_decode_jpeg,
    shape=_pixels_shape,
    gradient=stops,
)
op(
    f"DecodeAndCropJpeg(contents: string, crop_window: int32; {_JPEG_ATTRS}) -> image: uint8",
    numpy=_decode_and_crop,
    shape=_crop_shape,
    gradient=stops,
)
for _signature, _rule in (
    ("DecodePng(contents: string; channels=0, dtype=uint8) -> image: dtype", _pixels_shape),
    ("DecodeBmp(contents: string; channels=0) -> image: uint8", _pixels_shape),
    ("DecodeJxl(contents: string; channels=0, dtype=uint8) -> image: dtype", _pixels_shape),
    ("DecodeWebP(contents: string; channels=0, dtype=uint8) -> image: dtype", _frames_shape),
    (
        "DecodeImage(contents: string; channels=0, dtype=uint8, expand_animations=True) -> image: dtype",
        _image_shape,
    ),
    ("DecodeGif(contents: string) -> image: uint8", lambda call: TensorShape([None, None, None, 3])),
):
    op(_signature, numpy=_decoder(_signature.partition("(")[0]), shape=_rule, gradient=stops)


def _extract_shape(contents: Any, *, output_type: Any) -> np.ndarray:
    return np.array(jpeg_shape(_contents(contents)), as_dtype(output_type).as_numpy_dtype)


op(
    "ExtractJpegShape(contents: string; output_type=int32) -> image_shape: output_type",
    numpy=_extract_shape,
    shape=lambda call: TensorShape([3]),
    gradient=stops,
)


def _checked_image(image: Any) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim != 3:
        raise ValueError(f"image must be 3-dimensional, got {list(image.shape)}")
    if image.shape[2] not in (1, 3):
        raise ValueError(f"image must have 1 or 3 channels, got {list(image.shape)}")
    return image


def _encode_jpeg(image: Any, *, format: Any, density_unit: Any, xmp_metadata: Any, **attrs: Any) -> bytes:
    image, kind = _checked_image(image), text_attr(format)
    wanted = {"": image.shape[2], "grayscale": 1, "rgb": 3}.get(kind)
    if wanted is None:
        raise ValueError(
            f"format is {kind!r}, which is not in the list of allowed values: '', 'grayscale', 'rgb'"
        )
    if image.shape[2] != wanted:
        raise ValueError(f"format {kind} expects {wanted} channels, got {list(image.shape)}")
    how = JpegEncoding(density_unit=text_attr(density_unit), xmp_metadata=bytes_attr(xmp_metadata), **attrs)
    return encode_jpeg(image, how)


def _encode_with_quality(images: Any, quality: Any) -> bytes:
    return encode_jpeg(_checked_image(images), JpegEncoding(int(np.asarray(quality))))


def _encode_png(image: Any, *, compression: int) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim < 3:
        raise ValueError(f"images must be at least rank 3, got {list(image.shape)}")
    if image.shape[-1] not in (1, 2, 3, 4):
        raise ValueError(f"image must have 1, 2, 3, or 4 channels, got {image.shape[-1]}")
    if not -1 <= compression <= 9:
        raise ValueError(f"compression should be in [-1,9], got {compression}")
    batch = image.reshape(-1, *image.shape[-3:]) if image.size else image.reshape(1, *image.shape[-3:])
    return string_array((encode_png(each, compression) for each in batch), image.shape[:-3])


op(
    "EncodeJpeg(image: uint8; format='', quality=95, progressive=False, optimize_size=False, chroma_downsampling=True, "
    "density_unit='in', x_density=300, y_density=300, xmp_metadata='') -> contents: string",
    numpy=_encode_jpeg,
    shape=scalar,
    gradient=stops,
)
op(
    "EncodeJpegVariableQuality(images: uint8, quality: int32) -> contents: string",
    numpy=_encode_with_quality,
    shape=scalar,
    gradient=stops,
)
op(
    "EncodePng(image: T; compression=-1) -> contents: string",
    numpy=_encode_png,
    shape=lambda call: call.shape(0)[:-3],
    gradient=stops,
    types={"T": frozenset({dtypes.uint8, dtypes.uint16})},
)


# Public functions.


def _pixels(image: Any) -> Tensor:
    return convert_to_tensor(image, None if hasattr(image, "dtype") else dtypes.uint8, name="image")


def _text(contents: Any) -> Tensor:
    return convert_to_tensor(contents, dtypes.string, name="contents")


@export("io.decode_jpeg", "image.decode_jpeg")
def decode_jpeg(
    contents: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1.0,
    dct_method: str = "",
    name: str | None = None,
) -> Tensor:
    """The pixels of a JPEG (or PNG, or GIF with one frame).

    Args:
      contents: a string scalar, the file.
      channels: 1 (gray), 3 (RGB), or 0 for those of the image.
      ratio: 1, 2, 4 or 8: decodes at a fraction of the size, which is faster.
      fancy_upscaling: whether colours are interpolated (slower, better).
      try_recover_truncated: whether what there is of a truncated image is taken.
      acceptable_fraction: how much of the rows must be there in an image that was cut short; the others are then black.
      dct_method: "INTEGER_FAST", "INTEGER_ACCURATE" or "" for TensorFlow's default, the fast one.
      name: the node's name in a graph.

    Returns:
      uint8 [height, width, channels].

    Raises:
      InvalidArgumentError: the data is damaged, or an argument is out of range.

    Example:
      >>> import penstock as tf
      >>> data = tf.io.encode_jpeg(tf.zeros([4, 6, 3], tf.uint8))
      >>> tf.io.decode_jpeg(data).shape
      TensorShape([4, 6, 3])
    """
    attrs = {
        "channels": channels, "ratio": ratio, "fancy_upscaling": fancy_upscaling,
        "try_recover_truncated": try_recover_truncated, "acceptable_fraction": acceptable_fraction,
        "dct_method": dct_method,
    }  # fmt: skip
    return execute("DecodeJpeg", (_text(contents),), attrs, name)


@export("io.decode_and_crop_jpeg", "image.decode_and_crop_jpeg")
def decode_and_crop_jpeg_(
    contents: Any,
    crop_window: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1.0,
    dct_method: str = "",
    name: str | None = None,
) -> Tensor:
    """A part of the pixels of a JPEG: `decode_jpeg` and then a crop.

    Args:
      contents: a string scalar, the file.
      crop_window: int32 [top, left, height, width].
      channels, ratio, fancy_upscaling, try_recover_truncated, acceptable_fraction, dct_method: see `decode_jpeg`.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the data is damaged, or the window is not inside the image.

    Example:
      >>> import penstock as tf
      >>> data = tf.io.encode_jpeg(tf.zeros([4, 6, 3], tf.uint8))
      >>> tf.io.decode_and_crop_jpeg(data, [1, 2, 3, 4]).shape
      TensorShape([3, 4, 3])
    """
    attrs = {
        "channels": channels, "ratio": ratio, "fancy_upscaling": fancy_upscaling,
        "try_recover_truncated": try_recover_truncated, "acceptable_fraction": acceptable_fraction,
        "dct_method": dct_method,
    }  # fmt: skip
    window = convert_to_tensor(crop_window, dtypes.int32, name="crop_window")
    return execute("DecodeAndCropJpeg", (_text(contents), window), attrs, name)


@export("io.decode_png", "image.decode_png")
def decode_png(
    contents: Any, channels: int = 0, dtype: Any = dtypes.uint8, name: str | None = None
) -> Tensor:
    """The pixels of a PNG (or JPEG, or GIF with one frame).

    Args:
      contents: a string scalar, the file.
      channels: 1 (gray), 3 (RGB), 4 (RGBA), or 0 for those of the image.
      dtype: uint8 or uint16.
      name: the node's name in a graph.

    Returns:
      [height, width, channels].

    Raises:
      InvalidArgumentError: the data is damaged, or an argument is out of range.

    Example:
      >>> import penstock as tf
      >>> tf.io.decode_png(tf.io.encode_png([[[7], [9]]])).numpy().tolist()
      [[[7], [9]]]
    """
    return execute("DecodePng", (_text(contents),), {"channels": channels, "dtype": as_dtype(dtype)}, name)


@export("io.decode_bmp", "image.decode_bmp")
def decode_bmp(contents: Any, channels: int = 0, name: str | None = None) -> Tensor:
    """The pixels of a BMP, uint8 [height, width, channels].

    Args:
      contents: a string scalar, the file.
      channels: 3 (RGB), 4 (RGBA), or 0 for those of the image: 1 for 8 bits (palettes are not looked up), 3 or 4.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the data is damaged, or of another kind.
    """
    return execute("DecodeBmp", (_text(contents),), {"channels": channels}, name)


@export("io.decode_gif", "image.decode_gif")
def decode_gif(contents: Any, name: str | None = None) -> Tensor:
    """The frames of a GIF, uint8 [frames, height, width, 3]; of a JPEG or PNG one frame.

    Args:
      contents: a string scalar, the file.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the data is damaged.
    """
    return execute("DecodeGif", (_text(contents),), None, name)


@export("io.decode_webp", "image.decode_webp")
def decode_webp(
    contents: Any, channels: int = 0, dtype: Any = dtypes.uint8, name: str | None = None
) -> Tensor:
    """The frames of a WebP, uint8 [frames, height, width, channels].

    Args:
      contents: a string scalar, the file.
      channels: 3 or 4, which must be those of the image, or 0.
      dtype: uint8.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the data is damaged, or the image has another number of channels.
    """
    return execute("DecodeWebP", (_text(contents),), {"channels": channels, "dtype": as_dtype(dtype)}, name)


@export("io.decode_jxl", "image.decode_jxl")
def decode_jxl(
    contents: Any, channels: int = 0, dtype: Any = dtypes.uint8, name: str | None = None
) -> Tensor:
    """The pixels of a JPEG XL image, uint8 [height, width, channels]; needs the package imagecodecs.

    Args:
      contents: a string scalar, the file.
      channels: 1, 3 or 4, which must be those of the image, or 0.
      dtype: uint8.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the data is damaged, or the image has another number of channels.
      UnimplementedError: imagecodecs is not installed.
    """
    return execute("DecodeJxl", (_text(contents),), {"channels": channels, "dtype": as_dtype(dtype)}, name)


@export("io.decode_image", "image.decode_image")
def decode_image(
    contents: Any,
    channels: int | None = None,
    dtype: Any = dtypes.uint8,
    name: str | None = None,
    expand_animations: bool = True,
) -> Tensor:
    """The pixels of a BMP, GIF, JPEG, JPEG XL, PNG or WebP.

    Args:
      contents: a string scalar, the file.
      channels: how many the pixels are to have; 0 or None for those of the image.
      dtype: uint8, uint16, or a floating dtype, in which pixels are from 0 to 1.
      name: the node's name in a graph.
      expand_animations: whether GIF and WebP give all frames, [frames, height, width, channels]; else the first one.

    Returns:
      [height, width, channels], or with a dimension of frames.

    Raises:
      InvalidArgumentError: the data is damaged, of an unknown format, or an argument is out of range.

    Example:
      >>> import penstock as tf
      >>> tf.io.decode_image(tf.io.encode_png([[[0], [255]]]), dtype=tf.float32).numpy().tolist()
      [[[0.0], [1.0]]]
    """
    kind = as_dtype(dtype)
    direct = kind in (dtypes.uint8, dtypes.uint16, dtypes.float32)
    attrs = {
        "channels": channels or 0,
        "dtype": kind if direct else dtypes.uint16,
        "expand_animations": expand_animations,
    }
    pixels = execute("DecodeImage", (_text(contents),), attrs, name)
    return pixels if direct else _converted(pixels, kind)


def _converted(pixels: Tensor, dtype: DType) -> Tensor:
    from penstock.ops.image.color import convert_image_dtype

    return convert_image_dtype(pixels, dtype)


@export("io.extract_jpeg_shape", "image.extract_jpeg_shape")
def extract_jpeg_shape(contents: Any, output_type: Any = dtypes.int32, name: str | None = None) -> Tensor:
    """[height, width, channels] of a JPEG, from its header.

    Args:
      contents: a string scalar, the file.
      output_type: int32 or int64.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: it is no JPEG.

    Example:
      >>> import penstock as tf
      >>> tf.io.extract_jpeg_shape(tf.io.encode_jpeg(tf.zeros([4, 6, 3], tf.uint8))).numpy()
      array([4, 6, 3], dtype=int32)
    """
    return execute("ExtractJpegShape", (_text(contents),), {"output_type": as_dtype(output_type)}, name)


@export("io.is_jpeg", "image.is_jpeg")
def is_jpeg_(contents: Any, name: str | None = None) -> Tensor:
    """Whether a string scalar begins as a JPEG does.

    Example:
      >>> import penstock as tf
      >>> tf.io.is_jpeg("text").numpy()
      np.False_
    """
    start = execute("Substr", (_text(contents), convert_to_tensor(0), convert_to_tensor(3)))
    return execute("Equal", (start, convert_to_tensor(b"\xff\xd8\xff")), None, name)


@export("io.encode_jpeg", "image.encode_jpeg")
def encode_jpeg_(
    image: Any,
    format: str = "",
    quality: int = 95,
    progressive: bool = False,
    optimize_size: bool = False,
    chroma_downsampling: bool = True,
    density_unit: str = "in",
    x_density: int = 300,
    y_density: int = 300,
    xmp_metadata: Any = "",
    name: str | None = None,
) -> Tensor:
    """A JPEG, a string scalar.

    Args:
      image: uint8 [height, width, 1 or 3].
      format: "grayscale" or "rgb", which must be that of the image, or "".
      quality: 0 to 100.
      progressive: whether it can be shown while it loads.
      optimize_size: whether more time is taken to make it smaller.
      chroma_downsampling: whether colours have half the resolution.
      density_unit: "in" or "cm".
      x_density, y_density: pixels per unit.
      xmp_metadata: an XMP packet.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the image has another rank or number of channels, or an argument is out of range.

    Example:
      >>> import penstock as tf
      >>> tf.io.is_jpeg(tf.io.encode_jpeg(tf.zeros([4, 6, 3], tf.uint8))).numpy()
      np.True_
    """
    attrs = {
        "format": format, "quality": quality, "progressive": progressive, "optimize_size": optimize_size,
        "chroma_downsampling": chroma_downsampling, "density_unit": density_unit, "x_density": x_density,
        "y_density": y_density, "xmp_metadata": xmp_metadata,
    }  # fmt: skip
    return execute("EncodeJpeg", (_pixels(image),), attrs, name)


@export("io.encode_png", "image.encode_png")
def encode_png_(image: Any, compression: int = -1, name: str | None = None) -> Tensor:
    """A PNG for each image: a string scalar, or a tensor of them for a batch.

    Args:
      image: uint8 or uint16 [..., height, width, 1 to 4 channels].
      compression: 0 (none) to 9 (best), or -1 for zlib's default.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the image has another rank or number of channels, or is empty.

    Example:
      >>> import penstock as tf
      >>> tf.io.encode_png(tf.zeros([2, 4, 6, 3], tf.uint8)).shape
      TensorShape([2])
    """
    return execute("EncodePng", (_pixels(image),), {"compression": compression}, name)
