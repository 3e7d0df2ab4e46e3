"""Softmax and log-softmax over one axis: the ops work on the last one, others are swapped there and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.arguments import renamed
from penstock.ops.dtype_sets import FLOATS
from penstock.ops.nn import native_softmax
from penstock.types.errors import InvalidArgumentError
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def in_full_precision(function: Callable) -> Callable:
    """A kernel over the last axis that computes half-precision inputs in float32: sums need the digits."""

    def kernel(xp: Any, x: Any) -> Any:
        if x.dtype.itemsize != 2:
            return function(xp, x)
        return function(xp, x.astype(np.float32)).astype(x.dtype)

    return kernel


def shifted(xp: Any, x: Any) -> Any:
    """`x` minus its largest entry along the last axis, which keeps exponentials finite."""
    return x - xp.max(x, axis=-1, keepdims=True, initial=-np.inf)


@in_full_precision
def _softmax(xp: Any, x: Any) -> Any:
    if xp is not np and (found := native_softmax.softmax(x)) is not None:
        return found
    exponentials = xp.exp(shifted(xp, x))
    return exponentials / xp.sum(exponentials, axis=-1, keepdims=True)


@in_full_precision
def _log_softmax(xp: Any, x: Any) -> Any:
    x = shifted(xp, x)
    return x - xp.log(xp.sum(xp.exp(x), axis=-1, keepdims=True))


def _at_least_vector(call: ShapeCall) -> TensorShape:
    if call.shape(0).rank == 0:
        raise call.error("logits must have rank 1 or more")
    return call.shape(0)


def sum_last(x: Tensor) -> Tensor:
    """The sum along the last axis, which stays as size 1."""
    return execute("Sum", (x, convert_to_tensor([-1])), {"keep_dims": True})


def _softmax_gradient(op: Any, dy: Tensor) -> Tensor:
    y = op.outputs[0]
    return (dy - sum_last(dy * y)) * y


def _log_softmax_gradient(op: Any, dy: Tensor) -> Tensor:
    return dy - sum_last(dy) * execute("Exp", (op.outputs[0],))


op(
    "Softmax(logits: T) -> softmax: T",
    _softmax, shape=_at_least_vector, gradient=_softmax_gradient, types={"T": FLOATS}, large=1 << 17,
)  # fmt: skip
op(
    "LogSoftmax(logits: T) -> logsoftmax: T",
    _log_softmax, shape=_at_least_vector, gradient=_log_softmax_gradient, types={"T": FLOATS},
)  # fmt: skip


def _along_axis(op_type: str, logits: Any, axis: int | None, name: str | None) -> Tensor:
    x = convert_to_tensor(logits)
    axis = -1 if axis is None else int(axis)
    rank = x.shape.rank
    if axis == -1 or axis + 1 == rank:
        return execute(op_type, (x,), None, name)
    if rank is None:
        raise ValueError(f"{op_type}: the rank of logits must be known for axis={axis}")
    if not -rank <= axis < rank:
        raise InvalidArgumentError(None, None, f"{op_type}: axis {axis} must be in [{-rank}, {rank})")
    return move_axis_last(x, axis, lambda moved: execute(op_type, (moved,)), name)


def move_axis_last(
    x: Tensor, axis: int, function: Callable[[Tensor], Tensor], name: str | None = None
) -> Tensor:
    """Applies `function`, which keeps the shape, with `axis` and the last axis swapped."""
    order = list(range(x.shape.rank))
    order[axis], order[-1] = order[-1], order[axis]
    permutation = convert_to_tensor(order)
    y = function(execute("Transpose", (x, permutation)))
    return execute("Transpose", (y, permutation), None, name)


@export("nn.softmax", "math.softmax", v1=[])
def softmax(logits: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """`exp(logits) / sum(exp(logits), axis)`: positive numbers that sum to 1 along `axis`.

    Args:
      logits: a tensor of a floating dtype and rank 1 or more.
      axis: the axis that is normalized; the last one by default.

    Returns:
      A tensor of the dtype and shape of `logits`.

    Raises:
      InvalidArgumentError: `axis` is not one of its dimensions.

    Example:
      >>> import penstock as tf
      >>> tf.nn.softmax([0.0, 0.0]).numpy()
      array([0.5, 0.5], dtype=float32)
    """
    return _along_axis("Softmax", logits, axis, name)


@export("nn.log_softmax", "math.log_softmax", v1=[])
def log_softmax(logits: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """`logits - log(sum(exp(logits), axis))`.

    Args:
      logits: a tensor of a floating dtype and rank 1 or more.
      axis: the axis that is normalized; the last one by default.

    Returns:
      A tensor of the dtype and shape of `logits`.

    Raises:
      InvalidArgumentError: `axis` is not one of its dimensions.

    Example:
      >>> import penstock as tf
      >>> tf.nn.log_softmax([0.0, 0.0]).numpy()
      array([-0.6931472, -0.6931472], dtype=float32)
    """
    return _along_axis("LogSoftmax", logits, axis, name)


@export(v1=["nn.softmax", "math.softmax"])
def softmax_v1(
    logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None
) -> Tensor:
    """TF 1's `nn.softmax`: as `tf.nn.softmax`; the axis is named `axis` or `dim`."""
    return softmax(logits, renamed(axis, dim, "axis and dim"), name)


@export(v1=["nn.log_softmax", "math.log_softmax"])
def log_softmax_v1(
    logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None
) -> Tensor:
    """TF 1's `nn.log_softmax`: as `tf.nn.log_softmax`; the axis is named `axis` or `dim`."""
    return log_softmax(logits, renamed(axis, dim, "axis and dim"), name)
