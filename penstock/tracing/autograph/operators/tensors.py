"""What AutoGraph asks of a value: may it be a condition, is it a list, is it the output of `tf.range`."""

from __future__ import annotations

from typing import Any

from penstock.ops.shapes_of_tensors import is_tensor
from penstock.ops.tensor_array import TensorArray
from penstock.types import dtypes
from penstock.types.composite import CompositeTensor
from penstock.types.tensors import SymbolicTensor, Tensor

__all__ = ["is_dense_tensor", "is_range", "is_tensor", "is_tensor_array", "is_tensor_list"]


def is_dense_tensor(value: Any) -> bool:
    """Whether `value` is a tensor or variable, but not a composite such as a sparse tensor."""
    return is_tensor(value) and not isinstance(value, CompositeTensor)


def is_tensor_array(value: Any) -> bool:
    """Whether `value` is a `tf.TensorArray`."""
    return isinstance(value, TensorArray)


def is_range(value: Any) -> bool:
    """Whether `value` is what `tf.range` returned in a graph."""
    return isinstance(value, SymbolicTensor) and value.op.type == "Range"


def is_tensor_list(value: Any) -> bool:
    """Whether `value` is a list of tensors: a scalar variant."""
    return isinstance(value, Tensor) and value.dtype is dtypes.variant and not value.shape.rank
