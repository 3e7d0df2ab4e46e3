"""Cases for the ops on sparse tensors: see `op_cases.py` for what a case is."""

from __future__ import annotations

import numpy as np

from tests.ops.op_cases import Case, distinct, floats

# Two matrices of shape [3, 4], with one place in common; the places of the first in another order.
_A = np.array([[0, 1], [1, 0], [1, 3], [2, 2]], np.int64)
_B = np.array([[0, 1], [0, 2], [2, 3]], np.int64)
_SHUFFLED = _A[[2, 0, 3, 1]]
_SHAPE = np.array([3, 4], np.int64)
_GAPS = np.array([[0, 1], [0, 3], [2, 0]], np.int64)  # rows 1 and 3 of 4 are empty


def _pair(first, second):
    return [first, floats(len(first)), _SHAPE, second, floats(len(second)), _SHAPE]


# As in TensorFlow, the gradient ops of some have no gradient themselves: no second order.
CASES = [
    Case("SparseAdd", [*_pair(_A, _B), np.float32(0)], grad=[1, 4], second=False, dynamic=True),
    Case(
        "SparseConcat",
        [[_A, _B], [floats(4), floats(3)], [_SHAPE, _SHAPE]],
        {"concat_dim": 1},
        grad=True,
        dynamic=True,
    ),
    *(
        Case(f"SparseDenseCwise{name}", [_A, distinct(4), _SHAPE, dense], grad=True)
        for name, dense in (
            ("Add", floats(3, 4)),
            ("Mul", floats(3, 4)),
            ("Div", floats(3, 4, low=1.0, high=2.0)),
            ("Mul", floats(4)),
            ("Div", floats(3, 1, low=1.0, high=2.0)),
        )
    ),
    Case(
        "SparseFillEmptyRows",
        [_GAPS, floats(3), np.int64([4, 5]), floats()],
        grad=True,
        second=False,
        dynamic=True,
    ),
    Case("SparseReduceSum", [_A, floats(4), _SHAPE, [1]], grad=[1]),
    Case("SparseReduceSum", [_A, floats(4), _SHAPE, [-2]], {"keep_dims": True}, grad=[1]),
    Case("SparseReduceSum", [_A, floats(4), _SHAPE, [0, 1]], grad=[1]),
    Case("SparseReorder", [_SHUFFLED, floats(4), _SHAPE], grad=True),
    Case(
        "SparseSlice",
        [_A, floats(4), _SHAPE, np.int64([0, 1]), np.int64([2, 3])],
        grad=True,
        second=False,
        dynamic=True,
    ),
    Case("SparseSoftmax", [_A, floats(4), _SHAPE], grad=True),
    Case("SparseTensorDenseAdd", [_A, floats(4), _SHAPE, floats(3, 4)], grad=True),
    Case("SparseTensorDenseMatMul", [_A, floats(4), _SHAPE, floats(4, 2)], grad=True),
    Case("SparseTensorDenseMatMul", [_A, floats(4), _SHAPE, floats(2, 4)], {"adjoint_b": True}, grad=True),
    Case("SparseTensorDenseMatMul", [_A, floats(4), _SHAPE, floats(3, 2)], {"adjoint_a": True}, grad=True),
    Case("SparseToDense", [_A, _SHAPE, floats(4), floats()], grad=True),
]
