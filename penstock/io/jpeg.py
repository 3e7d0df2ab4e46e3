"""JPEG in and out, with libjpeg-turbo, which runs while other Python threads do.

The parameters are TensorFlow's, and the pixels are the same. simplejpeg decodes, because it is fast and has all choices
of the decoder; Pillow encodes, because it has those of the encoder.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import logging
import re
import struct
import threading
from typing import Any

import numpy as np

from penstock.io.image_size import checked_size

RATIOS = (1, 2, 4, 8)
DCT_METHODS = ("", "INTEGER_FAST", "INTEGER_ACCURATE")


@dataclasses.dataclass(frozen=True, slots=True)
class JpegDecoding:
    """How a JPEG is decoded.

    Attributes:
      channels: 1 (gray), 3 (RGB), or 0 for those of the image.
      ratio: 1, 2, 4 or 8: by how much it is scaled down.
      fancy_upscaling: whether colours are interpolated (slower, better).
      try_recover_truncated: whether what there is of a truncated image is taken.
      dct_method: "INTEGER_FAST", "INTEGER_ACCURATE" or "" for TensorFlow's default, which is the fast one.
      acceptable_fraction: how much of the rows of a truncated image must be there; the others are then black.
    """

    channels: int = 0
    ratio: int = 1
    fancy_upscaling: bool = True
    try_recover_truncated: bool = False
    dct_method: str = ""
    acceptable_fraction: float = 1.0

    def __post_init__(self) -> None:
        if self.ratio not in RATIOS:
            raise ValueError(f"ratio must be 1, 2, 4, or 8, got {self.ratio}")
        if self.dct_method not in DCT_METHODS:
            raise ValueError(
                f"dct_method must be one of {{'', 'INTEGER_FAST', 'INTEGER_ACCURATE'}}, got {self.dct_method!r}"
            )
        if self.channels == 4:
            raise ValueError("JPEG does not support 4 channels")
        if self.channels not in (0, 1, 3):
            raise ValueError(f"channels must be 0, 1 or 3 for JPEG, got {self.channels}")


class PixelBuffer(threading.local):
    """Memory for the pixels of one image, which stays in the processor's cache: each thread has its own.

    It is not aligned: libjpeg-turbo writes rows that are past the caches.
    """

    _LARGEST = 16 * 2**20
    _UNALIGNED = 8

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)

    def of(self, size: int) -> np.ndarray | None:
        """At least so many bytes; None where they are too many to keep."""
        if size > self._LARGEST:
            return None
        if size > self._memory.size:
            self._memory = np.empty(size + self._UNALIGNED, np.uint8)[self._UNALIGNED :]
        return self._memory


def is_jpeg(data: bytes) -> bool:
    """Whether data begins as a JPEG does."""
    return data.startswith(b"\xff\xd8\xff")


def jpeg_shape(data: bytes) -> tuple[int, int, int]:
    """Height, width and channels of a JPEG.

    Raises:
      ValueError: it is none.
    """
    height, width, colors, _ = _header(data)
    return height, width, {"Gray": 1, "CMYK": 4, "YCCK": 4}.get(colors, 3)


@functools.cache
def _codec() -> Any:
    import simplejpeg

    return simplejpeg


def _header(data: bytes) -> tuple[int, int, str, str]:
    try:
        return _codec().decode_jpeg_header(data)
    except ValueError as error:
        raise ValueError(f"Invalid JPEG data of {len(data)} bytes: {error}") from None


def decode_jpeg(
    data: bytes, how: JpegDecoding = JpegDecoding(), buffer: PixelBuffer | None = None
) -> np.ndarray:
    """The pixels of a JPEG, uint8 [height, width, channels].

    Args:
      data: the JPEG.
      how: how it is decoded.
      buffer: where the pixels may be put: they are then good until the next image of this thread.

    Raises:
      ValueError: the data is damaged.
    """
    height, width, colors, _ = _header(data)
    checked_size("JPEG", height, width)
    inks = colors in ("CMYK", "YCCK")
    if inks and how.channels == 1:
        raise ValueError("Invalid JPEG data: an image in CMYK cannot be decoded to one channel")
    gray = how.channels == 1 or (how.channels == 0 and colors == "Gray")
    wanted = {
        "colorspace": "CMYK" if inks else "GRAY" if gray else "RGB",
        "fastdct": how.dct_method != "INTEGER_ACCURATE",
        "fastupsample": not how.fancy_upscaling,
        "min_height": -(-height // how.ratio),
        "min_width": -(-width // how.ratio),
        "buffer": None if buffer is None else buffer.of(height * width * 4),
    }
    decode = _codec().decode_jpeg
    try:
        pixels = decode(data, strict=not how.try_recover_truncated, **wanted)
    except ValueError as error:
        if has_end(
            data
        ):  # wrong coefficients make wrong pixels, as in TensorFlow, which also prints what libjpeg says
            logging.getLogger("penstock").warning("A JPEG of %d bytes is damaged: %s", len(data), error)
            pixels = _recovered(data, wanted)
        else:
            rows = _rows_before_the_end(data) if how.acceptable_fraction < 1 else 0
            if not rows or rows < how.acceptable_fraction * height:
                raise ValueError(f"Invalid JPEG data of {len(data)} bytes: {error}") from None
            pixels = _recovered(data, wanted)
            pixels[rows // how.ratio :] = 0
    return _without_ink(pixels) if inks else pixels


def _recovered(data: bytes, wanted: dict[str, Any]) -> np.ndarray:
    """The pixels of a damaged JPEG, as far as the decoder gets."""
    try:
        return _codec().decode_jpeg(data, strict=False, **wanted)
    except ValueError as error:
        raise ValueError(f"Invalid JPEG data of {len(data)} bytes: {error}") from None


_END_OF_IMAGE = 0xD9
_NOT_A_COEFFICIENT = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def has_end(data: bytes) -> bool:
    """Whether the segments of a JPEG, one after the other, come to the marker of its end: then nothing was cut off."""
    at = 2
    while True:
        marker = _NOT_A_COEFFICIENT.search(data, at)
        if marker is None:
            return False
        kind, at = data[marker.start() + 1], marker.end()
        if kind == _END_OF_IMAGE:
            return True
        at += int.from_bytes(data[at : at + 2], "big")


def _rows_before_the_end(data: bytes) -> int:
    """How many rows of a truncated JPEG can be decoded from what there is; none of a progressive one.

    Pillow leaves the other rows black.
    """
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    try:
        image.load()
    except OSError:
        image.tile = []  # `load` would begin anew
    lit = np.flatnonzero(np.asarray(image).reshape(image.height, -1).any(axis=1))
    return int(lit[-1]) + 1 if lit.size else 0


def _without_ink(pixels: np.ndarray) -> np.ndarray:
    """RGB of inverted CMYK, as Adobe writes it."""
    wide = pixels.astype(np.uint16)
    return (wide[..., :3] * wide[..., 3:] // 255).astype(np.uint8)


def decode_and_crop_jpeg(data: bytes, window: Any, how: JpegDecoding) -> np.ndarray:
    """A part of the pixels.

    Args:
      data: the JPEG.
      window: [top, left, height, width].
      how: how it is decoded.

    Raises:
      ValueError: the data is damaged, or the window is not inside the image.
    """
    top, left, height, width = (int(each) for each in window)
    rows, columns, _ = jpeg_shape(data)
    rows, columns = -(-rows // how.ratio), -(-columns // how.ratio)
    if min(top, left) < 0 or min(height, width) < 1 or top + height > rows or left + width > columns:
        raise ValueError(
            f"Invalid crop window: [{top}, {left}, {height}, {width}] is not inside an image of {rows} x {columns}"
        )
    return np.ascontiguousarray(decode_jpeg(data, how)[top : top + height, left : left + width])


@dataclasses.dataclass(frozen=True, slots=True)
class JpegEncoding:
    """How a JPEG is encoded.

    Attributes:
      quality: 0 to 100.
      progressive: whether it can be shown while it loads.
      optimize_size: whether more time is taken to make it smaller.
      chroma_downsampling: whether colours have half the resolution.
      density_unit: "in" or "cm": what the densities are per.
      x_density, y_density: pixels per unit.
      xmp_metadata: an XMP packet.
    """

    quality: int = 95
    progressive: bool = False
    optimize_size: bool = False
    chroma_downsampling: bool = True
    density_unit: str = "in"
    x_density: int = 300
    y_density: int = 300
    xmp_metadata: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise ValueError(f"quality must be in [0,100], got {self.quality}")
        if self.density_unit not in ("in", "cm"):
            raise ValueError(f"Invalid density_unit '{self.density_unit}': it must be 'in' or 'cm'")


def encode_jpeg(image: np.ndarray, how: JpegEncoding = JpegEncoding()) -> bytes:
    """A JPEG.

    Args:
      image: uint8 [height, width, 1 or 3].
      how: how it is encoded.
    """
    if not image.size or max(image.shape) > 65535:
        raise ValueError(f"a JPEG has 1 to 65535 rows and columns, and the image is {list(image.shape)}")
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(
        out, "JPEG", quality=max(how.quality, 1), progressive=how.progressive, optimize=how.optimize_size,
        subsampling=2 if how.chroma_downsampling else 0,
    )  # fmt: skip
    return _with_metadata(out.getvalue(), how)


_XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"


def _with_metadata(data: bytes, how: JpegEncoding) -> bytes:
    """The same JPEG with density and XMP packet: the segment JFIF comes first, and has the density at byte 13."""
    unit = 1 if how.density_unit == "in" else 2
    density = struct.pack(">BHH", unit, how.x_density & 0xFFFF, how.y_density & 0xFFFF)
    head = 4 + int.from_bytes(data[4:6], "big")
    xmp = b""
    if how.xmp_metadata:
        content = _XMP_NAME + how.xmp_metadata
        if len(content) + 2 > 0xFFFF:
            raise ValueError(f"xmp_metadata has {len(how.xmp_metadata)} bytes, and a JPEG has room for 65504")
        xmp = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
    return data[:13] + density + data[18:head] + xmp + data[head:]
