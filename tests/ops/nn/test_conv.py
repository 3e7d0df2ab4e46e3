"""The public convolutions: their arguments, ranks, formats and errors. The ops have cases in `cases_nn_conv`."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import penstock as tf

RNG = np.random.default_rng(0)


def random(*shape):
    return tf.constant(RNG.normal(size=shape).astype(np.float32))


def reference(x, w, strides, dilations, pads):
    """A convolution of `[batch, space..., channels]` by its definition."""
    x, w = np.asarray(x, np.float64), np.asarray(w, np.float64)
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    space = len(strides)
    extents = [(k - 1) * d + 1 for k, d in zip(w.shape, dilations)]
    sizes = [(x.shape[i + 1] - extents[i]) // strides[i] + 1 for i in range(space)]
    out = np.zeros((x.shape[0], *sizes, w.shape[-1]))
    for offset in itertools.product(*(range(k) for k in w.shape[:space])):
        window = tuple(
            slice(o * d, o * d + (n - 1) * s + 1, s) for o, d, n, s in zip(offset, dilations, sizes, strides)
        )
        out += x[(slice(None), *window)] @ w[offset]
    return out


@pytest.mark.parametrize("space", [1, 2, 3])
def test_convolution_is_the_sum_over_the_window(space):
    x, w = random(2, *(6, 5, 4)[:space], 3), random(*(3, 2, 2)[:space], 3, 4)
    strides, ones = (2, 1, 2)[:space], (1,) * space
    y = tf.nn.convolution(x, w, strides=list(strides), padding="VALID")
    np.testing.assert_allclose(y, reference(x, w, strides, ones, [(0, 0)] * space), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("space", [1, 2, 3])
def test_dilations_spread_the_filter(space):
    x, w = random(2, *(7, 6, 5)[:space], 3), random(*(3, 2, 2)[:space], 3, 4)
    y = tf.nn.convolution(x, w, padding="VALID", dilations=2)
    twos = (2,) * space
    np.testing.assert_allclose(y, reference(x, w, (1,) * space, twos, [(0, 0)] * space), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("space", [1, 2, 3])
def test_explicit_padding(space):
    pads = [(1, 2), (0, 1), (2, 0)][:space]
    x, w = random(2, *(5, 4, 3)[:space], 3), random(*(3, 2, 2)[:space], 3, 4)
    y = tf.nn.convolution(x, w, padding=[(0, 0), *pads, (0, 0)])
    np.testing.assert_allclose(y, reference(x, w, (1,) * space, (1,) * space, pads), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("space, name", [(1, "NCW"), (2, "NCHW"), (3, "NCDHW")])
def test_channels_first(space, name):
    x, w = random(2, *(6, 5, 4)[:space], 3), random(*(3, 2, 2)[:space], 3, 4)
    first = [0, space + 1, *range(1, space + 1)]
    y = tf.nn.convolution(tf.transpose(x, first), w, strides=2, padding="SAME", data_format=name)
    expected = tf.transpose(tf.nn.convolution(x, w, strides=2, padding="SAME"), first)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


def test_more_batch_dimensions_are_flattened():
    x, w = random(2, 3, 5, 5, 2), random(3, 3, 2, 4)
    y = tf.nn.conv2d(x, w, 1, "SAME")
    assert y.shape == [2, 3, 5, 5, 4]
    np.testing.assert_allclose(y[1], tf.nn.conv2d(x[1], w, 1, "SAME"), rtol=1e-5, atol=1e-5)


def test_an_empty_batch_gives_an_empty_batch():
    assert tf.nn.conv2d(tf.zeros([0, 5, 5, 2]), random(3, 3, 2, 4), 2, "SAME").shape == [0, 3, 3, 4]


@pytest.mark.parametrize("strides", [2, [2], [2, 2], [1, 2, 2, 1]])
def test_strides_may_be_given_in_each_form(strides):
    assert tf.nn.conv2d(random(1, 6, 6, 2), random(3, 3, 2, 4), strides, "SAME").shape == [1, 3, 3, 4]


def test_strides_of_another_length_are_refused():
    with pytest.raises(ValueError, match="strides should be of length 1, 2 or 4"):
        tf.nn.conv2d(random(1, 6, 6, 2), random(3, 3, 2, 4), [1, 2, 3], "SAME")


def test_depths_must_fit():
    with pytest.raises(tf.errors.InvalidArgumentError, match="evenly divisible"):
        tf.nn.conv2d(random(1, 6, 6, 3), random(3, 3, 2, 4), 1, "SAME")


def test_depths_must_fit_while_a_graph_is_built():
    @tf.function
    def convolve(x):
        return tf.nn.conv2d(x, random(3, 3, 2, 4), 1, "SAME")

    with pytest.raises(ValueError, match="evenly divisible"):
        convolve(random(1, 6, 6, 3))


@pytest.mark.parametrize("space", [1, 2, 3])
def test_transposed_convolution_is_the_adjoint(space):
    """<conv(x), y> = <x, conv_transpose(y)> for all x and y."""
    x, w = random(2, *(6, 5, 4)[:space], 3), random(*(3, 2, 2)[:space], 3, 4)
    y = tf.nn.convolution(x, w, strides=2, padding="SAME")
    other = random(*y.shape)
    back = tf.nn.conv_transpose(other, w, x.shape, strides=2, padding="SAME")
    np.testing.assert_allclose(tf.reduce_sum(y * other), tf.reduce_sum(x * back), rtol=1e-4)


def test_atrous_transpose_is_the_adjoint():
    x, w = random(2, 9, 9, 3), random(3, 3, 3, 4)
    y = tf.nn.atrous_conv2d(x, w, 2, "SAME")
    other = random(*y.shape)
    back = tf.nn.atrous_conv2d_transpose(other, w, x.shape, 2, "SAME")
    np.testing.assert_allclose(tf.reduce_sum(y * other), tf.reduce_sum(x * back), rtol=1e-4)


def test_unknown_batch_sizes_keep_the_other_dimensions():
    w, back = random(3, 3, 2, 4), random(3, 3, 2, 4)

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 2])])
    def shapes(x):
        y = tf.nn.conv2d(x, w, 2, "SAME")
        assert y.shape.as_list() == [None, 4, 4, 4]
        z = tf.nn.conv2d_transpose(y, back, [tf.shape(x)[0], 8, 8, 2], 2)
        assert z.shape.as_list() == [None, 8, 8, 2]
        return z

    assert shapes(random(3, 8, 8, 2)).shape == [3, 8, 8, 2]


def test_separable_convolution_mixes_after_the_depthwise_one():
    x, depth, point = random(2, 6, 6, 3), random(3, 3, 3, 2), random(1, 1, 6, 5)
    features = tf.nn.depthwise_conv2d(x, depth, [1, 1, 1, 1], "SAME")
    expected = tf.nn.conv2d(features, point, 1, "VALID")
    got = tf.nn.separable_conv2d(x, depth, point, [1, 1, 1, 1], "SAME")
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_depthwise_convolution_keeps_channels_apart():
    x, w = random(2, 6, 6, 3), random(3, 2, 3, 2)
    y = tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "VALID")
    for channel in range(3):
        alone = tf.nn.conv2d(x[..., channel : channel + 1], w[:, :, channel : channel + 1], 1, "VALID")
        np.testing.assert_allclose(y[..., 2 * channel : 2 * channel + 2], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_with_space_to_batch_dilates_any_op(padding):
    x, w = random(2, 7, 8, 3), random(3, 2, 3, 4)

    def convolve(inner, dimensions, inner_padding):
        return tf.nn.conv2d(inner, w, 1, inner_padding)

    got = tf.nn.with_space_to_batch(x, [2, 3], padding, convolve, filter_shape=[3, 2])
    expected = tf.nn.conv2d(x, w, 1, padding, dilations=[2, 3])
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_v1_names_of_arguments():
    x, w = random(1, 6, 6, 2), random(3, 3, 2, 4)
    v1 = tf.compat.v1.nn
    expected = tf.nn.conv2d(x, w, 1, "SAME")
    np.testing.assert_array_equal(v1.conv2d(x, filter=w, strides=[1, 1, 1, 1], padding="SAME"), expected)
    np.testing.assert_array_equal(v1.convolution(x, w, "SAME"), expected)
    with pytest.raises(ValueError, match="filter and filters"):
        v1.conv2d(x, filter=w, filters=w, strides=1, padding="SAME")


def test_gradients_that_nobody_asks_for_are_not_computed(monkeypatch):
    """An image is no variable: its gradient would cost as much as the filter's."""
    from penstock.engine.definition import REGISTRY

    def refuse(*inputs, **attrs):
        raise AssertionError("computed the gradient of the image")

    monkeypatch.setattr(REGISTRY["Conv2DBackpropInput"], "xla_body", refuse)
    w = tf.Variable(random(3, 3, 2, 4))
    with tf.GradientTape() as tape:
        y = tf.nn.conv2d(random(1, 7, 5, 2), w, 1, "SAME")
    assert tape.gradient(y, w).shape == w.shape
