"""Cases for pooling: see `op_cases.py` for what a case is."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, distinct, floats, integers

_TWO = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
_OVERLAPPING = {"ksize": [1, 3, 2, 1], "strides": [1, 2, 1, 1], "padding": "SAME"}
_VOLUME = {"ksize": [1, 2, 3, 2, 1], "strides": [1, 2, 1, 2, 1], "padding": "SAME"}
_EXPLICIT = {
    "ksize": [1, 3, 3, 1],
    "strides": [1, 2, 2, 1],
    "padding": "EXPLICIT",
    "explicit_paddings": [0, 0, 1, 0, 0, 2, 0, 0],
}
_TIES = np.array([[1, 1, 0, 2], [1, 1, 2, 2], [0, 0, 0, 0], [0, 0, 0, 0]], np.float32).reshape(1, 4, 4, 1)


def _max(x, attrs):
    return Case("MaxPool", [x], attrs, grad=True)


CASES = [
    _max(distinct(2, 4, 6, 3), _TWO),
    _max(distinct(2, 5, 6, 3), _TWO),
    _max(distinct(2, 5, 6, 3), _OVERLAPPING),
    _max(distinct(1, 5, 6, 2), _EXPLICIT),
    _max(distinct(1, 9, 9, 1), {"ksize": [1, 9, 9, 1], "strides": [1, 1, 1, 1], "padding": "SAME"}),
    Case("MaxPool", [integers(1, 4, 4, 2, dtype=np.uint8, low=0)], _TWO),
    Case("MaxPool", [floats(1, 4, 4, 2, dtype=ml_dtypes.bfloat16)], _TWO),
    Case("MaxPool", [floats(0, 4, 4, 2)], _TWO),
    Case(
        "MaxPool", [distinct(1, 2, 2, 4)], {"ksize": [1, 1, 1, 2], "strides": [1, 1, 1, 2], "padding": "SAME"}
    ),
    Case(
        "MaxPool",
        [floats(1, 3, 3, 1)],
        {"ksize": [1, 6, 6, 1], "strides": [1, 1, 1, 1], "padding": "VALID"},
        raises="InvalidArgumentError",
    ),
    # Equal entries: the first one gets the gradient.
    Case(
        "MaxPoolGrad",
        [_TIES, np.array([1, 2, 0, 0], np.float32).reshape(1, 2, 2, 1), floats(1, 2, 2, 1)],
        _TWO,
    ),
    Case("MaxPool3D", [distinct(1, 3, 4, 5, 2)], _VOLUME, grad=True),
    Case(
        "MaxPoolV2",
        [distinct(1, 4, 4, 2), [1, 2, 2, 1], [1, 2, 2, 1]],
        {"padding": "VALID"},
        grad=[0],
        second=False,
    ),
    Case("MaxPoolWithArgmax", [distinct(2, 5, 6, 3)], _OVERLAPPING, grad=True),
    Case("MaxPoolWithArgmax", [distinct(2, 4, 4, 3)], {**_TWO, "Targmax": np.int32}),
    Case("MaxPoolWithArgmax", [distinct(2, 4, 4, 3)], {**_TWO, "include_batch_in_index": True}, grad=True),
    Case("AvgPool", [floats(2, 5, 6, 3)], _TWO, grad=True),
    Case("AvgPool", [floats(2, 5, 6, 3)], _OVERLAPPING, grad=True),
    Case("AvgPool", [floats(1, 4, 4, 2, dtype=ml_dtypes.bfloat16)], _TWO),
    Case("AvgPoolGrad", [[2, 5, 6, 3], floats(2, 3, 6, 3)], _OVERLAPPING, grad=[1]),
    Case("AvgPool3D", [floats(1, 3, 4, 5, 2)], _VOLUME, grad=True),
]
