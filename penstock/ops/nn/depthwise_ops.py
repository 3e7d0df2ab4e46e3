"""DepthwiseConv2dNative and its gradients: each channel is convolved with filters of its own.

Where no native kernel does the work, XLA does. A depthwise convolution does few multiplications for each element that it
reads, so it is written as a sum over the
filter's taps of shifted images times weights, which XLA fuses into one vectorized pass; as a grouped convolution it
runs 20 to 40 times slower on a CPU. Large filters, where that would make a large program, stay grouped convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.definition import op
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static
from penstock.engine.xla import jnp, lax
from penstock.ops.dtype_sets import FLOATS
from penstock.ops.nn import native_windows
from penstock.ops.nn.conv_ops import convolve, gradient_rules, known_dims, shape_from_sizes, transposed
from penstock.ops.windows import Layout, Windows, layout, spatial_windows
from penstock.types.shapes import TensorShape

_ATTRS = "strides, padding, explicit_paddings=[], data_format='NHWC', dilations=[1, 1, 1, 1]"
_MOST_TAPS = 64


def _geometry(
    x_shape: Sequence[int | None], w_shape: Sequence[int | None], attrs: dict
) -> tuple[Layout, Windows]:
    form = layout(attrs["data_format"])
    if len(x_shape) != 4 or len(w_shape) != 4:
        raise ValueError(f"input and filter must have rank 4, got {len(x_shape)} and {len(w_shape)}")
    channels, taken = x_shape[form.channel], w_shape[2]
    if channels is not None and taken is not None and channels != taken:
        raise ValueError(f"input and filter must have the same depth: {channels} vs {taken}")
    window = spatial_windows(attrs, w_shape[:2], form)
    window.output_sizes(form.take_spatial(x_shape))
    return form, window


def _shape(call: ShapeCall) -> TensorShape:
    x, w = known_dims(call.shape(0), 4), known_dims(call.shape(1), 4)
    form, window = _geometry(x, w, call.attrs)
    channels = w[2] if x[form.channel] is None else x[form.channel]
    made = None if channels is None or w[3] is None else channels * w[3]
    return TensorShape(form.arrange(x[0], window.output_sizes(form.take_spatial(x)), made))


def _taps(form: Layout, window: Windows, sizes: Sequence[int]) -> list[tuple[int, int, list, list]]:
    """For each element of the filter: its indices, and the ranges of input and output that it connects."""
    outputs, pads = window.output_sizes(sizes), window.pads(sizes)

    def ranges(axis: int, index: int) -> tuple[slice, slice]:
        stride, start = window.strides[axis], index * window.dilations[axis] - pads[axis][0]
        first = max(0, -(start // stride)) if start < 0 else 0
        last = min(outputs[axis], (sizes[axis] - 1 - start) // stride + 1)
        if last <= first:
            return slice(0, 0), slice(0, 0)
        return slice(start + first * stride, start + (last - 1) * stride + 1, stride), slice(first, last)

    found = []
    for i in range(window.size[0]):
        for j in range(window.size[1]):
            (x_rows, y_rows), (x_columns, y_columns) = ranges(0, i), ranges(1, j)
            found.append((i, j, [x_rows, x_columns], [y_rows, y_columns]))
    return found


def _shifted_images(x: Any, form: Layout, window: Windows) -> list[Any]:
    """The padded image seen through each element of the window, in row-major order."""
    sizes = form.take_spatial(x.shape)
    pads, outputs = window.pads(sizes), window.output_sizes(sizes)
    padded = lax.pad(
        x, jnp.zeros((), x.dtype), form.arrange((0, 0, 0), [(a, b, 0) for a, b in pads], (0, 0, 0))
    )
    shifted = []
    for i in range(window.size[0]):
        for j in range(window.size[1]):
            starts = [index * step for index, step in zip((i, j), window.dilations)]
            stops = [a + (n - 1) * s + 1 for a, n, s in zip(starts, outputs, window.strides)]
            shifted.append(
                lax.slice(
                    padded,
                    form.arrange(0, starts, 0),
                    form.arrange(x.shape[0], stops, x.shape[form.channel]),
                    form.arrange(1, window.strides, 1),
                )
            )
    return shifted


def _convolve(x: Any, w: Any, form: Layout, window: Windows) -> Any:
    rows, columns, channels, multiplier = w.shape
    if rows * columns > _MOST_TAPS or 0 in x.shape:
        return convolve(x, w.reshape(rows, columns, 1, channels * multiplier), form, window)
    if x.dtype.itemsize == 2:  # a sum over taps needs more digits than half precision has
        return _convolve(x.astype(jnp.float32), w.astype(jnp.float32), form, window).astype(x.dtype)
    total = None
    for image, weights in zip(
        _shifted_images(x, form, window), w.reshape(rows * columns, channels, multiplier)
    ):
        # Each channel becomes `multiplier` neighbouring ones.
        if form.channel == 3:
            term = (image[..., None] * weights).reshape(*image.shape[:3], -1)
        else:
            term = (image[:, :, None] * weights[:, :, None, None]).reshape(
                image.shape[0], -1, *image.shape[2:]
            )
        total = term if total is None else total + term
    return total


def _grouped(shape: Sequence[int]) -> tuple[int, int, int, int]:
    """The shape of the same filter for a convolution with as many groups as channels."""
    rows, columns, channels, multiplier = shape
    return rows, columns, 1, channels * multiplier


def _forward(x: Any, w: Any, **attrs: Any) -> Any:
    form, window = _geometry(x.shape, w.shape, attrs)
    found = native_windows.convolution(x, w.reshape(_grouped(w.shape)), form, window)
    return _convolve(x, w, form, window) if found is None else found


def biased_convolution_of(
    x: Any, w: Any, bias: Any, relu: bool, scale: Any = None, limit: float = 0.0, **attrs: Any
) -> Any | None:
    """relu(convolution * scale + bias) by one native kernel; None where there is none for these arrays."""
    form, window = _geometry(x.shape, w.shape, attrs)
    return native_windows.convolution(x, w.reshape(_grouped(w.shape)), form, window, bias, relu, scale, limit)


def _input_gradient(sizes: Any, w: Any, dy: Any, **attrs: Any) -> Any:
    sizes = [int(each) for each in static(sizes)]
    form, window = _geometry(sizes, w.shape, attrs)
    found = native_windows.input_gradient(sizes, w.reshape(_grouped(w.shape)), dy, form, window)
    if found is not None:
        return found
    return transposed(lambda x: _convolve(x, w, form, window), sizes, dy, "an input of")


def _filter_gradient(x: Any, sizes: Any, dy: Any, **attrs: Any) -> Any:
    sizes = [int(each) for each in static(sizes)]
    form, window = _geometry(x.shape, sizes, attrs)
    found = native_windows.filter_gradient(x, _grouped(sizes), dy, form, window)
    if found is not None:
        return found[0].reshape(sizes)
    rows, columns, channels, multiplier = sizes
    if rows * columns > _MOST_TAPS or 0 in x.shape:
        return transposed(lambda w: _convolve(x, w, form, window), sizes, dy, "a filter of")
    batch = x.shape[0]
    pieces = []
    for _, _, x_ranges, y_ranges in _taps(form, window, form.take_spatial(x.shape)):
        # Only what lies inside the image: the reduction then reads memory directly, without tests for padding.
        seen = x[tuple(form.arrange(slice(None), x_ranges, slice(None)))]
        made = dy[tuple(form.arrange(slice(None), y_ranges, slice(None)))]
        if form.channel == 3:
            products = seen[..., None] * made.reshape(*made.shape[:3], channels, multiplier)
            pieces.append(products.sum((0, 1, 2)))
        else:
            products = seen[:, :, None] * made.reshape(batch, channels, multiplier, *made.shape[2:])
            pieces.append(products.sum((0, 3, 4)))
    return jnp.stack(pieces).reshape(sizes)


_of_forward, _of_input_gradient, _of_filter_gradient = gradient_rules(
    "DepthwiseConv2dNative", "DepthwiseConv2dNativeBackpropInput", "DepthwiseConv2dNativeBackpropFilter"
)
op(
    f"DepthwiseConv2dNative(input: T, filter: T; {_ATTRS}) -> output: T",
    xla=_forward, shape=_shape, gradient=_of_forward, types={"T": FLOATS},
)  # fmt: skip
op(
    f"DepthwiseConv2dNativeBackpropInput(input_sizes: int32, filter: T, out_backprop: T; {_ATTRS}) -> output: T",
    xla=_input_gradient, shape=shape_from_sizes(0), gradient=_of_input_gradient, types={"T": FLOATS},
)  # fmt: skip
op(
    f"DepthwiseConv2dNativeBackpropFilter(input: T, filter_sizes: int32, out_backprop: T; {_ATTRS}) -> output: T",
    xla=_filter_gradient, shape=shape_from_sizes(1), gradient=_of_filter_gradient, types={"T": FLOATS},
)  # fmt: skip
