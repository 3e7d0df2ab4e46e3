"""Native random numbers are those of the generator written in NumPy, bit for bit."""

import numpy as np
import pytest

import penstock as tf
from penstock.engine import native
from penstock.engine.xla import jit, jnp
from penstock.ops.random import choice, native_random, philox, rejection
from penstock.ops.random import distributions as random_distributions

pytestmark = pytest.mark.skipif(
    native.library() is None, reason="the native kernels could not be compiled here"
)

STATES = [(0, 0, 0), (2**64 - 3, 7, 2**63 + 5), (2**64 - 1, 2**64 - 1, 12345)]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("size", [1, 3, 255, 4 * 64, 4 * 64 + 1, 40_001])
def test_uniform_in_programs(state, size):
    low, high, key = state
    stream = philox.Philox(key, low, high)
    program = jit(lambda vector: native_random.uniform(jnp, philox.from_state(jnp, vector), size, np.float32))
    expected = random_distributions.uniform(np, stream, size, np.float32)
    np.testing.assert_array_equal(program(np.array(state, np.uint64)), expected)


@pytest.mark.parametrize("state", STATES)
def test_uniform_on_the_host(state):
    low, high, key = state
    stream, size = philox.Philox(key, low, high), 20_003
    expected = random_distributions.uniform(np, stream, size, np.float32)
    np.testing.assert_array_equal(native_random.uniform(np, stream, size, np.float32), expected)


def test_other_types_and_generators_are_left_alone():
    assert native_random.uniform(np, philox.Philox(1, 2, 3), 20_000, np.float64) is None
    assert native_random.uniform(np, philox.ThreeFry(1, 2), 20_000, np.float32) is None


@pytest.mark.parametrize("seed", [(0, 0), (1, 2), (-1, 2**62 + 3)])
def test_state_of_two_seeds(seed):
    program = jit(lambda pair: native_random.from_seed_pair(pair).state(jnp))
    expected = philox.from_seed_pair(np, np.array(seed)).state(np)
    np.testing.assert_array_equal(program(np.array(seed, np.int64)), expected)


def test_compiled_and_eager_numbers_agree():
    def draw():
        return tf.random.stateless_uniform([33, 7], seed=[3, -4])

    np.testing.assert_array_equal(tf.function(draw)(), draw())


LOGITS = np.random.default_rng(0).normal(0, 5, (7, 33)).astype(np.float32)
LOGITS[0, 3:9], LOGITS[1], LOGITS[2, 5], LOGITS[3, 7] = -np.inf, -np.inf, np.nan, np.inf
SHAPES = np.array([0.0, 0.2, 0.4, 1.0, 1.7, 30.0, 1e6, -1.0, np.nan, np.inf])

DRAWS = {
    **{f"order of {n}": lambda xp, stream, n=n: choice.permutation(xp, stream, n) for n in (2, 3, 258, 1000)},
    "categories": lambda xp, stream: choice.categorical(xp, stream, xp.asarray(LOGITS), 41, np.int64),
    "one category": lambda xp, stream: choice.categorical(xp, stream, xp.zeros((300, 1), "f"), 3, np.int32),
    "many categories": lambda xp, stream: choice.categorical(
        xp, stream, xp.sin(xp.arange(40_000, dtype="f")).reshape(2, -1), 17, np.int64
    ),
    "categories of half precision": lambda xp, stream: choice.categorical(
        xp, stream, xp.asarray(LOGITS.astype(np.float16)), 5, np.int32
    ),
    "gamma": lambda xp, stream: rejection.gamma(xp, stream, 333, SHAPES, np.float32),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_draws_are_those_of_numpy(draw, state, monkeypatch):
    low, high, key = state
    stream = philox.Philox(key, low, high)
    compiled = jit(lambda vector: draw(jnp, philox.from_state(jnp, vector)))(np.array(state, np.uint64))
    on_host = draw(np, stream)
    monkeypatch.setattr(native_random, "_serves", lambda *_: False)
    expected = draw(np, stream)
    np.testing.assert_array_equal(on_host, expected)
    np.testing.assert_array_equal(compiled, expected)
    assert on_host.dtype == compiled.dtype == expected.dtype
