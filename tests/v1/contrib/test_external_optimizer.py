"""`contrib.opt.ScipyOptimizerInterface`: minima with bounds and constraints, callbacks, feeds."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

tf1 = tf.compat.v1
opt = tf1.contrib.opt


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf1.Session() as session:
        yield session


def _minimum(session, optimizer, *variables, **kwargs):
    session.run(tf1.global_variables_initializer())
    optimizer.minimize(session, **kwargs)
    return session.run(list(variables))


def test_it_finds_the_minimum_of_several_variables(session):
    x = tf1.get_variable("x", initializer=[7.0, -3.0])
    y = tf1.get_variable("y", initializer=[[1.0]])
    loss = tf.reduce_sum(tf.square(x - [1.0, 2.0])) + tf.reduce_sum(tf.square(y + 4.0))
    x, y = _minimum(session, opt.ScipyOptimizerInterface(loss, options={"maxiter": 100}), x, y)
    np.testing.assert_allclose(x, [1, 2], atol=1e-4)
    np.testing.assert_allclose(y, [[-4]], atol=1e-4)


def test_bounds_hold(session):
    x = tf1.get_variable("x", initializer=[7.0, 7.0])
    optimizer = opt.ScipyOptimizerInterface(
        tf.reduce_sum(tf.square(x)), var_to_bounds={x: ([1.0, -np.inf], np.inf)}
    )
    (x,) = _minimum(session, optimizer, x)
    np.testing.assert_allclose(x, [1, 0], atol=1e-4)


def test_constraints_hold(session):
    x = tf1.get_variable("x", initializer=[7.0, 7.0])
    optimizer = opt.ScipyOptimizerInterface(
        tf.reduce_sum(tf.square(x)), equalities=[x[0] - 3.0], inequalities=[x[1] - 1.0], method="SLSQP"
    )
    (x,) = _minimum(session, optimizer, x)
    np.testing.assert_allclose(x, [3, 1], atol=1e-4)


def test_callbacks_see_steps_and_losses_with_feeds(session):
    target = tf1.placeholder(tf.float32)
    x = tf1.get_variable("x", initializer=5.0)
    loss = tf.square(x - target)
    losses, steps = [], []
    optimizer = opt.ScipyOptimizerInterface(loss, var_list=[x])
    _minimum(
        session, optimizer, x, feed_dict={target: 2.0}, fetches=[loss],
        loss_callback=losses.append, step_callback=lambda at: steps.append(at.copy()),
    )  # fmt: skip
    assert losses[0] == 9.0
    assert losses[-1] < 1e-6
    assert steps[-1].shape == (1,)
