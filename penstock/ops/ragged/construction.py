"""Functions that make ragged tensors: `tf.ragged.constant`, `range`, `stack_dynamic_partitions`, placeholders."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import array_of, constant, convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import dtype_of, matching
from penstock.ops.casting import cast
from penstock.ops.ragged.row_partition import partition_tensor
from penstock.ops.ragged.tensor import RaggedTensor
from penstock.ops.ragged.value import RaggedTensorValue
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.tensors import Tensor


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _scalar_depth(value: Any) -> int | None:
    """How deep the scalars of nested lists lie; None where there are none.

    Raises:
      ValueError: they lie at different depths.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        return value.ndim
    if not _is_list(value):
        return 0
    depths = {depth for each in value if (depth := _scalar_depth(each)) is not None}
    if len(depths) > 1:
        raise ValueError("all scalar values must have the same nesting depth")
    return None if not depths else depths.pop() + 1


def _list_depth(value: Any) -> int:
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        return value.ndim
    if not _is_list(value):
        return 0
    return 1 + max((_list_depth(each) for each in value), default=0)


def _inner_shape(values: list) -> tuple[int, ...]:
    """The dense shape that all items of a list share, so far as their nesting is regular."""
    if not values or not _is_list(values[0]):
        return ()
    length = len(values[0])
    if any(not _is_list(each) or len(each) != length for each in values):
        raise ValueError("inner values have inconsistent shape")
    return (length, *_inner_shape([each for row in values for each in row]))


def _parts(
    pylist: Any, dtype: Any, ragged_rank: int | None, inner_shape: Any
) -> tuple[list[list[int]], np.ndarray, Any]:
    """Row splits (outermost first), the flat values, and their dtype, of nested lists."""
    if ragged_rank is not None and inner_shape is not None and ragged_rank < 0:
        raise ValueError(f"ragged_rank must be nonnegative, got {ragged_rank}")
    depth = _scalar_depth(pylist)
    deepest = _list_depth(pylist)
    if depth is not None and deepest > depth:
        raise ValueError("Invalid pylist: empty list nesting is greater than scalar value nesting")
    inner = (
        None
        if inner_shape is None
        else tuple(np.atleast_1d(inner_shape).tolist())
        if not isinstance(inner_shape, tuple)
        else inner_shape
    )
    if ragged_rank is None:
        ragged_rank = (
            max(0, (depth or deepest) - 1 - len(inner))
            if inner is not None
            else max(1, (depth or deepest) - 1)
        )
    if ragged_rank > max(0, (depth if depth is not None else max(deepest, ragged_rank + 1)) - 1):
        raise ValueError(
            f"Invalid pylist={pylist}: must have scalar values nested at least {ragged_rank + 1} deep"
        )
    splits: list[list[int]] = []
    level = list(pylist)
    for _ in range(ragged_rank):
        row_splits = [0]
        following: list = []
        for row in level:
            if not _is_list(row):
                raise ValueError(f"Invalid pylist={pylist}: incompatible with ragged_rank={ragged_rank}")
            following.extend(row)
            row_splits.append(len(following))
        splits.append(row_splits)
        level = following
    if inner is None:
        inner = _inner_shape(level)
    kind = None if dtype is None else as_dtype(dtype)
    values, kind = (
        array_of(level, kind)
        if level
        else (np.zeros((0,), (kind or dtypes.float32).as_numpy_dtype), kind or dtypes.float32)
    )
    if not level or inner != values.shape[1:]:
        values = values.reshape((-1 if level else 0, *inner))
    return splits, values, kind


@export("ragged.constant")
def ragged_constant(
    pylist: Any,
    dtype: Any = None,
    ragged_rank: int | None = None,
    inner_shape: Any = None,
    name: str | None = None,
    row_splits_dtype: Any = dtypes.int64,
) -> Any:
    """A ragged tensor of nested lists whose scalars all lie equally deep.

    Args:
      dtype: by default that of the values.
      ragged_rank: the number of ragged dimensions; by default all but the first, and those of `inner_shape`.
      inner_shape: the shape of the innermost values.
      row_splits_dtype: int32 or int64.

    Returns:
      A RaggedTensor; a Tensor where nothing is nested or the ragged rank is 0.

    Raises:
      ValueError: scalars lie at different depths, or the ragged rank does not fit.

    Example:
      >>> import penstock as tf
      >>> tf.ragged.constant([[1, 2], [3], []])
      <tf.RaggedTensor [[1, 2], [3], []]>
    """
    row_splits_dtype = as_dtype(row_splits_dtype)
    if not _is_list(pylist):
        if ragged_rank:
            raise ValueError(f"Invalid pylist={pylist!r}: incompatible with ragged_rank={ragged_rank}")
        if inner_shape:
            raise ValueError(f"Invalid pylist={pylist!r}: incompatible with inner_shape={inner_shape}")
        return constant(pylist, dtype)
    plain = ragged_rank is None and _list_depth(pylist) < 2
    if plain or ragged_rank == 0:
        return constant(
            list(pylist) if not isinstance(pylist, np.ndarray) else pylist,
            dtype if len(pylist) or dtype else dtypes.float32,
        )
    splits, values, kind = _parts(pylist, dtype, ragged_rank, inner_shape)
    result: Any = convert_to_tensor(values, kind)
    for row_splits in reversed(splits):
        result = RaggedTensor.from_row_splits(
            result, convert_to_tensor(row_splits, row_splits_dtype), validate=False
        )
    return result


ragged_constant.__name__ = "constant"


@export(v1=["ragged.constant_value"])
def constant_value(
    pylist: Any,
    dtype: Any = None,
    ragged_rank: int | None = None,
    inner_shape: Any = None,
    row_splits_dtype: Any = "int64",
) -> Any:
    """A `RaggedTensorValue` (or a NumPy array) of nested lists."""
    if not _is_list(pylist) or (ragged_rank is None and _list_depth(pylist) < 2):
        return np.array(pylist, None if dtype is None else as_dtype(dtype).as_numpy_dtype)
    splits, values, _ = _parts(pylist, dtype, ragged_rank, inner_shape)
    if dtype is None and values.dtype == np.int32:
        values = values.astype(np.int64)
    result: Any = values
    for row_splits in reversed(splits):
        result = RaggedTensorValue(result, np.array(row_splits, as_dtype(row_splits_dtype).as_numpy_dtype))
    return result


@export(v1=["ragged.placeholder"])
def placeholder(dtype: Any, ragged_rank: int, value_shape: Any = None, name: str | None = None) -> Any:
    """A ragged tensor of a graph that `Session.run` is fed, as a `RaggedTensorValue`."""
    from penstock.graph.graph import current_graph
    from penstock.types.shapes import TensorShape

    def node(kind: Any, shape: Any) -> Tensor:
        return execute(
            "Placeholder", (), {"dtype": as_dtype(kind), "shape": TensorShape(shape)}, name or "Placeholder"
        )

    with current_graph().as_default():
        if ragged_rank == 0:
            return node(dtype, value_shape)
        flat = TensorShape([None]).concatenate(TensorShape(value_shape))
        result: Any = node(dtype, flat)
        for _ in range(ragged_rank):
            result = RaggedTensor.from_row_splits(result, node(dtypes.int64, [None]), validate=False)
    return result


@export("ragged.range")
def ragged_range(
    starts: Any,
    limits: Any = None,
    deltas: Any = 1,
    dtype: Any = None,
    name: str | None = None,
    row_splits_dtype: Any = dtypes.int64,
) -> RaggedTensor:
    """Row i is the range from `starts[i]` up to `limits[i]` in steps of `deltas[i]`; one argument is the limits.

    Example:
      >>> import penstock as tf
      >>> tf.ragged.range([3, 0, 2])
      <tf.RaggedTensor [[0, 1, 2], [], [0, 1]]>
    """
    if limits is None:
        starts, limits = 0, starts
    kind = None if dtype is None else as_dtype(dtype)
    given = [
        each
        for each in (starts, limits, deltas)
        if dtype_of(each) is not None or isinstance(each, np.ndarray)
    ]
    if kind is None and given:
        kind = convert_to_tensor(given[0]).dtype
    arguments = (
        matching(starts, limits, deltas, dtype=kind)
        if kind is not None
        else [convert_to_tensor(each) for each in (starts, limits, deltas)]
    )
    if kind is None:
        floating = [each.dtype for each in arguments if each.dtype.is_floating]
        kind = (
            floating[0] if floating else max((each.dtype for each in arguments), key=lambda each: each.size)
        )
        arguments = [cast(each, kind) for each in arguments]
    else:
        arguments = [cast(each, kind) for each in arguments]
    splits, values = execute("RaggedRange", tuple(arguments), {"Tsplits": as_dtype(row_splits_dtype)}, name)
    return RaggedTensor.from_row_splits(values, splits, validate=False)


ragged_range.__name__ = "range"


@export("ragged.stack_dynamic_partitions")
def stack_dynamic_partitions(
    data: Any, partitions: Any, num_partitions: Any, name: str | None = None
) -> RaggedTensor:
    """Row i holds, in order, the slices of `data` whose entry in `partitions` is i.

    Example:
      >>> import penstock as tf
      >>> tf.ragged.stack_dynamic_partitions([5, 6, 7], [1, 0, 1], 2)
      <tf.RaggedTensor [[6], [5, 7]]>
    """
    from penstock.ops.gathering import gather
    from penstock.ops.ordering import argsort

    ids = partition_tensor(partitions, "partitions", dtype_hint=dtypes.int32)
    rows = partition_tensor(num_partitions, "num_partitions", ids.dtype)
    values = data if isinstance(data, RaggedTensor) else convert_to_tensor(data)
    rank = ids.shape.rank
    if rank is None or rank == 0:
        values, ids = values[None], ids[None]
    elif rank > 1:
        from penstock.ops.ragged.structure import merge_dims

        values, ids = merge_dims(values, 0, rank - 1), merge_dims(ids, 0, rank - 1)
    order = argsort(ids, stable=True)
    sorted_values = gather_rows(values, order)
    return RaggedTensor.from_value_rowids(
        sorted_values, gather(ids, order), rows, validate=thread.graph is None
    )


def gather_rows(values: Any, indices: Any) -> Any:
    """Rows of a tensor or a ragged tensor."""
    from penstock.ops.gathering import gather

    if not isinstance(values, RaggedTensor):
        return gather(values, indices)
    starts, limits = gather(values.row_starts(), indices), gather(values.row_limits(), indices)
    inner = ragged_range(starts, limits, row_splits_dtype=starts.dtype)
    return inner.with_values(gather_rows(values.values, inner.values))
