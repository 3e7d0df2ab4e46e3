import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1


def _adam(w, gradients, rate=0.1, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m = v = 0.0
    for t, g in enumerate(gradients, 1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        w = w - rate * np.sqrt(1 - beta2**t) / (1 - beta1**t) * m / (np.sqrt(v) + epsilon)
    return w


def test_gradient_descent_in_a_session():
    with tf.Graph().as_default():
        w = v1.Variable([1.0, 2.0])
        step = v1.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(w * w))
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for _ in range(2):
                session.run(step)
            np.testing.assert_allclose(session.run(w), [0.64, 1.28], rtol=1e-6)


def test_adam_follows_the_paper():
    with tf.Graph().as_default():
        w = v1.Variable(1.0)
        x = v1.placeholder(tf.float32)
        step = v1.train.AdamOptimizer(0.1).minimize(w * x)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for g in (1.0, -2.0, 0.5):
                session.run(step, {x: g})
            assert session.run(w) == pytest.approx(_adam(1.0, [1.0, -2.0, 0.5]), rel=1e-5)


def test_adam_eagerly():
    w = tf.Variable(1.0)
    optimizer = v1.train.AdamOptimizer(0.1)
    for g in (1.0, -2.0, 0.5):
        optimizer.minimize(lambda g=g: w * g)
    assert w.numpy() == pytest.approx(_adam(1.0, [1.0, -2.0, 0.5]), rel=1e-5)


def test_global_step_and_var_list():
    with tf.Graph().as_default():
        a, b = v1.Variable(1.0), v1.Variable(1.0)
        steps = v1.Variable(0, trainable=False)
        train = v1.train.GradientDescentOptimizer(1.0).minimize(a * b, global_step=steps, var_list=[a])
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            session.run(train)
            assert session.run([a, b, steps]) == [0.0, 1.0, 1]


def test_eager_variables_with_a_symbolic_loss():
    w = tf.Variable(3.0)
    x = v1.placeholder(tf.float32)
    train = v1.train.GradientDescentOptimizer(0.5).minimize(tf.square(w * x))
    with v1.Session() as session:
        session.run(train, {x: 1.0})
    assert w.numpy() == 0.0


def test_no_gradients():
    with tf.Graph().as_default():
        v1.Variable(1.0)
        with pytest.raises(ValueError, match="No gradients"):
            v1.train.GradientDescentOptimizer(0.5).minimize(tf.constant(1.0))
