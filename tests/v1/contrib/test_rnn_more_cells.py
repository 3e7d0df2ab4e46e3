"""Cells over time and frequency, phased ones, cells in groups: against their formulas in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
rnn = v1.contrib.rnn
RNG = np.random.RandomState(0)
X = RNG.randn(2, 7).astype(np.float32)
ANY = v1.random_normal_initializer(seed=3)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _step(cell, inputs, state):
    """The output, the state, and the variables by name, of one step in a graph of its own."""
    with tf.Graph().as_default(), v1.Session() as session, v1.variable_scope("step", initializer=ANY):
        output, new_state = cell()(inputs, state)
        session.run(v1.global_variables_initializer())
        names = {each.op.name.partition("/")[2].partition("/")[2]: each for each in v1.global_variables()}
        return session.run([output, new_state, names])


def test_the_time_frequency_cell_goes_over_windows():
    state = RNG.randn(2, 3 * 2 * 4).astype(np.float32)
    output, new_state, v = _step(
        lambda: rnn.TimeFreqLSTMCell(4, True, cell_clip=0.5, feature_size=3, frequency_skip=2), X, state
    )
    before, outputs, states = np.zeros([2, 4]), [], []
    for number in range(3):
        c, m = np.split(state[:, 8 * number : 8 * number + 8], 2, 1)
        joined = np.concatenate([X[:, 2 * number : 2 * number + 3], m, before], 1)
        i, j, f, o = np.split(joined @ v["W_0"] + v["B"], 4, 1)
        c = _sigmoid(f + 1 + v["W_F_diag"] * c) * c + _sigmoid(i + v["W_I_diag"] * c) * np.tanh(j)
        c = np.clip(c, -0.5, 0.5)
        before = _sigmoid(o + v["W_O_diag"] * c) * np.tanh(c)
        outputs.append(before)
        states += [c, before]
    np.testing.assert_allclose(output, np.concatenate(outputs, 1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(new_state, np.concatenate(states, 1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("coupled", [False, True])
def test_the_grid_cell_is_an_lstm_along_each_axis(shared, coupled):
    def cell():
        return rnn.GridLSTMCell(
            4, True, shared, feature_size=3, frequency_skip=4, num_frequency_blocks=[2],
            couple_input_forget_gates=coupled, state_is_tuple=False,
        )  # fmt: skip

    state = RNG.randn(2, 2 * 2 * 4).astype(np.float32)
    output, new_state, v = _step(cell, X, state)

    def remember(gates, own, memories, axis):
        parts = np.split(gates, 3 if coupled else 4, 1)
        i = _sigmoid(parts[0] + sight("I", axis, memories))
        f = 1 - i if coupled else _sigmoid(parts[2] + 1 + sight("F", axis, memories))
        return f * own + i * np.tanh(parts[1]), parts[-1]

    def sight(gate, axis, memories):
        return sum(v[f"W_{gate}_diag_{axis}{kind}_0"] * each for kind, each in zip("ft", memories))

    axes = {"freq": "f", "time": "f" if shared else "t"}
    seen_by = {"freq": "freq", "time": "freq" if shared else "time"}
    c_f = m_f = np.zeros([2, 4])
    outputs, states = [], []
    for number in range(2):
        c_t, m_t = np.split(state[:, 8 * number : 8 * number + 8], 2, 1)
        joined = np.concatenate([X[:, 4 * number : 4 * number + 3], m_t, m_f], 1)
        gates = {axis: joined @ v[f"W_{kind}_0_0"] + v[f"B_{kind}_0"] for axis, kind in axes.items()}
        memories = c_f, c_t
        c_f, o_f = remember(gates["freq"], c_f, memories, "freq")
        c_t, o_t = remember(gates["time"], c_t, memories, seen_by["time"])
        m_f = _sigmoid(o_f + sight("O", "freq", (c_f, c_t))) * np.tanh(c_f)
        m_t = _sigmoid(o_t + sight("O", seen_by["time"], (c_f, c_t))) * np.tanh(c_t)
        outputs += [m_t, m_f]
        states += [c_t, m_t]
    np.testing.assert_allclose(output, np.concatenate(outputs, 1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(new_state, np.concatenate(states, 1), rtol=1e-4, atol=1e-6)


def test_blocks_of_frequencies_have_names_in_the_state_and_both_directions_run():
    with tf.Graph().as_default(), v1.Session() as session:
        cell = rnn.BidirectionalGridLSTMCell(
            4, feature_size=2, frequency_skip=1, num_frequency_blocks=[2, 3], start_freqindex_list=[0, 3],
            end_freqindex_list=[3, 7], num_unit_shards=2, backward_slice_offset=1,
        )  # fmt: skip
        inputs = tf.constant(RNG.randn(2, 5, 7), tf.float32)
        outputs, state = v1.nn.dynamic_rnn(cell, inputs, [5, 3], dtype=tf.float32)
        session.run(v1.global_variables_initializer())
        outputs, state = session.run([outputs, state])
        names = {each.op.name for each in v1.trainable_variables()}
    assert outputs.shape == (2, 5, 80) and not outputs[1, 3:].any()
    assert state._fields[:4] == tuple(f"fwd_state_f0{f}_b00_{part}" for f in range(2) for part in "cm")
    assert len(state) == 20 and "rnn/bidirectional_grid_lstm_cell/bwd/W_t_1_1" in names


def test_windows_must_fit_the_blocks():
    cell = rnn.GridLSTMCell(4, feature_size=3, frequency_skip=2, num_frequency_blocks=[2])
    with tf.Graph().as_default(), pytest.raises(ValueError, match="requires 3 but gets 2"):
        cell(tf.constant(X), cell.zero_state(2, tf.float32))
    with pytest.raises(ValueError, match="Must specify num_frequency_blocks"):
        rnn.GridLSTMCell(4)


@pytest.mark.parametrize("peepholes", [False, True])
def test_a_phased_cell_changes_while_it_is_open(peepholes):
    time = np.float32([[3.0], [250.0]])
    state = [RNG.randn(2, 4).astype(np.float32) for _ in range(2)]
    output, (memory, _), v = _step(
        lambda: rnn.PhasedLSTMCell(4, peepholes, leak=0.1, ratio_on=0.5),
        (time, X),
        rnn.LSTMStateTuple(*state),
    )
    assert (v["period"] >= 1).all() and (v["period"] <= 1000).all() and (v["phase"] <= v["period"]).all()
    c, h = state

    def linear(name, *inputs):
        return np.concatenate(inputs, 1) @ v[f"{name}/kernel"] + v[f"{name}/bias"]

    i, f = np.split(_sigmoid(linear("mask_gates", X, h, *([c] if peepholes else []))), 2, 1)
    new_c = c * f + i * np.tanh(linear("new_input", X, h))
    new_h = np.tanh(new_c) * _sigmoid(linear("output_gate", X, h, *([new_c] if peepholes else [])))
    part = np.mod(time - v["phase"], v["period"]) / v["period"]
    k = np.where(part < 0.25, 2 * part / 0.5, np.where(part < 0.5, 2 - 2 * part / 0.5, 0.1 * part))
    np.testing.assert_allclose(memory, k * new_c + (1 - k) * c, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(output, k * new_h + (1 - k) * h, rtol=1e-4, atol=1e-5)


def test_a_phased_cell_runs_over_sequences_of_times_and_features():
    with tf.Graph().as_default(), v1.Session() as session:
        times = tf.cumsum(tf.ones([2, 6, 1]), 1)
        inputs = (times, tf.constant(RNG.randn(2, 6, 3), tf.float32))
        cell = rnn.PhasedLSTMCell(4, trainable_ratio_on=False)
        outputs, _ = v1.nn.dynamic_rnn(cell, inputs, dtype=tf.float32)
        slopes = tf.gradients(tf.reduce_sum(outputs), v1.trainable_variables())
        session.run(v1.global_variables_initializer())
        assert all(np.isfinite(each).all() for each in session.run(slopes))
        assert not any("ratio_on" in each.name for each in v1.trainable_variables())


def test_an_intersection_cell_gates_state_and_output():
    state = RNG.randn(2, 4).astype(np.float32)
    output, new_state, v = _step(lambda: rnn.IntersectionRNNCell(4, num_in_proj=4), X, state)
    x = X @ v["in_projection/kernel"] + v["in_projection/bias"]
    gh, h, gy, y = np.split(np.concatenate([x, state], 1) @ v["kernel"] + v["bias"], 4, 1)
    gh, gy = _sigmoid(gh + 1), _sigmoid(gy + 1)
    np.testing.assert_allclose(new_state, gh * state + (1 - gh) * np.tanh(h), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(output, gy * x + (1 - gy) * np.maximum(y, 0), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="num_in_proj must be given"):
        _step(lambda: rnn.IntersectionRNNCell(4), X, state)


def test_groups_see_their_own_part():
    c, h, x = (RNG.randn(2, 6).astype(np.float32) for _ in range(3))
    output, (memory, _), v = _step(
        lambda: rnn.GLSTMCell(6, number_of_groups=2, num_proj=None), x, rnn.LSTMStateTuple(c, h)
    )
    parts = [np.split(np.concatenate([x[:, at : at + 3], h[:, at : at + 3]], 1) @ v[f"group{n}/kernel"], 4, 1)
             for n, at in enumerate((0, 3))]  # fmt: skip
    i, j, f, o = (np.concatenate(each, 1) for each in zip(*parts))
    expected = _sigmoid(f + 1) * c + _sigmoid(i) * np.tanh(j)
    np.testing.assert_allclose(memory, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(output, _sigmoid(o) * np.tanh(expected), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="num_proj must be divisible"):
        rnn.GLSTMCell(6, num_proj=5, number_of_groups=2)


def test_a_coupled_cell_with_projection_and_normalization():
    def cell():
        return rnn.CoupledInputForgetGateLSTMCell(
            4, True, num_proj=3, proj_clip=0.2, num_unit_shards=2, layer_norm=True, state_is_tuple=False
        )

    state = RNG.randn(2, 7).astype(np.float32)
    output, new_state, v = _step(cell, X, state)

    def normed(x, scope):
        centred = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-12)
        return centred * v[f"{scope}/gamma"] + v[f"{scope}/beta"]

    c, h = state[:, :4], state[:, 4:]
    gates = np.concatenate([X, h], 1) @ np.concatenate([v["W_0"], v["W_1"]])
    j, f, o = (
        normed(each, scope) for each, scope in zip(np.split(gates, 3, 1), ("transform", "forget", "output"))
    )
    f = _sigmoid(f + 1 + v["W_F_diag"] * c)
    c = normed(f * c + (1 - f) * np.tanh(j), "state")
    expected = np.clip((_sigmoid(o + v["W_O_diag"] * c) * np.tanh(c)) @ v["W_P_0"], -0.2, 0.2)
    np.testing.assert_allclose(output, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(new_state, np.concatenate([c, expected], 1), rtol=1e-3, atol=1e-5)
