"""Cases of the ops in `penstock/ops/dynamic_slices.py`."""

from __future__ import annotations

from tests.ops.op_cases import Case, floats, integers

CASES = [
    Case("XlaDynamicUpdateSlice", [floats(3, 4), floats(2, 2), [1, 2]], grad=[0, 1]),
    Case("XlaDynamicUpdateSlice", [floats(3, 4), floats(2, 2), [2, 3]], grad=[0, 1]),
    Case("XlaDynamicUpdateSlice", [floats(3, 4), floats(2, 2), [-1, -5]]),
    Case("XlaDynamicUpdateSlice", [integers(5), integers(5), [3]]),
    Case("XlaDynamicUpdateSlice", [floats(3, 0), floats(2, 0), [1, 0]]),
    Case("XlaDynamicUpdateSlice", [floats(3, 4), floats(2, 2), [1]], raises="InvalidArgumentError"),
    Case("XlaDynamicUpdateSlice", [floats(3, 4), floats(4, 2), [0, 0]], raises="InvalidArgumentError"),
    Case("XlaDynamicSlice", [floats(3, 4), [1, 2], [2, 2]], grad=[0]),
    Case("XlaDynamicSlice", [floats(3, 4), [2, -3], [2, 3]], grad=[0]),
    Case("XlaDynamicSlice", [integers(3, 4), [0, 0], [3, 0]]),
]
