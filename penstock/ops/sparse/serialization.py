"""Sparse tensors as strings: `tf.io.serialize_sparse`, `serialize_many_sparse`, `deserialize_many_sparse`.

A sparse tensor is three TensorProto messages: indices, values and dense shape.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.graph import tensor_proto
from penstock.ops.sparse.conversion import as_sparse, parts
from penstock.ops.strings.kernels import as_array, string_array
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype, dtype_of_array
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor


def _as_text(out_type: Any) -> None:
    if as_dtype(out_type) is not dtypes.string:
        raise ValueError(f"sparse tensors are serialized to strings, not to {as_dtype(out_type).name}")


def _bytes_of(array: np.ndarray) -> bytes:
    return tensor_proto.tensor_proto(array, dtype_of_array(array)).SerializeToString()


def _serialize(indices: Any, values: Any, shape: Any, *, out_type: Any) -> np.ndarray:
    _as_text(out_type)
    return string_array(map(_bytes_of, map(as_array, (indices, values, shape))), (3,))


def _serialize_many(indices: Any, values: Any, shape: Any, *, out_type: Any) -> np.ndarray:
    _as_text(out_type)
    indices, values, shape = as_array(indices), as_array(values), as_array(shape)
    if len(shape) < 2:
        raise ValueError(f"Rank of input SparseTensor should be > 1, but saw rank: {len(shape)}")
    order = np.lexsort(indices.T[::-1])
    disorder = np.flatnonzero(order != np.arange(len(order)))
    if len(disorder):
        at = disorder[0] + 1
        raise ValueError(
            f"indices[{at}] = {indices[at].tolist()} is out of order. Many sparse ops require sorted indices. "
            "Use `tf.sparse.reorder` to create a correctly ordered copy."
        )
    bounds = np.searchsorted(indices[:, 0], np.arange(shape[0] + 1))
    rest = _bytes_of(shape[1:])
    rows = [
        part
        for first, last in itertools.pairwise(bounds)
        for part in (_bytes_of(indices[first:last, 1:]), _bytes_of(values[first:last]), rest)
    ]
    return string_array(rows, (int(shape[0]), 3))


def _array_of(data: bytes) -> np.ndarray:
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto import tensor_pb2

    try:
        return tensor_proto.array_of_proto(tensor_pb2.TensorProto.FromString(data))
    except (DecodeError, TypeError) as error:
        raise ValueError(f"Could not parse serialized proto of {len(data)} bytes: {error}") from None


def _deserialize(serialized: Any, *, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    serialized = as_array(serialized)
    if not serialized.ndim or serialized.shape[-1] != 3:
        raise ValueError(f"Serialized sparse should have 3 as the last dimension {list(serialized.shape)}")
    outer = serialized.shape[:-1]
    if not serialized.size:
        raise ValueError(
            "Serialized sparse should have at least 1 serialized tensor, but has a zero dimension "
            f"{list(serialized.shape)}"
        )
    found = [
        _checked(index, _array_of(indices), _array_of(values), _array_of(shape), as_dtype(dtype))
        for index, (indices, values, shape) in enumerate(serialized.reshape(-1, 3))
    ]
    rank = len(found[0][2])
    for index, (_, _, shape) in enumerate(found):
        if len(shape) != rank:
            raise ValueError(
                f"Inconsistent shape across SparseTensors: rank prior to SparseTensor[{index}] was: {rank} but rank of "
                f"SparseTensor[{index}] is: {len(shape)}"
            )
    prefixes = np.stack(np.unravel_index(np.arange(len(found)), outer or (1,)), axis=1)[:, : len(outer)]
    indices = [
        np.concatenate([np.broadcast_to(prefix, (len(each), len(outer))), each], axis=1)
        for prefix, (each, _, _) in zip(prefixes, found)
    ]
    sizes = np.max([shape for _, _, shape in found], axis=0) if rank else np.zeros(0, np.int64)
    return (
        np.concatenate(indices).astype(np.int64, copy=False),
        np.concatenate([values for _, values, _ in found]),
        np.concatenate([np.array(outer, np.int64), sizes]).astype(np.int64, copy=False),
    )


def _checked(
    index: int, indices: np.ndarray, values: np.ndarray, shape: np.ndarray, dtype: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    name = f"SparseTensor[{index}]"
    if dtype_of_array(values) is not dtype:
        raise ValueError(
            f"Requested SparseTensor of type {dtype.name} but {name}.values.dtype() == {dtype_of_array(values).name}"
        )
    if indices.ndim != 2 or values.ndim != 1 or shape.ndim != 1:
        raise ValueError(
            f"{name} has indices {list(indices.shape)}, values {list(values.shape)} and shape {list(shape.shape)}: "
            "a matrix and two vectors were expected"
        )
    if len(indices) != len(values) or indices.shape[1] != len(shape):
        raise ValueError(
            f"{name} has {len(indices)} indices of {indices.shape[1]} numbers, {len(values)} values and rank {len(shape)}"
        )
    return indices, values, shape


def _deserialized_shapes(call: ShapeCall) -> list[TensorShape]:
    return [TensorShape([None, None]), TensorShape([None]), TensorShape([None])]


op(
    "SerializeSparse(sparse_indices: int64, sparse_values: T, sparse_shape: int64; out_type=string) -> "
    "serialized_sparse: out_type",
    numpy=_serialize,
    shape=lambda call: TensorShape([3]),
    gradient=stops,
)
op(
    "SerializeManySparse(sparse_indices: int64, sparse_values: T, sparse_shape: int64; out_type=string) -> "
    "serialized_sparse: out_type",
    numpy=_serialize_many,
    shape=lambda call: TensorShape([None, 3]),
    gradient=stops,
)
_PARSED = "(sparse_indices: int64, sparse_values: dtype, sparse_shape: int64)"
op(
    f"DeserializeManySparse(serialized_sparse: string; dtype) -> {_PARSED}",
    numpy=_deserialize,
    shape=_deserialized_shapes,
    gradient=stops,
)
op(
    f"DeserializeSparse(serialized_sparse: Tserialized; dtype) -> {_PARSED}",
    numpy=_deserialize,
    shape=_deserialized_shapes,
    gradient=stops,
)


@export("io.serialize_sparse", v1=[])
def serialize_sparse(sp_input: Any, out_type: Any = dtypes.string, name: str | None = None) -> Tensor:
    """A sparse tensor as three strings: its indices, values and dense shape, as `tf.io.serialize_tensor` makes them.

    Args:
      sp_input: a `SparseTensor`.
      out_type: string.
      name: the node's name in a graph.

    Raises:
      TypeError: it is no `SparseTensor`.

    Example:
      >>> import penstock as tf
      >>> strings = tf.io.serialize_sparse(tf.SparseTensor([[1]], [5], [3]))
      >>> tf.io.parse_tensor(strings[1], tf.int32).numpy()
      array([5], dtype=int32)
    """
    return execute("SerializeSparse", parts(as_sparse(sp_input)), {"out_type": as_dtype(out_type)}, name)


@export(v1=["io.serialize_sparse", "serialize_sparse"])
def serialize_sparse_v1(sp_input: Any, name: str | None = None, out_type: Any = dtypes.string) -> Tensor:
    """TF 1's order of the arguments of `tf.io.serialize_sparse`."""
    return serialize_sparse(sp_input, out_type, name)


@export("io.serialize_many_sparse", v1=[])
def serialize_many_sparse(sp_input: Any, out_type: Any = dtypes.string, name: str | None = None) -> Tensor:
    """The rows of a sparse tensor as strings, [batch, 3].

    Args:
      sp_input: a `SparseTensor` of rank 2 or more, whose first dimension is the batch; its indices are sorted.
      out_type: string.
      name: the node's name in a graph.

    Raises:
      TypeError: it is no `SparseTensor`.
      InvalidArgumentError: it has another rank, or its indices are not sorted.

    Example:
      >>> import penstock as tf
      >>> strings = tf.io.serialize_many_sparse(tf.SparseTensor([[0, 1], [2, 0]], [5, 6], [3, 2]))
      >>> tf.io.deserialize_many_sparse(strings, tf.int32).indices.numpy().tolist()
      [[0, 1], [2, 0]]
    """
    return execute("SerializeManySparse", parts(as_sparse(sp_input)), {"out_type": as_dtype(out_type)}, name)


@export(v1=["io.serialize_many_sparse", "serialize_many_sparse"])
def serialize_many_sparse_v1(sp_input: Any, name: str | None = None, out_type: Any = dtypes.string) -> Tensor:
    """TF 1's order of the arguments of `tf.io.serialize_many_sparse`."""
    return serialize_many_sparse(sp_input, out_type, name)


@export("io.deserialize_many_sparse", v1=["io.deserialize_many_sparse", "deserialize_many_sparse"])
def deserialize_many_sparse(
    serialized_sparse: Any, dtype: Any, rank: int | None = None, name: str | None = None
) -> SparseTensor:
    """The sparse tensor of a batch whose rows are sparse tensors; its sizes are the largest of theirs.

    Args:
      serialized_sparse: strings [batch, 3], made by `serialize_many_sparse`, or by `serialize_sparse` and `tf.stack`.
      dtype: that of the values.
      rank: the rank of the result, if it is known.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: they are no such strings, of another dtype, or of different ranks.

    Example:
      >>> import penstock as tf
      >>> row = tf.io.serialize_sparse(tf.SparseTensor([[1]], [5], [3]))
      >>> tf.io.deserialize_many_sparse([row, row], tf.int32).dense_shape.numpy()
      array([2, 3])
    """
    tensor = convert_to_tensor(serialized_sparse, dtypes.string)
    indices, values, shape = execute("DeserializeManySparse", (tensor,), {"dtype": as_dtype(dtype)}, name)
    if rank is not None:
        indices.set_shape([None, rank])
        shape.set_shape([rank])
    return SparseTensor(indices, values, shape)
