"""Cases of `ops.selection`, `ops.gathering`, `ops.scattering` and `ops.uniqueness`."""

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, booleans, complexes, distinct, floats, integers, strings

IGNORE = {"bad_indices_policy": "IGNORE"}


def scatters(shape, indices, updates):
    """A tensor scatter of each kind."""
    target, new = distinct(*shape), distinct(*updates, step=0.3)
    return [
        Case(f"TensorScatter{kind}", [target, indices, new], grad=[0, 2], second=kind not in ("Min", "Max"))
        for kind in ("Update", "Add", "Sub", "Min", "Max")
    ] + [Case("ScatterNdNonAliasingAdd", [target, indices, new], grad=[0, 2])]


CASES = [
    Case("SelectV2", [booleans(2, 3), floats(2, 3), floats(2, 3)], grad=[1, 2]),
    Case("SelectV2", [booleans(2, 1), floats(3), floats(2, 1)], grad=[1, 2]),
    Case("SelectV2", [True, floats(2), np.float32(0)], grad=[1, 2]),
    Case("SelectV2", [booleans(2), strings("a", "b"), strings("c", "d")]),
    Case("SelectV2", [booleans(2), complexes(2), complexes(1)], grad=[1, 2]),
    Case("SelectV2", [booleans(2), floats(3), floats(2)], raises="InvalidArgumentError"),
    Case("Select", [booleans(2, 3), floats(2, 3), floats(2, 3)], grad=[1, 2]),
    Case("Select", [booleans(2), floats(2, 3), floats(2, 3)], grad=[1, 2]),
    Case("Select", [False, floats(2), floats(2)], grad=[1, 2]),
    Case("Select", [booleans(3), floats(2, 3), floats(2, 3)], raises="InvalidArgumentError"),
    Case("Select", [booleans(2), floats(2), floats(3)], raises="InvalidArgumentError"),
    Case("Where", [booleans(3, 4)], dynamic=True),
    Case("Where", [np.float32([0, 1.5, 0, -1])], dynamic=True),
    Case("Where", [True], raises="InvalidArgumentError"),
    Case("GatherV2", [floats(4, 3), [2, 0, 2], 0], grad=[0]),
    Case("GatherV2", [floats(4, 3), [[2, 0], [1, 1]], 0], grad=[0]),
    Case("GatherV2", [floats(2, 4, 3), [[2, 0], [1, 1]], 1], grad=[0]),
    Case("GatherV2", [floats(2, 4, 3), np.int64(1), -1], grad=[0]),
    Case("GatherV2", [floats(2, 4, 3), [[2, 0], [1, 1]], 1], {"batch_dims": 1}, grad=[0]),
    Case("GatherV2", [floats(2, 3, 4), [[2, 0, 3], [1, 1, 0]], 2], {"batch_dims": 1}, grad=[0]),
    Case("GatherV2", [floats(2, 2, 3), [[1, 0], [2, 2]], -1], {"batch_dims": -1}, grad=[0]),
    Case("GatherV2", [floats(2, 2, 3), [[1, 0], [2, 2]], 2], {"batch_dims": 2}, grad=[0]),
    Case("GatherV2", [floats(0, 3), np.zeros(0, np.int32), 0]),
    Case("GatherV2", [floats(3, 2), np.zeros((0, 2), np.int32), 0]),
    Case("GatherV2", [strings("a", "b"), [1, 1], 0]),
    Case("GatherV2", [floats(3, dtype=ml_dtypes.bfloat16), [0, 2], 0]),
    Case("GatherV2", [floats(3), [3], 0], raises="InvalidArgumentError"),
    Case("GatherV2", [floats(3), [-1], 0], raises="InvalidArgumentError"),
    Case("GatherV2", [floats(3), [0], 1], raises="InvalidArgumentError"),
    Case("GatherV2", [floats(3), [0.5], 0], raises="InvalidArgumentError"),
    Case("Gather", [floats(4, 3), [[2, 0], [1, 1]]], grad=[0]),
    Case("GatherNd", [floats(3, 4), [[0, 1], [2, 3]]], grad=[0]),
    Case("GatherNd", [floats(3, 4), [[1], [1]]], grad=[0]),
    Case("GatherNd", [floats(3, 4), [[[2], [0]], [[1], [1]]]], grad=[0]),
    Case("GatherNd", [floats(3, 4), np.zeros((2, 0), np.int32)], grad=[0]),
    Case("GatherNd", [floats(3, 4), np.array([1, 2], np.int64)], grad=[0]),
    Case("GatherNd", [floats(3), [[1], [7], [-1]]], IGNORE),
    Case("GatherNd", [strings("a", "b"), [[1]]]),
    Case("GatherNd", [floats(3), [[3]]], raises="InvalidArgumentError"),
    Case("GatherNd", [floats(3), [[0, 0]]], raises="InvalidArgumentError"),
    Case("ScatterNd", [[[1], [3], [1]], floats(3), [5]], grad=[1]),
    Case("ScatterNd", [[[0, 1], [1, 0]], floats(2, 3), [2, 2, 3]], grad=[1]),
    Case("ScatterNd", [np.zeros((2, 0), np.int32), floats(2, 3), [3]], grad=[1]),
    Case("ScatterNd", [np.array([[0], [2]], np.int64), integers(2), np.array([4], np.int64)]),
    Case("ScatterNd", [[[1], [9]], floats(2), [3]], IGNORE, grad=[1]),
    Case("ScatterNd", [[[0], [1]], booleans(2), [3]]),
    Case("ScatterNd", [[[0], [0]], floats(2, dtype=ml_dtypes.bfloat16), [2]]),
    Case("ScatterNd", [[[0], [0]], strings("a", "b"), [2]]),
    Case("ScatterNd", [[[3]], floats(1), [3]], raises="InvalidArgumentError"),
    Case("ScatterNd", [[[0]], floats(2), [3]], raises="InvalidArgumentError"),
    *scatters((5,), [[1], [3]], (2,)),
    *scatters((3, 2), [[2], [0]], (2, 2)),
    *scatters((3, 2), [[2, 0], [1, 1]], (2,)),
    Case("TensorScatterAdd", [floats(4), [[1], [1]], floats(2)], grad=[0, 2]),
    Case(
        "TensorScatterMax",
        [floats(4, dtype=ml_dtypes.bfloat16), [[1], [1]], floats(2, dtype=ml_dtypes.bfloat16)],
    ),
    Case("TensorScatterUpdate", [strings("a", "b"), [[1]], strings("z")]),
    Case("TensorScatterUpdate", [floats(4), [[4]], floats(1)], raises="InvalidArgumentError"),
    Case("TensorScatterUpdate", [floats(4), [[1]], floats()], raises="InvalidArgumentError"),
    Case("Unique", [[3, 1, 3, 2, 1]], dynamic=True),
    Case("Unique", [strings("b", "a", "b")], {"out_idx": np.int64}, dynamic=True),
    Case("Unique", [[[1]]], raises="InvalidArgumentError"),
    Case("UniqueWithCounts", [np.float32([1, np.nan, 1, np.nan])], dynamic=True),
    Case("UniqueV2", [[[1, 2], [1, 2], [0, 0]], [0]], dynamic=True),
    Case("UniqueWithCountsV2", [[[1, 1, 2], [3, 3, 0]], [1]], dynamic=True),
    Case("UniqueWithCountsV2", [np.zeros((2, 0), np.int32), [1]], dynamic=True),
    Case("UniqueV2", [[[1, 2]], np.zeros(0, np.int32)], raises="InvalidArgumentError"),
    Case("ListDiff", [[1, 2, 3, 2], [2]], dynamic=True),
    Case("ListDiff", [strings("a", "b"), strings("b")], {"out_idx": np.int64}, dynamic=True),
    Case("UnravelIndex", [[7, 5, 11], [3, 4]]),
    Case("UnravelIndex", [np.int64(5), np.array([3, 4], np.int64)]),
    Case("UnravelIndex", [[12], [3, 4]], raises="InvalidArgumentError"),
]
