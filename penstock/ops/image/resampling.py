"""Resampling along one axis as a linear map: the weights of every method, and how a map is applied.

A map is a NumPy matrix [out, in], known when the program is compiled. A row with few weights becomes as many gathers;
rows with many (area, antialiased downscaling) become a matrix product. The gradient applies the transposed matrix.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

_MOST_GATHERS = 8
_SHORT_ROW = 16  # numbers
_SINGLE = np.float32


def axis_scale(size: int, out: int, align_corners: bool) -> np.float32:
    """Input pixels for each output pixel."""
    if align_corners and out > 1:
        return _SINGLE((size - 1) / _SINGLE(out - 1))
    return _SINGLE(_SINGLE(size) / _SINGLE(out))


def _positions(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """Where each output pixel stands in the input, float32 as in TensorFlow."""
    scale = axis_scale(size, out, align_corners)
    places = np.arange(out, dtype=_SINGLE)
    if half_pixel_centers:
        return (places + _SINGLE(0.5)) * scale - _SINGLE(0.5)
    return places * scale


def _kept(matrix: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """The function of a matrix, which keeps what it made: images of a pipeline have few sizes."""

    @functools.lru_cache(64)
    @functools.wraps(matrix)
    def made(*args: Any, **attrs: Any) -> np.ndarray:
        found = matrix(*args, **attrs)
        found.flags.writeable = False
        return found

    return made


def _matrix(rows: np.ndarray, columns: np.ndarray, weights: np.ndarray, out: int, size: int) -> np.ndarray:
    matrix = np.zeros((out, size), _SINGLE)
    np.add.at(matrix, (rows, columns), weights.astype(_SINGLE))
    return matrix


def nearest_indices(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """The input pixel that each output pixel takes."""
    scale = axis_scale(size, out, align_corners)
    places = np.arange(out, dtype=_SINGLE)
    if half_pixel_centers:
        places = (places + _SINGLE(0.5)) * scale
    else:
        places = places * scale
    chosen = np.floor(places + _SINGLE(0.5)) if align_corners else np.floor(places)
    return np.clip(chosen, 0, size - 1).astype(np.int32)


@_kept
def nearest_matrix(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """`nearest_indices` as a matrix of zeros and ones."""
    chosen = nearest_indices(size, out, align_corners, half_pixel_centers)
    return _matrix(np.arange(out), chosen, np.ones(out), out, size)


@functools.lru_cache(256)
def bilinear_places(
    size: int, out: int, align_corners: bool, half_pixel_centers: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two input pixels (int64) that each output pixel lies between, and where between them (float32)."""
    places = _positions(size, out, align_corners, half_pixel_centers)
    floor = np.floor(places)
    lower = np.maximum(floor, 0).astype(np.int64)
    upper = np.minimum(np.ceil(places), size - 1).astype(np.int64)
    return lower, upper, places - floor


@_kept
def bilinear_matrix(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """`bilinear_places` as a matrix of weights."""
    lower, upper, share = bilinear_places(size, out, align_corners, half_pixel_centers)
    rows = np.arange(out)
    return _matrix(
        np.concatenate([rows, rows]),
        np.concatenate([lower, upper]),
        np.concatenate([1 - share, share]),
        out,
        size,
    )


_TABLE_SIZE = 1 << 10  # TensorFlow rounds the position between two pixels to this


@_kept
def bicubic_matrix(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """Four input pixels with weights of the cubic convolution kernel: Keys' with half-pixel centers, else a = -0.75."""
    a = -0.5 if half_pixel_centers else -0.75
    places = _positions(size, out, align_corners, half_pixel_centers)
    floor = np.floor(places)
    offset = np.rint((places - floor) * _SINGLE(_TABLE_SIZE)) / _TABLE_SIZE
    near = lambda x: ((a + 2) * x - (a + 3)) * x * x + 1  # noqa: E731
    far = lambda x: ((a * x - 5 * a) * x + 8 * a) * x - 4 * a  # noqa: E731
    weights = np.stack([far(offset + 1), near(offset), near(1 - offset), far(2 - offset)], 1).astype(_SINGLE)
    wanted = floor.astype(np.int64)[:, None] + np.arange(-1, 3)
    taken = np.clip(wanted, 0, size - 1)
    if half_pixel_centers:  # pixels outside do not count
        weights = np.where(taken == wanted, weights, 0)
        weights = weights / weights.sum(1, keepdims=True)
    rows = np.repeat(np.arange(out), 4)
    return _matrix(rows, taken.reshape(-1), weights.reshape(-1), out, size)


@_kept
def area_matrix(size: int, out: int, align_corners: bool) -> np.ndarray:
    """Each output pixel is the mean over the part of the input that it covers."""
    scale = axis_scale(size, out, align_corners)
    matrix = np.zeros((out, size), _SINGLE)
    for row in range(out):
        first, last = _SINGLE(row) * scale, _SINGLE(row + 1) * scale
        for pixel in range(int(np.floor(first)), int(np.ceil(last))):
            covered = min(_SINGLE(pixel + 1), last) - max(_SINGLE(pixel), first)
            matrix[row, min(max(pixel, 0), size - 1)] += covered / scale
    return matrix


# Kernels of scale_and_translate: (radius, function of the distance).


def _lanczos(radius: int) -> Callable:
    def kernel(x: np.ndarray) -> np.ndarray:
        safe = np.where(x <= 1e-3, _SINGLE(1), x)
        windowed = radius * np.sin(np.pi * safe) * np.sin(np.pi * safe / radius) / (np.pi**2 * safe * safe)
        return np.where(x > radius, 0, np.where(x <= 1e-3, 1, windowed))

    return kernel


def _cubic(b: float, c: float) -> Callable:
    """The Mitchell-Netravali family."""

    def kernel(x: np.ndarray) -> np.ndarray:
        near = ((12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + (6 - 2 * b)) / 6
        far = ((-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 + (-12 * b - 48 * c) * x + (8 * b + 24 * c)) / 6
        return np.where(x >= 2, 0, np.where(x >= 1, far, near))

    return kernel


_KERNELS: dict[str, tuple[float, Callable]] = {
    "lanczos1": (1.0, _lanczos(1)),
    "lanczos3": (3.0, _lanczos(3)),
    "lanczos5": (5.0, _lanczos(5)),
    "gaussian": (1.5, lambda x: np.where(x >= 1.5, 0, np.exp(-(x**2) / (2 * 0.5**2)))),
    "box": (1.0, lambda x: np.where(x < 0.5, 1, np.where(x == 0.5, 0.5, 0))),
    "triangle": (1.0, lambda x: np.where(x < 1, 1 - x, 0)),
    "keyscubic": (2.0, _cubic(0.0, 0.5)),
    "mitchellcubic": (2.0, _cubic(1 / 3, 1 / 3)),
}


@_kept
def kernel_matrix(
    size: int, out: int, scale: np.float32, translation: np.float32, kernel: str, antialias: bool
) -> np.ndarray:
    """Weights of a kernel around each output pixel's place `(x + 0.5 - translation) / scale` in the input.

    Raises:
      ValueError: there is no such kernel, or the scale is not positive.
    """
    if kernel not in _KERNELS:
        raise ValueError(f"Unrecognized kernel type: {kernel}. Must be one of {', '.join(_KERNELS)}")
    if not scale > 0:
        raise ValueError(f"scale must be greater than zero, got {scale}")
    radius, function = _KERNELS[kernel]
    inverse = _SINGLE(1) / _SINGLE(scale)
    kernel_scale = max(inverse, _SINGLE(1)) if antialias else _SINGLE(1)
    places = (np.arange(out, dtype=_SINGLE) + _SINGLE(0.5)) * inverse - inverse * _SINGLE(translation)
    reach = _SINGLE(radius) * kernel_scale
    starts = np.clip(np.ceil(places - reach - _SINGLE(0.5)), 0, size - 1)
    ends = np.clip(np.floor(places + reach - _SINGLE(0.5)), 0, size - 1) + 1
    pixels = np.arange(size, dtype=_SINGLE)
    distances = np.abs((pixels[None, :] + _SINGLE(0.5) - places[:, None]) / kernel_scale)
    weights = function(distances).astype(_SINGLE)
    weights[(pixels[None, :] < starts[:, None]) | (pixels[None, :] >= ends[:, None])] = 0
    weights[(places < 0) | (places > size)] = 0
    totals = weights.sum(1, keepdims=True)
    useful = np.abs(totals) >= 1000 * np.finfo(_SINGLE).tiny
    return np.divide(weights, totals, out=weights, where=useful)


# Applying a map.


class _Itself:
    """A matrix as a key: equal to nothing but itself."""

    __slots__ = ("matrix",)

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix

    def __hash__(self) -> int:
        return id(self.matrix)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.matrix is other.matrix


class Weights(NamedTuple):
    """The places and values of the nonzero weights of each row of a matrix, `[out, k]`; fewer have zeros behind them.

    Attributes:
      blends: whether each row is a point between two pixels.
    """

    places: np.ndarray
    weights: np.ndarray
    blends: bool


def weights_of(matrix: np.ndarray) -> Weights:
    """The weights of a matrix, which nobody changes any more."""
    return _weights(_Itself(matrix))


@functools.lru_cache(128)
def _weights(of: _Itself) -> Weights:
    matrix = of.matrix
    counts = (matrix != 0).sum(1)
    most = max(int(counts.max(initial=0)), 1)
    places = np.argsort(matrix == 0, axis=1, kind="stable")[:, :most]
    weights = np.take_along_axis(matrix, places, 1)
    places = np.where(weights == 0, places[:, :1], places)  # not pixels elsewhere, which may be infinite
    blends = most == 2 and np.allclose(weights.sum(1), 1, atol=1e-6)
    return Weights(np.ascontiguousarray(places), np.ascontiguousarray(weights), blends)


def apply_along(xp: Any, x: Any, axis: int, matrix: np.ndarray) -> Any:
    """`x` with `axis` mapped by `matrix` [out, in]."""
    few = weights_of(matrix)
    if few.weights.shape[1] > _MOST_GATHERS:
        moved = xp.moveaxis(x, axis, -1)
        # Accelerators would otherwise multiply float32 with fewer digits.
        options = {} if xp is np else {"precision": "highest"}
        return xp.moveaxis(xp.matmul(moved, matrix.astype(x.dtype).T, **options), -1, axis)
    # NumPy's loops over three channels would cost more than what is in them: few numbers behind the axis lie in one row
    # with it, and each has a weight of its own.
    before, out, behind = x.shape[:axis], len(matrix), x.shape[axis + 1 :]
    inner = math.prod(behind)
    rows = (out * inner,) if inner < _SHORT_ROW else (out, inner)

    def gathered(k: int) -> Any:
        return xp.take(x, few.places[:, k], axis=axis).reshape(*before, *rows)

    def weight(k: int) -> np.ndarray:
        weights = few.weights[:, k].astype(x.dtype)
        return np.repeat(weights, inner) if len(rows) == 1 else weights[:, None]

    total = gathered(0)
    if few.blends:
        # Between two equal pixels this form gives exactly their value, which matters where it is cast to integers.
        total = total + (gathered(1) - total) * weight(1)
    else:
        total = total * weight(0)
        for k in range(1, few.weights.shape[1]):
            total = total + gathered(k) * weight(k)
    return total.reshape(*before, out, *behind)
