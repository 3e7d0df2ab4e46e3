"""Layer normalization and GELU by native kernels, which go over the rows of a matrix; None where there is no kernel.

Gamma, beta and bias have one element for each column. Other arrays may have any rank: the last dimension is the columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine import native
from penstock.engine.xla import jnp

_LEAST = 1 << 15  # elements; below that a call costs more than what XLA's passes take


def layer_normalization(x: Any, gamma: Any, beta: Any, epsilon: float) -> Any | None:
    """`(x - mean) / sqrt(variance + epsilon) * gamma + beta`, with the mean and variance of each row."""
    if not _takes(x, [x], [gamma, beta]):
        return None
    arrays = _matrix(x), gamma, beta
    (y,) = native.call("layer_normalization", [arrays[0].shape], *arrays, epsilon=float(epsilon))
    return y.reshape(x.shape)


def layer_normalization_gradient(x: Any, gamma: Any, dy: Any, epsilon: float) -> Sequence[Any] | None:
    """The gradients of `layer_normalization` with respect to x, gamma and beta, for that with respect to its result."""
    if not _takes(x, [x, dy], [gamma]):
        return None
    rows = _matrix(x)
    shapes = [rows.shape, gamma.shape, gamma.shape]
    dx, dgamma, dbeta = native.call(
        "layer_normalization_gradient", shapes, rows, gamma, _matrix(dy), epsilon=float(epsilon)
    )
    return dx.reshape(x.shape), dgamma, dbeta


def gelu(x: Any, bias: Any = None) -> Any | None:
    """`v (1 + erf(v / sqrt(2))) / 2` with `v = x + bias`."""
    bias = _zeros_for(x) if bias is None else bias
    if not _takes(x, [x], [bias]):
        return None
    (y,) = native.call("gelu", [_matrix(x).shape], _matrix(x), bias)
    return y.reshape(x.shape)


def gelu_gradient(x: Any, bias: Any, dy: Any) -> Sequence[Any] | None:
    """The gradients of `gelu` with respect to x and the bias (which may be None), for that with respect to its result."""
    bias = _zeros_for(x) if bias is None else bias
    if not _takes(x, [x, dy], [bias]):
        return None
    dx, dbias = native.call("gelu_gradient", [_matrix(x).shape, bias.shape], _matrix(x), bias, _matrix(dy))
    return dx.reshape(x.shape), dbias


def _takes(x: Any, like_x: Sequence[Any], of_columns: Sequence[Any]) -> bool:
    return (
        native.takes(*like_x, *of_columns, bfloat16=False)
        and math.prod(x.shape) >= _LEAST
        and all(each.shape == x.shape for each in like_x)
        and all(each.shape == x.shape[-1:] for each in of_columns)
    )


def _zeros_for(x: Any) -> Any:
    return jnp.zeros(x.shape[-1:], np.float32)


def _matrix(x: Any) -> Any:
    return x.reshape(-1, x.shape[-1])
