"""Casts: rounding, wrapping, saturation, bits, and what cannot be cast."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.types import dtypes


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: tf.cast([1.8, -2.2], dtypes.int32), np.int32([1, -2])),
        (lambda: tf.cast([300, -5], "uint8"), np.uint8([44, 251])),
        (lambda: tf.cast([-1.5, 300.2], dtypes.uint8), np.uint8([255, 44])),
        (lambda: tf.cast([1 + 2j], dtypes.float32), np.float32([1])),
        (lambda: tf.cast([0.0, 2.0], dtypes.bool), np.array([False, True])),
        (lambda: tf.cast([True], float), np.float32([1])),
        (lambda: tf.compat.v1.to_int64([1.5]), np.int64([1])),
        (lambda: tf.compat.v1.to_float(3), np.float32(3)),
        (lambda: tf.saturate_cast([-1.5, 300.2], dtypes.uint8), np.uint8([0, 255])),
        (lambda: tf.saturate_cast([1e20, -1e20], dtypes.int32), np.int32([2147483520, -2147483648])),
        (lambda: tf.saturate_cast([300, -300], dtypes.int8), np.int8([127, -128])),
        (
            lambda: tf.saturate_cast(tf.constant([1e300], dtypes.float64), dtypes.float32),
            np.float32([3.4028235e38]),
        ),
        (lambda: tf.bitcast([1.0], dtypes.int32), np.int32([1065353216])),
        (lambda: tf.bitcast(1.0, dtypes.uint8), np.uint8([0, 0, 128, 63])),
        (lambda: tf.bitcast(np.uint8([1, 2, 3, 4]), dtypes.int32), np.int32(67305985)),
    ],
)
def test_values(function, expected):
    result = function().numpy()
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


def test_a_cast_to_the_same_dtype_is_the_tensor_itself():
    x = tf.constant([1.0])
    assert tf.cast(x, dtypes.float32) is x


def test_slices_stay_slices():
    slices = tf.IndexedSlices(tf.constant([[1.5]]), tf.constant([0]), tf.constant([2, 1]))
    result = tf.cast(slices, dtypes.int32)
    assert isinstance(result, tf.IndexedSlices)
    assert result.values.numpy().tolist() == [[1]]


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda: tf.cast("1", dtypes.int32), tf.errors.UnimplementedError),
        (lambda: tf.cast(1.5, int), TypeError),
        (lambda: tf.bitcast(np.uint8([1, 2, 3]), dtypes.int32), tf.errors.InvalidArgumentError),
    ],
)
def test_refused(function, error):
    with pytest.raises(error):
        function()


def test_no_gradient_passes_an_integer():
    x = tf.constant([1.5])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.cast(tf.cast(x, dtypes.int32), dtypes.float32)
    assert tape.gradient(y, x) is None
