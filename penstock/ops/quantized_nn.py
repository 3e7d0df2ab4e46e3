"""Pools, convolutions and rectifiers of quantized numbers, computed in integers.

An integer stands for a real number of the range that goes with it: the lowest integer for the lower end, the highest
for the upper. The integer of 0 is the offset that a convolution subtracts, and where a rectifier cuts.
"""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.xla import jnp, lax
from penstock.ops.nn.conv_ops import convolution_shape, convolve
from penstock.ops.nn.pool_ops import pool_shape, pool_windows, reduce_windows
from penstock.ops.quantization import round_away
from penstock.ops.windows import layout, spatial_windows
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_F32 = np.float32
_NHWC = {"data_format": "NHWC"}
_KINDS = dtypes.QUANTIZED_DTYPES
_SCALAR = TensorShape([])


def _bounds(dtype: Any) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _integer_of(xp: Any, value: Any, low: Any, high: Any, dtype: Any) -> Any:
    """The place of a real number among the integers of a range, which it may lie outside of."""
    lowest, highest = _bounds(dtype)
    kind = np.float64 if dtype.itemsize > 2 else _F32  # float32 does not hold all integers of 32 bits
    low, high = xp.asarray(low, kind), xp.asarray(high, kind)
    factor = kind(highest - lowest) / xp.where(high == low, kind(1), high - low)
    found = round_away(xp, xp.asarray(value, kind) * factor) - round_away(xp, low * factor) + kind(lowest)
    return xp.where(high == low, kind(0), found)


# Pools.


def _average(x: Any, low: Any, high: Any, **attrs: Any) -> list:
    windows = pool_windows(x.ndim, attrs | _NHWC)
    pads = windows.pads(x.shape)
    zero = np.int32(0)
    sums = reduce_windows(x.astype(np.int32), zero, lax.add, windows, pads)
    counts = reduce_windows(jnp.ones(x.shape, np.int32), zero, lax.add, windows, pads)
    return [jnp.rint(sums / counts).astype(x.dtype), low, high]


def _maximum(x: Any, low: Any, high: Any, **attrs: Any) -> list:
    windows = pool_windows(x.ndim, attrs | _NHWC)
    least = np.asarray(_bounds(x.dtype)[0], x.dtype)
    return [reduce_windows(x, least, lax.max, windows, windows.pads(x.shape)), low, high]


def _as_nhwc(call: ShapeCall) -> ShapeCall:
    """The call of the op that has a data format."""
    return ShapeCall(call.definition, call.inputs, call.attrs | _NHWC)


for _name, _kernel in (("QuantizedAvgPool", _average), ("QuantizedMaxPool", _maximum)):
    op(
        f"{_name}(input: T, min_input: float32, max_input: float32; ksize, strides, padding) "
        "-> (output: T, min_output: float32, max_output: float32)",
        xla=_kernel,
        shape=lambda call: [pool_shape(_as_nhwc(call)), _SCALAR, _SCALAR],
        types={"T": _KINDS},
    )


# Convolution.


def _convolution(
    x: Any, w: Any, min_x: Any, max_x: Any, min_w: Any, max_w: Any, *, out_type: DType, **attrs: Any
) -> list:
    form = layout("NHWC")
    window = spatial_windows(attrs | _NHWC, w.shape[:2], form)
    centred = x.astype(np.int32) - _integer_of(jnp, 0, min_x, max_x, x.dtype).astype(np.int32)
    weights = w.astype(np.int32) - _integer_of(jnp, 0, min_w, max_w, w.dtype).astype(np.int32)
    step = _step(min_x, max_x, x.dtype) * _step(min_w, max_w, w.dtype)
    lowest, highest = _bounds(out_type.np_dtype)
    found = convolve(centred, weights, form, window)
    return [found.astype(out_type.np_dtype), step * _F32(lowest), step * _F32(highest)]


def _step(low: Any, high: Any, dtype: Any) -> Any:
    """How far apart the reals of two adjacent integers are."""
    lowest, highest = _bounds(dtype)
    return (high - low) / _F32(highest - lowest)


op(
    "QuantizedConv2D(input: Tinput, filter: Tfilter, min_input: float32, max_input: float32, min_filter: float32, "
    "max_filter: float32; out_type=qint32, strides, padding, dilations=[1, 1, 1, 1]) "
    "-> (output: out_type, min_output: float32, max_output: float32)",
    xla=_convolution,
    shape=lambda call: [convolution_shape(_as_nhwc(call)), _SCALAR, _SCALAR],
    types={"Tinput": _KINDS, "Tfilter": _KINDS, "out_type": _KINDS},
)


# Rectifiers.


def _clipped(xp: Any, x: Any, top: Any, low: Any, high: Any, out_type: DType) -> list:
    """Numbers kept between 0 and `top`, both rounded to the integers of the range."""
    bounds = _bounds(x.dtype)
    floor = xp.clip(_integer_of(xp, 0, low, high, x.dtype), *bounds)
    ceiling = bounds[1] if top is None else xp.clip(_integer_of(xp, top, low, high, x.dtype), *bounds)
    return [xp.clip(x.astype(np.float64), floor, ceiling).astype(out_type.np_dtype), low, high]


def _like_features(call: ShapeCall) -> list[TensorShape]:
    return [call.shape(0), _SCALAR, _SCALAR]


def _define_rectifier(name: str, top: float | None) -> None:
    op(
        f"{name}(features: Tinput, min_features: float32, max_features: float32; out_type=quint8) "
        "-> (activations: out_type, min_activations: float32, max_activations: float32)",
        lambda xp, x, low, high, *, out_type: _clipped(xp, x, top, low, high, out_type),
        shape=_like_features,
        types={"Tinput": _KINDS, "out_type": _KINDS},
    )


_define_rectifier("QuantizedRelu", None)
_define_rectifier("QuantizedRelu6", 6.0)
op(
    "QuantizedReluX(features: Tinput, max_value: float32, min_features: float32, max_features: float32; "
    "out_type=quint8) -> (activations: out_type, min_activations: float32, max_activations: float32)",
    lambda xp, x, top, low, high, *, out_type: _clipped(xp, x, top, low, high, out_type),
    shape=_like_features,
    types={"Tinput": _KINDS, "out_type": _KINDS},
)


# The functions.

QuantizedAvgPool = collections.namedtuple("QuantizedAvgPool", ["output", "min_output", "max_output"])
QuantizedMaxPool = collections.namedtuple("QuantizedMaxPool", QuantizedAvgPool._fields)
QuantizedConv2D = collections.namedtuple("QuantizedConv2D", QuantizedAvgPool._fields)
QuantizedReluX = collections.namedtuple(
    "QuantizedReluX", ["activations", "min_activations", "max_activations"]
)


def _reals(*values: Any) -> tuple[Tensor, ...]:
    return tuple(convert_to_tensor(value, dtypes.float32) for value in values)


@export(v1=["nn.quantized_avg_pool"])
def quantized_avg_pool(
    input: Any,
    min_input: Any,
    max_input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    name: str | None = None,
) -> QuantizedAvgPool:
    """The mean of each window of quantized numbers, rounded to an integer.

    Args:
      input: `[batch, height, width, channels]` of a quantized dtype.
      min_input, max_input: the range of the integers, which is the result's too.
      ksize, strides: one number for each axis.
      padding: "SAME" or "VALID".

    Example:
      >>> import penstock as tf
      >>> x = tf.quantization.quantize([[[[0.0]], [[1.0]]]], 0.0, 1.0, tf.quint8).output
      >>> tf.compat.v1.nn.quantized_avg_pool(x, 0.0, 1.0, [1, 2, 1, 1], [1, 2, 1, 1], "VALID").output.numpy().item()
      128
    """
    attrs = {"ksize": list(ksize), "strides": list(strides), "padding": padding}
    inputs = (convert_to_tensor(input), *_reals(min_input, max_input))
    return QuantizedAvgPool(*execute("QuantizedAvgPool", inputs, attrs, name))


@export(v1=["nn.quantized_max_pool"])
def quantized_max_pool(
    input: Any,
    min_input: Any,
    max_input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    name: str | None = None,
) -> QuantizedMaxPool:
    """The largest number of each window of quantized ones; arguments as of `quantized_avg_pool`."""
    attrs = {"ksize": list(ksize), "strides": list(strides), "padding": padding}
    inputs = (convert_to_tensor(input), *_reals(min_input, max_input))
    return QuantizedMaxPool(*execute("QuantizedMaxPool", inputs, attrs, name))


@export(v1=["nn.quantized_conv2d"])
def quantized_conv2d(
    input: Any,
    filter: Any,
    min_input: Any,
    max_input: Any,
    min_filter: Any,
    max_filter: Any,
    strides: Any,
    padding: str,
    out_type: Any = dtypes.qint32,
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> QuantizedConv2D:
    """The convolution of quantized numbers, summed in 32 bits.

    Args:
      input: `[batch, height, width, channels]` of a quantized dtype.
      filter: `[height, width, channels, out]` of a quantized dtype.
      min_input, max_input, min_filter, max_filter: the ranges of the two.
      strides, dilations: one number for each axis.
      padding: "SAME" or "VALID".
      out_type: the dtype of the sums.

    Returns:
      `(output, min_output, max_output)`: sums of products, and the range of all integers of `out_type`.
    """
    attrs = {
        "out_type": as_dtype(out_type), "strides": list(strides), "padding": padding, "dilations": list(dilations),
    }  # fmt: skip
    limits = _reals(min_input, max_input, min_filter, max_filter)
    inputs = (convert_to_tensor(input), convert_to_tensor(filter), *limits)
    return QuantizedConv2D(*execute("QuantizedConv2D", inputs, attrs, name))


@export(v1=["nn.quantized_relu_x"])
def quantized_relu_x(
    features: Any,
    max_value: Any,
    min_features: Any,
    max_features: Any,
    out_type: Any = dtypes.quint8,
    name: str | None = None,
) -> QuantizedReluX:
    """Quantized numbers kept between 0 and `max_value`, in the range that they are given with."""
    inputs = (convert_to_tensor(features), *_reals(max_value, min_features, max_features))
    return QuantizedReluX(*execute("QuantizedReluX", inputs, {"out_type": as_dtype(out_type)}, name))
