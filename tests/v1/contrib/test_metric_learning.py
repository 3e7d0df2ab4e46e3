"""Losses of embeddings, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

losses = tf.compat.v1.contrib.losses.metric_learning
RNG = np.random.RandomState(0)
X, LABELS = RNG.randn(8, 3).astype(np.float32), np.array([0, 1, 0, 2, 1, 0, 2, 1])
D = np.linalg.norm(X[:, None] - X[None], axis=-1)
SAME = LABELS[:, None] == LABELS[None]


def _pairs():
    return [(i, j) for i in range(8) for j in range(8) if i != j and SAME[i, j]]


def test_distances_have_gradients_at_zero():
    np.testing.assert_allclose(losses.pairwise_distance(X), D, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(losses.pairwise_distance(X, squared=True), D**2, rtol=1e-4, atol=1e-4)
    x = tf.constant([[1.0, 2.0], [1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(losses.pairwise_distance(x))
    assert np.isfinite(tape.gradient(total, x)).all()


def test_contrastive_loss():
    together = np.array([1, 0, 1, 0])
    d = np.linalg.norm(X[:4] - X[4:], axis=1)
    expected = np.where(together == 1, d**2, np.maximum(2.0 - d, 0) ** 2).mean()
    np.testing.assert_allclose(losses.contrastive_loss(together, X[:4], X[4:], 2.0), expected, rtol=1e-5)


@pytest.mark.parametrize("margin", [0.5, 3.0])
def test_triplets_take_the_semi_hard_negative(margin):
    total = 0.0
    for a, p in _pairs():
        negatives = D[a][~SAME[a]] ** 2
        farther = negatives[negatives > D[a, p] ** 2]
        total += max(margin + D[a, p] ** 2 - (farther.min() if farther.size else negatives.max()), 0)
    found = losses.triplet_semihard_loss(LABELS, X, margin)
    np.testing.assert_allclose(found, total / len(_pairs()), rtol=1e-4)


def test_lifted_structure():
    total = 0.0
    for i, j in _pairs():
        near = np.exp(1 - D[i][~SAME[i]]).sum() + np.exp(1 - D[j][~SAME[j]]).sum()
        total += max(np.log(near) + D[i, j], 0) ** 2
    expected = 0.25 * total / (len(_pairs()) / 2)
    np.testing.assert_allclose(losses.lifted_struct_loss(LABELS, X), expected, rtol=1e-4)


def test_n_pairs():
    anchors, positives, labels = X[:4], X[4:], np.array([0, 1, 2, 1])
    logits = anchors @ positives.T
    chances = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    targets = (labels[:, None] == labels) / (labels[:, None] == labels).sum(1, keepdims=True)
    penalty = 0.25 * 0.01 * ((anchors**2).sum(1).mean() + (positives**2).sum(1).mean())
    found = losses.npairs_loss(labels, anchors, positives, 0.01)
    np.testing.assert_allclose(found, penalty - (targets * chances).sum(1).mean(), rtol=1e-5)
