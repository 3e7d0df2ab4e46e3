"""Updates of variables, and sums of rows, by native kernels; None where there is no kernel for the arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine import native
from penstock.engine.xla import jnp

_LEAST = 4096  # elements; below that a call costs more than a pass


def adam(
    p: Any,
    m: Any,
    v: Any,
    rates: Sequence[Any],
    gradient: Any,
    squares: Any = None,
    after: Sequence[Any] = (),
) -> Sequence[Any] | None:
    """Adam's update of a variable p and its moments m and v.

    Args:
      p, m, v, gradient: arrays of one shape.
      rates: scalars: 1 - beta_1, 1 - beta_2, the step size, epsilon.
      squares: what v moves to, where that is not the square of the gradient.
      after: results that are computed before p is overwritten. Without these, XLA does not know the order of the update
        and the last use of p, and copies p.

    Returns:
      The new p, m and v.
    """
    arrays = [p, m, v, gradient] + ([] if squares is None else [squares])
    if not native.takes(*arrays, bfloat16=False):
        return None
    packed = jnp.stack([jnp.asarray(each, np.float32) for each in rates])
    arrays[4:4] = [packed]
    return native.call("adam", [p.shape] * 3, *arrays, *after, in_place=3, has_squares=squares is not None)


def sum_rows(rows: Any, ids: Any, count: int) -> Any | None:
    """For each number below `count`, the sum of the rows with that id; other ids are left out."""
    width = math.prod(rows.shape[1:])
    if count * width < _LEAST or count >= 2**31 or not native.takes(rows, bfloat16=False):
        return None
    places = jnp.clip(ids, -1, count).astype(np.int32)
    (sums,) = native.call("sum_rows", [(count, width)], rows.reshape(len(rows), width), places)
    return sums.reshape(count, *rows.shape[1:])
