"""`contrib.nn`, `contrib.sparsemax` and `contrib.resampler`, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

contrib = tf.compat.v1.contrib
Z = np.random.RandomState(0).randn(6, 5).astype(np.float32)


def test_alpha_dropout_keeps_mean_and_variance():
    x = tf.random.normal([200, 500], seed=1)
    made = contrib.nn.alpha_dropout(x, 0.7, seed=2).numpy()
    assert abs(made.mean()) < 0.02 and abs(made.std() - 1) < 0.02
    np.testing.assert_allclose(contrib.nn.alpha_dropout(Z, 1.0), Z, rtol=1e-5)
    with pytest.raises(ValueError, match=r"range \(0, 1\]"):
        contrib.nn.alpha_dropout(Z, 0.0)


def test_scaled_softplus():
    np.testing.assert_allclose(
        contrib.nn.scaled_softplus(Z, 0.5), 0.5 * np.log1p(np.exp(Z / 0.5)), rtol=1e-4, atol=1e-6
    )
    assert np.max(contrib.nn.scaled_softplus(Z, 0.5, clip=0.3)) <= np.float32(0.3)


def test_sparsemax_is_the_nearest_distribution():
    found = contrib.sparsemax.sparsemax(3 * Z).numpy()
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    assert (found >= 0).all() and (found == 0).any()
    for other in np.random.RandomState(1).dirichlet(np.ones(5), 200):
        assert (((3 * Z - found) ** 2).sum(1) <= ((3 * Z - other) ** 2).sum(1) + 1e-4).all()


def test_the_gradient_of_the_sparsemax_loss():
    logits, labels = tf.constant(3 * Z), np.eye(5, dtype=np.float32)[[0, 1, 2, 3, 4, 0]]
    chosen = contrib.sparsemax.sparsemax(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = contrib.sparsemax.sparsemax_loss(logits, contrib.sparsemax.sparsemax(logits), labels)
    np.testing.assert_allclose(tape.gradient(loss, logits), chosen - labels, atol=1e-4)
    assert (loss.numpy() > -1e-5).all()
    equal = contrib.sparsemax.sparsemax_loss(logits, chosen, chosen)
    np.testing.assert_allclose(equal, 0, atol=1e-4)


def test_resampling_lies_between_pixels():
    data = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
    warp = np.float32([[[1, 2], [0.5, 0], [1.25, 1.5], [-0.5, 0], [9, 9]]])
    found = contrib.resampler.resampler(data, warp).numpy()[0, :, 0]
    np.testing.assert_allclose(found, [9, 0.5, 1.25 + 6, 0, 0])
