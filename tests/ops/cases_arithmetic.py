"""Cases for arithmetic: see `op_cases.py` for what a case is."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, complexes, distinct, floats, integers, positive

BF16 = ml_dtypes.bfloat16


def pair(*shape, dtype=np.float32):
    return [floats(*shape, dtype=dtype), positive(*shape, dtype=dtype)]


def unsigned(*shape, dtype=np.uint8, low=0, high=20):
    return integers(*shape, dtype=dtype, low=low, high=high)


CASES = [
    # Broadcasting, in every position; scalars; empty tensors.
    Case("AddV2", [floats(2, 3), floats(3)], grad=True),
    Case("AddV2", [floats(4, 1, 3), floats(2, 1)], grad=True),
    Case("AddV2", [floats(), floats(2, 3)], grad=True),
    Case("AddV2", [floats(0, 3), floats(3)]),
    Case("AddV2", [integers(3, dtype=np.int8), integers(3, dtype=np.int8)]),
    Case("AddV2", [np.array([120, -120], np.int8), np.array([10, -10], np.int8)]),  # wraps around
    Case("AddV2", [floats(3, dtype=BF16), floats(3, dtype=BF16)]),
    Case("AddV2", [complexes(3), complexes(3)], grad=True),
    Case("AddV2", [floats(2, 3), floats(4)], raises="InvalidArgumentError"),
    Case("Add", [floats(2, 1), floats(3)], grad=True),
    Case("Sub", [floats(2, 3), floats(3)], grad=True),
    Case("Sub", [unsigned(3), unsigned(3)]),
    Case("Mul", [floats(2, 3), floats(2, 1)], grad=True),
    Case("Mul", [complexes(2, 3), complexes(3)], grad=True),
    Case("Mul", [integers(4, dtype=np.int64), integers(4, dtype=np.int64)]),
    Case("Mul", [floats(4, dtype=np.float16), floats(4, dtype=np.float16)]),
    Case("MulNoNan", [floats(4), np.float32([0, 1, 0, 2])]),
    Case("MulNoNan", [floats(2, 3), positive(3)], grad=True),
    Case("MulNoNan", [np.float32([np.inf, np.nan, 3]), np.float32([0, 0, 2])]),
    # Divisions.
    Case("RealDiv", [floats(2, 3), positive(3)], grad=True),
    Case("RealDiv", [complexes(2, 3), complexes(3, low=1)], grad=True),
    Case("RealDiv", [floats(3, dtype=BF16), positive(3, dtype=BF16)]),
    Case("RealDiv", [np.float32([1, -1, 0]), np.float32([0, 0, 0])]),
    Case("Div", pair(2, 3), grad=True),
    Case("DivNoNan", [floats(2, 3), positive(3)], grad=True),
    Case("DivNoNan", [np.float32([1, 0, 3]), np.float32([0, 0, 2])]),
    Case("FloorDiv", [np.int32([-7, 7, -7, 7]), np.int32([2, 2, -2, -2])]),
    Case("FloorDiv", [floats(5, high=20, low=-20), positive(5)]),
    Case("FloorDiv", [unsigned(5), unsigned(5, low=1)]),
    Case("FloorDiv", [floats(5, dtype=BF16), positive(5, dtype=BF16)]),
    Case("FloorDiv", [integers(4), [0, 1, 2, 3]], raises="InvalidArgumentError"),
    Case("TruncateDiv", [np.int32([-7, 7, -7, 7, 6]), np.int32([2, 2, -2, -2, 3])]),
    Case("TruncateDiv", [unsigned(5, dtype=np.uint16), unsigned(5, low=1, dtype=np.uint16)]),
    Case("TruncateDiv", [floats(5, high=20, low=-20), positive(5)]),
    Case("TruncateDiv", [integers(4), [0, 1, 2, 3]], raises="InvalidArgumentError"),
    Case("FloorMod", [np.int32([-7, 7, -7, 7]), np.int32([2, 2, -2, -2])]),
    Case("FloorMod", [floats(6, low=-9, high=9), positive(6)], grad=True, second=False),
    Case("FloorMod", [unsigned(5), unsigned(5, low=1)]),
    Case("FloorMod", [integers(4), [0, 1, 2, 3]], raises="InvalidArgumentError"),
    Case("Mod", [np.int32([-7, 7, -7, 7]), np.int32([2, 2, -2, -2])]),
    Case("TruncateMod", [np.int64([-7, 7, -7, 7]), np.int64([2, 2, -2, -2])]),
    Case("TruncateMod", [floats(6, low=-9, high=9), positive(6)], grad=True, second=False),
    # Others of two numbers.
    Case("SquaredDifference", [floats(2, 3), floats(3)], grad=True),
    Case("SquaredDifference", [integers(4), integers(4)]),
    Case("SquaredDifference", [complexes(2, 3), complexes(3)], grad=True),
    Case("Maximum", [distinct(2, 3), distinct(3, step=0.4)], grad=True),
    Case("Maximum", [np.float32([np.nan, 1, 2]), np.float32([1, np.nan, 3])]),
    Case("Maximum", [integers(4, dtype=np.int16), integers(4, dtype=np.int16)]),
    Case("Minimum", [distinct(2, 3), distinct(3, step=0.4)], grad=True),
    Case("Minimum", [floats(4, dtype=BF16), floats(4, dtype=BF16)]),
    Case("Pow", [positive(2, 3), floats(3)], grad=True),
    Case("Pow", [floats(4, low=-2, high=-1), np.float32(3.0)], grad=[0]),
    Case("Pow", [integers(4), [0, 1, 2, 3]]),
    Case("Pow", [complexes(3, low=0.5), complexes(3)], grad=True),
    Case("Pow", [positive(3, dtype=np.float16), positive(3, dtype=np.float16)]),
    Case("Pow", [integers(2), [-1, 1]], raises="InvalidArgumentError"),
    # Many tensors.
    Case("AddN", [[floats(2, 3), floats(2, 3), floats(2, 3)]], grad=True),
    Case("AddN", [[integers(3)]]),
    Case("AddN", [[floats(2), floats(3)]], raises="InvalidArgumentError"),
    Case("AccumulateNV2", [[floats(2, 3), floats(2, 3)]], {"shape": [2, 3]}, grad=True),
    # The gradients of broadcasting.
    Case("BroadcastGradientArgs", [[2, 3], [3]], dynamic=True),
    Case("BroadcastGradientArgs", [[4, 1, 3], [2, 1]], dynamic=True),
    Case("BroadcastGradientArgs", [np.int64([2, 1]), np.int64([])], dynamic=True),
]
