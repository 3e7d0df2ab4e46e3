"""Tests for pools, convolutions and rectifiers of quantized numbers, whose values were taken from the oracle."""

import numpy as np
import pytest

import penstock as tf

nn = tf.compat.v1.nn


def integers(values, dtype):
    """A quantized tensor of these integers."""
    return tf.bitcast(tf.constant(values, {tf.quint8: tf.uint8, tf.qint8: tf.int8}[dtype]), dtype)


def plain(quantized):
    """The integers of a quantized tensor."""
    kinds = {tf.quint8: tf.uint8, tf.qint8: tf.int8, tf.qint32: tf.int32}
    return tf.bitcast(quantized, kinds[quantized.dtype]).numpy()


@pytest.mark.parametrize(
    ("dtype", "values", "mean", "largest"),
    [(tf.quint8, [5, 6, 250], [6, 128], [6, 250]), (tf.qint8, [-5, -6, 1], [-6, -2], [-5, 1])],
)
def test_pools_round_halves_to_even(dtype, values, mean, largest):
    x = tf.reshape(integers(values, dtype), [1, 1, 3, 1])
    sizes = {"ksize": [1, 1, 2, 1], "strides": [1, 1, 1, 1], "padding": "VALID"}
    found = nn.quantized_avg_pool(x, -1.0, 1.0, **sizes)
    assert plain(found.output).ravel().tolist() == mean
    assert (float(found.min_output), float(found.max_output)) == (-1.0, 1.0)
    assert plain(nn.quantized_max_pool(x, -1.0, 1.0, **sizes).output).ravel().tolist() == largest


def test_a_padded_pool_means_what_is_there():
    x = tf.reshape(integers([100, 200], tf.quint8), [1, 1, 2, 1])
    found = nn.quantized_avg_pool(x, 0.0, 1.0, [1, 2, 2, 1], [1, 1, 1, 1], "SAME")
    assert plain(found.output).ravel().tolist() == [150, 200]


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_convolutions_sum_what_the_integers_stand_for(padding):
    generator = np.random.RandomState(0)
    x = generator.uniform(-2, 3, (1, 5, 6, 3)).astype(np.float32)
    w = generator.uniform(-1, 1, (2, 3, 3, 4)).astype(np.float32)
    quantized = nn.quantized_conv2d(
        tf.quantization.quantize(x, -2.0, 3.0, tf.quint8).output,
        tf.quantization.quantize(w, -1.0, 1.0, tf.quint8).output,
        -2.0, 3.0, -1.0, 1.0, strides=[1, 1, 1, 1], padding=padding,
    )  # fmt: skip
    assert quantized.output.dtype == tf.qint32
    np.testing.assert_allclose(float(quantized.max_output), 330255.125, rtol=1e-6)
    reals = plain(quantized.output) * (float(quantized.max_output) / 2**31)
    np.testing.assert_allclose(reals, tf.nn.conv2d(x, w, 1, padding), atol=0.15)


@pytest.mark.parametrize(
    ("limits", "values", "expected"),
    [((-1.0, 1.0), [0, 128, 255], [128, 128, 192]), ((0.0, 1.0), [0, 128, 255], [0, 128, 128])],
)
def test_relu_x_cuts_at_the_integers_of_the_range(limits, values, expected):
    found = nn.quantized_relu_x(integers(values, tf.quint8), 0.5, *limits)
    assert plain(found.activations).tolist() == expected


def test_relu_has_no_upper_end():
    found = tf.raw_ops.QuantizedRelu(
        features=integers([0, 140, 255], tf.quint8), min_features=-1.0, max_features=1.0
    )
    assert plain(found.activations).tolist() == [128, 140, 255]


def test_sparse_matmul():
    a = tf.constant([[1.0, 0.0], [2.0, 3.0]])
    assert tf.compat.v1.sparse_matmul(a, a, transpose_b=True).numpy().tolist() == [[1, 2], [2, 13]]
    mixed = tf.compat.v1.sparse_matmul(tf.cast(a, tf.bfloat16), a, a_is_sparse=True)
    assert mixed.dtype == tf.float32
