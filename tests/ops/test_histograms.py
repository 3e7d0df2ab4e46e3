"""Counting: bincount, histograms, confusion matrices."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.types import dtypes

VALUES = [-1.0, 0.0, 1.5, 2.0, 5.0, 15.0]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: tf.math.bincount([1, 1, 3]), np.int32([0, 2, 0, 1])),
        (lambda: tf.math.bincount([1, 1, 3], weights=[1.0, 2.0, 4.0]), np.float32([0, 3, 0, 4])),
        (lambda: tf.math.bincount([[1, 1, 3], [0, 0, 0]]), np.int32([3, 2, 0, 1])),
        (lambda: tf.math.bincount([[1, 1, 3], [0, 0, 0]], axis=-1), np.int32([[0, 2, 0, 1], [3, 0, 0, 0]])),
        (lambda: tf.math.bincount([[1, 1], [0, 0]], axis=-1, binary_output=True), np.int32([[0, 1], [1, 0]])),
        (lambda: tf.math.bincount([1, 1, 3], minlength=6), np.int32([0, 2, 0, 1, 0, 0])),
        (lambda: tf.math.bincount([1, 1, 3], maxlength=2), np.int32([0, 2])),
        (lambda: tf.math.bincount([1, 1, 3], minlength=3, maxlength=3), np.int32([0, 2, 0])),
        (lambda: tf.math.bincount([1, 2], dtype=dtypes.int64), np.int64([0, 1, 1])),
        (lambda: tf.math.bincount(tf.constant([], dtypes.int32)), np.int32([])),
        (lambda: tf.math.bincount([1.5, 2.0]), np.int32([0, 1, 1])),
        (lambda: tf.compat.v1.bincount([1, 1]), np.int32([0, 2])),
        (lambda: tf.histogram_fixed_width(VALUES, [0.0, 5.0], nbins=5), np.int32([2, 1, 1, 0, 2])),
        (lambda: tf.histogram_fixed_width([1, 2], [0, 5], 5, dtypes.int64), np.int64([0, 1, 1, 0, 0])),
        (lambda: tf.histogram_fixed_width_bins(VALUES, [0.0, 5.0], nbins=5), np.int32([0, 0, 1, 2, 4, 4])),
        (lambda: tf.math.confusion_matrix([1, 0], [1, 1]), np.int32([[0, 1], [0, 1]])),
        (
            lambda: tf.math.confusion_matrix([1, 0], [[1], [1]], weights=[0.5, 2.0]),
            np.int32([[0, 2], [0, 0]]),
        ),
        (lambda: tf.math.confusion_matrix([0], [0], 2, dtype=dtypes.float32), np.float32([[1, 0], [0, 0]])),
        (lambda: tf.compat.v1.confusion_matrix([0], [0], 1, dtypes.int64), np.int64([[1]])),
    ],
)
def test_values(function, expected):
    result = function().numpy()
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda: tf.math.bincount([-1, 2]), tf.errors.InvalidArgumentError),
        (lambda: tf.math.bincount([1, 2], weights=[1, 2, 3]), tf.errors.InvalidArgumentError),
        (lambda: tf.math.bincount([1, 2], axis=1), ValueError),
        (lambda: tf.histogram_fixed_width([1], [5, 5]), tf.errors.InvalidArgumentError),
        (lambda: tf.math.confusion_matrix([-1], [0]), tf.errors.InvalidArgumentError),
        (lambda: tf.math.confusion_matrix([3], [0], num_classes=2), tf.errors.InvalidArgumentError),
    ],
)
def test_refused(function, error):
    with pytest.raises(error):
        function()


def test_a_fixed_length_is_known_while_tracing():
    @tf.function(input_signature=[tf.TensorSpec([None], dtypes.int32)])
    def count(x):
        counts = tf.math.bincount(x, minlength=4, maxlength=4)
        assert counts.shape.as_list() == [4]
        return counts

    np.testing.assert_array_equal(count(tf.constant([1, 1, 3, 9])), [0, 2, 0, 1])
