"""Dropout as TensorFlow and Keras write it, and its gradient, found among the operations of a compiled piece.

    select(noise >= rate, x * factor, 0)
    select(noise >= rate, dy, 0) * factor

A kernel of our own does both: XLA looks at one bool at a time, on one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.engine import native
from penstock.engine.static_value import constant_value

if TYPE_CHECKING:
    from penstock.runtime.fusion import Compute, Uses

_LEAST = 1 << 14  # numbers; below that a call takes longer than it saves


def forward(select: Any, uses: Uses) -> Compute | None:
    """SelectV2(kept, Mul(x, factor), 0)."""
    kept, scaled, zero = select.inputs
    product = uses.sole_producer(scaled, ("Mul",))
    if product is None or _number(zero) != 0:
        return None
    return _scaled(kept, *_and_factor(product))


def gradient(product: Any, uses: Uses) -> Compute | None:
    """Mul(SelectV2(kept, dy, 0), factor)."""
    masked, factor = _and_factor(product)
    select = None if masked is None else uses.sole_producer(masked, ("SelectV2",))
    if select is None or _number(select.inputs[2]) != 0:
        return None
    return _scaled(select.inputs[0], select.inputs[1], factor)


def _and_factor(product: Any) -> tuple[Any, float | None]:
    """The tensor and the number that are multiplied, if one is a constant number."""
    one, other = product.inputs
    for tensor, factor in ((one, _number(other)), (other, _number(one))):
        if factor is not None:
            return tensor, factor
    return None, None


def _number(tensor: Any) -> float | None:
    value = constant_value(tensor)
    return float(value) if value is not None and value.ndim == 0 and value.dtype == np.float32 else None


def _scaled(kept: Any, x: Any, factor: float | None) -> Compute | None:
    if factor is None:
        return None

    def compute(values: dict[int, Any]) -> Sequence[Any] | None:
        choice, array = values[id(kept)], values[id(x)]
        same = np.shape(choice) == np.shape(array) and choice.dtype == np.bool_
        if not same or array.size < _LEAST or not native.takes(array, bfloat16=False):
            return None
        return native.call("scale_kept", [array.shape], choice, array, dtype=array.dtype, factor=factor)

    return compute
