"""Sine, cosine, tangent and their inverses in compiled programs are right to the last digit of float32."""

import ml_dtypes
import numpy as np
import pytest

from penstock.engine.xla import jit
from penstock.ops.trigonometry import XLA_BODIES

ANGLES = np.concatenate(
    [
        np.linspace(-10, 10, 4001),
        np.random.default_rng(0).uniform(-(2.0**20), 2.0**20, 2000),
        np.arange(-40, 40) * np.pi / 2,
        [0.0, -0.0, 1e-40, -1e-30],
    ]
).astype(np.float32)
PARTS = np.concatenate([np.linspace(-1, 1, 4001), 1 - np.logspace(-7, -1, 50), [0.0, -0.0, 1e-30]]).astype(
    np.float32
)

FUNCTIONS = {
    "Sin": (np.sin, ANGLES),
    "Cos": (np.cos, ANGLES),
    "Tan": (np.tan, ANGLES),
    "Atan": (np.arctan, ANGLES),
    "Asin": (np.arcsin, PARTS),
    "Acos": (np.arccos, PARTS),
}


def compiled(op_type, x):
    return np.asarray(jit(XLA_BODIES[op_type])(x))


@pytest.mark.parametrize("op_type", FUNCTIONS)
def test_last_digits(op_type):
    true, x = FUNCTIONS[op_type]
    expected = true(x.astype(np.float64))
    smallest = np.finfo(np.float32).tiny  # XLA's threads take smaller numbers for zero
    unit = np.spacing(np.maximum(np.abs(expected), smallest).astype(np.float32)).astype(np.float64)
    assert (np.abs(compiled(op_type, x) - expected) <= np.maximum(unit, smallest)).all()


@pytest.mark.parametrize("op_type", ["Sin", "Cos", "Tan"])
def test_large_angles(op_type):
    true, _ = FUNCTIONS[op_type]
    x = np.array([1.0, 3e6, -1e20, 3e38], np.float32)
    np.testing.assert_allclose(compiled(op_type, x), true(x.astype(np.float64)), rtol=3e-7)


@pytest.mark.parametrize("op_type", FUNCTIONS)
@pytest.mark.parametrize("x", [np.nan, np.inf, -np.inf, 2.0])
def test_special_numbers(op_type, x):
    true, _ = FUNCTIONS[op_type]
    with np.errstate(invalid="ignore"):
        expected = true(np.float64(x))
    np.testing.assert_allclose(compiled(op_type, np.float32(x)), expected, rtol=2e-7)


@pytest.mark.parametrize("op_type", FUNCTIONS)
def test_zero_keeps_its_sign(op_type):
    true, _ = FUNCTIONS[op_type]
    x = np.array([0.0, -0.0], np.float32)
    np.testing.assert_array_equal(np.signbit(compiled(op_type, x)), np.signbit(true(x)))


@pytest.mark.parametrize("op_type", FUNCTIONS)
@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16, np.float64, np.complex64])
def test_other_types(op_type, dtype):
    true, _ = FUNCTIONS[op_type]
    result = compiled(op_type, np.array([0.3, -0.7], dtype))
    assert result.dtype == dtype
    np.testing.assert_allclose(result.astype(np.complex64), true([0.3, -0.7]), rtol=1e-2)
