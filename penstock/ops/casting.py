"""Changes of dtype: `cast`, `saturate_cast`, `bitcast`, and TF 1's `to_float` and its kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, unchanged
from penstock.engine.xla import jnp, lax
from penstock.ops.dtype_sets import NUMBERS
from penstock.types import dtypes, errors
from penstock.types.dtypes import QUANTIZED_DTYPES, DType, as_dtype
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, Tensor

_NARROW = frozenset({dtypes.int8, dtypes.int16, dtypes.uint8, dtypes.uint16})


def _is_float(array: Any) -> bool:
    return array.dtype.kind == "f" or "float" in array.dtype.name


def _cast(xp: Any, x: Any, *, DstT: DType, Truncate: bool) -> Any:
    target = DstT.base_dtype.np_dtype
    if x.dtype == target:
        return x
    if x.dtype.kind == "O" or target.kind == "O":
        source = "string" if x.dtype.kind == "O" else x.dtype.name
        raise errors.UnimplementedError(None, None, f"Cast: Cast {source} to {DstT.name} is not supported")
    if DstT.is_bool:
        return x != 0
    if x.dtype.kind == "c" and not DstT.is_complex:
        x = xp.real(x)
    if DstT.base_dtype in _NARROW and _is_float(x):
        # Out of range the wide integer wraps around, as it does where TensorFlow runs on a CPU.
        x = x.astype(np.int32)
    y = x.astype(target)
    if Truncate and DstT.is_floating and _is_float(x) and x.dtype.itemsize > target.itemsize:
        away = xp.abs(y).astype(x.dtype) > xp.abs(x)
        y = xp.where(away, xp.nextafter(y, xp.zeros((), target)), y)
    return y


def _cast_gradient(call: Any, dy: Tensor) -> Tensor | None:
    source = call.inputs[0].dtype.base_dtype
    target = call.attrs["DstT"].base_dtype
    if (source.is_floating or source.is_complex) and (target.is_floating or target.is_complex):
        return execute("Cast", (dy,), {"DstT": source})
    return None


op("Cast(x: SrcT; DstT, Truncate=False) -> y: DstT", _cast, shape=unchanged, gradient=_cast_gradient)


# Bitcast.


def _bitcast_shape(call: ShapeCall) -> TensorShape:
    shape = call.shape(0)
    source, target = call.inputs[0].dtype.size, call.attrs["type"].size
    if shape.rank is None or source == target:
        return shape
    dims = shape.as_list()
    if source > target:
        return TensorShape([*dims, source // target])
    ratio = target // source
    if not dims or dims[-1] not in (None, ratio):
        raise call.error(
            f"Cannot bitcast: the last dimension must be {ratio}, the ratio of the element sizes"
        )
    return TensorShape(dims[:-1])


bitcast_op = op(
    "Bitcast(input: T; type) -> output: type",
    shape=_bitcast_shape,
    gradient=stops,
    types={"T": NUMBERS | QUANTIZED_DTYPES},
)


@bitcast_op.numpy
def _(x: Any, *, type: DType) -> Any:
    target, shape = type.np_dtype, np.shape(x)
    if target.itemsize < x.itemsize:
        shape = (*shape, x.itemsize // target.itemsize)
    elif target.itemsize > x.itemsize:
        ratio = target.itemsize // x.itemsize
        if not shape or shape[-1] != ratio:
            raise ValueError(f"Cannot bitcast from {shape[-1] if shape else 1} to {ratio}")
        shape = shape[:-1]
    return np.ascontiguousarray(x).reshape(-1).view(target).reshape(shape)


@bitcast_op.xla
def _(x: Any, *, type: DType) -> Any:
    # XLA does not reinterpret complex numbers: they go as pairs of floats, on both sides.
    from_pairs = x.dtype.kind == "c"
    if from_pairs:
        x = jnp.stack([jnp.real(x), jnp.imag(x)], -1)
    target = np.empty(0, type.np_dtype).real.dtype if type.is_complex else type.np_dtype
    if type.is_complex and x.dtype.itemsize < target.itemsize and not from_pairs:
        x = x.reshape(*x.shape[:-1], 2, -1)
    y = lax.bitcast_convert_type(x, target)
    if type.is_complex:
        return lax.complex(y[..., 0], y[..., 1])
    if from_pairs and y.ndim > x.ndim:
        return y.reshape(*y.shape[:-2], -1)
    return y


@export("bitcast")
def bitcast(input: Any, type: Any, name: str | None = None) -> Tensor:
    """The same bits read as another dtype.

    Args:
      input: a tensor of numbers.
      type: the dtype of the result. Where its elements are smaller, a last dimension with the ratio of the sizes is
        added; where they are larger, the last dimension must be that ratio and goes away.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the last dimension does not fit.

    Example:
      >>> import penstock as tf
      >>> tf.bitcast(tf.constant(1.0), tf.int32).numpy()
      np.int32(1065353216)
    """
    return execute("Bitcast", (convert_to_tensor(input),), {"type": as_dtype(type)}, name)


@export("cast", "dtypes.cast")
def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """Converts a tensor to another dtype.

    Floats lose their fraction on the way to integers; complex numbers their imaginary part on the way to real ones;
    every number but 0 is True. The gradient flows between floating and complex dtypes.

    Args:
      x: a tensor, `IndexedSlices`, or a value that converts to a tensor.
      dtype: the dtype of the result.
      name: the node's name in a graph.

    Returns:
      A tensor of the same shape (`x` itself where it has the dtype already); `IndexedSlices` for those.

    Raises:
      TypeError: `dtype` is not a dtype.
      UnimplementedError: one of the two is `tf.string`; see `tf.strings.to_number` and `tf.strings.as_string`.

    Example:
      >>> import penstock as tf
      >>> tf.cast([1.8, 2.2], tf.int32).numpy()
      array([1, 2], dtype=int32)
    """
    target = as_dtype(dtype).base_dtype
    if type(x) is EagerTensor:
        return x if x._dtype is target else execute("Cast", (x,), {"DstT": target}, name)
    if isinstance(x, IndexedSlices):
        values = cast(x.values, target, name)
        return x if values is x.values else IndexedSlices(values, x.indices, x.dense_shape)
    x = convert_to_tensor(x)
    if x.dtype.base_dtype is target:
        return x
    return execute("Cast", (x,), {"DstT": target}, name)


def _representable(limit: int, dtype: DType, toward: float) -> Any:
    """The number of a floating dtype nearest to an integer limit, on the side of zero; -inf and inf are not numbers."""
    scalar = dtype.np_dtype.type
    value = min(max(float(limit), float(dtype.min)), float(dtype.max))
    nearest = scalar(value)
    if abs(int(nearest)) > abs(limit):
        nearest = np.nextafter(nearest, scalar(toward))
    return nearest


@export("saturate_cast", "dtypes.saturate_cast")
def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Tensor:
    """Converts to another dtype, clipping to its range instead of wrapping around.

    Args:
      value: a tensor of numbers.
      dtype: the dtype of the result.
      name: the node's name in a graph.

    Example:
      >>> import penstock as tf
      >>> tf.saturate_cast([-3.0, 100.0, 300.0], tf.uint8).numpy()
      array([  0, 100, 255], dtype=uint8)
    """
    value = convert_to_tensor(value, name="value")
    target = as_dtype(dtype).base_dtype
    source = value.dtype.base_dtype
    if source is target:
        return value
    if source.is_complex:
        if target.is_complex:
            return cast(value, target, name)
        value = execute("Real", (value,), {"Tout": source.real_dtype})
        source = value.dtype
    bounds = target.real_dtype if target.is_complex else target
    if source.min < bounds.min or source.max > bounds.max:
        if source.is_floating and bounds.is_integer:
            lower, upper = _representable(bounds.min, source, 0.0), _representable(bounds.max, source, 0.0)
        else:
            lower, upper = max(source.min, bounds.min), min(source.max, bounds.max)
        limits = [convert_to_tensor(np.array(each, source.np_dtype)) for each in (lower, upper)]
        value = execute("ClipByValue", (value, *limits), None, "clamp")
    return cast(value, target, name)


def _cast_function(public_name: str, dtype: DType, node_name: str) -> Callable:
    def function(x: Any, name: str = node_name) -> Any:
        return cast(x, dtype, name=name)

    function.__name__ = function.__qualname__ = public_name
    function.__doc__ = f"""TF 1's name for `tf.cast(x, tf.{dtype.name})`."""
    return export(v1=[public_name])(function)


for _name, _dtype, _node_name in (
    ("to_float", dtypes.float32, "ToFloat"),
    ("to_double", dtypes.float64, "ToDouble"),
    ("to_int32", dtypes.int32, "ToInt32"),
    ("to_int64", dtypes.int64, "ToInt64"),
    ("to_bfloat16", dtypes.bfloat16, "ToBFloat16"),
    ("to_complex64", dtypes.complex64, "ToComplex64"),
    ("to_complex128", dtypes.complex128, "ToComplex128"),
):
    _cast_function(_name, _dtype, _node_name)
