"""FusedBatchNorm, V2 and V3, and their gradient ops: batch normalization of images and volumes in one op.

    y = (x - mean) * rsqrt(variance + epsilon) * scale + offset

In training mean and variance are those of the batch, else they are given. All is computed in float32; the reserved
outputs are the mean and the (biased) variance that were used, as TensorFlow's CPU kernels keep them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.dtype_sets import FLOATS
from penstock.ops.nn import native_channels
from penstock.ops.windows import layout
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_HALF_OR_SINGLE = FLOATS - {dtypes.float64}


def _channel(rank: int, data_format: str) -> int:
    form = layout(data_format)
    if rank == form.rank + 1:  # volumes may come with the names of images
        return 1 if form.channel == 1 else rank - 1
    if rank != form.rank:
        raise ValueError(f"x must have rank {form.rank} for data_format {data_format!r}, got {rank}")
    return form.channel


def _reduced_axes(x: Any, channel: int) -> tuple[int, ...]:
    return tuple(i for i in range(x.ndim) if i != channel)


def _aligned(values: Any, rank: int, channel: int) -> Any:
    """One number for each channel, shaped to broadcast with the images."""
    return values.reshape([-1 if i == channel else 1 for i in range(rank)])


def _mean(xp: Any, x: Any, axes: tuple[int, ...]) -> Any:
    count = np.prod([x.shape[i] for i in axes])
    return xp.sum(x, axis=axes) / np.float32(max(count, 1))


def _moments(xp: Any, x: Any, channel: int) -> tuple[Any, Any]:
    """The mean and the biased variance of each channel, float32."""
    found = native_channels.moments(x) if xp is not np and channel == x.ndim - 1 else None
    if found is not None:
        return tuple(found)
    values, axes = x.astype(np.float32), _reduced_axes(x, channel)
    mean = _mean(xp, values, axes)
    return mean, _mean(xp, xp.square(values - _aligned(mean, x.ndim, channel)), axes)


def _sums(xp: Any, x: Any, dy: Any, mean: Any, channel: int) -> tuple[Any, Any]:
    """For each channel the sum of `dy`, and that of `dy * (x - mean)`, float32."""
    mean = mean.astype(np.float32)
    found = native_channels.sums(x, dy, mean) if xp is not np and channel == x.ndim - 1 else None
    if found is not None:
        return tuple(found)
    wide, axes = dy.astype(np.float32), _reduced_axes(x, channel)
    centred = x.astype(np.float32) - _aligned(mean, x.ndim, channel)
    return xp.sum(wide, axis=axes), xp.sum(wide * centred, axis=axes)


def _normalize(
    xp: Any, x: Any, scale: Any, offset: Any, mean: Any, variance: Any, *,
    epsilon: float, exponential_avg_factor: float, data_format: str, is_training: bool,
) -> tuple:  # fmt: skip
    channel = _channel(x.ndim, data_format)
    for name, values in (("scale", scale), ("offset", offset)):
        if values.shape != x.shape[channel : channel + 1]:
            raise ValueError(
                f"{name} must have one entry for each channel: {list(values.shape)} vs {list(x.shape)}"
            )
    kind, single = scale.dtype, np.float32
    values, axes = x.astype(single), _reduced_axes(x, channel)
    running_mean, running_variance = mean, variance
    if is_training:
        count = np.prod([x.shape[i] for i in axes])
        used_mean, used_variance = _moments(xp, x, channel)
        centred = values - _aligned(used_mean, x.ndim, channel)
        unbiased = used_variance * single(count / max(count - 1, 1))
        if count == 0:
            running_mean = running_variance = xp.full(used_mean.shape, np.nan, single)
        elif exponential_avg_factor == 1:
            running_mean, running_variance = used_mean, unbiased
        else:
            kept, new = single(1 - exponential_avg_factor), single(exponential_avg_factor)
            running_mean = mean * kept + used_mean * new
            running_variance = variance * kept + unbiased * new
    else:
        used_mean, used_variance = mean.astype(single), variance.astype(single)
        centred = values - _aligned(used_mean, x.ndim, channel)
    factor = scale.astype(single) / xp.sqrt(used_variance + single(epsilon))
    y = centred * _aligned(factor, x.ndim, channel) + _aligned(offset.astype(single), x.ndim, channel)
    outputs = (running_mean, running_variance, used_mean, used_variance)
    return (y.astype(x.dtype), *(each.astype(kind) for each in outputs))


def _normalize_gradient(
    xp: Any, dy: Any, x: Any, scale: Any, mean: Any, variance: Any, *,
    epsilon: float, data_format: str, is_training: bool,
) -> tuple:  # fmt: skip
    channel = _channel(x.ndim, data_format)
    single, axes = np.float32, _reduced_axes(x, channel)

    def align(values: Any) -> Any:
        return _aligned(values.astype(single), x.ndim, channel)

    wide = dy.astype(single)
    inverse = 1 / xp.sqrt(variance.astype(single) + single(epsilon))
    normalized = (x.astype(single) - align(mean)) * align(inverse)
    d_offset, products = _sums(xp, x, dy, mean, channel)
    d_scale = products * inverse
    if is_training:
        count = single(max(np.prod([x.shape[i] for i in axes]), 1))
        wide = wide - align(d_offset / count) - normalized * align(d_scale / count)
    dx = wide * align(scale.astype(single) * inverse)
    kind = mean.dtype
    return dx.astype(x.dtype), d_scale.astype(kind), d_offset.astype(kind)


def _shapes(reserved: int) -> Callable[[ShapeCall], list[TensorShape]]:
    def rule(call: ShapeCall) -> list[TensorShape]:
        x, channels = call.shape(0), call.shape(1)
        if x.rank is not None:
            channel = _channel(x.rank, call.attrs["data_format"])
            try:
                channels = channels.merge_with(call.shape(2)).merge_with(x[channel : channel + 1])
            except ValueError:
                raise call.error("scale and offset must have one entry for each channel") from None
            dims = x.as_list()
            dims[channel] = channels.as_list()[0]
            x = TensorShape(dims)
        return [x, *[channels.with_rank(1)] * 4, *[TensorShape([])] * (reserved - 2)]

    return rule


def _gradient_shapes(call: ShapeCall) -> list[TensorShape]:
    channels = call.shape(2).with_rank(1)
    return [call.shape(0).merge_with(call.shape(1)), channels, channels, TensorShape([0]), TensorShape([0])]


def _with_reserved(count: int) -> Callable:
    """V3 has one more reserved output, which only GPUs use."""

    def kernel(xp: Any, *inputs: Any, **attrs: Any) -> tuple:
        outputs = _normalize(xp, *inputs, **attrs)
        return outputs if count == 2 else (*outputs, xp.zeros((), outputs[1].dtype))

    return kernel


def _gradient_kernel(
    xp: Any, dy: Any, x: Any, scale: Any, mean: Any, variance: Any, *reserved: Any, **attrs: Any
) -> tuple:
    gradients = _normalize_gradient(xp, dy, x, scale, mean, variance, **attrs)
    unused = xp.zeros((0,), mean.dtype)
    return (*gradients, unused, unused)


def _gradient_of_normalize(gradient_op: str) -> Callable:
    def rule(op: Any, dy: Tensor | None, *_: Any) -> list:
        if dy is None:  # only the statistics were used: no gradient flows from them, as in TensorFlow
            return [None] * 5
        x, scale, _, mean, variance = op.inputs
        reserved = list(op.outputs[3:]) if op.attrs["is_training"] else [mean, variance, *op.outputs[5:]]
        attrs = {name: op.attrs[name] for name in ("epsilon", "data_format", "is_training")}
        if gradient_op != "FusedBatchNormGrad" and scale.dtype is not dtypes.float32:
            scale = execute("Cast", (scale,), {"DstT": dtypes.float32})
        dx, d_scale, d_offset, *_ = execute(gradient_op, (dy, x, scale, *reserved), attrs)
        return [dx, d_scale, d_offset, None, None]

    rule.accepts_none = True  # type: ignore[attr-defined]
    return rule


def _second_gradient(op: Any, ddx: Tensor, dd_scale: Tensor, dd_offset: Tensor, *_: Any) -> list:
    """The gradient of the gradient op.

    With n the normalized x, r the inverse deviation, and P(v) = v - mean(v) - n mean(v n) (in inference P(v) = v), the
    op gives dx = scale r P(dy), d_scale = sum(dy n), d_offset = sum(dy). In training n and r depend on x, and the
    derivative of n along v is r P(v).
    """
    dy, x, scale, mean, variance = op.inputs[:5]
    rank = x.shape.rank or layout(op.attrs["data_format"]).rank
    channel = _channel(rank, op.attrs["data_format"])
    axes = convert_to_tensor([i for i in range(rank) if i != channel])
    target = convert_to_tensor([-1 if i == channel else 1 for i in range(rank)])

    def wide(values: Tensor) -> Tensor:
        return (
            values if values.dtype is dtypes.float32 else execute("Cast", (values,), {"DstT": dtypes.float32})
        )

    def align(values: Tensor) -> Tensor:
        return execute("Reshape", (wide(values), target))

    def total(values: Tensor) -> Tensor:
        return execute("Sum", (values, axes), {"keep_dims": True})

    dy, x, a = wide(dy), wide(x), wide(ddx)
    b, c, g = align(dd_scale), align(dd_offset), align(scale)
    r = execute("Rsqrt", (align(variance) + op.attrs["epsilon"],))
    n = (x - align(mean)) * r
    if op.attrs["is_training"]:
        count = total(execute("OnesLike", (x,)))

        def project(v: Tensor) -> Tensor:
            return v - total(v) / count - n * (total(v * n) / count)

        inner = total(a * project(dy))
        d_dy = g * r * project(a) + b * n + c
        d_n = b * dy - g * r * (a * (total(dy * n) / count) + dy * (total(a * n) / count))
        d_x = r * project(d_n) - g * inner * r * r * n / count
    else:
        inner = total(a * dy)
        d_dy = g * r * a + b * n + c
        d_x = b * r * dy
    d_scale = execute("Reshape", (r * inner, convert_to_tensor([-1])))
    gradients = [_like(each, like) for each, like in zip((d_dy, d_x, d_scale), op.inputs)]
    return [*gradients, *[None] * (len(op.inputs) - 3)]


def _like(gradient: Tensor, operand: Tensor) -> Tensor:
    return (
        gradient if gradient.dtype is operand.dtype else execute("Cast", (gradient,), {"DstT": operand.dtype})
    )


_ATTRS = "epsilon=0.0001, exponential_avg_factor=1.0, data_format='NHWC', is_training=True"
_GRADIENT_ATTRS = "epsilon=0.0001, data_format='NHWC', is_training=True"

# suffix, dtype of the statistics, dtype letter of `scale` in the gradient op, reserved outputs.
for _suffix, _u, _scale, _reserved in (
    ("", "T", "T", 2),
    ("V2", "U", "float32", 2),
    ("V3", "U", "float32", 3),
):
    _statistics = ", ".join(f"{name}: {_u}" for name in ("scale", "offset", "mean", "variance"))
    _spaces = ", ".join(f"reserve_space_{i + 1}: {_u}" for i in range(_reserved))
    _types = {
        "T": _HALF_OR_SINGLE,
        **({"U": frozenset({dtypes.float32, dtypes.bfloat16})} if _u == "U" else {}),
    }
    op(
        f"FusedBatchNorm{_suffix}(x: T, {_statistics}; {_ATTRS}) -> "
        f"(y: T, batch_mean: {_u}, batch_variance: {_u}, {_spaces})",
        _with_reserved(_reserved),
        shape=_shapes(_reserved),
        gradient=_gradient_of_normalize(f"FusedBatchNormGrad{_suffix}"),
        types=_types,
    )
    op(
        f"FusedBatchNormGrad{_suffix}(y_backprop: T, x: T, scale: {_scale}, {_spaces}; {_GRADIENT_ATTRS}) -> "
        f"(x_backprop: T, scale_backprop: {_u}, offset_backprop: {_u}, "
        f"reserve_space_{_reserved + 1}: {_u}, reserve_space_{_reserved + 2}: {_u})",
        _gradient_kernel,
        shape=_gradient_shapes,
        gradient=_second_gradient,
        types=_types,
    )


@export(v1=["nn.fused_batch_norm"])
def fused_batch_norm(
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 0.001,
    data_format: str = "NHWC",
    is_training: bool = True,
    name: str | None = None,
    exponential_avg_factor: float = 1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalization in one op.

    Args:
      x: `[batch, height, width, channels]` (or as `data_format` says), float16, bfloat16 or float32.
      scale, offset: one number for each channel, float32.
      mean, variance: the statistics to normalize with where `is_training` is False; the running averages that
        `exponential_avg_factor` updates where it is True.
      epsilon: added to the variance; at least 1.001e-5.
      exponential_avg_factor: the weight of the batch in the running averages.

    Returns:
      The normalized batch, and the (running) mean and variance.

    Raises:
      ValueError: `mean` or `variance` is missing where it is needed.

    Example:
      >>> import penstock as tf
      >>> x = tf.reshape(tf.range(4.0), [1, 2, 2, 1])
      >>> y, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, scale=[1.0], offset=[0.0])
      >>> mean.numpy()
      array([1.5], dtype=float32)
    """
    if (not is_training or exponential_avg_factor != 1.0) and (mean is None or variance is None):
        raise ValueError(
            "Both `mean` and `variance` must be a 1D tensor when `is_training` is False or "
            f"`exponential_avg_factor` != 1.0. Received: mean={mean}, variance={variance}"
        )
    x = convert_to_tensor(x)
    scale, offset = convert_to_tensor(scale, dtypes.float32), convert_to_tensor(offset, dtypes.float32)
    empty = np.zeros((0,), np.float32)
    mean = convert_to_tensor(empty if mean is None else mean, dtypes.float32)
    variance = convert_to_tensor(empty if variance is None else variance, dtypes.float32)
    attrs = {
        "epsilon": max(epsilon, 1.001e-5),  # the smallest that cuDNN takes
        "exponential_avg_factor": exponential_avg_factor,
        "data_format": data_format,
        "is_training": is_training,
    }
    y, batch_mean, batch_variance, *_ = execute(
        "FusedBatchNormV3", (x, scale, offset, mean, variance), attrs, name
    )
    return y, batch_mean, batch_variance
