"""Native functions of images and boxes for kernels on the host; they leave other Python threads running."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from penstock.engine.aligned import address_of
from penstock.engine.native import host_library

_POINTER, _INT, _FLOAT = ctypes.c_void_p, ctypes.c_long, ctypes.c_float
_ADJUST = (None, [_POINTER, _INT, _FLOAT, _POINTER])
_SIGNATURES: dict[str, tuple[Any, list]] = {
    "penstock_adjust_hue": _ADJUST,
    "penstock_adjust_saturation": _ADJUST,
    "penstock_choose_boxes": (_INT, [*[_POINTER] * 4, _INT, _INT, _FLOAT, _POINTER]),
}


@functools.cache
def _function(name: str) -> Any:
    """A native function, or None where there is none."""
    found = getattr(host_library(), name, None)
    if found is not None:
        found.restype, found.argtypes = _SIGNATURES[name]
    return found


def adjust_pixels(what: str, images: np.ndarray, amount: Any) -> np.ndarray | None:
    """Images with other hues or saturations, the same numbers as by NumPy; None where there is no native function for them.

    Args:
      what: "hue" or "saturation". images: float32 `[..., 3]`. amount: what is added to hues, or saturations are multiplied by.
    """
    adjust = _function(f"penstock_adjust_{what}")
    if adjust is None or images.shape[-1:] != (3,) or images.size == 0 or np.ndim(amount):
        return None
    images = np.ascontiguousarray(images)
    out = np.empty(images.shape, np.float32)
    adjust(address_of(images), images.size // 3, float(amount), address_of(out))
    return out


def choose_boxes(
    low: np.ndarray, high: np.ndarray, areas: np.ndarray, scores: np.ndarray, most: int, threshold: float,
    score_threshold: float,
) -> np.ndarray | None:  # fmt: skip
    """The boxes that non-maximum suppression chooses (int32), best first; None where there is no native function.

    Args:
      low, high, areas: float32 corners `[n, 2]` and areas of the boxes. scores: `[n]`.
      most: how many to choose at most. threshold, score_threshold: as in `tf.image.non_max_suppression`.
    """
    choose = _function("penstock_choose_boxes")
    if choose is None:
        return None
    candidates = np.flatnonzero(scores > score_threshold)
    candidates = candidates[np.argsort(-scores[candidates].astype(np.float64), kind="stable")]
    chosen = np.empty(min(most, len(candidates)), np.int32)
    if not chosen.size:
        return chosen
    low, high, areas = map(np.ascontiguousarray, (low, high, areas))
    found = choose(
        address_of(low), address_of(high), address_of(areas), address_of(candidates), len(candidates), len(chosen),
        threshold, address_of(chosen),
    )  # fmt: skip
    return chosen[:found]
