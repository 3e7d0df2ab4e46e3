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
    arrays[4:4] = [packed_rates(rates)]
    return native.call("adam", [p.shape] * 3, *arrays, *after, in_place=3, has_squares=squares is not None)


def adam_rows(
    p: Any, m: Any, v: Any, rates: Sequence[Any], rows: Any, ids: Any, after: Sequence[Any] = ()
) -> Sequence[Any] | None:
    """Adam's update of a table p and its moments m and v, whose gradient is `sum_rows(rows, ids, len(p))`.

    v moves to the sum of the squares of rows. Other arguments, and what is returned, are those of `adam`. Nothing like the
    table is made, as the sums of rows would be.
    """
    count, width = p.shape[0], math.prod(p.shape[1:])
    fits = rows.shape == (*ids.shape, *p.shape[1:]) and 0 not in rows.shape
    if p.ndim < 2 or not fits or count >= 2**31 or not native.takes(p, m, v, rows, bfloat16=False):
        return None
    tables = [each.reshape(count, width) for each in (p, m, v)]
    given = [rows.reshape(-1, width), _places(ids.reshape(-1), count), packed_rates(rates)]
    new = native.call("adam_rows", [(count, width)] * 3, *tables, *given, *after, in_place=3)
    return [each.reshape(p.shape) for each in new]


_MOST_SUMMED = (
    64  # rows of a batch: with more of them a product by itself is better, and no longer a matter of memory
)


def adam_product(
    p: Any, m: Any, v: Any, rates: Sequence[Any], inputs: Any, gradients: Any, after: Sequence[Any] = ()
) -> Sequence[Any] | None:
    """Adam's update of a matrix p and its moments m and v, whose gradient is `inputs.T @ gradients`.

    Other arguments, and what is returned, are those of `adam`. The gradient is never in memory as a whole.
    """
    fits = p.ndim == inputs.ndim == gradients.ndim == 2 and len(inputs) == len(gradients) <= _MOST_SUMMED
    if not fits or p.shape != (inputs.shape[1], gradients.shape[1]) or p.size < _LEAST:
        return None
    if not native.takes(p, m, v, inputs, gradients, bfloat16=False):
        return None
    given = [p, m, v, inputs, gradients, packed_rates(rates), *after]
    return native.call("adam_product", [p.shape] * 3, *given, in_place=3)


def packed_rates(rates: Sequence[Any]) -> Any:
    """The four rates as kernels take them: in one array."""
    return jnp.stack([jnp.asarray(each, np.float32) for each in rates])


def _places(ids: Any, count: int) -> Any:
    """The ids as int32; those outside of `count` rows still are."""
    return jnp.clip(ids, -1, count).astype(np.int32)


def sum_rows(rows: Any, ids: Any, count: int) -> Any | None:
    """For each number below `count`, the sum of the rows with that id; other ids are left out."""
    width = math.prod(rows.shape[1:])
    if count * width < _LEAST or count >= 2**31 or not native.takes(rows, bfloat16=False):
        return None
    (sums,) = native.call("sum_rows", [(count, width)], rows.reshape(len(rows), width), _places(ids, count))
    return sums.reshape(count, *rows.shape[1:])
