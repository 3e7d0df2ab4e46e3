"""`experimental_enable_numpy_behavior`: methods, indexing and promotion, and none of it before."""

import numpy as np
import pytest

import penstock as tf
from penstock.numpy_api import behavior
from penstock.numpy_api.weak_tensor import WeakTensor


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


@pytest.fixture
def weak():
    tf.experimental.numpy.experimental_enable_numpy_behavior(dtype_conversion_mode="all")
    yield
    behavior.restore()


@pytest.mark.parametrize(
    "expression, dtype, is_weak",
    [
        ("tf.constant(1.5)", "float32", True),
        ("tf.constant([1, 2])", "int32", True),
        ("tf.constant(1, tf.int32)", "int32", False),
        ("h + 1.5", "bfloat16", False),
        ("1.5 * h", "bfloat16", False),
        ("h + tf.constant(1.0)", "bfloat16", False),
        ("i + 1.5", "float64", True),
        ("i + tf.constant(1)", "int32", False),
        ("tf.constant(1) + tf.constant(2.5)", "float32", True),
        ("u + tf.constant(1, tf.int8)", "int16", False),
        ("tf.zeros([2]) + 1j", "complex64", False),
        ("v + 1", "int32", False),
        ("tf.add(h, 2.0)", "bfloat16", False),
        ("tf.multiply(i, f)", "float32", False),
        ("tf.reduce_sum(tf.constant([1.5]))", "float32", True),
        ("tf.square(tf.constant(3))", "int32", True),
        ("-tf.constant(1)", "int32", True),
        ("tf.constant([1, 2])[0]", "int32", True),
        ("tf.constant([1, 2]).reshape(2, 1)", "int32", True),
        ("tf.constant([1, 2]).astype(tf.float16)", "float16", False),
        ("tf.constant([1, 2]).mean()", "float32", True),
        ("round(tf.constant(1.5))", "float32", True),
        ("tf.constant(1) < 2.5", "bool", False),
        ("tf.experimental.numpy.array([1, 2.5])", "float32", True),
        ("tf.experimental.numpy.sum(i)", "int32", False),
        ("tf.experimental.numpy.ones([2])", "float32", False),
        ("tf.experimental.numpy.arange(3)", "int32", True),
        ("tf.experimental.numpy.mean(i)", "float32", False),
    ],
)
def test_weak_dtypes_give_way(weak, expression, dtype, is_weak):
    names = {
        "i": tf.constant([1, 2], tf.int32),
        "f": tf.constant([1.5, 2], tf.float32),
        "u": tf.constant([1, 2], tf.uint8),
        "h": tf.constant([1, 2], tf.bfloat16),
        "v": tf.Variable([1, 2]),
    }
    found = eval(expression, {"tf": tf}, names)
    assert found.dtype.name == dtype
    assert isinstance(found, WeakTensor) == is_weak


def test_safe_mode_refuses_what_widens_or_loses():
    tf.experimental.numpy.experimental_enable_numpy_behavior(dtype_conversion_mode="safe")
    try:
        small, wide = tf.constant(1, tf.int8), tf.constant(1, tf.int64)
        assert (small + wide).dtype == tf.int64
        for other in (tf.constant(1, tf.uint8), 1.5):
            with pytest.raises(TypeError, match="SAFE"):
                small + other
        with pytest.raises(TypeError, match="SAFE"):
            wide + tf.constant(1.0, tf.float32)
    finally:
        behavior.restore()


def test_weak_tensors_are_values_of_their_tensor(weak):
    found = tf.constant([1.5, 2.5])
    assert repr(found).endswith("weak=True>")
    assert (len(found), float(found[0]), [float(each) for each in found]) == (2, 1.5, [1.5, 2.5])
    np.testing.assert_array_equal(np.array([1.0, 1.0]) + found, [2.5, 3.5])
    assert tf.is_tensor(found)
    assert tf.nest.flatten(found, expand_composites=True)[0].dtype == tf.float32

    @tf.function
    def function(x):
        return x + tf.constant(1, tf.bfloat16)

    assert function(found).dtype == tf.bfloat16


def test_weak_dtypes_do_not_stay():
    tf.experimental.numpy.experimental_enable_numpy_behavior(dtype_conversion_mode="all")
    behavior.restore()
    assert isinstance(tf.constant(1.5), tf.Tensor)
    assert tf.experimental.numpy.array([1, 2]).dtype == tf.int64
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.add(tf.constant(1), tf.constant(1.0))
