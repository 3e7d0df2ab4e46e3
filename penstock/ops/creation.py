"""Tensors made from a shape: zeros, ones, fill, eye, and the `_like` forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine import aligned
from penstock.engine.context import process, thread
from penstock.engine.convert import constant, convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, from_input, unchanged
from penstock.engine.sharding import filled_like, is_spread
from penstock.engine.static_value import constant_value, static_ints
from penstock.ops.arguments import dtype_of, index_vector
from penstock.types import dtypes, upcalls
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, Tensor

# Tensors of a known shape below this many elements become constants of a graph, larger ones Fill nodes.
_LARGEST_CONSTANT = 1000


def _fill(xp: Any, dims: Any, value: Any) -> Any:
    if np.ndim(value) != 0:
        raise ValueError(f"value must be a scalar, got shape {list(np.shape(value))}")
    shape = static_ints(dims)
    if shape and min(shape) < 0:
        raise ValueError(f"Dimension {min(shape)} must be >= 0")
    return xp.full(shape, value, dtype=object if isinstance(value, bytes) else None)


def _zeros_array(shape: Any, dtype: DType) -> np.ndarray:
    """Zeros of any dtype; the zero of strings is the empty one."""
    if dtype is dtypes.string:
        return np.full(shape, b"", object)
    return aligned.zeros(tuple(shape), dtype.np_dtype)


def _fill_shape(call: ShapeCall) -> TensorShape:
    if call.shape(1).rank not in (None, 0):
        raise call.error("value must be a scalar")
    if call.shape(0).rank not in (None, 1):
        raise call.error("dims must be a vector")
    return call.shape_from(0)


op(
    "Fill(dims: index_type, value: T) -> output: T",
    _fill,
    shape=_fill_shape,
    gradient=lambda op, dy: [
        None,
        execute("Sum", (dy, execute("Range", _span(dy), None)), {"keep_dims": False}),
    ],
)
op(
    "Empty(shape: int32; dtype, init=False) -> output: dtype",
    lambda xp, shape, *, dtype, init: xp.zeros(static_ints(shape), dtype.np_dtype),
    numpy=lambda shape, *, dtype, init: _zeros_array(static_ints(shape), dtype),
    shape=from_input(0),
    gradient=stops,
)
op(
    "ZerosLike(x: T) -> y: T",
    lambda xp, x: xp.zeros_like(x),
    numpy=lambda x: (
        np.full(np.shape(x), b"", object) if np.asarray(x).dtype.kind == "O" else np.zeros_like(x)
    ),
    shape=unchanged,
    gradient=stops,
)
op("OnesLike(x: T) -> y: T", lambda xp, x: xp.ones_like(x), shape=unchanged, gradient=stops)


def _span(tensor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The bounds of the range of all axes of `tensor`."""
    rank = tensor.shape.rank
    limit = execute("Rank", (tensor,)) if rank is None else convert_to_tensor(rank)
    return convert_to_tensor(0), limit, convert_to_tensor(1)


@export("fill")
def fill(dims: Any, value: Any, name: str | None = None, layout: Any = None) -> Tensor:
    """A tensor filled with one value.

    Args:
      dims: an int32 or int64 vector: the shape.
      value: a scalar.
      layout: a `tf.experimental.dtensor.Layout` of the result; by default a regular tensor.

    Returns:
      A tensor of shape `dims` and the dtype of `value`.

    Raises:
      InvalidArgumentError: a dimension is negative, or `value` is no scalar.

    Example:
      >>> import penstock as tf
      >>> tf.fill([2, 2], 9).numpy().tolist()
      [[9, 9], [9, 9]]
    """
    if layout is not None:
        return upcalls.call_with_layout(lambda: fill(dims, value, name), layout)
    return execute("Fill", (_shape_vector(dims), convert_to_tensor(value)), None, name)


def _shape_vector(shape: Any) -> Tensor:
    """`shape` as an integer vector: a single number counts as a vector of one."""
    vector = index_vector(shape)
    return vector if vector.shape.rank != 0 else execute("Reshape", (vector, convert_to_tensor([-1])))


def _static_shape(shape: Any) -> list[int] | None:
    """The dimensions, where all of them are known now."""
    if type(shape) is TensorShape:
        return shape.as_list() if shape.is_fully_defined() else None
    if type(shape) in (list, tuple) and all(type(each) is int for each in shape):
        return list(shape)
    if type(shape) is int:
        return [shape]
    if isinstance(shape, Tensor):
        value = constant_value(shape)
        return None if value is None or value.dtype.kind not in "iu" else value.reshape(-1).tolist()
    return None


def _filled(shape: Any, dtype: Any, value: int, name: str) -> Tensor:
    """Zeros or ones of a shape: at once where eager, a constant or a Fill node in a graph."""
    dtype = as_dtype(dtype).base_dtype
    if dtype is dtypes.string and value:
        raise TypeError("Cannot convert 1 to EagerTensor of dtype string")
    dims = _static_shape(shape)
    if dims is not None and all(dim >= 0 for dim in dims):
        if thread.graph is None:
            return EagerTensor(_array(dims, dtype, value), dtype)
        if np.prod(dims, dtype=np.int64) < _LARGEST_CONSTANT:
            return execute("Const", (), {"value": _array(dims, dtype, value), "dtype": dtype}, name)
    scalar = EagerTensor(_array((), dtype, value), dtype)
    return execute("Fill", (_shape_vector(shape), scalar), None, name)


def _array(dims: Any, dtype: DType, value: int) -> np.ndarray:
    return np.ones(dims, dtype.np_dtype) if value else _zeros_array(dims, dtype)


@export("zeros")
def zeros(shape: Any, dtype: Any = dtypes.float32, name: str | None = None, layout: Any = None) -> Tensor:
    """A tensor of zeros (False for bool, empty strings for string).

    Args:
      shape: a list of integers, an integer vector, or a TensorShape.
      dtype: the dtype of the result.
      layout: a `tf.experimental.dtensor.Layout` of the result; by default a regular tensor.

    Raises:
      InvalidArgumentError: a dimension is negative.

    Example:
      >>> import penstock as tf
      >>> tf.zeros([2, 3], tf.int32).numpy().tolist()
      [[0, 0, 0], [0, 0, 0]]
    """
    if layout is not None:
        return upcalls.call_with_layout(lambda: _filled(shape, dtype, 0, name or "zeros"), layout)
    return _filled(shape, dtype, 0, name or "zeros")


@export("ones")
def ones(shape: Any, dtype: Any = dtypes.float32, name: str | None = None, layout: Any = None) -> Tensor:
    """A tensor of ones.

    Args:
      shape: a list of integers, an integer vector, or a TensorShape.
      dtype: the dtype of the result.
      layout: a `tf.experimental.dtensor.Layout` of the result; by default a regular tensor.

    Raises:
      InvalidArgumentError: a dimension is negative.
      TypeError: `dtype` is string.

    Example:
      >>> import penstock as tf
      >>> tf.ones([3]).numpy().tolist()
      [1.0, 1.0, 1.0]
    """
    if layout is not None:
        return upcalls.call_with_layout(lambda: _filled(shape, dtype, 1, name or "ones"), layout)
    return _filled(shape, dtype, 1, name or "ones")


def _like(tensor: Any, dtype: Any, value: int, name: str) -> Tensor:
    tensor = convert_to_tensor(tensor)
    kind = tensor.dtype.base_dtype if dtype is None else as_dtype(dtype).base_dtype
    if process.meshes and isinstance(tensor, EagerTensor) and is_spread(tensor.device_value()):
        array = tensor.device_value()
        return EagerTensor.from_jax(
            filled_like(array.sharding, array.shape, kind.as_numpy_dtype, value), kind
        )
    if tensor.shape.is_fully_defined() and tensor.dtype not in (dtypes.variant, dtypes.resource):
        return _filled(tensor.shape, kind, value, name)
    if kind is tensor.dtype.base_dtype:
        return execute("OnesLike" if value else "ZerosLike", (tensor,), None, name)
    return _filled(execute("Shape", (tensor,), {"out_type": dtypes.int32}), kind, value, name)


@export("zeros_like", v1=[])
def zeros_like(input: Any, dtype: Any = None, name: str | None = None, layout: Any = None) -> Tensor:
    """Zeros of the shape of a tensor.

    Args:
      input: a tensor.
      dtype: the dtype of the result; by default that of `input`.
      layout: a `tf.experimental.dtensor.Layout` of the result; by default that of the tensor, if it has one.

    Example:
      >>> import penstock as tf
      >>> tf.zeros_like([[1.0, 2.0]], tf.int32).numpy().tolist()
      [[0, 0]]
    """
    if layout is not None:
        return upcalls.call_with_layout(lambda: _like(input, dtype, 0, name or "zeros_like"), layout)
    return _like(input, dtype, 0, name or "zeros_like")


@export(v1=["zeros_like"])
def zeros_like_v1(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """TF 1's `zeros_like`; as `tf.zeros_like`. A known shape is always used (`optimize`)."""
    return _like(tensor, dtype, 0, name or "zeros_like")


@export("ones_like", v1=[])
def ones_like(input: Any, dtype: Any = None, name: str | None = None, layout: Any = None) -> Tensor:
    """Ones of the shape of a tensor.

    Args:
      input: a tensor.
      dtype: the dtype of the result; by default that of `input`.
      layout: a `tf.experimental.dtensor.Layout` of the result; by default that of the tensor, if it has one.

    Example:
      >>> import penstock as tf
      >>> tf.ones_like([[1.0, 2.0]]).numpy().tolist()
      [[1.0, 1.0]]
    """
    if layout is not None:
        return upcalls.call_with_layout(lambda: _like(input, dtype, 1, name or "ones_like"), layout)
    return _like(input, dtype, 1, name or "ones_like")


@export(v1=["ones_like"])
def ones_like_v1(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """TF 1's `ones_like`; as `tf.ones_like`. A known shape is always used (`optimize`)."""
    return _like(tensor, dtype, 1, name or "ones_like")


@export("eye", "linalg.eye")
def eye(
    num_rows: Any,
    num_columns: Any = None,
    batch_shape: Any = None,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """Identity matrices.

    Args:
      num_rows: an integer scalar.
      num_columns: an integer scalar; by default `num_rows`.
      batch_shape: an integer vector: the leading dimensions of the result.
      dtype: the dtype of the result.

    Returns:
      A tensor of shape `batch_shape + [num_rows, num_columns]`.

    Raises:
      InvalidArgumentError: a size is negative.

    Example:
      >>> import penstock as tf
      >>> tf.eye(2, 3).numpy().tolist()
      [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    dtype = as_dtype(dtype).base_dtype
    name = name or "eye"
    num_columns = num_rows if num_columns is None else num_columns
    known = [_static_shape([size] if type(size) is int else size) for size in (num_rows, num_columns)]
    batch = [] if batch_shape is None else _static_shape(batch_shape)
    if batch is not None and None not in known:
        dims = [*batch, known[0][0], known[1][0]]
        if min(dims) >= 0 and (thread.graph is None or np.prod(dims) < _LARGEST_CONSTANT):
            value = np.broadcast_to(np.eye(*dims[-2:], dtype=dtype.np_dtype), dims)
            return constant(value, dtype, name=name)
    rows, columns = (
        convert_to_tensor(size, dtype_of(size) or dtypes.int32) for size in (num_rows, num_columns)
    )
    diagonal = execute("Minimum", (rows, columns))
    lead = [] if batch_shape is None else [_shape_vector(batch_shape)]
    shape = execute("ConcatV2", ([*lead, _shape_vector(diagonal)], convert_to_tensor(0)))
    zero = EagerTensor(np.zeros((), dtype.np_dtype), dtype)
    inputs = (_filled(shape, dtype, 1, "ones"), convert_to_tensor(0), rows, columns, zero)
    return execute("MatrixDiagV3", inputs, {"align": "RIGHT_LEFT"}, name)
