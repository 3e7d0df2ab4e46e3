"""Morphological dilation and erosion of images: Dilation2D and its gradient ops.

Dilation is the max-plus form of a convolution: `output[b, y, x, c] = max_{dy, dx} input[b, s y + r dy, s x + r dx, c] +
filter[dy, dx, c]`. The gradient goes to the first element of a window that gives the maximum.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, like_input
from penstock.engine.xla import jnp, lax
from penstock.ops.arguments import matching, renamed
from penstock.ops.dtype_sets import REAL
from penstock.ops.nn.conv_ops import known_dims
from penstock.ops.windows import Windows, layout, spatial_windows
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _windows(x_shape: Sequence[int | None], w_shape: Sequence[int | None], attrs: dict) -> Windows:
    if len(x_shape) != 4 or len(w_shape) != 3:
        raise ValueError(f"input must have rank 4 and filter rank 3, got {len(x_shape)} and {len(w_shape)}")
    if None not in (x_shape[3], w_shape[2]) and x_shape[3] != w_shape[2]:
        raise ValueError(f"input and filter must have the same depth: {x_shape[3]} vs {w_shape[2]}")
    window = {"strides": attrs["strides"], "dilations": attrs["rates"], "padding": attrs["padding"]}
    return spatial_windows(window, w_shape[:2], layout("NHWC"))


def _shape(call: ShapeCall) -> TensorShape:
    x, w = known_dims(call.shape(0), 4), known_dims(call.shape(1), 3)
    window = _windows(x, w, call.attrs)
    return TensorShape([x[0], *window.output_sizes(x[1:3]), w[2] if x[3] is None else x[3]])


def _lowest(dtype: Any) -> Any:
    return np.asarray(-np.inf if jnp.issubdtype(dtype, jnp.floating) else np.iinfo(dtype).min, dtype)


def _places(window: Windows, sizes: Sequence[int]) -> list[tuple[int, int, tuple[slice, ...], np.ndarray]]:
    """The elements of the window, the slices of the padded input that they see, and which of that is no padding."""
    counts, pads = window.output_sizes(sizes), window.pads(sizes)
    found = []
    for i in range(window.size[0]):
        for j in range(window.size[1]):
            spans, inside = [], []
            for axis, index in enumerate((i, j)):
                start, stride = index * window.dilations[axis], window.strides[axis]
                spans.append(slice(start, start + (counts[axis] - 1) * stride + 1, stride))
                seen = start + np.arange(counts[axis]) * stride - pads[axis][0]
                inside.append((seen >= 0) & (seen < sizes[axis]))
            found.append((i, j, (slice(None), *spans), (inside[0][:, None] & inside[1])[:, :, None]))
    return found


def _terms(x: Any, w: Any, window: Windows) -> Iterator[tuple[tuple[slice, ...], Any]]:
    """What each element of the window adds to the maximum, and where it comes from."""
    pads = [(0, 0, 0), *((a, b, 0) for a, b in window.pads(x.shape[1:3])), (0, 0, 0)]
    padded = lax.pad(x, jnp.zeros((), x.dtype), pads)
    for i, j, place, inside in _places(window, x.shape[1:3]):
        yield place, jnp.where(inside, padded[place] + w[i, j], _lowest(x.dtype))


def _dilate(x: Any, w: Any, **attrs: Any) -> Any:
    window = _windows(x.shape, w.shape, attrs)
    return functools.reduce(jnp.maximum, (term for _, term in _terms(x, w, window)))


def _winners(x: Any, w: Any, window: Windows) -> Iterator[tuple[tuple[slice, ...], Any]]:
    """For each element of the window, where it comes from, and where it is the first to give the maximum."""
    terms = list(_terms(x, w, window))
    y = functools.reduce(jnp.maximum, (term for _, term in terms))
    found = jnp.zeros(y.shape, bool)
    for place, term in terms:
        here = (term == y) & ~found
        found = found | here
        yield place, here


def _check_gradient(x: Any, w: Any, dy: Any, attrs: dict) -> None:
    window = _windows(x.shape, w.shape, attrs)
    expected = (x.shape[0], *window.output_sizes(x.shape[1:3]), x.shape[3])
    if dy.shape != expected:
        raise ValueError(f"out_backprop must have shape {list(expected)}, got {list(dy.shape)}")


def _input_gradient(x: Any, w: Any, dy: Any, **attrs: Any) -> Any:
    _check_gradient(x, w, dy, attrs)
    window = _windows(x.shape, w.shape, attrs)
    pads = window.pads(x.shape[1:3])
    extents = [size + sum(pad) for size, pad in zip(x.shape[1:3], pads)]
    zero, total = jnp.zeros((), dy.dtype), None
    for place, here in _winners(x, w, window):
        spread = [(each.start, size - each.stop, each.step - 1) for each, size in zip(place[1:], extents)]
        term = lax.pad(jnp.where(here, dy, zero), zero, [(0, 0, 0), *spread, (0, 0, 0)])
        total = term if total is None else total + term
    (top, _), (left, _) = pads
    return total[:, top : top + x.shape[1], left : left + x.shape[2]]


def _filter_gradient(x: Any, w: Any, dy: Any, **attrs: Any) -> Any:
    _check_gradient(x, w, dy, attrs)
    zero, window = jnp.zeros((), dy.dtype), _windows(x.shape, w.shape, attrs)
    sums = [jnp.where(here, dy, zero).sum((0, 1, 2), dtype=dy.dtype) for _, here in _winners(x, w, window)]
    return jnp.stack(sums).reshape(w.shape)


_ATTRS = "strides, rates, padding"
op(
    f"Dilation2D(input: T, filter: T; {_ATTRS}) -> output: T",
    xla=_dilate,
    shape=_shape,
    gradient=lambda op, dy: [
        execute("Dilation2DBackpropInput", (*op.inputs, dy), op.attrs),
        execute("Dilation2DBackpropFilter", (*op.inputs, dy), op.attrs),
    ],
    types={"T": REAL},
)
op(
    f"Dilation2DBackpropInput(input: T, filter: T, out_backprop: T; {_ATTRS}) -> in_backprop: T",
    xla=_input_gradient, shape=like_input(0), types={"T": REAL},
)  # fmt: skip
op(
    f"Dilation2DBackpropFilter(input: T, filter: T, out_backprop: T; {_ATTRS}) -> filter_backprop: T",
    xla=_filter_gradient, shape=like_input(1), types={"T": REAL},
)  # fmt: skip


@export("nn.dilation2d", v1=[])
def dilation2d(
    input: Any,
    filters: Any,
    strides: Sequence[int],
    padding: str,
    data_format: str,
    dilations: Sequence[int],
    name: str | None = None,
) -> Tensor:
    """The grayscale dilation of images by a filter: the largest sum of image and filter in each window.

    Args:
      input: `[batch, height, width, depth]` of a real dtype.
      filters: `[height, width, depth]` of the dtype of `input`.
      strides: 4 ints: the steps of the window.
      padding: "SAME" or "VALID".
      data_format: "NHWC".
      dilations: 4 ints: the steps between the filter's elements.

    Returns:
      `[batch, out_height, out_width, depth]` of the dtype of `input`.

    Raises:
      ValueError: `data_format` is another one.
      InvalidArgumentError: the depths differ, or the filter does not fit.

    Example:
      >>> import penstock as tf
      >>> image = tf.reshape(tf.range(4.0), [1, 2, 2, 1])
      >>> tf.nn.dilation2d(image, tf.zeros([2, 2, 1]), [1] * 4, "VALID", "NHWC", [1] * 4).numpy().item()
      3.0
    """
    if data_format != "NHWC":
        raise ValueError(
            f"`data_format` values other than 'NHWC' are not supported. Received: data_format={data_format}"
        )
    x, w = matching(input, filters)
    return execute("Dilation2D", (x, w), _attrs(strides, dilations, padding), name)


def _attrs(strides: Any, rates: Any, padding: Any) -> dict[str, Any]:
    return {
        "strides": [int(each) for each in strides],
        "rates": [int(each) for each in rates],
        "padding": padding,
    }


@export(v1=["nn.dilation2d"])
def dilation2d_v1(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: Any = None,
    name: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """TF 1's form, with the older names `filter` and `rates`."""
    filter = renamed(filters, filter, "filter and filters")
    return dilation2d(
        input, filter, strides, padding, "NHWC", renamed(dilations, rates, "rates and dilations"), name
    )


@export("nn.erosion2d", v1=[])
def erosion2d(
    value: Any,
    filters: Any,
    strides: Sequence[int],
    padding: str,
    data_format: str,
    dilations: Sequence[int],
    name: str | None = None,
) -> Tensor:
    """The grayscale erosion of images by a filter: the smallest difference of image and filter in each window.

    Erosion is the dilation of the negative image by the mirrored filter.

    Args:
      value: `[batch, height, width, depth]` of a real dtype.
      filters: `[height, width, depth]` of the dtype of `value`.
      strides, padding, data_format, dilations: as in `tf.nn.dilation2d`.

    Raises:
      ValueError: `data_format` is not "NHWC".

    Example:
      >>> import penstock as tf
      >>> image = tf.reshape(tf.range(1.0, 5.0), [1, 2, 2, 1])
      >>> tf.nn.erosion2d(image, tf.zeros([2, 2, 1]), [1] * 4, "VALID", "NHWC", [1] * 4).numpy().item()
      1.0
    """
    if data_format != "NHWC":
        raise ValueError(
            f"`data_format` values other than 'NHWC' are not supported. Received: data_format={data_format}"
        )
    value, filters = matching(value, filters)
    mirrored = execute("ReverseV2", (filters, convert_to_tensor([0, 1])))
    attrs = _attrs(strides, dilations, padding)
    dilated = execute("Dilation2D", (execute("Neg", (value,)), mirrored), attrs)
    return execute("Neg", (dilated,), None, name)


@export(v1=["nn.erosion2d"])
def erosion2d_v1(
    value: Any, kernel: Any, strides: Any, rates: Any, padding: str, name: str | None = None
) -> Tensor:
    """TF 1's form, with the older names `kernel` and `rates`."""
    return erosion2d(value, kernel, strides, padding, "NHWC", rates, name)
