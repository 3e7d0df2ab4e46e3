import numpy as np
import pytest

import penstock as tf


def _cond(x):
    return tf.cond(tf.reduce_sum(x) > 2.0, lambda: x * x * x, lambda: -tf.sin(x))


def _nested_cond(x):
    return tf.cond(x[0] > 0.0, lambda: tf.cond(x[1] > 0.0, lambda: x * x, lambda: x * 3.0), lambda: tf.exp(x))


def _switch(x):
    return tf.switch_case(tf.cast(x[0], tf.int32), [lambda: x * 2.0, lambda: x * x, lambda: tf.exp(x)])


def _power(x):
    return tf.while_loop(lambda i, a: i < 4, lambda i, a: (i + 1, a * x), (tf.constant(0), tf.ones_like(x)))[
        1
    ]


def _bounded(x):
    return tf.while_loop(
        lambda a: tf.reduce_sum(a) < 30.0, lambda a: (a * x * 1.5,), (x,), maximum_iterations=10
    )[0]


def _dynamic(x):
    return tf.while_loop(lambda a: tf.reduce_sum(a) < 30.0, lambda a: (a * x * 1.5,), (x,))[0]


def _loop_with_branch(x):
    def body(i, a):
        return i + 1, tf.cond(i % 2 == 0, lambda: a * x, lambda: a + tf.sin(x))

    return tf.while_loop(lambda i, a: i < 5, body, (tf.constant(0), x))[1]


def _nested_loops(x):
    def outer(i, a):
        inner = tf.while_loop(lambda j, b: j < 2, lambda j, b: (j + 1, b * x), (tf.constant(0), a))[1]
        return i + 1, inner + x

    return tf.while_loop(lambda i, a: i < 3, outer, (tf.constant(0), x))[1]


def _mapped(x):
    return tf.map_fn(lambda row: row * row * 2.0, x)


def _scanned(x):
    return tf.scan(lambda total, row: total * row + 1.0, x)


def _folded(x):
    return tf.foldl(lambda total, row: total * row + tf.sin(row), x)


def _array(x):
    array = tf.TensorArray(tf.float64, size=3)
    for i in tf.range(3):
        array = array.write(i, x * tf.cast(i, x.dtype))
    return array.stack() * x


def _vectorized(x):
    return tf.vectorized_map(lambda row: row * tf.reduce_sum(x) * row, x)


@pytest.mark.parametrize(
    "function",
    [
        _cond, _nested_cond, _switch, _power, _bounded, _dynamic, _loop_with_branch, _nested_loops, _mapped, _scanned,
        _folded, _array, _vectorized,
    ],
    ids=lambda f: f.__name__,
)  # fmt: skip
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_match_finite_differences(function, order):
    value = np.array([1.2, 1.7, 0.8])
    compiled = tf.function(lambda x: tf.reduce_sum(function(x) * tf.constant([1.0, 2.0, 0.5], tf.float64)))

    def scalar(x):
        if order == 1:
            return compiled(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = compiled(x)
        return tf.reduce_sum(tape.gradient(y, x) * tf.constant([0.7, -0.3, 1.1], tf.float64))

    x = tf.constant(value)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = scalar(x)
    found = tape.gradient(y, x).numpy()
    step = 1e-5
    expected = [
        (scalar(tf.constant(value + step * unit)).numpy() - scalar(tf.constant(value - step * unit)).numpy())
        / (2 * step)
        for unit in np.eye(3)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("function", [_cond, _power, _dynamic, _scanned], ids=lambda f: f.__name__)
def test_eager_and_traced_gradients_agree(function):
    x = tf.constant([1.2, 1.7, 0.8], tf.float64)
    found = []
    for call in (function, tf.function(function)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call(x)
        found.append(tf.convert_to_tensor(tape.gradient(y, x)).numpy())
    np.testing.assert_allclose(*found)


def test_a_gradient_inside_the_function_compiles_to_one_piece():
    from penstock.runtime.compiled_piece import CompiledPiece
    from penstock.runtime.executor import executor_of

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(_power(x))
        return tape.gradient(y, x)

    concrete = step.get_concrete_function(tf.TensorSpec([3], tf.float64))
    np.testing.assert_allclose(concrete(tf.constant([1.0, 2.0, 3.0], tf.float64)), [4.0, 32.0, 108.0])
    assert [type(each) for each in executor_of(concrete.graph).steps] == [CompiledPiece]


def test_variables_in_branches_and_loops():
    v = tf.Variable(3.0)

    @tf.function
    def f(x):
        def body(i, a):
            return i + 1, tf.cond(a > 0.0, lambda: a * v, lambda: a - v)

        return tf.while_loop(lambda i, a: i < 2, body, (tf.constant(0), x))[1]

    with tf.GradientTape() as tape:
        y = f(tf.constant(2.0))
    assert y.numpy() == 18.0
    assert tape.gradient(y, v).numpy() == 12.0


def test_random_numbers_in_a_branch_are_the_same_backward():
    @tf.function
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            noise = tf.cond(x[0] > 0.0, lambda: x * tf.random.uniform([3]), lambda: x)
        return noise / x, tape.gradient(noise, x)

    noise, gradient = f(tf.constant([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(noise, gradient, rtol=1e-6)
