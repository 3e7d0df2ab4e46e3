"""Real numbers as small integers and back: quantize, dequantize, quantized_concat.

Three modes say how a range of reals maps to the integers: MIN_COMBINED and MIN_FIRST map the whole range to all
integers, SCALED multiplies, so that 0 stays 0. https://www.tensorflow.org/api_docs/python/tf/quantization/quantize
"""

from __future__ import annotations

import collections
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, normalize_axis
from penstock.engine.static_value import static_int
from penstock.ops.concatenation import join_shapes
from penstock.types import dtypes, errors
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_QUANTIZED = frozenset({dtypes.qint8, dtypes.quint8, dtypes.qint16, dtypes.quint16, dtypes.qint32})
_F32 = np.float32


class _Steps(NamedTuple):
    """The integers of a quantized dtype."""

    lowest: int
    highest: int

    @property
    def is_signed(self) -> bool:
        return self.lowest < 0

    @property
    def count(self) -> int:
        return self.highest - self.lowest

    @property
    def half(self) -> int:
        """What centres a signed range on 0."""
        return (self.count + 1) // 2 if self.is_signed else 0

    def lowest_used(self, narrow_range: bool) -> int:
        return self.lowest + 1 if narrow_range else self.lowest


def _steps(dtype: DType) -> _Steps:
    info = np.iinfo(dtype.np_dtype)
    return _Steps(int(info.min), int(info.max))


def text(value: Any) -> str:
    """A string attribute, which a GraphDef holds as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def along(xp: Any, values: Any, x: Any, axis: int) -> Any:
    """One value for each slice of `x` along an axis, in a shape that broadcasts with it; `axis` -1: a single one."""
    if axis == -1:
        if np.size(values) != 1:
            raise ValueError(f"a range must be a scalar, got shape {list(np.shape(values))}")
        return xp.reshape(values, ())
    if not 0 <= axis < np.ndim(x) or np.shape(values) != (np.shape(x)[axis],):
        raise ValueError(
            f"a range for each slice of axis {axis} of shape {list(np.shape(x))} is needed, got shape "
            f"{list(np.shape(values))}"
        )
    return xp.reshape(values, [-1 if i == axis else 1 for i in range(np.ndim(x))])


def round_away(xp: Any, x: Any) -> Any:
    """Halves away from zero."""
    return xp.where(x < 0, xp.ceil(x - _F32(0.5)), xp.floor(x + _F32(0.5)))


def _saturated(xp: Any, x: Any, steps: _Steps, dtype: DType) -> Any:
    """Rounded floats as integers, kept in range: float32 cannot hold all bounds of 32 bits."""
    low, high = _F32(steps.lowest), _F32(steps.highest)
    if int(high) > steps.highest:
        high = np.nextafter(high, _F32(0))
    return xp.clip(x, low, high).astype(dtype.np_dtype)


# QuantizeV2.


def _quantize(
    xp: Any,
    x: Any,
    min_range: Any,
    max_range: Any,
    *,
    T: DType,
    mode: Any,
    round_mode: Any,
    narrow_range: bool,
    axis: int,
    ensure_minimum_range: float,
) -> list:
    mode, round_mode, steps = text(mode), text(round_mode), _steps(T)
    if mode not in ("MIN_COMBINED", "MIN_FIRST", "SCALED"):
        raise ValueError(f"mode must be MIN_COMBINED, MIN_FIRST or SCALED, got {mode!r}")
    if round_mode not in ("HALF_AWAY_FROM_ZERO", "HALF_TO_EVEN"):
        raise ValueError(f"round_mode must be HALF_AWAY_FROM_ZERO or HALF_TO_EVEN, got {round_mode!r}")
    if round_mode == "HALF_TO_EVEN" and mode != "SCALED":
        raise ValueError(f"Round mode 'HALF_TO_EVEN' only supported for mode 'SCALED', but mode is '{mode}'.")
    if xp is np and np.any(min_range > max_range):
        raise ValueError("input_max_range must be larger than input_min_range.")
    low = xp.minimum(min_range, _F32(0))
    least = xp.maximum(xp.maximum(abs(min_range), abs(max_range)), _F32(1)) * _F32(ensure_minimum_range)
    high = xp.maximum(xp.maximum(max_range, low + least), _F32(0))
    if mode == "SCALED":
        first = steps.lowest_used(narrow_range)
        scale = _scale(xp, low, high, first, steps.highest)
        low, high = first / scale, steps.highest / scale
    bottom, top = along(xp, low, x, axis), along(xp, high, x, axis)
    if mode == "SCALED":
        scaled = xp.clip(x, bottom, top) * along(xp, scale, x, axis)
        rounded = xp.rint(scaled) if round_mode == "HALF_TO_EVEN" else round_away(xp, scaled)
    elif mode == "MIN_COMBINED":
        factor = _F32(steps.count) / (top - bottom)
        rounded = round_away(xp, (xp.clip(x, bottom, top) - bottom) * factor - _F32(steps.half))
    else:
        rounded = _min_first(xp, x, bottom, top, steps)
    return [_saturated(xp, rounded, steps, T), xp.asarray(low, dtype=_F32), xp.asarray(high, dtype=_F32)]


def _scale(xp: Any, low: Any, high: Any, lowest: int, highest: int) -> Any:
    """The factor that maps a range into the integers on both sides of 0."""
    most = np.finfo(_F32).max
    one = _F32(1)
    below = xp.where(_F32(lowest) * low > 0, _F32(lowest) / xp.where(low == 0, one, low), most)
    above = xp.where(_F32(highest) * high > 0, _F32(highest) / xp.where(high == 0, one, high), most)
    return xp.minimum(below, above)


def _min_first(xp: Any, x: Any, low: Any, high: Any, steps: _Steps) -> Any:
    """The place of x in the range, counted in whole steps from 0."""
    factor = _F32(steps.count) / (high - low)
    return round_away(xp, x * factor) - round_away(xp, low * factor) + _F32(steps.lowest)


def _range_shapes(call: ShapeCall) -> list[TensorShape]:
    axis = call.attrs["axis"]
    limits = TensorShape([]) if axis == -1 else call.shape(0)[axis : axis + 1]
    return [call.shape(0), limits, limits]


op(
    "QuantizeV2(input: float32, min_range: float32, max_range: float32; T, mode='MIN_COMBINED', "
    "round_mode='HALF_AWAY_FROM_ZERO', narrow_range=False, axis=-1, ensure_minimum_range=0.01) "
    "-> (output: T, output_min: float32, output_max: float32)",
    _quantize,
    shape=_range_shapes,
)

QuantizeV2 = collections.namedtuple("QuantizeV2", ["output", "output_min", "output_max"])


@export("quantization.quantize", v1=["quantization.quantize", "quantize"])
def quantize(
    input: Any,
    min_range: Any,
    max_range: Any,
    T: Any,
    mode: str = "MIN_COMBINED",
    round_mode: str = "HALF_AWAY_FROM_ZERO",
    name: str | None = None,
    narrow_range: bool = False,
    axis: int | None = None,
    ensure_minimum_range: float = 0.01,
) -> QuantizeV2:
    """Maps real numbers of a range to the integers of a quantized dtype.

    Args:
      input: a float32 tensor.
      min_range, max_range: the range; scalars, or vectors with one entry for each slice along `axis`.
      T: qint8, quint8, qint16, quint16 or qint32.
      mode: "MIN_COMBINED", "MIN_FIRST" or "SCALED".
      round_mode: "HALF_AWAY_FROM_ZERO", or for SCALED "HALF_TO_EVEN".
      narrow_range: for SCALED: leave out the lowest integer.
      axis: the dimension along which ranges differ; by default there is one range.
      ensure_minimum_range: the range is made at least so wide, relative to its larger end or 1.

    Returns:
      `(output, output_min, output_max)`: the integers, and the range that is really used.

    Raises:
      InvalidArgumentError: the dtype is not quantized, the mode is unknown, or the range is empty.

    Example:
      >>> import penstock as tf
      >>> tf.quantization.quantize([-1.0, 0.0, 0.5, 1.0], -1.0, 1.0, tf.quint8).output.numpy().tolist()
      [0, 128, 191, 255]
    """
    kind = as_dtype(T)
    if kind not in _QUANTIZED:
        raise errors.InvalidArgumentError(
            None,
            None,
            f"QuantizeV2: T is {kind.name}: expected one of qint8, quint8, qint32, qint16, quint16",
        )
    attrs = {
        "T": kind,
        "mode": mode,
        "round_mode": round_mode,
        "narrow_range": narrow_range,
        "axis": -1 if axis is None else _counted(axis, input),
        "ensure_minimum_range": ensure_minimum_range,
    }
    inputs = tuple(convert_to_tensor(each, dtypes.float32) for each in (input, min_range, max_range))
    return QuantizeV2(*execute("QuantizeV2", inputs, attrs, name))


def _counted(axis: int, x: Any) -> int:
    """An axis from the front; the ops take -1 for none."""
    rank = convert_to_tensor(x).shape.rank
    if axis < 0:
        if rank is None:
            raise ValueError("input should have known rank to use negative axis.")
        axis %= rank
    return axis


@export(v1=["quantize_v2"])
def quantize_v2(
    input: Any,
    min_range: Any,
    max_range: Any,
    T: Any,
    mode: str = "MIN_COMBINED",
    name: str | None = None,
    round_mode: str = "HALF_AWAY_FROM_ZERO",
    narrow_range: bool = False,
    axis: int | None = None,
    ensure_minimum_range: float = 0.01,
) -> QuantizeV2:
    """TF 1's `quantize_v2`; as `tf.quantization.quantize`."""
    return quantize(
        input, min_range, max_range, T, mode, round_mode, name, narrow_range, axis, ensure_minimum_range
    )


# Dequantize.


def _dequantize(
    xp: Any, x: Any, min_range: Any, max_range: Any, *, mode: Any, narrow_range: bool, axis: int, dtype: DType
) -> Any:
    mode = text(mode)
    info = np.iinfo(x.dtype)
    steps = _Steps(int(info.min), int(info.max))
    if xp is np and np.any(min_range > max_range):
        raise ValueError("max_range must be larger than min_range.")
    low, high = along(xp, min_range, x, axis), along(xp, max_range, x, axis)
    if mode == "MIN_COMBINED":
        factor = (high - low) / _F32(steps.count)
        found = (x.astype(_F32) + _F32(steps.half)) * factor + low
    elif mode == "MIN_FIRST":
        found = _from_steps(xp, x, low, high, steps)
    elif mode == "SCALED":
        factor = high / _F32(steps.highest)
        if steps.is_signed:
            factor = xp.maximum(low / _F32(steps.lowest_used(narrow_range)), factor)
        found = x.astype(_F32) * factor
    else:
        raise ValueError(f"mode must be MIN_COMBINED, MIN_FIRST or SCALED, got {mode!r}")
    return found.astype(dtype.np_dtype)


def _from_steps(xp: Any, x: Any, low: Any, high: Any, steps: _Steps) -> Any:
    """The inverse of `_min_first`, in double precision as 32-bit integers need it."""
    size = ((high - low) / _F32(steps.count)).astype(np.float64)
    safe = xp.where(size == 0, 1.0, size)
    start = xp.where(size == 0, low, round_away(xp, low.astype(np.float64) / safe) * size)
    return (start + (x.astype(np.float64) - steps.lowest) * size).astype(_F32)


op(
    "Dequantize(input: T, min_range: float32, max_range: float32; mode='MIN_COMBINED', narrow_range=False, axis=-1, "
    "dtype=float32) -> output: dtype",
    _dequantize,
    shape=lambda call: call.shape(0),
    types={"T": _QUANTIZED},
)


@export("quantization.dequantize", v1=["quantization.dequantize", "dequantize"])
def dequantize(
    input: Any,
    min_range: Any,
    max_range: Any,
    mode: str = "MIN_COMBINED",
    name: str | None = None,
    axis: int | None = None,
    narrow_range: bool = False,
    dtype: Any = dtypes.float32,
) -> Tensor:
    """The real numbers that quantized ones stand for: the inverse of `tf.quantization.quantize`.

    Args:
      input: a tensor of a quantized dtype.
      min_range, max_range: the range; scalars, or vectors with one entry for each slice along `axis`.
      mode: "MIN_COMBINED", "MIN_FIRST" or "SCALED".
      axis: the dimension along which ranges differ; by default there is one range.
      narrow_range: for SCALED: the lowest integer was left out.
      dtype: float32 or bfloat16.

    Raises:
      InvalidArgumentError: the dtype is not quantized, or the mode is unknown.

    Example:
      >>> import penstock as tf
      >>> values = tf.quantization.quantize([-1.0, 0.0, 1.0], -1.0, 1.0, tf.qint8, mode="SCALED").output
      >>> tf.quantization.dequantize(values, -1.0, 1.0, mode="SCALED").numpy().tolist()
      [-1.0, 0.0, 1.0]
    """
    attrs = {
        "mode": mode,
        "narrow_range": narrow_range,
        "axis": -1 if axis is None else _counted(axis, input),
    }
    attrs["dtype"] = as_dtype(dtype)
    limits = (convert_to_tensor(each, dtypes.float32) for each in (min_range, max_range))
    return execute("Dequantize", (convert_to_tensor(input), *limits), attrs, name)


# QuantizedConcat: values of other ranges are brought into the range that covers all.


def _quantized_concat(xp: Any, axis: Any, values: list, input_mins: list, input_maxes: list) -> list:
    info = np.iinfo(values[0].dtype)
    steps = _Steps(int(info.min), int(info.max))
    low, high = input_mins[0], input_maxes[0]
    for each in input_mins:
        low = xp.minimum(low, each)
    for each in input_maxes:
        high = xp.maximum(high, each)
    low = xp.minimum(low, _F32(0))
    parts = []
    for value, first, last in zip(values, input_mins, input_maxes, strict=True):
        reals = _from_steps(xp, value, xp.reshape(first, ()), xp.reshape(last, ()), steps)
        moved = _min_first(xp, reals, low, high, steps)
        moved = xp.clip(moved, _F32(steps.lowest), _F32(steps.highest)).astype(value.dtype)
        parts.append(xp.where((first == low) & (last == high), value, moved))
    return [xp.concatenate(parts, static_int(axis)), low, high]


def _quantized_concat_shape(call: ShapeCall) -> list[TensorShape]:
    count = (len(call.inputs) - 1) // 3
    shapes, axis = [call.shape(i + 1) for i in range(count)], call.entries(0)
    rank = next((shape.rank for shape in shapes if shape.rank is not None), None)
    limits = [TensorShape([])] * 2
    if rank is None or axis is None or axis[0] is None:
        return [TensorShape(None if rank is None else [None] * rank), *limits]
    position = normalize_axis(call, axis[0], rank)
    return [join_shapes(call, [shape.with_rank(rank).as_list() for shape in shapes], position), *limits]


op(
    "QuantizedConcat(concat_dim: int32, values: N*T, input_mins: N*float32, input_maxes: N*float32) "
    "-> (output: T, output_min: float32, output_max: float32)",
    _quantized_concat,
    shape=_quantized_concat_shape,
)

QuantizedConcat = collections.namedtuple("QuantizedConcat", ["output", "output_min", "output_max"])


@export("quantization.quantized_concat", v1=["quantization.quantized_concat", "quantized_concat"])
def quantized_concat(
    concat_dim: Any, values: Any, input_mins: Any, input_maxes: Any, name: str | None = None
) -> QuantizedConcat:
    """Joins quantized tensors along a dimension, after bringing them into one range.

    Args:
      concat_dim: an integer: the dimension.
      values: a list of tensors of one quantized dtype.
      input_mins, input_maxes: lists with the range of each.

    Returns:
      `(output, output_min, output_max)`.

    Example:
      >>> import penstock as tf
      >>> part = tf.cast([10, 20], tf.quint8)
      >>> tf.quantization.quantized_concat(0, [part, part], [0.0, 0.0], [1.0, 1.0]).output.numpy().tolist()
      [10, 20, 10, 20]
    """
    mins, maxes = (
        [convert_to_tensor(each, dtypes.float32) for each in side] for side in (input_mins, input_maxes)
    )
    tensors = [convert_to_tensor(each) for each in values]
    inputs = (convert_to_tensor(concat_dim, dtypes.int32), tensors, mins, maxes)
    return QuantizedConcat(*execute("QuantizedConcat", inputs, None, name))
