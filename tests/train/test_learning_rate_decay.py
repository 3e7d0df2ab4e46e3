import math

import pytest

import penstock as tf

v1 = tf.compat.v1
train = v1.train


def _cosine(fraction):
    return 0.5 * (1 + math.cos(math.pi * fraction))


RATES = {
    "exponential": (lambda s: train.exponential_decay(0.1, s, 10, 0.5), lambda s: 0.1 * 0.5 ** (s / 10)),
    "staircase": (lambda s: train.exponential_decay(0.1, s, 10, 0.5, True), lambda s: 0.1 * 0.5 ** (s // 10)),
    "natural": (lambda s: train.natural_exp_decay(0.1, s, 10, 0.5), lambda s: 0.1 * math.exp(-0.5 * s / 10)),
    "inverse": (lambda s: train.inverse_time_decay(0.1, s, 10, 0.5), lambda s: 0.1 / (1 + 0.5 * s / 10)),
    "polynomial": (
        lambda s: train.polynomial_decay(0.1, s, 20, 0.01, power=2.0),
        lambda s: 0.09 * (1 - min(s, 20) / 20) ** 2 + 0.01,
    ),
    "cycle": (
        lambda s: train.polynomial_decay(0.1, s, 10, 0.01, cycle=True),
        lambda s: 0.09 * (1 - s / (10 * max(1, math.ceil(s / 10)))) + 0.01,
    ),
    "cosine": (
        lambda s: train.cosine_decay(0.1, s, 20, alpha=0.1),
        lambda s: 0.1 * (0.9 * _cosine(min(s, 20) / 20) + 0.1),
    ),
    "restarts": (
        lambda s: train.cosine_decay_restarts(0.1, s, 10, t_mul=2.0, m_mul=0.5),
        lambda s: 0.1 * (_cosine(s / 10) if s < 10 else 0.5 * _cosine((s - 10) / 20)),
    ),
    "equal restarts": (
        lambda s: train.cosine_decay_restarts(0.1, s, 10, t_mul=1.0), lambda s: 0.1 * _cosine(s / 10 - s // 10),
    ),
    "linear cosine": (
        lambda s: train.linear_cosine_decay(0.1, s, 40),
        lambda s: 0.1 * ((1 - s / 40) * 0.5 * (1 + math.cos(math.pi * s / 40)) + 0.001),
    ),
    "piecewise": (
        lambda s: train.piecewise_constant(s, [5, 15], [1.0, 0.5, 0.1]),
        lambda s: 1.0 if s <= 5 else 0.5 if s <= 15 else 0.1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RATES)
def test_rates_in_a_graph(name):
    rate, formula = RATES[name]
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.placeholder(tf.int64, [])
        found = rate(step)
        for at in (0, 5, 13, 25):
            assert session.run(found, {step: at}) == pytest.approx(formula(at), rel=1e-4)


@pytest.mark.parametrize("name", RATES)
def test_eager_rates_are_functions_that_follow_the_step(name):
    rate, formula = RATES[name]
    step = tf.Variable(0, dtype=tf.int64)
    found = rate(step)
    for at in (0, 25):
        step.assign(at)
        assert float(found()) == pytest.approx(formula(at), rel=1e-4)


def test_noise_decreases():
    rates = [float(train.noisy_linear_cosine_decay(0.1, tf.constant(step), 1000)()) for step in (0, 0, 0)]
    assert len(set(rates)) == 3


def test_an_optimizer_takes_a_rate():
    with tf.Graph().as_default():
        w, step = v1.Variable(1.0), v1.Variable(0, trainable=False)
        rate = train.exponential_decay(1.0, step, 1, 0.5)
        update = train.GradientDescentOptimizer(rate).minimize(w, global_step=step)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for _ in range(3):
                session.run(update)
            assert session.run(w) == 1 - 1 - 0.5 - 0.25


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: train.exponential_decay(0.1, None, 10, 0.5), "global_step is required"),
        (lambda: train.piecewise_constant(tf.constant(1), [1], [1.0]), "1 less than the length"),
        (lambda: train.piecewise_constant(tf.constant(1.0), [1], [1.0, 2.0])(), "same dtype as x"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
