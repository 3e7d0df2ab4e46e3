"""Bits of integers: `tf.bitwise` and the population count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.definition import op, stops
from penstock.engine.shape_rules import broadcast, unchanged
from penstock.engine.xla import lax
from penstock.ops.dtype_sets import INTEGERS
from penstock.ops.op_functions import binary_function, unary_function


def _shift(function: str) -> Callable:
    def kernel(xp: Any, x: Any, y: Any) -> Any:
        # Shifts by a negative number or by the width and more are undefined in C; TensorFlow clamps them.
        width = x.dtype.itemsize * 8
        return getattr(xp, function)(x, xp.clip(y, 0, width - 1))

    return kernel


def _count_numpy(x: Any) -> Any:
    return np.bitwise_count(x.view(f"u{x.dtype.itemsize}"))


def _count_xla(x: Any) -> Any:
    return lax.population_count(x).astype(np.uint8)


# Op type, names, kernel, summary, example.
_BINARY: tuple[tuple[str, str, Callable, str, tuple[str, str]], ...] = (
    ("BitwiseAnd", "bitwise.bitwise_and", lambda xp, x, y: xp.bitwise_and(x, y), "The bits set in x and in y.",
     ("[5, 6], 3", "[1 2]")),
    ("BitwiseOr", "bitwise.bitwise_or", lambda xp, x, y: xp.bitwise_or(x, y), "The bits set in x or in y.",
     ("[5, 6], 3", "[7 7]")),
    ("BitwiseXor", "bitwise.bitwise_xor", lambda xp, x, y: xp.bitwise_xor(x, y),
     "The bits set in one of x and y but not in both.", ("[5, 6], 3", "[6 5]")),
    ("LeftShift", "bitwise.left_shift", _shift("left_shift"), "x with its bits shifted left by y.",
     ("[1, 3], 2", "[ 4 12]")),
    ("RightShift", "bitwise.right_shift", _shift("right_shift"),
     "x with its bits shifted right by y; the sign is kept.", ("[-8, 9], 2", "[-2  2]")),
)  # fmt: skip

__test__: dict[str, Callable] = {}
for _type, _name, _kernel, _summary, _example in _BINARY:
    op(f"{_type}(x: T, y: T) -> z: T", _kernel, shape=broadcast, gradient=stops, types={"T": INTEGERS})
    __test__[_type] = binary_function(_type, _name, _summary, _example)

op(
    "Invert(x: T) -> y: T",
    lambda xp, x: xp.invert(x),
    shape=unchanged,
    gradient=stops,
    types={"T": INTEGERS},
)
__test__["Invert"] = unary_function(
    "Invert", "bitwise.invert", "x with every bit flipped.", ("[0, 5]", "[-1 -6]")
)

op(
    "PopulationCount(x: T) -> y: uint8",
    numpy=_count_numpy,
    xla=_count_xla,
    shape=unchanged,
    gradient=stops,
    types={"T": INTEGERS},
)
