"""The losses of stochastic dual coordinate ascent (`ops.sdca`): of one example with one dual variable.

A row of `LOSSES` knows a loss, its convex conjugate, and the dual variable `a` that is best for one example while all
others stay: where `-conjugate(-a) - (a - dual) * wx - curvature / 2 * (a - dual)^2` is greatest, `curvature` being
`weight * |x|^2 / l2`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

_NEWTON_STEPS = 10  # converges quadratically, so that is ample
_INFINITE = math.inf


class Loss(NamedTuple):
    """One loss; labels are as `label` made them.

    Attributes:
      label: the label that the other functions take, from the one that a program gives.
      best_dual: (label, dual, wx, curvature) -> the new dual variable.
      primal: (wx, label) -> the loss of a prediction.
      dual: (dual, label) -> the conjugate at minus the dual variable.
      derivative: (wx, label) -> that of the loss.
      smoothness: one over the greatest second derivative of the loss; 0 where it has a corner.
    """

    label: Callable[[float], float]
    best_dual: Callable[[float, float, float, float], float]
    primal: Callable[[float, float], float]
    dual: Callable[[float, float], float]
    derivative: Callable[[float, float], float]
    smoothness: float


def _sign_of_class(label: float) -> float:
    if label not in (0.0, 1.0):
        raise ValueError(
            f"Only labels of 0.0 or 1.0 are supported right now. Found example with label: {label:g}"
        )
    return 1.0 if label else -1.0


def _count(label: float) -> float:
    if label < 0:
        raise ValueError(
            "Only non-negative labels can be used with the Poisson log loss. "
            f"Found example with label: {label:g}"
        )
    return label


# Logistic: log(1 + exp(-y wx)). Its dual variable is y times a probability, p = (1 + tanh(x)) / 2, found by x.


def _logistic_best(y: float, dual: float, wx: float, curvature: float) -> float:
    x = 0.0
    for _ in range(_NEWTON_STEPS):
        tanh = math.tanh(x)
        slope = -2 * y * x - wx - curvature * ((1 + tanh) / 2 / y - dual)
        x -= slope / (-2 * y - curvature * (1 - tanh * tanh) / 2 / y)
    return (1 + math.tanh(x)) / 2 / y


def _logistic(wx: float, y: float) -> float:
    return max(0.0, -y * wx) + math.log1p(math.exp(-abs(wx)))


def _entropy_term(p: float) -> float:
    return p * math.log(p) if p > 0 else 0.0


def _logistic_dual(dual: float, y: float) -> float:
    return _entropy_term(dual * y) + _entropy_term(1 - dual * y)


def _logistic_derivative(wx: float, y: float) -> float:
    return -y * (1 - math.tanh(y * wx / 2)) / 2


# Squared: (wx - y)^2 / 2.


def _squared_best(y: float, dual: float, wx: float, curvature: float) -> float:
    return dual + (y - dual - wx) / (1 + curvature)


# Hinge: max(0, 1 - y wx); smooth where the product is between 0 and 1: (1 - y wx)^2 / 2. Dual variables: y times 0 to 1.


def _clipped(y: float, dual: float) -> float:
    return y * min(max(y * dual, 0.0), 1.0)


def _hinge_best(y: float, dual: float, wx: float, curvature: float) -> float:
    if not curvature:  # no features: only the loss itself counts
        return y if y * wx < 1 else _clipped(y, dual)
    return _clipped(y, dual + (y - wx) / curvature)


def _smooth_hinge_best(y: float, dual: float, wx: float, curvature: float) -> float:
    return _clipped(y, dual + (y - wx - dual) / (1 + curvature))


def _smooth_hinge(wx: float, y: float) -> float:
    short = max(0.0, 1 - y * wx)
    return short * short / 2 if short < 1 else short - 0.5


def _hinge_dual(dual: float, y: float) -> float:
    return -y * dual if 0 <= y * dual <= 1 else _INFINITE


def _smooth_hinge_dual(dual: float, y: float) -> float:
    return _hinge_dual(dual, y) + dual * dual / 2


# Poisson: exp(wx) - y wx. y minus the dual variable is a rate, exp(x), found by x.


def _poisson_best(y: float, dual: float, wx: float, curvature: float) -> float:
    x = math.log(y - dual) if y > dual else 0.0
    for _ in range(_NEWTON_STEPS):
        rate = math.exp(x)
        x -= (x - wx - curvature * (y - dual - rate)) / (1 + curvature * rate)
    return y - math.exp(x)


def _poisson_dual(dual: float, y: float) -> float:
    rate = y - dual
    if rate < 0:
        return _INFINITE
    return rate * (math.log(rate) - 1) if rate else 0.0


LOSSES: dict[str, Loss] = {
    "logistic_loss": Loss(
        _sign_of_class, _logistic_best, _logistic, _logistic_dual, _logistic_derivative, smoothness=4.0
    ),
    "squared_loss": Loss(
        label=lambda label: label,
        best_dual=_squared_best,
        primal=lambda wx, y: (wx - y) ** 2 / 2,
        dual=lambda dual, y: dual * (dual / 2 - y),
        derivative=lambda wx, y: wx - y,
        smoothness=1.0,
    ),
    "hinge_loss": Loss(
        label=_sign_of_class,
        best_dual=_hinge_best,
        primal=lambda wx, y: max(0.0, 1 - y * wx),
        dual=_hinge_dual,
        derivative=lambda wx, y: -y if y * wx < 1 else 0.0,
        smoothness=0.0,
    ),
    "smooth_hinge_loss": Loss(
        label=_sign_of_class,
        best_dual=_smooth_hinge_best,
        primal=_smooth_hinge,
        dual=_smooth_hinge_dual,
        derivative=lambda wx, y: -y * min(max(0.0, 1 - y * wx), 1.0),
        smoothness=1.0,
    ),
    "poisson_loss": Loss(
        label=_count,
        best_dual=_poisson_best,
        primal=lambda wx, y: math.exp(wx) - wx * y,
        dual=_poisson_dual,
        derivative=lambda wx, y: math.exp(wx) - y,
        smoothness=1.0,
    ),
}
