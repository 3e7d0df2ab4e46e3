"""Bilinear resizing on the host by a native function, which leaves other Python threads running: for input pipelines."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.native import host_library
from penstock.ops.image_resampling import bilinear_places


@functools.cache
def _function() -> Any:
    """The native function, or None where there is none."""
    found = getattr(host_library(), "penstock_resize_images", None)
    if found is not None:
        found.restype = None
        found.argtypes = [
            ctypes.c_void_p, ctypes.c_int, *[ctypes.c_long] * 6, *[ctypes.c_void_p] * 6, ctypes.c_float, ctypes.c_void_p
        ]  # fmt: skip
    return found


@functools.lru_cache(64)
def _places(*arguments: Any) -> tuple[tuple[int, int, int], tuple]:
    """The addresses of what `bilinear_places` gives, and the arrays, which must live as long."""
    arrays = bilinear_places(*arguments)
    return tuple(each.ctypes.data for each in arrays), arrays  # type: ignore[return-value]


def resize_bilinear(
    images: np.ndarray,
    height: int,
    width: int,
    align_corners: bool,
    half_pixel_centers: bool,
    divisor: float = 1.0,
) -> np.ndarray | None:
    """Resized images, the same numbers as by NumPy; None where there is no native function for them.

    Args:
      images: uint8 or float32 `[batch, height, width, channels]`.
      divisor: what the resized numbers are divided by.
    """
    if images.dtype not in (np.uint8, np.float32) or images.size == 0 or _function() is None:
        return None
    images = np.ascontiguousarray(images)
    batch, rows, columns, channels = images.shape
    out = np.empty((batch, height, width, channels), np.float32)
    vertical, vertical_arrays = _places(rows, height, align_corners, half_pixel_centers)
    horizontal, horizontal_arrays = _places(columns, width, align_corners, half_pixel_centers)
    _function()(
        images.ctypes.data, images.dtype == np.uint8, batch, rows, columns, channels, height, width,
        *vertical, *horizontal, divisor, out.ctypes.data,
    )  # fmt: skip
    del vertical_arrays, horizontal_arrays  # until here
    return out


def dividing_resizer(
    height: int, width: int, align_corners: bool, half_pixel_centers: bool, divisor: float
) -> Callable[[np.ndarray], np.ndarray] | None:
    """A function that resizes one image `[height, width, channels]` and divides it; None without native functions.

    It raises ValueError for an image that the native function does not take.
    """
    if _function() is None or min(height, width) <= 0 or (align_corners and half_pixel_centers):
        return None

    def resized(image: np.ndarray) -> np.ndarray:
        out = resize_bilinear(image[None], height, width, align_corners, half_pixel_centers, divisor)
        if out is None:
            raise ValueError(f"an image of {image.dtype} {list(image.shape)}")
        return out[0]

    return resized
