"""Steps that a program repeats run as a loop, and compute what they would one by one."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.graph.repeated_steps import RepeatedSteps
from penstock.runtime import compiled_piece, rolled_steps

STEPS, UNITS = 12, 6


@pytest.fixture
def loops(monkeypatch):
    """The repetitions that were lowered as loops so far; set `.off` to lower none."""
    found: list[RepeatedSteps] = []
    find = rolled_steps.find

    def found_or_none(operations, leaving, constants):
        return [list(operations)] if found_or_none.off else find(operations, leaving, constants)

    found_or_none.off = False
    found_or_none.found = found
    lower = rolled_steps.RolledSteps._lower_as_loop

    def noting(self, steps):
        lower(self, steps)
        found.append(steps)

    monkeypatch.setattr(rolled_steps.RolledSteps, "_lower_as_loop", noting)
    monkeypatch.setattr(compiled_piece.rolled_steps, "find", found_or_none)
    return found_or_none


def lstm_training(keep=1.0, layers=1, take_all=True):
    """What three steps of training an unrolled network give, and its gradients before them."""
    v1 = tf.compat.v1
    rng = np.random.default_rng(0)
    images = rng.normal(size=(5, STEPS, 4)).astype(np.float32)
    with tf.Graph().as_default():
        v1.set_random_seed(3)
        x = v1.placeholder(tf.float32, [None, STEPS, 4])
        cells = [
            v1.nn.rnn_cell.DropoutWrapper(v1.nn.rnn_cell.LSTMCell(UNITS), output_keep_prob=keep)
            for _ in range(layers)
        ]
        outputs, _ = v1.nn.static_rnn(
            v1.nn.rnn_cell.MultiRNNCell(cells), tf.unstack(x, axis=1), dtype=tf.float32
        )
        taken = outputs if take_all else outputs[-1:]
        loss = tf.add_n([tf.reduce_sum(tf.square(each - 0.1)) for each in taken])
        variables = v1.trainable_variables()
        gradients = tf.gradients(loss, [*variables, x])
        train = v1.train.GradientDescentOptimizer(0.01).minimize(loss)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            found = session.run([*gradients, *outputs], {x: images})
            losses = [session.run([loss, train], {x: images})[0] for _ in range(3)]
            return [*found, np.array(losses)]


def test_an_unrolled_network_trains_as_if_it_ran_step_by_step(loops):
    rolled = lstm_training(keep=0.6)
    forward, backward = loops.found[:2]
    assert forward.count == STEPS
    assert backward.count >= STEPS - 2
    assert len(backward.sums) == 2  # of the weights, and of the biases
    loops.off = True
    for one, other in zip(rolled, lstm_training(keep=0.6), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_layers_of_equal_cells_with_weights_of_their_own(loops):
    assert lstm_training(layers=2, take_all=False)[-1][-1] > 0
    assert [len(each.carried) for each in loops.found[:2]] == [4, 4]


def function_of_steps(body, *arguments):
    @tf.function
    def run(*arguments):
        return body(*arguments)

    return run(*arguments)


def chain(x, weights, number):
    """Some operations on x, enough for a step."""
    for _ in range(4):
        x = tf.tanh(tf.matmul(x, weights) + number) * 0.5 + x
    return x


def test_constants_that_differ_from_step_to_step(loops):
    weights = tf.constant(np.random.default_rng(0).normal(size=(UNITS, UNITS)), tf.float32)

    def body(x):
        for step in range(STEPS):
            x = chain(x, weights, np.float32(step) * 0.1)
        return x

    rolled = function_of_steps(body, tf.ones([2, UNITS]))
    assert loops.found
    assert any(each.varying for each in loops.found)
    loops.off = True
    np.testing.assert_allclose(rolled, function_of_steps(body, tf.ones([2, UNITS])), rtol=1e-5)


def test_steps_with_weights_of_their_own_stay_as_they_are(loops):
    weights = [tf.Variable(tf.random.normal([UNITS, UNITS])) for _ in range(STEPS)]

    def body(x):
        for each in weights:
            x = chain(x, each, 0.0)
        return x

    function_of_steps(body, tf.ones([2, UNITS]))
    assert not loops.found


def test_steps_of_growing_arrays_run_one_by_one(loops):
    def body(x):
        for _ in range(STEPS):
            x = tf.concat([x, chain(x[:, :UNITS], tf.eye(UNITS), 0.1)], 1)
        return x

    @tf.function(input_signature=[tf.TensorSpec([None, None])])
    def run(x):
        return body(x)

    assert run(tf.ones([2, UNITS])).shape == (2, UNITS * (STEPS + 1))
    assert not loops.found


def test_every_second_result_is_used(loops):
    weights = tf.constant(np.random.default_rng(1).normal(size=(UNITS, UNITS)), tf.float32)

    def body(x):
        kept = []
        for step in range(STEPS):
            x = chain(x, weights, 0.1)
            if step % 2:
                kept.append(x)
        return tf.stack(kept)

    rolled = function_of_steps(body, tf.ones([2, UNITS]))
    assert loops.found
    loops.off = True
    np.testing.assert_allclose(rolled, function_of_steps(body, tf.ones([2, UNITS])), rtol=1e-5)


def test_a_loop_that_cannot_be_is_run_step_by_step(loops, monkeypatch):
    rolled = lstm_training(take_all=False)

    def fails(self, steps):
        raise rolled_steps._UnequalStepsError

    monkeypatch.setattr(rolled_steps.RolledSteps, "_lower_as_loop", fails)
    for one, other in zip(rolled, lstm_training(take_all=False), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
