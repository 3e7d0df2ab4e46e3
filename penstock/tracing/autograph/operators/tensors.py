"""What AutoGraph asks of a value: is it a tensor, may it be a condition, is it the output of `tf.range`."""

from __future__ import annotations

from typing import Any

from penstock.tracing.autograph.operators.public_ops import tf
from penstock.types import dtypes
from penstock.types.composite import CompositeTensor
from penstock.types.tensors import SymbolicTensor, Tensor


def is_variable(value: Any) -> bool:
    """Whether `value` is a `tf.Variable`."""
    return hasattr(type(value), "assign_add") and hasattr(value, "dtype")


def is_tensor(value: Any) -> bool:
    """Whether `value` is a tensor, a variable, or a composite such as a ragged or sparse tensor."""
    return isinstance(value, (Tensor, CompositeTensor)) or is_variable(value)


def is_dense_tensor(value: Any) -> bool:
    """The same, without composites: what a condition may be."""
    return isinstance(value, Tensor) or is_variable(value)


def is_tensor_array(value: Any) -> bool:
    """Whether `value` is a `tf.TensorArray`."""
    return isinstance(value, tf.TensorArray)


def is_range(value: Any) -> bool:
    """Whether `value` is what `tf.range` returned in a graph."""
    return isinstance(value, SymbolicTensor) and value.op.type == "Range"


def is_tensor_list(value: Any) -> bool:
    """Whether `value` is a list of tensors: a scalar variant."""
    return isinstance(value, Tensor) and value.dtype is dtypes.variant and not value.shape.rank
