"""Broadcasting of ragged tensors against each other and against dense ones, and elementwise calls over the result.

A uniform dimension of size 1 broadcasts against any other; a ragged one must have the same rows on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.arguments import dtype_of
from penstock.ops.gathering import gather
from penstock.ops.ragged.structure import same_splits
from penstock.ops.ragged.tensor import RaggedTensor, from_ragged_value, is_ragged
from penstock.ops.ragged.value import RaggedTensorValue
from penstock.types import dtypes
from penstock.types.shapes import TensorShape, broadcast_shape


def _broadcast(
    splits: list, dims: list, *, ragged_ranks: Sequence[int], uniform: Sequence[bool], K: int
) -> list[np.ndarray]:
    """For each operand the element that each element of the result takes, and the row splits of the result."""
    operands = []
    taken = 0
    rank = max(depth + len(shape) for depth, shape in zip(ragged_ranks, dims))
    for depth, shape in zip(ragged_ranks, dims):
        own = list(zip(splits[taken : taken + depth], uniform[taken : taken + depth]))
        taken += depth
        operands.append(_Operand(own, [int(each) for each in shape], rank))
    sizes = {operand.rows for operand in operands if operand.rows != 1}
    if len(sizes) > 1:
        raise ValueError(
            f"the numbers of rows do not broadcast: {sorted(operand.rows for operand in operands)}"
        )
    count = sizes.pop() if sizes else 1
    at = [np.zeros(count, np.int64) if operand.rows == 1 else np.arange(count) for operand in operands]
    out_splits = []
    for axis in range(1, K + 1):
        levels = [operand.level(axis, index) for operand, index in zip(operands, at)]
        lengths = None
        for _, own_lengths, is_one in levels:
            if is_one:
                continue
            if lengths is None:
                lengths = own_lengths
            elif not np.array_equal(lengths, own_lengths):
                raise ValueError(
                    f"dimension {axis} does not broadcast: row lengths {lengths.tolist()} and {own_lengths.tolist()}"
                )
        if lengths is None:
            lengths = np.ones(len(at[0]), np.int64)
        ends = np.concatenate([[0], np.cumsum(lengths)])
        parent = np.repeat(np.arange(len(lengths)), lengths)
        offset = np.arange(ends[-1]) - ends[:-1][parent]
        at = [starts[parent] + (0 if is_one else offset) for starts, _, is_one in levels]
        out_splits.append(ends)
    dtype = splits[0].dtype
    return [*(each.astype(np.int64) for each in at), *(each.astype(dtype) for each in out_splits)]


class _Operand:
    """The dimensions of one operand, counted as those of the result."""

    def __init__(self, partitions: list, shape: list[int], rank: int):
        self.pad = rank - len(partitions) - len(shape)
        self.partitions, self.shape = partitions, shape
        outer = len(partitions[0][0]) - 1 if partitions else shape[0] if shape else 1
        self.rows = 1 if self.pad else outer
        self.outer = outer

    def level(self, axis: int, index: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
        """For elements one level up: where their rows start, the lengths, and whether these are 1 by definition."""
        own = axis - self.pad
        if own < 0:
            return index, np.ones(len(index), np.int64), True
        if own == 0:  # the outermost dimension of the operand itself
            return index * self.outer, np.full(len(index), self.outer), self.outer == 1
        if own <= len(self.partitions):
            row_splits, uniform = self.partitions[own - 1]
            lengths = np.diff(row_splits)
            return row_splits[:-1][index], lengths[index], bool(uniform and (lengths == 1).all())
        size = self.shape[own - len(self.partitions)]
        return index * size, np.full(len(index), size), size == 1


def _broadcast_shapes(call: ShapeCall) -> list[TensorShape]:
    return [TensorShape([None])] * (len(call.attrs["ragged_ranks"]) + call.attrs["K"])


# Not an op of TensorFlow's, which composes broadcasting of many small ones.
op(
    "RaggedBroadcast(splits: N*Tsplits, dims: M*int64; ragged_ranks, uniform, K)"
    " -> (indices: M*int64, out_splits: K*Tsplits)",
    numpy=_broadcast,
    shape=_broadcast_shapes,
    gradient=stops,
)


def _prepared(operands: Sequence[Any]) -> list[Any]:
    """Ragged values as ragged tensors, and all with row splits of one dtype."""
    found = [from_ragged_value(each) if isinstance(each, RaggedTensorValue) else each for each in operands]
    kinds = {each.row_splits.dtype for each in found if isinstance(each, RaggedTensor)}
    if len(kinds) > 1:
        found = [
            each.with_row_splits_dtype(dtypes.int64) if isinstance(each, RaggedTensor) else each
            for each in found
        ]
    return found


def _rank(value: Any) -> int | None:
    return value.shape.rank if hasattr(value, "shape") and hasattr(value.shape, "rank") else np.ndim(value)


def broadcast_flat(operands: Sequence[Any]) -> tuple[list[Any], Callable[[Any], Any]]:
    """Flat operands that an elementwise op can be called on, and a function that gives its result the rows back.

    Args:
      operands: at least one of them ragged; the others tensors, or what converts to one.

    Raises:
      InvalidArgumentError: the shapes do not broadcast.
    """
    operands = _prepared(operands)
    ragged = [each for each in operands if isinstance(each, RaggedTensor)]
    first = ragged[0]
    alike = all(same_splits(first, each) for each in ragged[1:])
    if alike and all(isinstance(each, RaggedTensor) or _rank(each) == 0 for each in operands):
        flat = [each.flat_values if isinstance(each, RaggedTensor) else each for each in operands]
        return flat, first.with_flat_values
    dtype = next((dtype_of(each.flat_values) for each in ragged), None)
    tensors = [
        each if isinstance(each, RaggedTensor) else convert_to_tensor(each, None, dtype) for each in operands
    ]
    ranks = [each.shape.rank for each in tensors]
    if None in ranks:
        raise ValueError("Unable to broadcast: the rank of an operand is not known")
    rank = max(ranks)
    depths = [each.ragged_rank if isinstance(each, RaggedTensor) else 0 for each in tensors]
    depth = max(own + rank - total for own, total in zip(depths, ranks) if own)
    kind = first.row_splits.dtype
    splits: list[Any] = []
    dims: list[Any] = []
    uniform: list[Any] = []
    for each in tensors:
        if isinstance(each, RaggedTensor):
            splits.extend(each.nested_row_splits)
            uniform.extend(partition.is_uniform() for partition in each._nested_row_partitions)
        flat = each.flat_values if isinstance(each, RaggedTensor) else each
        dims.append(execute("Shape", (flat,), {"out_type": dtypes.int64}))
    outputs = execute(
        "RaggedBroadcast", (splits, dims), {"ragged_ranks": depths, "uniform": uniform, "K": depth}
    )
    indices, out_splits = outputs[: len(tensors)], outputs[len(tensors) :]
    flats = [
        gather(_merged(each, own, depth - (rank - total)), index)
        for each, own, total, index in zip(tensors, depths, ranks, indices)
    ]
    static = _static_shape(tensors, rank)

    def pack(result: Any) -> RaggedTensor:
        packed = result
        for row_splits in reversed(out_splits):
            packed = RaggedTensor.from_row_splits(packed, row_splits, validate=False)
        packed._set_shape(TensorShape(static.as_list()[: depth + 1]).concatenate(result.shape[1:]))
        return packed

    assert kind is not None
    return flats, pack


def _merged(value: Any, own_depth: int, last: int) -> Any:
    """The values of an operand with its own dimensions up to `last` joined to one, which is added where it has none."""
    flat = value.flat_values if isinstance(value, RaggedTensor) else value
    joined = last - own_depth  # so many dimensions of the flat values are joined to the first
    shape = execute("Shape", (flat,), {"out_type": dtypes.int64})
    if joined == 0 and flat.shape.rank:
        return flat
    inner = shape[max(joined + 1, 0) :]
    target = execute("ConcatV2", ([convert_to_tensor([-1], dtypes.int64), inner], convert_to_tensor(0)))
    return execute("Reshape", (flat, target))


def _static_shape(tensors: Sequence[Any], rank: int) -> TensorShape:
    """What is known of the broadcast shape; a ragged dimension stays None."""
    shape = TensorShape([1] * rank)
    ragged = [False] * rank
    for each in tensors:
        pad = rank - each.shape.rank
        for axis, partition in enumerate(getattr(each, "_nested_row_partitions", ())):
            if not partition.is_uniform():
                ragged[pad + axis + 1] = True
        try:
            shape = broadcast_shape(shape, TensorShape([1] * pad).concatenate(each.shape))
        except ValueError:
            return TensorShape([None] * rank)
    return TensorShape(
        [None if is_ragged_axis else dim for dim, is_ragged_axis in zip(shape.as_list(), ragged)]
    )


def elementwise(function: Callable, *operands: Any, **kwargs: Any) -> Any:
    """Calls an elementwise function of tensors on operands of which some are ragged."""
    flats, pack = broadcast_flat(operands)
    return pack(function(*flats, **kwargs))


def is_any_ragged(values: Sequence[Any]) -> bool:
    """Whether one of the values is ragged."""
    return any(is_ragged(each) for each in values)
