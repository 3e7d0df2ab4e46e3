"""`contrib.layers.utils`: known sizes, pairs, conditions."""

from __future__ import annotations

import pytest

import penstock as tf

utils = tf.compat.v1.contrib.layers.utils


def test_sizes_of_dimensions():
    shape = tf.TensorShape([None, 3, 4, 5])
    assert utils.last_dimension(shape) == 5
    assert utils.channel_dimension(shape, "NCHW") == 3
    assert utils.channel_dimension(shape, "NHWC") == 5
    assert utils.first_dimension([2, None]) == 2


@pytest.mark.parametrize("shape, rank", [([None], 1), ([2], 2), (None, 1)])
def test_an_unknown_size_is_refused(shape, rank):
    with pytest.raises(ValueError, match="must be"):
        utils.last_dimension(tf.TensorShape(shape), min_rank=rank)


def test_pairs():
    assert utils.two_element_tuple(3) == (3, 3)
    assert utils.two_element_tuple([1, 2]) == (1, 2)
    with pytest.raises(ValueError, match="2 elements"):
        utils.two_element_tuple([1, 2, 3])


def test_positive_integers():
    assert utils.n_positive_integers(3, 2) == (2, 2, 2)
    assert utils.n_positive_integers(2, [1, 4]) == (1, 4)
    with pytest.raises(ValueError, match="positive"):
        utils.n_positive_integers(2, [1, 0])


def test_known_values_and_conditions():
    with tf.Graph().as_default():
        assert utils.constant_value(True) is True
        assert bool(utils.constant_value(tf.constant(True), tf.bool)) is True
        assert utils.constant_value(tf.compat.v1.placeholder(tf.bool)) is None
        assert utils.static_cond(False, lambda: 1, lambda: 2) == 2
        assert utils.smart_cond(True, lambda: 1, lambda: 2) == 1
    with pytest.raises(TypeError, match="fn2 must be callable"):
        utils.static_cond(True, lambda: 1, 2)
