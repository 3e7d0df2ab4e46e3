"""`tf.compat.v1.distributions`: densities and moments beside scipy's, TensorFlow's samples, divergences."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

import penstock as tf

D = tf.compat.v1.distributions

# Ours, scipy's, values to look at.
CONTINUOUS = {
    "Normal": (D.Normal(1.0, 2.0), scipy.stats.norm(1, 2), [0.5, 3.0, -4.0]),
    "Laplace": (D.Laplace(1.0, 2.0), scipy.stats.laplace(1, 2), [0.5, 3.0]),
    "StudentT": (D.StudentT(3.0, 1.0, 2.0), scipy.stats.t(3, 1, 2), [0.5, 3.0]),
    "Uniform": (D.Uniform(1.0, 3.0), scipy.stats.uniform(1, 2), [0.5, 1.5]),
    "Gamma": (D.Gamma(2.0, 1.5), scipy.stats.gamma(2, scale=1 / 1.5), [0.5, 3.0]),
    "Exponential": (D.Exponential(1.5), scipy.stats.expon(scale=1 / 1.5), [0.5, 3.0]),
    "Beta": (D.Beta(2.0, 3.0), scipy.stats.beta(2, 3), [0.2, 0.9]),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_densities(name):
    ours, theirs, x = CONTINUOUS[name]
    np.testing.assert_allclose(ours.prob(x), theirs.pdf(x), rtol=1e-5)
    np.testing.assert_allclose(ours.cdf(x), theirs.cdf(x), rtol=1e-5)
    np.testing.assert_allclose(ours.survival_function(x), theirs.sf(x), rtol=1e-5, atol=1e-7)
    inside = theirs.pdf(x) > 0
    np.testing.assert_allclose(ours.log_prob(x)[inside], theirs.logpdf(x)[inside], rtol=1e-5)
    np.testing.assert_allclose(ours.log_cdf(x)[inside], theirs.logcdf(x)[inside], rtol=1e-5)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_moments(name):
    ours, theirs, _ = CONTINUOUS[name]
    np.testing.assert_allclose(ours.mean(), theirs.mean(), rtol=1e-5)
    np.testing.assert_allclose(ours.variance(), theirs.var(), rtol=1e-5)
    np.testing.assert_allclose(ours.stddev(), theirs.std(), rtol=1e-5)
    np.testing.assert_allclose(ours.entropy(), theirs.entropy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_samples_have_the_mean(name):
    ours, theirs, _ = CONTINUOUS[name]
    tf.random.set_seed(1)
    drawn = ours.sample(20000, seed=2).numpy()
    np.testing.assert_allclose(drawn.mean(), theirs.mean(), atol=6 * theirs.std() / np.sqrt(20000))


@pytest.mark.parametrize("name", ["Normal", "Exponential", "Uniform"])
def test_quantiles(name):
    ours, theirs, _ = CONTINUOUS[name]
    np.testing.assert_allclose(ours.quantile([0.1, 0.7]), theirs.ppf([0.1, 0.7]), rtol=1e-5)


@pytest.mark.parametrize("z", [-5.0, -12.0, -30.0])
def test_the_far_tail_of_the_normal_distribution(z):
    np.testing.assert_allclose(D.Normal(0.0, 1.0).log_cdf(z), scipy.stats.norm.logcdf(z), rtol=1e-5)


# Discrete distributions, and those of vectors.

PROBS = [0.2, 0.3, 0.5]


def test_a_coin():
    coin = D.Bernoulli(logits=np.log([0.3 / 0.7, 0.8 / 0.2]).astype(np.float32))
    np.testing.assert_allclose(coin.probs, [0.3, 0.8], rtol=1e-5)
    np.testing.assert_allclose(coin.prob([[0], [1]]), [[0.7, 0.2], [0.3, 0.8]], rtol=1e-5)
    np.testing.assert_allclose(coin.variance(), [0.21, 0.16], rtol=1e-5)
    np.testing.assert_allclose(coin.entropy(), scipy.stats.bernoulli([0.3, 0.8]).entropy(), rtol=1e-5)
    assert coin.mode().numpy().tolist() == [0, 1] and coin.dtype == tf.int32


def test_classes():
    classes = D.Categorical(probs=[PROBS, [0.1, 0.1, 0.8]])
    np.testing.assert_allclose(classes.prob([0, 2]), [0.2, 0.8], rtol=1e-5)
    np.testing.assert_allclose(classes.prob([[0], [2]]), [[0.2, 0.1], [0.5, 0.8]], rtol=1e-5)
    np.testing.assert_allclose(classes.cdf([2, 1]), [0.5, 0.1], rtol=1e-5)  # of the classes before
    assert classes.mode().numpy().tolist() == [2, 2] and classes.event_size == 3
    assert classes.sample([4, 5]).shape == [4, 5, 2] and classes.batch_shape == [2]


def test_counts():
    ours, theirs = D.Multinomial(4.0, probs=PROBS), scipy.stats.multinomial(4, PROBS)
    counts = [1.0, 1.0, 2.0]
    np.testing.assert_allclose(ours.log_prob(counts), theirs.logpmf(counts), rtol=1e-5)
    np.testing.assert_allclose(ours.mean(), theirs.mean(), rtol=1e-5)
    np.testing.assert_allclose(ours.covariance(), theirs.cov(), rtol=1e-5)
    drawn = D.Multinomial([2.0, 5.0], probs=PROBS).sample(7, seed=1).numpy()
    assert drawn.shape == (7, 2, 3)
    np.testing.assert_array_equal(drawn.sum(-1), np.tile([2.0, 5.0], (7, 1)))


def test_probabilities_of_classes():
    alpha, x = [2.0, 3.0, 0.5], [0.2, 0.3, 0.5]
    ours, theirs = D.Dirichlet(alpha), scipy.stats.dirichlet(alpha)
    np.testing.assert_allclose(ours.log_prob(x), theirs.logpdf(x), rtol=1e-5)
    np.testing.assert_allclose(ours.mean(), theirs.mean(), rtol=1e-5)
    np.testing.assert_allclose(ours.variance(), theirs.var(), rtol=1e-5)
    np.testing.assert_allclose(ours.covariance(), theirs.cov(), rtol=1e-5)
    np.testing.assert_allclose(ours.entropy(), theirs.entropy(), rtol=1e-5)
    assert ours.event_shape == [3] and ours.batch_shape == []


def test_counts_with_drawn_probabilities():
    alpha, counts = [2.0, 3.0, 0.5], [1.0, 1.0, 2.0]
    ours, theirs = D.DirichletMultinomial(4.0, alpha), scipy.stats.dirichlet_multinomial(alpha, 4)
    np.testing.assert_allclose(ours.log_prob(counts), theirs.logpmf([1, 1, 2]), rtol=1e-5)
    np.testing.assert_allclose(ours.mean(), theirs.mean(), rtol=1e-5)
    np.testing.assert_allclose(ours.covariance(), theirs.cov(), rtol=1e-4)
    np.testing.assert_array_equal(ours.sample(5).numpy().sum(-1), [4.0] * 5)


# TensorFlow's samples with the seeds 1 (global) and 5.

SAMPLES = {
    "Normal": (lambda: D.Normal([0.0, 1.0], 2.0), [0.67389, 4.54952, 2.83767, 0.89029]),
    "Laplace": (lambda: D.Laplace([0.0, 1.0], 2.0), [-1.87701, -4.63612, -0.6298, -0.33769]),
    "StudentT": (lambda: D.StudentT([3.0, 1.5], 1.0, [2.0, -1.0]), [4.55912, -0.48075, 4.65057, 1.35735]),
    "Uniform": (lambda: D.Uniform([0.0, 1.0], 3.0), [0.58682, 1.05972, 1.09479, 1.5123]),
    "Gamma": (lambda: D.Gamma([2.0, 0.5], 1.5), [2.12551, 0.00305, 2.41941, 0.78568]),
    "Exponential": (lambda: D.Exponential([2.0, 0.5]), [0.81583, 7.02241, 0.50402, 2.72398]),
    "Beta": (lambda: D.Beta([2.0, 0.5], 3.0), [0.66075, 0.00114, 0.3105, 0.41422]),
    "Bernoulli": (lambda: D.Bernoulli(probs=[0.3, 0.8]), [1.0, 1.0, 0.0, 1.0]),
    "Categorical": (lambda: D.Categorical(probs=[PROBS, [0.1, 0.1, 0.8]]), [2.0, 2.0, 2.0, 2.0]),
    "Dirichlet": (
        lambda: D.Dirichlet([[2.0, 3.0, 0.5], [2.0, 2.0, 2.0]]),
        [0.46381, 0.48929, 0.0469, 0.50168],
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_tensorflows(name):
    make, expected = SAMPLES[name]
    tf.random.set_seed(1)
    np.testing.assert_allclose(make().sample([2, 3], seed=5).numpy().reshape(-1)[:4], expected, atol=2e-5)


# What all share.


def test_shapes():
    normal = D.Normal(tf.zeros([4, 1]), tf.ones([3]))
    assert normal.batch_shape == [4, 3] and normal.event_shape == []
    assert normal.batch_shape_tensor().numpy().tolist() == [4, 3]
    assert normal.event_shape_tensor().numpy().tolist() == []
    assert normal.sample([2, 5]).shape == [2, 5, 4, 3]
    assert normal.is_scalar_event() and not normal.is_scalar_batch()
    assert {key: value.as_list() for key, value in D.Normal.param_static_shapes([7]).items()} == {
        "loc": [7],
        "scale": [7],
    }


def test_static_shapes_of_samples_in_graphs():
    with tf.Graph().as_default():
        assert D.Dirichlet(tf.ones([4, 3])).sample([2]).shape == [2, 4, 3]


def test_copies():
    copy = D.Normal(1.0, 2.0, name="n").copy(scale=3.0)
    assert (copy.loc, copy.scale, copy.name) == (1.0, 3.0, "n")
    assert D.Exponential(2.0).copy().rate == 2.0 and D.StudentT(3.0, 0.0, 1.0).copy(df=4.0).df == 4.0


def test_gradients_flow_through_samples():
    loc = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        drawn = D.Normal(loc, 1.0).sample([3])
    np.testing.assert_allclose(tape.gradient(drawn, loc), 3.0)
    assert D.Normal(0.0, 1.0).reparameterization_type is D.FULLY_REPARAMETERIZED
    assert D.Bernoulli(0.0).reparameterization_type is D.NOT_REPARAMETERIZED


def test_moments_that_do_not_exist():
    assert np.isnan(D.StudentT(1.0, 0.0, 1.0).mean()) and np.isinf(D.StudentT(1.5, 0.0, 1.0).variance())
    assert np.isnan(D.Beta(0.5, 0.5).mode())
    with pytest.raises(tf.errors.InvalidArgumentError, match="mean not defined"):
        D.StudentT(1.0, 0.0, 1.0, allow_nan_stats=False).mean()


def test_parameters_are_checked_where_asked_for():
    D.Normal(0.0, -1.0)
    with pytest.raises(tf.errors.InvalidArgumentError):
        D.Normal(0.0, -1.0, validate_args=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="low >= high"):
        D.Uniform(2.0, 1.0, validate_args=True)


def test_logits_or_probs():
    for arguments in ({}, {"logits": 0.0, "probs": 0.5}):
        with pytest.raises(ValueError, match="not both"):
            D.Bernoulli(**arguments)


def test_a_quantity_that_nobody_knows():
    with pytest.raises(NotImplementedError, match="quantile is not implemented: Gamma"):
        D.Gamma(1.0, 1.0).quantile(0.5)
    with pytest.raises(NotImplementedError, match="param_shapes"):
        D.Categorical.param_shapes([2])


# Divergences.

PAIRS = {
    "Normal": (D.Normal(0.0, 1.0), D.Normal(1.0, 2.0)),
    "Gamma": (D.Gamma(2.0, 1.5), D.Gamma(3.0, 1.0)),
    "Beta": (D.Beta(2.0, 3.0), D.Beta(1.0, 2.0)),
    "Bernoulli": (D.Bernoulli(probs=0.3), D.Bernoulli(probs=0.6)),
    "Categorical": (D.Categorical(probs=PROBS), D.Categorical(probs=[0.1, 0.1, 0.8])),
    "Dirichlet": (D.Dirichlet([2.0, 3.0, 1.0]), D.Dirichlet([1.0, 1.0, 2.0])),
}


@pytest.mark.parametrize("name", PAIRS)
def test_divergences_are_expectations(name):
    a, b = PAIRS[name]
    tf.random.set_seed(3)
    x = a.sample(40000, seed=4)
    ratios = (a.log_prob(x) - b.log_prob(x)).numpy()
    error = 6 * ratios.std() / np.sqrt(len(ratios))
    np.testing.assert_allclose(D.kl_divergence(a, b), ratios.mean(), atol=error)
    np.testing.assert_allclose(D.kl_divergence(a, a), 0.0, atol=1e-6)
    np.testing.assert_allclose(a.cross_entropy(b), a.entropy() + D.kl_divergence(a, b), rtol=1e-5)


def test_a_divergence_of_ones_own():
    class Mine(D.Normal):
        pass

    assert D.kl_divergence(Mine(0.0, 1.0), D.Normal(1.0, 1.0)) == 0.5  # that of the base

    @D.RegisterKL(Mine, D.Laplace)
    def divergence(a, b, name=None):
        return tf.constant(7.0)

    assert D.kl_divergence(Mine(0.0, 1.0), D.Laplace(0.0, 1.0)) == 7.0
    with pytest.raises(ValueError, match="already been registered"):
        D.RegisterKL(Mine, D.Laplace)(divergence)
    with pytest.raises(NotImplementedError, match="registered for"):
        D.kl_divergence(D.Laplace(0.0, 1.0), D.Normal(0.0, 1.0))
