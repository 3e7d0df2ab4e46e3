"""Programs that build a graph through placeholders, and never turned eager mode off."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1


@pytest.fixture(autouse=True)
def default_graph():
    v1.reset_default_graph()
    yield
    v1.reset_default_graph()


def test_layers_share_by_name_and_train():
    x = v1.placeholder(tf.float32, [None, 2])

    def network(training):
        with v1.variable_scope("net", reuse=v1.AUTO_REUSE):
            hidden = v1.layers.batch_normalization(
                v1.layers.dense(x, 4, name="h"), training=training, name="bn"
            )
            return v1.layers.dense(hidden, 1, name="o")

    loss, predicted = tf.reduce_mean(tf.square(network(True) - 1.0)), network(False)
    updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    with tf.control_dependencies(updates):
        step = v1.train.AdamOptimizer(0.05).minimize(loss)
    assert [each.name for each in v1.trainable_variables("net/h")] == ["net/h/kernel:0", "net/h/bias:0"]
    mean = next(each for each in v1.global_variables() if "moving_mean" in each.name)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        feeds = {x: [[1.0, 2.0], [3.0, -1.0]]}
        first = session.run(loss, feeds)
        for _ in range(50):
            session.run(step, feeds)
        assert session.run(loss, feeds) < first / 2
        assert session.run(predicted, feeds).shape == (2, 1)
        assert session.run(mean).any()


def test_get_variable_shares_what_the_graph_uses():
    x = v1.placeholder(tf.float32, [None, 2])
    with v1.variable_scope("a", reuse=v1.AUTO_REUSE):
        first = v1.get_variable("v", [2, 1])
        y = tf.matmul(x, first)
        assert v1.get_variable("v", [2, 1]) is first
        unused = v1.get_variable("unused", [2])
        assert v1.get_variable("unused", [2]) is not unused  # as in TensorFlow's eager mode
    assert y.name == "a/MatMul:0"


def test_the_graph_keeps_the_variables_that_it_uses():
    x = v1.placeholder(tf.float32, [])
    y = x * tf.Variable(3.0, name="kept")
    assert [each.name for each in v1.global_variables("kept")] == ["kept:0"]
    with v1.Session() as session:
        assert session.run(y, {x: 2.0}) == 6.0


def test_a_name_scope_names_nodes_of_the_graph():
    x = v1.placeholder(tf.float32, [])
    with tf.name_scope("scope"):
        assert (x + 1.0).name == "scope/add:0"


def test_a_loop_whose_condition_depends_on_a_placeholder():
    limit = v1.placeholder(tf.int32, [])
    total = tf.while_loop(
        lambda i, s: i < limit, lambda i, s: (i + 1, s + i), (tf.constant(0), tf.constant(0))
    )[1]
    with v1.Session() as session:
        assert [session.run(total, {limit: each}) for each in (0, 4)] == [0, 6]


def test_recurrent_networks():
    sequences = v1.placeholder(tf.float32, [None, 5, 3])
    outputs, state = v1.nn.dynamic_rnn(v1.nn.rnn_cell.LSTMCell(4), sequences, dtype=tf.float32)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        found, last = session.run([outputs, state.h], {sequences: np.ones((2, 5, 3))})
    np.testing.assert_allclose(found[:, -1], last)


def test_an_operation_that_ran_eagerly_may_be_fetched():
    queue = tf.queue.FIFOQueue(3, [tf.float32], shapes=[[]])
    with v1.Session() as session:
        assert session.run(queue.enqueue(2.0)) is None
        assert session.run([queue.dequeue(), tf.no_op()]) == [2.0, None]
