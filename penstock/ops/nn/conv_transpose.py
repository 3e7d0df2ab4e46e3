"""Public transposed convolutions, and the TF 1 functions that call the gradient ops of convolution by name.

A transposed convolution is the gradient of a convolution with respect to its input: Conv2DBackpropInput and
Conv3DBackpropInputV2, whose `output_shape` says which of the possible sizes is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import index_vector, matching, renamed
from penstock.ops.nn.conv import window_attrs, with_height
from penstock.ops.windows import channels_format, layout
from penstock.types import dtypes
from penstock.types.tensors import Tensor

_TO_INPUT = {2: "Conv2DBackpropInput", 3: "Conv3DBackpropInputV2"}


def _int32(sizes: Any) -> Tensor:
    sizes = index_vector(sizes)
    return sizes if sizes.dtype is dtypes.int32 else execute("Cast", (sizes,), {"DstT": dtypes.int32})


def _transpose(
    x: Any,
    w: Any,
    output_shape: Any,
    strides: Any,
    padding: Any,
    data_format: str,
    dilations: Any,
    name: str | None,
) -> Tensor:
    form = layout(data_format)
    x, w = matching(x, w)
    attrs = window_attrs(form, strides, padding, dilations)
    return execute(_TO_INPUT[len(form.spatial)], (_int32(output_shape), w, x), attrs, name)


@export("nn.conv2d_transpose", v1=[])
def conv2d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str = "NHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """The transpose of `tf.nn.conv2d`: the gradient of a convolution with respect to its input, used as a layer.

    Args:
      input: `[batch, height, width, in]` (or as `data_format` says), of a floating dtype.
      filters: `[height, width, out, in]`, of the dtype of `input`.
      output_shape: the shape of the result, int32 or int64.
      strides: an int, or a list of 1, 2 or 4 ints.
      padding: "SAME", "VALID", or a list of 4 pairs (before, after): that of the convolution which is transposed.
      data_format: "NHWC" or "NCHW".
      dilations: an int, or a list of 1, 2 or 4 ints.

    Returns:
      A tensor of shape `output_shape` and the dtype of `input`.

    Raises:
      InvalidArgumentError: a convolution of `output_shape` does not give the shape of `input`.

    Example:
      >>> import penstock as tf
      >>> x = tf.ones([1, 2, 2, 1])
      >>> tf.nn.conv2d_transpose(x, tf.ones([2, 2, 1, 1]), [1, 4, 4, 1], strides=2).shape
      TensorShape([1, 4, 4, 1])
    """
    return _transpose(input, filters, output_shape, strides, padding, data_format or "NHWC", dilations, name)


@export(v1=["nn.conv2d_transpose"])
def conv2d_transpose_v1(
    value: Any = None,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: Any = "SAME",
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """TF 1's `nn.conv2d_transpose`: as `tf.nn.conv2d_transpose`, with the older names `value` and `filter`."""
    value = renamed(input, value, "value and input")
    filter = renamed(filters, filter, "filter and filters")
    return conv2d_transpose(value, filter, output_shape, strides, padding, data_format, dilations, name)


@export("nn.conv3d_transpose", v1=[])
def conv3d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str = "NDHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """The transpose of `tf.nn.conv3d`.

    Args:
      input: `[batch, depth, height, width, in]` (or as `data_format` says), of a floating dtype.
      filters: `[depth, height, width, out, in]`, of the dtype of `input`.
      output_shape: the shape of the result, int32 or int64.
      strides, padding, data_format, dilations: those of the convolution which is transposed.

    Returns:
      A tensor of shape `output_shape` and the dtype of `input`.

    Example:
      >>> import penstock as tf
      >>> x = tf.ones([1, 2, 2, 2, 3])
      >>> tf.nn.conv3d_transpose(x, tf.ones([2, 2, 2, 5, 3]), [1, 4, 4, 4, 5], strides=2).shape
      TensorShape([1, 4, 4, 4, 5])
    """
    return _transpose(input, filters, output_shape, strides, padding, data_format or "NDHWC", dilations, name)


@export(v1=["nn.conv3d_transpose"])
def conv3d_transpose_v1(
    value: Any,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: Any = "SAME",
    data_format: str = "NDHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """TF 1's `nn.conv3d_transpose`: as `tf.nn.conv3d_transpose`, with the older names `value` and `filter`."""
    value = renamed(input, value, "value and input")
    filter = renamed(filters, filter, "filter and filters")
    return conv3d_transpose(value, filter, output_shape, strides, padding, data_format, dilations, name)


@export("nn.conv1d_transpose")
def conv1d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str = "NWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """The transpose of `tf.nn.conv1d`.

    Args:
      input: `[batch, width, in]` (or as `data_format` says), of a floating dtype.
      filters: `[width, out, in]`, of the dtype of `input`.
      output_shape: the shape of the result, int32 or int64.
      strides, padding, data_format, dilations: those of the convolution which is transposed.

    Returns:
      A tensor of shape `output_shape` and the dtype of `input`.

    Example:
      >>> import penstock as tf
      >>> tf.nn.conv1d_transpose(tf.ones([1, 2, 3]), tf.ones([2, 5, 3]), [1, 4, 5], strides=2).shape
      TensorShape([1, 4, 5])
    """
    form = layout(data_format or "NWC")
    x, w = matching(input, filters)
    sizes = _with_one(_int32(output_shape), form.spatial[0])
    attrs = window_attrs(form, strides, padding, dilations)
    return with_height(
        x,
        w,
        attrs,
        form,
        lambda image, filter, attrs: execute("Conv2DBackpropInput", (sizes, filter, image), attrs),
        name,
    )


def _with_one(sizes: Tensor, position: int) -> Tensor:
    """A vector with a 1 inserted."""
    parts = execute(
        "SplitV", (sizes, convert_to_tensor([position, 3 - position]), convert_to_tensor(0)), {"num_split": 2}
    )
    return execute("ConcatV2", ([parts[0], convert_to_tensor([1]), parts[1]], convert_to_tensor(0)))


@export("nn.conv_transpose")
def conv_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """The transpose of `tf.nn.convolution`, for one, two or three spatial dimensions.

    Args:
      input: `[batch, space..., in]`, or `[batch, in, space...]` where `data_format` starts with "NC".
      filters: `[space..., out, in]`, of the dtype of `input`.
      output_shape: the shape of the result; its length says how many spatial dimensions there are.
      strides, padding, dilations: those of the convolution which is transposed.

    Raises:
      ValueError: the length of `output_shape` is unknown or not 3, 4 or 5.

    Example:
      >>> import penstock as tf
      >>> tf.nn.conv_transpose(tf.ones([1, 2, 2, 1]), tf.ones([2, 2, 4, 1]), [1, 4, 4, 4], strides=2).shape
      TensorShape([1, 4, 4, 4])
    """
    sizes = index_vector(output_shape)
    spatial = (sizes.shape[0] or 0) - 2 if sizes.shape.rank == 1 else 0
    function = {1: conv1d_transpose, 2: conv2d_transpose, 3: conv3d_transpose}.get(spatial)
    if function is None:
        raise ValueError(
            f"`output_shape` must be a vector of 3, 4 or 5 sizes. Received: output_shape={output_shape}"
        )
    return function(
        input, filters, sizes, strides, padding, channels_format(data_format, spatial), dilations, name
    )


@export("nn.atrous_conv2d_transpose")
def atrous_conv2d_transpose(
    value: Any, filters: Any, output_shape: Any, rate: int, padding: str, name: str | None = None
) -> Tensor:
    """The transpose of `tf.nn.atrous_conv2d`.

    Args:
      value: `[batch, height, width, in]`, of a floating dtype.
      filters: `[height, width, out, in]`, of the dtype of `value`.
      output_shape: the shape of the result.
      rate: the step between the filter's elements. padding: "SAME" or "VALID".

    Raises:
      ValueError: the depths do not fit, or `padding` is another one.

    Example:
      >>> import penstock as tf
      >>> tf.nn.atrous_conv2d_transpose(tf.ones([1, 5, 5, 1]), tf.ones([3, 3, 2, 1]), [1, 9, 9, 2], 2, "VALID").shape
      TensorShape([1, 9, 9, 2])
    """
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"`padding` must be either 'VALID' or 'SAME'. Received: padding={padding}")
    return _transpose(value, filters, output_shape, 1, padding, "NHWC", [rate, rate], name)


# The gradient ops under their TF 1 names.


@export(v1=["nn.conv2d_backprop_input"])
def conv2d_backprop_input(
    input_sizes: Any,
    filter: Any = None,
    out_backprop: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Sequence[int] = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """The gradient of `conv2d` with respect to its input, whose shape is `input_sizes`."""
    filter = renamed(filters, filter, "filter and filters")
    return _transpose(out_backprop, filter, input_sizes, strides, padding, data_format, dilations, name)


@export(v1=["nn.conv2d_backprop_filter"])
def conv2d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Sequence[int] = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of `conv2d` with respect to its filter, whose shape is `filter_sizes`."""
    x, dy = matching(input, out_backprop)
    attrs = window_attrs(layout(data_format), strides, padding, dilations)
    return execute("Conv2DBackpropFilter", (x, _int32(filter_sizes), dy), attrs, name)


@export(v1=["nn.conv3d_backprop_filter", "nn.conv3d_backprop_filter_v2"])
def conv3d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: str,
    data_format: str = "NDHWC",
    dilations: Sequence[int] = (1, 1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of `conv3d` with respect to its filter, whose shape is `filter_sizes`."""
    x, dy = matching(input, out_backprop)
    attrs = window_attrs(layout(data_format), strides, padding, dilations)
    return execute("Conv3DBackpropFilterV2", (x, _int32(filter_sizes), dy), attrs, name)
