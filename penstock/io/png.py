"""PNG in and out, with 8 or 16 bits. Pillow inflates and unfilters; the conversions between kinds are libpng's."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np

from penstock.io.image_size import checked_size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The weights of red, green and blue in gray, in units of 2 ** -15, as libpng rounds 0.299, 0.587, 0.114.
_GRAY = np.array([9797, 19234, 3737], np.uint32)


def decode_png(data: bytes, channels: int = 0, dtype: Any = np.uint8) -> np.ndarray:
    """The pixels of a PNG, [height, width, channels].

    Args:
      data: the PNG.
      channels: 1 (gray), 3 (RGB), 4 (RGBA), or 0 for those of the image, which may also be 2 (gray and alpha).
      dtype: uint8 or uint16.

    Raises:
      ValueError: the data is damaged.
    """
    try:
        pixels = _stored_pixels(data)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's plugins raise whatever damaged data leads them to
        raise ValueError(f"Invalid PNG data of {len(data)} bytes: {error}") from None
    return _of_depth(_of_channels(pixels, channels), np.dtype(dtype))


def _stored_pixels(data: bytes) -> np.ndarray:
    """The pixels with the channels and the depth of the file; palettes are looked up, transparency is a channel."""
    from PIL import PngImagePlugin

    image = PngImagePlugin.PngImageFile(io.BytesIO(data))
    checked_size("PNG", image.height, image.width)
    transparent = image.info.get("transparency")
    mode, raw = image.mode, image.tile[0].args
    if isinstance(raw, str) and raw.endswith(";16B"):
        return _with_key(_deep_pixels(data, image, mode, raw), transparent)
    if mode == "P":
        image = image.convert("RGB" if transparent is None else "RGBA")
        transparent = None
    elif mode == "1":
        transparent = None if transparent is None else (255 if transparent else 0)
        image = image.convert("L")
    pixels = np.array(image)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.dtype == np.int32:
        pixels = pixels.astype(np.uint16)
    return _with_key(pixels, transparent)


def _deep_pixels(data: bytes, image: Any, mode: str, raw: str) -> np.ndarray:
    """The pixels of a PNG with 16 bits. Pillow has no such RGB: it gives the high bytes, and in another pass the low ones."""
    from PIL import PngImagePlugin

    if raw == "I;16B":
        return np.array(image).astype(np.uint16)[..., None]
    if raw == "LA;16B":  # four bytes for a pixel, as in RGBA
        _read_as(image, "RGBA", "RGBA")
        octets = np.array(image).astype(np.uint16)
        return octets[..., 0::2] << 8 | octets[..., 1::2]
    other = PngImagePlugin.PngImageFile(io.BytesIO(data))
    _read_as(other, mode, raw.replace("16B", "16L"))
    return np.array(image).astype(np.uint16) << 8 | np.array(other)


def _read_as(image: Any, mode: str, raw: str) -> None:
    """Makes Pillow read the rows of an image as if they were of another mode."""
    image._mode = mode
    image.tile = [tile._replace(args=raw) for tile in image.tile]


def _with_key(pixels: np.ndarray, transparent: Any) -> np.ndarray:
    """Pixels with an alpha channel, which is 0 where the colour is the transparent one."""
    if not isinstance(transparent, int | tuple):
        return pixels
    opaque = (pixels != np.array(transparent).astype(pixels.dtype)).any(-1, keepdims=True)
    return np.concatenate([pixels, opaque * np.array(np.iinfo(pixels.dtype).max, pixels.dtype)], axis=-1)


def _of_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    stored = pixels.shape[-1]
    if channels in (0, stored):
        return pixels
    colors = pixels[..., : stored - 1 + stored % 2]  # without alpha, which the even numbers have
    if channels == 1:
        return _gray(colors) if stored > 2 else colors
    if stored < 3:
        colors = np.repeat(colors, 3, axis=-1)
    if channels == 3:
        return colors
    alpha = (
        pixels[..., -1:]
        if stored == 2
        else np.full((*pixels.shape[:-1], 1), np.iinfo(pixels.dtype).max, pixels.dtype)
    )
    return np.concatenate([colors, alpha], axis=-1)


def _gray(colors: np.ndarray) -> np.ndarray:
    rounding = 1 << 14 if colors.dtype == np.uint16 else 0
    return ((colors @ _GRAY + rounding) >> 15).astype(colors.dtype)[..., None]


def _of_depth(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if pixels.dtype == dtype:
        return np.ascontiguousarray(pixels)
    return (pixels >> 8).astype(dtype) if dtype == np.uint8 else pixels.astype(dtype) * dtype.type(257)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # gray, gray and alpha, RGB, RGBA


def encode_png(image: np.ndarray, compression: int = -1) -> bytes:
    """A PNG.

    Args:
      image: uint8 or uint16 [height, width, 1 to 4 channels].
      compression: 0 (none) to 9 (best), or -1 for zlib's default.

    Example:
      >>> import numpy as np
      >>> from penstock.io.png import decode_png, encode_png
      >>> decode_png(encode_png(np.array([[[7], [9]]], np.uint8))).tolist()
      [[[7], [9]]]
    """
    if not image.size:
        raise ValueError(f"PNG encoding failed: the image is empty, {list(image.shape)}")
    height, width, channels = image.shape
    depth = image.dtype.itemsize * 8
    header = struct.pack(">IIBBBBB", width, height, depth, _COLOR_TYPES[channels], 0, 0, 0)
    rows = np.ascontiguousarray(image.astype(image.dtype.newbyteorder(">"), copy=False)).view(np.uint8)
    packed = zlib.compress(_filtered(rows.reshape(height, -1), channels * depth // 8).tobytes(), compression)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _filtered(rows: np.ndarray, step: int) -> np.ndarray:
    """Rows of bytes as differences to the pixel on the left, to the one above, or as they are: whatever is smallest."""
    left = rows.copy()
    left[:, step:] -= rows[:, :-step]
    above = rows.copy()
    above[1:] -= rows[:-1]
    candidates = np.stack([rows, left, above])
    cost = np.abs(candidates.view(np.int8).astype(np.int16)).sum(-1, dtype=np.int64)
    choice = cost.argmin(0)
    filtered = candidates[choice, np.arange(len(rows))]
    return np.concatenate([choice[:, None].astype(np.uint8), filtered], axis=1)
