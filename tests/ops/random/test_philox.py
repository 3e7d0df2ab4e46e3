"""The generators give the published words, block by block, however they are read and advanced."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.engine.xla import jax, jnp, wide_types
from penstock.ops.random import philox

ONES = 2**64 - 1

# Known answers of the Random123 library: key, counter (lower and upper half), words.
PHILOX_ANSWERS = [
    (0, 0, 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    (ONES, ONES, ONES, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        0x299F31D0A4093822,
        0x85A308D3243F6A88,
        0x0370734413198A2E,
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]
THREEFRY_ANSWERS = [
    (0, 0, [0x6B200159, 0x99BA4EFE]),
    (ONES, ONES, [0x1CB996FC, 0xBB002BE7]),
    (0x0370734413198A2E, 0x85A308D3243F6A88, [0xC4923A9C, 0x483DF7A0]),
]
COUNTERS = [(0, 0), (12345, 678), (2**32 - 3, 9), (ONES - 1, 5), (ONES - 1, ONES)]


@pytest.fixture(autouse=True)
def _wide_types():
    with wide_types():
        yield


def traced(stream):
    """The same generator with JAX scalars."""
    return type(stream)(*(jnp.asarray(each, dtype=jnp.uint64) for each in stream))


@pytest.mark.parametrize(("key", "low", "high", "answer"), PHILOX_ANSWERS)
def test_philox_known_answers(key, low, high, answer):
    stream = philox.Philox(key, low, high)
    assert philox.words(np, stream, 4).tolist() == answer
    assert np.asarray(philox.words(jnp, traced(stream), 4)).tolist() == answer


@pytest.mark.parametrize(("key", "counter", "answer"), THREEFRY_ANSWERS)
def test_threefry_known_answers(key, counter, answer):
    stream = philox.ThreeFry(key, counter)
    assert philox.words(np, stream, 2).tolist() == answer
    assert np.asarray(philox.words(jnp, traced(stream), 2)).tolist() == answer


@pytest.mark.parametrize("size", [0, 1, 3, 4, 13, 4 * philox.PIECE + 5])
@pytest.mark.parametrize(("low", "high"), COUNTERS)
def test_words_do_not_depend_on_how_they_are_computed(low, high, size):
    stream = philox.Philox(987654321987654321, low, high)
    expected = philox.words(np, stream, size)
    assert expected.dtype == np.uint32
    np.testing.assert_array_equal(jax.jit(lambda s: philox.words(jnp, s, size))(traced(stream)), expected)
    one_by_one = [stream.block(np, np.array([i], np.uint64)) for i in range(min(-(-size // 4), 5))]
    np.testing.assert_array_equal(np.ravel(one_by_one)[:size], expected[:20])


@pytest.mark.parametrize(("low", "high"), COUNTERS)
def test_advancing_skips_blocks_and_carries(low, high):
    stream = philox.Philox(42, low, high)
    later = stream.advanced(np, 7)
    np.testing.assert_array_equal(philox.words(np, later, 8), philox.words(np, stream, 36)[28:])
    np.testing.assert_array_equal(traced(stream).advanced(jnp, 7).state(jnp), later.state(np))


def test_threefry_advances_by_two_counters_a_block():
    stream = philox.ThreeFry(42, ONES - 2)
    later = stream.advanced(np, 3)
    np.testing.assert_array_equal(philox.words(np, later, 8), philox.words(np, stream, 20)[12:])
    np.testing.assert_array_equal(traced(stream).advanced(jnp, 3).state(jnp), later.state(np))


def test_word_pairs_are_neighbours():
    stream = philox.from_seeds(1, 2)
    first, second = philox.word_pairs(np, stream, 9)
    flat = philox.words(np, stream, 18)
    np.testing.assert_array_equal(first, flat[::2])
    np.testing.assert_array_equal(second, flat[1::2])
    for mine, theirs in zip(philox.word_pairs(jnp, traced(stream), 9), (first, second), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_state_vectors_name_their_algorithm_by_their_length():
    assert philox.from_state(np, np.int64([1, 2, -1])) == philox.Philox(key=ONES, low=1, high=2)
    assert philox.from_state(np, np.int64([1, -1])) == philox.ThreeFry(key=ONES, low=1)


def test_seed_pairs_are_hashed_as_in_tensorflow():
    stream = philox.from_seed_pair(np, np.int32([3, -5]))
    assert stream == philox.Philox(key=9346930042776287455, low=0, high=9453892864160445078)
    np.testing.assert_array_equal(
        philox.from_seed_pair(jnp, jnp.asarray([3, -5])).state(jnp), stream.state(np)
    )
