"""TensorProto and TensorShapeProto messages from NumPy arrays and shapes, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.io.example_wire import varint
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape

# Fields that hold single values of a dtype where `tensor_content` is empty.
FIELDS = {
    dtypes.float32: "float_val", dtypes.float64: "double_val", dtypes.int32: "int_val", dtypes.int16: "int_val",
    dtypes.int8: "int_val", dtypes.uint8: "int_val", dtypes.uint16: "int_val", dtypes.int64: "int64_val",
    dtypes.bool: "bool_val", dtypes.uint32: "uint32_val", dtypes.uint64: "uint64_val", dtypes.qint8: "int_val",
    dtypes.quint8: "int_val", dtypes.qint32: "int_val", dtypes.float16: "half_val", dtypes.bfloat16: "half_val",
}  # fmt: skip


def shape_proto(shape: Any) -> Any:
    """A shape as a TensorShapeProto."""
    from tensorboard.compat.proto import tensor_shape_pb2

    shape = TensorShape(shape)
    if shape.rank is None:
        return tensor_shape_pb2.TensorShapeProto(unknown_rank=True)
    dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=-1 if dim is None else dim) for dim in shape.as_list()]
    return tensor_shape_pb2.TensorShapeProto(dim=dims)


def shape_of_proto(proto: Any) -> TensorShape:
    """The shape in a TensorShapeProto."""
    if proto.unknown_rank:
        return TensorShape(None)
    return TensorShape([None if dim.size < 0 else dim.size for dim in proto.dim])


def tensor_proto(array: Any, dtype: DType) -> Any:
    """An array as a TensorProto."""
    from tensorboard.compat.proto import tensor_pb2

    array = np.asarray(array)
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, tensor_shape=shape_proto(array.shape))
    if dtype is dtypes.string:
        proto.string_val.extend(bytes(each) for each in array.reshape(-1))
    else:
        proto.tensor_content = np.ascontiguousarray(array).tobytes()
    return proto


def array_of_proto(proto: Any) -> np.ndarray:
    """The array in a TensorProto.

    Raises:
      ValueError: the message holds fewer or more bytes than its shape and dtype say.
    """
    dtype = as_dtype(proto.dtype)
    dims = shape_of_proto(proto.tensor_shape).as_list()
    count = int(np.prod(dims, dtype=np.int64))
    if dtype is dtypes.string and proto.tensor_content:
        return _strings_in(proto.tensor_content, count).reshape(dims)
    if dtype is dtypes.string:
        return _spread(list(proto.string_val), count, b"", object).reshape(dims)
    kind = np.dtype(dtype.as_numpy_dtype)
    if proto.tensor_content:
        if len(proto.tensor_content) != count * kind.itemsize:
            raise ValueError(
                f"A tensor of {count} {dtype.name} has {count * kind.itemsize} bytes; "
                f"the message has {len(proto.tensor_content)}."
            )
        return np.frombuffer(proto.tensor_content, kind).reshape(dims).copy()
    if dtype in (dtypes.complex64, dtypes.complex128):
        parts = np.array(proto.scomplex_val if dtype is dtypes.complex64 else proto.dcomplex_val)
        return _spread(list(parts[0::2] + 1j * parts[1::2]), count, 0, kind).reshape(dims)
    field = FIELDS.get(dtype)
    if field is None:
        raise ValueError(f"A TensorProto of dtype {dtype.name} must have its values in tensor_content.")
    values = list(getattr(proto, field))
    if field == "half_val":
        halves = np.array(values, np.uint16).view(kind)
        return _spread(list(halves), count, 0, kind).reshape(dims)
    return _spread(values, count, 0, kind).reshape(dims)


def _strings_in(content: bytes, count: int) -> np.ndarray:
    """Strings that lie one behind the other; their lengths, as varints, are before them."""
    lengths, at = [], 0
    try:
        for _ in range(count):
            length, at = varint(content, at)
            lengths.append(length)
    except IndexError:
        raise ValueError(f"A tensor of {count} strings has the lengths of {len(lengths)}.") from None
    if at + sum(lengths) != len(content):
        raise ValueError(
            f"A tensor of {count} strings has {sum(lengths)} bytes; the message has {len(content) - at}."
        )
    out = np.empty(count, object)
    for index, length in enumerate(lengths):
        out[index] = content[at : at + length]
        at += length
    return out


def _spread(values: list, count: int, empty: Any, kind: Any) -> np.ndarray:
    """`count` values: the last one that is given stands for the rest."""
    if len(values) > count:
        raise ValueError(f"A tensor of {count} elements was given {len(values)} values.")
    last = values[-1] if values else empty
    out = np.empty(count, kind)
    for index in range(count):
        out[index] = values[index] if index < len(values) else last
    return out
