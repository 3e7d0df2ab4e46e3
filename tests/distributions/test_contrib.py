"""`contrib.distributions`: densities and moments against SciPy's numbers or formulas, samples against moments."""

from __future__ import annotations

import math

import numpy as np
import pytest

import penstock as tf

ds = tf.compat.v1.contrib.distributions
LOC, DIAG = np.float32([1, -2, 0.5]), np.float32([0.5, 2, 1])
TRIL = np.float32([[1, 0, 0], [0.5, 2, 0], [-1, 0.3, 0.7]])
X = np.float32([[0, 0, 0], [1, -1, 2]])
LOGITS = np.log(np.float32([0.2, 0.5, 0.3]))


def _normal_log_density(x, mean, covariance):
    apart = x - mean
    _, log_determinant = np.linalg.slogdet(2 * math.pi * covariance)
    return -0.5 * (apart * np.linalg.solve(covariance, apart.T).T).sum(-1) - 0.5 * log_determinant


@pytest.mark.parametrize(
    ("make", "covariance"),
    [
        (lambda: ds.MultivariateNormalDiag(LOC, DIAG), np.diag(DIAG**2)),
        (lambda: ds.MultivariateNormalDiag(LOC, scale_identity_multiplier=2.0), 4 * np.eye(3)),
        (lambda: ds.MultivariateNormalDiag(LOC, DIAG, 1.0), np.diag((DIAG + 1) ** 2)),
        (lambda: ds.MultivariateNormalDiag(LOC), np.eye(3)),
        (
            lambda: ds.MultivariateNormalDiagWithSoftplusScale(LOC, ds.softplus_inverse(DIAG)),
            np.diag(DIAG**2),
        ),
        (lambda: ds.MultivariateNormalTriL(LOC, TRIL), TRIL @ TRIL.T),
    ],
)
def test_normal_vectors(make, covariance):
    normal = make()
    np.testing.assert_allclose(normal.log_prob(X), _normal_log_density(X, LOC, covariance), rtol=1e-4)
    np.testing.assert_allclose(normal.covariance(), covariance, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(normal.stddev(), np.sqrt(np.diag(covariance)), rtol=1e-5)
    entropy = 0.5 * np.linalg.slogdet(2 * math.pi * math.e * covariance)[1]
    np.testing.assert_allclose(normal.entropy(), entropy, rtol=1e-5)
    drawn = normal.sample(20000, seed=1).numpy()
    np.testing.assert_allclose(drawn.mean(0), LOC, atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.35)
    assert (
        normal.event_shape == [3]
        and normal.batch_shape == []
        and normal.copy(validate_args=True).event_shape == [3]
    )


def test_batches_of_normal_vectors_and_their_divergence():
    a, b = ds.MultivariateNormalDiag(X, DIAG), ds.MultivariateNormalDiag(LOC, 2 * DIAG)
    assert a.batch_shape == [2] and a.sample(5).shape == [5, 2, 3]
    expected = 0.5 * (((X - LOC) / (2 * DIAG)) ** 2 + 0.25 - 1 - math.log(0.25)).sum(-1)
    np.testing.assert_allclose(ds.kl_divergence(a, b), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="`loc` or `scale_diag`"):
        ds.MultivariateNormalDiag(scale_identity_multiplier=1.0)


def test_classes_as_vectors():
    hot = ds.OneHotCategorical(logits=LOGITS)
    np.testing.assert_allclose(hot.log_prob(np.eye(3, dtype=np.int32)), LOGITS, rtol=1e-5)
    drawn = hot.sample(5000, seed=1).numpy()
    assert (drawn.sum(-1) == 1).all()
    np.testing.assert_allclose(drawn.mean(0), np.exp(LOGITS), atol=0.03)
    np.testing.assert_allclose(hot.entropy(), -(np.exp(LOGITS) * LOGITS).sum(), rtol=1e-5)
    assert hot.mode().numpy().tolist() == [0, 1, 0]
    np.testing.assert_allclose(
        hot.kl_divergence(ds.OneHotCategorical(probs=[1 / 3] * 3)), math.log(3) - hot.entropy(), rtol=1e-4
    )


def test_smooth_classes_have_gradients_and_integrate_to_one():
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        drawn = ds.RelaxedOneHotCategorical(0.5, logits=logits).sample(7, seed=1)
        total = tf.reduce_sum(drawn[:, 0])
    np.testing.assert_allclose(tf.reduce_sum(drawn, -1), 1, rtol=1e-5)
    assert np.any(tape.gradient(total, logits))
    middle = (np.arange(2000, dtype=np.float32) + 0.5) / 2000
    pairs = np.stack([middle, 1 - middle], -1)
    two = ds.RelaxedOneHotCategorical(0.7, logits=LOGITS[:2])
    np.testing.assert_allclose(tf.reduce_mean(two.prob(pairs)), 1, rtol=1e-2)
    one = ds.RelaxedBernoulli(0.7, logits=LOGITS[0] - LOGITS[1])
    np.testing.assert_allclose(one.log_prob(middle), two.log_prob(pairs), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.mean(one.sample(4000, seed=1).numpy() > 0.5), one.probs, atol=0.03)


def test_poisson():
    poisson = ds.Poisson([0.5, 4.0])
    counts = np.arange(60, dtype=np.float32)[:, None]
    chances = poisson.prob(counts).numpy()
    np.testing.assert_allclose(chances.sum(0), 1, rtol=1e-5)
    np.testing.assert_allclose((counts * chances).sum(0), poisson.mean(), rtol=1e-5)
    np.testing.assert_allclose(poisson.cdf(counts)[:10], chances.cumsum(0)[:10], rtol=1e-4)
    np.testing.assert_allclose(poisson.sample(5000, seed=1).numpy().mean(0), [0.5, 4], rtol=0.1)
    np.testing.assert_allclose(
        ds.Poisson(log_rate=math.log(4.0)).log_prob(2.0), np.log(chances[2, 1]), rtol=1e-5
    )
    with pytest.raises(ValueError, match="exactly one"):
        ds.Poisson()


def test_geometric():
    geometric = ds.Geometric(probs=0.3)
    counts = np.arange(100, dtype=np.float32)
    chances = geometric.prob(counts).numpy()
    np.testing.assert_allclose(chances[:3], [0.3, 0.21, 0.147], rtol=1e-5)
    np.testing.assert_allclose([(counts * chances).sum(), chances.sum()], [geometric.mean(), 1], rtol=1e-4)
    np.testing.assert_allclose(geometric.cdf(counts), chances.cumsum(), rtol=1e-4)
    np.testing.assert_allclose(geometric.entropy(), -(chances * np.log(chances)).sum(), rtol=1e-3)
    np.testing.assert_allclose(geometric.sample(5000, seed=1).numpy().var(), geometric.variance(), rtol=0.15)


def test_logistic_and_softplus_scales():
    logistic = ds.Logistic(1.0, 2.0)
    np.testing.assert_allclose(logistic.cdf(logistic.quantile([0.1, 0.9])), [0.1, 0.9], rtol=1e-5)
    step = 1e-2
    slope = (logistic.cdf(3.0 + step) - logistic.cdf(3.0 - step)) / (2 * step)
    np.testing.assert_allclose(logistic.prob(3.0), slope, rtol=1e-3)
    np.testing.assert_allclose(logistic.sample(20000, seed=1).numpy().std(), logistic.stddev(), rtol=0.05)
    np.testing.assert_allclose(
        ds.NormalWithSoftplusScale(0.0, ds.softplus_inverse(3.0)).stddev(), 3, rtol=1e-5
    )
