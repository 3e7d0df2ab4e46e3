"""Cases for reductions over axes and running sums."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, booleans, complexes, distinct, floats, integers, positive

BF16 = ml_dtypes.bfloat16
AXES = ([0], [-1], [0, 2], [], 1)


def _cases():
    for op_type in ("Sum", "Mean", "Prod", "EuclideanNorm"):
        for axes in AXES:
            yield Case(op_type, [positive(2, 3, 2), axes], grad=[0])
        yield Case(op_type, [positive(2, 3), [1]], {"keep_dims": True}, grad=[0])
        yield Case(op_type, [positive(2, 3), np.int64([0, 1])], {"keep_dims": True}, grad=[0])
        yield Case(op_type, [positive(3, dtype=BF16), [0]])
        yield Case(op_type, [positive(3, 40, dtype=np.float16), [1]], rtol=1e-2)
        yield Case(op_type, [integers(2, 3), [0]])
        yield Case(op_type, [integers(2, 3, dtype=np.uint8, low=0), [1]])
        yield Case(op_type, [floats(0, 3), [0]])
        yield Case(op_type, [floats(0, 3), [1]])
        yield Case(op_type, [floats(2, 3), [2]], raises="InvalidArgumentError")
        yield Case(op_type, [floats(2, 3), [0, 0]], raises="InvalidArgumentError")
    yield Case("Sum", [complexes(2, 3), [1]], grad=[0])
    yield Case("Mean", [complexes(2, 3), [1]], grad=[0])
    yield Case("Prod", [complexes(2, 3), [1]], grad=[0])
    yield Case("Sum", [floats(), np.int32([])], grad=[0])
    yield Case("Prod", [np.float32([[1, 0, 3], [0, 0, 2]]), [1]], grad=[0], second=False)
    yield Case("Mean", [np.int32([-1, -2, -4]), [0]])
    yield Case("Mean", [np.uint8([250, 250]), [0]])
    yield Case("Sum", [integers(300, low=100, high=120, dtype=np.int8), [0]])
    for op_type in ("Max", "Min"):
        for axes in AXES:
            yield Case(op_type, [distinct(2, 3, 2), axes], grad=[0])
        yield Case(op_type, [distinct(2, 3), [1]], {"keep_dims": True}, grad=[0])
        yield Case(op_type, [np.float32([1, np.nan, 2]), [0]])
        yield Case(op_type, [integers(2, 3, dtype=np.int16), [0]])
        yield Case(op_type, [floats(4, dtype=BF16), [0]])
        yield Case(op_type, [floats(0, 2), [0]])
        yield Case(op_type, [integers(0, 2), [0]])
        yield Case(op_type, [floats(2, 3), [-3]], raises="InvalidArgumentError")
    for op_type in ("All", "Any"):
        for axes in AXES:
            yield Case(op_type, [booleans(2, 3, 2), axes])
        yield Case(op_type, [booleans(0, 2), [0]], {"keep_dims": True})
        yield Case(op_type, [integers(2, 3), [0]], raises="InvalidArgumentError")
    for op_type in ("Cumsum", "Cumprod", "CumulativeLogsumexp"):
        for attrs in ({}, {"exclusive": True}, {"reverse": True}, {"exclusive": True, "reverse": True}):
            yield Case(op_type, [positive(2, 3), 1], attrs, grad=[0])
        yield Case(op_type, [positive(3, 2, 2), -2], grad=[0])
        yield Case(op_type, [positive(5, dtype=BF16), 0])
        yield Case(op_type, [positive(0, 2), 0], {"exclusive": True})
        yield Case(op_type, [positive(2, 3), 2], raises="InvalidArgumentError")
    for op_type in ("Cumsum", "Cumprod"):
        yield Case(op_type, [integers(2, 3), np.int64(0)])
        yield Case(op_type, [integers(4, dtype=np.int8), 0], {"exclusive": True})
        yield Case(op_type, [complexes(4), 0], grad=[0])


CASES = list(_cases())
