"""Cases for arithmetic: see `op_cases.py` for what a case is."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, complexes, floats, integers, positive

CASES = [
    # Broadcasting, in every position; scalars; empty tensors.
    Case("AddV2", [floats(2, 3), floats(3)], grad=True),
    Case("AddV2", [floats(4, 1, 3), floats(2, 1)], grad=True),
    Case("AddV2", [floats(), floats(2, 3)], grad=True),
    Case("AddV2", [floats(0, 3), floats(3)]),
    Case("AddV2", [integers(3, dtype=np.int8), integers(3, dtype=np.int8)]),
    Case("AddV2", [floats(3, dtype=ml_dtypes.bfloat16), floats(3, dtype=ml_dtypes.bfloat16)]),
    Case("AddV2", [complexes(3), complexes(3)], grad=True),
    Case("AddV2", [floats(2, 3), floats(4)], raises="InvalidArgumentError"),
    Case("RealDiv", [floats(2, 3), positive(3)], grad=True),
    Case("FloorDiv", [integers(4), [0, 1, 2, 3]], raises="InvalidArgumentError"),
]
