"""BMP images: uncompressed, with 8, 24 or 32 bits for a pixel, as TensorFlow reads them."""

from __future__ import annotations

import struct

import numpy as np

from penstock.io.image_size import checked_size

_FIELDS = struct.Struct(
    "<I4xiihH"
)  # at byte 10: where the pixels begin, width, height, planes, bits for a pixel


def decode_bmp(data: bytes, channels: int = 0) -> np.ndarray:
    """The pixels of a BMP, uint8 [height, width, channels].

    Args:
      data: the BMP.
      channels: 3 (RGB), 4 (RGBA), or 0 for those of the image: 1 for 8 bits (palettes are not looked up), 3 or 4.

    Raises:
      ValueError: the data is damaged or of another kind.
    """
    if channels not in (0, 3, 4):
        raise ValueError(f"`channels` must be 0, 3 or 4 for BMP, but got {channels}")
    if len(data) < 32:
        raise ValueError(
            "Incomplete bmp content, requires at least 32 bytes to find the header size, width, height, and bpp, got "
            f"{len(data)} bytes"
        )
    start, width, height, _, bits = _FIELDS.unpack_from(data, 10)
    stored = bits // 8
    if stored not in (1, 3, 4):
        raise ValueError(f"Number of channels inherent in the image must be 1, 3 or 4, was {stored}")
    rows = abs(height)
    checked_size("BMP", rows, width)
    size = (width * stored + 3) // 4 * 4  # rows are padded to four bytes
    last = size * (rows - 1) + width * stored
    if start < 0 or start + last > len(data):
        raise ValueError(
            f"Incomplete bmp content, requires at least {start + last} bytes, got {len(data)} bytes"
        )
    octets = np.frombuffer(data[start : start + size * rows].ljust(size * rows, b"\0"), np.uint8)
    pixels = octets.reshape(rows, size)[:, : width * stored].reshape(rows, width, stored)
    if height > 0:  # the usual BMP has its lowest row first
        pixels = pixels[::-1]
    if stored > 1:
        pixels = pixels[..., [2, 1, 0, 3][:stored]]
    return np.ascontiguousarray(_of_channels(pixels, channels))


def _of_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    stored = pixels.shape[-1]
    if channels in (0, stored):
        return pixels
    colors = np.repeat(pixels, 3, axis=-1) if stored == 1 else pixels[..., :3]
    if channels == 3:
        return colors
    return np.concatenate([colors, np.full((*pixels.shape[:-1], 1), 255, np.uint8)], axis=-1)
