"""Cases of ops on sparse and ragged tensors, given by their parts."""

import numpy as np

from tests.ops.op_cases import Case, floats, strings

INDICES = np.array([[0, 1], [1, 0], [1, 2]], np.int64)
UNORDERED = np.array([[1, 0], [0, 1], [1, 2]], np.int64)
OTHER = np.array([[0, 1], [1, 1]], np.int64)
SHAPE = np.array([2, 3], np.int64)
SPLITS = np.array([0, 2, 2, 3], np.int64)


def ints(*values):
    return np.array(values, np.int64)


CASES = [
    Case("SparseToDense", [INDICES, SHAPE, floats(3), 0.5], grad=True),
    Case("SparseToDense", [ints(1, 3), ints(5), floats(2), 0.0], grad=True),
    Case("SparseToDense", [INDICES, SHAPE, strings("a", "b", "c"), strings("").reshape(())]),
    Case("SparseToDense", [UNORDERED, SHAPE, floats(3), 0.0], raises="InvalidArgumentError"),
    Case("SparseReorder", [UNORDERED, floats(3), SHAPE], grad=[1]),
    Case("SparseReshape", [INDICES, SHAPE, ints(3, -1)]),
    Case("SparseReshape", [INDICES, SHAPE, ints(4, 2)], raises="InvalidArgumentError"),
    Case("SparseSlice", [INDICES, floats(3), SHAPE, ints(0, 1), ints(2, 2)], grad=[1], dynamic=True),
    Case("SparseConcat", [[INDICES, OTHER], [floats(3), floats(2)], [SHAPE, SHAPE]], {"concat_dim": 1}, grad=[2, 3]),
    Case("SparseConcat", [[INDICES, OTHER], [floats(3), floats(2)], [SHAPE, ints(2, 4)]], {"concat_dim": 0},
         raises="InvalidArgumentError"),
    Case("SparseSplit", [np.int64(1), INDICES, floats(3), SHAPE], {"num_split": 2}, dynamic=True),
    Case("SparseFillEmptyRows", [INDICES + 1, floats(3), ints(4, 4), 0.5], grad=[1, 3], dynamic=True),
    Case("SparseAdd", [INDICES, floats(3), SHAPE, OTHER, floats(2), SHAPE, 0.0], grad=[1, 4], dynamic=True),
    Case("SparseTensorDenseAdd", [INDICES, floats(3), SHAPE, floats(2, 3)], grad=[1, 3]),
    Case("SparseSparseMaximum", [INDICES, floats(3), SHAPE, OTHER, floats(2), SHAPE], dynamic=True),
    Case("SparseSparseMinimum", [INDICES, floats(3), SHAPE, OTHER, floats(2), SHAPE], dynamic=True),
    Case("SparseDenseCwiseMul", [INDICES, floats(3), SHAPE, floats(2, 3)], grad=[1, 3]),
    Case("SparseDenseCwiseMul", [INDICES, floats(3), SHAPE, floats(1, 3)], grad=[1, 3]),
    Case("SparseDenseCwiseMul", [INDICES, floats(3), SHAPE, floats(2)], raises="InvalidArgumentError"),
    Case("SparseDenseCwiseDiv", [INDICES, floats(3), SHAPE, floats(3, low=1.0)], grad=[1, 3]),
    Case("SparseDenseCwiseAdd", [INDICES, floats(3), SHAPE, floats(2, 1)], grad=[1, 3]),
    Case("SparseSoftmax", [INDICES, floats(3), SHAPE], grad=[1]),
    Case("SparseReduceSum", [INDICES, floats(3), SHAPE, [1]], grad=[1]),
    Case("SparseReduceSum", [INDICES, floats(3), SHAPE, [0]], {"keep_dims": True}, grad=[1]),
    Case("SparseReduceSum", [INDICES, floats(3), SHAPE, [0, 1]], grad=[1]),
    Case("SparseReduceMax", [INDICES, floats(3), SHAPE, [1]]),
    Case("SparseReduceSumSparse", [INDICES, floats(3), SHAPE, [0]], dynamic=True),
    Case("SparseReduceMaxSparse", [INDICES, floats(3), SHAPE, [1]], {"keep_dims": True}, dynamic=True),
    Case("SparseTensorDenseMatMul", [INDICES, floats(3), SHAPE, floats(3, 2)], grad=[1, 3]),
    Case("SparseTensorDenseMatMul", [INDICES, floats(3), SHAPE, floats(2, 2)], {"adjoint_a": True}, grad=[1, 3]),
    Case("SparseTensorDenseMatMul", [INDICES, floats(3), SHAPE, floats(2, 3)], {"adjoint_b": True}, grad=[1, 3]),
    Case("SparseTensorDenseMatMul", [INDICES, floats(3), SHAPE, floats(2, 2)], raises="InvalidArgumentError"),
    Case("DenseToDenseSetOperation", [[[1, 2, 3]], [[3, 1, 7]]], {"set_operation": "union"}, dynamic=True),
    Case("SetSize", [INDICES, ints(1, 2, 2), SHAPE]),
    Case("RaggedRange", [[0, 5], [3, 1], [1, -2]], dynamic=True),
    Case("RaggedTensorToSparse", [[SPLITS], floats(3, 2)], grad=[1]),
    Case(
        "RaggedTensorToTensor", [ints(-1, 4), floats(3), 0.5, [SPLITS]], {"row_partition_types": ["ROW_SPLITS"]},
        grad=[1, 2],
    ),
    Case(
        "RaggedTensorToTensor", [np.int64(-1), floats(3, 2), floats(2), [SPLITS]],
        {"row_partition_types": ["ROW_SPLITS"]}, grad=[1, 2], dynamic=True,
    ),
]  # fmt: skip
