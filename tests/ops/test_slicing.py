"""`tensor[...]`, slice, strided_slice: as NumPy indexes, and as TensorFlow refuses."""

import numpy as np
import pytest

import penstock as tf
from tests.ops.traced_shapes import traced_shape

ARRAY = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
X = tf.constant(ARRAY)
I = tf.constant(1)  # noqa: E741 - an index

BASIC = [
    0,
    -1,
    (1, 2),
    (0, 0, 0),
    slice(1, None),
    slice(None, None, -1),
    (slice(None), slice(1, 3)),
    (slice(None), slice(2, 0, -1), slice(None, None, 2)),
    (..., 0),
    (0, ..., 1),
    None,
    (slice(None), None, ..., 0),
    (),
    slice(5, None),
    slice(1, 0),
    (slice(-9, 9), slice(-2, None)),
    np.int64(1),
    slice(None, np.int32(1)),
]


@pytest.mark.parametrize("key", BASIC, ids=str)
def test_eager_indexing_is_numpys(key):
    np.testing.assert_array_equal(X[key], ARRAY[key])


@pytest.mark.parametrize("key", BASIC, ids=str)
def test_graph_indexing_is_numpys(key):
    np.testing.assert_array_equal(tf.function(lambda x: x[key])(X), ARRAY[key])


@pytest.mark.parametrize("key", BASIC, ids=str)
def test_indexing_under_a_tape_is_numpys(key):
    x = tf.constant(ARRAY, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x[key]
    np.testing.assert_array_equal(y, ARRAY[key])
    expected = np.zeros(ARRAY.shape)
    expected[key] = 1
    np.testing.assert_array_equal(tape.gradient(y, x), expected)


@pytest.mark.parametrize(
    ("key", "numpy_key"),
    [
        (lambda i: i, 1),
        (lambda i: (i, slice(1, i + 1)), (1, slice(1, 2))),
        (lambda i: (..., i), (..., 1)),
        (lambda i: slice(i, None), slice(1, None)),
        (lambda i: (slice(None), i, slice(0, 2)), (slice(None), 1, slice(0, 2))),
        (lambda i: (i, slice(0, 2), None, -1), (1, slice(0, 2), None, -1)),
        (lambda i: tf.cast(i, tf.int64), 1),
        (lambda i: (tf.cast(i, tf.int64), i), (1, 1)),
    ],
)
@pytest.mark.parametrize("mode", ["eager", "function", "loop"])
def test_tensor_indices(key, numpy_key, mode):
    if mode == "eager":
        result = X[key(I)]
    elif mode == "function":
        result = tf.function(lambda x, i: x[key(i)])(X, I)
    else:
        result = tf.map_fn(lambda i: X[key(i)], tf.constant([1]), fn_output_signature=tf.int32)[0]
    np.testing.assert_array_equal(result, ARRAY[numpy_key])


def test_a_list_is_taken_as_a_tuple():
    np.testing.assert_array_equal(X[[0, 1]], ARRAY[0, 1])


def test_a_variable_is_an_index():
    np.testing.assert_array_equal(X[tf.Variable(1)], ARRAY[1])


@pytest.mark.parametrize(
    "mask",
    [
        tf.constant([True, False]),
        np.array([True, False]),
        tf.constant(ARRAY > 5),
        tf.constant(ARRAY[..., 0] > 3),
    ],
)
def test_boolean_masks(mask):
    np.testing.assert_array_equal(X[mask], ARRAY[np.asarray(mask)])


def test_strings():
    assert tf.constant(["a", "b"])[1].numpy() == b"b"
    assert tf.constant(["a", "b"])[::-1].numpy().tolist() == [b"b", b"a"]


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (5, tf.errors.InvalidArgumentError),
        (-3, tf.errors.InvalidArgumentError),
        ((0, 0, 0, 0), tf.errors.InvalidArgumentError),
        ((..., ...), tf.errors.InvalidArgumentError),
        (slice(None, None, 0), tf.errors.InvalidArgumentError),
        (1.0, TypeError),
        ("a", TypeError),
        (np.array([0, 1]), TypeError),
        (tf.constant([0, 1]), TypeError),
        (tf.constant(1, tf.uint8), TypeError),
        (slice(None, 1.5), TypeError),
        ((0, tf.constant([True])), TypeError),
        (True, ValueError),
    ],
    ids=str,
)
def test_errors(key, error):
    with pytest.raises(error):
        X[key]


def test_a_scalar_has_no_elements():
    with pytest.raises(tf.errors.InvalidArgumentError, match="slice scalar"):
        tf.constant(3)[0]
    assert int(tf.constant(3)[...]) == 3


def test_iteration():
    assert [int(each) for each in tf.constant([1, 2])] == [1, 2]
    with pytest.raises(TypeError, match="scalar"):
        iter(tf.constant(1))
    with tf.Graph().as_default(), pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        iter(tf.constant([1]))


@pytest.mark.parametrize(
    ("key", "shape", "expected"),
    [
        (0, [None, 4], [4]),
        ((slice(None), slice(0, 2)), [None, 4], [None, 2]),
        (slice(5, None), [None, 4], [None, 4]),
        (slice(0, 1), [None, 4], [None, 4]),
        ((..., 0), [None, 4], [None]),
        ((slice(None), slice(None, None, 3)), [None, 4], [None, 2]),
        ((None, ..., slice(1, 3)), [None, 4], [1, None, 2]),
        ((..., None), [None, 4], [None, 4, 1]),
        ((slice(None), -1), [None, None, 5], [None, 5]),
        (0, None, None),
    ],
    ids=str,
)
def test_known_dimensions_are_kept(key, shape, expected):
    assert traced_shape(lambda x: x[key], shape) == expected


def test_an_index_out_of_range_is_refused_while_building():
    with pytest.raises(ValueError, match="slice index 5 of dimension 1 out of bounds"):
        traced_shape(lambda x: x[:, 5], [None, 4])


@pytest.mark.parametrize(
    ("begin", "size", "expected"),
    [([0, 1], [2, 2], [2, 2]), ([0, 1], [-1, 2], [None, 2]), ([0, 1], [-1, -1], [None, 3])],
)
def test_slice_keeps_known_dimensions(begin, size, expected):
    assert traced_shape(lambda x: tf.slice(x, begin, size), [None, 4]) == expected


def test_slice_at_a_place_that_is_only_known_at_run_time():
    @tf.function
    def f(x, begin):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.slice(x, begin, [2])
        return y, tape.gradient(y, x)

    y, gradient = f(tf.constant([1.0, 2.0, 3.0, 4.0]), tf.constant([1]))
    assert y.numpy().tolist() == [2, 3]
    assert gradient.numpy().tolist() == [0, 1, 1, 0]


def test_strided_slice_with_masks():
    assert tf.strided_slice(X, [0, 0], [1, 2]).shape == [1, 2, 4]
    assert tf.strided_slice([1, 2, 3, 4, 5], [1], [5], [2]).numpy().tolist() == [2, 4]
    masked = tf.strided_slice(X, [1, 0], [0, 2], begin_mask=2, end_mask=1, shrink_axis_mask=1)
    np.testing.assert_array_equal(masked, ARRAY[1, :2])


def test_a_slice_of_a_variable_can_be_assigned():
    v = tf.Variable([1, 2, 3, 4])
    v[1:3].assign([20, 30])
    assert v.numpy().tolist() == [1, 20, 30, 4]


def test_update_of_a_slice():
    masks = {"shrink_axis_mask": 1}
    result = tf.raw_ops.TensorStridedSliceUpdate(
        input=tf.zeros([2, 3]), begin=[1], end=[2], strides=[1], value=[1.0, 2.0, 3.0], **masks
    )
    assert result.numpy().tolist() == [[0, 0, 0], [1, 2, 3]]
