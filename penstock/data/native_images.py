"""JPEGs that become images of one size, several with one call of a native function, which leaves other threads running."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.data.image_chains import ImageChain
from penstock.engine.aligned import address_of
from penstock.engine.byte_strings import ByteStrings
from penstock.engine.native import host_functions
from penstock.ops.strings.kernels import text_attr

_POINTER, _INT, _BOOL = ctypes.c_void_p, ctypes.c_long, ctypes.c_bool
_SIGNATURES: dict[str, tuple[Any, list]] = {
    "penstock_are_whole_jpegs": (None, [_POINTER, _POINTER, _INT, _POINTER]),
    "penstock_jpeg_sizes": (None, [_POINTER, _POINTER, _INT, _POINTER]),
    "penstock_has_jpeg_codec": (_BOOL, []),
    "penstock_make_images": (None, [*[_POINTER] * 3, _INT, _INT, _BOOL, _BOOL, _POINTER, _POINTER]),
}  # fmt: skip
_WORD = 8  # bytes of an address or a size
_UINT8, _FLOAT32 = np.dtype(np.uint8), np.dtype(np.float32)


@functools.cache
def _library() -> Any:
    """The library with the functions, or None."""
    return host_functions(_SIGNATURES)


def is_possible() -> bool:
    """Whether `are_whole` can be asked."""
    return _library() is not None


def are_whole(texts: Sequence[bytes]) -> list[bool]:
    """For each text whether it is a baseline JPEG that is all there and has good headers: decoding it cannot fail."""
    given, whole = ByteStrings(texts), np.zeros(len(texts), np.bool_)
    _library().penstock_are_whole_jpegs(given.addresses, given.sizes, len(texts), address_of(whole))
    return whole.tolist()


class JpegImages:
    """Makes the images of a chain.

    Args:
      chain: operations that begin with DecodeJpeg.
      shape: of the images, [height, width, channels].
    """

    def __init__(self, chain: ImageChain, shape: tuple[int, ...]):
        decode, self._resizer, self._shape = chain.operations[0].attrs, chain.resizer, shape
        self._how = text_attr(decode["dct_method"]) != "INTEGER_ACCURATE", bool(decode["fancy_upscaling"])
        self.possible = (
            decode["ratio"] == 1
            and not (chain.condition is not None and self._resizer.axis == 0)
            and _library().penstock_has_jpeg_codec()
        )

    def of(self, jpegs: Sequence[bytes], flipped: Sequence[bool], address: int) -> JpegBatch:
        """The images of a batch, to be made.

        Args:
          jpegs: whole ones, and anything else in the places of other images.
          flipped: for each whether the image is flipped. address: where the first image has its place.
        """
        given, sides = ByteStrings(jpegs), np.empty((len(jpegs), 2), np.int64)
        _library().penstock_jpeg_sizes(given.addresses, given.sizes, len(jpegs), address_of(sides))
        wanted = [(height, width, flip) for (height, width), flip in zip(sides.tolist(), flipped)]
        known = {
            (height, width, flip): self._resizer.of((height, width, self._shape[2]), _UINT8, flip)
            if height
            else None
            for height, width, flip in set(wanted)
        }
        resizers = [known[each] for each in wanted]
        return JpegBatch(given, resizers, math.prod(self._shape), self._how, address)


class JpegBatch:
    """The images of a batch.

    Args:
      jpegs: they. resizers: one for each; None where no image is to be made.
      numbers: of an image. how: whether the DCT is the quick one, and whether colours lie between pixels.
      address: where the first image has its place.
    """

    def __init__(
        self, jpegs: ByteStrings, resizers: list, numbers: int, how: tuple[bool, bool], address: int
    ):
        self._jpegs, self._resizers, self._numbers, self._how = jpegs, resizers, numbers, how
        self._natives = np.array([0 if each is None else each.native for each in resizers], np.uintp)
        self._made = np.empty(len(resizers), np.bool_)
        self._places = address, address_of(self._natives), address_of(self._made)

    def make(self, start: int, stop: int) -> list[bool]:
        """Makes the images from `start` up to `stop`, on any thread; whether each was made, as damaged ones are not."""
        images, natives, made = self._places
        _library().penstock_make_images(
            self._jpegs.addresses + start * _WORD, self._jpegs.sizes + start * _WORD, natives + start * _WORD,
            stop - start, self._numbers, *self._how, images + start * self._numbers * _FLOAT32.itemsize, made + start,
        )  # fmt: skip
        return self._made[start:stop].tolist()
