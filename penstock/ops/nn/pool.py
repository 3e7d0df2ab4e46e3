"""Public pooling functions: `tf.nn.max_pool`, `avg_pool`, their forms for each rank and for TF 1, and `pool`."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import renamed
from penstock.ops.nn.conv import with_space_to_batch
from penstock.ops.windows import Layout, channels_format, layout, padding_attrs, sequence_for
from penstock.types.tensors import Tensor

_OPS = {("MAX", 2): "MaxPool", ("MAX", 3): "MaxPool3D", ("AVG", 2): "AvgPool", ("AVG", 3): "AvgPool3D"}


def _pool(
    kind: str,
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str,
    spatial: int,
    name: str | None,
) -> Tensor:
    """Calls the op for inputs with `spatial` spatial dimensions; sequences are pooled as images of height 1."""
    form = layout(data_format)
    if len(form.spatial) != spatial:
        raise ValueError(f"data_format {data_format!r} does not fit inputs with {spatial} spatial dimensions")
    x = convert_to_tensor(input)
    ksize, strides = sequence_for(ksize, form, "ksize"), sequence_for(strides, form, "strides")
    window = padding_attrs(padding, form)
    if "explicit_paddings" in window and (kind, spatial) not in (("MAX", 1), ("MAX", 2)):
        raise TypeError(
            f"Expected string for argument 'padding' not {padding!r}: only max_pool of images takes pairs."
        )
    if spatial > 1:
        attrs = {"ksize": ksize, "strides": strides, "data_format": data_format, **window}
        return execute(_OPS[kind, spatial], (x,), attrs, name)
    return _pool_sequences(kind, x, ksize, strides, window, form, name)


def _pool_sequences(
    kind: str, x: Tensor, ksize: list[int], strides: list[int], window: dict, form: Layout, name: str | None
) -> Tensor:
    axis = form.spatial[0]
    if "explicit_paddings" in window:
        explicit = window["explicit_paddings"]
        window = {**window, "explicit_paddings": [*explicit[: 2 * axis], 0, 0, *explicit[2 * axis :]]}
    attrs = {
        "ksize": [*ksize[:axis], 1, *ksize[axis:]],
        "strides": [*strides[:axis], 1, *strides[axis:]],
        "data_format": channels_format(form.data_format, 2),
        **window,
    }
    pooled = execute(_OPS[kind, 2], (execute("ExpandDims", (x, convert_to_tensor(axis))),), attrs)
    return execute("Squeeze", (pooled,), {"squeeze_dims": [axis]}, name)


def _pool_by_rank(
    kind: str, input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None, name: str | None
) -> Tensor:
    x = convert_to_tensor(input)
    rank = x.shape.rank
    if rank is None:
        if data_format is None:
            raise ValueError("`input` must have a static shape or `data_format` must be given.")
        rank = len(data_format)
    if rank not in (3, 4, 5):
        raise ValueError(
            f"`input.shape.rank` must be 3, 4 or 5. Received: input.shape={x.shape} of rank {rank}."
        )
    return _pool(kind, x, ksize, strides, padding, channels_format(data_format, rank - 2), rank - 2, name)


@export("nn.max_pool", v1=["nn.max_pool_v2"])
def max_pool(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The largest element of each window, for inputs of one, two or three spatial dimensions.

    Args:
      input: `[batch, space..., channels]` (or as `data_format` says) of rank 3, 4 or 5 and a real dtype.
      ksize: an int, or a list with 1 entry, one for each spatial dimension, or one for each: the size of the window.
      strides: the steps of the window, in the same forms.
      padding: "SAME", "VALID", or for images and sequences a list of pairs (before, after) for each dimension.
      data_format: "N...C" or "NC...".

    Returns:
      The pooled tensor, of the dtype of `input`.

    Raises:
      ValueError: the rank is another one.
      InvalidArgumentError: a window does not fit into the input.

    Example:
      >>> import penstock as tf
      >>> image = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> tf.nn.max_pool(image, ksize=2, strides=2, padding="VALID").numpy().ravel()
      array([ 5.,  7., 13., 15.], dtype=float32)
    """
    return _pool_by_rank("MAX", input, ksize, strides, padding, data_format, name)


@export("nn.avg_pool", v1=["nn.avg_pool_v2"])
def avg_pool(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The mean of each window, for inputs of one, two or three spatial dimensions. Padding does not count.

    Args:
      input: `[batch, space..., channels]` (or as `data_format` says) of rank 3, 4 or 5 and a floating dtype.
      ksize: an int, or a list with 1 entry, one for each spatial dimension, or one for each: the size of the window.
      strides: the steps of the window, in the same forms.
      padding: "SAME" or "VALID".
      data_format: "N...C" or "NC...".

    Returns:
      The pooled tensor, of the dtype of `input`.

    Raises:
      ValueError: the rank is another one.
      InvalidArgumentError: a window does not fit into the input.

    Example:
      >>> import penstock as tf
      >>> image = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> tf.nn.avg_pool(image, ksize=2, strides=2, padding="VALID").numpy().ravel()
      array([ 2.5,  4.5, 10.5, 12.5], dtype=float32)
    """
    return _pool_by_rank("AVG", input, ksize, strides, padding, data_format, name)


@export("nn.max_pool1d")
def max_pool1d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NWC", name: str | None = None
) -> Tensor:
    """`tf.nn.max_pool` for `[batch, width, channels]` or `[batch, channels, width]`."""
    return _pool("MAX", input, ksize, strides, padding, data_format or "NWC", 1, name)


@export("nn.max_pool2d")
def max_pool2d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NHWC", name: str | None = None
) -> Tensor:
    """`tf.nn.max_pool` for `[batch, height, width, channels]` or `[batch, channels, height, width]`."""
    return _pool("MAX", input, ksize, strides, padding, data_format or "NHWC", 2, name or "MaxPool2d")


@export("nn.max_pool3d")
def max_pool3d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NDHWC", name: str | None = None
) -> Tensor:
    """`tf.nn.max_pool` for `[batch, depth, height, width, channels]` or `[batch, channels, depth, height, width]`."""
    return _pool("MAX", input, ksize, strides, padding, data_format or "NDHWC", 3, name)


@export("nn.avg_pool1d")
def avg_pool1d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NWC", name: str | None = None
) -> Tensor:
    """`tf.nn.avg_pool` for `[batch, width, channels]` or `[batch, channels, width]`."""
    return _pool("AVG", input, ksize, strides, padding, data_format or "NWC", 1, name)


@export("nn.avg_pool2d", v1=[])
def avg_pool2d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NHWC", name: str | None = None
) -> Tensor:
    """`tf.nn.avg_pool` for `[batch, height, width, channels]` or `[batch, channels, height, width]`."""
    return _pool("AVG", input, ksize, strides, padding, data_format or "NHWC", 2, name)


@export("nn.avg_pool3d")
def avg_pool3d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NDHWC", name: str | None = None
) -> Tensor:
    """`tf.nn.avg_pool` for `[batch, depth, height, width, channels]` or `[batch, channels, depth, height, width]`."""
    return _pool("AVG", input, ksize, strides, padding, data_format or "NDHWC", 3, name)


@export(v1=["nn.max_pool"])
def max_pool_v1(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """TF 1's `nn.max_pool`: for images; the input is named `value` or `input`."""
    return max_pool2d(renamed(input, value, "value and input"), ksize, strides, padding, data_format, name)


@export(v1=["nn.avg_pool", "nn.avg_pool2d"])
def avg_pool_v1(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """TF 1's `nn.avg_pool`: for images; the input is named `value` or `input`."""
    return avg_pool2d(renamed(input, value, "value and input"), ksize, strides, padding, data_format, name)


@export("nn.pool", v1=[])
def pool(
    input: Any,
    window_shape: Any,
    pooling_type: str,
    strides: Any = None,
    padding: str = "VALID",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Pooling over one, two or three spatial dimensions, with dilated windows if asked for.

    Args:
      input: `[batch, space..., channels]`, or `[batch, channels, space...]` where `data_format` starts with "NC".
      window_shape: the size of the window in each spatial dimension.
      pooling_type: "MAX" or "AVG".
      strides, dilations: one int for each spatial dimension; 1 where None. Only one of them may be larger than 1.
      padding: "SAME" or "VALID".

    Returns:
      The pooled tensor, of the dtype of `input`.

    Raises:
      ValueError: an argument has the wrong length or value.

    Example:
      >>> import penstock as tf
      >>> tf.nn.pool(tf.ones([1, 8, 2]), [2], "MAX", strides=[2]).shape
      TensorShape([1, 4, 2])
    """
    x = convert_to_tensor(input)
    window = [int(each) for each in (window_shape if hasattr(window_shape, "__len__") else [window_shape])]
    spatial = len(window)
    if spatial not in (1, 2, 3):
        raise ValueError(f"`len(window_shape)` must be 1, 2 or 3. Received: window_shape={window_shape}")
    if x.shape.rank not in (None, spatial + 2):
        raise ValueError(
            "`input.shape.rank` must be `len(window_shape) + 2`. "
            f"Received: input.shape={x.shape} of rank {x.shape.rank} and window_shape={window}"
        )
    if pooling_type not in ("MAX", "AVG"):
        raise ValueError(f"`pooling_type` must be 'MAX' or 'AVG'. Received: pooling_type={pooling_type!r}")
    steps, rates = _spatial(strides, spatial, "strides"), _spatial(dilations, spatial, "dilations")
    if any(step > 1 for step in steps) and any(rate > 1 for rate in rates):
        raise ValueError(
            f"`strides > 1` not supported in conjunction with `dilations > 1`. Received: {steps} and {rates}"
        )
    data_format = channels_format(data_format, spatial)
    if all(rate == 1 for rate in rates):
        return _pool(pooling_type, x, window, steps, padding, data_format, spatial, name)

    def undilated(inner: Tensor, _: int, inner_padding: str) -> Tensor:
        return _pool(pooling_type, inner, window, steps, inner_padding, data_format, spatial, None)

    spatial_dims = layout(data_format).spatial
    return with_space_to_batch(x, rates, padding, undilated, filter_shape=window, spatial_dims=spatial_dims)


def _spatial(values: Any, spatial: int, name: str) -> list[int]:
    if values is None:
        return [1] * spatial
    values = [int(each) for each in (values if hasattr(values, "__len__") else [values])]
    if len(values) == 1:
        values = values * spatial
    if len(values) != spatial:
        raise ValueError(f"`len({name})` must be {spatial}. Received: {name}={values}")
    if min(values) < 1:
        raise ValueError(f"all values of `{name}` must be positive. Received: {name}={values}")
    return values


@export(v1=["nn.pool"])
def pool_v1(
    input: Any,
    window_shape: Any,
    pooling_type: str,
    padding: str,
    dilation_rate: Any = None,
    strides: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """TF 1's `nn.pool`: as `tf.nn.pool`; dilations are named `dilation_rate` or `dilations`."""
    dilations = renamed(dilations, dilation_rate, "dilation_rate and dilations")
    return pool(input, window_shape, pooling_type, strides, padding, data_format, dilations, name)
