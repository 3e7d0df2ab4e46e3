"""JPEG XL, which the package imagecodecs decodes where it is installed."""

from __future__ import annotations

import numpy as np

from penstock.types import errors

_BARE = b"\xff\x0a"
_BOXED = b"\x00\x00\x00\x0cJXL \r\n\x87\n"


def is_jpeg_xl(data: bytes) -> bool:
    """Whether data begins as a JPEG XL image does."""
    return data.startswith((_BARE, _BOXED))


def decode_jpeg_xl(data: bytes, channels: int = 0) -> np.ndarray:
    """The pixels of a JPEG XL image, uint8 [height, width, channels]; of an animation those of the first frame.

    Args:
      data: the image.
      channels: 1 (gray), 3 (RGB) or 4 (RGBA), which must be those of the image, or 0.

    Raises:
      ValueError: the data is damaged, or the image has another number of channels.
      UnimplementedError: imagecodecs is not installed.
    """
    try:
        import imagecodecs
    except ImportError:
        raise errors.UnimplementedError(
            None, None, "`pip install imagecodecs` to decode JPEG XL images"
        ) from None
    try:
        pixels = np.asarray(imagecodecs.jpegxl_decode(data, index=0))
    except (imagecodecs.JpegxlError, ValueError, IndexError) as error:
        raise ValueError(f"Failed to decode JXL image of {len(data)} bytes: {error}") from None
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if channels not in (0, pixels.shape[-1]):
        raise ValueError(
            f"Number of channels requested does not match input: {channels} and {pixels.shape[-1]}"
        )
    return _eight_bits(pixels)


def _eight_bits(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind == "f":
        return np.rint(np.clip(pixels.astype(np.float32), 0, 1) * 255).astype(np.uint8)
    largest = np.iinfo(pixels.dtype).max
    return np.rint(pixels * (255 / largest)).astype(np.uint8)
