"""What is known of a tensor without its values: shape, size, rank; and the broadcast of two shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, scalar
from penstock.engine.static_value import constant_value, static_ints
from penstock.ops.arguments import index_vector
from penstock.types import dtypes, nest
from penstock.types.composite import CompositeTensor
from penstock.types.dtypes import DType, as_dtype
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.shapes import TensorShape, broadcast_shape, unknown_shape
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor, TensorLike


def _shape_n_kernel(xp: Any, values: list, *, out_type: DType) -> list:
    return [np.array(np.shape(value), out_type.np_dtype) for value in values]


op(
    "Shape(input: T; out_type=int32) -> output: out_type",
    lambda xp, x, *, out_type: np.array(np.shape(x), out_type.np_dtype),
    shape=lambda call: unknown_shape(1) if call.shape(0).rank is None else TensorShape([call.shape(0).rank]),
    gradient=stops,
    view=True,
)
op(
    "ShapeN(input: N*T; out_type=int32) -> output: N*out_type",
    _shape_n_kernel,
    shape=lambda call: [TensorShape([each.shape.rank]) for each in call.inputs],
    gradient=stops,
    view=True,
)
op(
    "Size(input: T; out_type=int32) -> output: out_type",
    lambda xp, x, *, out_type: np.array(np.size(x), out_type.np_dtype),
    shape=scalar,
    gradient=stops,
    view=True,
)
op(
    "Rank(input: T) -> output: int32",
    lambda xp, x: np.array(np.ndim(x), np.int32),
    shape=scalar,
    gradient=stops,
    view=True,
)


def _broadcast_args(xp: Any, s0: Any, s1: Any) -> np.ndarray:
    first, second = static_ints(s0), static_ints(s1)
    return np.array(np.broadcast_shapes(first, second), s0.dtype)


def _broadcast_args_shape(call: ShapeCall) -> TensorShape:
    lengths = [call.shape(i)[0] for i in range(2)]
    return TensorShape([None if None in lengths else max(lengths)])


op(
    "BroadcastArgs(s0: T, s1: T) -> r0: T",
    _broadcast_args,
    shape=_broadcast_args_shape,
    gradient=stops,
    view=True,
)


def _integer_dtype(out_type: Any) -> DType:
    return dtypes.int32 if out_type is None else as_dtype(out_type)


@export("shape", v1=[])
def shape(input: Any, out_type: Any = None, name: str | None = None) -> Tensor:
    """The shape of a tensor, as a tensor.

    Args:
      input: a tensor.
      out_type: int32 (the default) or int64.

    Returns:
      An integer vector with one entry for each dimension of `input`.

    Example:
      >>> import penstock as tf
      >>> tf.shape([[1, 2, 3]]).numpy().tolist()
      [1, 3]
    """
    kind = _integer_dtype(out_type)
    if type(input) is EagerTensor and thread.graph is None and not thread.tapes:
        return EagerTensor(np.array(input._shape_tuple, kind.np_dtype), kind)
    if hasattr(input, "dense_shape") and not isinstance(input, Tensor):
        return execute("Cast", (convert_to_tensor(input.dense_shape),), {"DstT": kind}, name)
    tensor = convert_to_tensor(input)
    if type(tensor) is SymbolicTensor and tensor.shape.is_fully_defined():
        value = np.array(tensor.shape.as_list(), kind.np_dtype)
        return execute("Const", (), {"value": value, "dtype": kind}, name or "Shape")
    return execute("Shape", (tensor,), {"out_type": kind}, name)


@export(v1=["shape"])
def shape_v1(input: Any, name: str | None = None, out_type: Any = None) -> Tensor:
    """TF 1's `shape`; as `tf.shape`."""
    return shape(input, out_type, name)


@export("shape_n")
def shape_n(input: Any, out_type: Any = dtypes.int32, name: str | None = None) -> list[Tensor]:
    """The shapes of several tensors.

    Example:
      >>> import penstock as tf
      >>> [each.numpy().tolist() for each in tf.shape_n([[[1, 2]], [[3], [4]]])]
      [[1, 2], [2, 1]]
    """
    return execute(
        "ShapeN", ([convert_to_tensor(each) for each in input],), {"out_type": as_dtype(out_type)}, name
    )


@export("size", v1=[])
def size(input: Any, out_type: Any = None, name: str | None = None) -> Tensor:
    """The number of elements of a tensor.

    Args:
      input: a tensor.
      out_type: int32 (the default) or int64.

    Example:
      >>> import penstock as tf
      >>> int(tf.size([[1, 2, 3], [4, 5, 6]]))
      6
    """
    kind = _integer_dtype(out_type)
    if hasattr(input, "dense_shape") and not isinstance(input, Tensor):
        dims = execute("Cast", (convert_to_tensor(input.dense_shape),), {"DstT": kind})
        return execute("Prod", (dims, convert_to_tensor(0)), {"keep_dims": False}, name)
    tensor = convert_to_tensor(input)
    if type(tensor) is SymbolicTensor and tensor.shape.is_fully_defined():
        value = np.array(tensor.shape.num_elements(), kind.np_dtype)
        return execute("Const", (), {"value": value, "dtype": kind}, name or "Size")
    return execute("Size", (tensor,), {"out_type": kind}, name)


@export(v1=["size"])
def size_v1(input: Any, name: str | None = None, out_type: Any = None) -> Tensor:
    """TF 1's `size`; as `tf.size`."""
    return size(input, out_type, name)


@export("rank")
def rank(input: Any, name: str | None = None) -> Tensor:
    """The number of dimensions of a tensor.

    Returns:
      An int32 scalar.

    Example:
      >>> import penstock as tf
      >>> int(tf.rank([[1, 2], [3, 4]]))
      2
    """
    if hasattr(input, "dense_shape") and not isinstance(input, Tensor):
        return size(input.dense_shape, dtypes.int32, name)
    tensor = convert_to_tensor(input)
    if type(tensor) is SymbolicTensor and tensor.shape.rank is not None:
        value = np.array(tensor.shape.rank, np.int32)
        return execute("Const", (), {"value": value, "dtype": dtypes.int32}, name or "Rank")
    return execute("Rank", (tensor,), None, name)


@export("broadcast_static_shape")
def broadcast_static_shape(shape_x: Any, shape_y: Any) -> TensorShape:
    """The shape that two shapes, which may be partly known, broadcast to.

    Raises:
      ValueError: they do not broadcast.

    Example:
      >>> import penstock as tf
      >>> tf.broadcast_static_shape(tf.TensorShape([None, 3]), tf.TensorShape([2, 1]))
      TensorShape([2, 3])
    """
    return broadcast_shape(shape_x, shape_y)


@export("broadcast_dynamic_shape")
def broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Tensor:
    """The shape that two shapes given as integer vectors broadcast to.

    Raises:
      InvalidArgumentError: they do not broadcast.

    Example:
      >>> import penstock as tf
      >>> tf.broadcast_dynamic_shape([1, 3], [2, 1]).numpy().tolist()
      [2, 3]
    """
    first = index_vector(shape_x)
    return execute("BroadcastArgs", (first, index_vector(shape_y, first.dtype)))


# Programs branch on what TensorFlow can tell (`int(x) if get_static_value(x) is not None`), so we tell no more.
_STATIC_OPS = frozenset(
    "Cast Concat ConcatV2 Const Equal Fill Identity NotEqual Pack Range Split StopGradient Unpack".split()
)


def _is_static(tensor: Any) -> bool:
    if not isinstance(tensor, SymbolicTensor) or tensor.op.type in ("Shape", "Size", "Rank"):
        return True
    return tensor.op.type in _STATIC_OPS and all(_is_static(each) for each in tensor.op.inputs)


@export("get_static_value")
def get_static_value(tensor: Any, partial: bool = False) -> Any:
    """The value of a tensor as a NumPy array, if it can be known without running a graph; else None.

    Args:
      tensor: a tensor; anything else is given back.
      partial: accept a vector of which only some entries are known; the others are None in an object array.

    Example:
      >>> import penstock as tf
      >>> tf.get_static_value(tf.constant([1, 2]))
      array([1, 2], dtype=int32)
    """
    if isinstance(tensor, EagerTensor):
        return tensor.numpy()
    if not is_tensor(tensor):
        return tensor
    value = constant_value(tensor) if _is_static(tensor) else None
    if value is None and partial and isinstance(tensor, SymbolicTensor) and tensor.op.type == "Pack":
        return np.array([get_static_value(each) for each in tensor.op.inputs], object)
    return value


@export("is_tensor", v1=["is_tensor"])
def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor, a variable, or another value that ops take for one (sparse and ragged tensors).

    Example:
      >>> import penstock as tf
      >>> tf.is_tensor(tf.constant(1)), tf.is_tensor([1])
      (True, False)
    """
    if isinstance(x, (TensorLike, IndexedSlices)):
        return True
    is_sparse_or_ragged = isinstance(x, CompositeTensor) and hasattr(x, "dtype") and hasattr(x, "shape")
    is_variable = hasattr(type(x), "handle") and hasattr(type(x), "assign")
    return is_sparse_or_ragged or is_variable


@export("is_symbolic_tensor")
def is_symbolic_tensor(tensor: Any) -> bool:
    """Whether `tensor` (or a part of a composite) only has a value once its graph runs.

    Example:
      >>> import penstock as tf
      >>> tf.is_symbolic_tensor(tf.constant(1))
      False
    """
    if isinstance(tensor, Tensor):
        return isinstance(tensor, SymbolicTensor)
    if isinstance(tensor, CompositeTensor):
        return any(is_symbolic_tensor(each) for each in nest.flatten(tensor, expand_composites=True))
    handle = getattr(tensor, "handle", None)
    return isinstance(handle, SymbolicTensor)
