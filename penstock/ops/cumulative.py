"""Running sums and products along an axis: Cumsum, Cumprod, CumulativeLogsumexp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, normalize_axis
from penstock.engine.static_value import static
from penstock.engine.xla import lax
from penstock.ops.arguments import index_vector
from penstock.ops.arithmetic import conj
from penstock.ops.dtype_sets import FLOATS, INDICES, NUMBERS
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _kernel(accumulate: np.ufunc, scan: str, first: float) -> Callable:
    """Inclusive or `exclusive` (shifted by one, starting with `first`), forward or `reverse`."""

    def kernel(xp: Any, x: Any, axis: Any, *, exclusive: bool, reverse: bool) -> Any:
        axis, rank = int(static(axis)), np.ndim(x)
        if not -rank <= axis < rank:
            raise ValueError(f"Expected scan axis in the range [{-rank}, {rank}), but got {axis}")
        axis %= rank
        low_precision = x.dtype.itemsize == 2 and x.dtype.kind not in "iu"
        wide = x.astype(np.float32) if low_precision else x
        if xp is np:
            wide = np.flip(wide, axis) if reverse else wide
            total = accumulate.accumulate(wide, axis=axis, dtype=wide.dtype)
            total = np.flip(total, axis) if reverse else total
        else:
            total = getattr(lax, scan)(wide, axis=axis, reverse=reverse)
        if exclusive:
            edge = [slice(None)] * rank
            edge[axis] = slice(1, None) if reverse else slice(None, -1)
            size = [*x.shape]
            size[axis] = min(1, x.shape[axis])
            start = xp.full(size, first, total.dtype)
            kept = total[tuple(edge)]
            total = xp.concatenate([kept, start] if reverse else [start, kept], axis)
        return total.astype(x.dtype)

    return kernel


def _shape(call: ShapeCall) -> TensorShape:
    axis, rank = call.value(1), call.shape(0).rank
    if axis is not None and rank is not None:
        normalize_axis(call, int(axis), rank)
    return call.shape(0)


def _scan(op_type: str, call: Any, x: Tensor, reverse: bool) -> Tensor:
    """The same kind of scan as `call`, in the given direction."""
    return execute(op_type, (x, call.inputs[1]), {"exclusive": call.attrs["exclusive"], "reverse": reverse})


def _sum_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    return [_scan("Cumsum", call, dy, not call.attrs["reverse"]), None]


def _product_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    """Every later product contains x as a factor, so it is divided by x; zero where x is zero, as in TensorFlow."""
    x = call.inputs[0]
    product = _scan("Cumprod", call, x, call.attrs["reverse"])
    total = _scan("Cumsum", call, conj(product) * dy, not call.attrs["reverse"])
    return [execute("DivNoNan", (total, conj(x))), None]


def _logsumexp_gradient(call: Any, dy: Tensor) -> list[Tensor | None]:
    """dx_i = sum_j dy_j exp(x_i - y_j), kept in logarithms; the positive and the negative dy apart."""
    x, y = call.inputs[0], call.outputs[0]
    zeros = execute("ZerosLike", (dy,))
    nothing = execute("Log", (zeros,))  # -inf
    # An exclusive scan starts with -inf, which no x has contributed to.
    y = execute("SelectV2", (execute("IsFinite", (y,)), y, zeros))

    def half(part: Tensor) -> Tensor:
        chosen = execute("Greater", (part, zeros))
        safe = execute("SelectV2", (chosen, part, execute("OnesLike", (part,))))
        logarithm = execute("SelectV2", (chosen, execute("Log", (safe,)) - y, nothing))
        return execute("Exp", (_scan("CumulativeLogsumexp", call, logarithm, not call.attrs["reverse"]) + x,))

    return [half(dy) - half(-dy), None]


_OPS = (
    ("Cumsum", _kernel(np.add, "cumsum", 0.0), _sum_gradient, NUMBERS),
    ("Cumprod", _kernel(np.multiply, "cumprod", 1.0), _product_gradient, NUMBERS),
    ("CumulativeLogsumexp", _kernel(np.logaddexp, "cumlogsumexp", -np.inf), _logsumexp_gradient, FLOATS),
)

for _type, _body, _gradient, _dtypes in _OPS:
    op(
        f"{_type}(x: T, axis: Tidx; exclusive=False, reverse=False) -> out: T",
        _body,
        shape=_shape,
        gradient=_gradient,
        types={"T": _dtypes, "Tidx": INDICES},
    )


def _call(op_type: str, x: Any, axis: Any, exclusive: bool, reverse: bool, name: str | None) -> Tensor:
    inputs = (convert_to_tensor(x), index_vector(axis))
    return execute(op_type, inputs, {"exclusive": bool(exclusive), "reverse": bool(reverse)}, name)


@export("math.cumsum", "cumsum")
def cumsum(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """Running sums along an axis: [a, a + b, a + b + c].

    Args:
      x: a tensor of numbers.
      axis: the axis, in [-rank, rank).
      exclusive: leave each element out of its own sum: [0, a, a + b].
      reverse: sum from the end: [a + b + c, b + c, c].
      name: the node's name in a graph.

    Returns:
      A tensor like x.

    Example:
      >>> import penstock as tf
      >>> tf.cumsum([1, 2, 3]).numpy(), tf.cumsum([1, 2, 3], exclusive=True, reverse=True).numpy()
      (array([1, 3, 6], dtype=int32), array([5, 3, 0], dtype=int32))
    """
    return _call("Cumsum", x, axis, exclusive, reverse, name)


@export("math.cumprod", v1=["math.cumprod", "cumprod"])
def cumprod(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """Running products along an axis: [a, a b, a b c]. Arguments as in `tf.cumsum`.

    Example:
      >>> import penstock as tf
      >>> tf.math.cumprod([2, 3, 4]).numpy(), tf.math.cumprod([2, 3, 4], exclusive=True).numpy()
      (array([ 2,  6, 24], dtype=int32), array([1, 2, 6], dtype=int32))
    """
    return _call("Cumprod", x, axis, exclusive, reverse, name)


@export("math.cumulative_logsumexp")
def cumulative_logsumexp(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """log(cumsum(exp(x))) along an axis, without overflow. Arguments as in `tf.cumsum`.

    Example:
      >>> import penstock as tf
      >>> tf.math.cumulative_logsumexp([0.0, 0.0]).numpy().round(4)
      array([0.    , 0.6931], dtype=float32)
    """
    return _call("CumulativeLogsumexp", x, axis, exclusive, reverse, name)
