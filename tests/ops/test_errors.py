"""Bad input raises the error class that TensorFlow raises."""

from __future__ import annotations

import pytest

import penstock as tf
from tests.ops.case_calls import run
from tests.ops.op_cases import all_cases


@pytest.mark.parametrize("case", [case for case in all_cases() if case.raises], ids=lambda case: case.id)
def test_error_class(case):
    expected = getattr(tf.errors, case.raises, None) or __builtins__[case.raises]
    with pytest.raises(expected, match=case.op):
        run(case)
