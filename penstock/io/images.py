"""Images of any format: which one it is, and its pixels in the form that an op wants.

As in TensorFlow every decoding op takes most formats; what each refuses is in `_check_op`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.io.animations import decode_gif, decode_webp
from penstock.io.bmp import decode_bmp
from penstock.io.jpeg import JpegDecoding, decode_jpeg, is_jpeg
from penstock.io.jpeg_xl import decode_jpeg_xl, is_jpeg_xl
from penstock.io.png import SIGNATURE, decode_png


def format_of(data: bytes) -> str:
    """The format of an image: "JPEG", "JXL" (JPEG XL), "PNG", "GIF", "BMP" or "WebP".

    Raises:
      ValueError: it is none of them.
    """
    if not data:
        raise ValueError("Input is empty.")
    if is_jpeg(data):
        return "JPEG"
    if is_jpeg_xl(data):
        return "JXL"
    if data.startswith(SIGNATURE):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM"):
        return "BMP"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    raise ValueError("Unknown image file format. One of JPEG, JPEG XL, PNG, GIF, BMP, WebP required.")


def _check_op(op: str, found: str, channels: int, dtype: np.dtype) -> None:
    if channels not in (0, 1, 3, 4):
        raise ValueError(f"`channels` must be 0, 1, 3 or 4 but got {channels}")
    if found == "BMP" and channels == 1:
        raise ValueError("`channels` must be 0, 3 or 4 for BMP, but got 1")
    if found == "GIF" and channels not in (0, 3):
        raise ValueError(f"channels must be 0 or 3 for GIF, got {channels}")
    if found in ("WebP", "JXL") and dtype != np.uint8:
        raise ValueError(f"{found} only supports uint8 for dtype, got {dtype}")
    if op == "DecodeBmp" and found in ("JPEG", "PNG", "GIF"):
        raise ValueError(
            f"Trying to decode {found} format using DecodeBmp op. Use `decode_{found.lower()}` or `decode_image` instead."
        )
    if found == "BMP" and op not in ("DecodeBmp", "DecodeImage"):
        raise ValueError(
            "Trying to decode BMP format using a wrong op. Use `decode_bmp` or `decode_image` instead. "
            f"Op used: {op}"
        )


def decode(
    op: str,
    data: bytes,
    channels: int = 0,
    dtype: Any = np.uint8,
    frames: bool = True,
) -> np.ndarray:
    """The pixels of an image for a decoding op.

    Args:
      op: the op's type.
      data: the image.
      channels: how many the pixels are to have; 0 for those of the image.
      dtype: uint8, uint16 or float32 (then from 0 to 1).
      frames: whether the frames of an animation are wanted, or the first one only.

    Returns:
      [height, width, channels], or with a dimension of frames before them.

    Raises:
      ValueError: the data is damaged, or not what the op or the arguments ask for.
    """
    dtype = np.dtype(dtype)
    found = format_of(data)
    _check_op(op, found, channels, dtype)
    colors = 3 if op == "DecodeGif" else channels
    if found == "JPEG":
        pixels = decode_jpeg(data, JpegDecoding(colors))
    elif found == "PNG":
        depth = np.uint8 if dtype == np.uint8 else np.uint16
        pixels = decode_png(data, colors, depth)
    elif found == "BMP":
        pixels = decode_bmp(data, channels)
    elif found == "WebP":
        pixels = decode_webp(data, colors)
        return pixels if frames else pixels[0]
    elif found == "JXL":
        pixels = decode_jpeg_xl(data, colors)
    else:
        pixels = _gif(op, data, frames)
    if op == "DecodeGif" and pixels.ndim == 3:
        pixels = pixels[None]
    return _scaled(pixels, dtype)


def _gif(op: str, data: bytes, frames: bool) -> np.ndarray:
    if op == "DecodeWebP":
        raise ValueError("Trying to decode GIF format using DecodeWebP op. Use `decode_gif` instead.")
    pixels = decode_gif(data)
    if op in ("DecodeGif", "DecodeImage") and frames:
        return pixels
    if op != "DecodeImage" and len(pixels) > 1:
        raise ValueError(
            f"Got {len(pixels)} frames, but animated gifs can only be decoded by tf.io.decode_gif or tf.io.decode_image"
        )
    return pixels[0]


def _scaled(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if pixels.dtype == dtype:
        return pixels
    if dtype == np.uint16:
        return pixels.astype(np.uint16) << 8
    return pixels.astype(np.float32) * np.float32(1.0 / np.iinfo(pixels.dtype).max)
