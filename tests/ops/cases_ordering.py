"""Cases for argmax, top_k, searchsorted and their kin."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, booleans, distinct, floats, integers, strings

BF16 = ml_dtypes.bfloat16


def _cases():
    for op_type in ("ArgMax", "ArgMin"):
        yield Case(op_type, [distinct(2, 3, 4), 1])
        yield Case(op_type, [distinct(2, 3), -1], {"output_type": np.int32})
        yield Case(op_type, [np.int32([1, 3, 3, 1]), 0])  # of equal ones, the first
        yield Case(op_type, [np.float32([np.nan, 1, 2]), 0])
        yield Case(op_type, [np.float32([1, np.nan, 0]), np.int64(0)])
        yield Case(op_type, [booleans(4), 0])
        yield Case(op_type, [floats(5, dtype=BF16), 0])
        yield Case(op_type, [floats(2, 0), 1], raises="InvalidArgumentError")
        yield Case(op_type, [floats(2, 3), 2], raises="InvalidArgumentError")
    yield Case("TopKV2", [distinct(2, 5), 3], grad=[0])
    yield Case("TopKV2", [distinct(5), 5], grad=[0])
    yield Case("TopKV2", [distinct(2, 2, 3), 1], grad=[0])
    yield Case("TopKV2", [distinct(2, 5), 0])
    yield Case("TopKV2", [np.int32([1, 3, 3, 2, 3]), 4])
    yield Case("TopKV2", [np.uint8([1, 3, 255, 0]), 2], {"index_type": np.int64})
    yield Case("TopKV2", [np.int8([-128, 3, 127, 0]), np.int64(4)])
    yield Case("TopKV2", [distinct(6, dtype=BF16), 2])
    yield Case("TopKV2", [floats(2, 3), 4], raises="InvalidArgumentError")
    yield Case("TopKV2", [floats(), 1], raises="InvalidArgumentError")
    yield Case("TopK", [distinct(2, 5)], {"k": 2}, grad=[0])
    yield Case("ApproxTopK", [distinct(2, 5)], {"k": 2}, grad=True)
    yield Case(
        "ApproxTopK", [distinct(5, 2)], {"k": 2, "reduction_dimension": 0, "is_max_k": False}, grad=True
    )
    yield Case("NthElement", [distinct(2, 5), 1], grad=[0])
    yield Case("NthElement", [distinct(2, 5), 1], {"reverse": True}, grad=[0])
    yield Case("NthElement", [integers(6), 3])
    yield Case("NthElement", [floats(3), 3], raises="InvalidArgumentError")
    for op_type in ("LowerBound", "UpperBound"):
        yield Case(op_type, [np.float32([[1, 3, 5], [2, 4, 6]]), np.float32([[0, 3], [4, 9]])])
        yield Case(op_type, [np.int64([[1, 3, 3, 5]]), np.int64([[3, 0, 6]])], {"out_type": np.int64})
        yield Case(op_type, [strings(["a", "c"]), strings(["b", "c", "d"])])
        yield Case(op_type, [floats(2, 3), floats(3, 3)], raises="InvalidArgumentError")
    yield Case("InTopKV2", [distinct(4, 5), np.int32([0, 1, 2, 9]), np.int32(2)])
    yield Case("InTopKV2", [np.float32([[1, np.inf], [np.nan, 1]]), np.int64([0, 1]), np.int64(1)])
    yield Case("InTopK", [distinct(4, 5), np.int32([0, 1, 2, 3])], {"k": 3})
    yield Case("InvertPermutation", [np.int32([2, 0, 3, 1])])
    yield Case("InvertPermutation", [np.int64([0])])
    yield Case("InvertPermutation", [[0, 0]], raises="InvalidArgumentError")
    yield Case("InvertPermutation", [[0, 2]], raises="InvalidArgumentError")


CASES = list(_cases())
