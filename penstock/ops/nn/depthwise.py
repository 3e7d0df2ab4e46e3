"""Public depthwise and separable convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import index_vector, matching, renamed
from penstock.ops.nn.conv import conv2d, window_attrs
from penstock.ops.windows import layout
from penstock.types.tensors import Tensor


@export("nn.depthwise_conv2d", v1=[])
def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Convolves each channel with filters of its own.

        output[b, i, j, q * m + r] = sum_{di, dj} input[b, s * i + di, s * j + dj, q] * filter[di, dj, q, r]

    Args:
      input: `[batch, height, width, in]` (or as `data_format` says), of a floating dtype.
      filter: `[height, width, in, m]`, of the dtype of `input`: `m` filters for each channel.
      strides: 4 ints: the steps of the window.
      padding: "SAME", "VALID", or a list of 4 pairs (before, after).
      data_format: "NHWC" (the default) or "NCHW".
      dilations: 1 or 2 ints: the steps between the filter's elements.

    Returns:
      `[batch, out_height, out_width, in * m]` (or as `data_format` says), of the dtype of `input`.

    Raises:
      InvalidArgumentError: the depths of input and filter differ.

    Example:
      >>> import penstock as tf
      >>> tf.nn.depthwise_conv2d(tf.ones([1, 4, 4, 3]), tf.ones([2, 2, 3, 2]), [1, 1, 1, 1], "VALID").shape
      TensorShape([1, 3, 3, 6])
    """
    form = layout(data_format or "NHWC")
    x, w = matching(input, filter)
    return execute("DepthwiseConv2dNative", (x, w), window_attrs(form, strides, padding, dilations), name)


@export(v1=["nn.depthwise_conv2d"])
def depthwise_conv2d_v1(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """TF 1's `nn.depthwise_conv2d`: as `tf.nn.depthwise_conv2d`; dilations are named `rate` or `dilations`."""
    dilations = renamed(dilations, rate, "rate and dilations")
    return depthwise_conv2d(input, filter, strides, padding, data_format, dilations, name)


@export(v1=["nn.depthwise_conv2d_native"])
def depthwise_conv2d_native(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Sequence[int] = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """TF 1's `nn.depthwise_conv2d_native`: `tf.nn.depthwise_conv2d` with dilations for all four dimensions."""
    return depthwise_conv2d(input, filter, strides, padding, data_format, dilations, name)


@export(
    "nn.depthwise_conv2d_backprop_input",
    v1=["nn.depthwise_conv2d_backprop_input", "nn.depthwise_conv2d_native_backprop_input"],
)
def depthwise_conv2d_backprop_input(
    input_sizes: Any,
    filter: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Sequence[int] = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of `depthwise_conv2d` with respect to its input, whose shape is `input_sizes`."""
    w, dy = matching(filter, out_backprop)
    attrs = window_attrs(layout(data_format), strides, padding, dilations)
    return execute("DepthwiseConv2dNativeBackpropInput", (index_vector(input_sizes), w, dy), attrs, name)


@export(
    "nn.depthwise_conv2d_backprop_filter",
    v1=["nn.depthwise_conv2d_backprop_filter", "nn.depthwise_conv2d_native_backprop_filter"],
)
def depthwise_conv2d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Sequence[int] = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of `depthwise_conv2d` with respect to its filter, whose shape is `filter_sizes`."""
    x, dy = matching(input, out_backprop)
    attrs = window_attrs(layout(data_format), strides, padding, dilations)
    return execute("DepthwiseConv2dNativeBackpropFilter", (x, index_vector(filter_sizes), dy), attrs, name)


@export("nn.separable_conv2d", v1=[])
def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """A depthwise convolution, then a 1x1 convolution that mixes the channels.

    Args:
      input: `[batch, height, width, in]` (or as `data_format` says), of a floating dtype.
      depthwise_filter: `[height, width, in, m]`.
      pointwise_filter: `[1, 1, in * m, out]`.
      strides, padding, data_format, dilations: as in `tf.nn.depthwise_conv2d`.

    Returns:
      `[batch, out_height, out_width, out]` (or as `data_format` says), of the dtype of `input`.

    Raises:
      ValueError: the pointwise filter is not 1x1.

    Example:
      >>> import penstock as tf
      >>> x, depth, point = tf.ones([1, 4, 4, 3]), tf.ones([2, 2, 3, 2]), tf.ones([1, 1, 6, 5])
      >>> tf.nn.separable_conv2d(x, depth, point, [1, 1, 1, 1], "SAME").shape
      TensorShape([1, 4, 4, 5])
    """
    x, depthwise_filter, pointwise_filter = matching(input, depthwise_filter, pointwise_filter)
    if not pointwise_filter.shape.is_compatible_with([1, 1, None, None]):
        raise ValueError(f"`pointwise_filter` must be [1, 1, in, out]. Received: {pointwise_filter.shape}")
    data_format = data_format or "NHWC"
    features = depthwise_conv2d(x, depthwise_filter, strides, padding, data_format, dilations)
    return conv2d(features, pointwise_filter, 1, "VALID", data_format, None, name)


@export(v1=["nn.separable_conv2d"])
def separable_conv2d_v1(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """TF 1's `nn.separable_conv2d`: as `tf.nn.separable_conv2d`; dilations are named `rate` or `dilations`."""
    dilations = renamed(dilations, rate, "rate and dilations")
    return separable_conv2d(
        input, depthwise_filter, pointwise_filter, strides, padding, data_format, dilations, name
    )
