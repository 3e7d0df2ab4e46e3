"""Convolutions and pools by native kernels: what the XLA bodies of those ops try first.

Each function returns None where there is no native kernel for its arrays, and the caller then uses XLA's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine import native
from penstock.engine.xla import jnp
from penstock.ops.nn import native_small_images
from penstock.ops.windows import Layout, Windows


def _convolution_attributes(
    form: Layout, window: Windows, sizes: Sequence[int], channels: int, taken: int
) -> dict[str, Any]:
    pads = window.pads(sizes)
    return {
        "strides": window.strides,
        "dilations": window.dilations,
        "pads_before": [before for before, _ in pads],
        "pads_after": [after for _, after in pads],
        "groups": channels // taken,
        "channels_last": form.channel == form.rank - 1,
    }


def _suits(form: Layout, window: Windows, sizes: Sequence[int], *arrays: Any) -> bool:
    """Whether the kernels take these arrays, and there is something to compute."""
    return (
        len(form.spatial) <= 3
        and native.takes(*arrays)
        and all(size > 0 for size in sizes)
        and all(size > 0 for size in window.output_sizes(form.take_spatial(sizes)))
    )


def convolution(
    x: Any,
    w: Any,
    form: Layout,
    window: Windows,
    bias: Any = None,
    relu: bool = False,
    scale: Any = None,
    limit: float = 0.0,
    pool: Windows | None = None,
) -> Any | None:
    """relu(x * w * scale + bias), the last three where they are asked for; `w` is [space..., in / groups, out].

    Results are at most `limit`, unless that is 0. With a `pool`, the maxima in its windows, where a kernel takes that.
    """
    if not _suits(form, window, x.shape, x, w, *([] if bias is None else [bias])):
        return None
    sizes = form.take_spatial(x.shape)
    shape = form.arrange(x.shape[0], window.output_sizes(sizes), w.shape[-1])
    attributes = _convolution_attributes(form, window, sizes, x.shape[form.channel], w.shape[-2])
    if scale is not None:
        w = w * scale
    if pool is not None:
        if limit or not _takes_pool(x, w, form, window, pool, shape):
            return None
        shape = pool.output_sizes(shape)
    elif (small := native_small_images.convolution(x, w, form, window, bias, relu)) is not None:
        return jnp.minimum(small[0], np.float32(limit)) if limit else small[0]
    arrays = [x, w] if bias is None else [x, w, bias]
    attributes |= {"relu": relu, "limit": limit, "pool": pool is not None}
    return native.call("convolution", [shape], *arrays, **attributes)[0]


def layer_of_convolution(
    x: Any,
    w: Any,
    form: Layout,
    window: Windows,
    bias: Any,
    relu: bool,
    pool: Windows,
    layer: tuple[Any, Any, bool],
) -> Any | None:
    """The max pool of relu(x * w + bias) for one image, flattened, in a dense layer.

    `layer`: its matrix and bias, and whether Relu follows.
    """
    matrix, layer_bias, layer_relu = layer
    if not _suits(form, window, x.shape, x, w, bias) or not native.takes(matrix, layer_bias, bfloat16=False):
        return None
    sizes = form.take_spatial(x.shape)
    shape = form.arrange(x.shape[0], window.output_sizes(sizes), w.shape[-1])
    if not _takes_pool(x, w, form, window, pool, shape, matrix.shape[1]):
        return None
    pads = [before for before, _ in window.pads(sizes)]
    attributes: dict[str, Any] = {"pads": pads, "output": shape[1:3], "relu": relu, "layer_relu": layer_relu}
    arrays = (x, w, bias, matrix, layer_bias)
    return native.call("convolution_and_layer", [layer_bias.shape], *arrays, **attributes)[0]


def _takes_pool(
    x: Any, w: Any, form: Layout, window: Windows, pool: Windows, shape: Sequence[int], columns: int = 0
) -> bool:
    """Whether the kernel of a convolution with such a result computes the max pool of it too.

    With `columns`, whether another one computes the dense layer behind it, which has so many outputs.
    """
    if (
        form.data_format != "NHWC"
        or x.dtype != np.float32
        or w.shape[:2] != (3, 3)
        or w.shape[2] != x.shape[3]
    ):
        return False
    if {*window.strides, *window.dilations} != {1} or tuple(pool.size) != (1, 2, 2, 1):
        return False
    if tuple(pool.strides) != (1, 2, 2, 1) or any(map(any, pool.pads(shape))):
        return False
    before = [each for each, _ in window.pads(form.take_spatial(x.shape))]
    return native.library().penstock_pools(*map(int, (*x.shape, w.shape[3], *before, *shape[1:3], columns)))


def input_gradient(
    shape: Sequence[int], w: Any, dy: Any, form: Layout, window: Windows, features: Any = None
) -> Any | None:
    """The gradient of `convolution` with respect to an input of a known shape; 0 where `features` are not positive."""
    sizes = form.take_spatial(shape)
    if not _suits(form, window, shape, w, dy) or form.take_spatial(dy.shape) != window.output_sizes(sizes):
        return None
    if dy.shape[0] != shape[0] or dy.shape[form.channel] != w.shape[-1]:
        return None
    attributes = _convolution_attributes(form, window, sizes, shape[form.channel], w.shape[-2])
    arrays = [w, dy]
    if features is not None:
        if not native.takes(w, features, bfloat16=False):
            return None
        arrays.append(features)
    return native.call("convolution_input_gradient", [shape], *arrays, **attributes)[0]


def filter_gradient(
    x: Any, shape: Sequence[int], dy: Any, form: Layout, window: Windows, bias: bool = False
) -> list[Any] | None:
    """The gradient of `convolution` with respect to a filter of a known shape, and with `bias` to that."""
    if bias and (form.channel != form.rank - 1 or not native.takes(x, dy, bfloat16=False)):
        return None
    sizes = form.take_spatial(x.shape)
    if not _suits(form, window, x.shape, x, dy) or form.take_spatial(dy.shape) != window.output_sizes(sizes):
        return None
    if dy.shape[0] != x.shape[0] or dy.shape[form.channel] != shape[-1] or 0 in shape:
        return None
    attributes = _convolution_attributes(form, window, sizes, x.shape[form.channel], shape[-2])
    shapes = [shape, shape[-1:]] if bias else [shape]
    return native.call("convolution_filter_gradient", shapes, x, dy, **attributes)


def _pool_attributes(windows: Windows, shape: Sequence[int], *arrays: Any) -> dict[str, Any] | None:
    """The attributes of a pool over an array of a shape; None where the kernels do not do it."""
    space = range(1, len(shape) - 1)
    pads = windows.pads(shape)
    if (
        any(windows.size[i] != 1 or windows.strides[i] != 1 or any(pads[i]) for i in (0, len(shape) - 1))
        or math.prod(windows.output_sizes(shape)) == 0
        or not native.takes(*arrays)
    ):
        return None
    return {
        "size": [windows.size[i] for i in space],
        "strides": [windows.strides[i] for i in space],
        "pads": [pads[i][0] for i in space],
    }


def pool(kind: str, x: Any, windows: Windows) -> Any | None:
    """The pool of an image batch with its channels last; `kind` is "max" or "average"."""
    attributes = _pool_attributes(windows, x.shape, x)
    if attributes is None:
        return None
    return native.call(f"{kind}_pool", [windows.output_sizes(x.shape)], x, **attributes)[0]


def max_pool_gradient(
    x: Any, y: Any, dy: Any, windows: Windows, relu: bool = False, over_x: bool = False
) -> Any | None:
    """The gradient of the max pool `y` of `x`; with `relu`, of the max pool of relu(x).

    With `over_x` it may be written over `x`, which nothing else needs.
    """
    attributes = _pool_attributes(windows, x.shape, x, y, dy)
    if attributes is None:
        return None
    in_place = int(over_x and _windows_divide(windows, x))
    return native.call("max_pool_gradient", [x.shape], x, y, dy, in_place=in_place, relu=relu, **attributes)[
        0
    ]


def _windows_divide(windows: Windows, x: Any) -> bool:
    """Whether windows divide an array, as the kernel that takes a window at a time wants it (`send_windows`)."""
    return (
        native.has_wide_vectors()
        and x.dtype == np.float32
        and x.shape[-1] % 16 == 0
        and windows.size == windows.strides
        and not any(map(any, windows.pads(x.shape)))
        and all(size % window == 0 for size, window in zip(x.shape, windows.size))
    )


def average_pool_gradient(shape: Sequence[int], dy: Any, windows: Windows) -> Any | None:
    """The gradient of an average pool of an array of a known shape."""
    attributes = _pool_attributes(windows, shape, dy)
    if attributes is None:
        return None
    return native.call("average_pool_gradient", [shape], dy, **attributes)[0]
