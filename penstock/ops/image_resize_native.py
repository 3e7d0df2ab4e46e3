"""Bilinear resizing on the host by a native function, which leaves other Python threads running: for input pipelines."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from penstock.engine.native import host_library
from penstock.ops.image_resampling import bilinear_places


@functools.cache
def _function() -> Any:
    """The native function, or None where there is none."""
    found = getattr(host_library(), "penstock_resize_bilinear", None)
    if found is not None:
        found.restype = None
        found.argtypes = [ctypes.c_void_p, ctypes.c_int, *[ctypes.c_long] * 6, *[ctypes.c_void_p] * 7]
    return found


def resize_bilinear(
    images: np.ndarray, height: int, width: int, align_corners: bool, half_pixel_centers: bool
) -> np.ndarray | None:
    """Resized images, the same numbers as by NumPy; None where there is no native function for them.

    Args:
      images: uint8 or float32 `[batch, height, width, channels]`.
    """
    if images.dtype not in (np.uint8, np.float32) or images.size == 0 or _function() is None:
        return None
    images = np.ascontiguousarray(images)
    batch, rows, columns, channels = images.shape
    out = np.empty((batch, height, width, channels), np.float32)
    vertical = bilinear_places(rows, height, align_corners, half_pixel_centers)
    horizontal = bilinear_places(columns, width, align_corners, half_pixel_centers)
    _function()(
        images.ctypes.data, images.dtype == np.uint8, batch, rows, columns, channels, height, width,
        *(each.ctypes.data for each in (*vertical, *horizontal)), out.ctypes.data,
    )  # fmt: skip
    return out
