"""`tf.random.stateless_*`: functions of a seed, with TensorFlow's numbers."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

random = tf.random


def test_seeds_from_seeds():
    assert random.split([1, 2], 3).numpy().tolist() == [
        [1105988140, 1738052849],
        [-335576002, 370444179],
        [10670227, -246211131],
    ]
    assert random.fold_in([1, 2], 3).numpy().tolist() == [1105988140, 3]
    assert random.experimental.stateless_split([1, 2]).shape == [2, 2]
    assert random.split(tf.constant([1, 2], tf.int64)).dtype == tf.int64


def test_index_shuffle_is_a_permutation_for_each_seed():
    index = tf.range(4)
    assert random.experimental.index_shuffle(index, [5, 9], 3).numpy().tolist() == [2, 0, 1, 3]
    batched = random.experimental.index_shuffle([1, 1], [[5, 9], [5, 9]], [3, 3])
    assert batched.numpy().tolist() == [0, 0]


def test_shuffle():
    shuffled = random.experimental.stateless_shuffle([[1, 2], [3, 4], [5, 6]], seed=[8, 9])
    assert shuffled.numpy().tolist() == [[5, 6], [1, 2], [3, 4]]


FUNCTIONS = [
    lambda seed: random.stateless_uniform([4], seed),
    lambda seed: random.stateless_uniform([4], seed, -1.0, 5.0, tf.float64),
    lambda seed: random.stateless_uniform([4], seed, 0, 10, tf.int32),
    lambda seed: random.stateless_uniform([4], seed, None, None, tf.uint64),
    lambda seed: random.stateless_normal([4], seed, 1.0, 2.0),
    lambda seed: random.stateless_truncated_normal([4], seed, dtype=tf.float16),
    lambda seed: random.stateless_gamma([4, 2], seed, [0.5, 3.0], 2.0),
    lambda seed: random.stateless_poisson([4], seed, 3.0),
    lambda seed: random.stateless_binomial([4], seed, 10.0, 0.3),
    lambda seed: random.stateless_categorical([[0.0, 1.0]], 40, seed),
    lambda seed: random.stateless_parameterized_truncated_normal([4], seed, 0.0, 1.0, -1.0, 1.0),
    lambda seed: random.experimental.stateless_shuffle(tf.range(9), seed),
    lambda seed: random.stateless_normal([4], seed, alg="philox"),
    lambda seed: random.stateless_normal([4], seed, alg=tf.random.Algorithm.THREEFRY),
]


@pytest.mark.parametrize("draw", FUNCTIONS)
def test_same_seed_same_numbers_compiled_or_not(draw):
    first = draw([3, 4])
    assert np.any(first.numpy() != draw([3, 5]).numpy())
    for again in (draw([3, 4]), tf.function(lambda: draw([3, 4]))(), tf.function(draw)(tf.constant([3, 4]))):
        assert again.dtype == first.dtype
        np.testing.assert_allclose(
            again.numpy(), first.numpy(), rtol=1e-3 if first.dtype == tf.float16 else 1e-6
        )


def test_auto_select_is_philox():
    philox, auto = (
        random.stateless_uniform([3], [1, 2], alg=alg).numpy() for alg in ("philox", "auto_select")
    )
    np.testing.assert_array_equal(philox, auto)
    np.testing.assert_array_equal(philox[:2], np.float32([0.8440604209899902, 0.19204533100128174]))


def test_threefry_words_are_those_of_tensorflow_on_xla():
    words = random.stateless_uniform([4], [3, -5], None, None, tf.uint32, alg="threefry")
    assert words.numpy().tolist() == [4199424318, 88164250, 1394560539, 3467783464]


def test_v1_multinomial():
    old = tf.compat.v1.random.stateless_multinomial([[0.0, 1.0]], 5, [1, 2], tf.int32)
    np.testing.assert_array_equal(old, random.stateless_categorical([[0.0, 1.0]], 5, [1, 2], tf.int32))


ERRORS = [
    (
        lambda: random.stateless_uniform([2], [1]),
        tf.errors.InvalidArgumentError,
        r"seed must have shape \[2\], not \[1\]",
    ),
    (lambda: random.stateless_uniform([2], [1.0, 2.0]), tf.errors.InvalidArgumentError, "int32, int64"),
    (
        lambda: random.stateless_uniform([2], [1, 2], minval=0, dtype=tf.int32),
        ValueError,
        "must be both None",
    ),
    (lambda: random.stateless_uniform([2], [1, 2], 0, 3, tf.uint32), ValueError, "unsigned"),
    (lambda: random.stateless_uniform([2], [1, 2], alg="foo"), ValueError, "unsupported value foo"),
    (lambda: random.stateless_uniform([2], [1, 2], alg=7), ValueError, "unsupported value 7"),
    (
        lambda: random.stateless_gamma([3], [1, 2], [1.0, 2.0]),
        tf.errors.InvalidArgumentError,
        "must end with",
    ),
    (
        lambda: random.experimental.index_shuffle(5, [1, 2], 3),
        tf.errors.InvalidArgumentError,
        "max_index must be >=",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
