"""`tf.reduce_*`: axes and kept dimensions in both generations, dtypes, and the reductions made of others."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.types import dtypes

X = [[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]]
V1 = tf.compat.v1


@pytest.mark.parametrize(
    ("axis", "keepdims", "expected"),
    [
        (None, False, 22),
        (None, True, [[22]]),
        (0, False, [5, 7, 10]),
        (-1, False, [6, 16]),
        ([0, 1], False, 22),
        ((1,), True, [[6], [16]]),
        (np.array([0]), False, [5, 7, 10]),
        ([], False, X),
    ],
)
def test_axes(axis, keepdims, expected):
    np.testing.assert_array_equal(tf.reduce_sum(X, axis, keepdims), expected)
    np.testing.assert_array_equal(V1.reduce_sum(X, axis, keepdims), expected)
    np.testing.assert_array_equal(V1.reduce_sum(X, reduction_indices=axis, keep_dims=keepdims), expected)


def test_an_int64_tensor_of_axes():
    np.testing.assert_array_equal(tf.reduce_max(X, tf.constant([0], dtypes.int64)), [4, 5, 7])


def test_unknown_rank():
    @tf.function(input_signature=[tf.TensorSpec(None, dtypes.float32)])
    def mean(x):
        return tf.reduce_mean(x)

    assert float(mean(tf.constant(X))) == pytest.approx(22 / 6)


def test_both_names_of_an_argument_are_refused():
    with pytest.raises(ValueError, match="reduction_indices"):
        V1.reduce_sum(X, axis=0, reduction_indices=1)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: tf.reduce_mean([1, 2, 4]), np.int32(2)),
        (lambda: tf.reduce_mean([-1, -2, -4]), np.int32(-2)),
        (lambda: tf.reduce_mean([]), np.float32(np.nan)),
        (lambda: tf.reduce_max([]), np.float32(-np.inf)),
        (lambda: tf.reduce_any([True, False]), np.True_),
        (lambda: tf.reduce_all([]), np.True_),
        (lambda: tf.reduce_logsumexp([[0.0, 0.0]], axis=1), np.float32([np.log(2)])),
        (lambda: tf.reduce_logsumexp([1000.0, 1000.0]), np.float32(1000 + np.log(2))),
        (lambda: tf.reduce_logsumexp([-np.inf, -np.inf]), np.float32(-np.inf)),
        (
            lambda: tf.reduce_logsumexp(X, [0], keepdims=True),
            np.float32(np.log(np.sum(np.exp(X), 0, keepdims=True))),
        ),
        (lambda: tf.math.reduce_variance(X, 1), np.float32(np.var(X, 1))),
        (lambda: tf.math.reduce_std(X, 0, True), np.float32(np.std(X, 0, keepdims=True))),
        (lambda: tf.math.reduce_std(tf.constant([1 + 1j, 2])), np.float64(np.sqrt(0.5))),
        (lambda: tf.math.reduce_euclidean_norm([3, 4]), np.int32(5)),
        (lambda: tf.math.count_nonzero([[0, 1], [1, 1]], axis=0, keepdims=True), np.int64([[1, 2]])),
        (lambda: tf.math.count_nonzero(["", "a"]), np.int64(1)),
        (lambda: tf.math.count_nonzero([0.0, 2.0], dtype=dtypes.int32), np.int32(1)),
        (lambda: V1.count_nonzero(input_tensor=[0, 1], reduction_indices=0), np.int64(1)),
    ],
)
def test_values(function, expected):
    result = function().numpy()
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(result, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda: tf.reduce_sum([[1, 2]], axis=5), tf.errors.InvalidArgumentError),
        (lambda: tf.reduce_sum([[1, 2]], axis=[0, -2]), tf.errors.InvalidArgumentError),
        (lambda: tf.reduce_sum([True]), tf.errors.InvalidArgumentError),
        (lambda: tf.reduce_max(["a"]), tf.errors.InvalidArgumentError),
        (lambda: tf.reduce_any([1, 0]), TypeError),
        (lambda: tf.reduce_sum([1.0], axis=0.0), TypeError),
        (lambda: tf.math.reduce_variance([1, 2]), TypeError),
    ],
)
def test_refused(function, error):
    with pytest.raises(error):
        function()


def test_elements_that_tie_share_the_gradient_of_a_maximum():
    x = tf.constant([3.0, 1.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_max(x)
    np.testing.assert_array_equal(tape.gradient(y, x), [0.5, 0, 0.5])


def test_the_gradient_of_a_product_with_zeros():
    x = tf.constant([[2.0, 0.0, 3.0], [0.0, 0.0, 3.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_prod(x, axis=1)
    np.testing.assert_array_equal(tape.gradient(y, x), [[0, 6, 0], [0, 0, 0]])


def test_half_precision_is_added_up_in_single():
    x = tf.ones([5000], dtypes.float16)
    assert float(tf.reduce_sum(x)) == 5000  # in float16, 2048 + 1 is 2048
    assert float(tf.reduce_mean(tf.ones([3000], dtypes.bfloat16))) == 1


@pytest.mark.parametrize("name", ["reduce_sum", "reduce_mean", "reduce_max", "reduce_logsumexp"])
@pytest.mark.parametrize("api", [tf, tf.compat.v1], ids=["v2", "v1"])
def test_old_names_of_arguments_mean_the_same_in_both_eras(api, name):
    x = [[1.0, 2.0], [3.0, 4.0]]
    function = getattr(api, name)
    old = function(x, reduction_indices=[1], keep_dims=True)
    assert old.shape == (2, 1)
    assert old.numpy().tolist() == function(x, axis=1, keepdims=True).numpy().tolist()
    with pytest.raises(ValueError, match="'axis' and 'reduction_indices'"):
        function(x, 1, reduction_indices=0)
