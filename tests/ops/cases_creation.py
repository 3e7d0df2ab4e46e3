"""Cases of `ops.creation`, `ops.ranges`, `ops.shapes_of_tensors` and `ops.placeholders`."""

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, booleans, complexes, floats, integers, strings

CASES = [
    Case("Fill", [[2, 3], np.float32(1.5)], grad=[1]),
    Case("Fill", [np.array([2, 0], np.int64), np.int64(7)]),
    Case("Fill", [np.zeros(0, np.int32), np.float64(2)], grad=[1]),
    Case("Fill", [[2], strings("a").reshape(())]),
    Case("Fill", [[-1], 1], raises="InvalidArgumentError"),
    Case("Fill", [[2], [1]], raises="InvalidArgumentError"),
    Case("Empty", [[2, 3]], {"dtype": np.float32, "init": True}),
    Case("ZerosLike", [floats(2, 3)]),
    Case("ZerosLike", [strings("a", "b")]),
    Case("ZerosLike", [booleans(3)]),
    Case("OnesLike", [complexes(2)]),
    Case("OnesLike", [floats(2, dtype=ml_dtypes.bfloat16)]),
    Case("Range", [2, 11, 3]),
    Case("Range", [np.float32(0), np.float32(1), np.float32(0.1)], dynamic=True),
    Case("Range", [5, -3, -2]),
    Case("Range", [3, 3, 1]),
    Case("Range", [np.float16(0), np.float16(3), np.float16(0.5)], dynamic=True),
    Case("Range", [0, 5, 0], raises="InvalidArgumentError"),
    Case("Range", [5, 0, 1], raises="InvalidArgumentError"),
    Case("Range", [[0], 5, 1], raises="InvalidArgumentError"),
    Case("LinSpace", [np.float32(1), np.float32(3), 5], grad=[0, 1]),
    Case("LinSpace", [np.float64(-1), np.float64(1), 1], grad=[0, 1]),
    Case("LinSpace", [np.float32(1), np.float32(3), 0], raises="InvalidArgumentError"),
    Case("OneHot", [[0, 2, -1, 5], 3, np.float32(1), np.float32(0)]),
    Case("OneHot", [integers(2, 3, low=0, high=4), 4, np.float32(5), np.float32(-1)], {"axis": 1}),
    Case("OneHot", [np.uint8(1), 3, True, False], {"axis": 0}),
    Case("OneHot", [[0, 1], 3, 1, 0], {"axis": 2}, raises="InvalidArgumentError"),
    Case("OneHot", [[0, 1], -1, 1, 0], raises="InvalidArgumentError"),
    Case("OneHot", [[0.5], 3, 1, 0], raises="InvalidArgumentError"),
    Case("Shape", [floats(2, 3)]),
    Case("Shape", [np.float32(1)], {"out_type": np.int64}),
    Case("ShapeN", [[floats(2, 3), floats(1)]]),
    Case("Size", [floats(2, 0)]),
    Case("Size", [floats(2, 3)], {"out_type": np.int64}),
    Case("Rank", [floats(2, 3, 4)]),
    Case("GuaranteeConst", [floats(2)], grad=True),
    Case("BroadcastArgs", [[2, 1], [1, 3]]),
    Case("BroadcastArgs", [np.array([3], np.int64), np.array([5, 1, 1], np.int64)]),
    Case("BroadcastArgs", [[2], [3]], raises="InvalidArgumentError"),
]
