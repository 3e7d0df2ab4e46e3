"""Random ops with state: with a seed, their numbers are TensorFlow's."""

import numpy as np


def seeded_functions(tf):
    tf.random.set_seed(11)
    return (
        tf.random.normal([3], seed=1),
        tf.random.truncated_normal([3], seed=2),
        tf.random.uniform([3], seed=3),
        tf.random.uniform([3], 2, 9, tf.int32, seed=4),
        tf.random.gamma([2], [0.5, 3.0], seed=5),
        tf.random.poisson([2], [0.5, 30.0], seed=6),
        tf.random.shuffle(tf.range(6), seed=7),
        tf.random.categorical([[0.1, 2.0, 0.3]], 5, seed=8),
    )


def seeded_functions_in_a_function(tf):
    tf.random.set_seed(12)

    @tf.function
    def draw():
        return tf.random.normal([2]), tf.random.uniform([2], seed=3), tf.random.shuffle(tf.range(5))

    return draw(), draw()


def generators(tf):
    found = []
    for algorithm in ("philox",):
        generator = tf.random.Generator.from_seed(5, alg=algorithm)
        found += [
            generator.normal([3]),
            generator.uniform([2], 1, 4),
            generator.uniform([2], 1, 9, tf.int64),
            generator.uniform_full_int([2], tf.int32),
            generator.state,
        ]
    generator = tf.random.Generator.from_seed(6)
    generator.skip(10)
    rest = generator.truncated_normal([2]), generator.make_seeds(2), generator.binomial([3], 10.0, 0.3)
    return found, generator.split(2)[1].state, rest


def generator_in_a_function(tf):
    generator = tf.random.Generator.from_seed(9)

    @tf.function
    def draw():
        return generator.normal([2])

    return draw(), draw(), generator.state


def graphs_of_the_first_era(tf):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(3)
        draws = [
            v1.random_normal([2]),
            v1.random_uniform([2], seed=4),
            v1.multinomial([[0.5, 0.5, 0.1]], 4),
            v1.truncated_normal([2]),
            v1.random_shuffle(tf.range(4)),
            v1.random_gamma([2], 2.0),
            v1.random_poisson(3.0, [2]),
        ]
        return [session.run(draws), session.run(draws)]


def candidate_samplers(tf):
    tf.random.set_seed(1)
    labels = tf.constant([[1, 2], [0, 4]], tf.int64)
    samplers = (
        tf.random.uniform_candidate_sampler,
        tf.random.log_uniform_candidate_sampler,
        tf.random.learned_unigram_candidate_sampler,
    )
    found = [sampler(labels, 2, 3, True, 6, seed=5) for sampler in samplers]
    found.append(
        tf.random.fixed_unigram_candidate_sampler(
            labels, 2, 3, False, 6, unigrams=[1.0, 2.0, 3.0, 1.0, 1.0, 2.0], seed=5
        )
    )
    found.append(tf.random.all_candidate_sampler(labels, 2, 6, True, seed=5))
    return [(each.sampled_candidates.shape[0], each.sampled_candidates.dtype.name) for each in found], found[
        -1
    ]


def distorted_boxes(tf):
    boxes = tf.constant([[[0.1, 0.1, 0.8, 0.9]]])
    given = {
        "area_range": (0.2, 1.0),
        "min_object_covered": 0.3,
        "aspect_ratio_range": (0.7, 1.4),
        "max_attempts": 20,
    }
    image = tf.constant([40, 30, 3])
    v1 = tf.compat.v1
    tf.random.set_seed(4)
    return (
        tf.image.stateless_sample_distorted_bounding_box(image, boxes, (1, 2), **given),
        tf.image.sample_distorted_bounding_box(image, boxes, seed=3, **given),
        v1.image.sample_distorted_bounding_box(image, boxes, seed=3, seed2=5, **given),
    )


def parameterized_truncated_normal(tf):
    tf.random.set_seed(2)
    found = tf.raw_ops.ParameterizedTruncatedNormal(
        shape=[2, 2000],
        means=[0.0, 5.0],
        stdevs=[1.0, 2.0],
        minvals=[-1.0, 4.0],
        maxvals=[1.0, 9.0],
        seed=3,
        seed2=4,
    )
    return tf.round(tf.reduce_mean(found, axis=1) * 5), tf.reduce_min(found) >= -1.0


def not_deterministic(tf):
    return tf.raw_ops.NonDeterministicInts(shape=[3], dtype=tf.int64).shape[0], tf.timestamp() > 1e9


def initializers(tf):
    tf.random.set_seed(0)
    return [
        getattr(tf, name)(seed=5)([2, 3])
        for name in ("random_uniform_initializer", "random_normal_initializer")
    ]
