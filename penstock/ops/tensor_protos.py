"""Tensors as protocol buffers: `tf.make_tensor_proto`, `tf.make_ndarray`, `tf.io.serialize_tensor`, `tf.io.parse_tensor`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from penstock.engine.convert import array_of, convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import scalar, unknown
from penstock.graph import tensor_proto
from penstock.ops.strings.kernels import as_array
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype, dtype_of_array
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor


def _serialize(tensor: Any) -> bytes:
    array = as_array(tensor)
    return tensor_proto.tensor_proto(array, dtype_of_array(array)).SerializeToString()


def _parse(serialized: Any, *, out_type: Any) -> np.ndarray:
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto import tensor_pb2

    data = as_array(serialized)
    if data.ndim:
        raise ValueError(f"Expected `serialized` to be a scalar, got shape: {list(data.shape)}")
    try:
        proto = tensor_pb2.TensorProto.FromString(data[()])
    except DecodeError as error:
        raise ValueError(f"Could not parse `serialized` as TensorProto: {error}") from None
    found, expected = as_dtype(proto.dtype), as_dtype(out_type)
    if found != expected:
        raise ValueError(f"Type mismatch between parsed tensor ({found.name}) and dtype ({expected.name})")
    return tensor_proto.array_of_proto(proto)


op("SerializeTensor(tensor: T) -> serialized: string", numpy=_serialize, shape=scalar, gradient=stops)
op(
    "ParseTensor(serialized: string; out_type) -> output: out_type",
    numpy=_parse,
    shape=unknown,
    gradient=stops,
)


@export("io.serialize_tensor", v1=["io.serialize_tensor", "serialize_tensor"])
def serialize_tensor(tensor: Any, name: str | None = None) -> Tensor:
    """A tensor as the bytes of a TensorProto message, a string scalar.

    Example:
      >>> import penstock as tf
      >>> data = tf.io.serialize_tensor([1.0, 2.0])
      >>> tf.io.parse_tensor(data, tf.float32).numpy()
      array([1., 2.], dtype=float32)
    """
    return execute("SerializeTensor", (convert_to_tensor(tensor),), None, name)


@export("io.parse_tensor", v1=["io.parse_tensor", "parse_tensor"])
def parse_tensor(serialized: Any, out_type: Any, name: str | None = None) -> Tensor:
    """The tensor that `tf.io.serialize_tensor` made a string of.

    Args:
      serialized: a string scalar.
      out_type: the tensor's dtype.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: it is no such message, or of another dtype.
    """
    tensor = convert_to_tensor(serialized, dtypes.string)
    return execute("ParseTensor", (tensor,), {"out_type": as_dtype(out_type)}, name)


@export("make_tensor_proto")
def make_tensor_proto(
    values: Any,
    dtype: Any = None,
    shape: Any = None,
    verify_shape: bool = False,
    allow_broadcast: bool = False,
) -> Any:
    """A TensorProto message.

    Args:
      values: an eager tensor, array, number, string, or nested list.
      dtype: the dtype; that of the values by default.
      shape: the shape; where there are fewer values, the last one stands for the rest.
      verify_shape: whether the values must have just that shape.
      allow_broadcast: whether a single value may be given for a larger shape.

    Raises:
      TypeError: `verify_shape` is set and the values have another shape, or a symbolic tensor is given.
      ValueError: there are more values than fit.

    Example:
      >>> import penstock as tf
      >>> tf.make_ndarray(tf.make_tensor_proto(5, shape=[2])).tolist()
      [5, 5]
    """
    if allow_broadcast and verify_shape:
        raise ValueError("allow_broadcast and verify_shape are not both allowed.")
    if isinstance(values, SymbolicTensor):
        raise TypeError(
            f"Failed to convert elements of {values} to Tensor: it has no value while a graph is built."
        )
    if isinstance(values, EagerTensor):
        values = values.host()
    if values is None:
        raise ValueError("None values not supported.")
    array, kind = array_of(values, None if dtype is None else as_dtype(dtype))
    dims = list(array.shape) if shape is None else TensorShape(shape).as_list()
    if shape is not None:
        _check_shape(array, dims, verify_shape, allow_broadcast)
    if array.size == math.prod(dims) and array.size > 1:
        return tensor_proto.tensor_proto(array.reshape(dims), kind)
    return _with_values(array, kind, dims)


def _check_shape(array: np.ndarray, dims: list[int], verify_shape: bool, allow_broadcast: bool) -> None:
    size = math.prod(dims)
    if verify_shape and list(array.shape) != dims:
        raise TypeError(f"Expected Tensor's shape: {tuple(dims)}, but got {array.shape}.")
    if allow_broadcast and array.shape not in ((), (1,)) and list(array.shape) != dims:
        raise ValueError(f"Shapes {tuple(dims)} and {array.shape} are incompatible.")
    if array.size > size:
        raise ValueError(f"Too many elements provided. Takes at most {size:d}, but got {array.size:d}")


def _with_values(array: np.ndarray, dtype: DType, dims: list[int]) -> Any:
    """A message that holds values one by one, of which the last may stand for more."""
    proto = tensor_proto.tensor_proto(np.empty([0], dtype.as_numpy_dtype), dtype)
    proto.ClearField("tensor_content")
    proto.tensor_shape.CopyFrom(tensor_proto.shape_proto(dims))
    flat = array.reshape(-1)
    if dtype is dtypes.string:
        proto.string_val.extend(bytes(each) for each in flat)
        return proto
    if dtype.is_complex:
        field = proto.scomplex_val if dtype is dtypes.complex64 else proto.dcomplex_val
        field.extend(part for each in flat.tolist() for part in (each.real, each.imag))
        return proto
    name = tensor_proto.FIELDS.get(dtype)
    if name is None:
        raise TypeError(f"A TensorProto has no field for single values of dtype {dtype.name}")
    getattr(proto, name).extend((flat.view(np.uint16) if name == "half_val" else flat).tolist())
    return proto


@export("make_ndarray")
def make_ndarray(tensor: Any) -> np.ndarray:
    """The array in a TensorProto message.

    Raises:
      TypeError: the message is of a dtype that arrays do not have.
    """
    return tensor_proto.array_of_proto(tensor)
