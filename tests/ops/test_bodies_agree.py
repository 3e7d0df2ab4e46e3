"""The NumPy body of an op and its compiled XLA body give the same dtype, shape and values."""

from __future__ import annotations

import pytest

from penstock.engine import execute
from penstock.types.dtypes import as_dtype
from tests.ops.case_calls import assert_same, attrs_of, definition_of, run, tensors_of
from tests.ops.op_cases import all_cases

CASES = [
    case
    for case in all_cases()
    if case.raises is None
    and definition_of(case).numpy_body
    and definition_of(case).xla_body
    and not any(array.dtype == object for array in case.flat)  # XLA knows no strings
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_bodies_agree(case):
    definition = definition_of(case)
    inputs = tensors_of(case)
    attrs = definition.complete(attrs_of(case))
    flat, recorded = definition.flatten(inputs, attrs)
    expected = run(case)
    for output, dtype in zip(expected, definition.output_dtypes(flat, recorded), strict=True):
        assert output.dtype == as_dtype(dtype), (
            f"the signature says {dtype}, the NumPy body gave {output.dtype}"
        )
    compiled = execute.run_xla(definition, flat, recorded)
    if definition.signature.single_output:
        compiled = [compiled]
    for got, want in zip(compiled, expected, strict=True):
        assert_same(case, got, want.host())
