"""The fake_quant ops: float32 numbers rounded to steps of a range that is moved so that 0 is one of the steps."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, unchanged
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_F32 = np.float32


def _nudged(xp: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> tuple[Any, Any, Any]:
    """The range moved to have 0 among its steps, and the size of a step."""
    if not 2 <= num_bits <= 16:
        raise ValueError("num_bits must be between 2 and 16, inclusive")
    first, last = _F32(int(narrow_range)), _F32(2**num_bits - 1)
    step = (high - low) / (last - first)
    zero = first - low / step
    zero = xp.where(zero < first, first, xp.where(zero > last, last, xp.floor(zero + _F32(0.5))))
    return (first - zero) * step, (last - zero) * step, step


def _quantize(xp: Any, x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> Any:
    """The rounded numbers; the limits broadcast with `x`. A range from 0 to 0 gives zeros."""
    empty = (low == 0) & (high == 0)
    bottom, top, step = _nudged(xp, low, xp.where(empty, _F32(1), high), num_bits, narrow_range)
    inverse = _F32(1) / step
    zero = xp.floor(-bottom * inverse + _F32(0.5))
    shifted = (xp.clip(x, bottom, top) - bottom) * inverse
    return xp.where(empty, _F32(0), xp.floor(shifted - zero + _F32(0.5)) * step).astype(_F32)


def _masks(xp: Any, x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> tuple[Any, Any, Any]:
    """Where x lies within the moved range, below, and above it."""
    empty = (low == 0) & (high == 0)
    bottom, top, _ = _nudged(xp, low, xp.where(empty, _F32(1), high), num_bits, narrow_range)
    return ((x >= bottom) & (x <= top)) | empty, (x < bottom) & ~empty, (x > top) & ~empty


def _check_limits(min: float, max: float) -> tuple[np.float32, np.float32]:
    if min >= max:
        raise ValueError(f"min has to be smaller than max, was: {min:g} >= {max:g}")
    return _F32(min), _F32(max)


# The range is an attribute.


def _args(xp: Any, x: Any, *, min: float, max: float, num_bits: int, narrow_range: bool) -> Any:
    return _quantize(xp, x, *_check_limits(min, max), num_bits, narrow_range)


def _args_gradient(
    xp: Any, dy: Any, x: Any, *, min: float, max: float, num_bits: int, narrow_range: bool
) -> Any:
    inside = _masks(xp, x, *_check_limits(min, max), num_bits, narrow_range)[0]
    return xp.where(inside, dy, _F32(0))


_ARGS = "min=-6.0, max=6.0, num_bits=8, narrow_range=False"
_VARS = "num_bits=8, narrow_range=False"


def _attrs(op: Any, *names: str) -> dict:
    return {name: op.attrs[name] for name in (*names, "num_bits", "narrow_range")}


def _through_args(dy: Any, x: Tensor, attrs: dict) -> Tensor:
    return execute("FakeQuantWithMinMaxArgsGradient", (convert_to_tensor(dy), x), attrs)


op(
    f"FakeQuantWithMinMaxArgs(inputs: float32; {_ARGS}) -> outputs: float32",
    _args,
    shape=unchanged,
    gradient=lambda op, dy: _through_args(dy, op.inputs[0], _attrs(op, "min", "max")),
)
op(
    f"FakeQuantWithMinMaxArgsGradient(gradients: float32, inputs: float32; {_ARGS}) -> backprops: float32",
    _args_gradient,
    shape=unchanged,
    gradient=lambda op, ddy: [_through_args(ddy, op.inputs[1], _attrs(op, "min", "max")), None],
)

# The range is a pair of tensors: scalars, or vectors with an entry for each channel, the last dimension.


def _limits(x: Any, low: Any, high: Any, per_channel: bool) -> None:
    wanted = (np.shape(x)[-1],) if per_channel and np.ndim(x) else ()
    if per_channel and not np.ndim(x):
        raise ValueError("inputs must have at least one dimension")
    for name, each in (("min", low), ("max", high)):
        if np.shape(each) != wanted:
            raise ValueError(f"{name} has incorrect size, expected {list(wanted)} was {list(np.shape(each))}")


def _define_vars(suffix: str, per_channel: bool) -> None:
    base = f"FakeQuantWithMinMaxVars{suffix}"

    def forward(xp: Any, x: Any, low: Any, high: Any, *, num_bits: int, narrow_range: bool) -> Any:
        _limits(x, low, high, per_channel)
        return _quantize(xp, x, low, high, num_bits, narrow_range)

    def backward(xp: Any, dy: Any, x: Any, low: Any, high: Any, *, num_bits: int, narrow_range: bool) -> list:
        _limits(x, low, high, per_channel)
        inside, below, above = _masks(xp, x, low, high, num_bits, narrow_range)
        axes = tuple(range(np.ndim(x) - int(per_channel)))
        passed, *rest = (xp.where(mask, dy, _F32(0)) for mask in (inside, below, above))
        return [passed, *(each.sum(axes).astype(_F32) for each in rest)]

    def gradient(op: Any, dy: Any) -> list:
        return execute(f"{base}Gradient", (convert_to_tensor(dy), *op.inputs), _attrs(op))

    def second_gradient(op: Any, ddx: Any, *of_limits: Any) -> list:
        """The op is linear in the gradient, with the masks as factors."""
        dy, x, low, high = op.inputs
        attrs = _attrs(op)
        found = execute(f"{base}Gradient", (convert_to_tensor(ddx), x, low, high), attrs)[0]
        ones = execute("OnesLike", (dy,))
        inside = execute(f"{base}Gradient", (ones, x, low, high), attrs)[0]
        # Outside the range the factor of one limit is 1: x lies below 0, which is always in the range, or above it.
        outside = 1 - inside
        negative = execute("Cast", (x < 0,), {"DstT": dtypes.float32})
        d_min, d_max = (convert_to_tensor(each) for each in of_limits)
        return [found + outside * (negative * d_min + (1 - negative) * d_max), None, None, None]

    def gradient_shapes(call: ShapeCall) -> list[TensorShape]:
        limits = call.shape(2).merge_with(call.shape(3))
        return [call.shape(0).merge_with(call.shape(1)), limits, limits]

    op(
        f"{base}(inputs: float32, min: float32, max: float32; {_VARS}) -> outputs: float32",
        forward,
        shape=unchanged,
        gradient=gradient,
    )
    op(
        f"{base}Gradient(gradients: float32, inputs: float32, min: float32, max: float32; {_VARS}) "
        "-> (backprops_wrt_input: float32, backprop_wrt_min: float32, backprop_wrt_max: float32)",
        backward,
        shape=gradient_shapes,
        gradient=second_gradient,
    )


_define_vars("", per_channel=False)
_define_vars("PerChannel", per_channel=True)


# Public functions.


def _names(name: str) -> dict:
    return {"v1": [f"quantization.{name}", name]}


def _floats(*values: Any) -> tuple[Tensor, ...]:
    return tuple(convert_to_tensor(each, dtypes.float32) for each in values)


@export("quantization.fake_quant_with_min_max_args", **_names("fake_quant_with_min_max_args"))
def fake_quant_with_min_max_args(
    inputs: Any,
    min: float = -6,
    max: float = 6,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Tensor:
    """Rounds numbers to the steps of a range, which is moved a little so that 0 is one of them.

    Args:
      inputs: a float32 tensor.
      min, max: the range, numbers.
      num_bits: 2 to 16: there are `2 ** num_bits` steps.
      narrow_range: leave out the lowest step.

    Returns:
      A float32 tensor; its gradient passes where `inputs` lies in the range.

    Raises:
      InvalidArgumentError: the range is empty, or `num_bits` out of range.

    Example:
      >>> import penstock as tf
      >>> tf.quantization.fake_quant_with_min_max_args([-1.0, 0.4, 9.0], 0.0, 1.5, num_bits=2).numpy().tolist()
      [0.0, 0.5, 1.5]
    """
    attrs = {"min": float(min), "max": float(max), "num_bits": num_bits, "narrow_range": narrow_range}
    return execute("FakeQuantWithMinMaxArgs", _floats(inputs), attrs, name)


@export(
    "quantization.fake_quant_with_min_max_args_gradient", **_names("fake_quant_with_min_max_args_gradient")
)
def fake_quant_with_min_max_args_gradient(
    gradients: Any,
    inputs: Any,
    min: float = -6,
    max: float = 6,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Tensor:
    """The gradient of `fake_quant_with_min_max_args`: `gradients` where `inputs` lies in the range, else 0."""
    attrs = {"min": float(min), "max": float(max), "num_bits": num_bits, "narrow_range": narrow_range}
    return execute("FakeQuantWithMinMaxArgsGradient", _floats(gradients, inputs), attrs, name)


@export("quantization.fake_quant_with_min_max_vars", **_names("fake_quant_with_min_max_vars"))
def fake_quant_with_min_max_vars(
    inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False, name: str | None = None
) -> Tensor:
    """As `fake_quant_with_min_max_args` with scalar tensors for the range, which get gradients too.

    Example:
      >>> import penstock as tf
      >>> tf.quantization.fake_quant_with_min_max_vars([-1.0, 0.4, 9.0], 0.0, 1.5, num_bits=2).numpy().tolist()
      [0.0, 0.5, 1.5]
    """
    attrs = {"num_bits": num_bits, "narrow_range": narrow_range}
    return execute("FakeQuantWithMinMaxVars", _floats(inputs, min, max), attrs, name)


@export(
    "quantization.fake_quant_with_min_max_vars_per_channel",
    **_names("fake_quant_with_min_max_vars_per_channel"),
)
def fake_quant_with_min_max_vars_per_channel(
    inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False, name: str | None = None
) -> Tensor:
    """As `fake_quant_with_min_max_vars` with a range for each entry of the last dimension.

    Example:
      >>> import penstock as tf
      >>> f = tf.quantization.fake_quant_with_min_max_vars_per_channel
      >>> f([[0.4, 0.4]], [0.0, 0.0], [1.5, 3.0], num_bits=2).numpy().tolist()
      [[0.5, 0.0]]
    """
    attrs = {"num_bits": num_bits, "narrow_range": narrow_range}
    return execute("FakeQuantWithMinMaxVarsPerChannel", _floats(inputs, min, max), attrs, name)


_FIELDS = ["backprops_wrt_input", "backprop_wrt_min", "backprop_wrt_max"]
FakeQuantWithMinMaxVarsGradient = collections.namedtuple("FakeQuantWithMinMaxVarsGradient", _FIELDS)
FakeQuantWithMinMaxVarsPerChannelGradient = collections.namedtuple(
    "FakeQuantWithMinMaxVarsPerChannelGradient", _FIELDS
)


@export(
    "quantization.fake_quant_with_min_max_vars_gradient", **_names("fake_quant_with_min_max_vars_gradient")
)
def fake_quant_with_min_max_vars_gradient(
    gradients: Any,
    inputs: Any,
    min: Any,
    max: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> FakeQuantWithMinMaxVarsGradient:
    """The gradients of `fake_quant_with_min_max_vars` for the numbers and the two limits."""
    attrs = {"num_bits": num_bits, "narrow_range": narrow_range}
    found = execute("FakeQuantWithMinMaxVarsGradient", _floats(gradients, inputs, min, max), attrs, name)
    return FakeQuantWithMinMaxVarsGradient(*found)


@export(
    "quantization.fake_quant_with_min_max_vars_per_channel_gradient",
    **_names("fake_quant_with_min_max_vars_per_channel_gradient"),
)
def fake_quant_with_min_max_vars_per_channel_gradient(
    gradients: Any,
    inputs: Any,
    min: Any,
    max: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> FakeQuantWithMinMaxVarsPerChannelGradient:
    """The gradients of `fake_quant_with_min_max_vars_per_channel` for the numbers and the limits."""
    attrs = {"num_bits": num_bits, "narrow_range": narrow_range}
    found = execute(
        "FakeQuantWithMinMaxVarsPerChannelGradient", _floats(gradients, inputs, min, max), attrs, name
    )
    return FakeQuantWithMinMaxVarsPerChannelGradient(*found)
