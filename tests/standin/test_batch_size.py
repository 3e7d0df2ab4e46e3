"""The batch size that distribution reads off a dataset is the one TensorFlow finds."""

from __future__ import annotations

import pytest

import penstock as tf
from penstock.standin.batch_size import compute_batch_size

Dataset = tf.data.Dataset
BATCHED = Dataset.range(8).batch(3)

DATASETS = {
    "batched": (BATCHED, 3),
    "batched twice": (Dataset.range(8).batch(2).batch(3), 3),
    "padded": (Dataset.range(8).padded_batch(3, []), 3),
    "kept": (
        BATCHED.shuffle(2).repeat().prefetch(1).take(3).skip(1).cache().with_options(tf.data.Options()),
        3,
    ),
    "filtered": (BATCHED.filter(lambda x: True), 3),
    "mapped": (BATCHED.map(lambda x: x + 1), -1),
    "mapped to a known size": (
        Dataset.range(8).batch(4, drop_remainder=True).map(lambda x: tf.concat([x, x], 0)),
        8,
    ),
    "zipped": (Dataset.zip(BATCHED, BATCHED), 3),
    "zipped unequal": (Dataset.zip(BATCHED, Dataset.range(8).batch(2)), -1),
    "concatenated": (BATCHED.concatenate(BATCHED), 3),
    "concatenated unequal": (BATCHED.concatenate(Dataset.range(8).batch(2)), -1),
    "slices": (Dataset.from_tensor_slices(tf.zeros([6, 3])), 3),
    "windows": (BATCHED.window(2), -1),
    "scalars": (Dataset.range(8), -1),
}


@pytest.mark.parametrize("name", DATASETS)
def test_batch_size(name):
    dataset, size = DATASETS[name]
    assert compute_batch_size(dataset).numpy() == size
