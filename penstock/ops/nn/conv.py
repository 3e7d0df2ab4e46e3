"""Public convolutions: `tf.nn.conv1d`, `conv2d`, `conv3d`, `convolution`, their TF 1 forms, `with_space_to_batch`.

All of them bring their arguments into the attributes of Conv2D and Conv3D. One-dimensional convolutions are Conv2D of
images of height 1, and batches of any rank are flattened to one batch dimension, as in TensorFlow's graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import matching, renamed
from penstock.ops.windows import Layout, channels_format, layout, padding_attrs, sequence_for
from penstock.types import dtypes
from penstock.types.tensors import Tensor

_OP_OF_RANK = {2: "Conv2D", 3: "Conv3D"}


def window_attrs(
    form: Layout, strides: Any, padding: Any, dilations: Any, strides_name: str = "strides"
) -> dict[str, Any]:
    """The attributes of a convolution op for a public function's arguments."""
    return {
        "strides": sequence_for(strides, form, strides_name),
        "dilations": sequence_for(dilations, form, "dilations"),
        "data_format": form.data_format,
        **padding_attrs(padding, form),
    }


def _convolve(x: Tensor, w: Tensor, attrs: dict, name: str | None) -> Tensor:
    """Calls the op for the rank of the filter; a batch of any rank is flattened around the call."""
    rank = len(attrs["strides"])
    op_type = _OP_OF_RANK[rank - 2]
    if op_type == "Conv3D" and attrs.get("explicit_paddings"):
        x, attrs = _padded(x, attrs)
    if x.shape.rank is None or x.shape.rank <= rank:
        return execute(op_type, (x, w), attrs, name)
    return with_flat_batch(x, rank, lambda flat: execute(op_type, (flat, w), attrs), name)


def _padded(x: Tensor, attrs: dict) -> tuple[Tensor, dict]:
    """Explicit padding for ops that have no such attribute."""
    pairs = np.reshape(attrs["explicit_paddings"], (-1, 2)).astype(np.int32)
    attrs = {name: value for name, value in attrs.items() if name != "explicit_paddings"}
    return execute("Pad", (x, convert_to_tensor(pairs))), {**attrs, "padding": "VALID"}


def with_flat_batch(
    x: Tensor, rank: int, function: Callable[[Tensor], Tensor], name: str | None = None
) -> Tensor:
    """Applies `function`, which takes and returns tensors of `rank`, to a tensor with more batch dimensions."""
    extra = x.shape.rank - rank
    shape = execute("Shape", (x,))
    batch, inner = _slice(shape, 0, extra + 1), _slice(shape, extra + 1, x.shape.rank)
    y = function(execute("Reshape", (x, _join(convert_to_tensor([-1]), inner))))
    made = _slice(execute("Shape", (y,)), 1, rank)
    result = execute("Reshape", (y, _join(batch, made)), None, name)
    result.set_shape(x.shape[: extra + 1].concatenate(y.shape[1:]))
    return result


def _slice(vector: Tensor, begin: int, end: int) -> Tensor:
    return execute("Slice", (vector, convert_to_tensor([begin]), convert_to_tensor([end - begin])))


def _join(first: Tensor, second: Tensor) -> Tensor:
    return execute("ConcatV2", ([first, second], convert_to_tensor(0)))


@export("nn.conv2d", v1=[])
def conv2d(
    input: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Convolves a batch of images with a filter.

        output[b, i, j, k] =
            sum_{di, dj, q} input[b, strides[1] * i + di, strides[2] * j + dj, q] * filters[di, dj, q, k]

    Args:
      input: `[batch..., height, width, in]` (or as `data_format` says), float16, bfloat16, float32, float64 or int32.
      filters: `[height, width, in / groups, out]`, of the dtype of `input`. Fewer channels than `input` has make a
        grouped convolution.
      strides: an int, or a list of 1, 2 or 4 ints: the steps of the window.
      padding: "SAME", "VALID", or a list of 4 pairs (before, after), one for each dimension.
      data_format: "NHWC" or "NCHW".
      dilations: an int, or a list of 1, 2 or 4 ints: the steps between the filter's elements.

    Returns:
      `[batch..., out_height, out_width, out]` (or as `data_format` says), of the dtype of `input`.

    Raises:
      InvalidArgumentError: the depths of input and filter, or the sizes of image and window, do not fit.

    Example:
      >>> import penstock as tf
      >>> image = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
      >>> tf.nn.conv2d(image, tf.ones([2, 2, 1, 1]), strides=1, padding="VALID").numpy().ravel()
      array([ 8., 12., 20., 24.], dtype=float32)
    """
    form = layout(data_format or "NHWC")
    return _convolve(*matching(input, filters), window_attrs(form, strides, padding, dilations), name)  # type: ignore[arg-type,call-arg]


@export(v1=["nn.conv2d"])
def conv2d_v1(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """TF 1's `nn.conv2d`: as `tf.nn.conv2d`; the filter is named `filter` or `filters`."""
    filter = renamed(filters, filter, "filter and filters")
    return conv2d(input, filter, strides, padding, data_format, dilations, name)


@export("nn.conv3d", v1=[])
def conv3d(
    input: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NDHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Convolves a batch of volumes with a filter.

    Args:
      input: `[batch..., depth, height, width, in]` (or as `data_format` says), of a floating dtype.
      filters: `[depth, height, width, in / groups, out]`, of the dtype of `input`.
      strides: an int, or a list of 1, 3 or 5 ints.
      padding: "SAME", "VALID", or a list of 5 pairs (before, after).
      data_format: "NDHWC" or "NCDHW".
      dilations: an int, or a list of 1, 3 or 5 ints.

    Returns:
      `[batch..., out_depth, out_height, out_width, out]`, of the dtype of `input`.

    Example:
      >>> import penstock as tf
      >>> tf.nn.conv3d(tf.ones([1, 4, 4, 4, 2]), tf.ones([3, 3, 3, 2, 5]), 1, "VALID").shape
      TensorShape([1, 2, 2, 2, 5])
    """
    form = layout(data_format or "NDHWC")
    return _convolve(*matching(input, filters), window_attrs(form, strides, padding, dilations), name)  # type: ignore[arg-type,call-arg]


@export(v1=["nn.conv3d"])
def conv3d_v1(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NDHWC",
    dilations: Any = (1, 1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """TF 1's `nn.conv3d`: as `tf.nn.conv3d`; the filter is named `filter` or `filters`."""
    filter = renamed(filters, filter, "filter and filters")
    return conv3d(input, filter, strides, padding, data_format, dilations, name)


@export("nn.conv1d", v1=[])
def conv1d(
    input: Any,
    filters: Any,
    stride: Any,
    padding: Any,
    data_format: str = "NWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Convolves a batch of sequences with a filter.

    Args:
      input: `[batch..., width, in]` (or as `data_format` says), of a floating dtype.
      filters: `[width, in / groups, out]`, of the dtype of `input`.
      stride: an int, or a list of 1 or 3 ints.
      padding: "SAME", "VALID", or a list of 3 pairs (before, after).
      data_format: "NWC" or "NCW".
      dilations: an int, or a list of 1 or 3 ints.

    Returns:
      `[batch..., out_width, out]`, of the dtype of `input`.

    Example:
      >>> import penstock as tf
      >>> x = tf.constant([[[1.0], [2.0], [3.0]]])
      >>> tf.nn.conv1d(x, tf.ones([2, 1, 1]), stride=1, padding="SAME").numpy().ravel()
      array([3., 5., 3.], dtype=float32)
    """
    form = layout(_one_dimensional(data_format))
    x, w = matching(input, filters)
    attrs = window_attrs(form, stride, padding, dilations, "stride")
    return with_height(
        x, w, attrs, form, lambda image, filter, attrs: _convolve(image, filter, attrs, None), name
    )


def _one_dimensional(data_format: str | None) -> str:
    """TF 1 called the formats of sequences by those of images."""
    return {None: "NWC", "NHWC": "NWC", "NCHW": "NCW"}.get(data_format, data_format)


def with_height(
    x: Tensor,
    w: Tensor,
    attrs: dict,
    form: Layout,
    function: Callable[[Tensor, Tensor, dict], Tensor],
    name: str | None,
) -> Tensor:
    """Applies a two-dimensional convolution to sequences, as images of height 1."""
    height = form.spatial[0] - form.rank  # from the end: there may be more batch dimensions
    inserted = convert_to_tensor(height - 1)
    wide = layout(channels_format(form.data_format, 2))
    image_attrs = {
        **attrs,
        "data_format": wide.data_format,
        "strides": _insert(attrs["strides"], form.spatial[0]),
        "dilations": _insert(attrs["dilations"], form.spatial[0]),
    }
    if "explicit_paddings" in attrs:
        explicit = list(attrs["explicit_paddings"])
        explicit[2 * form.spatial[0] : 2 * form.spatial[0]] = [0, 0]
        image_attrs["explicit_paddings"] = explicit
    image = execute("ExpandDims", (x, inserted))
    filter = execute("ExpandDims", (w, convert_to_tensor(0)))
    return execute("Squeeze", (function(image, filter, image_attrs),), {"squeeze_dims": [height - 1]}, name)


def _insert(values: Sequence[int], position: int) -> list[int]:
    return [*values[:position], 1, *values[position:]]


@export(v1=["nn.conv1d"])
def conv1d_v1(
    value: Any = None,
    filters: Any = None,
    stride: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool | None = None,
    data_format: str | None = None,
    name: str | None = None,
    input: Any = None,
    dilations: Any = None,
) -> Tensor:
    """TF 1's `nn.conv1d`: as `tf.nn.conv1d`; the input is named `value` or `input`."""
    value = renamed(input, value, "value and input")
    return conv1d(value, filters, stride, padding, data_format or "NWC", dilations, name)


@export("nn.convolution", v1=[])
def convolution(
    input: Any,
    filters: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Convolves with a filter of one, two or three spatial dimensions.

    Args:
      input: `[batch..., space..., in]`, or `[batch, in, space...]` where `data_format` starts with "NC".
      filters: `[space..., in / groups, out]`; its rank says how many spatial dimensions there are.
      strides, dilations: an int, or a list with one for each spatial dimension; 1 where None.
      padding: "SAME", "VALID", or a list of pairs (before, after).

    Returns:
      A tensor with the rank of `input` and the dtype of `input`.

    Raises:
      ValueError: the filter's rank is unknown or not 3, 4 or 5; or both strides and dilations are larger than 1.

    Example:
      >>> import penstock as tf
      >>> tf.nn.convolution(tf.ones([1, 8, 2]), tf.ones([3, 2, 4]), strides=2, padding="SAME").shape
      TensorShape([1, 4, 4])
    """
    x, w = matching(input, filters)
    spatial = (w.shape.rank or 0) - 2
    if spatial not in (1, 2, 3):
        raise ValueError(
            "`filters` must have 1, 2 or 3 spatial dimensions, that is rank 3, 4 or 5. "
            f"Received: filters.shape={w.shape}"
        )
    data_format = channels_format(data_format, spatial)
    steps, rates = (sequence_for(each, layout(data_format), "strides") for each in (strides, dilations))
    if max(steps) > 1 and max(rates) > 1:
        raise ValueError(
            "`strides > 1` not supported in conjunction with `dilations > 1`; tf.nn.conv1d, conv2d and conv3d take both. "
            f"Received: strides={strides} and dilations={dilations}"
        )
    function = {1: conv1d, 2: conv2d, 3: conv3d}[spatial]
    return function(x, w, steps, padding, data_format, rates, name)


@export(v1=["nn.convolution"])
def convolution_v1(
    input: Any,
    filter: Any,
    padding: Any,
    strides: Any = None,
    dilation_rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """TF 1's `nn.convolution`: as `tf.nn.convolution`; dilations are named `dilation_rate` or `dilations`."""
    filter = renamed(filters, filter, "filter and filters")
    dilations = renamed(dilations, dilation_rate, "dilation_rate and dilations")
    return convolution(input, filter, strides, padding, data_format, dilations, name)


@export("nn.atrous_conv2d")
def atrous_conv2d(value: Any, filters: Any, rate: int, padding: Any, name: str | None = None) -> Tensor:
    """A two-dimensional convolution whose filter has `rate - 1` holes between its elements.

    Example:
      >>> import penstock as tf
      >>> tf.nn.atrous_conv2d(tf.ones([1, 9, 9, 1]), tf.ones([3, 3, 1, 1]), rate=2, padding="VALID").shape
      TensorShape([1, 5, 5, 1])
    """
    return conv2d(value, filters, 1, padding, "NHWC", [rate, rate], name)


@export("nn.with_space_to_batch")
def with_space_to_batch(
    input: Any,
    dilation_rate: Any,
    padding: str,
    op: Callable,
    filter_shape: Any = None,
    spatial_dims: Sequence[int] | None = None,
    data_format: str | None = None,
) -> Tensor:
    """Applies `op` to a space-to-batch form of `input`, which makes its windows dilated.

    Args:
      input: a tensor of rank > the largest of `spatial_dims`.
      dilation_rate: an int vector with one entry for each spatial dimension.
      padding: "SAME" (needs `filter_shape`) or "VALID".
      op: `op(input, num_spatial_dims, padding)`, called with the transformed tensor.
      filter_shape: the size of the window in each spatial dimension.
      spatial_dims: the dimensions to transform, ascending; by default those that `data_format` calls spatial.

    Raises:
      ValueError: a rate is not positive, `filter_shape` is missing, or `spatial_dims` do not fit.
    """
    from penstock.engine.static_value import constant_value

    x = convert_to_tensor(input)
    rates = constant_value(convert_to_tensor(dilation_rate, dtypes.int32))
    if rates is None:
        raise ValueError("dilation_rate must be known while the graph is built")
    rates = [int(each) for each in rates]
    if not rates or min(rates) < 1:
        raise ValueError(f"`dilation_rate` must be positive. Received: dilation_rate={rates}")
    count = len(rates)
    if spatial_dims is None:
        first = 2 if data_format is not None and data_format.startswith("NC") else 1
        spatial_dims = range(first, first + count)
    spatial_dims = list(spatial_dims)
    if len(spatial_dims) != count or spatial_dims != sorted(set(spatial_dims)) or spatial_dims[0] < 1:
        raise ValueError(
            f"`spatial_dims` must be {count} ascending positive dimensions. Received: {spatial_dims}"
        )
    if all(rate == 1 for rate in rates):
        return op(x, count, padding)
    pads = np.zeros((count, 2), np.int64)
    if padding == "SAME":
        if filter_shape is None:
            raise ValueError("`filter_shape` must be specified for `padding='SAME'`")
        sizes = constant_value(convert_to_tensor(filter_shape, dtypes.int32))
        extra = (np.asarray(sizes[:count], np.int64) - 1) * rates
        pads = np.stack([extra // 2, extra - extra // 2], 1)
    elif padding != "VALID":
        raise ValueError(f"`padding` must be either 'SAME' or 'VALID'. Received: padding={padding}")
    return _through_batch(x, rates, pads, spatial_dims, lambda inner: op(inner, count, "VALID"))


def _through_batch(
    x: Tensor, rates: Sequence[int], pads: np.ndarray, spatial_dims: Sequence[int], function: Callable
) -> Tensor:
    """Pads and moves space to batch, applies `function`, and undoes both."""
    # SpaceToBatchND transforms the dimensions 1 to last; those that are not asked for get block 1 and no padding.
    last = spatial_dims[-1]
    block = np.ones(last, np.int32)
    before = np.zeros((last, 2), np.int32)
    shape = execute("Shape", (x,))
    crop_ends = [convert_to_tensor(0)] * last
    pad_ends = [convert_to_tensor(0)] * last
    for rate, (start, end), dim in zip(rates, pads, spatial_dims):
        block[dim - 1] = rate
        before[dim - 1, 0] = start
        size = execute("Squeeze", (_slice(shape, dim, dim + 1),), {"squeeze_dims": [0]})
        total = execute("AddV2", (size, convert_to_tensor(int(start + end))))
        # Up to the next multiple of the rate; what is added for that is cropped again.
        rest = execute("FloorMod", (execute("Neg", (total,)), convert_to_tensor(rate)))
        crop_ends[dim - 1] = rest
        pad_ends[dim - 1] = execute("AddV2", (rest, convert_to_tensor(int(end))))
    zeros = [convert_to_tensor(0)] * last
    starts = [convert_to_tensor(int(each)) for each in before[:, 0]]
    paddings = _pairs(starts, pad_ends)
    inner = execute("SpaceToBatchND", (x, convert_to_tensor(block), paddings))
    return execute("BatchToSpaceND", (function(inner), convert_to_tensor(block), _pairs(zeros, crop_ends)))


def _pairs(firsts: Sequence[Tensor], seconds: Sequence[Tensor]) -> Tensor:
    return execute(
        "Pack", ([execute("Pack", (list(firsts),)), execute("Pack", (list(seconds),))],), {"axis": 1}
    )
