"""Dropout and its gradient are what the same operations are without a kernel."""

from unittest import mock

import numpy as np
import pytest

import penstock as tf
from penstock.engine import native

pytestmark = pytest.mark.skipif(
    native.library() is None, reason="the native kernels could not be compiled here"
)


def both(x):
    """Dropout of a tensor, and the gradient of its square."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.experimental.stateless_dropout(x, rate=0.25, seed=[1, 2])
        total = tf.reduce_sum(y * y)
    return y, tape.gradient(total, x)


@pytest.mark.parametrize("shape, calls", [((3, 7, 1024), 2), ((130, 131), 2), ((5, 3), 0)])
def test_dropout(shape, calls):
    x = tf.constant(np.random.default_rng(0).standard_normal(shape), tf.float32)
    with mock.patch.object(native, "call", wraps=native.call) as call:
        ours = tf.function(both, jit_compile=True)(x)
    assert [each.args[0] for each in call.call_args_list].count("scale_kept") == calls
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs = tf.function(both, jit_compile=True)(x)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
        assert x.shape.num_elements() < 100 or 0.7 < np.mean(np.asarray(one) != 0) < 0.8


def test_what_is_not_chosen_may_be_nan():
    x = np.ones(1 << 15, np.float32)
    dropped = tf.function(both, jit_compile=True)(tf.constant(x))[0].numpy() == 0
    x[dropped] = np.nan
    assert np.isfinite(tf.function(both, jit_compile=True)(tf.constant(x))[0]).all()
