"""BatchNormWithGlobalNormalization and its gradient op: the batch normalization of the first TensorFlow graphs.

result = (t - m) * rsqrt(v + variance_epsilon) * gamma + beta        (gamma: if scale_after_normalization)
"""

from __future__ import annotations

from typing import Any

from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall, unchanged
from penstock.ops.dtype_sets import FLOATS
from penstock.types.shapes import TensorShape


def _inverse(xp: Any, v: Any, variance_epsilon: float) -> Any:
    return 1 / xp.sqrt(v + v.dtype.type(variance_epsilon))


def _check(t: Any, *vectors: Any) -> None:
    if t.ndim != 4 or any(each.shape != t.shape[3:] for each in vectors):
        shapes = [list(each.shape) for each in vectors]
        raise ValueError(
            f"expected images of rank 4 and vectors of their depth, got {list(t.shape)} and {shapes}"
        )


def _normalize(
    xp: Any,
    t: Any,
    m: Any,
    v: Any,
    beta: Any,
    gamma: Any,
    *,
    variance_epsilon: float,
    scale_after_normalization: bool,
) -> Any:
    _check(t, m, v, beta, *([gamma] if scale_after_normalization else []))
    factor = _inverse(xp, v, variance_epsilon)
    if scale_after_normalization:
        factor = factor * gamma
    return (t - m) * factor + beta


def _gradients(
    xp: Any,
    t: Any,
    m: Any,
    v: Any,
    gamma: Any,
    dy: Any,
    *,
    variance_epsilon: float,
    scale_after_normalization: bool,
) -> tuple:
    _check(t, m, v)
    inverse = _inverse(xp, v, variance_epsilon)
    scale = inverse * gamma if scale_after_normalization else inverse
    total = xp.sum(dy, axis=(0, 1, 2))
    centred_total = xp.sum(dy * (t - m), axis=(0, 1, 2))
    d_gamma = centred_total * inverse if scale_after_normalization else xp.zeros_like(gamma)
    return dy * scale, -total * scale, centred_total * scale * inverse**2 * v.dtype.type(-0.5), total, d_gamma


def _gradient_shapes(call: ShapeCall) -> list[TensorShape]:
    vector = call.shape(1)
    return [call.shape(0), vector, vector, vector, call.shape(3)]


def _rule(op: Any, dy: Any) -> list:
    t, m, v, _, gamma = op.inputs
    return execute("BatchNormWithGlobalNormalizationGrad", (t, m, v, gamma, dy), op.attrs)


_ATTRS = "variance_epsilon, scale_after_normalization"
op(
    f"BatchNormWithGlobalNormalization(t: T, m: T, v: T, beta: T, gamma: T; {_ATTRS}) -> result: T",
    _normalize, shape=unchanged, gradient=_rule, types={"T": FLOATS},
)  # fmt: skip
op(
    f"BatchNormWithGlobalNormalizationGrad(t: T, m: T, v: T, gamma: T, backprop: T; {_ATTRS}) "
    "-> (dx: T, dm: T, dv: T, db: T, dg: T)",
    _gradients, shape=_gradient_shapes, types={"T": FLOATS},
)  # fmt: skip
