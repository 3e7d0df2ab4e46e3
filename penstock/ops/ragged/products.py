"""Products of ragged matrices, and what takes the shape of a ragged tensor: reshaping and filling."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import EXPORTS
from penstock.ops.ragged.dynamic_shape import DynamicRaggedShape
from penstock.ops.ragged.tensor import RaggedTensor
from penstock.ops.replication import repeat
from penstock.ops.reshaping import reshape as dense_reshape
from penstock.types import dtypes

_NOT_MATRICES = "The matrices in `a` and `b` may not be ragged in their innermost dimension."


def reshape(value: Any, shape: Any) -> Any:
    """The flat values in another shape: a dense one, or that of a ragged tensor."""
    flat = value.flat_values if isinstance(value, RaggedTensor) else value
    if not isinstance(shape, DynamicRaggedShape):
        return dense_reshape(flat, shape)
    result = dense_reshape(flat, shape.inner_shape)
    for partition in reversed(shape.row_partitions):
        result = RaggedTensor._from_row_partition(result, partition)
    return result


def filled(shape: DynamicRaggedShape, value: Any) -> Any:
    """A tensor of that shape, ragged or not, in which every element is `value`."""
    return reshape(execute("Fill", (shape.inner_shape, convert_to_tensor(value))), shape)


def matmul(a: Any, b: Any, **options: Any) -> Any:
    """`tf.matmul` where a batch holds matrices with different numbers of rows.

    Matrices are padded with zeros, multiplied, and cut again; `options` are those of the dense function.

    Raises:
      InvalidArgumentError: a matrix is ragged in its columns, or two do not fit.
    """
    multiply, assert_equal = EXPORTS["v2"]["linalg.matmul"], EXPORTS["v2"]["debugging.assert_equal"]
    rank = (a if isinstance(a, RaggedTensor) else b).shape.rank
    if rank is None or rank > 3:
        raise ValueError(f"matmul: ragged matrices stand in a batch of rank 1: got rank {rank}")
    (first, rows_a), (second, rows_b) = (_padded(each, rank) for each in (a, b))
    if rank == 2:
        return multiply(first, second, **options)
    transposed_a, transposed_b = (
        bool(options.get(f"transpose_{each}") or options.get(f"adjoint_{each}")) for each in "ab"
    )
    rows, over_a = (_columns(first), rows_a) if transposed_a else (rows_a, _columns(first))
    assert_equal(over_a, _columns(second) if transposed_b else rows_b, message="matmul: inner sizes differ")
    product = multiply(first, second, **options)
    if transposed_b and isinstance(b, RaggedTensor):
        return RaggedTensor.from_tensor(product, lengths=(rows, repeat(rows_b, rows)))
    return RaggedTensor.from_tensor(product, lengths=rows)


def _columns(matrices: Any) -> Any:
    """How many columns each of some dense matrices has."""
    shape = execute("Shape", (matrices,), {"out_type": dtypes.int64})
    return execute("Fill", (shape[:1], shape[2]))


def _padded(value: Any, rank: int) -> tuple[Any, Any]:
    """Matrices as a dense tensor, and how many rows each has."""
    if not isinstance(value, RaggedTensor):
        value = convert_to_tensor(value)
        shape = execute("Shape", (value,), {"out_type": dtypes.int64})
        return value, execute("Fill", (shape[:1], shape[rank - 2]))
    if value.ragged_rank >= rank - 1:
        innermost = value.nested_row_lengths()[-1]
        smallest, largest = (EXPORTS["v2"][f"math.reduce_{each}"](innermost) for each in ("min", "max"))
        EXPORTS["v2"]["debugging.assert_equal"](smallest, largest, message=_NOT_MATRICES)
    return value.to_tensor(), execute("Cast", (value.row_lengths(),), {"DstT": dtypes.int64})
