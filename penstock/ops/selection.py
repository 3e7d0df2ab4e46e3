"""Choosing elements by a condition: where (one and three arguments) and boolean_mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, broadcast
from penstock.engine.static_value import constant_value
from penstock.ops import concatenation, gathering, reshaping
from penstock.ops.arguments import matching
from penstock.ops.broadcasting import sum_to_operands
from penstock.ops.creation import zeros_like
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

# SelectV2, which broadcasts.


def _select(xp: Any, condition: Any, t: Any, e: Any) -> Any:
    if xp is np and np.ndim(condition) == 0 and np.shape(t) == np.shape(e):
        return t if condition else e
    try:
        return xp.where(condition, t, e)
    except ValueError:
        got = f"condition {list(np.shape(condition))}, then {list(np.shape(t))}, and else {list(np.shape(e))}"
        raise ValueError(f"{got} must be broadcastable") from None


def _select_gradient(op: Any, dy: Any) -> list:
    condition, t, e = op.inputs
    dy = convert_to_tensor(dy)
    zero = _zero(dy)
    taken = execute("SelectV2", (condition, dy, zero))
    left = execute("SelectV2", (condition, zero, dy))
    return [None, sum_to_operands(t, dy, taken, None)[0], sum_to_operands(e, dy, left, None)[0]]


def _zero(like: Tensor) -> Tensor:
    return convert_to_tensor(np.zeros((), like.dtype.np_dtype), like.dtype)


op(
    "SelectV2(condition: bool, t: T, e: T) -> output: T",
    _select,
    shape=broadcast,
    gradient=_select_gradient,
    large=1 << 19,
)


# Select, TF 1's form: one condition for each element, for each row, or for all.


def _select_rows(xp: Any, condition: Any, t: Any, e: Any) -> Any:
    shape = np.shape(t)
    if np.shape(e) != shape:
        raise ValueError(
            f"'then' and 'else' must have the same size.  but received: {list(shape)} vs. {list(np.shape(e))}"
        )
    given = np.shape(condition)
    if given not in ((), shape) and (len(given) != 1 or not shape or given[0] != shape[0]):
        raise ValueError(
            f"condition of shape {list(given)} must be a scalar, of shape {list(shape)}, or one for each row"
        )
    if given != shape and given:
        condition = xp.reshape(condition, given + (1,) * (len(shape) - 1))
    return xp.where(condition, t, e)


def _select_rows_shape(call: ShapeCall) -> TensorShape:
    try:
        shape = call.shape(1).merge_with(call.shape(2))
    except ValueError:
        raise call.error("t and e must have the same shape") from None
    given = call.shape(0)
    if shape.rank is not None and given.rank not in (None, 0):
        rows = TensorShape([None] * shape.rank) if given.rank == shape.rank else None
        fits = given.is_compatible_with(shape if rows is not None else shape[:1])
        if not fits:
            raise call.error(
                "condition must be a scalar, have the shape of t, or one entry for each row of it"
            )
        if given.rank == shape.rank:
            return shape.merge_with(given)
    return shape


def _select_rows_gradient(op: Any, dy: Any) -> list:
    condition, t, _ = op.inputs
    dy = convert_to_tensor(dy)
    zeros = zeros_like(t)
    return [None, execute("Select", (condition, dy, zeros)), execute("Select", (condition, zeros, dy))]


op(
    "Select(condition: bool, t: T, e: T) -> output: T",
    _select_rows,
    shape=_select_rows_shape,
    gradient=_select_rows_gradient,
)


# Where, the positions of what is true.


def _where(x: Any) -> np.ndarray:
    if np.ndim(x) == 0:
        raise ValueError("WhereOp : Unhandled input dimensions: 0")
    return np.argwhere(x)


op(
    "Where(input: T) -> index: int64",
    numpy=_where,
    shape=lambda call: TensorShape([None, call.shape(0).rank]),
    gradient=stops,
)


@export("where", v1=["where_v2"])
def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """The elements of `x` where `condition` is true, and of `y` elsewhere; alone, the positions of what is true.

    Args:
      condition: a bool tensor; alone also a numeric one, of which all but 0 is true.
      x, y: tensors of one dtype; the three broadcast together.

    Returns:
      With `x` and `y` a tensor of their dtype; else an int64 matrix with one row for each true element.

    Raises:
      ValueError: only one of `x` and `y` is given.
      InvalidArgumentError: the shapes do not broadcast.

    Example:
      >>> import penstock as tf
      >>> tf.where([True, False, True], [1, 2, 3], 0).numpy().tolist()
      [1, 0, 3]
      >>> tf.where([[True, False], [False, True]]).numpy().tolist()
      [[0, 0], [1, 1]]
    """
    return _choose("SelectV2", condition, x, y, name)


@export(v1=["where"])
def where_v1(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """TF 1's `where`: as `tf.where`, but `x` and `y` must have one shape, and a vector condition chooses rows."""
    return _choose("Select", condition, x, y, name)


def _choose(op_type: str, condition: Any, x: Any, y: Any, name: str | None) -> Tensor:
    if x is None and y is None:
        condition = convert_to_tensor(condition, dtype_hint=dtypes.bool)
        return execute("Where", (condition,), None, name)
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    condition = convert_to_tensor(condition, dtypes.bool)
    return execute(op_type, (condition, *matching(x, y)), None, name)


# boolean_mask, made of other ops.


@export("boolean_mask", v1=[])
def boolean_mask(tensor: Any, mask: Any, axis: int | None = None, name: str = "boolean_mask") -> Tensor:
    """The elements (or slices) of a tensor at which a mask is true.

    Args:
      tensor: a tensor of rank r.
      mask: a bool tensor of rank k <= r, whose shape is that of `tensor` from `axis` on. Its rank must be known.
      axis: the first dimension that is masked; 0 by default.

    Returns:
      A tensor of rank r - k + 1; the k masked dimensions become one, as long as the mask has true elements.

    Raises:
      ValueError: the mask is a scalar, or its shape does not fit.

    Example:
      >>> import penstock as tf
      >>> tf.boolean_mask([[1, 2], [3, 4], [5, 6]], [True, False, True]).numpy().tolist()
      [[1, 2], [5, 6]]
    """
    tensor = convert_to_tensor(tensor)
    mask = convert_to_tensor(mask)
    if mask.dtype is not dtypes.bool:
        mask = execute("NotEqual", (mask, _zero(mask)), {"incompatible_shape_error": True})
    axis = 0 if axis is None else int(constant_value(axis)) if isinstance(axis, Tensor) else axis
    depth, rank = mask.shape.rank, tensor.shape.rank
    if depth == 0:
        raise ValueError("mask cannot be scalar.")
    if depth is None:
        raise ValueError(
            "Number of mask dimensions must be specified, even if some dimensions are None. E.g. shape=[None] is ok, "
            "but shape=None is not."
        )
    if axis < 0 and rank is not None:
        axis += rank
    tensor.shape[axis : axis + depth].assert_is_compatible_with(mask.shape)
    positions = execute("Where", (reshaping.reshape(mask, [-1]),))
    positions = execute("Squeeze", (positions,), {"squeeze_dims": [1]})
    if depth > 1:
        tensor = _merge_dimensions(tensor, axis, depth)
    return gathering.gather(tensor, positions, axis=axis, name=name)


def _merge_dimensions(tensor: Tensor, axis: int, count: int) -> Tensor:
    """Makes one dimension of `count` ones, from `axis` on."""
    sizes = execute("Shape", (tensor,), {"out_type": dtypes.int32})
    merged = execute("Prod", (sizes[axis : axis + count], convert_to_tensor([0])), {"keep_dims": True})
    return reshaping.reshape(tensor, concatenation.concat([sizes[:axis], merged, sizes[axis + count :]], 0))


@export(v1=["boolean_mask"])
def boolean_mask_v1(tensor: Any, mask: Any, name: str = "boolean_mask", axis: int | None = None) -> Tensor:
    """TF 1's `boolean_mask`; as `tf.boolean_mask`."""
    return boolean_mask(tensor, mask, axis, name)
