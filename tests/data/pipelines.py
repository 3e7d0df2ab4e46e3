"""Pipelines for tests that look at all of them: each name with a function that makes one."""

import numpy as np

import penstock as tf

Dataset = tf.data.Dataset


def noisy(x):
    return x + tf.random.uniform([], 0, 100, tf.int64, seed=4)


def inverse(x):
    return tf.debugging.check_numerics(1 / x, "inverse")


PIPELINES = {
    "range": lambda: Dataset.range(2, 40, 3),
    "tensors": lambda: Dataset.from_tensors([1, 2]),
    "slices": lambda: Dataset.from_tensor_slices((np.arange(12), np.arange(24).reshape(12, 2))),
    "ragged slices": lambda: Dataset.from_tensor_slices(tf.ragged.constant([[1], [2, 3], []])),
    "counter": lambda: Dataset.counter(3, 2).take(12),
    "random": lambda: Dataset.random(seed=3).take(12),
    "map": lambda: Dataset.range(12).map(lambda x: x * 2),
    "random map": lambda: Dataset.range(12).map(noisy),
    "parallel map": lambda: Dataset.range(30).map(lambda x: x + 1, num_parallel_calls=3),
    "parallel random map": lambda: Dataset.range(30).map(noisy, num_parallel_calls=3),
    "tuned map": lambda: Dataset.range(40).map(lambda x: x + 1, tf.data.AUTOTUNE),
    "filter": lambda: Dataset.range(30).filter(lambda x: x % 3 == 0),
    "take_while": lambda: Dataset.range(30).take_while(lambda x: x < 9),
    "scan": lambda: Dataset.range(12).scan(np.int64(0), lambda s, x: (s + x, s * x)),
    "unique": lambda: Dataset.range(20).map(lambda x: x % 7).unique(),
    "enumerate": lambda: Dataset.range(9).enumerate(3),
    "flat_map": lambda: Dataset.range(5).flat_map(lambda n: Dataset.range(n).map(lambda x: x + n)),
    "interleave": lambda: Dataset.range(1, 7).interleave(lambda n: Dataset.range(n), 3, 2),
    "parallel interleave": lambda: Dataset.range(1, 7).interleave(lambda n: Dataset.range(n), 3, num_parallel_calls=2),
    "batch": lambda: Dataset.range(11).batch(3),
    "padded": lambda: Dataset.range(1, 8).map(lambda n: tf.fill([n], n)).padded_batch(2),
    "ragged_batch": lambda: Dataset.range(1, 8).map(lambda n: tf.fill([n], n)).ragged_batch(2),
    "unbatch": lambda: Dataset.range(11).batch(4).unbatch(),
    "rebatch": lambda: Dataset.range(20).batch(7).rebatch([2, 3]),
    "window": lambda: Dataset.range(9).window(3, 2).flat_map(lambda w: w.batch(3)),
    "group_by_window": lambda: Dataset.range(20).group_by_window(lambda x: x % 3, lambda key, d: d.batch(4), 4),
    "bucket": lambda: Dataset.range(1, 9).map(lambda n: tf.fill([n], n)).bucket_by_sequence_length(tf.size, [3, 6], [2, 2, 2]),
    "shuffle": lambda: Dataset.range(30).shuffle(7, seed=5),
    "shuffle repeat": lambda: Dataset.range(10).shuffle(4, seed=5).repeat(3),
    "repeat": lambda: Dataset.range(5).repeat(3),
    "repeat of many": lambda: Dataset.range(70).repeat(2),
    "take": lambda: Dataset.range(20).take(7),
    "skip": lambda: Dataset.range(20).skip(13),
    "shard": lambda: Dataset.range(20).shard(3, 1),
    "concatenate": lambda: Dataset.range(5).concatenate(Dataset.range(10, 14)),
    "zip": lambda: Dataset.zip((Dataset.range(9), {"a": Dataset.range(9, 30)})),
    "sample": lambda: Dataset.sample_from_datasets([Dataset.range(9), Dataset.range(20, 29)], [0.3, 0.7], seed=2),
    "choose": lambda: Dataset.choose_from_datasets([Dataset.range(9), Dataset.range(20, 29)], Dataset.range(2).repeat()),
    "cache": lambda: Dataset.range(9).map(noisy).cache().repeat(2),
    "prefetch": lambda: Dataset.range(20).prefetch(3),
    "tuned prefetch": lambda: Dataset.range(30).map(lambda x: x * 3).prefetch(tf.data.AUTOTUNE),
    "ignore_errors": lambda: Dataset.from_tensor_slices([1.0, 0.0, 2.0, 0.0, 4.0]).map(inverse).ignore_errors(),
    "training": lambda: Dataset.range(50).shuffle(20, seed=1).map(noisy, tf.data.AUTOTUNE).batch(4).repeat(2).prefetch(2),
}  # fmt: skip


def plain(dataset):
    """The elements as flat lists of numbers, text and lists."""
    return [
        [np.asarray(part).tolist() for part in tf.nest.flatten(each, expand_composites=True)]
        for each in dataset
    ]


def seeded(make):
    """A pipeline made after `set_seed`, so that two of them are alike."""
    tf.random.set_seed(7)
    return make()
