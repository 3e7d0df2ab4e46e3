"""Cases for dilation and isotonic regression: see `op_cases.py` for what a case is."""

from __future__ import annotations

import numpy as np

from tests.ops.op_cases import Case, distinct, floats, integers

_ONES = {"strides": [1, 1, 1, 1], "rates": [1, 1, 1, 1], "padding": "SAME"}
_SPREAD = {"strides": [1, 2, 1, 1], "rates": [1, 1, 2, 1], "padding": "VALID"}
_X, _W = floats(2, 5, 6, 3), floats(3, 2, 3)

CASES = [
    Case("Dilation2D", [_X, _W], _ONES, grad=True, second=False),
    Case("Dilation2D", [_X, _W], _SPREAD, grad=True, second=False),
    Case(
        "Dilation2D",
        [integers(1, 4, 4, 1, low=0, dtype=np.uint8), integers(2, 2, 1, low=0, dtype=np.uint8)],
        _ONES,
    ),
    Case("Dilation2D", [_X, floats(3, 2, 2)], _ONES, raises="InvalidArgumentError"),
    Case("Dilation2DBackpropInput", [_X, _W, floats(2, 5, 6, 3)], _ONES),
    Case("Dilation2DBackpropFilter", [_X, _W, floats(2, 5, 6, 3)], _ONES),
    Case("IsotonicRegression", [distinct(3, 6)], grad=True, second=False),
    Case("IsotonicRegression", [integers(2, 5)], {"output_dtype": np.float64}),
]
