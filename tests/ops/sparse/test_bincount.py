"""Counting with sparse and ragged tensors."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

DENSE = [[1, 1, 0], [0, 0, 2]]


def ragged():
    return tf.ragged.constant([[1, 1], [], [2]])


def sparse():
    return tf.sparse.from_dense(DENSE)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: tf.sparse.bincount([1, 1, 3]), [0, 2, 0, 1]),
        (lambda: tf.sparse.bincount([[1, 1, 3], [0, 0, 0]]), [3, 2, 0, 1]),
        (lambda: tf.sparse.bincount([[1, 1, 3], [0, 0, 0]], axis=-1), [[0, 2, 0, 1], [3, 0, 0, 0]]),
        (lambda: tf.sparse.bincount([1, 3], minlength=6), [0, 1, 0, 1, 0, 0]),
        (lambda: tf.sparse.bincount([1, 3], maxlength=2), [0, 1]),
        (lambda: tf.sparse.bincount([1, 1], binary_output=True), [0, 1]),
        (lambda: tf.sparse.bincount([1, 1], weights=[0.5, 1.0]), [0, 1.5]),
        (lambda: tf.sparse.bincount(ragged(), axis=-1), [[0, 2, 0], [0, 0, 0], [0, 0, 1]]),
        (lambda: tf.sparse.bincount(ragged(), axis=0), [0, 2, 1]),
        (lambda: tf.sparse.bincount(sparse(), axis=-1), [[0, 2, 0], [0, 0, 1]]),
        (lambda: tf.sparse.bincount(sparse(), axis=-1, weights=sparse()), [[0, 2, 0], [0, 0, 2]]),
    ],
)
def test_sparse_results(function, expected):
    np.testing.assert_array_equal(tf.sparse.to_dense(function()), expected)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: tf.math.bincount(ragged(), axis=-1), [[0, 2, 0], [0, 0, 0], [0, 0, 1]]),
        (lambda: tf.math.bincount(ragged()), [0, 2, 1]),
        (lambda: tf.math.bincount(sparse(), axis=-1, minlength=4), [[0, 2, 0, 0], [0, 0, 1, 0]]),
        (lambda: tf.math.bincount(sparse(), axis=0), [0, 2, 1]),
        (lambda: tf.math.bincount(sparse(), axis=-1, binary_output=True), [[0, 1, 0], [0, 0, 1]]),
        (lambda: tf.math.bincount(ragged(), axis=-1, weights=ragged()), [[0, 2, 0], [0, 0, 0], [0, 0, 2]]),
    ],
)
def test_dense_results(function, expected):
    np.testing.assert_array_equal(function(), expected)


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda: tf.sparse.bincount([-1]), tf.errors.InvalidArgumentError),
        (lambda: tf.sparse.bincount([1], axis=1), ValueError),
        (lambda: tf.sparse.bincount(sparse(), weights=[1.0]), ValueError),
        (lambda: tf.sparse.bincount(ragged(), weights=[1.0]), ValueError),
    ],
)
def test_refused(function, error):
    with pytest.raises(error):
        function()
