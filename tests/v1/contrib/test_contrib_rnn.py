import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
rnn = v1.contrib.rnn

X = np.random.RandomState(0).randn(3, 5, 4).astype(np.float32)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def _run(fetches):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return session.run(fetches)


CELLS = {
    "layer norm": (lambda: rnn.LayerNormBasicLSTMCell(6, dropout_keep_prob=0.9), 6, "layer_norm_basic_lstm_cell/kernel"),
    "attention": (lambda: rnn.AttentionCellWrapper(rnn.LSTMCell(6), 3), 6, "attention_cell_wrapper/input_projection/kernel"),
    "input projection": (lambda: rnn.InputProjectionWrapper(rnn.GRUCell(6), 5), 6, "input_projection_wrapper/kernel"),
    "output projection": (
        lambda: rnn.OutputProjectionWrapper(rnn.GRUCell(6), 2), 2, "output_projection_wrapper/gru_cell/gates/kernel",
    ),
    "highway": (lambda: rnn.HighwayWrapper(rnn.GRUCell(4)), 4, "gru_cell/gates/kernel"),
    "update gate": (lambda: rnn.UGRNNCell(5), 5, "ugrnn_cell/kernel"),
    "block": (lambda: rnn.LSTMBlockCell(5), 5, "lstm_cell/kernel"),
    "gru block": (lambda: rnn.GRUBlockCell(5), 5, "gru_cell/gates/kernel"),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_cells_run_and_train(name):
    make, size, first = CELLS[name]
    outputs, _ = v1.nn.dynamic_rnn(make(), tf.constant(X), dtype=tf.float32)
    assert v1.global_variables()[0].name == f"rnn/{first}:0"
    gradients = tf.gradients(tf.reduce_sum(outputs**2), v1.trainable_variables())
    outputs, gradients = _run([outputs, gradients])
    assert outputs.shape == (3, 5, size)
    assert all(np.isfinite(each).all() for each in gradients)


def test_convolutional_lstm():
    cell = rnn.Conv2DLSTMCell(input_shape=[6, 6, 2], output_channels=3, kernel_shape=[3, 3])
    outputs, state = v1.nn.dynamic_rnn(cell, tf.ones([2, 4, 6, 6, 2]), dtype=tf.float32)
    assert _run(outputs).shape == (2, 4, 6, 6, 3)
    assert state.c.shape.as_list() == [2, 6, 6, 3]


def test_stacked_bidirectional_layers():
    cells = [[rnn.GRUCell(3), rnn.GRUCell(2)] for _ in range(2)]
    outputs, forward, _ = rnn.stack_bidirectional_dynamic_rnn(*cells, tf.constant(X), dtype=tf.float32)
    assert outputs.shape.as_list() == [3, 5, 4] and len(forward) == 2
    assert v1.global_variables()[0].name == (
        "stack_bidirectional_rnn/cell_0/bidirectional_rnn/fw/gru_cell/gates/kernel:0"
    )
    assert _run(outputs).shape == (3, 5, 4)


def test_names_of_core_cells():
    assert rnn.BasicLSTMCell is v1.nn.rnn_cell.BasicLSTMCell and rnn.static_rnn is v1.nn.static_rnn
