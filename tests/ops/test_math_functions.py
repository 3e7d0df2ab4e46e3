"""Public functions over elementwise, special, segment and scan ops: what they add to the ops."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.types import dtypes

V1 = tf.compat.v1


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # Arithmetic.
        (lambda: tf.add(1.0, 2), np.float32(3)),
        (lambda: tf.math.truediv(5, 2), np.float64(2.5)),
        (lambda: tf.math.divide_no_nan(1, 0), np.float64(0)),
        (lambda: tf.math.floordiv(5.0, 2), np.float32(2)),
        (lambda: V1.div(7, 2), np.int32(3)),
        (lambda: V1.div(7.0, 2.0), np.float32(3.5)),
        (lambda: V1.floor_div(-7, 2), np.int32(-4)),
        (lambda: tf.truncatemod(-7, 2), np.int32(-1)),
        (lambda: tf.math.reciprocal_no_nan([2.0, 0.0]), np.float32([0.5, 0])),
        (lambda: tf.scalar_mul(2, tf.constant([1.0])), np.float32([2])),
        (lambda: tf.add_n([tf.constant([1, 2]), [3, 4]]), np.int32([4, 6])),
        (
            lambda: tf.math.accumulate_n([[1, 2], [3, 4]], shape=[2], tensor_dtype=dtypes.int32),
            np.int32([4, 6]),
        ),
        (lambda: tf.math.polyval([2.0, 0.0, 1.0], [3.0, 1.0]), np.float32([19, 3])),
        (lambda: tf.math.polyval([], [3.0]), np.float32([0])),
        # Elementwise.
        (lambda: tf.abs(3.0 + 4.0j), np.float64(5)),
        (lambda: tf.round([0.5, 1.5, 2.5]), np.float32([0, 2, 2])),
        (lambda: tf.round(3), np.int32(3)),
        (lambda: tf.math.log_sigmoid([0.0]), np.float32([-np.log(2)])),
        (lambda: tf.math.logical_xor([True, True], [True, False]), np.array([False, True])),
        (lambda: tf.math.is_strictly_increasing([1, 2, 2]), np.False_),
        (lambda: tf.math.is_strictly_increasing(tf.constant([], dtypes.int32)), np.True_),
        (lambda: tf.math.is_non_decreasing([[1, 2], [2, 3]]), np.True_),
        # Complex numbers.
        (lambda: tf.complex([1.0], 2.0), np.complex64([1 + 2j])),
        (lambda: tf.math.real([1.5]), np.float32([1.5])),
        (lambda: tf.math.imag([1.5]), np.float32([0])),
        (lambda: tf.math.angle([-1.0, 1.0]), np.float32([np.pi, 0])),
        (lambda: tf.math.conj([1.5]), np.float32([1.5])),
        # Special functions.
        (lambda: tf.math.lbeta([[1.0, 2.0], [3.0, 4.0]]), np.float32([-0.6931472, -4.0943446])),
        (lambda: tf.math.erfcinv(0.5), np.float32(0.47693628)),
        (lambda: tf.math.xlogy(0.0, 0.0), np.float32(0)),
        (lambda: tf.math.sobol_sample(2, 3), np.float32([[0.5, 0.5], [0.75, 0.25], [0.25, 0.75]])),
        # Scans.
        (lambda: tf.cumsum([[1, 2], [3, 4]], axis=1, reverse=True), np.int32([[3, 2], [7, 4]])),
        (lambda: tf.math.cumprod([2.0, 3.0], exclusive=True), np.float32([1, 2])),
        (lambda: tf.math.cumulative_logsumexp([1.0, 2.0], exclusive=True), np.float32([-np.inf, 1])),
        # Segments.
        (
            lambda: tf.math.segment_max([[1, 2], [3, 4], [5, 6]], [0, 0, 2]),
            np.int32([[3, 4], [0, 0], [5, 6]]),
        ),
        (lambda: tf.math.unsorted_segment_mean([1.0, 2.0, 3.0], [0, 0, 2], 4), np.float32([1.5, 0, 3, 0])),
        (lambda: tf.math.unsorted_segment_mean([1, 2], [0, 0], 1), np.float64([1.5])),
        (lambda: tf.math.unsorted_segment_sqrt_n([1.0, 3.0], [0, 0], 1), np.float32([4 / np.sqrt(2)])),
        (lambda: tf.sparse.segment_mean([[1.0], [3.0], [5.0]], [0, 2], [0, 0]), np.float32([[3]])),
        (lambda: tf.sparse.segment_sum([1.0, 3.0], [1], [0], num_segments=2), np.float32([3, 0])),
        (lambda: V1.sparse_segment_sum([1.0, 3.0], [1], [0], None, 2), np.float32([3, 0])),
    ],
)
def test_values(function, expected):
    result, expected = np.asarray(function().numpy()), np.asarray(expected)
    assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
    if expected.dtype.kind in "fc":
        np.testing.assert_allclose(result, expected, rtol=1e-5)
    else:
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda: tf.sin(1), tf.errors.InvalidArgumentError),
        (lambda: tf.truediv(True, False), TypeError),
        (lambda: tf.truediv("a", 1), TypeError),
        (lambda: tf.maximum(1, 2.0), TypeError),
        (lambda: tf.logical_and(1, 0), TypeError),
        (lambda: tf.scalar_mul([1.0], [1.0]), ValueError),
        (lambda: tf.add_n([]), ValueError),
        (lambda: tf.add_n([1, 2.0]), tf.errors.InvalidArgumentError),
        (lambda: tf.math.polyval((1.0,), 1.0), ValueError),
        (lambda: tf.complex(1, 2), TypeError),
        (lambda: tf.math.real("a"), TypeError),
        (lambda: tf.math.conj("a"), TypeError),
        (lambda: tf.cumsum(5), tf.errors.InvalidArgumentError),
        (lambda: tf.linalg.cross([1, 2], [3, 4]), tf.errors.FailedPreconditionError),
        (lambda: tf.math.sobol_sample(0, 1), tf.errors.InvalidArgumentError),
    ],
)
def test_refused(function, error):
    with pytest.raises(error):
        function()


def test_scalar_mul_keeps_slices():
    slices = tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([0]), tf.constant([2, 1]))
    assert tf.scalar_mul(3.0, slices).values.numpy().tolist() == [[3]]


def test_a_sparse_gradient_of_selected_rows():
    data = tf.Variable([[1.0], [2.0], [3.0]])
    with tf.GradientTape() as tape:
        y = tf.sparse.segment_mean(data, [0, 2], [0, 0], sparse_gradient=True)
    gradient = tape.gradient(y, data)
    assert isinstance(gradient, tf.IndexedSlices)
    np.testing.assert_array_equal(tf.convert_to_tensor(gradient), [[0.5], [0], [0.5]])


@pytest.mark.parametrize("shapes", [([None, 3], [3]), ([None, None], [None]), (None, None)])
def test_gradients_of_broadcasting_with_unknown_shapes(shapes):
    """What is not known while tracing is decided when the function runs."""

    @tf.function(input_signature=[tf.TensorSpec(shape, dtypes.float32) for shape in shapes])
    def gradients(x, y):
        with tf.GradientTape() as tape:
            tape.watch([x, y])
            z = x * y
        return tape.gradient(z, [x, y])

    x, y = tf.constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), tf.constant([1.0, 2.0, 3.0])
    dx, dy = gradients(x, y)
    np.testing.assert_array_equal(dx, [[1, 2, 3], [1, 2, 3]])
    np.testing.assert_array_equal(dy, [5, 7, 9])


@pytest.mark.parametrize(
    ("op_type", "arguments"),
    [
        ("Sum", {"input": [1.0, 2.0], "axis": 0}),
        ("Any", {"input": [True], "axis": [0], "keep_dims": True}),
        ("Squeeze", {"input": [[1.0]], "axis": [0]}),
        ("ExpandDims", {"input": [1.0], "axis": 0}),
        ("Where", {"condition": [True, False]}),
        ("Select", {"condition": [True], "x": [1], "y": [2]}),
    ],
)
def test_raw_ops_take_the_keywords_of_python(op_type, arguments):
    """A few arguments have another name in `tf.raw_ops` than in the registry."""
    getattr(tf.raw_ops, op_type)(**arguments)


@pytest.mark.parametrize("function", [tf.sqrt, tf.math.rsqrt, tf.math.reciprocal])
def test_infinite_slope_times_no_gradient_is_no_gradient(function):
    x = tf.constant([0.0, 4.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(tf.where(x > 0, function(x), 0.0))
    gradient = tape.gradient(y, x).numpy()
    assert gradient[0] == 0 and np.isfinite(gradient[1])
