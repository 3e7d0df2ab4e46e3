"""Threads that share variables: nobody reads a buffer that a program is about to write into, and no update is lost."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1


def together(*functions):
    """Runs functions in threads of their own; returns their errors."""
    errors = []

    def run(function):
        try:
            function()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(each,), daemon=True) for each in functions]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    return errors


@pytest.mark.parametrize("what", ["itself", "computed", "compiled"])
def test_variables_are_read_while_they_are_trained(what):
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", [200, 200])
        x = tf.random.stateless_uniform([200, 200], [1, 2])
        train = w.assign_add(tf.matmul(x, w) * 1e-6)
        read = {"itself": w, "computed": w + 0.0, "compiled": tf.reduce_sum(tf.matmul(w, w))}[what]
        session.run(v1.global_variables_initializer())
        session.run([train, read])

        def repeat(fetch):
            return lambda: [session.run(fetch) for _ in range(200)]

        assert together(repeat(train), repeat(read), repeat(read)) == []


def test_eager_reads_beside_a_training_function():
    w = tf.Variable(tf.ones([200, 200]))

    @tf.function
    def train():
        w.assign_add(tf.matmul(w, w) * 1e-9)

    train()
    assert together(lambda: [train() for _ in range(200)], lambda: [w.numpy() for _ in range(1000)]) == []


@pytest.mark.parametrize("eager", [True, False])
def test_no_update_is_lost(eager):
    count = tf.Variable(0)
    step = (lambda: count.assign_add(1)) if eager else tf.function(lambda: count.assign_add(1))
    step()
    errors = together(*[lambda: [step() for _ in range(500)] for _ in range(3)])
    assert errors == [] and count.numpy() == 1501


def test_updates_of_both_kinds():
    counts = tf.Variable(np.zeros(1000, np.float32))
    compiled = tf.function(lambda: counts.assign_add(tf.ones([1000])), jit_compile=True)
    compiled()
    errors = together(
        lambda: [compiled() for _ in range(300)],
        lambda: [counts.assign_add(tf.ones([1000])) for _ in range(300)],
    )
    assert errors == []
    np.testing.assert_array_equal(counts, np.full(1000, 601.0))
