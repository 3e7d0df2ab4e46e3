"""Loops that run an LSTM or GRU cell are recognized, and then compute what the loop itself computes."""

from unittest import mock

import ml_dtypes
import numpy as np
import pytest
from jax import lax
from jax.experimental import rnn

import penstock as tf
from penstock.autodiff import recurrent_cells as gradients
from penstock.engine import native
from penstock.graph.recurrent_cells import recognize
from penstock.ops.nn import recurrent_sequences
from penstock.runtime import recurrent_cells as lowering

STEPS, BATCH, FEATURES, UNITS = 6, 3, 4, 5


def lstm_cell(x, states, kernel, recurrent, bias):
    h, c = states
    i, f, g, o = tf.split(tf.nn.bias_add(x @ kernel + h @ recurrent, bias), 4, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    h = tf.sigmoid(o) * tf.tanh(c)
    return h, (h, c)


def gru_cell(x, states, kernel, recurrent, bias):
    (h,) = states
    b, rb = tf.unstack(bias[:, : 3 * UNITS]) if bias.shape.rank == 2 else (bias, bias)
    x_z, x_r, x_h = tf.split(tf.nn.bias_add(x @ kernel, b), 3, axis=-1)
    inner = h @ recurrent + rb
    z = tf.sigmoid(x_z + inner[:, :UNITS])
    r = tf.sigmoid(x_r + inner[:, UNITS : 2 * UNITS])
    candidate = tf.tanh(x_h + r * inner[:, 2 * UNITS :])
    h = z * h + (1.0 - z) * candidate
    return h, (h,)


CELLS = {"lstm": (lstm_cell, 4, 2), "gru": (gru_cell, 3, 1)}


def run_loop(cell, x, states, weights, keeps_all=True, steps=STEPS):
    """The loop that Keras writes."""
    inputs = tf.TensorArray(x.dtype, size=STEPS).unstack(x)
    outputs = tf.TensorArray(x.dtype, size=STEPS if keeps_all else 1, element_shape=states[0].shape)

    def step(time, outputs, *states):
        output, states = cell(inputs.read(time), states, *weights)
        return (time + 1, outputs.write(time if keeps_all else 0, output), *states)

    loop = (tf.constant(0), outputs, *states)
    _, outputs, *states = tf.while_loop(lambda time, *_: time < steps, step, loop, maximum_iterations=STEPS)
    return outputs.stack(), states


def arguments(kind):
    _, gates, states = CELLS[kind]
    random = np.random.default_rng(0)

    def tensor(*shape):
        return tf.constant(random.standard_normal(shape) * 0.5, tf.float32)

    weights = [tensor(FEATURES, gates * UNITS), tensor(UNITS, gates * UNITS), tensor(gates * UNITS)]
    return [tensor(STEPS, BATCH, FEATURES), *(tensor(BATCH, UNITS) for _ in range(states)), *weights]


def outputs_of(kind, keeps_all, **options):
    """A function from the arguments to the outputs and last states."""
    cell, _, states = CELLS[kind]

    def function(x, *rest):
        outputs, last = run_loop(cell, x, rest[:states], rest[states:], keeps_all, **options)
        return [outputs, *last]

    return function


def recognized(function, *inputs):
    graph = tf.function(function).get_concrete_function(*inputs).graph
    found = [recognize(each) for each in graph.get_operations() if each.type == "While"]
    return [each for each in found if each is not None]


def with_gradients(kind, keeps_all):
    """Outputs, and the gradients of a sum over all of them that is not the same for each."""

    def function(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = outputs_of(kind, keeps_all)(*inputs)
            loss = tf.add_n([tf.reduce_sum(tf.sin(each) * (i + 1.0)) for i, each in enumerate(outputs)])
        return [*outputs, *tape.gradient(loss, inputs)]

    return function


def unrecognized():
    """Loops run as they are."""
    stack = mock.patch.multiple(gradients, recognize=lambda loop: None)
    return stack, mock.patch.multiple(lowering, recognize=lambda loop: None)


@pytest.mark.parametrize("keeps_all", [True, False])
@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("with_kernels", [True, False])
def test_the_whole_sequence_gives_what_the_loop_gives(kind, keeps_all, with_kernels):
    inputs = arguments(kind)
    function = with_gradients(kind, keeps_all)
    assert [each.kind for each in recognized(outputs_of(kind, keeps_all), *inputs)] == [kind]
    takes = native.takes if with_kernels else lambda *_, **__: False
    with mock.patch.object(native, "takes", takes):
        ours = tf.function(function)(*inputs)
    first, second = unrecognized()
    with first, second:
        theirs = tf.function(function)(*inputs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6, rtol=1e-5)


def reference_of_cudnn(x, h, c, weights, lengths, features, units, layers, dropout, bidirectional):
    """What JAX says that `rnn.lstm` computes, in place of cuDNN, which no test machine needs to have."""
    sizes = (features, units, layers, bidirectional)
    parts = rnn.unpack_lstm_weights(weights, *sizes)
    return rnn.lstm_ref(x, h, c, *parts, lengths, features, units, layers, dropout, bidirectional)


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("keeps_all", [True, False])
def test_cudnn_is_given_an_lstm_as_it_wants_it(keeps_all, vectorized):
    inputs = arguments("lstm")

    def function(*inputs):
        if not vectorized:
            return with_gradients("lstm", keeps_all)(*inputs)
        stacked = tf.stack([inputs[0], inputs[0] * 0.5])
        return tf.vectorized_map(lambda x: with_gradients("lstm", keeps_all)(x, *inputs[1:]), stacked)

    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs = tf.function(function)(*inputs)
        with (
            mock.patch.object(recurrent_sequences, "_has_cudnn", lambda: True),
            mock.patch.object(recurrent_sequences.process, "accelerator", True),
            mock.patch.object(lax, "platform_dependent", lambda *arrays, cuda, default: cuda(*arrays)),
            mock.patch.object(rnn, "lstm", side_effect=reference_of_cudnn) as used,
        ):
            ours = tf.function(function)(*inputs)
    assert used.call_count >= 2  # forward, and for the gradients
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6, rtol=1e-5)


def test_beside_a_gpu_a_program_for_the_cpu_runs_the_loop():
    inputs = arguments("lstm")
    expected = tf.function(with_gradients("lstm", True))(*inputs)
    with (
        mock.patch.object(recurrent_sequences, "_has_cudnn", lambda: True),
        mock.patch.object(recurrent_sequences.process, "accelerator", True),
        mock.patch.object(rnn, "lstm", side_effect=reference_of_cudnn) as used,
    ):
        ours = tf.function(with_gradients("lstm", True))(*inputs)
    assert used.called  # while both were traced
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6, rtol=1e-5)


def test_cudnn_is_not_where_there_is_no_gpu():
    assert not recurrent_sequences._has_cudnn()


@pytest.mark.parametrize("kind", CELLS)
def test_gradients_of_gradients(kind):
    inputs = arguments(kind)

    def function(x, *rest):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                loss = tf.reduce_sum(outputs_of(kind, True)(x, *rest)[0] ** 2)
            penalty = tf.reduce_sum(inner.gradient(loss, x) ** 2)
        return outer.gradient(penalty, x)

    ours = tf.function(function)(*inputs)
    first, second = unrecognized()
    with first, second:
        theirs = tf.function(function)(*inputs)
    np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("with_kernels", [True, False])
@pytest.mark.parametrize("kind", CELLS)
def test_in_half_precision_the_whole_sequence_is_close_to_that_of_single(kind, with_kernels):
    inputs = [tf.cast(each, tf.bfloat16) for each in arguments(kind)]
    assert [each.kind for each in recognized(outputs_of(kind, True), *inputs)] == [kind]
    takes = native.takes if with_kernels else lambda *_, **__: False
    with mock.patch.object(native, "takes", takes):
        narrow = tf.function(with_gradients(kind, True))(*inputs)
    wide = tf.function(with_gradients(kind, True))(*(tf.cast(each, tf.float32) for each in inputs))
    for a, b in zip(narrow, wide, strict=True):
        assert a.dtype is tf.bfloat16
        np.testing.assert_allclose(tf.cast(a, tf.float32), b, atol=0.02 * (1 + np.abs(b).max()), rtol=0.02)


def test_a_loop_that_stops_early_stays_a_loop():
    assert recognized(outputs_of("lstm", True, steps=STEPS - 1), *arguments("lstm")) == []


def test_another_cell_stays_a_loop():
    def cell(x, states, kernel, recurrent, bias):
        h, (_, c) = lstm_cell(x, states, kernel, recurrent, bias)
        return h * 2.0, (h * 2.0, c)

    def function(x, h, c, *weights):
        return run_loop(cell, x, (h, c), weights)[0]

    assert recognized(function, *arguments("lstm")) == []


def test_a_cell_whose_gates_are_in_another_order_stays_a_loop():
    def cell(x, states, kernel, recurrent, bias):
        h, c = states
        f, i, g, o = tf.split(tf.nn.bias_add(x @ kernel + h @ recurrent, bias), 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        return h, (h, c)

    def function(x, h, c, *weights):
        return run_loop(cell, x, (h, c), weights)[0]

    assert recognized(function, *arguments("lstm")) == []


@pytest.mark.parametrize(
    "batch, units, dtype, tolerance",
    [
        *((batch, units, np.float32, 1e-5) for batch, units in [(1, 1), (2, 16), (9, 17), (17, 33)]),
        *((batch, units, ml_dtypes.bfloat16, 0.04) for batch, units in [(1, 1), (9, 17)]),
    ],
)
@pytest.mark.skipif(native.library() is None, reason="the native kernels could not be compiled here")
@pytest.mark.parametrize("kind", CELLS)
def test_kernels_at_odd_sizes(kind, batch, units, dtype, tolerance):
    from penstock.engine.xla import jax
    from penstock.ops.nn import recurrent_sequences as ops

    gates, states = CELLS[kind][1:]
    random = np.random.default_rng(0)
    shapes = [
        (4, batch, 3),
        *[(batch, units)] * states,
        (3, gates * units),
        (units, gates * units),
        (gates * units,),
    ]
    shapes += [(gates * units,)] if kind == "gru" else []
    shapes += [(4, batch, units), *[(batch, units)] * states]
    inputs = [(random.standard_normal(shape) * 0.5).astype(dtype) for shape in shapes]
    forward, backward = {"lstm": (ops.lstm, ops._lstm_gradient), "gru": (ops.gru, ops._gru_gradient)}[kind]

    def both(*inputs):
        return forward(*inputs[:6]), backward(*inputs)

    ours = jax.jit(both)(*inputs)
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs = jax.jit(lambda *inputs: both(*inputs))(*(each.astype("f") for each in inputs))
    for a, b in zip(jax.tree_util.tree_leaves(ours), jax.tree_util.tree_leaves(theirs), strict=True):
        assert a.dtype == dtype
        a, b = np.asarray(a, "f"), np.asarray(b, "f")
        np.testing.assert_allclose(a, b, atol=tolerance * (1 + np.abs(b).max()), rtol=10 * tolerance)
