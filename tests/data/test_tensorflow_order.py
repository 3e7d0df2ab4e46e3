"""Random orders and draws are those of TensorFlow 2.21 after `tf.random.set_seed(5)`."""

import pytest

import penstock as tf

Dataset = tf.data.Dataset


def noisy(x):
    return x + tf.random.uniform([], 0, 100, tf.int64, seed=1)


CASES = {
    "shuffle": (
        lambda: Dataset.range(20).shuffle(6, seed=3),
        [4, 3, 0, 2, 7, 1, 9, 6, 12, 5, 10, 8, 11, 15, 13, 19, 16, 14, 18, 17],
    ),
    "shuffle, always the same": (
        lambda: Dataset.range(4).shuffle(4, seed=3, reshuffle_each_iteration=False).repeat(3),
        [2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1],
    ),
    "shuffle, large buffer": (
        lambda: Dataset.range(10).shuffle(100, seed=3),
        [8, 3, 0, 6, 7, 2, 9, 1, 5, 4],
    ),
    "shuffle, then repeat": (
        lambda: Dataset.range(10).shuffle(4, seed=3).repeat(3),
        [0, 3, 4, 2, 5, 7, 9, 6, 8, 1, 2, 1, 4, 6, 0, 3, 8, 9, 5, 7, 0, 4, 1, 6, 7, 2, 3, 5, 8, 9],
    ),
    "repeat, then shuffle": (
        lambda: Dataset.range(10).repeat(2).shuffle(4, seed=3),
        [0, 3, 4, 2, 5, 7, 9, 1, 8, 1, 2, 4, 0, 3, 5, 6, 6, 9, 8, 7],
    ),
    "random": (
        lambda: Dataset.random(seed=4).take(5),
        [3949691112, 1216040066, 825314089, 3986316358, 3335442075],
    ),
    "sample_from_datasets": (
        lambda: Dataset.sample_from_datasets(
            [Dataset.range(100), Dataset.range(100, 200)], weights=[0.3, 0.7], seed=2
        ).take(12),
        [0, 100, 1, 2, 101, 3, 102, 103, 104, 105, 106, 107],
    ),
    "random ops in a map": (lambda: Dataset.range(6).map(noisy), [60, 7, 84, 40, 73, 68]),
    "random ops in a parallel map": (lambda: Dataset.range(6).map(noisy, 4), [60, 7, 84, 40, 73, 68]),
}


@pytest.mark.parametrize("name", CASES)
def test_order(name):
    make, expected = CASES[name]
    tf.random.set_seed(5)
    assert [int(each) for each in make()] == expected


def test_each_iteration_has_an_order_of_its_own():
    tf.random.set_seed(5)
    dataset = Dataset.range(20).shuffle(6, seed=3)
    next(iter(dataset))
    second = [2, 3, 0, 4, 6, 1, 5, 12, 7, 14, 9, 10, 16, 15, 19, 8, 11, 18, 13, 17]
    assert [int(each) for each in dataset] == second


def test_random_numbers_may_be_other_ones_each_time():
    tf.random.set_seed(5)
    dataset = Dataset.random(seed=4, rerandomize_each_iteration=True).take(2)
    assert [[int(each) for each in dataset] for _ in range(2)] == [
        [746736730, 1387201433],
        [2149748686, 607436827],
    ]
