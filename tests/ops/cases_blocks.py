"""Cases of `ops.blocks` and `ops.partitioning`."""

import numpy as np

from tests.ops.op_cases import Case, floats, integers, strings

NCHW = {"data_format": "NCHW"}

CASES = [
    Case("SpaceToDepth", [floats(2, 4, 6, 3)], {"block_size": 2}, grad=[0]),
    Case("SpaceToDepth", [floats(1, 3, 4, 4)], {"block_size": 2, **NCHW}, grad=[0]),
    Case(
        "SpaceToDepth",
        [integers(1, 2, 4, 4, 4, dtype=np.int8)],
        {"block_size": 2, "data_format": "NCHW_VECT_C"},
    ),
    Case("SpaceToDepth", [floats(1, 3, 4, 1)], {"block_size": 2}, raises="InvalidArgumentError"),
    Case("SpaceToDepth", [floats(4, 4)], {"block_size": 2}, raises="InvalidArgumentError"),
    Case("DepthToSpace", [floats(2, 2, 3, 8)], {"block_size": 2}, grad=[0]),
    Case("DepthToSpace", [floats(1, 8, 2, 2)], {"block_size": 2, **NCHW}, grad=[0]),
    Case(
        "DepthToSpace",
        [integers(1, 4, 2, 2, 4, dtype=np.int8)],
        {"block_size": 2, "data_format": "NCHW_VECT_C"},
    ),
    Case("DepthToSpace", [floats(1, 2, 2, 3)], {"block_size": 2}, raises="InvalidArgumentError"),
    Case("SpaceToBatchND", [floats(2, 4, 6, 3), [2, 3], [[0, 0], [0, 0]]], grad=[0]),
    Case("SpaceToBatchND", [floats(1, 6), [3], [[1, 2]]], grad=[0]),
    Case("SpaceToBatchND", [floats(1, 6), [4], [[0, 0]]], raises="InvalidArgumentError"),
    Case("SpaceToBatchND", [floats(6), [2], [[0, 0]]], raises="InvalidArgumentError"),
    Case("BatchToSpaceND", [floats(12, 2, 2, 3), [2, 3], [[0, 1], [2, 0]]], grad=[0]),
    Case("BatchToSpaceND", [floats(3, 2), np.array([3], np.int64), np.array([[1, 0]], np.int64)], grad=[0]),
    Case("BatchToSpaceND", [floats(3, 2), [2], [[0, 0]]], raises="InvalidArgumentError"),
    Case("SpaceToBatch", [floats(1, 3, 4, 2), [[1, 0], [0, 0]]], {"block_size": 2}, grad=[0]),
    Case("BatchToSpace", [floats(4, 2, 2, 2), [[1, 0], [0, 1]]], {"block_size": 2}, grad=[0]),
    Case("DynamicPartition", [floats(4, 2), [0, 1, 0, 2]], {"num_partitions": 3}, grad=[0], dynamic=True),
    Case(
        "DynamicPartition", [floats(2, 2, 3), [[1, 0], [1, 1]]], {"num_partitions": 2}, grad=[0], dynamic=True
    ),
    Case("DynamicPartition", [strings("a", "b"), [1, 0]], {"num_partitions": 2}, dynamic=True),
    Case("DynamicPartition", [floats(3), [0, 2, 0]], {"num_partitions": 2}, raises="InvalidArgumentError"),
    Case("DynamicPartition", [floats(3), [0, 1]], {"num_partitions": 2}, raises="InvalidArgumentError"),
    *(
        case
        for name in ("DynamicStitch", "ParallelDynamicStitch")
        for case in (
            Case(
                name,
                [[np.array([0, 2], np.int32), np.array([1], np.int32)], [floats(2, 3), floats(1, 3)]],
                grad=[2, 3],
            ),
            Case(
                name,
                [[np.array(0, np.int32), np.array([3], np.int32)], [floats(2), floats(1, 2)]],
                grad=[2, 3],
            ),
            Case(name, [[np.array([0], np.int32), np.array([0], np.int32)], [integers(1), integers(1)]]),
            Case(name, [[np.array([0, 1], np.int32)], [floats(3)]], raises="InvalidArgumentError"),
        )
    ),
]
