"""Glimpses: windows of images, with noise where they reach beyond. On the host."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _corners_v1(
    offsets: np.ndarray, extent: np.ndarray, size: np.ndarray, centered: bool, normalized: bool
) -> np.ndarray:
    places = offsets * extent if normalized else offsets
    places = places / 2 + extent / 2 if centered else places
    return places - size / 2


def _corners_v2(
    offsets: np.ndarray, extent: np.ndarray, size: np.ndarray, centered: bool, normalized: bool
) -> np.ndarray:
    """The second version takes an offset for the middle of the window only where it is centered and normalized."""
    if normalized:
        places = offsets * extent
        return places / 2 + extent / 2 - size / 2 if centered else places
    return offsets + extent / 2 if centered else offsets


def _glimpse(
    corners_of: Callable, images: np.ndarray, size: np.ndarray, offsets: np.ndarray, *,
    centered: bool, normalized: bool, uniform_noise: bool, noise: str,
) -> np.ndarray:  # fmt: skip
    if images.ndim != 4 or size.shape != (2,) or offsets.shape != (images.shape[0], 2):
        raise ValueError(
            "expected input [batch, height, width, channels], size [2] and offsets [batch, 2], got "
            f"{list(images.shape)}, {list(size.shape)} and {list(offsets.shape)}"
        )
    if (size < 1).any():
        raise ValueError(f"window size must be positive, got {size.tolist()}")
    height, width = (int(each) for each in size)
    shape = (images.shape[0], height, width, images.shape[3])
    out = _noise("uniform" if uniform_noise and noise == "uniform" else noise, shape, images)
    extent = np.array(images.shape[1:3], np.float32)
    corners = corners_of(offsets, extent, size.astype(np.float32), centered, normalized)
    starts = corners.astype(np.int64)  # rounded towards zero, as in TensorFlow
    for image, target, (top, left) in zip(images, out, starts):
        rows = slice(max(0, top), min(images.shape[1], top + height))
        columns = slice(max(0, left), min(images.shape[2], left + width))
        if rows.start < rows.stop and columns.start < columns.stop:
            there = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
            target[there] = image[rows, columns]
    return out


def _noise(kind: str, shape: tuple[int, ...], images: np.ndarray) -> np.ndarray:
    """What stands outside of the image."""
    if kind == "zero":
        return np.zeros(shape, np.float32)
    generator = np.random.default_rng()
    if kind == "uniform":
        return generator.random(shape, np.float32)
    if kind != "gaussian":
        raise ValueError(f"noise must be 'uniform', 'gaussian' or 'zero', got {kind!r}")
    mean, deviation = images.mean((1, 2), keepdims=True), images.std((1, 2), keepdims=True)
    return (generator.standard_normal(shape, np.float32) * deviation + mean).astype(np.float32)


def _glimpse_shape(call: ShapeCall) -> TensorShape:
    images, size = call.shape(0).with_rank(4), call.shape_from(1)
    height, width = size.as_list() if size.rank == 2 else (None, None)
    return TensorShape([images[0], height, width, images[3]])


for _op_type, _corners in (("ExtractGlimpse", _corners_v1), ("ExtractGlimpseV2", _corners_v2)):
    op(
        f"{_op_type}(input: float32, size: int32, offsets: float32; centered=True, normalized=True, "
        "uniform_noise=True, noise='uniform') -> glimpse: float32",
        numpy=functools.partial(_glimpse, _corners),
        shape=_glimpse_shape,
        gradient=stops,
        stateful=True,
    )


@export("image.extract_glimpse", v1=[])
def extract_glimpse(
    input: Any,
    size: Any,
    offsets: Any,
    centered: bool = True,
    normalized: bool = True,
    noise: str = "uniform",
    name: str | None = None,
) -> Tensor:
    """A window of each image; what lies outside of the image is noise.

    Args:
      input: `[batch, height, width, channels]` float32.
      size: the height and width of the window, int32.
      offsets: `[batch, 2]` float32: the (y, x) center of each window.
      centered: offsets count from the center of the image, else from its upper left corner.
      normalized: offsets are in [-1, 1] (centered) or [0, 1], else in pixels.
      noise: "uniform", "gaussian" or "zero".

    Returns:
      `[batch, height, width, channels]` float32.
    """
    attrs = {"centered": centered, "normalized": normalized, "uniform_noise": False, "noise": noise}
    inputs = (convert_to_tensor(input, dtypes.float32), convert_to_tensor(size, dtypes.int32))
    return execute("ExtractGlimpseV2", (*inputs, convert_to_tensor(offsets, dtypes.float32)), attrs, name)


@export(v1=["image.extract_glimpse"])
def extract_glimpse_v1(
    input: Any,
    size: Any,
    offsets: Any,
    centered: bool = True,
    normalized: bool = True,
    uniform_noise: bool = True,
    name: str | None = None,
) -> Tensor:
    """TF 1's form: `uniform_noise` or Gaussian noise."""
    noise = "uniform" if uniform_noise else "gaussian"
    attrs = {"centered": centered, "normalized": normalized, "uniform_noise": uniform_noise, "noise": noise}
    inputs = (convert_to_tensor(input, dtypes.float32), convert_to_tensor(size, dtypes.int32))
    return execute("ExtractGlimpse", (*inputs, convert_to_tensor(offsets, dtypes.float32)), attrs, name)
