"""Dropout: what it keeps, how it scales, and where its choices come from."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf


def test_kept_elements_are_scaled():
    y = np.array(tf.nn.dropout(tf.ones([50, 50]), rate=0.2, seed=1))
    assert set(np.unique(y)) == {0.0, np.float32(1.25)}
    assert 0.75 < (y > 0).mean() < 0.85


def test_rate_zero_changes_nothing():
    x = tf.constant([1.0, 2.0])
    assert tf.nn.dropout(x, 0) is x


def test_noise_shape_drops_whole_channels():
    y = np.array(tf.nn.dropout(tf.ones([4, 3, 3, 8]), 0.5, noise_shape=[None, 1, 1, None], seed=2))
    assert np.all(y == y[:, :1, :1])
    assert 0 < (y[:, 0, 0] > 0).mean() < 1


def test_the_rate_may_be_a_tensor():
    y = np.array(tf.nn.dropout(tf.ones([1000]), tf.constant(0.5), seed=3))
    assert set(np.unique(y)) == {0.0, 2.0}


def test_gradients_flow_through_what_is_kept():
    x = tf.ones([100])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.dropout(x, 0.5, seed=4)
    np.testing.assert_array_equal(tape.gradient(y, x), y)


def test_v1_takes_the_probability_to_keep():
    y = np.array(tf.compat.v1.nn.dropout(tf.ones([100]), keep_prob=0.5, seed=5))
    assert set(np.unique(y)) == {0.0, 2.0}
    with pytest.raises(ValueError, match="exactly one"):
        tf.compat.v1.nn.dropout(tf.ones([1]), keep_prob=0.5, rate=0.5)


def test_stateless_choices_are_a_function_of_the_seed():
    first, again, other = (
        np.array(tf.nn.experimental.stateless_dropout(tf.ones([100]), 0.5, seed=seed))
        for seed in ([1, 2], [1, 2], [1, 3])
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_compiled_functions_draw_anew_at_each_call():
    @tf.function
    def drop(x):
        y = tf.nn.dropout(x, 0.5)
        assert y.shape == x.shape
        return y

    x = tf.ones([100])
    assert np.any(np.array(drop(x)) != np.array(drop(x)))


@pytest.mark.parametrize("x, rate", [([1.0], 1.0), ([1.0], -0.1), ([1.0], "half"), ([1], 0.5)])
def test_bad_arguments(x, rate):
    with pytest.raises(ValueError, match=r"rate|x\.dtype"):
        tf.nn.dropout(tf.constant(x), rate)
