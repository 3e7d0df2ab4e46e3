"""`x[i]` and `x[i] = value`, converted where `Feature.LISTS` is on: for a tensor, assignment makes a new one."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.tracing.autograph.operators.public_ops import tf
from penstock.tracing.autograph.operators.tensors import is_tensor_array, is_tensor_list
from penstock.types import dtypes
from penstock.types.tensors import Tensor


class GetItemOpts(NamedTuple):
    """What is known of the elements of a tensor list."""

    element_dtype: Any


def get_item(target: Any, index: Any, opts: GetItemOpts) -> Any:
    """The value of `target[index]`.

    Raises:
      ValueError: the element type of a tensor list is not known.
    """
    if is_tensor_array(target):
        return target.read(index)
    if is_tensor_list(target):
        if opts.element_dtype is None:
            raise ValueError("cannot retrieve from a list without knowing its element type")
        return execute(
            "TensorListGetItem",
            [target, convert_to_tensor(index, dtypes.int32), convert_to_tensor(-1, dtypes.int32)],
            {"element_dtype": dtypes.as_dtype(opts.element_dtype)},
        )
    if isinstance(target, Tensor) and target.dtype is dtypes.string and target.shape.rank == 0:
        return tf.strings.substr(target, index, 1)
    return target[index]


def set_item(target: Any, index: Any, value: Any) -> Any:
    """Runs `target[index] = value` and returns what `target` is from now on."""
    if is_tensor_array(target):
        return target.write(index, value)
    if is_tensor_list(target):
        value = convert_to_tensor(value)
        return execute(
            "TensorListSetItem",
            [target, convert_to_tensor(index, dtypes.int32), value],
            {"element_dtype": value.dtype},
        )
    if isinstance(target, Tensor):
        return tf.tensor_scatter_nd_update(target, [[index]], [value])
    target[index] = value
    return target


_UPDATES = {
    "add": operator.iadd,
    "sub": operator.isub,
    "mult": operator.imul,
    "div": operator.itruediv,
    "pow": operator.ipow,
}


def update_item_with_op(target: Any, index: Any, value: Any, op: str) -> Any:
    """Runs `target[index] += value`, or the same with the operator that `op` names; returns what `target` becomes."""
    return set_item(target, index, _UPDATES[op](get_item(target, index, GetItemOpts(None)), value))
