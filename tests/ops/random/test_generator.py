"""`tf.random.Generator`: numbers and states are those of TensorFlow 2.21."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.engine.context import process

Generator = tf.random.Generator


def state(generator):
    return generator.state.numpy().tolist()


def draws(generator):
    """A number of each kind."""
    return [
        generator.normal([2]),
        generator.uniform([2]),
        generator.uniform([2], 0, 10, tf.int32),
        generator.truncated_normal([2]),
        generator.binomial([2], 10.0, 0.3),
        generator.make_seeds(1),
        generator.uniform_full_int([2]),
    ]


EXPECTED = [
    np.float32([-1.3240395784378052, 0.28785666823387146]),
    np.float32([0.32115912437438965, 0.45382511615753174]),
    np.int32([2, 9]),
    np.float32([0.15951356291770935, -0.2555015981197357]),
    np.int32([2, 4]),
    np.int64([[-1309296170617134147], [0]]),
    np.uint64([17907125612398169223, 13587889469250002953]),
]


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "function"])
def test_numbers_are_those_of_tensorflow(wrap):
    generator = Generator.from_seed(7)
    for got, expected in zip(wrap(lambda: draws(generator))(), EXPECTED, strict=True):
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)
    assert state(generator) == [66823, 0, 0]


@pytest.mark.parametrize(
    ("seed", "alg", "expected"),
    [
        (1234, "philox", [1234, 0, 0]),
        (-1, "philox", [-1, -1, -1]),
        (2**70 + 5, "philox", [5, 64, 0]),
        ([1, 2], "philox", [0, 1, 2]),
        ([1, 2, 3, 4], "philox", [1, 2, 3]),
        ([12, 34], "threefry", [12, 34]),
        (2**63, tf.random.Algorithm.THREEFRY, [-(2**63), 0]),
        (5, 3, [5, 0, 0]),
    ],
)
def test_states_of_seeds(seed, alg, expected):
    assert tf.random.create_rng_state(seed, alg).numpy().tolist() == expected
    assert state(Generator.from_seed(seed, alg)) == expected


def test_other_ways_to_make_one():
    assert state(Generator.from_state([1, 2, 3], "philox")) == [1, 2, 3]
    assert state(Generator.from_key_counter(5, [1, 2], "philox")) == [1, 2, 5]
    assert state(Generator(copy_from=Generator.from_seed(3))) == [3, 0, 0]
    variable = tf.Variable([1, 2, 3], dtype=tf.int64)
    shared = Generator.from_state(variable, "philox")
    shared.normal([2])
    assert variable.numpy().tolist() == [1 + 512, 2, 3]
    first, second = (Generator.from_non_deterministic_state() for _ in range(2))
    assert state(first) != state(second)


def test_reset():
    generator = Generator.from_seed(1)
    first = generator.normal([3]).numpy()
    generator.reset_from_seed(1)
    np.testing.assert_array_equal(generator.normal([3]), first)
    generator.reset([1, 0, 0])
    np.testing.assert_array_equal(generator.normal([3]), first)
    generator.reset_from_key_counter(0, [1, 0])
    np.testing.assert_array_equal(generator.normal([3]), first)


def test_skip_returns_the_state_before():
    generator = Generator.from_state([2**64 - 100, 7, 9], "philox")
    assert generator.skip(3).numpy().tolist() == [-100, 7, 9]
    assert state(generator) == [668, 8, 9]  # 256 for each number, with a carry
    assert generator.key.numpy() == 9


def test_split_gives_generators_with_keys_of_their_own():
    first, second = Generator.from_seed(1).split(2)
    assert state(first) == [0, 0, 6679402142117448868]
    assert state(second) == [0, 0, 684265014234019051]


def test_threefry_works_too():
    generator = Generator.from_seed(5, "threefry")
    first, second = generator.normal([1000]), generator.normal([1000])
    assert state(generator) == [5 + 2 * 256_000, 0]
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.15
    generator.reset_from_seed(5)
    np.testing.assert_array_equal(tf.function(lambda: generator.normal([1000]))(), first)


def test_shapes_may_be_tensors():
    generator = Generator.from_seed(1)
    expected = Generator.from_seed(1).uniform([2, 3])
    np.testing.assert_array_equal(
        tf.function(lambda n: generator.uniform(tf.stack([n, 3])))(tf.constant(2)), expected
    )


def test_state_is_tracked_and_named_for_keras():
    generator = Generator.from_seed(1)
    assert generator.state.name == "StateVar:0"
    assert not generator.state.trainable
    assert generator._trackable_children()["_state_var"] is generator.state


def test_global_generator():
    tf.random.set_global_generator(Generator.from_seed(1))
    assert state(tf.random.get_global_generator()) == [1, 0, 0]
    tf.random.set_global_generator(None)
    assert tf.random.get_global_generator() is tf.random.get_global_generator()


def test_determinism_refuses_non_deterministic_states():
    process.registry["op_determinism"] = True
    try:
        with pytest.raises(RuntimeError, match="determinism"):
            Generator.from_non_deterministic_state()
    finally:
        process.registry["op_determinism"] = False


ERRORS = [
    (lambda: Generator.from_state([1, 2], "philox"), ValueError, "incompatible"),
    (lambda: Generator.from_seed(1, "mersenne"), ValueError, "unsupported value mersenne"),
    (lambda: Generator.from_seed(1, 9), ValueError, "unsupported value 9"),
    (lambda: Generator.from_seed(1, 1.5), TypeError, "Can't convert argument `alg`"),
    (lambda: Generator(alg="philox"), AssertionError, "give copy_from"),
    (lambda: Generator.from_seed(1).uniform([3], dtype=tf.int32), ValueError, "must be both"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


OLDER_OPS = [
    ("StatefulUniform", (), {"dtype": tf.float32}, "StatelessRandomUniformV2"),
    ("StatefulStandardNormalV2", (), {"dtype": tf.float64}, "StatelessRandomNormalV2"),
    ("StatefulTruncatedNormal", (), {"dtype": tf.float32}, "StatelessTruncatedNormalV2"),
    ("StatefulUniformFullInt", (), {"dtype": tf.uint32}, "StatelessRandomUniformFullIntV2"),
    ("StatefulUniformInt", (3, 9), {}, "StatelessRandomUniformIntV2"),
]


@pytest.mark.parametrize(("older", "bounds", "attrs", "newer"), OLDER_OPS)
def test_ops_of_older_graphs_draw_the_same(older, bounds, attrs, newer):
    from penstock.engine.execute import execute

    variable = tf.Variable([11, 12, 13], dtype=tf.int64)
    shape, bounds = tf.constant([5]), [tf.constant(each, tf.int64) for each in bounds]
    inputs = (variable.handle, tf.constant(1, tf.int64), shape, *bounds)
    source = (tf.constant([13], tf.uint64), tf.constant([11, 12], tf.uint64), tf.constant(1))
    expected = execute(newer, (shape, *source, *bounds), attrs)
    np.testing.assert_array_equal(execute(older, inputs, attrs), expected)
    assert variable.numpy().tolist() == [11 + 5 * 256, 12, 13]
