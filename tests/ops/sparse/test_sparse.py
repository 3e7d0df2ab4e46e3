"""tf.SparseTensor and tf.sparse: conversions, slicing, arithmetic, reductions, products; gradients; in functions."""

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
INDICES, VALUES, SHAPE = [[0, 1], [1, 0], [1, 2]], [1.0, 2.0, 3.0], [2, 3]
DENSE = np.array([[0, 1, 0], [2, 0, 3]], np.float32)


def sparse(values=VALUES, indices=INDICES, shape=SHAPE):
    return tf.SparseTensor(indices, values, shape)


def dense(x):
    return tf.sparse.to_dense(x).numpy()


@pytest.fixture
def s():
    return sparse()


@pytest.fixture
def other():
    return tf.SparseTensor([[0, 1], [1, 1]], [-1.0, 5.0], SHAPE)


@pytest.mark.parametrize(
    "arguments",
    [([0, 1], [1.0, 2.0], [2, 3]), ([[0, 1]], [1.0, 2.0], [2, 3]), ([[0, 1]], [1.0], [2, 3, 4])],
    ids=["rank", "count", "shape"],
)
def test_parts_must_fit(arguments):
    with pytest.raises(ValueError, match=r"rank|compatible"):
        tf.SparseTensor(*arguments)


def test_parts_and_shape(s):
    assert s.indices.dtype == tf.int64
    assert s.shape == SHAPE
    assert s.dtype == tf.float32
    assert s._type_spec == tf.SparseTensorSpec(SHAPE, tf.float32)
    assert tf.is_tensor(s)
    with pytest.raises(ValueError):
        s.set_shape([5, 3])


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: dense(sparse()), DENSE),
        (lambda: tf.sparse.to_dense(sparse(), default_value=9.0), np.where(DENSE == 0, 9, DENSE)),
        (lambda: dense(tf.sparse.from_dense(DENSE)), DENSE),
        (lambda: dense(tf.sparse.from_dense([True, False])), [True, False]),
        (lambda: dense(tf.sparse.transpose(sparse())), DENSE.T),
        (lambda: dense(tf.sparse.reshape(sparse(), [3, -1])), DENSE.reshape(3, 2)),
        (lambda: dense(tf.sparse.expand_dims(sparse(), 1)), DENSE[:, None]),
        (lambda: dense(tf.sparse.expand_dims(sparse())), DENSE[..., None]),
        (lambda: dense(tf.sparse.slice(sparse(), [0, 1], [2, 9])), DENSE[:, 1:]),
        (lambda: dense(tf.sparse.concat(1, [sparse(), sparse()])), np.concatenate([DENSE, DENSE], 1)),
        (lambda: dense(tf.sparse.concat(0, [sparse(), sparse()])), np.concatenate([DENSE, DENSE], 0)),
        (lambda: dense(tf.sparse.split(sparse(), 2, 1)[0]), DENSE[:, :2]),
        (lambda: dense(tf.sparse.retain(sparse(), [True, False, True])), [[0, 1, 0], [0, 0, 3]]),
        (lambda: dense(tf.sparse.reset_shape(sparse(), [3, 3])), np.vstack([DENSE, np.zeros((1, 3))])),
        (lambda: dense(tf.sparse.eye(2, 3)), np.eye(2, 3)),
        (lambda: dense(tf.cast(sparse(), tf.int32)), DENSE),
        (lambda: dense(tf.abs(tf.negative(sparse()))), DENSE),
        (lambda: dense(tf.sparse.map_values(tf.add, sparse(), 5.0)), np.where(DENSE == 0, 0, DENSE + 5)),
        (lambda: dense(sparse() * 2.0), DENSE * 2),
        (lambda: dense(tf.constant([[1.0, 2.0, 3.0]]) * sparse()), DENSE * [1, 2, 3]),
        (lambda: dense(sparse() / tf.constant([[2.0], [4.0]])), DENSE / [[2], [4]]),
        (lambda: tf.sparse.add(sparse(), tf.ones(SHAPE)), DENSE + 1),
        (lambda: tf.sparse.sparse_dense_matmul(sparse(), tf.ones([3, 2])), DENSE @ np.ones((3, 2))),
        (lambda: tf.sparse.sparse_dense_matmul(tf.ones([4, 2]), sparse()), np.ones((4, 2)) @ DENSE),
        (
            lambda: tf.sparse.sparse_dense_matmul(sparse(), tf.ones([2, 4]), adjoint_a=True),
            DENSE.T @ np.ones((2, 4)),
        ),
        (lambda: v1.sparse_to_dense([1, 3], [5], [7, 8], -1), [-1, 7, -1, 8, -1]),
        (
            lambda: tf.sparse.to_indicator(tf.SparseTensor([[0, 0], [1, 1]], [2, 0], [2, 2]), 3),
            [[0, 0, 1], [1, 0, 0]],
        ),
    ],
)
def test_functions_agree_with_their_dense_counterparts(function, expected):
    assert np.array_equal(function(), expected)


@pytest.mark.parametrize("axis", [None, 0, 1, -1, [0, 1]])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("output_is_sparse", [False, True])
def test_reductions(s, axis, keepdims, output_is_sparse):
    axes = tuple(axis) if isinstance(axis, list) else axis
    found = tf.sparse.reduce_sum(s, axis, keepdims, output_is_sparse)
    assert np.array_equal(dense(found) if output_is_sparse else found, DENSE.sum(axes, keepdims=keepdims))


def test_the_maximum_looks_at_given_elements_only():
    negative = tf.SparseTensor([[0, 1], [1, 0]], [-1.0, -2.0], [3, 3])
    assert tf.sparse.reduce_max(negative, 1).numpy().tolist() == [-1.0, -2.0, 0.0]


def test_sums_of_sparse_tensors_drop_what_is_below_the_threshold(s, other):
    assert tf.sparse.add(s, other).values.numpy().tolist() == [0.0, 2.0, 5.0, 3.0]
    assert tf.sparse.add(s, other, threshold=0.5).values.numpy().tolist() == [2.0, 5.0, 3.0]
    assert dense(tf.sparse.maximum(s, other)).tolist() == np.maximum(DENSE, dense(other)).tolist()
    assert dense(tf.sparse.minimum(s, other)).tolist() == np.minimum(DENSE, dense(other)).tolist()


def test_softmax_is_among_given_elements(s):
    probabilities = tf.sparse.softmax(s).values.numpy()
    assert probabilities == pytest.approx([1.0, 1 / (1 + np.e), np.e / (1 + np.e)])


def test_empty_rows_are_filled():
    rows = tf.SparseTensor([[1, 0], [3, 1]], [5, 6], [5, 2])
    filled, empty = tf.sparse.fill_empty_rows(rows, 9)
    assert dense(filled).tolist() == [[9, 0], [5, 0], [9, 0], [0, 6], [9, 0]]
    assert empty.numpy().tolist() == [True, False, True, False, True]


@pytest.mark.parametrize(
    ("indices", "message"),
    [([[1, 0], [0, 1]], "out of order"), ([[0, 1], [0, 1]], "repeated"), ([[0, 1], [0, 7]], "out of bounds")],
)
def test_bad_indices_are_named(indices, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        tf.sparse.to_dense(tf.SparseTensor(indices, [1.0, 2.0], SHAPE))


def test_unordered_indices_can_be_sorted():
    unordered = tf.SparseTensor([[1, 0], [0, 1]], [2.0, 1.0], SHAPE)
    assert tf.sparse.reorder(unordered).values.numpy().tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: tf.sparse.add(1, 2), TypeError),
        (lambda: tf.sparse.add(sparse(), tf.sparse.eye(2)), tf.errors.InvalidArgumentError),
        (lambda: tf.sparse.concat(0, [sparse(), tf.sparse.eye(2)]), tf.errors.InvalidArgumentError),
        (lambda: tf.sparse.sparse_dense_matmul(sparse(), tf.ones([2, 2])), tf.errors.InvalidArgumentError),
        (lambda: tf.sparse.reshape(sparse(), [4, 2]), tf.errors.InvalidArgumentError),
        (lambda: tf.sparse.expand_dims(sparse(), 5), tf.errors.InvalidArgumentError),
        (lambda: sparse() * tf.ones([4]), tf.errors.InvalidArgumentError),
        (lambda: tf.sparse.split(sparse()), ValueError),
    ],
)
def test_what_does_not_fit_is_refused(call, error):
    with pytest.raises(error):
        call()


WEIGHTS = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(
    "function",
    [
        lambda v: tf.sparse.to_dense(sparse(v)) * WEIGHTS,
        lambda v: tf.sparse.add(sparse(v), tf.SparseTensor([[0, 1], [1, 1]], [1.0, 1.0], SHAPE)).values,
        lambda v: tf.sparse.add(sparse(v), tf.constant(WEIGHTS)),
        lambda v: tf.sparse.sparse_dense_matmul(sparse(v), tf.constant(WEIGHTS.T)),
        lambda v: tf.sparse.sparse_dense_matmul(sparse(v), tf.constant(WEIGHTS), adjoint_a=True),
        lambda v: tf.sparse.sparse_dense_matmul(sparse(v), tf.constant(WEIGHTS), adjoint_b=True),
        lambda v: tf.sparse.reduce_sum(sparse(v), 1),
        lambda v: tf.sparse.reduce_sum(sparse(v), 0, True),
        lambda v: (sparse(v) * tf.constant(WEIGHTS)).values,
        lambda v: (sparse(v) / tf.constant(WEIGHTS + 1)).values,
        lambda v: tf.sparse.softmax(sparse(v)).values,
        lambda v: tf.sparse.slice(sparse(v), [1, 0], [1, 3]).values,
        lambda v: tf.sparse.concat(1, [sparse(v), sparse(v)]).values,
        lambda v: tf.sparse.transpose(sparse(v)).values,
        lambda v: tf.sparse.reshape(sparse(v), [-1]).values,
        lambda v: tf.sparse.fill_empty_rows(sparse(v, shape=[4, 3]), 7.0)[0].values,
    ],
)
def test_gradients_agree_with_differences(function):
    def loss(values):
        result = function(values)
        weights = tf.reshape(tf.range(1.0, tf.cast(tf.size(result), tf.float32) + 1.0), tf.shape(result))
        return tf.reduce_sum(result * result * weights)

    values = tf.constant(VALUES)
    with tf.GradientTape() as tape:
        tape.watch(values)
        y = loss(values)
    gradient = tape.gradient(y, values).numpy()
    step = 1e-2
    for position in range(3):
        moved = np.eye(3, dtype=np.float32)[position] * step
        slope = (loss(values + moved) - loss(values - moved)) / (2 * step)
        assert gradient[position] == pytest.approx(float(slope), rel=2e-2, abs=2e-2)


def test_functions_take_and_return_sparse_tensors(s):
    @tf.function
    def f(x):
        assert x.shape == SHAPE
        return tf.sparse.transpose(x), tf.sparse.reduce_sum(x, 1), tf.sparse.add(x, x)

    transposed, sums, doubled = f(s)
    assert dense(transposed).tolist() == DENSE.T.tolist()
    assert sums.numpy().tolist() == [1.0, 5.0]
    assert dense(doubled).tolist() == (2 * DENSE).tolist()


def test_a_function_of_a_signature_takes_other_shapes():
    @tf.function(input_signature=[tf.SparseTensorSpec([None, 3], tf.float32)])
    def f(x):
        return tf.sparse.to_dense(x)

    assert f(sparse()).shape == [2, 3]
    assert f(sparse(shape=[5, 3])).shape == [5, 3]


def test_sessions_feed_and_fetch_sparse_tensors():
    with tf.Graph().as_default(), v1.Session() as session:
        fed = v1.sparse_placeholder(tf.float32, [None, 3])
        doubled = fed * 2.0
        value = v1.SparseTensorValue(np.array(INDICES), np.array(VALUES, np.float32), np.array(SHAPE))
        result = session.run(doubled, {fed: value})
    assert isinstance(result, v1.SparseTensorValue)
    assert result.values.tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize("kind", [v1.SparseTensorValue, lambda *parts: parts], ids=["value", "triple"])
def test_a_shape_that_is_fed_may_be_a_list(kind):
    with tf.Graph().as_default(), v1.Session() as session:
        fed = v1.sparse_placeholder(tf.float32, [-1, 3])
        assert fed.shape.as_list() == [None, 3]
        value = kind(np.array(INDICES), np.array(VALUES, np.float32), list(SHAPE))
        assert session.run(tf.sparse.to_dense(fed), {fed: value}).tolist() == DENSE.tolist()


def test_a_placeholder_of_a_known_shape_needs_no_shape():
    with tf.Graph().as_default(), v1.Session() as session:
        fed = v1.sparse_placeholder(tf.float32, SHAPE)
        feed = {fed.indices: INDICES, fed.values: VALUES}
        assert session.run(tf.sparse.to_dense(fed), feed).tolist() == DENSE.tolist()


def test_map_fn_goes_over_the_rows(s):
    assert tf.map_fn(tf.sparse.reduce_sum, s, fn_output_signature=tf.float32).numpy().tolist() == [1.0, 5.0]


@pytest.mark.filterwarnings("error")
def test_a_computed_shape_may_be_wider_than_an_int32():
    @tf.function
    def f(x):
        size = tf.cast(tf.reduce_sum(x), tf.int64)
        wide = tf.SparseTensor([[1, 0]], [1.0], tf.stack([size, tf.constant(1 << 20, tf.int64)]))
        return tf.sparse.reshape(wide, tf.stack([-1, size // 1024])).dense_shape

    assert f(tf.ones([1 << 16])).numpy().tolist() == [1 << 30, 64]
