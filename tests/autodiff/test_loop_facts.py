import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1


def _body_of(graph, which=0):
    return [each for each in graph.get_operations() if each.type == "While"][which].attrs["body"]


def _pushed(body):
    """Types of the operations whose values of all iterations are kept."""
    pushes = [each for each in body.get_operations() if each.type == "TensorListPushBack"]
    return [each.inputs[1].op.type for each in pushes]


def test_a_variable_read_in_a_loop_is_not_kept_for_each_iteration():
    with tf.Graph().as_default() as graph:
        w = v1.Variable([[2.0]])
        _, y = tf.while_loop(
            lambda i, y: i < 3, lambda i, y: (i + 1, tf.matmul(y, w)), [0, tf.constant([[1.0]])]
        )
        gradient = tf.gradients(y, w)[0]
        assert "ReadVariableOp" not in _pushed(_body_of(graph))
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            assert session.run(gradient).item() == 12.0


def test_a_variable_that_the_loop_assigns_is_kept():
    w = tf.Variable(2.0)

    @tf.function
    def f(x):
        for _ in tf.range(3):
            x = x * w
            w.assign(w + 1.0)
        return x

    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    assert tape.gradient(y, x).numpy() == 2.0 * 3.0 * 4.0


@pytest.mark.parametrize("places, expected", [([0, 1, 2], [1.0, 1.0, 1.0]), ([0, 0, 0], [0.0, 0.0, 1.0])])
def test_only_the_last_write_of_an_element_has_a_gradient(places, expected):
    with tf.Graph().as_default():
        x, at = tf.constant([1.0, 2.0, 3.0]), tf.constant(places)

        def step(i, array):
            return i + 1, array.write(at[i], x[i] * x[i])

        array = tf.TensorArray(tf.float32, 3, element_shape=[])
        _, array = tf.while_loop(lambda i, _: i < 3, step, [0, array])
        gradient = tf.gradients(tf.reduce_sum(array.stack()), x)[0]
        with v1.Session() as session:
            np.testing.assert_allclose(session.run(gradient), 2 * np.array([1.0, 2.0, 3.0]) * expected)


def test_writing_at_the_counter_does_not_clear_the_cotangent():
    with tf.Graph().as_default() as graph:
        x = tf.constant([1.0, 2.0, 3.0])
        array = tf.TensorArray(tf.float32, 3, element_shape=[])
        _, array = tf.while_loop(lambda i, _: i < 3, lambda i, a: (i + 1, a.write(i, x[i] ** 2)), [0, array])
        gradient = tf.gradients(tf.reduce_sum(array.stack()), x)[0]
        backward = [each.type for each in _body_of(graph, 1).get_operations()]
        assert "TensorListSetItem" not in backward
        with v1.Session() as session:
            assert session.run(gradient).tolist() == [2.0, 4.0, 6.0]
