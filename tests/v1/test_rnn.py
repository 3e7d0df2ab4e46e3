import numpy as np
import pytest

import penstock as tf
from penstock.engine import context

v1 = tf.compat.v1
cells = v1.nn.rnn_cell

BATCH, STEPS, INPUTS, UNITS = 3, 6, 2, 4
X = np.random.RandomState(0).randn(BATCH, STEPS, INPUTS).astype(np.float32)
LENGTHS = np.array([6, 2, 4])


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def _names():
    return [variable.name for variable in v1.global_variables()]


def _run(fetches, feed=None):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return session.run([fetches, v1.global_variables()], feed)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _lstm(x, state, kernel, bias):
    c, h = state
    i, j, f, o = np.split(np.concatenate([x, h], 1) @ kernel + bias, 4, 1)
    c = c * _sigmoid(f + 1) + _sigmoid(i) * np.tanh(j)
    h = np.tanh(c) * _sigmoid(o)
    return h, (c, h)


def _gru(x, state, gates, gates_bias, candidate, candidate_bias):
    (h,) = state
    r, u = np.split(_sigmoid(np.concatenate([x, h], 1) @ gates + gates_bias), 2, 1)
    c = np.tanh(np.concatenate([x, r * h], 1) @ candidate + candidate_bias)
    h = u * h + (1 - u) * c
    return h, (h,)


def _plain(x, state, kernel, bias):
    h = np.tanh(np.concatenate([x, state[0]], 1) @ kernel + bias)
    return h, (h,)


def _expected(step, weights, states, lengths=None):
    """Outputs and last state by NumPy: past its length an example keeps its state and gives zeros."""
    state = tuple(np.zeros([BATCH, UNITS]) for _ in range(states))
    outputs = []
    for time in range(STEPS):
        output, new = step(X[:, time], state, *weights)
        if lengths is not None:
            done = (time >= lengths)[:, None]
            output = np.where(done, 0, output)
            new = tuple(np.where(done, old, now) for old, now in zip(state, new))
        outputs.append(output)
        state = new
    return np.stack(outputs, 1), state


CELLS = {
    "basic_rnn_cell": (cells.BasicRNNCell, _plain, 1, ["kernel", "bias"]),
    "gru_cell": (
        cells.GRUCell,
        _gru,
        1,
        ["gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias"],
    ),
    "basic_lstm_cell": (cells.BasicLSTMCell, _lstm, 2, ["kernel", "bias"]),
    "lstm_cell": (cells.LSTMCell, _lstm, 2, ["kernel", "bias"]),
}


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
@pytest.mark.parametrize("name", CELLS)
def test_dynamic_rnn(name, lengths):
    cell, step, states, variables = CELLS[name]
    x = v1.placeholder(tf.float32, [None, None, INPUTS])
    outputs, state = v1.nn.dynamic_rnn(cell(UNITS), x, sequence_length=lengths, dtype=tf.float32)
    assert outputs.shape.as_list() == [3 if lengths is not None else None, None, UNITS] or lengths is not None
    assert _names() == [f"rnn/{name}/{each}:0" for each in variables]
    (found, last), weights = _run([outputs, state], {x: X})
    expected, expected_last = _expected(step, weights, states, lengths)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    for part, wanted in zip(last if isinstance(last, tuple) else [last], expected_last):
        np.testing.assert_allclose(part, wanted, rtol=1e-4, atol=1e-5)


def test_static_rnn_is_the_unrolled_loop():
    x = tf.constant(X)
    with v1.variable_scope("s", reuse=v1.AUTO_REUSE):
        dynamic, _ = v1.nn.dynamic_rnn(cells.BasicLSTMCell(UNITS), x, LENGTHS, dtype=tf.float32)
        static, _ = v1.nn.static_rnn(
            cells.BasicLSTMCell(UNITS), tf.unstack(x, STEPS, 1), dtype=tf.float32, sequence_length=LENGTHS
        )
    (dynamic, static), _ = _run([dynamic, tf.stack(static, 1)])
    np.testing.assert_allclose(dynamic, static, rtol=1e-4, atol=1e-5)


def test_gradients_of_the_loop_are_those_of_the_unrolled_steps():
    x = tf.constant(X)
    with v1.variable_scope("s", reuse=v1.AUTO_REUSE):
        dynamic, _ = v1.nn.dynamic_rnn(cells.GRUCell(UNITS), x, LENGTHS, dtype=tf.float32)
        static, _ = v1.nn.static_rnn(
            cells.GRUCell(UNITS), tf.unstack(x, STEPS, 1), dtype=tf.float32, sequence_length=LENGTHS
        )
    sources = [x, *v1.trainable_variables()]
    found = [tf.gradients(tf.reduce_sum(each**2), sources) for each in (dynamic, tf.stack(static, 1))]
    (dynamic, static), _ = _run(found)
    for a, b in zip(dynamic, static):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_time_major():
    with v1.variable_scope("s", reuse=v1.AUTO_REUSE):
        a, _ = v1.nn.dynamic_rnn(cells.GRUCell(UNITS), tf.constant(X), dtype=tf.float32)
        b, _ = v1.nn.dynamic_rnn(
            cells.GRUCell(UNITS), tf.constant(X.swapaxes(0, 1)), dtype=tf.float32, time_major=True
        )
    (a, b), _ = _run([a, b])
    np.testing.assert_allclose(a, b.swapaxes(0, 1), rtol=1e-5)


def test_bidirectional_reverses_each_example_up_to_its_length():
    outputs, states = v1.nn.bidirectional_dynamic_rnn(
        cells.GRUCell(UNITS), cells.GRUCell(UNITS), tf.constant(X), LENGTHS, dtype=tf.float32
    )
    assert _names()[0] == "bidirectional_rnn/fw/gru_cell/gates/kernel:0"
    assert _names()[4] == "bidirectional_rnn/bw/gru_cell/gates/kernel:0"
    ((forward, backward), (_, state)), _ = _run([outputs, states])
    np.testing.assert_allclose(backward[np.arange(BATCH), 0], state, rtol=1e-5)
    assert not backward[1, 2:].any() and not forward[1, 2:].any()


def test_static_bidirectional_joins_both():
    outputs, _, backward = v1.nn.static_bidirectional_rnn(
        cells.GRUCell(2), cells.GRUCell(3), tf.unstack(tf.constant(X), STEPS, 1), dtype=tf.float32
    )
    (outputs, backward), _ = _run([tf.stack(outputs, 1), backward])
    assert outputs.shape == (BATCH, STEPS, 5)
    np.testing.assert_allclose(outputs[:, 0, 2:], backward, rtol=1e-5)


def test_raw_rnn_stops_when_all_are_finished():
    x = tf.constant(X.swapaxes(0, 1))
    array = tf.TensorArray(tf.float32, STEPS).unstack(x)
    cell = cells.LSTMCell(UNITS)
    lengths = tf.constant([4, 2, 3])

    def loop_fn(time, output, state, loop_state):
        state = cell.zero_state(BATCH, tf.float32) if output is None else state
        finished = time >= lengths
        following = tf.cond(
            tf.reduce_all(finished), lambda: tf.zeros([BATCH, INPUTS]), lambda: array.read(time)
        )
        steps = tf.constant(0) if loop_state is None else loop_state + 1
        return finished, following, state, output, steps

    emitted, state, steps = v1.nn.raw_rnn(cell, loop_fn)
    (outputs, state, steps), weights = _run([emitted.stack(), state, steps])
    assert outputs.shape == (4, BATCH, UNITS) and steps == 4
    expected, wanted = _expected(_lstm, weights, 2, np.array([4, 2, 3]))
    np.testing.assert_allclose(outputs.swapaxes(0, 1), expected[:, :4], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state, wanted, rtol=1e-4, atol=1e-5)


def test_stacked_cells_and_their_names():
    cell = cells.MultiRNNCell([cells.BasicLSTMCell(4), cells.GRUCell(3)])
    outputs, state = v1.nn.dynamic_rnn(cell, tf.constant(X), dtype=tf.float32)
    assert outputs.shape.as_list() == [BATCH, STEPS, 3]
    assert isinstance(state[0], cells.LSTMStateTuple) and state[1].shape.as_list() == [BATCH, 3]
    assert _names()[0] == "rnn/multi_rnn_cell/cell_0/basic_lstm_cell/kernel:0"
    assert _names()[2] == "rnn/multi_rnn_cell/cell_1/gru_cell/gates/kernel:0"
    assert len(cell.trainable_weights) == 6


def test_one_tensor_for_all_states():
    cell = cells.MultiRNNCell([cells.BasicLSTMCell(2, state_is_tuple=False)] * 2, state_is_tuple=False)
    assert cell.state_size == 8 and cell.zero_state(5, tf.float32).shape.as_list() == [5, 8]


def test_peepholes_projection_and_clipping():
    cell = cells.LSTMCell(UNITS, use_peepholes=True, num_proj=3, proj_clip=0.01, cell_clip=0.02)
    outputs, state = v1.nn.dynamic_rnn(cell, tf.constant(X), dtype=tf.float32)
    assert [name.partition("lstm_cell/")[2] for name in _names()] == [
        "kernel:0", "bias:0", "w_f_diag:0", "w_i_diag:0", "w_o_diag:0", "projection/kernel:0",
    ]  # fmt: skip
    (outputs, state), _ = _run([outputs, state])
    assert (
        outputs.shape[-1] == 3
        and abs(outputs).max() <= np.float32(0.01)
        and abs(state.c).max() <= np.float32(0.02)
    )


def test_residual_wrapper_adds_the_inputs():
    with v1.variable_scope("s", reuse=v1.AUTO_REUSE):
        plain, _ = v1.nn.dynamic_rnn(cells.GRUCell(INPUTS), tf.constant(X), dtype=tf.float32)
        cell = cells.ResidualWrapper(cells.GRUCell(INPUTS))
        residual, _ = v1.nn.static_rnn(cell, [tf.constant(X[:, 0])], dtype=tf.float32)
    (plain, residual), _ = _run([plain, residual[0]])
    np.testing.assert_allclose(residual, plain[:, 0] + X[:, 0], rtol=1e-5)


def test_dropout_wrapper_keeps_the_memory():
    cell = cells.DropoutWrapper(cells.BasicLSTMCell(100), state_keep_prob=0.5, output_keep_prob=0.5, seed=1)
    output, state = cell(tf.ones([4, 2]), cell.zero_state(4, tf.float32))
    (output, state), _ = _run([output, state])
    assert (state.c != 0).all() and 0.3 < np.mean(state.h == 0) < 0.7 and 0.3 < np.mean(output == 0) < 0.7


def test_variational_dropout_drops_the_same_at_every_step():
    cell = cells.DropoutWrapper(
        cells.GRUCell(50),
        output_keep_prob=0.5,
        variational_recurrent=True,
        dtype=tf.float32,
        input_size=INPUTS,
    )
    outputs, _ = v1.nn.dynamic_rnn(cell, tf.constant(X), dtype=tf.float32)
    outputs, _ = _run(outputs)
    dropped = outputs == 0
    assert (dropped == dropped[:1, :1]).all() and 0.2 < dropped.mean() < 0.8


def test_a_cell_of_ones_own():
    class Counter(cells.RNNCell):
        state_size = property(lambda self: 1)
        output_size = property(lambda self: 1)

        def call(self, inputs, state):
            w = v1.get_variable("w", [1], initializer=v1.ones_initializer())
            return state, state + w

    cell = Counter()
    outputs, _ = v1.nn.dynamic_rnn(cell, tf.constant(X), dtype=tf.float32)
    assert _names() == ["rnn/counter/w:0"] == [each.name for each in cell.variables]
    assert _run(outputs)[0][0, :, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_state_saving():
    class Saver:
        def __init__(self):
            self.held = v1.get_variable("held", [BATCH, UNITS], initializer=v1.zeros_initializer())

        def state(self, name):
            return self.held

        def save_state(self, name, value):
            return v1.assign(self.held, value)

    saver = Saver()
    outputs, state = v1.nn.static_state_saving_rnn(
        cells.GRUCell(UNITS), tf.unstack(tf.constant(X), STEPS, 1), saver, "state"
    )
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        first = session.run(state)
        np.testing.assert_allclose(session.run(saver.held), first)
        assert np.abs(session.run(outputs[-1]) - first).max() > 1e-4


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: v1.nn.dynamic_rnn(3, tf.constant(X), dtype=tf.float32), TypeError, "not an RNNCell"),
        (lambda: v1.nn.dynamic_rnn(cells.GRUCell(2), tf.constant(X)), ValueError, "you must give a dtype"),
        (lambda: v1.nn.static_rnn(cells.GRUCell(2), []), ValueError, "must not be empty"),
        (lambda: v1.nn.static_rnn(cells.GRUCell(2), tf.constant(X)), TypeError, "must be a sequence"),
        (lambda: cells.MultiRNNCell([]), ValueError, "at least one cell"),
        (lambda: cells.DropoutWrapper(cells.GRUCell(2), input_keep_prob=1.5), ValueError, "between 0 and 1"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_cells_run_eagerly(graph):
    with context.building(None):
        cell = cells.BasicLSTMCell(UNITS)
        outputs, _ = v1.nn.dynamic_rnn(cell, X, dtype=tf.float32)
        expected, _ = _expected(_lstm, [each.numpy() for each in cell.variables], 2)
        np.testing.assert_allclose(outputs.numpy(), expected, rtol=1e-4, atol=1e-5)
