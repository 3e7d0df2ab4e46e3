"""Batch normalization in one op gives what the composed formula gives, with its gradients of both orders."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

fused_batch_norm = tf.compat.v1.nn.fused_batch_norm
RNG = np.random.default_rng(0)


def example(shape=(2, 3, 4, 3)):
    return [tf.constant(RNG.normal(size=size).astype(np.float32)) for size in (shape, (3,), (3,))]


def composed(x, scale, offset, mean=None, variance=None):
    if mean is None:
        mean = tf.reduce_mean(
            x, [0, 1, 2]
        )  # tf.nn.moments stops a gradient, which only the first order allows
        variance = tf.reduce_mean(tf.square(x - mean), [0, 1, 2])
    return tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3)


STATISTICS = [np.array([0.1, -0.2, 0.3], np.float32), np.array([0.5, 1.0, 1.5], np.float32)]


@pytest.mark.parametrize("statistics", [(), STATISTICS], ids=["training", "inference"])
def test_gradients_are_those_of_the_formula(statistics):
    def first_and_second(function):
        inputs = example()
        weights = tf.constant(np.random.default_rng(1).normal(size=inputs[0].shape).astype(np.float32))
        directions = [
            tf.constant(np.random.default_rng(2).normal(size=x.shape).astype(np.float32)) for x in inputs
        ]
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                value = tf.reduce_sum(function(*inputs) * weights)
            first = inner.gradient(value, inputs)
            slope = sum(tf.reduce_sum(g * d) for g, d in zip(first, directions, strict=True))
        return [*first, *outer.gradient(slope, inputs, unconnected_gradients="zero")]

    def fused(x, scale, offset):
        return fused_batch_norm(x, scale, offset, *statistics, epsilon=1e-3, is_training=not statistics)[0]

    state = RNG.bit_generator.state
    got = first_and_second(fused)
    RNG.bit_generator.state = state
    expected = first_and_second(lambda *inputs: composed(*inputs, *statistics))
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("data_format, order", [("NCHW", [0, 3, 1, 2]), ("NHWC", [0, 1, 2, 3])])
def test_channels_may_come_first(data_format, order):
    x, scale, offset = example()
    y, *_ = fused_batch_norm(tf.transpose(x, order), scale, offset, data_format=data_format)
    np.testing.assert_allclose(y, tf.transpose(composed(x, scale, offset), order), rtol=1e-4, atol=1e-5)


def test_volumes():
    x, scale, offset = example((2, 2, 3, 4, 3))
    y, *_ = fused_batch_norm(x, scale, offset, data_format="NDHWC")
    flat = tf.reshape(x, [4, 3, 4, 3])
    np.testing.assert_allclose(tf.reshape(y, flat.shape), composed(flat, scale, offset), rtol=1e-4, atol=1e-5)


def test_the_batch_variance_is_unbiased():
    x, scale, offset = example()
    _, mean, variance = fused_batch_norm(x, scale, offset)
    np.testing.assert_allclose(mean, np.mean(x, (0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(variance, np.var(x, (0, 1, 2), ddof=1), rtol=1e-5)


def test_statistics_are_required_for_inference():
    x, scale, offset = example()
    with pytest.raises(ValueError, match="is_training"):
        fused_batch_norm(x, scale, offset, is_training=False)


def test_unknown_batch_sizes_keep_the_other_dimensions():
    @tf.function(input_signature=[tf.TensorSpec([None, 3, 4, 3])])
    def normalize(x):
        y, mean, _ = fused_batch_norm(x, tf.ones([3]), tf.zeros([3]))
        assert y.shape.as_list() == [None, 3, 4, 3]
        assert mean.shape == [3]
        return y

    assert normalize(example()[0]).shape == [2, 3, 4, 3]
