"""Python's operators on tensors: values, dtypes, the other side's conversions, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.types import dtypes


def ints(*values):
    return tf.constant(values)


def floats(*values):
    return tf.constant([float(value) for value in values])


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: ints(5, 7) + ints(1, 2), [6, 9]),
        (lambda: ints(5) + 2, [7]),
        (lambda: 2 - ints(5), [-3]),
        (lambda: ints(5) + True, [6]),
        (lambda: ints(5) + np.int64(3), [8]),
        (lambda: ints(5) * np.float32(2.5), [10]),
        (lambda: np.array([1, 2]) * ints(3, 4), [3, 8]),
        (lambda: ints(7, -7) // 2, [3, -4]),
        (lambda: ints(7, -7) % 3, [1, 2]),
        (lambda: 7 % ints(3), [1]),
        (lambda: ints(2) ** 3, [8]),
        (lambda: -ints(5), [-5]),
        (lambda: abs(ints(-5)), [5]),
        (lambda: ints(6) & 3, [2]),
        (lambda: ints(6) | 3, [7]),
        (lambda: 6 ^ ints(3), [5]),
        (lambda: ~ints(5), [-6]),
    ],
)
def test_int32(function, expected):
    result = function()
    assert result.dtype is dtypes.int32
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: floats(1, 2) + np.array([1, 2]), [2, 4]),
        (lambda: np.float64(2) * floats(1.5), [3]),
        (lambda: floats(3) - 1, [2]),
        (lambda: 1 / floats(4), [0.25]),
        (lambda: floats(5) // 2, [2]),
        (lambda: floats(-5) % 3, [1]),
        (lambda: 2 ** floats(3), [8]),
        (lambda: floats(1, 2) + [tf.constant(1.0), 2.0], [2, 4]),
        (lambda: [[1.0, 2.0]] @ tf.constant([[3.0], [4.0]]), [[11]]),
        (lambda: tf.constant([[1.0, 2.0]]) @ [[3.0], [4.0]], [[11]]),
        (lambda: tf.constant(2) * tf.Variable(1.5), 3.0),  # TensorFlow refuses this since 2.0
    ],
)
def test_float32(function, expected):
    result = function()
    assert result.dtype is dtypes.float32
    np.testing.assert_array_equal(result, np.array(expected, np.float32))


@pytest.mark.parametrize(
    ("dtype", "quotient"),
    [
        (dtypes.int8, dtypes.float32),
        (dtypes.uint16, dtypes.float32),
        (dtypes.int32, dtypes.float64),
        (dtypes.int64, dtypes.float64),
        (dtypes.float16, dtypes.float16),
        (dtypes.bfloat16, dtypes.bfloat16),
        (dtypes.complex64, dtypes.complex64),
    ],
)
def test_true_division_dtypes(dtype, quotient):
    result = tf.cast([7, 8], dtype) / tf.cast([2, 2], dtype)
    assert result.dtype is quotient
    np.testing.assert_array_equal(tf.cast(result, dtypes.float32), [3.5, 4])


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: ints(1, 2, 3) < 2, [True, False, False]),
        (lambda: 2 <= ints(1, 2, 3), [False, True, True]),
        (lambda: floats(1, 2) >= np.array([1.0, 3.0]), [True, False]),
        (lambda: ints(1, 2) == [1, 3], [True, False]),
        (lambda: ints(1, 2) != ints(1, 3), [False, True]),
        (lambda: ints(1, 2) == ints(1, 2, 3), False),  # shapes that do not fit are unequal
        (lambda: ints(1, 2) != ints(1, 2, 3), True),
        (lambda: tf.constant(["a", "b"]) == "a", [True, False]),
        (lambda: tf.constant([True, False]) & tf.constant([True, True]), [True, False]),
        (lambda: tf.constant([True, False]) | False, [True, False]),
        (lambda: tf.constant([True, False]) ^ True, [False, True]),
        (lambda: ~tf.constant([True, False]), [False, True]),
    ],
)
def test_truth_values(function, expected):
    result = function()
    assert result.dtype is dtypes.bool
    np.testing.assert_array_equal(result, expected)


def test_comparison_with_none_is_a_python_bool():
    assert (ints(1) == None) is False  # noqa: E711
    assert (ints(1) != None) is True  # noqa: E711


def test_strings_are_joined():
    assert (tf.constant("a") + "b").numpy() == b"ab"
    assert ("b" + tf.constant(["a"])).numpy().tolist() == [b"ba"]


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda: ints(5) // 0, tf.errors.InvalidArgumentError),
        (lambda: ints(5) % 0, tf.errors.InvalidArgumentError),
        (lambda: ints(2) ** -1, tf.errors.InvalidArgumentError),
        (lambda: ints(1) + 2.5, tf.errors.InvalidArgumentError),
        (lambda: 2.5 + ints(1), TypeError),
        (lambda: ints(1) * 2.5, TypeError),
        (lambda: ints(1) / 2.5, TypeError),
        (lambda: ints(1) < 2.5, TypeError),
        (lambda: ints(1) == "a", TypeError),
        (lambda: tf.constant(True) & 1, TypeError),
        (lambda: tf.constant("a") * 2, TypeError),
        (lambda: ints(1) + None, ValueError),
        (lambda: ints(1) + floats(1), tf.errors.InvalidArgumentError),
        (lambda: ints(1, 2) + ints(1, 2, 3), tf.errors.InvalidArgumentError),
        (lambda: floats(1) & floats(1), tf.errors.InvalidArgumentError),
        (lambda: -tf.constant(True), tf.errors.InvalidArgumentError),
        (lambda: tf.constant(True) + tf.constant(True), tf.errors.InvalidArgumentError),
        (lambda: divmod(ints(5), 2), TypeError),
        (lambda: list(tf.constant(1)), TypeError),
    ],
)
def test_refused(function, error):
    with pytest.raises(error):
        function()


def test_iteration_gives_rows():
    rows = list(tf.constant([[1, 2], [3, 4]]))
    assert [row.numpy().tolist() for row in rows] == [[1, 2], [3, 4]]
    assert 2 in ints(1, 2)
    assert 3 not in ints(1, 2)


class Other:
    """A type that knows how to combine with tensors, and cannot become one."""

    def __radd__(self, left):
        return "other + tensor"

    def __rmatmul__(self, left):
        return "other @ tensor"


def test_the_other_side_may_define_the_operator():
    assert ints(1) + Other() == "other + tensor"
    assert tf.constant([[1.0]]) @ Other() == "other @ tensor"


class TestInAGraph:
    """Nodes are named as TensorFlow names them."""

    @pytest.mark.parametrize(
        ("function", "name", "op_type"),
        [
            (lambda x: x + 1, "add", "AddV2"),
            (lambda x: 1 - x, "sub", "Sub"),
            (lambda x: x * 2, "mul", "Mul"),
            (lambda x: x // 2, "floordiv", "FloorDiv"),
            (lambda x: x % 2, "mod", "FloorMod"),
            (lambda x: x**2, "pow", "Pow"),
            (lambda x: -x, "Neg", "Neg"),
            (lambda x: x < 2, "Less", "Less"),
            (lambda x: ~x, "Invert", "Invert"),
            (lambda x: tf.add(x, 1), "Add", "AddV2"),
            (lambda x: tf.reduce_sum(x), "Sum", "Sum"),
        ],
    )
    def test_names(self, function, name, op_type):
        with tf.Graph().as_default():
            operation = function(tf.constant([1, 2])).op
        assert (operation.name, operation.type) == (name, op_type)

    @pytest.mark.parametrize(
        ("function", "error"),
        [
            (lambda x: x + tf.constant(1.0), TypeError),
            (lambda x: x + 2.5, TypeError),
            (lambda x: tf.sin(x), TypeError),
            (lambda x: x + tf.constant([1, 2, 3]), ValueError),
            (lambda x: tf.reduce_sum(x, axis=3), ValueError),
            (lambda x: list(x), TypeError),
        ],
    )
    def test_refused(self, function, error):
        with tf.Graph().as_default(), pytest.raises(error):
            function(tf.constant([1, 2]))


@pytest.mark.parametrize("product", [lambda b: b * b, lambda b: b * True, lambda b: True * b])
def test_the_product_of_truth_values_is_and(product):
    assert product(tf.constant([True, False])).numpy().tolist() == [True, False]


@pytest.mark.parametrize("traced", [False, True])
def test_an_integer_constant_takes_the_dtype_of_a_floating_variable(traced):
    x = tf.Variable([1.0, 2.0])
    compute = lambda: tf.constant(2) * x + tf.constant(3)
    result = (tf.function(compute) if traced else compute)()
    assert result.dtype == tf.float32
    assert result.numpy().tolist() == [5.0, 7.0]


def test_an_integer_tensor_and_a_floating_tensor_do_not_mix():
    with pytest.raises(tf.errors.InvalidArgumentError, match="AddV2"):
        tf.constant(1) + tf.constant(2.0)


@pytest.mark.parametrize("make", [tf.constant, tf.Variable], ids=["tensor", "variable"])
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x, slices: x + slices, [[1, 1], [4, 5], [1, 1]]),
        (lambda x, slices: slices - x, [[-1, -1], [2, 3], [-1, -1]]),
        (lambda x, slices: x * slices, [[0, 0], [3, 4], [0, 0]]),
        (lambda x, slices: x > slices, [[True, True], [False, False], [True, True]]),
        (lambda x, slices: x == slices, [[False, False]] * 3),
    ],
)
def test_slices_meet_a_tensor_as_a_dense_one(make, function, expected):
    slices = tf.IndexedSlices(tf.constant([[3.0, 4.0]]), tf.constant([1]), tf.constant([3, 2]))
    assert function(make(tf.ones([3, 2])), slices).numpy().tolist() == expected
    assert tf.function(function)(make(tf.ones([3, 2])), slices).numpy().tolist() == expected


def test_slices_do_not_meet_other_things():
    slices = tf.IndexedSlices(tf.constant([[3.0, 4.0]]), tf.constant([1]), tf.constant([3, 2]))
    with pytest.raises(TypeError, match="unsupported operand"):
        slices + slices
    with pytest.raises(TypeError, match="unsupported operand"):
        1.0 + slices
