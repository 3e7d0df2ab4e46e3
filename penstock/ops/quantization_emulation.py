"""Quantization that stays in floating point: quantize_and_dequantize rounds numbers to those of a quantized dtype.

Networks are trained with it, so that they stand the loss of precision; the gradient passes as if nothing was rounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, unchanged
from penstock.engine.static_value import static_int
from penstock.ops.arguments import matching
from penstock.ops.dtype_sets import FLOATS
from penstock.ops.quantization import along, text
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _emulate(
    xp: Any,
    x: Any,
    input_min: Any,
    input_max: Any,
    *,
    signed_input: bool,
    num_bits: int,
    range_given: bool,
    round_mode: Any,
    narrow_range: bool,
    axis: int,
) -> Any:
    round_mode = text(round_mode)
    if round_mode not in ("HALF_TO_EVEN", "HALF_UP"):
        raise ValueError(f"Round mode must be one of HALF_TO_EVEN and HALF_UP, got {round_mode!r}")
    if not 0 < num_bits < (63 if signed_input else 64):
        raise ValueError(f"num_bits is out of range: {num_bits} with signed_input {signed_input}")
    if axis != -1 and not 0 <= axis < np.ndim(x):
        raise ValueError(
            f"axis should be -1 or a dimension of the input, got {axis} for shape {list(np.shape(x))}"
        )
    low, high = _range(xp, x, input_min, input_max, range_given, axis)
    least = -(2 ** (num_bits - 1)) + int(narrow_range) if signed_input else 0
    most = 2 ** (num_bits - 1) - 1 if signed_input else 2**num_bits - 1
    kind = x.dtype.type
    infinite, one = (
        np.asarray(np.finfo(np.float32).max if x.dtype.itemsize < 8 else np.finfo(np.float64).max),
        kind(1),
    )
    infinite = infinite.astype(np.float32 if x.dtype.itemsize <= 4 else np.float64)
    below = xp.where(least * low > 0, kind(least) / xp.where(low == 0, one, low), infinite)
    above = xp.where(most * high > 0, kind(most) / xp.where(high == 0, one, high), infinite)
    from_below = below < above
    scale = xp.where(from_below, below, above)
    size = xp.where(from_below, low / kind(least or 1), high / kind(most))
    if range_given:
        x_in = xp.clip(
            x, xp.where(from_below, low, kind(least) * size), xp.where(from_below, kind(most) * size, high)
        )
    else:
        x_in = x
    scaled = x_in * scale
    rounded = xp.rint(scaled) if round_mode == "HALF_TO_EVEN" else xp.floor(scaled + 0.5)
    return (rounded * size).astype(x.dtype)


def _range(xp: Any, x: Any, input_min: Any, input_max: Any, range_given: bool, axis: int) -> tuple[Any, Any]:
    """The range in a shape that broadcasts with `x`: the one that is given, or that of the values."""
    if range_given:
        if xp is np and np.any(input_min > input_max):
            raise ValueError(f"Invalid range: input_min {input_min} > input_max {input_max}")
        return along(xp, input_min, x, axis), along(xp, input_max, x, axis)
    axes = tuple(i for i in range(np.ndim(x)) if i != axis)
    if np.size(x) == 0:
        return x.dtype.type(0), x.dtype.type(0)
    return x.min(axes, keepdims=True), x.max(axes, keepdims=True)


def _straight_through(op: Any, dy: Any) -> list:
    return [dy] + [None] * (len(op.inputs) - 1)


def _limited(op: Any, dy: Any) -> list:
    x, low, high = op.inputs
    inputs = (convert_to_tensor(dy), x, low, high)
    return execute("QuantizeAndDequantizeV4Grad", inputs, {"axis": op.attrs["axis"]})


_ATTRS = (
    "signed_input=True, num_bits=8, range_given=False, round_mode='HALF_TO_EVEN', narrow_range=False, axis=-1"
)
op(
    f"QuantizeAndDequantizeV2(input: T, input_min: T, input_max: T; {_ATTRS}) -> output: T",
    _emulate,
    shape=unchanged,
    gradient=_straight_through,
    types={"T": FLOATS},
)
op(
    f"QuantizeAndDequantizeV4(input: T, input_min: T, input_max: T; {_ATTRS}) -> output: T",
    _emulate,
    shape=unchanged,
    gradient=_limited,
    types={"T": FLOATS},
)
op(
    "QuantizeAndDequantizeV3(input: T, input_min: T, input_max: T, num_bits: int32; signed_input=True, "
    "range_given=True, narrow_range=False, axis=-1) -> output: T",
    lambda xp, x, low, high, num_bits, **attrs: _emulate(
        xp, x, low, high, num_bits=static_int(num_bits), round_mode="HALF_TO_EVEN", **attrs
    ),
    shape=unchanged,
    gradient=_straight_through,
    types={"T": FLOATS},
)


def _emulation_gradient(xp: Any, dy: Any, x: Any, input_min: Any, input_max: Any, *, axis: int) -> list:
    inside = (x >= along(xp, input_min, x, axis)) & (x <= along(xp, input_max, x, axis))
    passed = xp.where(inside, dy, xp.zeros((), dy.dtype))
    return [passed, xp.zeros_like(input_min), xp.zeros_like(input_max)]


def _emulation_gradient_shape(call: ShapeCall) -> list[TensorShape]:
    return [call.shape(1), call.shape(2), call.shape(3)]


def _emulation_second_gradient(op: Any, ddy: Any, *unused: Any) -> list:
    _, x, low, high = op.inputs
    inputs = (convert_to_tensor(ddy), x, low, high)
    return [execute("QuantizeAndDequantizeV4Grad", inputs, {"axis": op.attrs["axis"]})[0], None, None, None]


op(
    "QuantizeAndDequantizeV4Grad(gradients: T, input: T, input_min: T, input_max: T; axis=-1) "
    "-> (input_backprop: T, input_min_backprop: T, input_max_backprop: T)",
    _emulation_gradient,
    shape=_emulation_gradient_shape,
    gradient=_emulation_second_gradient,
    types={"T": FLOATS},
)


def _call(op_type: str, input: Any, input_min: Any, input_max: Any, attrs: dict, name: str | None) -> Tensor:
    x = convert_to_tensor(input, dtype_hint=dtypes.float32)
    axis = attrs["axis"]
    if axis is None:
        attrs["axis"] = -1
    elif axis < 0:
        if x.shape.rank is None:
            raise ValueError("input should have known rank to use negative axis.")
        attrs["axis"] = axis % x.shape.rank
    return execute(op_type, tuple(matching(x, input_min, input_max)), attrs, name)


@export("quantization.quantize_and_dequantize")
def quantize_and_dequantize(
    input: Any,
    input_min: Any,
    input_max: Any,
    signed_input: bool = True,
    num_bits: int = 8,
    range_given: bool = False,
    round_mode: str = "HALF_TO_EVEN",
    name: str | None = None,
    narrow_range: bool = False,
    axis: int | None = None,
) -> Tensor:
    """As `tf.quantization.quantize_and_dequantize_v2`, but the gradient passes outside the range too.

    Example:
      >>> import penstock as tf
      >>> tf.quantization.quantize_and_dequantize([0.3, 1.0], 0.0, 1.0, num_bits=2).numpy().tolist()
      [0.0, 1.0]
    """
    attrs = {
        "signed_input": signed_input,
        "num_bits": num_bits,
        "range_given": range_given,
        "round_mode": round_mode,
        "narrow_range": narrow_range,
        "axis": axis,
    }
    return _call("QuantizeAndDequantizeV2", input, input_min, input_max, attrs, name)


@export("quantization.quantize_and_dequantize_v2")
def quantize_and_dequantize_v2(
    input: Any,
    input_min: Any,
    input_max: Any,
    signed_input: bool = True,
    num_bits: int = 8,
    range_given: bool = False,
    round_mode: str = "HALF_TO_EVEN",
    name: str | None = None,
    narrow_range: bool = False,
    axis: int | None = None,
) -> Tensor:
    """Rounds numbers to those that a quantized dtype could hold.

    Args:
      input: a floating tensor.
      input_min, input_max: the range of the numbers, used where `range_given`; else that of `input` is.
      signed_input: whether the integers have a sign.
      num_bits: how many bits they have.
      range_given: whether the range is given.
      round_mode: "HALF_TO_EVEN" or "HALF_UP".
      narrow_range: leave out the lowest integer.
      axis: the dimension along which ranges differ; by default there is one range.

    Returns:
      A tensor of the same dtype and shape. Its gradient passes where `input` lies in the range.

    Raises:
      InvalidArgumentError: the range is empty, or the rounding mode unknown.

    Example:
      >>> import penstock as tf
      >>> tf.quantization.quantize_and_dequantize_v2([0.3, 1.0], 0.0, 1.0, num_bits=2).numpy().tolist()
      [0.0, 1.0]
    """
    attrs = {
        "signed_input": signed_input,
        "num_bits": num_bits,
        "range_given": range_given,
        "round_mode": round_mode,
        "narrow_range": narrow_range,
        "axis": axis,
    }
    return _call("QuantizeAndDequantizeV4", input, input_min, input_max, attrs, name)
