"""reshape, expand_dims, squeeze, transpose, broadcast_to, tile, repeat."""

import numpy as np
import pytest

import penstock as tf
from tests.ops.traced_shapes import traced_shape

v1 = tf.compat.v1
X = np.arange(6).reshape(2, 3)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: tf.reshape([1, 2, 3, 4], [2, -1]), [[1, 2], [3, 4]]),
        (lambda: tf.reshape([[1], [2]], -1), [1, 2]),
        (lambda: tf.reshape([1, 2], [tf.constant(2), 1]), [[1], [2]]),
        (lambda: tf.reshape(["a"], []), b"a"),
        (lambda: tf.reshape(np.zeros((0, 3)), [-1, 3]), []),
        (lambda: tf.expand_dims([1, 2], -1), [[1], [2]]),
        (lambda: v1.expand_dims([1], dim=0), [[1]]),
        (lambda: tf.squeeze([[[1], [2]]]), [1, 2]),
        (lambda: tf.squeeze([[[1], [2]]], 0), [[1], [2]]),
        (lambda: tf.squeeze([[1]], [0, -1]), 1),
        (lambda: v1.squeeze([[1, 2]], squeeze_dims=[0]), [1, 2]),
        (lambda: tf.ensure_shape([1, 2], [None]), [1, 2]),
        (lambda: tf.transpose([[1, 2], [3, 4]]), [[1, 3], [2, 4]]),
        (lambda: tf.transpose([[1, 2]], [-1, 0]), [[1], [2]]),
        (lambda: tf.transpose(1), 1),
        (lambda: tf.transpose([[1j, 2]], conjugate=True), [[-1j], [2]]),
        (lambda: v1.transpose([[1, 2]], name="t"), [[1], [2]]),
        (lambda: tf.linalg.matrix_transpose([[[1, 2]]]), [[[1], [2]]]),
        (lambda: tf.linalg.adjoint([[1j, 2]]), [[-1j], [2]]),
        (lambda: tf.broadcast_to([1, 2], [2, 2]), [[1, 2], [1, 2]]),
        (lambda: tf.tile([[1, 2]], [2, 2]), [[1, 2, 1, 2], [1, 2, 1, 2]]),
        (lambda: tf.repeat([1, 2], 2), [1, 1, 2, 2]),
        (lambda: tf.repeat(3, 2), [3, 3]),
        (lambda: tf.repeat([[1, 2], [3, 4]], [1, 2], axis=0), [[1, 2], [3, 4], [3, 4]]),
        (lambda: tf.repeat([[1, 2], [3, 4]], 2, axis=1), [[1, 1, 2, 2], [3, 3, 4, 4]]),
        (lambda: tf.repeat([[1, 2], [3, 4]], tf.constant([0, 2]), axis=-1), [[2, 2], [4, 4]]),
    ],
)
def test_values(call, expected):
    assert (
        call().numpy().tolist() == expected if not isinstance(expected, bytes) else call().numpy() == expected
    )


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: tf.reshape([1, 2, 3], [2, 2]), tf.errors.InvalidArgumentError),
        (lambda: tf.reshape([1, 2, 3], [-1, -1]), tf.errors.InvalidArgumentError),
        (lambda: tf.reshape([1, 2], [[1, 2]]), tf.errors.InvalidArgumentError),
        (lambda: tf.expand_dims([1, 2], 3), tf.errors.InvalidArgumentError),
        (lambda: tf.expand_dims([1, 2], [0, 1]), tf.errors.InvalidArgumentError),
        (lambda: v1.expand_dims([1], axis=0, dim=0), ValueError),
        (lambda: v1.expand_dims([1]), ValueError),
        (lambda: tf.squeeze([[1, 2]], 1), tf.errors.InvalidArgumentError),
        (lambda: tf.ensure_shape([1, 2], [3]), tf.errors.InvalidArgumentError),
        (lambda: tf.transpose([[1, 2]], [0, 0]), tf.errors.InvalidArgumentError),
        (lambda: tf.linalg.matrix_transpose([1, 2]), ValueError),
        (lambda: tf.broadcast_to([1, 2], [3]), tf.errors.InvalidArgumentError),
        (lambda: tf.tile([1], [1, 1]), tf.errors.InvalidArgumentError),
        (lambda: tf.repeat([1, 2, 3], [1, 2]), ValueError),
        (lambda: tf.repeat([1, 2], 2, axis=1), ValueError),
    ],
)
def test_errors(call, error):
    with pytest.raises(error):
        call()


@pytest.mark.parametrize(
    ("function", "shape", "expected"),
    [
        (lambda x: tf.reshape(x, [-1, 6]), [None, 2, 3], [None, 6]),
        (lambda x: tf.reshape(x, [tf.shape(x)[0], 6]), [None, 2, 3], [None, 6]),
        (lambda x: tf.reshape(x, [tf.shape(x)[0], -1]), [None, 2, 3], [None, None]),
        (lambda x: tf.reshape(x, tf.concat([tf.shape(x)[:1], [6]], 0)), [None, 2, 3], [None, 6]),
        (lambda x: tf.reshape(x, [tf.shape(x)[0], tf.reduce_prod(tf.shape(x)[1:])]), [None, 2, 3], [None, 6]),
        (lambda x: tf.reshape(x, [-1, 3]), [4, 6], [8, 3]),
        (lambda x: tf.reshape(x, tf.shape(x)), None, None),
        (lambda x: tf.reshape(x, [-1, 3]), None, [None, 3]),
        (lambda x: tf.expand_dims(x, 1), [None, 2], [None, 1, 2]),
        (lambda x: tf.squeeze(x, 1), [None, 1, 2], [None, 2]),
        (lambda x: tf.squeeze(x), [None, 1], None),
        (lambda x: tf.transpose(x), [None, 2, 3], [3, 2, None]),
        (lambda x: tf.transpose(x, [0, 2, 1]), None, [None, None, None]),
        (lambda x: tf.transpose(x), None, None),
        (lambda x: tf.broadcast_to(x, [tf.shape(x)[0], 4, 3]), [None, 1, 3], [None, 4, 3]),
        (lambda x: tf.tile(x, [1, 3]), [None, 2], [None, 6]),
        (lambda x: tf.tile(x, [tf.shape(x)[0], 1]), [None, 2], [None, 2]),
        (lambda x: tf.repeat(x, 3, axis=1), [None, 2], [None, 6]),
        (lambda x: tf.repeat(x, 3, axis=0), [None, 2], [None, 2]),
        (lambda x: tf.repeat(x, [1, 2], axis=1), [None, 2], [None, 3]),
        (lambda x: tf.ensure_shape(x, [4, None]), [None, 2], [4, 2]),
    ],
)
def test_known_dimensions_are_kept(function, shape, expected):
    assert traced_shape(function, shape) == expected


def test_a_reshape_that_cannot_work_is_refused_while_building():
    with pytest.raises(ValueError, match="6 elements"):
        traced_shape(lambda x: tf.reshape(x, [4, 2]), [2, 3])


def test_eager_results_share_memory_and_cannot_be_changed_through_numpy():
    x = tf.constant(X)
    y = tf.reshape(x, [3, 2])
    array = y.numpy()
    array[0, 0] = 99
    assert int(x[0, 0]) == int(y[0, 0]) == 0


@pytest.mark.parametrize("shape", [[None], [3]])
def test_repeat_by_counts_that_are_only_known_at_run_time(shape):
    f = tf.function(lambda counts: tf.repeat([10, 20, 30], counts))
    run = f.get_concrete_function(tf.TensorSpec(shape, tf.int32))
    assert run(tf.constant([2, 0, 1])).numpy().tolist() == [10, 10, 30]


def test_gradients_of_a_broadcast_sum_over_the_copies():
    x = tf.constant([[1.0], [2.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(tf.broadcast_to(x, [3, 2, 4]))
    assert tape.gradient(y, x).numpy().tolist() == [[12.0], [12.0]]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([0, 3], [0, -1], [0, 3]),
        ([0, 4], [-1, 0, 2], [2, 0, 2]),
        ([3, 0, 5], [0, -1], [0, 15]),
        ([0, 3], [2, -1], [2, 0]),
    ],
)
def test_the_size_left_of_an_empty_tensor(before, after, expected):
    for function in (tf.reshape, tf.function(tf.reshape)):
        assert function(tf.zeros(before), after).shape == expected
