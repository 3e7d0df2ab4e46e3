"""Clipping by value and by norm."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: tf.clip_by_value([-5.0, 0.5, 9.0], -1.0, 1.0), [-1, 0.5, 1]),
        (lambda: tf.clip_by_value([1, 5], 2, [3, 4]), [2, 4]),
        (lambda: tf.clip_by_norm([3.0, 4.0], 1.0), [0.6, 0.8]),
        (lambda: tf.clip_by_norm([3.0, 4.0], 10.0), [3, 4]),
        (lambda: tf.clip_by_norm([[3.0, 4.0], [0.0, 0.0]], 1.0, axes=[1]), [[0.6, 0.8], [0, 0]]),
        (lambda: tf.clip_by_global_norm([tf.constant([3.0]), None, tf.constant([4.0])], 1.0)[0][2], [0.8]),
        (lambda: tf.clip_by_global_norm([tf.constant([3.0])], 1.0, use_norm=6.0)[0][0], [0.5]),
        (lambda: tf.clip_by_global_norm([tf.constant([0.0])], 1.0)[0][0], [0]),
        (lambda: tf.clip_by_global_norm([tf.constant([np.inf])], 1.0)[0][0], [np.nan]),
        (lambda: tf.linalg.global_norm([tf.constant([3.0]), tf.constant([4.0]), None]), 5),
        (lambda: tf.linalg.global_norm([]), 0),
        (lambda: tf.compat.v1.clip_by_average_norm([3.0, 4.0], 1.0), [1.2, 1.6]),
    ],
)
def test_values(function, expected):
    np.testing.assert_allclose(function(), expected, rtol=1e-6)


def test_slices_stay_slices():
    slices = tf.IndexedSlices(tf.constant([[3.0], [4.0]]), tf.constant([0, 2]), tf.constant([3, 1]))
    for clipped in (
        tf.clip_by_norm(slices, 1.0),
        tf.clip_by_value(slices, 0.0, 1.0),
        tf.clip_by_global_norm([slices], 1.0)[0][0],
    ):
        assert isinstance(clipped, tf.IndexedSlices)
        assert clipped.indices is slices.indices


def test_the_norm_of_zeros_has_a_gradient():
    x = tf.constant([0.0, 0.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.clip_by_norm(x, 1.0)
    np.testing.assert_array_equal(tape.gradient(y, x), [1, 1])


def test_bounds_must_not_enlarge_the_tensor():
    with pytest.raises(ValueError, match="incompatible"):
        tf.clip_by_value(1, [2, 3], 4)


def test_a_sequence_is_needed():
    with pytest.raises(TypeError, match="sequence"):
        tf.clip_by_global_norm(tf.constant([1.0]), 1.0)
