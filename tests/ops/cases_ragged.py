"""Cases for the ops on ragged tensors: see `op_cases.py` for what a case is."""

from __future__ import annotations

import numpy as np

from tests.ops.op_cases import Case, floats

_SPLITS = np.array([0, 2, 2, 5], np.int64)  # rows of 2, 0 and 3 values
_OUTER = np.array([0, 1, 3], np.int64)
_ROW_IDS = np.array([0, 0, 2, 2, 2], np.int64)


def _to_tensor(shape, values, default):
    return Case(
        "RaggedTensorToTensor",
        [np.int64(shape), values, default, [_SPLITS]],
        {"row_partition_types": ["ROW_SPLITS"]},
        grad=True,
        dynamic=True,
    )


CASES = [
    Case(
        "RaggedFillEmptyRows",
        [_ROW_IDS, floats(5), np.int64(4), floats()],
        grad=True,
        second=False,  # as in TensorFlow
        dynamic=True,
    ),
    Case("RaggedTensorToSparse", [[_SPLITS], floats(5)], grad=True, dynamic=True),
    Case("RaggedTensorToSparse", [[_OUTER, _SPLITS], floats(5, 2)], grad=True, dynamic=True),
    _to_tensor([-1, -1], floats(5), floats()),
    _to_tensor([3, 2], floats(5), floats()),  # cuts the last row
    _to_tensor([-1, -1, 2], floats(5, 2), floats(2)),
    _to_tensor([4, 4, 2], floats(5, 2), floats()),
]
