"""The numbers are those of TensorFlow 2.21 on one CPU thread, bit for bit: checksums of their bytes."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import zlib

import ml_dtypes
import numpy as np
import pytest

from penstock.engine.xla import jit, jnp, wide_types
from penstock.ops import float32_math
from penstock.ops.random import choice as random_choice
from penstock.ops.random import distributions as random_distributions
from penstock.ops.random import philox
from penstock.ops.random import rejection as random_rejection
from penstock.ops.random import truncated_normal as random_truncated_normal

SEED = np.int64([3, -5])
STREAM = philox.from_seed_pair(np, SEED)
BFLOAT16 = ml_dtypes.bfloat16

uniform = random_distributions.uniform
normal = random_distributions.standard_normal
truncated = random_rejection.truncated_normal


def checksum(array):
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def on_xla(draw, *args):
    """`draw` compiled, with a traced seed."""
    return np.asarray(jit(lambda seed: draw(jnp, philox.from_seed_pair(jnp, seed), *args))(SEED))


# 100,003 numbers: (function, dtype, checksum of their bytes)
CHECKSUMS = [
    (uniform, np.float16, 1816109454),
    (uniform, BFLOAT16, 1800050557),
    (uniform, np.float32, 2202729513),
    (uniform, np.float64, 1318506196),
    (normal, np.float16, 2848279171),
    (normal, BFLOAT16, 263080930),
    (normal, np.float32, 194889214),
    (normal, np.float64, 2694321728),
    (truncated, np.float16, 1553887947),
    (truncated, BFLOAT16, 21939316),
    (truncated, np.float32, 4071971308),
    (truncated, np.float64, 1353614788),
    (random_distributions.uniform_bits, np.int32, 4185904180),
    (random_distributions.uniform_bits, np.uint32, 4185904180),
    (random_distributions.uniform_bits, np.int64, 3775160578),
    (random_distributions.uniform_bits, np.uint64, 3775160578),
]


@pytest.mark.parametrize(("draw", "dtype", "expected"), CHECKSUMS)
def test_numbers_are_those_of_tensorflow(draw, dtype, expected):
    numbers = draw(np, STREAM, 100003, dtype)
    assert numbers.dtype == dtype
    assert checksum(numbers) == expected
    assert checksum(on_xla(draw, 100003, dtype)) == expected


@pytest.mark.parametrize(("dtype", "expected"), [(np.int32, 3202293411), (np.int64, 301828173)])
def test_integers_in_a_range_are_those_of_tensorflow(dtype, expected):
    numbers = random_distributions.uniform_int(np, STREAM, 100003, -7, 1000, dtype)
    assert checksum(numbers) == expected
    assert checksum(on_xla(random_distributions.uniform_int, 100003, -7, 1000, dtype)) == expected


def gamma(xp, stream):
    alpha = np.array([0.05, 0.3, 0.99, 1.0, 1.2, 3.0, 50.0, 1e4], np.float32)
    return xp.maximum(random_rejection.gamma(xp, stream, 1000, alpha, np.float32), np.finfo(np.float32).tiny)


def poisson(xp, stream):
    rate = np.array([0, 0.1, 1, 5, 9.9, 10, 11.5, 30, 100, 1e4, 1e7])
    return random_rejection.poisson(xp, stream, 1000, rate, np.int64)


def binomial(xp, stream):
    counts = np.array([0, 1, 5, 10, 20, 40, 100, 1000, 1e6, 20, -1, 5, 5], np.float32)
    probs = np.array([0.5, 0.3, 0.5, 0.9, 0.4, 0.9, 0.2, 0.7, 0.001, 0, 0.5, 1, 1.5], np.float32)
    return random_rejection.binomial(xp, stream, 1000, counts, probs, np.int64)


def categorical(xp, stream):
    logits = np.array([[0, 1, -1, -np.inf], [2, 2, 2, 2], [-np.inf, 5, 1, 0]], np.float32)
    return random_choice.categorical(xp, stream, xp.asarray(logits), 1000, np.int64)


def permutation(xp, stream):
    return random_choice.permutation(xp, stream, 5000)


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (gamma, 3609280988),
        (poisson, 1126345093),
        (binomial, 263531819),
        (categorical, 3189151495),
        (permutation, 3151850642),
    ],
)
def test_draws_with_parameters_are_those_of_tensorflow(draw, expected):
    assert checksum(draw(np, STREAM)) == expected
    assert checksum(on_xla(draw)) == expected


# mean, deviation, bounds: each method and its mirror image
BATCHES = [
    (0, 1, -2, 2), (1, 2, 3, 4), (0, 1, 5, 6), (0, 1, 5, np.inf), (0, 1, -np.inf, -5), (0, 1, 0.1, 0.2),
    (3, 0.5, -np.inf, 3),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "expected"), [(np.float32, 370772735), (np.float64, 2150297829)])
def test_truncated_normal_batches_are_those_of_tensorflow(dtype, expected):
    parameters = np.array(BATCHES, np.float32).astype(dtype).T
    draw = random_truncated_normal.parameterized_truncated_normal
    numbers = draw(np, STREAM, 100, *parameters)
    assert checksum(numbers.T) == expected
    np.testing.assert_allclose(on_xla(draw, 100, *parameters), numbers, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("top", "expected"), [(3, 3160271797), (100, 2143505996), (70000, 1815859705)])
def test_index_shuffle_is_that_of_tensorflow(top, expected):
    index = np.arange(top + 1, dtype=np.int32)
    key = np.broadcast_to(np.int32([498247692, 3, -5]), (top + 1, 3))
    places = random_choice.index_shuffle(np, index, key, np.full(top + 1, top), 4)
    assert sorted(places.tolist()) == index.tolist()
    assert checksum(places.astype(np.int32)) == expected


def test_rows_without_any_weight_give_a_class_that_does_not_exist():
    logits = np.full((1, 2), -np.inf, np.float32)
    assert random_choice.categorical(np, STREAM, logits, 3, np.int64).tolist() == [[2, 2, 2]]


@pytest.mark.parametrize("count_at_most", [0, 2**20])
def test_both_ways_to_find_a_category_agree(monkeypatch, count_at_most):
    expected = categorical(np, STREAM)
    monkeypatch.setattr(random_choice, "_COUNT_AT_MOST", count_at_most)
    np.testing.assert_array_equal(categorical(np, STREAM), expected)
    np.testing.assert_array_equal(on_xla(categorical), expected)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 17, 1000])
def test_parallel_swaps_give_the_sequential_permutation(size):
    order = random_choice.permutation(np, STREAM, size)
    assert sorted(order.tolist()) == list(range(size))
    np.testing.assert_array_equal(on_xla(random_choice.permutation, size), order)


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, np.float32, np.float64])
@pytest.mark.parametrize("draw", [uniform, normal, truncated])
def test_a_number_depends_on_its_position_only(draw, dtype):
    long = draw(np, STREAM, 4 * philox.PIECE + 9, dtype)
    for size in (0, 1, 6, 1000):
        np.testing.assert_array_equal(draw(np, STREAM, size, dtype), long[:size])
    np.testing.assert_array_equal(on_xla(draw, 7, dtype), long[:7])


def test_uniform_integers_reach_the_ends_of_their_type():
    low, high = -(2**63), 2**63 - 1
    numbers = random_distributions.uniform_int(np, STREAM, 4000, low, high, np.int64)
    assert numbers.min() < low * 0.99 and numbers.max() > high * 0.99


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_impossible_parameters_give_nan(bad):
    assert np.isnan(random_rejection.gamma(np, STREAM, 2, np.array([bad]), np.float32)).all()
    assert np.isnan(random_rejection.poisson(np, STREAM, 2, np.array([bad]), np.float64)).all()


# Moments, for where there is no other implementation to compare with: (numbers, mean, variance).
MOMENTS = [
    (lambda n: uniform(np, STREAM, n, np.float32), 1 / 2, 1 / 12),
    (lambda n: normal(np, STREAM, n, np.float32), 0, 1),
    (lambda n: truncated(np, STREAM, n, np.float32), 0, 0.7737),
    (lambda n: random_rejection.gamma(np, STREAM, n, np.array([0.4]), np.float64), 0.4, 0.4),
    (lambda n: random_rejection.gamma(np, STREAM, n, np.array([7.0]), np.float64), 7, 7),
    (lambda n: random_rejection.poisson(np, STREAM, n, np.array([3.0]), np.float64), 3, 3),
    (lambda n: random_rejection.poisson(np, STREAM, n, np.array([300.0]), np.float64), 300, 300),
    (
        lambda n: random_rejection.binomial(np, STREAM, n, np.array([9.0]), np.array([0.3]), np.float64),
        2.7,
        1.89,
    ),
    (
        lambda n: random_rejection.binomial(np, STREAM, n, np.array([900.0]), np.array([0.8]), np.float64),
        720,
        144,
    ),
]


@pytest.mark.parametrize(("draw", "mean", "variance"), MOMENTS)
def test_mean_and_variance(draw, mean, variance):
    size = 200_000
    numbers = draw(size).astype(np.float64)
    assert abs(numbers.mean() - mean) < 5 * np.sqrt(variance / size)
    assert abs(numbers.var() / variance - 1) < 0.03


def test_normal_numbers_follow_the_normal_distribution():
    numbers = np.sort(normal(np, STREAM, 100_000, np.float32))
    expected = np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in numbers[::100]])
    distance = np.abs(expected - np.arange(0, len(numbers), 100) / len(numbers)).max()
    assert distance < 1.95 / np.sqrt(len(numbers))  # Kolmogorov and Smirnov, at 0.1%


def _c_library():
    name = ctypes.util.find_library("m")
    library = ctypes.CDLL(name) if name and "libm.so.6" in name else None
    if library is not None:
        for function in (library.logf, library.sinf, library.cosf):
            function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    return library


@pytest.mark.skipif(_c_library() is None, reason="compares with glibc")
def test_float32_functions_are_those_of_glibc():
    library = _c_library()
    bits = np.arange(0, 1 << 23, 997, dtype=np.uint32)
    unit = np.maximum((bits | np.uint32(0x3F800000)).view(np.float32) - np.float32(1), np.float32(1e-7))
    angle = (unit * np.float32(2 * np.pi)).astype(np.float32)
    zero, one = np.int32(0), np.int32(1)
    for xp in (np, jnp):
        with wide_types():
            u, v = xp.asarray(unit), xp.asarray(angle)
            log, sin, cos = (
                float32_math.log(xp, u),
                float32_math.sin(xp, v, zero),
                float32_math.sin(xp, v, one),
            )
        np.testing.assert_array_equal(log, [library.logf(float(x)) for x in unit])
        np.testing.assert_array_equal(sin, [library.sinf(float(x)) for x in angle])
        np.testing.assert_array_equal(cos, [library.cosf(float(x)) for x in angle])
