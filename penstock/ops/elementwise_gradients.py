"""The gradient ops that graphs made by TensorFlow contain: `TanhGrad`, `SigmoidGrad`, ...

Penstock's own gradient rules use plain arithmetic; these ops exist so that such graphs run, and have gradients.
Each is z = dy * conj(f(y)), a product with a derivative f that is written in terms of the forward op's input or output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import unchanged
from penstock.engine.xla import lax
from penstock.ops.arithmetic import conj
from penstock.ops.dtype_sets import FLOATS, INEXACT
from penstock.types.tensors import Tensor


def _sigmoid(x: Any) -> Any:
    if isinstance(x, Tensor):
        return execute("Sigmoid", (x,))
    return 1 / (1 + np.exp(-x)) if isinstance(x, (np.ndarray, np.generic)) else lax.logistic(x)


def _absolute(x: Any) -> Any:
    return execute("Abs", (x,)) if isinstance(x, Tensor) else abs(x)


def _sign(x: Any) -> Any:
    return execute("Sign", (x,))


# Op type, arguments -> output, f, derivative of f, dtypes. f takes arrays and tensors alike.
_OPS: tuple[tuple[str, str, Callable, Callable, frozenset], ...] = (
    ("TanhGrad", "y dy z", lambda y: 1 - y * y, lambda y: -2 * y, INEXACT),
    ("SigmoidGrad", "y dy z", lambda y: y * (1 - y), lambda y: 1 - 2 * y, INEXACT),
    ("SqrtGrad", "y dy z", lambda y: 0.5 / y, lambda y: -0.5 / (y * y), INEXACT),
    ("RsqrtGrad", "y dy z", lambda y: -0.5 * y * y * y, lambda y: -1.5 * y * y, INEXACT),
    ("ReciprocalGrad", "y dy z", lambda y: -y * y, lambda y: -2 * y, INEXACT),
    ("InvGrad", "y dy z", lambda y: -y * y, lambda y: -2 * y, INEXACT),
    ("SoftplusGrad", "gradients features backprops", _sigmoid, lambda x: _sigmoid(x) * (1 - _sigmoid(x)), FLOATS),
    ("SoftsignGrad", "gradients features backprops", lambda x: 1 / (1 + _absolute(x)) ** 2,
     lambda x: -2 * _sign(x) / (1 + _absolute(x)) ** 3, FLOATS),
)  # fmt: skip


# Ops that give zero where no gradient arrives, though f may be infinite.
_ZERO_KEPT = {"SqrtGrad", "RsqrtGrad", "ReciprocalGrad", "InvGrad"}


def _define(op_type: str, names: str, f: Callable, slope: Callable, dtypes: frozenset) -> None:
    first, second, output = names.split()
    gradient_first = first == "gradients"

    def kernel(xp: Any, a: Any, b: Any) -> Any:
        dy, y = (a, b) if gradient_first else (b, a)
        product = xp.multiply(dy, xp.conj(f(y)).astype(dy.dtype))
        return xp.where(dy == 0, xp.zeros_like(dy), product) if op_type in _ZERO_KEPT else product

    def rule(call: Any, dz: Tensor) -> list[Tensor]:
        dy, y = call.inputs if gradient_first else reversed(call.inputs)
        by_y, by_dy = conj(dz) * dy * conj(slope(y)), dz * f(y)
        return [by_dy, by_y] if gradient_first else [by_y, by_dy]

    op(
        f"{op_type}({first}: T, {second}: T) -> {output}: T",
        kernel,
        shape=unchanged,
        gradient=rule,
        types={"T": dtypes},
    )


for _row in _OPS:
    _define(*_row)
