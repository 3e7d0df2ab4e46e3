"""Resizing on the host by native functions, which leave other Python threads running: bilinear ones for input pipelines,
and weighted sums of pixels for all other methods.
"""

from __future__ import annotations

import ctypes
import functools
import math
from typing import Any

import numpy as np

from penstock.engine.aligned import address_of, empty_at
from penstock.engine.native import host_functions, host_library
from penstock.ops.image.resampling import bilinear_places, weights_of

_POINTER, _INT = ctypes.c_void_p, ctypes.c_long
_SIGNATURES: dict[str, tuple[Any, list]] = {
    "penstock_resizer": (_POINTER, [ctypes.c_bool, *[_INT] * 5, *[_POINTER] * 6, ctypes.c_float, ctypes.c_bool]),
    "penstock_delete_resizer": (None, [_POINTER]),
    "penstock_resize": (None, [_POINTER, _POINTER, _INT, _POINTER]),
}  # fmt: skip


@functools.cache
def _library() -> Any:
    """The library with the functions, or None."""
    return host_functions(_SIGNATURES)


class _NativeResizer:
    """How images of one size and dtype are resized: a native object, and the function that uses it.

    Args:
      shape, dtype: of an image `[height, width, channels]`.
      size: the new height and width.
      flags: align_corners and half_pixel_centers.
      divisor: what the resized numbers are divided by.
      flipped: the axes that are reversed.
      for_later: whether the results are for another thread; large ones then do not go through the caches.

    Attributes:
      shape: of a resized image. native: the address of the native object.

    Raises:
      ValueError: such images have no pixels, or another dtype or rank.
    """

    _LARGE = 64 * 1024  # bytes

    def __init__(
        self,
        shape: tuple[int, int, int],
        dtype: np.dtype,
        size: tuple[int, int],
        flags: tuple[bool, bool],
        divisor: float = 1.0,
        flipped: tuple[int, ...] = (),
        for_later: bool = False,
    ):
        if len(shape) != 3 or dtype not in (np.uint8, np.float32) or 0 in shape:
            raise ValueError(f"an image of {dtype} {list(shape)}")
        library = _library()
        axes = [bilinear_places(before, after, *flags) for before, after in zip(shape, size)]
        for axis in flipped:
            axes[axis] = tuple(np.ascontiguousarray(each[::-1]) for each in axes[axis])  # type: ignore[call-overload]
        places = [each.ctypes.data for axis in axes for each in axis]
        self.shape = (*size, shape[2])
        for_later = for_later and 4 * math.prod(self.shape) >= self._LARGE
        self.native = library.penstock_resizer(dtype == np.uint8, *shape, *size, *places, divisor, for_later)
        self._resize, self._delete = library.penstock_resize, library.penstock_delete_resizer

    def __call__(self, images: int, count: int, out: int) -> None:
        """Resizes images; both are addresses."""
        self._resize(self.native, images, count, out)

    def __del__(self) -> None:
        if hasattr(self, "native"):
            self._delete(self.native)


_native_resizer = functools.lru_cache(64)(_NativeResizer)
_FLOAT32 = np.dtype(np.float32)


def resize_bilinear(
    images: np.ndarray, height: int, width: int, align_corners: bool, half_pixel_centers: bool
) -> np.ndarray | None:
    """Resized images, the same numbers as by NumPy; None where there is no native function for them.

    Args:
      images: uint8 or float32 `[batch, height, width, channels]`.
    """
    if images.dtype not in (np.uint8, np.float32) or images.size == 0 or _library() is None:
        return None
    count, *shape = images.shape
    resize = _native_resizer(tuple(shape), images.dtype, (height, width), (align_corners, half_pixel_centers))
    images = np.ascontiguousarray(images)
    out = np.empty((count, *resize.shape), np.float32)
    resize(address_of(images), count, address_of(out))
    return out


class ImageResizer:
    """What becomes of an image that is resized, divided by a number, and perhaps flipped, in one loop.

    Args:
      height, width: the new size.
      align_corners, half_pixel_centers: as in ResizeBilinear.
      divisor: what the resized numbers are divided by.
      axis: the one that is reversed in a flipped image, 0 or 1.

    Attributes:
      possible: whether there is a native function for that. axis: the argument.
    """

    def __init__(
        self,
        height: int,
        width: int,
        align_corners: bool,
        half_pixel_centers: bool,
        divisor: float = 1.0,
        axis: int = 1,
    ):
        self._size, self._flags = (height, width), (align_corners, half_pixel_centers)
        self._divisor, self._flipped = divisor, (axis,)
        self.axis = axis
        self.possible = (
            _library() is not None and min(self._size) > 0 and not (align_corners and half_pixel_centers)
        )

    def __call__(self, image: np.ndarray, flip: Any = False) -> np.ndarray:
        """The new image, float32 `[height, width, channels]`.

        Args:
          image: uint8 or float32 `[height, width, channels]`.
          flip: whether it is flipped.

        Raises:
          ValueError: it has no pixels, or another dtype or rank.
        """
        out, address = empty_at((*self._size, image.shape[2]), _FLOAT32)
        self.into(address, image, flip)
        return out

    def of(self, shape: tuple[int, int, int], dtype: np.dtype, flip: Any = False) -> _NativeResizer:
        """What resizes images of one shape and dtype."""
        flipped = self._flipped if flip else ()
        return _native_resizer(shape, dtype, self._size, self._flags, self._divisor, flipped, True)

    def into(self, address: int, image: np.ndarray, flip: Any = False) -> None:
        """Puts the new image where there is room for it."""
        resize = self.of(image.shape, image.dtype, flip)
        if not image.flags.c_contiguous:
            image = np.ascontiguousarray(image)
        resize(address_of(image), 1, address)


@functools.cache
def _resample_function() -> Any:
    """The native function for weighted sums, or None."""
    function = getattr(host_library(), "penstock_resample", None)
    if function is not None:
        axis = [_INT, _INT, _POINTER, _POINTER, ctypes.c_bool]
        function.restype, function.argtypes = None, [_POINTER, *[_INT] * 4, *axis, *axis, _POINTER]
    return function


def resample(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray | None:
    """Images mapped along their rows, then along their columns; None where there is no native function for them.

    Args:
      images: float32 `[batch, height, width, channels]`.
      rows, columns: float32 matrices `[out, in]`, as `apply_along` takes them.
    """
    function = _resample_function()
    if function is None or images.dtype != np.float32 or images.size == 0:
        return None
    images = np.ascontiguousarray(images)
    out = np.empty((len(images), len(rows), len(columns), images.shape[3]), np.float32)
    axes = [weights_of(rows), weights_of(columns)]
    maps = [
        each
        for places, weights, blends in axes
        for each in (*weights.shape, address_of(places), address_of(weights), blends)
    ]
    function(address_of(images), *images.shape, *maps, address_of(out))
    return out
