"""Native functions that order and count give what NumPy gives."""

import numpy as np
import pytest

import penstock as tf
from penstock.ops import native_ordering, ordering_ops

pytestmark = pytest.mark.skipif(native_ordering._library() is None, reason="no native functions here")

generator = np.random.default_rng(0)


def floats(*shape):
    """Numbers with many equal ones, infinities and NaN among them."""
    x = generator.integers(-50, 50, shape).astype(np.float32)
    x[generator.random(shape) < 0.05] = np.nan
    x[generator.random(shape) < 0.02] = -np.inf
    return x


@pytest.mark.parametrize("smallest", [False, True])
@pytest.mark.parametrize(
    "shape, axis", [((40, 33), 0), ((3, 50, 20), 1), ((5, 1, 300), -2), ((64, 4, 16), 0)]
)
def test_largest_of_each_column(shape, axis, smallest):
    x = floats(*shape)
    x[..., 0] = np.nan  # a column of nothing else
    plain = np.where(np.isnan(x), np.inf if smallest else -np.inf, x)
    found = native_ordering.largest_rows(x, axis, smallest)
    np.testing.assert_array_equal(found, (np.argmin if smallest else np.argmax)(plain, axis))


@pytest.mark.parametrize("shape, k", [((30, 1000), 10), ((7, 300), 1), ((2, 3, 777), 97), ((4100,), 5)])
def test_k_largest_in_order(shape, k):
    x = floats(*shape)
    key = np.where(np.isnan(x), np.float32(-np.inf), x)
    expected = ordering_ops._descending(key)[..., :k]
    np.testing.assert_array_equal(native_ordering.k_largest(x, k), expected)
    values, indices = tf.math.top_k(x, k)
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(values, np.take_along_axis(x, expected, -1))


def test_the_target_is_in_the_top_k_where_few_are_above_it():
    x = generator.integers(0, 9, (60, 100)).astype(np.float32)
    x[3, 5], x[4, 7] = np.nan, np.inf
    targets = generator.integers(-1, 101, 60)
    safe = np.clip(targets, 0, 99)
    above = (x > np.take_along_axis(x, safe[:, None], 1)).sum(1)
    expected = (targets == safe) & np.isfinite(x).all(1) & (above < 20)
    np.testing.assert_array_equal(tf.math.in_top_k(targets, x, 20), expected)
    assert 0 < expected.sum() < 60


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("size", [1, 1000, 5000])
def test_counts_of_numbers(dtype, size):
    values = generator.integers(0, 2000, 5003).astype(dtype)
    counts, valid = native_ordering.count_numbers(values, size)
    np.testing.assert_array_equal(counts, np.bincount(values, minlength=size)[:size])
    assert valid


def test_a_negative_number_is_not_counted():
    values = np.zeros(2000, np.int32)
    values[1234] = -1
    assert not native_ordering.count_numbers(values, 10)[1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="non-negative"):
        tf.math.bincount(tf.constant(values), minlength=10, maxlength=10).numpy()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "complex128", "bool"])
@pytest.mark.parametrize("columns", [(), (3,)])
def test_rows_of_each_group(dtype, columns):
    rows = generator.integers(0, 100, (2000, *columns)).astype(dtype)
    groups = generator.integers(0, 4, 2000).astype(np.int32)
    found = tf.dynamic_partition(rows, groups, 6)  # the last groups are empty
    for group, each in enumerate(found):
        np.testing.assert_array_equal(each, rows[groups == group])


@pytest.mark.parametrize(
    "x", [np.zeros((4, 4), np.float32), np.zeros((64, 64)), np.zeros((64, 64), np.float32).T[::2]]
)
def test_small_wide_and_strided_arrays_are_left_to_numpy(x):
    assert native_ordering.largest_rows(x, 0, False) is None
    assert native_ordering.k_largest(x, 1) is None
