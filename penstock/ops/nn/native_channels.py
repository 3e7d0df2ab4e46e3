"""What batch normalization needs of each channel, by native kernels; None where there is no kernel for the arrays.

Arrays are [..., channels], float32 or bfloat16; what comes out is float32. Each function goes over memory once, where XLA
goes once for each sum. What is left of batch normalization is elementwise, which XLA does in one pass, with Relu.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine import native
from penstock.engine.xla import jnp

_LEAST = 1 << 15  # elements; below that a call costs more than what XLA's passes take


def moments(x: Any) -> Sequence[Any] | None:
    """The mean and the biased variance of each channel."""
    if not _takes(x):
        return None
    channels = x.shape[-1:]
    return native.call("channel_moments", [channels, channels], _matrix(x), dtype=np.float32)


def sums(
    x: Any, dy: Any, centre: Any = None, features: Any = None, limit: float = 0.0
) -> Sequence[Any] | None:
    """For each channel the sum of `dy`, and that of `dy * (x - centre)`.

    Args:
      x, dy: of one shape; their dtypes may differ.
      centre: one number for each channel, float32; None for 0.
      features: like `dy`, which counts only where they are positive, and below `limit` unless that is 0.
      limit: as said.
    """
    arrays = [x, dy] if features is None else [x, dy, features]
    if not all(each.shape == x.shape and _takes(each) for each in arrays):
        return None
    channels = x.shape[-1:]
    if centre is None:
        centre = jnp.zeros(channels, np.float32)
    rows = [_matrix(each) for each in arrays]
    return native.call(
        "channel_sums", [channels, channels], *rows[:2], centre, *rows[2:], dtype=np.float32, limit=limit
    )


def _takes(array: Any) -> bool:
    return native.takes(array) and array.ndim > 1 and math.prod(array.shape) >= _LEAST


def _matrix(array: Any) -> Any:
    return array.reshape(-1, array.shape[-1])
