"""What `tf.get_static_value` tells of symbolic tensors: as much as TensorFlow, and no more."""

import numpy as np
import pytest

import penstock as tf

FOLDED = {
    "constant": (lambda x: tf.constant([1, 2]), [1, 2]),
    "shape": (lambda x: tf.shape(x), [2, 3]),
    "rank": (lambda x: tf.rank(x), 2),
    "range": (lambda x: tf.range(tf.constant(3)), [0, 1, 2]),
    "cast": (lambda x: tf.cast(tf.constant(1), tf.int64), 1),
    "concat": (lambda x: tf.concat([tf.constant([1]), tf.shape(x)], 0), [1, 2, 3]),
    "stack": (lambda x: tf.stack([tf.constant(1), tf.constant(2)]), [1, 2]),
    "unstack": (lambda x: tf.unstack(tf.constant([1, 2]))[1], 2),
    "equal": (lambda x: tf.equal(tf.constant(1), tf.constant(1)), True),
    "identity": (lambda x: tf.identity(tf.constant(1)), 1),
}
NOT_FOLDED = {
    "arithmetic": lambda x: tf.constant(1) + 2,
    "one of the shape's entries": lambda x: tf.shape(x)[0],
    "where": lambda x: tf.where(True, 0, tf.rank(x)),
    "reshape": lambda x: tf.reshape(tf.constant([1, 2]), [2, 1]),
    "cast of arithmetic": lambda x: tf.cast(tf.constant(1) + 2, tf.int64),
}


def static_value_in_trace(function):
    found = []

    def traced(x):
        found.append(tf.get_static_value(function(x)))

    tf.function(traced, autograph=False).get_concrete_function(tf.TensorSpec([2, 3]))
    return found[0]


@pytest.mark.parametrize("name", FOLDED)
def test_static_value_of(name):
    function, expected = FOLDED[name]
    np.testing.assert_array_equal(static_value_in_trace(function), expected)


@pytest.mark.parametrize("name", NOT_FOLDED)
def test_no_static_value_of(name):
    assert static_value_in_trace(NOT_FOLDED[name]) is None
