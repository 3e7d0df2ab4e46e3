"""Wrappers of recurrent cells around cells of Keras."""

import numpy as np
import pytest

import penstock as tf


@pytest.fixture(params=["SimpleRNNCell", "GRUCell", "LSTMCell"])
def cell(request):
    return getattr(tf.keras.layers, request.param)(3)


def states(cell):
    count = len(cell.state_size) if isinstance(cell.state_size, list) else 1
    return [tf.zeros([2, 3]) for _ in range(count)]


def test_residual(cell):
    wrapped = tf.nn.RNNCellResidualWrapper(cell)
    x = tf.ones([2, 3])
    plain, _ = cell(x, states(cell))
    output, new_states = wrapped(x, states(cell))
    np.testing.assert_allclose(output, plain + 1, rtol=1e-6)
    assert len(new_states) == len(states(cell))
    assert wrapped.wrapped_cell is cell
    assert (wrapped.state_size, wrapped.output_size) == (cell.state_size, 3)
    assert len(wrapped.trainable_weights) == 3


def test_dropout(cell):
    kept = tf.nn.RNNCellDropoutWrapper(cell)
    dropped = tf.nn.RNNCellDropoutWrapper(cell, output_keep_prob=1e-9, seed=1)
    x = tf.ones([2, 3])
    np.testing.assert_allclose(kept(x, states(cell))[0], cell(x, states(cell))[0])
    np.testing.assert_array_equal(dropped(x, states(cell))[0], np.zeros([2, 3]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        tf.nn.RNNCellDropoutWrapper(cell, input_keep_prob=2.0)


def test_device(cell):
    x = tf.ones([2, 3])
    output, _ = tf.nn.RNNCellDeviceWrapper(cell, "/cpu:0")(x, states(cell))
    np.testing.assert_allclose(output, cell(x, states(cell))[0])
