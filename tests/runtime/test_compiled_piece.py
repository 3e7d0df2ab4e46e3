"""Compiled pieces: how calls of one program follow each other."""

from unittest import mock

import numpy as np
import pytest

import penstock as tf
from penstock.engine.xla import jax
from penstock.runtime import compiled_piece


@pytest.mark.parametrize("limit, waits", [(0, 1), (2**40, 0)])
def test_a_large_program_waits_for_its_last_call(limit, waits, monkeypatch):
    monkeypatch.setattr(compiled_piece, "_MANY_BYTES", limit)
    monkeypatch.setattr("penstock.runtime.executor._NUMPY_CALL", 1e6)  # compile it
    total = tf.Variable(tf.zeros([8, 8]))

    @tf.function
    def step(x):
        total.assign_add(x @ x)

    x = tf.constant(np.eye(8, dtype=np.float32))
    step(x)
    with mock.patch.object(jax, "block_until_ready", wraps=jax.block_until_ready) as wait:
        step(x)
    assert wait.call_count == waits
    np.testing.assert_array_equal(total, 2 * np.eye(8))


def test_a_large_value_that_is_only_read_is_handed_to_xla_once():
    weights = tf.Variable(np.ones((200, 300), np.float32))
    times = tf.function(lambda x: tf.matmul(x, weights))
    x = np.ones((50, 200), np.float32)
    np.testing.assert_array_equal(times(x), np.full((50, 300), 200.0))
    kept = weights.handle._np.value
    assert not isinstance(kept, np.ndarray)
    times(x)
    assert weights.handle._np.value is kept
    weights.assign(weights * 2.0)
    np.testing.assert_array_equal(times(x), np.full((50, 300), 400.0))
