"""`contrib.cudnn_rnn`: the layers compute what plain cells with their variables compute."""

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
cudnn = v1.contrib.cudnn_rnn
X = np.random.RandomState(0).randn(5, 3, 4).astype("f")  # time, batch, features


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        v1.set_random_seed(1)
        yield graph


def values(*fetches):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return session.run(fetches)


def test_an_lstm_is_that_of_stacked_cells():
    layer = cudnn.CudnnLSTM(2, 6)
    outputs, (h, c) = layer(X)
    with v1.variable_scope("cudnn_lstm", reuse=True):
        cells = v1.nn.rnn_cell.MultiRNNCell([cudnn.CudnnCompatibleLSTMCell(6) for _ in range(2)])
        expected, states = v1.nn.dynamic_rnn(cells, X, dtype=tf.float32, time_major=True)
    assert [each.name for each in layer.trainable_variables[:2]] == [
        f"cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell/{name}:0"
        for name in ("kernel", "bias")
    ]
    got, want, memory, state = values(outputs, expected, c, states)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(memory, [each.c for each in state], rtol=1e-5, atol=1e-6)
    assert h.shape == layer.state_shape(3)[0]


def test_both_directions_and_lengths():
    outputs, (h,) = cudnn.CudnnGRU(1, 2, direction="bidirectional", name="g")(X, sequence_lengths=[5, 2, 1])
    with v1.variable_scope("g/stack_bidirectional_rnn/cell_0", reuse=True):
        cells = [cudnn.CudnnCompatibleGRUCell(2) for _ in range(2)]
        pair, ends = v1.nn.bidirectional_dynamic_rnn(*cells, X, [5, 2, 1], dtype=tf.float32, time_major=True)
    got, want, last, ends = values(outputs, tf.concat(pair, -1), h, ends)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last, ends, rtol=1e-5, atol=1e-6)


def test_a_gru_resets_after_the_product():
    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    layer = cudnn.CudnnGRU(1, 2)
    outputs, _ = layer(X[:1], initial_state=(np.ones([1, 3, 2], "f"),))
    got, *weights = values(outputs, *layer.trainable_variables)
    kernel, bias, of_input, input_bias, of_state, state_bias = weights
    reset, update = np.split(sigmoid(np.hstack([X[0], np.ones((3, 2))]) @ kernel + bias), 2, axis=1)
    new = np.tanh(X[0] @ of_input + input_bias + reset * (np.ones((3, 2)) @ of_state + state_bias))
    np.testing.assert_allclose(got[0], (1 - update) * new + update, rtol=1e-5)


def test_dropout_is_between_layers_while_training():
    layer = cudnn.CudnnLSTM(2, 6, dropout=0.5, bias_initializer=v1.ones_initializer())
    training, first, second = (layer(X, training=each)[0] for each in (True, False, False))
    a, b, c, bias = values(training, first, second, layer.trainable_variables[1])
    assert np.abs(a - b).max() > 1e-3 and (b == c).all() and (bias == 1).all()


def test_unknown_modes_are_refused():
    with pytest.raises(ValueError, match="direction"):
        cudnn.CudnnLSTM(1, 2, direction="both")
    with pytest.raises(ValueError, match="input_mode"):
        cudnn.CudnnLSTM(1, 2, input_mode="skip_input")
