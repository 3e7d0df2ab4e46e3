"""Recurrent layers on packed parameters, against a loop in NumPy, and their gradients."""

import numpy as np
import pytest

import penstock as tf

TIME, BATCH, INPUTS, UNITS = 5, 3, 4, 2
LENGTHS = np.int32([5, 2, 4])
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(mode, x, h, c, w, r, bw, br):
    if mode == "lstm":
        i, f, g, o = (w[k] @ x + bw[k] + r[k] @ h + br[k] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    if mode == "gru":
        reset, update = (sigmoid(w[k] @ x + bw[k] + r[k] @ h + br[k]) for k in range(2))
        new = np.tanh(w[2] @ x + bw[2] + reset * (r[2] @ h + br[2]))
        return (1 - update) * new + update * h, c
    total = w[0] @ x + bw[0] + r[0] @ h + br[0]
    return (np.tanh(total) if mode == "rnn_tanh" else np.maximum(total, 0)), c


def case(mode):
    rng = np.random.default_rng(0)
    gates = GATES[mode]
    x = rng.normal(size=(TIME, BATCH, INPUTS))
    h, c = rng.normal(size=(2, 1, BATCH, UNITS))
    w, r = rng.normal(size=(gates, UNITS, INPUTS)), rng.normal(size=(gates, UNITS, UNITS))
    bw, br = rng.normal(size=(2, gates, UNITS))
    params = np.concatenate([each.ravel() for each in (w, r, bw, br)])
    return x, h, c, params, (w, r, bw, br)


def call(mode, x, h, c, params, **attrs):
    return tf.raw_ops.CudnnRNNV3(
        input=x, input_h=h, input_c=c, params=params, sequence_lengths=LENGTHS, rnn_mode=mode, **attrs
    )


@pytest.mark.parametrize("mode", GATES)
def test_one_layer(mode):
    x, h, c, params, weights = case(mode)
    outputs, last, _, _, _ = call(mode, x, h, c, params)
    for row in range(BATCH):
        state = h[0, row], c[0, row]
        for time in range(LENGTHS[row]):
            state = step(mode, x[time, row], *state, *weights)
            np.testing.assert_allclose(outputs[time, row], state[0], rtol=1e-6)
        np.testing.assert_allclose(last[0, row], state[0], rtol=1e-6)
        assert not outputs[LENGTHS[row] :, row].numpy().any()


def test_batch_major_input_is_the_same_transposed():
    x, h, c, params, _ = case("lstm")
    outputs = call("lstm", x, h, c, params)[0]
    swapped = call("lstm", *(each.swapaxes(0, 1) for each in (x, h, c)), params, time_major=False)[0]
    np.testing.assert_allclose(outputs.numpy().swapaxes(0, 1), swapped)


def test_two_layers_in_both_directions():
    rng = np.random.default_rng(1)
    gates, count = 4, 4 * UNITS
    sizes = [count * (INPUTS + UNITS)] * 2 + [count * (2 * UNITS + UNITS)] * 2 + [2 * gates * UNITS] * 4
    h = rng.normal(size=(4, BATCH, UNITS))
    x = rng.normal(size=(TIME, BATCH, INPUTS))
    outputs, last, cells, _, _ = call("lstm", x, h, h, rng.normal(size=sum(sizes)), direction="bidirectional")
    assert outputs.shape == (TIME, BATCH, 2 * UNITS)
    assert last.shape == cells.shape == h.shape


@pytest.mark.parametrize("mode", ["lstm", "gru"])
def test_gradients(mode):
    x, h, c, params, _ = case(mode)
    weigh = np.random.default_rng(2).normal(size=(TIME, BATCH, UNITS))
    loss = lambda x, h, params: tf.reduce_sum(call(mode, x, h, c, params)[0] * weigh)
    theory, numeric = tf.test.compute_gradient(loss, [x, h, params])
    for one, other in zip(theory, numeric):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_parameters_of_another_size_are_refused():
    x, h, c, params, _ = case("gru")
    with pytest.raises(tf.errors.InvalidArgumentError, match="numbers was expected"):
        call("gru", x, h, c, params[1:])
