"""JPEGs that become images of one size, several with one call of a native function, which leaves other threads running."""

from __future__ import annotations

import ctypes
import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.data.image_chains import ImageChain
from penstock.engine.aligned import address_of
from penstock.engine.native import host_functions
from penstock.ops.strings.kernels import text_attr

_POINTER, _INT, _BOOL = ctypes.c_void_p, ctypes.c_long, ctypes.c_bool
_SIGNATURES: dict[str, tuple[Any, list]] = {
    "penstock_is_whole_jpeg": (_BOOL, [ctypes.c_char_p, _INT]),
    "penstock_jpeg_sizes": (_BOOL, [_POINTER, _POINTER, _INT, _POINTER]),
    "penstock_has_jpeg_codec": (_BOOL, []),
    "penstock_make_images": (None, [_POINTER, _POINTER, *[_INT] * 4, _BOOL, _BOOL, *[_POINTER] * 5]),
}  # fmt: skip
_UINT8 = np.dtype(np.uint8)


@functools.cache
def _library() -> Any:
    """The library with the functions, or None."""
    return host_functions(_SIGNATURES)


def is_possible() -> bool:
    """Whether `is_whole` can be asked."""
    return _library() is not None


def is_whole(data: bytes) -> bool:
    """Whether data is a baseline JPEG that is all there and has good headers: then decoding cannot fail."""
    return _library().penstock_is_whole_jpeg(data, len(data))


class JpegImages:
    """Makes the images of a chain.

    Args:
      chain: operations that begin with DecodeJpeg.
      channels: of the images.
    """

    def __init__(self, chain: ImageChain, channels: int):
        decode, self._resizer, self._channels = chain.operations[0].attrs, chain.resizer, channels
        self._is_fast = text_attr(decode["dct_method"]) != "INTEGER_ACCURATE"
        self._is_fancy = bool(decode["fancy_upscaling"])
        self._flips = chain.condition is not None
        self.possible = (
            decode["ratio"] == 1
            and not (self._flips and self._resizer.axis == 0)
            and _library().penstock_has_jpeg_codec()
        )

    def __call__(self, jpegs: Sequence[bytes], flipped: Sequence[Any], address: int) -> list[bool]:
        """Puts images one behind the other.

        Args:
          jpegs: whole ones. flipped: for each whether the image is flipped. address: where the first image has its place.

        Returns:
          For each image whether it was made; a damaged one is not.
        """
        library, count = _library(), len(jpegs)
        data = (ctypes.c_char_p * count)(*jpegs)
        sizes = np.fromiter(map(len, jpegs), np.int64, count)
        sides = np.empty((count, 2), np.int64)
        if not library.penstock_jpeg_sizes(data, address_of(sizes), count, address_of(sides)):
            return [False] * count
        flips, made = np.array(flipped, np.bool_), np.zeros(count, np.bool_)
        start = 0
        for (height, width), same in itertools.groupby(map(tuple, sides.tolist())):
            number, shape = len(list(same)), (height, width, self._channels)
            plain = self._resizer.of(shape, _UINT8)
            flipping = self._resizer.of(shape, _UINT8, True) if self._flips else plain
            library.penstock_make_images(
                ctypes.addressof(data) + start * ctypes.sizeof(_POINTER), address_of(sizes[start:]),
                number, height, width, self._channels, self._is_fast, self._is_fancy, plain.native,
                flipping.native, address_of(flips[start:]),
                address + start * 4 * int(np.prod(plain.shape)), address_of(made[start:]),
            )  # fmt: skip
            start += number
        return made.tolist()
