"""Convolutions of small images by native kernels, with what stands around them: bias, Relu, max pool, and all gradients.

Each function returns None where the kernels do not take its arguments, or others do better: those that divide large
images, or filters with very many channels, among the threads, and products of matrices, as filters of size 1 make them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine import native
from penstock.ops.windows import Layout, Windows

_MOST = (
    1 << 17
)  # numbers of an image and its results, or of a filter: half a megabyte, a part of a core's cache
_MOST_TERMS = 64  # of an output
_MOST_RESULTS = 1 << 20  # more go past the caches, which oneDNN does in less time
_LANES = 16  # outputs are computed so many at a time
_NOWHERE = 255  # the kernels' sign for a maximum that passes no gradient


def _is_small(
    x: Any, w_shape: Sequence[int], form: Layout, window: Windows, pool: Windows | None, to_image: bool
) -> bool:
    """Whether the kernels take such a convolution; `to_image`: whether they will be asked for the gradient of images."""
    if form.data_format != "NHWC" or not native.takes(x, bfloat16=False) or not native.has_wide_vectors():
        return False
    channels, made = w_shape[-2:]
    output = window.output_sizes(form.take_spatial(x.shape))
    if x.shape[-1] != channels or 0 in w_shape or made % _LANES or (to_image and channels % _LANES):
        return False
    image = math.prod(x.shape[1:]) + math.prod(output) * made
    if image > _MOST or math.prod(w_shape) > _MOST or math.prod(w_shape[:2]) < 2 or min(output) <= 0:
        return False
    return pool is None or _is_of_space(pool, [x.shape[0], *output, made])


def _is_thin(x: Any, w_shape: Sequence[int], form: Layout, window: Windows) -> bool:
    """Whether it has so few channels that the filter stays in cache, as a network's first."""
    if form.data_format != "NHWC" or not native.takes(x, bfloat16=False) or not native.has_wide_vectors():
        return False
    if x.shape[-1] != w_shape[2] or 0 in x.shape or 0 in w_shape or w_shape[-1] % _LANES:
        return False
    return math.prod(w_shape[:3]) <= _MOST_TERMS and min(window.output_sizes(form.take_spatial(x.shape))) > 0


def _is_of_few_images(x: Any, made: int, form: Layout, window: Windows) -> bool:
    """Whether it is one of a large image or two, with nothing around them."""
    sizes = form.take_spatial(x.shape)
    results = x.shape[0] * math.prod(window.output_sizes(sizes)) * made
    return results <= _MOST_RESULTS and not any(map(any, window.pads(sizes)))


def _is_of_space(pool: Windows, shape: Sequence[int]) -> bool:
    """Whether a pool is over height and width only, and the places in its windows have numbers below `_NOWHERE`."""
    pads = pool.pads(shape)
    if any(pool.size[i] != 1 or pool.strides[i] != 1 or any(pads[i]) for i in (0, 3)):
        return False
    return math.prod(pool.size) <= _NOWHERE and min(pool.output_sizes(shape)) > 0


def _attributes(
    form: Layout, window: Windows, x_shape: Sequence[int], made: int, pool: Windows | None
) -> dict[str, Any]:
    sizes = form.take_spatial(x_shape)
    output = window.output_sizes(sizes)
    found = {
        "output": output,
        "strides": window.strides,
        "dilations": window.dilations,
        "pads": [before for before, _ in window.pads(sizes)],
        "pool_size": [],
        "pool_strides": [],
        "pool_pads": [],
    }
    if pool is not None:
        pads = pool.pads([x_shape[0], *output, made])
        found["pool_size"], found["pool_strides"] = list(pool.size[1:3]), list(pool.strides[1:3])
        found["pool_pads"] = [pads[i][0] for i in (1, 2)]
    return found


def convolution(
    x: Any,
    w: Any,
    form: Layout,
    window: Windows,
    bias: Any = None,
    relu: bool = False,
    pool: Windows | None = None,
    to_image: bool = False,
) -> list[Any] | None:
    """relu(x * w + bias), the last two where they are asked for, and its max pool.

    Returns:
      The result; with a pool, also the places of the maxima, which `gradients` takes.
    """
    given = [w] if bias is None else [w, bias]
    made = w.shape[-1]
    thin = pool is None and _is_thin(x, w.shape, form, window) and _is_of_few_images(x, made, form, window)
    if not (thin or _is_small(x, w.shape, form, window, pool, to_image)):
        return None
    if not native.takes(*given, bfloat16=False):
        return None
    shape = [x.shape[0], *window.output_sizes(form.take_spatial(x.shape)), made]
    shapes: list[Any] = [shape]
    dtypes: list[Any] = [np.float32]
    if pool is not None:
        shapes, dtypes = [pool.output_sizes(shape)] * 2, [np.float32, np.uint8]
    attributes = _attributes(form, window, x.shape, made, pool)
    return native.call("fused_convolution", shapes, x, *given, dtype=dtypes, relu=relu, **attributes)


def gradients(
    x: Any,
    w_shape: Sequence[int],
    dy: Any,
    form: Layout,
    window: Windows,
    w: Any = None,
    relu: bool = False,
    pool: tuple[Windows, Any] | None = None,
) -> list[Any] | None:
    """The gradients of `convolution` with respect to the filter, the bias, and where `w` is given the images.

    Args:
      x, w: what the convolution was given.
      dy: the gradient with respect to what the pool gave; without one, to what Relu got. Of any shape with its elements.
      relu: whether the gradient of the images is to be 0 where these are not positive.
      pool: its windows, and the places that `convolution` returned.
    """
    windows, places = (None, None) if pool is None else pool
    given = [dy] if w is None else [dy, w]
    thin = w is None and pool is None and _is_thin(x, w_shape, form, window)
    if not (thin or _is_small(x, w_shape, form, window, windows, w is not None)):
        return None
    attributes = _attributes(form, window, x.shape, w_shape[-1], windows)
    expected = [x.shape[0], *attributes["output"], w_shape[-1]]
    expected = expected if windows is None else windows.output_sizes(expected)
    if dy.size != math.prod(expected) or not native.takes(*given, bfloat16=False):
        return None
    given[0] = dy.reshape(expected)
    if places is not None:
        given.insert(1, places)
    given.insert(0, x)
    shapes = [w_shape, w_shape[-1:]] + ([] if w is None else [x.shape])
    return native.call("fused_convolution_gradient", shapes, *given, relu=relu, **attributes)
