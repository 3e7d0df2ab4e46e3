import numpy as np
import pytest

import penstock as tf


@tf.custom_gradient
def clipped(x):
    return tf.identity(x), lambda dy: tf.clip_by_value(dy, -1.0, 1.0)


def _in_function(function):
    return tf.function(function)


def _plain(function):
    return function


@pytest.mark.parametrize("wrap", [_plain, _in_function])
def test_the_given_gradient_is_used(wrap):
    x = tf.constant(2.0)
    call = wrap(lambda x: clipped(x) * 5.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = call(x)
    assert y.numpy() == 10.0
    assert tape.gradient(y, x).numpy() == 1.0


def test_inside_a_traced_training_step():
    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = clipped(x * 2.0) * 5.0
        return tape.gradient(y, x)

    assert step(tf.constant(1.0)).numpy() == 2.0


def test_tensors_of_the_forward_pass_may_be_used():
    @tf.custom_gradient
    def log1pexp(x):
        e = tf.exp(x)
        return tf.math.log(1 + e), lambda dy: dy * (1 - 1 / (1 + e))

    inner = tf.function(log1pexp)
    outer = tf.function(lambda x: inner(x) * 2.0)  # the inner graph is copied into the outer one
    x = tf.constant(100.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = outer(x)
    assert tape.gradient(y, x).numpy() == 2.0


def test_variables():
    v = tf.Variable(3.0)

    @tf.custom_gradient
    def scaled(x):
        y = x * v

        def grad(dy, variables=None):
            assert [each is v for each in variables] == [True]
            return dy * 10.0, [dy * 20.0]

        return y, grad

    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = scaled(x)
    assert [g.numpy() for g in tape.gradient(y, [x, v])] == [10.0, 20.0]


def test_variables_need_the_argument():
    v = tf.Variable(3.0)

    @tf.custom_gradient
    def scaled(x):
        return x * v, lambda dy: dy

    with pytest.raises(TypeError, match="variables"):
        scaled(tf.constant(1.0))


def test_several_arguments_and_results():
    @tf.custom_gradient
    def swap(a, b):
        return (b * 1.0, a * 1.0), lambda db, da: (da * 2.0, db * 3.0)

    a, b = tf.constant(1.0), tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        first, second = swap(a, b)
        y = first * 5.0 + second * 7.0
    assert [g.numpy() for g in tape.gradient(y, [a, b])] == [14.0, 15.0]


def test_second_order():
    @tf.custom_gradient
    def cube(x):
        return x**3, lambda dy: dy * 3.0 * x**2

    x = tf.constant(2.0)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = cube(x)
        first = inner.gradient(y, x)
    assert outer.gradient(first, x).numpy() == 12.0


@pytest.mark.parametrize("wrap", [_plain, _in_function])
def test_recompute_grad(wrap):
    v = tf.Variable([1.0, 2.0])
    x = tf.constant([3.0, 4.0])
    block = tf.recompute_grad(lambda x: tf.reduce_sum(tf.exp(x * v)))
    call = wrap(lambda x: block(x))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = call(x)
    dx, dv = tape.gradient(y, [x, v])
    np.testing.assert_allclose(dx, v.numpy() * np.exp(x.numpy() * v.numpy()), rtol=1e-5)
    np.testing.assert_allclose(dv, x.numpy() * np.exp(x.numpy() * v.numpy()), rtol=1e-5)


def test_overrides_hold_where_the_op_was_added():
    """In branches and loops too, and wherever the gradient is taken."""
    v1 = tf.compat.v1
    tf.RegisterGradient("TimesEleven")(lambda op, grad: grad * 11.0)

    with tf.Graph().as_default() as graph, v1.Session() as session:
        x, chosen = tf.constant([2.0]), v1.placeholder(tf.bool, [])

        def eleven(value):
            with v1.get_default_graph().gradient_override_map({"Identity": "TimesEleven"}):
                return tf.identity(value)

        branch = tf.cond(chosen, lambda: eleven(x) * 3.0, lambda: x * 5.0)
        with graph.gradient_override_map({"Identity": "TimesEleven", "PyFunc": "TimesEleven"}):
            around = tf.cond(chosen, lambda: tf.identity(x), lambda: x * 5.0)
            host = v1.py_func(lambda value: np.sign(value), [x], tf.float32)
        _, loop = v1.while_loop(lambda i, _: i < 2, lambda i, v: (i + 1, eleven(v)), (0, x))
        gradients = [tf.gradients(y, x)[0] for y in (eleven(x), branch, around, host, loop)]
        found = session.run(gradients, {chosen: True})
        assert [float(each[0]) for each in found] == [11, 33, 11, 11, 121]
        assert session.run(gradients[1], {chosen: False}) == [5]


def test_registered_gradients_override():
    @tf.RegisterGradient("TimesSeven")
    def _(op, grad):
        return grad * 7.0

    with tf.Graph().as_default() as graph:
        x = tf.constant(2.0)
        with graph.gradient_override_map({"Square": "TimesSeven"}):
            y = tf.square(x)
            (dx,) = tf.gradients(y, x)
        with tf.compat.v1.Session() as session:
            assert session.run(dx) == 7.0


def test_recompute_grad_of_a_variable():
    v = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = tf.recompute_grad(lambda x: x**2)(v)
    assert tape.gradient(y, v).numpy() == 6.0


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "function"])
def test_a_variable_as_an_argument_gets_the_gradient(wrap):
    v = tf.Variable(3.0)

    @tf.custom_gradient
    def square(x):
        return x * x, lambda dy: dy * 10.0

    @wrap
    def gradient():
        with tf.GradientTape() as tape:
            y = square(v)
        return y, tape.gradient(y, v)

    assert [each.numpy() for each in gradient()] == [9.0, 10.0]
