import itertools

import numpy as np

import penstock as tf

v1 = tf.compat.v1
crf = v1.contrib.crf

RNG = np.random.RandomState(0)
SCORES, TRANSITIONS = RNG.randn(3, 5, 4).astype(np.float32), RNG.randn(4, 4).astype(np.float32)
TAGS, LENGTHS = RNG.randint(0, 4, (3, 5)), np.array([5, 3, 1])


def _score(example, tags):
    unary = sum(SCORES[example, time, tag] for time, tag in enumerate(tags))
    return unary + sum(TRANSITIONS[a, b] for a, b in itertools.pairwise(tags))


def _ways(example):
    return [
        (_score(example, tags), tags) for tags in itertools.product(range(4), repeat=int(LENGTHS[example]))
    ]


def test_likelihood_sums_over_all_ways():
    with tf.Graph().as_default(), v1.Session() as session:
        likelihood, _ = crf.crf_log_likelihood(tf.constant(SCORES), TAGS, LENGTHS, tf.constant(TRANSITIONS))
        found = session.run(likelihood)
    for example in range(3):
        norm = np.log(sum(np.exp(score) for score, _ in _ways(example)))
        wanted = _score(example, TAGS[example, : LENGTHS[example]]) - norm
        np.testing.assert_allclose(found[example], wanted, rtol=1e-4, atol=1e-5)


def test_decoding_finds_the_best_way():
    with tf.Graph().as_default(), v1.Session() as session:
        scores = v1.placeholder(tf.float32, [None, None, 4])
        decoded = crf.crf_decode(scores, tf.constant(TRANSITIONS), LENGTHS)
        tags, best = session.run(decoded, {scores: SCORES})
    for example in range(3):
        score, way = max(_ways(example))
        length = LENGTHS[example]
        assert tags[example].tolist() == [*way, *[0] * (5 - length)]
        np.testing.assert_allclose(best[example], score, rtol=1e-5)
        by_numpy, value = crf.viterbi_decode(SCORES[example, :length], TRANSITIONS)
        assert by_numpy == list(way)
        np.testing.assert_allclose(value, score, rtol=1e-5)


def test_training_raises_the_likelihood():
    with tf.Graph().as_default(), v1.Session() as session:
        likelihood, transitions = crf.crf_log_likelihood(
            v1.get_variable("s", initializer=SCORES), TAGS, LENGTHS
        )
        assert transitions.name == "transitions:0"
        loss = -tf.reduce_mean(likelihood)
        train = v1.train.GradientDescentOptimizer(0.5).minimize(loss)
        session.run(v1.global_variables_initializer())
        before = session.run(loss)
        for _ in range(5):
            session.run(train)
        assert session.run(loss) < 0.7 * before
