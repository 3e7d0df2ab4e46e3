"""Values that several operations use, and that are long to compute, are kept by XLA instead of computed again."""

import re

import numpy as np
import pytest

import penstock as tf
from penstock.runtime import kept_values


def chain(x, length):
    for _ in range(length):
        x = tf.tanh(x) * 0.5
    return x


def used_twice(length, between=lambda y: y):
    """A function of a matrix that uses what a chain of operations makes of it for two products."""

    def function(x):
        y = between(chain(x, length))
        return tf.matmul(y, x), tf.matmul(x, y)

    return tf.function(function)


def kept_types(function, *arguments):
    graph = function.get_concrete_function(*arguments).graph
    kept = kept_values.find(graph.get_operations())
    return [each.type for each in graph.get_operations() if id(each.outputs[0]) in kept]


X = tf.constant(np.random.default_rng(0).standard_normal((3, 3)), tf.float32)


@pytest.mark.parametrize("length, expected", [(1, []), (10, []), (16, ["Mul"]), (40, ["Mul"])])
def test_the_end_of_a_long_chain_is_kept(length, expected):
    assert kept_types(used_twice(length), X) == expected


def test_a_chain_begins_anew_at_a_product():
    assert kept_types(used_twice(10, lambda y: chain(tf.matmul(y, y), 10)), X) == []


def test_a_value_with_one_use_is_not_kept():
    assert kept_types(tf.function(lambda x: tf.matmul(chain(x, 40), x)), X) == []


def test_the_mask_of_a_dropout_is_kept_for_the_gradient():
    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.nn.dropout(x, 0.5) ** 2)
        return tape.gradient(y, x)

    assert "GreaterEqual" in kept_types(gradient, X)


def test_results_are_those_without():
    function = used_twice(40)
    for value, expected in zip(function(X), function.python_function(X)):
        np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_an_unrolled_network_is_compiled_to_code_that_grows_with_its_length():
    weights = tf.constant(np.random.default_rng(1).standard_normal((16, 32)), tf.float32)

    def loss(weights, steps):
        state = hidden = tf.zeros([4, 8])
        for _ in range(steps):
            gates = tf.matmul(tf.concat([tf.ones([4, 8]), hidden], 1), weights)
            i, j, f, o = tf.split(gates, 4, 1)
            state = state * tf.sigmoid(f) + tf.sigmoid(i) * tf.tanh(j)
            hidden = tf.tanh(state) * tf.sigmoid(o)
        return tf.reduce_sum(hidden)

    def operations(steps):
        @tf.function
        def gradient(weights):
            return tf.gradients(loss(weights, steps), [weights])[0]

        return len(re.findall(" = ", gradient.experimental_get_compiler_ir(weights)(stage="optimized_hlo")))

    assert operations(24) < 2.4 * operations(12)
