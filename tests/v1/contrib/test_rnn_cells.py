"""Cells of `contrib.rnn` from papers: their steps, their variables, and cells over whole sequences."""

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
rnn = v1.contrib.rnn
X = np.random.RandomState(0).randn(2, 5, 3).astype(np.float32)

VARIABLES = {
    "NASCell": ["recurrent_kernel", "kernel"],
    "CoupledInputForgetGateLSTMCell": ["W_0", "B"],
    "IndRNNCell": ["kernel_w", "kernel_u", "bias"],
    "IndyLSTMCell": ["kernel_w", "kernel_u", "bias"],
    "SRUCell": ["kernel", "bias"],
}


@pytest.mark.parametrize("name", VARIABLES)
def test_variables_and_padding(name):
    with tf.Graph().as_default(), v1.Session() as session:
        outputs, _ = v1.nn.dynamic_rnn(
            getattr(rnn, name)(4), tf.constant(X), sequence_length=[5, 2], dtype=tf.float32
        )
        names = [each.op.name.rpartition("/")[2] for each in v1.trainable_variables()]
        session.run(v1.global_variables_initializer())
        values = session.run(outputs)
    assert names == VARIABLES[name]
    assert values.shape == (2, 5, 4)
    assert np.any(values[1, 1]) and not np.any(values[1, 2:])


def test_units_of_an_independent_network_see_their_own_state_only():
    with tf.Graph().as_default(), v1.Session() as session:
        state = tf.constant([[1.0, 2.0]])
        new, _ = rnn.IndRNNCell(2)(tf.zeros([1, 3]), state)
        slopes = [tf.gradients(new[0, unit], state)[0] for unit in range(2)]
        session.run(v1.global_variables_initializer())
        first, second = session.run(slopes)
    assert first[0, 1] == second[0, 0] == 0
    assert first[0, 0] != 0


def test_a_coupled_cell_forgets_what_it_takes_in():
    with tf.Graph().as_default(), v1.Session() as session:
        cell = rnn.CoupledInputForgetGateLSTMCell(1, initializer=v1.zeros_initializer(), forget_bias=0.0)
        _, state = cell(tf.zeros([1, 1]), rnn.LSTMStateTuple(tf.constant([[3.0]]), tf.zeros([1, 1])))
        session.run(v1.global_variables_initializer())
        assert session.run(state.c).tolist() == [[1.5]]


def test_fused_cells_run_forward_and_backward():
    with tf.Graph().as_default(), v1.Session() as session:
        fused = rnn.LSTMBlockFusedCell(4)
        steps = tf.transpose(tf.constant(X), [1, 0, 2])
        outputs, (_, last) = fused(steps, dtype=tf.float32)
        backward, (_, first) = rnn.TimeReversedFusedRNN(fused)(tf.reverse(steps, [0]), dtype=tf.float32)
        unrolled, _ = rnn.FusedRNNCellAdaptor(rnn.GRUCell(4))(v1.unstack(steps), dtype=tf.float32)
        names = [each.op.name for each in v1.trainable_variables()]
        session.run(v1.global_variables_initializer())
        values = session.run([outputs, last, backward, first])
    assert names[:2] == ["lstm_fused_cell/kernel", "lstm_fused_cell/bias"]
    assert len(unrolled) == 5
    np.testing.assert_allclose(values[0][-1], values[1])
    np.testing.assert_allclose(values[2][::-1], values[0], atol=1e-6)
    np.testing.assert_allclose(values[3], values[1], atol=1e-6)


def test_a_fused_cell_without_its_method():
    with pytest.raises(TypeError, match="__call__ is missing"):
        rnn.FusedRNNCell()(X)
