"""Clipping: by value, by norm, and by the norm of many tensors together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import broadcast
from penstock.ops.arguments import matching, name_scope
from penstock.ops.arithmetic import where, zeros_like
from penstock.ops.broadcasting import sum_to_operands
from penstock.ops.dtype_sets import REAL
from penstock.ops.reduce_functions import reduce
from penstock.types import dtypes
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.tensors import Tensor


def _clip_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    x, low, high = call.inputs
    below, above = execute("Less", (x, low)), execute("Greater", (x, high))
    zeros = zeros_like(dy)
    inside = where(execute("LogicalOr", (below, above)), zeros, dy)
    return [
        inside,
        sum_to_operands(x, low, None, where(below, dy, zeros))[1],
        sum_to_operands(x, high, None, where(above, dy, zeros))[1],
    ]


op(
    "ClipByValue(t: T, clip_value_min: T, clip_value_max: T) -> output: T",
    lambda xp, t, low, high: xp.minimum(xp.maximum(t, low), high),
    shape=broadcast,
    gradient=_clip_gradient,
    types={"T": REAL},
)


def _same_kind(result: Tensor, like: Any) -> Any:
    """`IndexedSlices` where the input was."""
    return (
        IndexedSlices(result, like.indices, like.dense_shape) if isinstance(like, IndexedSlices) else result
    )


def _values(t: Any) -> Tensor:
    return convert_to_tensor(t.values if isinstance(t, IndexedSlices) else t, name="t")


@export("clip_by_value")
def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Any:
    """min(max(t, clip_value_min), clip_value_max).

    Args:
      t: a tensor or `IndexedSlices`.
      clip_value_min: the least value, a scalar or a tensor that broadcasts to the shape of `t`.
      clip_value_max: the greatest value, likewise.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the bounds do not broadcast, or have another dtype.

    Example:
      >>> import penstock as tf
      >>> tf.clip_by_value([-5.0, 0.5, 9.0], -1.0, 1.0).numpy()
      array([-1. ,  0.5,  1. ], dtype=float32)
    """
    with name_scope(name, "clip_by_value") as scope:
        values = _values(t)
        low = execute("Minimum", matching(values, clip_value_max))
        values.shape.assert_is_compatible_with(low.shape)
        clipped = execute("Maximum", matching(low, clip_value_min), None, scope)
        values.shape.assert_is_compatible_with(clipped.shape)
        return _same_kind(clipped, t)


@export("clip_by_norm")
def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Any:
    """t * clip_norm / max(norm(t), clip_norm): scaled down where its L2 norm is above `clip_norm`.

    Args:
      t: a floating tensor or `IndexedSlices`.
      clip_norm: the largest norm allowed.
      axes: the axes over which the norm is taken; None means all of them.
      name: the node's name in a graph.

    Example:
      >>> import penstock as tf
      >>> tf.clip_by_norm([3.0, 4.0], 1.0).numpy()
      array([0.6, 0.8], dtype=float32)
    """
    with name_scope(name, "clip_by_norm") as scope:
        values = _values(t)
        squares = reduce("Sum", values * values, axes, True, None)
        # The square root has no gradient at 0, so it is taken of 1 there.
        positive = execute("Greater", (squares, zeros_like(squares)))
        safe = where(positive, squares, execute("OnesLike", (squares,)))
        norm = where(positive, execute("Sqrt", (safe,)), squares)
        _, limit = matching(values, clip_norm)
        scaled = values * limit
        values.shape.assert_is_compatible_with(scaled.shape)
        return _same_kind(execute("RealDiv", (scaled, execute("Maximum", (norm, limit))), None, scope), t)


@export("linalg.global_norm", v1=["linalg.global_norm", "global_norm"])
def global_norm(t_list: Sequence[Any], name: str | None = None) -> Tensor:
    """sqrt(sum(norm(t)**2 for t in t_list)).

    Args:
      t_list: tensors, `IndexedSlices`, and Nones, which are left out.
      name: the node's name in a graph.

    Raises:
      TypeError: `t_list` is not a sequence.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.global_norm([tf.constant([3.0]), tf.constant([4.0])]).numpy()
      np.float32(5.0)
    """
    if not isinstance(t_list, (list, tuple)):
        raise TypeError(f"`t_list` should be a sequence of tensors. Received {type(t_list)}.")
    with name_scope(name, "global_norm") as scope:
        squares = []
        for each in t_list:
            if each is not None:
                values = _values(each)
                squares.append(reduce("Sum", values * values, None, False, None))
        if not squares:
            return convert_to_tensor(0.0)
        total = squares[0] if len(squares) == 1 else execute("AddN", (squares,))
        return execute("Sqrt", (total,), None, scope)


@export("clip_by_global_norm")
def clip_by_global_norm(
    t_list: Sequence[Any], clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> tuple[list[Any], Tensor]:
    """Scales tensors by clip_norm / max(global_norm, clip_norm), so that together they have at most that norm.

    Args:
      t_list: tensors, `IndexedSlices` and Nones.
      clip_norm: the largest global norm allowed, a scalar.
      use_norm: the global norm, where it is known.
      name: the node's name in a graph.

    Returns:
      The clipped list, and the global norm. Where that is infinite or NaN, so are all results.

    Raises:
      TypeError: `t_list` is not a sequence.

    Example:
      >>> import penstock as tf
      >>> clipped, norm = tf.clip_by_global_norm([tf.constant([3.0]), tf.constant([4.0])], 1.0)
      >>> [float(each[0]) for each in clipped], float(norm)
      ([0.6000000238418579, 0.800000011920929], 5.0)
    """
    if not isinstance(t_list, (list, tuple)):
        raise TypeError(f"`t_list` should be a sequence of tensors. Received {type(t_list)}.")
    norm = global_norm(t_list, name) if use_norm is None else convert_to_tensor(use_norm)
    with name_scope(name, "clip_by_global_norm"):
        _, limit = matching(norm, clip_norm)
        one = execute("OnesLike", (norm,))
        scale = limit * execute("Minimum", (one / norm, one / limit))
        scale = scale + (norm - norm)  # NaN where the norm is not finite
        clipped: list[Any] = []
        for each in t_list:
            if each is None:
                clipped.append(None)
                continue
            values = _values(each)
            factor = execute("Cast", (scale,), {"DstT": values.dtype.base_dtype})
            clipped.append(_same_kind(execute("Mul", (values, factor)), each))
        return clipped, norm


@export(v1=["clip_by_average_norm"])
def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Tensor:
    """Scales a tensor down so that its L2 norm divided by its number of elements is at most `clip_norm`."""
    with name_scope(name, "clip_by_average_norm") as scope:
        values = convert_to_tensor(t, name="t")
        size = execute("Size", (values,), {"out_type": dtypes.int32})
        count = execute("Cast", (size,), {"DstT": values.dtype.base_dtype})
        _, limit = matching(values, clip_norm)
        squares = reduce("Sum", values * values, None, True, None)
        inverse = count * execute("Rsqrt", (squares,))
        factor = limit * execute("Minimum", (inverse, execute("OnesLike", (limit,)) / limit))
        return execute("Mul", (values, factor), None, scope)
