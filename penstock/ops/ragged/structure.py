"""Functions over the structure of ragged tensors: joining dimensions, comparing row splits, calls on flat values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.ops.arguments import dtype_of
from penstock.ops.gathering import gather
from penstock.ops.ragged.tensor import RaggedTensor, from_ragged_value, is_ragged
from penstock.ops.ragged.value import RaggedTensorValue
from penstock.types import dtypes
from penstock.types.tensors import EagerTensor, Tensor


def merge_dims(value: Any, outer: int, inner: int) -> Any:
    """`value` (ragged or not) with the dimensions from `outer` to `inner` joined; axes are counted from the front."""
    if outer == inner:
        return value
    if not isinstance(value, RaggedTensor):
        shape = execute("Shape", (value,), {"out_type": dtypes.int64})
        joined = execute(
            "ConcatV2",
            (
                [shape[:outer], convert_to_tensor([-1], dtypes.int64), shape[inner + 1 :]],
                convert_to_tensor(0),
            ),
        )
        return execute("Reshape", (value, joined))
    if outer == 0:
        return merge_dims(value.values, 0, inner - 1)
    if outer > 1:
        return value.with_values(merge_dims(value.values, outer - 1, inner - 1))
    # Dimensions 1 to inner: the outer splits, seen from the values one level down.
    values = value.values
    if isinstance(values, RaggedTensor):
        splits = gather(values.row_splits, value.row_splits)
        merged = RaggedTensor.from_row_splits(values.values, splits, validate=False)
    else:
        size = execute("Shape", (values,), {"out_type": value.row_splits.dtype})[1]
        merged = RaggedTensor.from_row_splits(
            merge_dims(values, 0, 1), value.row_splits * size, validate=False
        )
    return merge_dims(merged, 1, inner - 1)


def map_flat_values(op: Callable, *args: Any, **kwargs: Any) -> Any:
    """Calls `op` on the flat values of ragged arguments, which must all have the same row splits.

    Returns:
      A RaggedTensor with what `op` returned as flat values; what it returned where no argument is ragged.

    Raises:
      ValueError: row splits differ, or `op` returned another number of values.

    Example:
      >>> import penstock as tf
      >>> tf.ragged.map_flat_values(tf.square, tf.ragged.constant([[1, 2], [3]]))
      <tf.RaggedTensor [[1, 4], [9]]>
    """
    found: list[RaggedTensor] = []

    def flat(value: Any) -> Any:
        if isinstance(value, RaggedTensorValue):
            value = from_ragged_value(value)
        if isinstance(value, RaggedTensor):
            found.append(value)
            return value.flat_values
        if isinstance(value, (list, tuple)) and any(is_ragged(each) for each in value):
            return type(value)(flat(each) for each in value)
        return value

    flat_args = [flat(each) for each in args]
    flat_kwargs = {name: flat(each) for name, each in kwargs.items()}
    result = op(*flat_args, **flat_kwargs)
    if not found:
        return result
    first = found[0]
    for other in found[1:]:
        if not same_splits(first, other):
            raise ValueError("All ragged arguments of map_flat_values must have the same row splits")
    result = convert_to_tensor(result) if dtype_of(result) is None else result
    if not result.shape[:1].is_compatible_with(first.flat_values.shape[:1]) or result.shape.rank == 0:
        raise ValueError(
            f"tf.ragged.map_flat_values requires that the output of `op` have the same outer-dimension size as "
            f"flat_values of any ragged inputs. (output shape: {result.shape}; expected outer dimension size: "
            f"{first.flat_values.shape[0]})"
        )
    return first.with_flat_values(result)


export("ragged.map_flat_values")(map_flat_values)


def same_splits(a: RaggedTensor, b: RaggedTensor) -> bool:
    """Whether two ragged tensors have the same structure, as far as can be known: same tensors, or equal values."""
    if a.ragged_rank != b.ragged_rank:
        return False
    for left, right in zip(a.nested_row_splits, b.nested_row_splits):
        if left is right:
            continue
        left_value, right_value = constant_value(left), constant_value(right)
        if left_value is None or right_value is None:
            return _same_source(left, right)
        if not np.array_equal(left_value, right_value):
            return False
    return True


def _same_source(left: Tensor, right: Tensor) -> bool:
    """Whether two symbolic tensors are casts of one."""

    def source(tensor: Any) -> Any:
        while not isinstance(tensor, EagerTensor) and tensor.op.type in ("Cast", "Identity"):
            tensor = tensor.op.inputs[0]
        return tensor

    return source(left) is source(right)
