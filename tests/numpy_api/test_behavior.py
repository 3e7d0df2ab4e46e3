"""`experimental_enable_numpy_behavior`: methods, indexing and promotion, and none of it before."""

import numpy as np
import pytest

import penstock as tf
from penstock.numpy_api import behavior


@pytest.fixture
def enabled():
    tf.experimental.numpy.experimental_enable_numpy_behavior()
    yield
    behavior.restore()


@pytest.mark.parametrize(
    "expression, dtype",
    [
        ("i + f", "float64"),
        ("f + i", "float64"),
        ("i + 1.5", "float64"),
        ("1.5 + i", "float64"),
        ("f + 1.5", "float32"),
        ("2 * f", "float32"),
        ("i - u", "int32"),
        ("i * (i > 1)", "int32"),
        ("i // f", "float64"),
        ("i ** 2.0", "float64"),
        ("i @ f", "float64"),
        ("i + np.float32(1)", "float64"),
        ("np.array([1.5, 2.5]) + i", "float64"),
        ("v * 2.5", "float64"),
        ("f - v", "float64"),
        ("u + tf.constant(1, tf.int8)", "int16"),
        ("f + 1j", "complex64"),
        ("u / 2", "float32"),
    ],
)
def test_operators_promote(enabled, expression, dtype):
    names = {
        "i": tf.constant([1, 2]),
        "f": tf.constant([1.5, 2]),
        "u": tf.constant([1, 2], tf.uint8),
        "v": tf.Variable([1, 2]),
    }
    assert eval(expression, {"tf": tf, "np": np}, names).dtype.name == dtype


def test_comparisons_promote(enabled):
    assert (tf.constant([1, 2]) < tf.constant([1.5, 2])).numpy().tolist() == [True, False]
    assert (tf.constant([1, 2]) == 1.0).numpy().tolist() == [True, False]


KEYS = """
    [0, 1] ; [-1] ; 0, [0, 2], [1, 3] ; slice(None), [0, 2] ; slice(None), [0, 2], 1 ; slice(None), [0, 2], [1, 3]
    [0, 1], slice(None), [1, 3] ; ..., [1, 3] ; ..., 0, [1, 2] ; None, 0 ; slice(None), None, [0, 1]
    slice(1, None), slice(None, None, 2), -1 ; np.array([[0, 1], [1, 0]]) ; slice(None), np.array([True, False, True])
    np.array([True, False]) ; slice(None), np.array([0, 1], np.int8)
"""


@pytest.mark.parametrize(
    "key", [each.strip() for line in KEYS.splitlines() for each in line.split(" ; ") if each.strip()]
)
def test_indexing_is_that_of_numpy(enabled, key):
    array = np.arange(24).reshape(2, 3, 4)
    index = eval(key, {"np": np})
    # TensorFlow counts a number as a slice of one, and not as an index array.
    wanted = array[index] if key != "0, [0, 2], [1, 3]" else array[0][[0, 2], [1, 3]]
    np.testing.assert_array_equal(tf.constant(array)[index], wanted)


def test_masks(enabled):
    array = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(tf.constant(array)[tf.constant(array > 2)], [3, 4, 5])


@pytest.mark.parametrize("key", [1.5, [1.5], "a"])
def test_bad_indices(enabled, key):
    with pytest.raises((IndexError, TypeError)):
        tf.constant([1, 2])[key]


def test_methods(enabled):
    m = tf.reshape(tf.range(6), [2, 3])
    assert m.T.shape == (3, 2)
    assert m.size == 6
    assert m.reshape(3, 2).shape == m.reshape([3, -1]).shape == (3, 2)
    assert m.ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert m.flatten("F").tolist() == [0, 3, 1, 4, 2, 5]
    assert m.astype(tf.float32).dtype == tf.float32
    assert m.clip(1, 3).max().numpy() == 3
    assert m.mean().numpy() == 2.5
    assert m.min(axis=1).numpy().tolist() == [0, 3]
    assert (+m is m) and m.data is m
    assert round(tf.constant([1.6])).numpy() == [2.0]


def test_a_symbolic_tensor_has_no_list(enabled):
    @tf.function
    def function(x):
        return x.tolist()

    with pytest.raises(ValueError):
        function(tf.constant(1))


def test_behavior_inside_functions(enabled):
    @tf.function
    def function(x):
        return (x + 0.5)[[1, 0]].reshape(1, 2)

    np.testing.assert_array_equal(function(tf.constant([1, 2])), [[2.5, 1.5]])


def test_python_floats_may_count_as_float32():
    tf.experimental.numpy.experimental_enable_numpy_behavior(prefer_float32=True)
    try:
        assert (tf.constant(1, tf.int8) + 1.5).dtype == tf.float32
    finally:
        behavior.restore()


def test_nothing_of_it_stays():
    tf.experimental.numpy.experimental_enable_numpy_behavior()
    behavior.restore()
    with pytest.raises(AttributeError):
        tf.constant(1).astype
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.constant(1) + tf.constant(1.0)


def test_an_unknown_mode():
    with pytest.raises(ValueError, match="does not exist"):
        tf.experimental.numpy.experimental_enable_numpy_behavior(dtype_conversion_mode="some")
