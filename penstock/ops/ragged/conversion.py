"""Ragged tensors from and to dense and sparse ones: methods of `RaggedTensor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import constant_value
from penstock.ops.casting import cast
from penstock.ops.creation import zeros
from penstock.ops.gathering import gather
from penstock.ops.ragged.row_partition import partition_tensor
from penstock.ops.ragged.tensor import RaggedTensor
from penstock.ops.ranges import sequence_mask
from penstock.ops.selection import boolean_mask
from penstock.ops.sparse.conversion import as_sparse
from penstock.types import dtypes, errors
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor

# To dense.


def _places(splits: Sequence[np.ndarray], sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """For each row-partitioned value its position in the dense tensor, and whether it lies inside."""
    outer = np.arange(len(splits[0]) - 1)
    inside = outer < sizes[0]
    position = outer
    for level, row_splits in enumerate(splits):
        lengths = np.diff(row_splits)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        offsets = np.arange(row_splits[-1]) - np.repeat(row_splits[:-1], lengths)
        inside = inside[rows] & (offsets < sizes[level + 1])
        position = position[rows] * sizes[level + 1] + offsets
    return position, inside


def _to_tensor(
    shape: Any, values: Any, default: Any, partitions: list, *, row_partition_types: Any
) -> np.ndarray:
    kinds = [each.decode() if isinstance(each, bytes) else each for each in row_partition_types]
    splits: list[Any] = []
    rows = None
    for kind, tensor in zip(kinds, partitions):
        if kind == "FIRST_DIM_SIZE":
            rows = int(tensor)
        elif kind == "VALUE_ROWIDS":
            count = rows if not splits else int(splits[-1][-1])
            lengths = np.bincount(np.asarray(tensor), minlength=count or 0)
            splits.append(np.concatenate([[0], np.cumsum(lengths)]))
        else:
            splits.append(np.asarray(tensor))
    inner = np.shape(values)[1:]
    natural = [len(splits[0]) - 1, *(int(np.diff(each).max(initial=0)) for each in splits), *inner]
    wanted = [int(each) for each in np.atleast_1d(shape)] if np.ndim(shape) else [-1] * len(natural)
    if len(wanted) != len(natural):
        raise ValueError(f"shape has {len(wanted)} dimensions, the ragged tensor {len(natural)}")
    sizes = [natural[axis] if size < 0 else size for axis, size in enumerate(wanted)]
    depth = len(splits) + 1
    if sizes[depth:] != list(inner):
        raise ValueError(f"the inner dimensions {list(inner)} must not change, got shape {wanted}")
    position, inside = _places(splits, sizes)
    values = np.asarray(values)
    dense = np.empty((int(np.prod(sizes[:depth])), *inner), values.dtype)
    dense[...] = default
    dense[position[inside]] = values[inside]
    return dense.reshape(sizes)


def _to_tensor_gradient(call: Any, dy: Any) -> list[Any]:
    _, values, default, *partitions = call.inputs
    attrs = {"row_partition_types": call.attrs["row_partition_types"]}
    # Where each value went: the same op on the numbers of the values, -1 elsewhere.
    count = execute("Shape", (values,), {"out_type": dtypes.int64})[0]
    numbers = execute("Range", (count * 0, count, count * 0 + 1))
    target = execute("Shape", (dy,), {"out_type": dtypes.int64})
    depth = (
        len(partitions) + 1
        if attrs["row_partition_types"][0] in ("ROW_SPLITS", b"ROW_SPLITS")
        else len(partitions)
    )
    outer = target[:depth]
    minus_one = convert_to_tensor(-1, dtypes.int64)
    places = execute("RaggedTensorToTensor", (outer, numbers, minus_one, list(partitions)), attrs)
    flat_places = execute("Reshape", (places, convert_to_tensor([-1])))
    inner = execute(
        "ConcatV2", ([convert_to_tensor([-1], dtypes.int64), target[depth:]], convert_to_tensor(0))
    )
    flat_dy = execute("Reshape", (dy, inner))
    here = execute("Reshape", (execute("Where", (flat_places >= minus_one + 1,)), convert_to_tensor([-1])))
    there = execute(
        "Reshape", (execute("Where", (execute("Equal", (flat_places, minus_one)),)), convert_to_tensor([-1]))
    )
    shape = execute("Shape", (values,), {"out_type": dtypes.int64})
    indices = gather(flat_places, here)[:, None]
    d_values = execute("ScatterNd", (indices, gather(flat_dy, here), shape))
    rest = execute("Sum", (gather(flat_dy, there), convert_to_tensor([0])), {"keep_dims": False})
    extra = list(range((rest.shape.rank or 0) - (default.shape.rank or 0)))
    d_default = (
        execute("Sum", (rest, convert_to_tensor(extra, dtypes.int32)), {"keep_dims": False})
        if extra
        else rest
    )
    return [None, d_values, d_default, *(None for _ in partitions)]


def _to_tensor_shape(call: ShapeCall) -> TensorShape:
    kinds = call.attrs["row_partition_types"]
    outer = len(kinds) + 1 if kinds[0] in ("ROW_SPLITS", b"ROW_SPLITS") else len(kinds)
    rows = call.shape(3)[0] if call.shape(3).rank == 1 else None
    inner = call.shape(1)[1:] if call.shape(1).rank is not None else TensorShape(None)
    natural = TensorShape([None if rows is None else rows - 1, *[None] * (outer - 1)]).concatenate(inner)
    if call.shape(0).rank == 0 or natural.rank is None:  # a scalar -1: the natural size
        return natural
    asked = call.entries(0)
    if asked is None:
        return TensorShape([None] * outer).concatenate(inner)
    if len(asked) != natural.rank:
        raise call.error(f"shape must have {natural.rank} entries")
    dims = [own if size == -1 else size for size, own in zip(asked[:outer], natural.as_list())]
    return TensorShape(dims).concatenate(inner)


op(
    "RaggedTensorToTensor(shape: Tshape, values: T, default_value: T,"
    " row_partition_tensors: num_row_partition_tensors*Tindex; row_partition_types) -> result: T",
    numpy=_to_tensor,
    shape=_to_tensor_shape,
    gradient=_to_tensor_gradient,
)


def to_tensor(
    self: RaggedTensor, default_value: Any = None, name: str | None = None, shape: Any = None
) -> Tensor:
    """A dense tensor, in which shorter rows are padded at their end.

    Args:
      default_value: what pads; zero (or the empty string) by default. It broadcasts to the inner dimensions.
      shape: the shape of the result: rows are padded to it or cut; None or -1 for the size of the largest row.

    Example:
      >>> import penstock as tf
      >>> tf.ragged.constant([[9, 8], [], [6]]).to_tensor(default_value=-1).numpy().tolist()
      [[9, 8], [-1, -1], [6, -1]]
    """
    if default_value is None:
        default_value = zeros([], self.dtype)
    default = convert_to_tensor(default_value, self.dtype)
    static = TensorShape(None)
    if shape is None:
        target = convert_to_tensor(-1, dtypes.int64)
    elif isinstance(shape, Tensor):
        target, static = shape, shape._as_shape()
    else:
        static = TensorShape(
            [None if dim == -1 else dim for dim in shape] if isinstance(shape, (list, tuple)) else shape
        )
        dims = [-1 if dim is None else dim for dim in static.as_list()] if static.rank is not None else -1
        target = convert_to_tensor(dims, dtypes.int64)
    kinds = ["ROW_SPLITS"] * self.ragged_rank
    inputs = (target, self.flat_values, default, list(self.nested_row_splits))
    dense = execute("RaggedTensorToTensor", inputs, {"row_partition_types": kinds}, name)
    if dense.is_symbolic_tensor:
        known = (
            self.shape
            if static.rank is None
            else TensorShape(
                [
                    mine if given is None else given
                    for given, mine in zip(static.as_list(), self.shape.as_list(), strict=True)
                ]
            )
        )
        dense.set_shape(known)
    return dense


# From dense.


def from_tensor(
    cls: type[RaggedTensor], tensor: Any, lengths: Any = None, padding: Any = None, ragged_rank: int = 1,
    name: str | None = None, row_splits_dtype: Any = dtypes.int64,
) -> RaggedTensor:  # fmt: skip
    """A ragged tensor with the rows of a dense one, whole or without their ends.

    Args:
      lengths: the length of each row, or a list of lengths for several ragged dimensions.
      padding: a value (of the innermost shape) that is dropped from the end of rows. Not together with `lengths`.
      ragged_rank: how many dimensions become ragged.
      row_splits_dtype: int32 or int64.

    Raises:
      ValueError: both `lengths` and `padding` are given, or `ragged_rank` does not fit.

    Example:
      >>> import penstock as tf
      >>> tf.RaggedTensor.from_tensor([[5, 7, 0], [0, 3, 0], [6, 0, 0]], padding=0)
      <tf.RaggedTensor [[5, 7], [0, 3], [6]]>
    """
    row_splits_dtype = dtypes.as_dtype(row_splits_dtype)
    if lengths is not None and padding is not None:
        raise ValueError("Specify argument `lengths` or `padding`, but not both.")
    if not isinstance(ragged_rank, int):
        raise TypeError(f"Argument `ragged_rank` must be an int. Received {ragged_rank}.")
    if ragged_rank <= 0:
        raise ValueError(f"Argument `ragged_rank` must be greater than 0. Received {ragged_rank}.")
    tensor = convert_to_tensor(tensor)
    tensor.shape.with_rank_at_least(ragged_rank + 1)
    if (
        isinstance(lengths, (list, tuple))
        and len(lengths)
        and not isinstance(lengths[0], (int, float, np.integer))
    ):
        return _from_nested_lengths(cls, tensor, lengths, row_splits_dtype)
    sizes = execute("Shape", (tensor,), {"out_type": row_splits_dtype})
    if ragged_rank > 1:
        # Join the outer dimensions, make the innermost ragged, and put the others around it as uniform ones.
        joined = execute(
            "ConcatV2",
            ([convert_to_tensor([-1], row_splits_dtype), sizes[ragged_rank:]], convert_to_tensor(0)),
        )
        flat = execute("Reshape", (tensor, joined))
        result = from_tensor(cls, flat, lengths, padding, 1, None, row_splits_dtype)
        count = sizes[0]
        rows = [count]
        for axis in range(1, ragged_rank):
            count = count * sizes[axis]
            rows.append(count)
        for axis in range(ragged_rank - 1, 0, -1):
            result = cls.from_uniform_row_length(result, sizes[axis], rows[axis - 1], validate=False)
        return result
    rows, columns = sizes[0], sizes[1]
    if padding is not None:
        lengths = _unpadded_lengths(tensor, padding, row_splits_dtype)
    if lengths is None:
        joined = execute(
            "ConcatV2", ([convert_to_tensor([-1], row_splits_dtype), sizes[2:]], convert_to_tensor(0))
        )
        values = execute("Reshape", (tensor, joined))
        return cls.from_uniform_row_length(values, columns, rows, validate=False)
    lengths = partition_tensor(lengths, "lengths", row_splits_dtype)
    lengths = execute("Minimum", (execute("Maximum", (lengths, lengths * 0)), columns))
    mask = sequence_mask(lengths, columns)
    return cls.from_row_lengths(boolean_mask(tensor, mask), lengths, validate=False)


def _unpadded_lengths(tensor: Tensor, padding: Any, dtype: Any) -> Tensor:
    """The lengths of rows without the padding at their end."""
    padding = convert_to_tensor(padding, tensor.dtype)
    if padding.shape.rank is not None and tensor.shape.rank is not None:
        if not padding.shape.is_compatible_with(tensor.shape[2:]):
            raise ValueError(f"Shapes {padding.shape} and {tensor.shape[2:]} are incompatible")
    same = execute("Equal", (tensor, padding))
    if tensor.shape.rank > 2:
        same = execute(
            "All", (same, convert_to_tensor(list(range(2, tensor.shape.rank)))), {"keep_dims": False}
        )
    kept = cast(execute("LogicalNot", (same,)), dtype)
    columns = execute("Shape", (kept,), {"out_type": dtype})[1]
    numbers = execute("Range", (columns * 0 + 1, columns + 1, columns * 0 + 1))
    none = convert_to_tensor([0], dtype)
    rows = execute("Shape", (kept,), {"out_type": dtype})[:1]
    wide = execute(
        "ConcatV2",
        (
            [
                execute("Fill", (execute("ConcatV2", ([rows, none + 1], convert_to_tensor(0))), none[0])),
                kept * numbers,
            ],
            convert_to_tensor(1),
        ),
    )
    return execute("Max", (wide, convert_to_tensor([1])), {"keep_dims": False})


def _from_nested_lengths(
    cls: type[RaggedTensor], tensor: Tensor, lengths: Sequence[Any], dtype: Any
) -> RaggedTensor:
    outer, *inner = lengths
    result = from_tensor(cls, tensor, outer, row_splits_dtype=dtype)
    if not inner:
        return result
    return result.with_values(_from_nested_lengths(cls, result.values, inner, dtype))


# To and from sparse.


def _to_sparse(splits: list, values: Any) -> tuple[Any, Any, Any]:
    inner = np.shape(values)[1:]
    columns: list[np.ndarray] = [np.arange(len(splits[0]) - 1)]
    for row_splits in splits:
        lengths = np.diff(row_splits)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        offsets = np.arange(row_splits[-1]) - np.repeat(row_splits[:-1], lengths)
        columns = [*(column[rows] for column in columns), offsets]
    if inner:
        within = np.indices(inner).reshape(len(inner), -1)
        per_value = within.shape[1]
        columns = [np.repeat(column, per_value) for column in columns]
        columns.extend(np.tile(each, len(values)) for each in within)
    shape = [len(splits[0]) - 1, *(int(np.diff(each).max(initial=0)) for each in splits), *inner]
    return np.stack(columns, 1).astype(np.int64), np.asarray(values).reshape(-1), np.asarray(shape, np.int64)


def _to_sparse_shape(call: ShapeCall) -> list[TensorShape]:
    values = call.shape(len(call.inputs) - 1)
    rank = None if values.rank is None else len(call.inputs) - 1 + values.rank
    count = values.num_elements()
    return [TensorShape([count, rank]), TensorShape([count]), TensorShape([rank])]


def _to_sparse_gradient(call: Any, unused: Any, dy: Any, also_unused: Any) -> list[Any]:
    values = call.inputs[-1]
    return [None] * (len(call.inputs) - 1) + [
        execute("Reshape", (dy, execute("Shape", (values,), {"out_type": dtypes.int64})))
    ]


op(
    "RaggedTensorToSparse(rt_nested_splits: RAGGED_RANK*Tsplits, rt_dense_values: T)"
    " -> (sparse_indices: int64, sparse_values: T, sparse_dense_shape: int64)",
    numpy=_to_sparse,
    shape=_to_sparse_shape,
    gradient=_to_sparse_gradient,
)


def to_sparse(self: RaggedTensor, name: str | None = None) -> SparseTensor:
    """A SparseTensor with every value of the ragged tensor at its place.

    Example:
      >>> import penstock as tf
      >>> tf.ragged.constant([[1], [], [2, 3]]).to_sparse().indices.numpy().tolist()
      [[0, 0], [2, 0], [2, 1]]
    """
    result = SparseTensor(
        *execute("RaggedTensorToSparse", (list(self.nested_row_splits), self.flat_values), None, name)
    )
    if result.indices.is_symbolic_tensor:
        result.set_shape(self.shape)
    return result


def from_sparse(
    cls: type[RaggedTensor], st_input: Any, name: str | None = None, row_splits_dtype: Any = dtypes.int64
) -> RaggedTensor:
    """A ragged tensor of a sparse matrix whose rows have no gaps: each begins at column 0.

    Raises:
      ValueError: it is no matrix. InvalidArgumentError: a row has a gap, or indices are out of order.

    Example:
      >>> import penstock as tf
      >>> tf.RaggedTensor.from_sparse(tf.SparseTensor([[0, 0], [2, 0]], [5, 6], [3, 1]))
      <tf.RaggedTensor [[5], [], [6]]>
    """
    row_splits_dtype = dtypes.as_dtype(row_splits_dtype)
    if not isinstance(st_input, SparseTensor):
        raise TypeError(
            f"Argument `st_input` must be of type SparseTensor, but is of type {type(st_input).__name__}."
        )
    sparse = as_sparse(st_input)
    if sparse.shape.rank is None:
        raise ValueError("Argument `st_input` must have a known rank")
    if sparse.shape.rank != 2:
        raise ValueError(f"Rank of st_input must be 2, got shape {sparse.shape}")
    indices = constant_value(sparse.indices)
    if indices is not None:
        starts = np.concatenate([[True], np.diff(indices[:, 0]) != 0])[: len(indices)]
        follows = np.concatenate([[0], indices[:-1, 1] + 1])[: len(indices)]
        expected = np.where(starts, 0, follows)
        if (indices[:, 1] != expected).any() or (np.diff(indices[:, 0]) < 0).any():
            raise errors.InvalidArgumentError(
                None, None, "SparseTensor is not right-ragged: a row has a gap, or indices are out of order"
            )
    rows = cast(sparse.indices[:, 0], row_splits_dtype)
    count = cast(sparse.dense_shape[0], row_splits_dtype)
    return cls.from_value_rowids(sparse.values, rows, count, validate=False)


RaggedTensor.to_tensor = to_tensor
RaggedTensor.to_sparse = to_sparse
RaggedTensor.from_tensor = classmethod(from_tensor)
RaggedTensor.from_sparse = classmethod(from_sparse)
