"""Softmax and its cross entropy with classes by native kernels; None where XLA's own are used."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from penstock.engine import native

_MOST = 1 << 20  # elements; XLA is as fast with more, and makes one pass of it and what is done before


def softmax(x: Any) -> Any | None:
    """Softmax over the last axis."""
    if x.ndim == 0 or not native.takes(x, bfloat16=False) or math.prod(x.shape) > _MOST:
        return None
    (y,) = native.call("softmax", [x.shape], x)
    return y


def sparse_cross_entropy(logits: Any, labels: Any) -> tuple | None:
    """The loss of each row and the gradient of the logits, as SparseSoftmaxCrossEntropyWithLogits gives them."""
    if not native.takes(logits, bfloat16=False) or math.prod(logits.shape) > _MOST:
        return None
    return tuple(
        native.call("sparse_cross_entropy", [labels.shape, logits.shape], logits, labels.astype(np.int64))
    )
