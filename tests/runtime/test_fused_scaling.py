"""Batch normalization in inference becomes a part of the convolution before it, and nothing else changes."""

from unittest import mock

import numpy as np
import pytest

import penstock as tf
from penstock.engine import native

pytestmark = pytest.mark.skipif(
    native.library() is None, reason="the native kernels could not be compiled here"
)


@pytest.fixture(autouse=True)
def not_on_numpy(monkeypatch):
    monkeypatch.setattr("penstock.runtime.executor._NUMPY_CALL", 1e6)


def tensor(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).standard_normal(shape), tf.float32)


def statistics(channels):
    mean, variance, offset, scale = (tensor(channels, seed=i) for i in range(4))
    return mean, tf.abs(variance) + 0.5, offset, scale


def normalized(x):
    return tf.nn.batch_normalization(x, *statistics(x.shape[-1]), variance_epsilon=1e-3)


def fused(x):
    mean, variance, offset, scale = statistics(x.shape[-1])
    return tf.compat.v1.nn.fused_batch_norm(x, scale, offset, mean, variance, is_training=False)[0]


def conv(x, filters=5, strides=1):
    return tf.nn.conv2d(x, tensor(3, 3, x.shape[-1], filters, seed=7), strides, "SAME")


def depthwise(x):
    return tf.nn.depthwise_conv2d(x, tensor(3, 3, x.shape[-1], 2, seed=7), [1, 1, 1, 1], "SAME")


def biased(x):
    return tf.nn.bias_add(conv(x), tensor(5, seed=8))


def with_many_channels(x):
    """By Winograd's algorithm, where the machine has it."""
    return conv(tf.concat([x] * 16, -1), 48)


def kernels_of(function, x):
    with mock.patch.object(native, "call", wraps=native.call) as call:
        computed = tf.function(function)(x)
    return computed, call.call_args_list


@pytest.mark.parametrize("convolved", [conv, depthwise, biased, with_many_channels])
@pytest.mark.parametrize("normalize", [normalized, fused])
@pytest.mark.parametrize("activation", [tf.identity, tf.nn.relu, tf.nn.relu6])
def test_one_kernel_computes_all(convolved, normalize, activation):
    x = tensor(2, 33, 31, 3)
    computed, calls = kernels_of(lambda x: activation(normalize(convolved(x))), x)
    assert calls[-1].kwargs["relu"] is (activation.__name__ != "identity")
    arrays = calls[-1].args[2:]
    assert len(arrays) == 3  # the bias
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        expected = tf.function(lambda x: activation(normalize(convolved(x))))(x)
    np.testing.assert_allclose(computed, expected, rtol=1e-4, atol=1e-4 * float(tf.reduce_max(expected)))


def test_convolutions_of_one_dimension():
    def function(x):
        y = tf.nn.conv1d(x, tensor(3, 4, 5, seed=7), 1, "SAME")
        return tf.nn.relu(normalized(tf.nn.bias_add(y, tensor(5, seed=8))))

    x = tensor(2, 60, 4)
    computed, calls = kernels_of(function, x)
    assert calls[-1].kwargs["relu"]
    np.testing.assert_allclose(computed, function(x), rtol=1e-4, atol=1e-4)


def test_scales_of_a_higher_rank_are_not_taken():
    def function(x):
        return conv(x) * tensor(1, 1, 1, 1, 5) + 1.0

    computed, calls = kernels_of(function, tensor(1, 16, 16, 3))
    assert all(len(each.args[2:]) == 2 for each in calls)
    np.testing.assert_allclose(computed, function(tensor(1, 16, 16, 3)), rtol=1e-4, atol=1e-4)


def test_the_limit_is_the_kernels():
    _, calls = kernels_of(lambda x: tf.nn.relu6(normalized(conv(x))), tensor(2, 9, 7, 3))
    assert [each.kwargs["limit"] for each in calls if each.args[0] == "convolution"][-1] == 6.0


def test_what_else_uses_the_convolution_keeps_it():
    def function(x):
        y = conv(x)
        return normalized(y) + y

    computed, calls = kernels_of(function, tensor(1, 6, 6, 3))
    assert [len(each.args[2:]) for each in calls] == [2]
    np.testing.assert_allclose(computed, function(tensor(1, 6, 6, 3)), rtol=1e-4, atol=1e-4)


def test_a_filter_that_is_larger_than_the_result_is_not_scaled():
    def function(x):
        return tf.nn.relu(normalized(conv(x, filters=64)))

    computed, calls = kernels_of(function, tensor(1, 2, 2, 3))
    assert all(len(each.args[2:]) == 2 for each in calls)
    np.testing.assert_allclose(computed, function(tensor(1, 2, 2, 3)), rtol=1e-4, atol=1e-4)


def test_scales_that_differ_within_a_channel_are_not_taken():
    def function(x):
        return conv(x) * tensor(6, 6, 1) + 1.0

    computed, calls = kernels_of(function, tensor(1, 6, 6, 3))
    assert all(len(each.args[2:]) == 2 for each in calls)
    np.testing.assert_allclose(computed, function(tensor(1, 6, 6, 3)), rtol=1e-4, atol=1e-4)
