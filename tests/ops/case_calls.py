"""Cases as Penstock calls: what the generic op tests share."""

from __future__ import annotations

from typing import Any

import numpy as np

import penstock as tf
from penstock.engine.definition import REGISTRY, OpDef
from penstock.engine.execute import execute
from penstock.types.dtypes import as_dtype
from penstock.types.tensors import Tensor
from tests.ops.op_cases import Case


def definition_of(case: Case) -> OpDef:
    """The op's definition."""
    return REGISTRY[case.op]


def attrs_of(case: Case) -> dict[str, Any]:
    """The attributes with NumPy's dtypes as `DType`."""
    return {name: _attr(value) for name, value in case.attrs.items()}


def _attr(value: Any) -> Any:
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return as_dtype(value)
    if isinstance(value, list):
        return [_attr(each) for each in value]
    return value


def tensors_of(case: Case) -> list[Any]:
    """The inputs as eager tensors, list arguments as lists."""
    return [
        [tf.convert_to_tensor(part) for part in each]
        if isinstance(each, list)
        else tf.convert_to_tensor(each)
        for each in case.inputs
    ]


def regroup(case: Case, flat: list[Any]) -> list[Any]:
    """`flat` in the structure of `case.inputs`."""
    rest = iter(flat)
    return [[next(rest) for _ in each] if isinstance(each, list) else next(rest) for each in case.inputs]


def run(case: Case, inputs: list[Any] | None = None) -> list[Any]:
    """The output tensors of the call, always as a list."""
    result = execute(case.op, tensors_of(case) if inputs is None else inputs, attrs_of(case))
    return [result] if isinstance(result, Tensor) else list(result or [])


def tolerance(case: Case, dtype: np.dtype) -> dict[str, float]:
    """rtol and atol for comparing two results of the case."""
    by_dtype = {"float64": 1e-9, "complex128": 1e-9, "float32": 2e-5, "complex64": 2e-5, "float16": 4e-3}
    default = by_dtype.get(dtype.name, 3e-2 if "float" in dtype.name else 0.0)
    return {
        "rtol": default if case.rtol is None else case.rtol,
        "atol": default if case.atol is None else case.atol,
    }


def assert_same(case: Case, got: Any, expected: Any) -> None:
    """Same dtype, shape and values (to tolerance)."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.dtype == expected.dtype, f"dtype {got.dtype}, expected {expected.dtype}"
    assert got.shape == expected.shape, f"shape {got.shape}, expected {expected.shape}"
    if not case.values:
        return
    if got.dtype.kind in "biuO":
        np.testing.assert_array_equal(got, expected)
        return
    wide = np.complex128 if got.dtype.kind == "c" else np.float64
    np.testing.assert_allclose(got.astype(wide), expected.astype(wide), **tolerance(case, got.dtype))
