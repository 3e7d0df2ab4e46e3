"""Gradients of random numbers with respect to the parameters of their distribution.

Implicit reparameterization (Figurnov, Mohamed and Mnih, 2018): a number x drawn with distribution function F(x; a)
moves with the parameter as dx/da = -(dF/da) / (dF/dx).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import broadcast
from penstock.engine.xla import jnp, lax
from penstock.ops.dtype_sets import WIDE_FLOATS
from penstock.types import dtypes
from penstock.types.tensors import Tensor


def _gamma_grad(alpha: Any, sample: Any) -> Any:
    alpha, sample = jnp.broadcast_arrays(alpha, sample)
    return lax.random_gamma_grad(alpha, sample)


op(
    "RandomGammaGrad(alpha: T, sample: T) -> output: T",
    xla=_gamma_grad,
    shape=broadcast,
    types={"T": WIDE_FLOATS},
)


def gamma_gradient(parameter: int) -> Callable:
    """The gradient rule of an op that draws gamma numbers; `parameter` is the position of its input alpha.

    The numbers have the shape of alpha after the dimensions of the samples, which the gradient sums over.
    """

    def rule(op: Any, dy: Tensor) -> list[Tensor | None]:
        alpha, sample = op.inputs[parameter], op.outputs[0]
        kind = alpha.dtype
        if kind not in WIDE_FLOATS:
            alpha, sample, dy = (
                execute("Cast", (each,), {"DstT": dtypes.float32}) for each in (alpha, sample, dy)
            )
        total = _sum_leading(dy * execute("RandomGammaGrad", (alpha, sample)), alpha)
        gradients: list[Tensor | None] = [None] * len(op.inputs)
        gradients[parameter] = total if kind in WIDE_FLOATS else execute("Cast", (total,), {"DstT": kind})
        return gradients

    return rule


def _sum_leading(tensor: Tensor, like: Tensor) -> Tensor:
    """The sum over the dimensions that `tensor` has before those of `like`."""
    if tensor.shape.rank is not None and like.shape.rank is not None:
        axes = convert_to_tensor(np.arange(tensor.shape.rank - like.shape.rank, dtype=np.int32))
    else:
        extra = execute("Rank", (tensor,)) - execute("Rank", (like,))
        axes = execute("Range", (convert_to_tensor(0), extra, convert_to_tensor(1)))
    return execute("Sum", (tensor, axes), {"keep_dims": False})


def truncated_normal_gradient(op: Any, dy: Tensor) -> list[Tensor | None]:
    """The gradient rule of `StatelessParameterizedTruncatedNormal`, for mean, deviation and bounds."""
    _, _, mean, deviation, low, high = op.inputs
    sample = op.outputs[0]
    start, stop, x = ((each - mean) / deviation for each in (low, high, sample))
    below, above = _normal_cdf(start), _normal_cdf(stop)
    info = np.finfo(mean.dtype.as_numpy_dtype)
    bounds = (convert_to_tensor(info.tiny, mean.dtype), convert_to_tensor(1 - info.eps, mean.dtype))
    share = (_normal_cdf(x) - below) / (above - below)
    share = execute("Minimum", (execute("Maximum", (share, bounds[0])), bounds[1]))
    d_high = execute("Exp", (0.5 * (x * x - stop * stop) + execute("Log", (share,)),))
    d_low = execute("Exp", (0.5 * (x * x - start * start) + execute("Log1p", (-share,)),))
    parts = ((mean, dy), (deviation, dy * x), (low, dy * d_low), (high, dy * d_high))
    return [None, None, *(_sum_to(part, parameter) for parameter, part in parts)]


def _normal_cdf(x: Tensor) -> Tensor:
    """The distribution function of the standard normal distribution, accurate in both tails."""
    w = x * math.sqrt(0.5)
    tail = execute("Erfc", (execute("Abs", (w,)),))
    middle = 1.0 + execute("Erf", (w,))
    outside = execute("SelectV2", (w > 0.0, 2.0 - tail, tail))
    return 0.5 * execute("SelectV2", (execute("Abs", (w,)) < math.sqrt(0.5), middle, outside))


def _sum_to(tensor: Tensor, like: Tensor) -> Tensor:
    """Sums `tensor` over the dimensions along which `like` was broadcast to its shape."""
    shape = execute("Shape", (like,), {"out_type": dtypes.int32})
    _, axes = execute(
        "BroadcastGradientArgs", (execute("Shape", (tensor,), {"out_type": dtypes.int32}), shape)
    )
    return execute("Reshape", (execute("Sum", (tensor, axes), {"keep_dims": False}), shape))
