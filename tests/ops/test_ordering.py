"""Sorting, top k, searching and argmax: values, ties, dtypes, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.types import dtypes


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: tf.sort([3, 1, 2]), np.int32([1, 2, 3])),
        (lambda: tf.sort([3.0, 1.0, 2.0], direction="DESCENDING"), np.float32([3, 2, 1])),
        (lambda: tf.sort([[3, 1], [1, 2]], axis=0), np.int32([[1, 1], [3, 2]])),
        (lambda: tf.sort(np.uint8([3, 1, 255, 0])), np.uint8([0, 1, 3, 255])),
        (lambda: tf.sort(np.int8([-128, 127, 1])), np.int8([-128, 1, 127])),
        (lambda: tf.argsort([3, 1, 2, 1]), np.int32([1, 3, 2, 0])),
        (lambda: tf.argsort([3, 1, 2, 3], direction="DESCENDING"), np.int32([0, 3, 2, 1])),
        (lambda: tf.argsort([[3, 1], [1, 2]], axis=0), np.int32([[1, 0], [0, 1]])),
        (lambda: tf.math.top_k([1.0, 3.0, 3.0, 2.0], 2).indices, np.int32([1, 2])),
        (lambda: tf.math.top_k([1.0, np.nan, 2.0], 3).indices, np.int32([2, 0, 1])),
        (lambda: tf.math.top_k([5, 6]).values, np.int32([6])),
        (lambda: tf.math.top_k([5, 6], index_type=dtypes.int64).indices, np.int64([1])),
        (lambda: tf.searchsorted([1, 3, 5], [0, 3, 6]), np.int32([0, 1, 3])),
        (lambda: tf.searchsorted([1, 3, 5], [0, 3, 6], side="right"), np.int32([0, 2, 3])),
        (lambda: tf.searchsorted([[1, 3], [2, 4]], [[0], [4]], out_type=dtypes.int64), np.int64([[0], [1]])),
        (lambda: tf.math.in_top_k([0, 1], [[0.1, 0.9], [0.2, 0.8]], 1), np.array([False, True])),
        (
            lambda: tf.math.in_top_k(np.array([0, 1]), np.array([[0.1, 0.9], [0.2, 0.8]]), 1),
            np.array([False, True]),
        ),
        (lambda: tf.compat.v1.math.in_top_k([[0.1, 0.9]], [1], 1), np.array([True])),
        (lambda: tf.argmax([[1, 2], [3, 1]]), np.int64([1, 0])),
        (lambda: tf.argmax([np.nan, 1.0]), np.int64(1)),
        (lambda: tf.argmin([[1, 2], [3, 1]], axis=-1, output_type=dtypes.int32), np.int32([0, 1])),
        (lambda: tf.compat.v1.argmax([[1, 2]], dimension=1), np.int64([1])),
        (lambda: tf.compat.v1.arg_min([[1, 2]], 1), np.int64([0])),
        (lambda: tf.math.invert_permutation([2, 0, 1]), np.int32([1, 2, 0])),
        (lambda: tf.math.approx_min_k([3.0, 1.0, 2.0], 2).values, np.float32([1, 2])),
    ],
)
def test_values(function, expected):
    result = function().numpy()
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda: tf.sort([1], direction="UP"), ValueError),
        (lambda: tf.sort(["b", "a"]), tf.errors.InvalidArgumentError),
        (lambda: tf.searchsorted([1], [1], side="middle"), ValueError),
        (lambda: tf.math.top_k([[1, 2]], 3), tf.errors.InvalidArgumentError),
        (lambda: tf.argmax(np.zeros([2, 0]), axis=1), tf.errors.InvalidArgumentError),
        (lambda: tf.argmax([1], axis=1), tf.errors.InvalidArgumentError),
        (lambda: tf.math.invert_permutation([0, 0]), tf.errors.InvalidArgumentError),
    ],
)
def test_refused(function, error):
    with pytest.raises(error):
        function()


def test_sorting_with_an_unknown_batch():
    @tf.function(input_signature=[tf.TensorSpec([None, 3], dtypes.float32)])
    def sort(x):
        y = tf.sort(x, axis=-1)
        assert y.shape.as_list() == [None, 3]
        return y

    np.testing.assert_array_equal(sort(tf.constant([[3.0, 1.0, 2.0]])), [[1, 2, 3]])


def test_the_gradient_of_a_sorted_tensor_goes_where_the_elements_were():
    x = tf.constant([[3.0, 1.0], [1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.sort(x, axis=1) * [1.0, 10.0]
    np.testing.assert_array_equal(tape.gradient(y, x), [[10, 1], [1, 10]])
