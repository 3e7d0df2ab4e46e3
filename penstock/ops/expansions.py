"""Ops of ours that TensorFlow cannot run, composed of ops that it can: what a graph written for it has instead.

`RaggedBroadcast` is ours alone; `MatrixExponential` is in TensorFlow's registry, but has no kernel there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.graph.func_graph import FuncGraph, trace
from penstock.graph.graph_def import EXPANSIONS
from penstock.graph.operation import Operation
from penstock.ops.casting import cast
from penstock.ops.creation import fill, ones_like
from penstock.ops.cumulative import cumsum
from penstock.ops.gathering import gather
from penstock.ops.linalg.linear_solvers import solve
from penstock.ops.linalg.matrix_functions import _LARGEST_NORM, _PADE
from penstock.ops.ranges import range_
from penstock.ops.replication import repeat
from penstock.ops.selection import where
from penstock.ops.while_loop import while_loop
from penstock.types import dtypes

# RaggedBroadcast. Its kernel in `ragged/broadcast.py` says what is computed; here without a branch on values.


class _Operand:
    """The dimensions of one operand, counted as those of the result."""

    def __init__(self, splits: Sequence[Any], uniform: Sequence[bool], dims: Any, length: int, rank: int):
        self.pad = rank - len(splits) - length
        self.splits = [cast(each, dtypes.int64) for each in splits]
        self.uniform, self.dims = uniform, dims
        if splits:
            self.outer = _size(self.splits[0]) - 1
        else:
            self.outer = dims[0] if length else _int64(1)
        self.rows = _int64(1) if self.pad else self.outer

    def level(self, axis: int, index: Any) -> tuple[Any, Any, Any]:
        """For elements one level up: where their rows start, the lengths, and whether these are 1 by definition."""
        own = axis - self.pad
        if own < 0:
            return index, ones_like(index), convert_to_tensor(True)
        if own == 0:
            return (
                index * self.outer,
                fill([_size(index)], self.outer),
                execute("Equal", (self.outer, _int64(1))),
            )
        if own <= len(self.splits):
            row_splits = self.splits[own - 1]
            lengths = row_splits[1:] - row_splits[:-1]
            is_one = _reduce("All", execute("Equal", (lengths, _int64(1))))
            if not self.uniform[own - 1]:
                is_one = convert_to_tensor(False)
            return gather(row_splits[:-1], index), gather(lengths, index), is_one
        size = self.dims[own - len(self.splits)]
        return index * size, fill([_size(index)], size), execute("Equal", (size, _int64(1)))


def _reduce(op_type: str, tensor: Any, axis: int = 0) -> Any:
    return execute(op_type, (tensor, convert_to_tensor(axis)))


def _int64(value: int) -> Any:
    return convert_to_tensor(value, dtypes.int64)


def _size(vector: Any) -> Any:
    return execute("Size", (vector,), {"out_type": dtypes.int64})


def _common(values: Sequence[Any], are_one: Sequence[Any], message: str) -> Any:
    """What the values are that are not 1 by definition, which must agree; 1 where all are."""
    chosen = [where(is_one, -ones_like(value), value) for value, is_one in zip(values, are_one)]
    found = _reduce("Max", execute("Pack", (chosen,), {"axis": 0}))
    found = where(execute("Less", (found, _int64(0))), ones_like(found), found)
    for value, is_one in zip(values, are_one):
        same = execute("Reshape", (execute("Equal", (value, found)), convert_to_tensor([-1])))
        agrees = execute("LogicalOr", (is_one, _reduce("All", same)))
        execute("Assert", (agrees, [convert_to_tensor(message)]))
    return found


def _ragged_broadcast(operation: Operation) -> FuncGraph | None:
    attrs = operation.attrs
    ragged_ranks, uniform, depth = attrs["ragged_ranks"], attrs["uniform"], attrs["K"]
    splits, dims = operation.definition.group(operation.inputs, attrs)
    lengths = [each.shape[0] if each.shape.rank == 1 else None for each in dims]
    if None in lengths:
        return None
    rank = max(own + length for own, length in zip(ragged_ranks, lengths))

    def composed(*tensors: Any) -> list[Any]:
        all_splits, all_dims = tensors[: len(splits)], tensors[len(splits) :]
        operands, taken = [], 0
        for own, shape, length in zip(ragged_ranks, all_dims, lengths):
            part = slice(taken, taken + own)
            operands.append(_Operand(all_splits[part], uniform[part], shape, length, rank))
            taken += own
        rows = [each.rows for each in operands]
        is_one = [execute("Equal", (each, _int64(1))) for each in rows]
        count = _common(rows, is_one, "the numbers of rows do not broadcast")
        positions = range_(count)
        at = [where(one, execute("ZerosLike", (positions,)), positions) for one in is_one]
        out_splits = []
        for axis in range(1, depth + 1):
            levels = [operand.level(axis, index) for operand, index in zip(operands, at)]
            sizes = _common(
                [each[1] for each in levels], [each[2] for each in levels], "row lengths do not broadcast"
            )
            ends = execute(
                "ConcatV2", ([convert_to_tensor([0], dtypes.int64), cumsum(sizes)], convert_to_tensor(0))
            )
            parent = repeat(range_(_size(sizes)), sizes)
            offset = range_(ends[-1]) - gather(ends[:-1], parent)
            at = [
                gather(starts, parent) + where(one, execute("ZerosLike", (offset,)), offset)
                for starts, _, one in levels
            ]
            out_splits.append(cast(ends, splits[0].dtype))
        return [*at, *out_splits]

    return trace("ragged_broadcast", composed, specs=operation.inputs)


# MatrixExponential: Padé's approximant of a scaled matrix, squared again and again, as in `linalg/matrix_functions.py`.


def _matrix_exponential(operation: Operation) -> FuncGraph | None:
    kind = operation.inputs[0].dtype
    real = kind.real_dtype
    if np.dtype(real.as_numpy_dtype) not in _LARGEST_NORM:
        return None

    def composed(x: Any) -> Any:
        norm = _reduce(
            "Max", _reduce("Sum", execute("ComplexAbs" if kind.is_complex else "Abs", (x,)), -2), -1
        )
        limit = convert_to_tensor(_LARGEST_NORM[np.dtype(real.as_numpy_dtype)], real)
        ratio = execute("Maximum", (norm / limit, convert_to_tensor(1, real)))
        count = execute("Ceil", (execute("Log", (ratio,)) / convert_to_tensor(np.log(2.0), real),))
        scale = execute("Pow", (convert_to_tensor(2, real), count))[..., None, None]
        a = x / cast(scale, kind)
        power = {2: a @ a}
        power[4] = power[2] @ power[2]
        power[6] = power[4] @ power[2]
        b = [convert_to_tensor(each / _PADE[0], kind) for each in _PADE]
        one = execute("MatrixDiag", (ones_like(x[..., 0]),))

        def polynomial(first: int) -> Any:
            high = b[first + 12] * power[6] + b[first + 10] * power[4] + b[first + 8] * power[2]
            low = b[first + 6] * power[6] + b[first + 4] * power[4] + b[first + 2] * power[2] + b[first] * one
            return power[6] @ high + low

        odd, even = a @ polynomial(1), polynomial(0)
        start = solve(even - odd, even + odd)

        def square_again(step: Any, result: Any) -> tuple[Any, Any]:
            more = execute("Less", (step, count))[..., None, None]
            return step + convert_to_tensor(1, real), where(more, result @ result, result)

        counts = [execute("Reshape", (count, convert_to_tensor([-1]))), convert_to_tensor([0], real)]
        most = _reduce("Max", execute("ConcatV2", (counts, convert_to_tensor(0))))
        first = convert_to_tensor(0, real)
        return while_loop(lambda step, result: execute("Less", (step, most)), square_again, (first, start))[1]

    return trace("matrix_exponential", composed, specs=operation.inputs)


EXPANSIONS["RaggedBroadcast"] = _ragged_broadcast
EXPANSIONS["MatrixExponential"] = _matrix_exponential
