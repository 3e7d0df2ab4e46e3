"""Cases for connectionist temporal classification: see `op_cases.py` for what a case is."""

from __future__ import annotations

import numpy as np

from tests.ops.op_cases import Case, floats

# Two sequences of 5 and 4 steps with 3 and 1 labels of 3 classes and blank (the last class).
_PLACES = np.array([[0, 0], [0, 1], [0, 2], [1, 0]], np.int64)
_LABELS = np.array([0, 2, 1, 1], np.int32)
_TIMES = np.array([5, 4], np.int32)


def _ctc(grad=False, **attrs):
    inputs = [floats(5, 2, 4), _PLACES, _LABELS, _TIMES]
    return Case("CTCLoss", inputs, attrs, grad=grad, outputs=[0], second=False)


CASES = [
    _ctc(grad=True),
    _ctc(grad=True, preprocess_collapse_repeated=True),
    _ctc(ctc_merge_repeated=False),
]
