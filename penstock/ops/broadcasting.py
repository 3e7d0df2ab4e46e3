"""Gradients of ops that broadcast: what was repeated forward is summed backward.

`sum_to_operands` decides from the static shapes where it can; only where an unknown dimension leaves it open does it
add a `BroadcastGradientArgs` node, which folds away once the shapes are known.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import static
from penstock.types import dtypes
from penstock.types.shapes import Dims, TensorShape
from penstock.types.tensors import EagerTensor, Tensor


def reduction_axes(shape: Dims, other: Dims) -> list[int] | None:
    """The axes of the broadcast result along which an operand of `shape` was repeated; None where that is not known.

    Where the operand's dimension is 1 its axis counts as repeated, which at worst sums over one element.
    """
    if shape is None or other is None:
        return None
    rank = max(len(shape), len(other))
    axes = list(range(rank - len(shape)))
    for axis in range(rank - len(shape), rank):
        size = shape[axis - rank + len(shape)]
        facing = other[axis - rank + len(other)] if axis >= rank - len(other) else 1
        if size is None and facing != 1:
            return None
        if size == 1 and facing != 1:
            axes.append(axis)
    return axes


def _gradient_args(s0: Any, s1: Any) -> tuple[np.ndarray, np.ndarray]:
    first, second = static(s0), static(s1)
    rank = max(len(first), len(second))
    padded = [[1] * (rank - len(shape)) + [int(size) for size in shape] for shape in (first, second)]
    axes: tuple[list[int], list[int]] = ([], [])
    for axis, (a, b) in enumerate(zip(*padded, strict=True)):
        if a != b and 1 not in (a, b):
            raise ValueError(f"shapes {first.tolist()} and {second.tolist()} do not broadcast")
        if a == 1:
            axes[0].append(axis)
        if b == 1:
            axes[1].append(axis)
    return np.array(axes[0], first.dtype), np.array(axes[1], first.dtype)


def _gradient_args_shape(call: ShapeCall) -> list[TensorShape]:
    values = [call.value(i) for i in (0, 1)]
    if any(each is None for each in values):
        return [TensorShape([None])] * 2
    return [TensorShape(each.shape) for each in _gradient_args(*values)]


op(
    "BroadcastGradientArgs(s0: T, s1: T) -> (r0: T, r1: T)",
    numpy=_gradient_args,
    xla=_gradient_args,
    shape=_gradient_args_shape,
    gradient=stops,
)


def _summed(gradient: Tensor, operand: Tensor, axes: list[int]) -> Tensor:
    shape = operand.shape
    if not axes:
        return gradient
    total = execute("Sum", (gradient, _vector(axes)), {"keep_dims": False})
    if len(axes) == (gradient.shape.rank or 0) - (shape.rank or 0):  # only leading axes were added
        return total
    return execute("Reshape", (total, shape_of(operand)))


def _vector(values: list[int]) -> Tensor:
    return convert_to_tensor(np.array(values, np.int32))


def shape_of(tensor: Tensor) -> Tensor:
    """The shape as an int32 vector: a constant where it is known."""
    shape = tensor.shape
    if shape.is_fully_defined():
        return convert_to_tensor(np.array(shape.as_list(), np.int32))
    return execute("Shape", (tensor,), {"out_type": dtypes.int32})


def sum_to_operands(
    x: Tensor, y: Tensor, x_gradient: Tensor | None, y_gradient: Tensor | None
) -> list[Tensor | None]:
    """Gradients for the operands of a broadcasting op from gradients in the shape of its result.

    Args:
      x, y: the op's operands.
      x_gradient, y_gradient: gradients in the broadcast shape; None where no gradient flows.

    Returns:
      The two gradients, in the operands' shapes.
    """
    if type(x) is EagerTensor and type(y) is EagerTensor and x._shape_tuple == y._shape_tuple:
        return [x_gradient, y_gradient]
    dims = x.shape._dims, y.shape._dims
    result: list[Tensor | None] = [x_gradient, y_gradient]
    dynamic: Any = None
    for index, (operand, gradient) in enumerate(((x, x_gradient), (y, y_gradient))):
        if gradient is None:
            continue
        axes = reduction_axes(dims[index], dims[1 - index])
        if axes is not None:
            result[index] = _summed(gradient, operand, axes)
            continue
        if dynamic is None:
            dynamic = execute("BroadcastGradientArgs", (shape_of(x), shape_of(y)))
        total = execute("Sum", (gradient, dynamic[index]), {"keep_dims": False})
        result[index] = execute("Reshape", (total, shape_of(operand)))
    return result
