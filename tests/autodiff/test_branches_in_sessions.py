"""Gradients of branches that depend on what a session is fed."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.runtime.compiled_piece import CompiledPiece

v1 = tf.compat.v1


@pytest.mark.parametrize("through_host", [False, True])
def test_branches_on_batches_of_unknown_size(through_host):
    """What a branch that was not taken would have computed has no shape, and no part in the gradient."""
    with tf.Graph().as_default(), v1.Session() as session:
        x, chosen = v1.placeholder(tf.float32, [None, 2]), v1.placeholder(tf.bool, [])
        outer, inner = tf.constant([[1.0], [2.0]]), tf.constant([[1.0, 2.0], [3.0, 4.0]])

        def network(scale):
            hidden = tf.nn.relu(tf.matmul(x, inner)) * scale
            if through_host:
                hidden = hidden * tf.strings.to_number(tf.constant("1"))
            return tf.matmul(hidden, outer)

        y = tf.cond(chosen, lambda: network(1.0), lambda: network(3.0))
        gradient = tf.gradients(y, inner)[0]
        for choice, scale in ((True, 1.0), (False, 3.0)):
            found = session.run(gradient, {x: [[1.0, 2.0]], chosen: choice})
            np.testing.assert_allclose(found, scale * np.array([[1.0, 2.0], [2.0, 4.0]]))


def test_a_branch_and_its_gradient_compile():
    with tf.Graph().as_default(), v1.Session() as session:
        x, chosen = v1.placeholder(tf.float32, [None]), v1.placeholder(tf.bool, [])
        y = tf.cond(chosen, lambda: tf.exp(x) * x, lambda: tf.sin(x) * x)
        gradient = tf.gradients(y, x)[0]
        session.run(gradient, {x: [1.0], chosen: True})
        (plan,) = session._plans.values()
        assert [type(step) for step in plan.executor.steps] == [CompiledPiece]
