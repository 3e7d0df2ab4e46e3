import numpy as np
import pytest

import penstock as tf

FUNCTIONS = {
    "cube": lambda x: x**3,
    "matmul": lambda x: tf.linalg.matvec(tf.constant([[1.0, 2.0], [3.0, 4.0]]), x),
    "softmax": tf.nn.softmax,
    "split": lambda x: tf.concat(tf.split(x, 2)[::-1], 0) * x,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_products_match_the_jacobian(name):
    function = FUNCTIONS[name]
    x, v = tf.constant([1.5, -0.5]), tf.constant([0.3, 2.0])
    with tf.autodiff.ForwardAccumulator(x, v) as forward:
        y = function(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        z = function(x)
    np.testing.assert_allclose(forward.jvp(y), tape.jacobian(z, x).numpy() @ v.numpy(), rtol=1e-5)


def test_variables_and_unconnected():
    v = tf.Variable(2.0)
    with tf.autodiff.ForwardAccumulator(v, tf.constant(1.0)) as forward:
        y = v * v
    assert forward.jvp(y).numpy() == 4.0
    assert forward.jvp(tf.constant(1.0)) is None
    assert forward.jvp(tf.constant(1.0), "zero").numpy() == 0.0


def test_forward_over_backward():
    x, v = tf.constant([1.0, 2.0]), tf.constant([1.0, 1.0])
    with tf.autodiff.ForwardAccumulator(x, v) as forward:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(x**3)
        gradient = tape.gradient(y, x)
    np.testing.assert_allclose(forward.jvp(gradient), [6.0, 12.0])


def test_through_a_loop_of_a_traced_function():
    @tf.function
    def f(x):
        for _ in tf.range(3):
            x = tf.sin(x) * x
        return x

    x, direction = tf.constant([1.0, 0.5], tf.float64), tf.constant([1.0, 2.0], tf.float64)
    with tf.autodiff.ForwardAccumulator(x, direction) as forward:
        y = f(x)
    difference = (f(x + 1e-6 * direction) - f(x - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose(forward.jvp(y), difference, rtol=1e-6)
