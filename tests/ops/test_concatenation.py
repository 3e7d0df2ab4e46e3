"""concat, stack, unstack, split."""

import numpy as np
import pytest

import penstock as tf
from tests.ops.traced_shapes import traced_shape

V = tf.constant([5, 6, 7, 8, 9])


def lists(tensors):
    return [each.numpy().tolist() for each in tensors]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: tf.concat([[1, 2], [3]], 0), [1, 2, 3]),
        (lambda: tf.concat([[[1], [2]], [[3], [4]]], -1), [[1, 3], [2, 4]]),
        (lambda: tf.concat(V, 0), [5, 6, 7, 8, 9]),
        (lambda: tf.concat([V, np.array([1.5])], 0), [5, 6, 7, 8, 9, 1]),
        (lambda: tf.concat([["a"], ["b"]], 0), [b"a", b"b"]),
        (lambda: tf.stack([[1, 4], [2, 5]], 1), [[1, 2], [4, 5]]),
        (lambda: tf.stack([1, 2.0]), [1.0, 2.0]),
        (lambda: tf.stack([tf.constant(1), 2]), [1, 2]),
        (lambda: tf.stack(V), [5, 6, 7, 8, 9]),
        (lambda: tf.stack([tf.constant("a"), "b"]), [b"a", b"b"]),
        (lambda: tf.stack([]), []),
        (lambda: tf.parallel_stack([[1], [2]]), [[1], [2]]),
    ],
)
def test_joining(call, expected):
    assert call().numpy().tolist() == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: tf.unstack([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (lambda: tf.unstack([[1, 2], [3, 4]], axis=1), [[1, 3], [2, 4]]),
        (lambda: tf.split([1, 2, 3, 4], 2), [[1, 2], [3, 4]]),
        (lambda: tf.split(V, [2, -1]), [[5, 6], [7, 8, 9]]),
        (lambda: tf.split([[1, 2, 3]], [1, 2], axis=-1), [[[1]], [[2, 3]]]),
        (lambda: tf.split(V, tf.constant([1, 4])), [[5], [6, 7, 8, 9]]),
    ],
)
def test_taking_apart(call, expected):
    assert lists(call()) == expected


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: tf.concat([1, 2], 0), tf.errors.InvalidArgumentError),
        (lambda: tf.concat([], 0), tf.errors.InvalidArgumentError),
        (lambda: tf.concat([V, V], 1), tf.errors.InvalidArgumentError),
        (lambda: tf.concat([V, tf.constant([1.0])], 0), tf.errors.InvalidArgumentError),
        (lambda: tf.stack([[1], [2, 3]]), tf.errors.InvalidArgumentError),
        (lambda: tf.stack([V, V], 2), ValueError),
        (lambda: tf.unstack(3), ValueError),
        (lambda: tf.unstack(V, 3), tf.errors.InvalidArgumentError),
        (lambda: tf.split(V, 2), tf.errors.InvalidArgumentError),
        (lambda: tf.split(V, [2, 2]), tf.errors.InvalidArgumentError),
        (lambda: tf.split(V, tf.constant(5)), ValueError),
    ],
)
def test_errors(call, error):
    with pytest.raises(error):
        call()


def test_mixed_dtypes_are_a_type_error_while_building():
    with tf.Graph().as_default(), pytest.raises(TypeError):
        tf.concat([tf.constant([1]), tf.constant([1.0])], 0)


@pytest.mark.parametrize(
    ("function", "shape", "expected"),
    [
        (lambda x: tf.concat([x, x], 1), [None, 2], [None, 4]),
        (lambda x: tf.concat([x, x], 0), [None, 2], [None, 2]),
        (lambda x: tf.concat([x, tf.zeros([4, 3])], 1), [None, 2], [4, 5]),
        (lambda x: tf.stack([x, x], 1), [None, 2], [None, 2, 2]),
        (lambda x: tf.stack([x, tf.zeros([4, 2])]), [None, 2], [2, 4, 2]),
        (lambda x: tf.unstack(x, axis=1)[0], [None, 2, 3], [None, 3]),
        (lambda x: tf.split(x, 2, axis=1)[0], [None, 4], [None, 2]),
        (lambda x: tf.split(x, 2, axis=0)[0], [None, 4], [None, 4]),
        (lambda x: tf.split(x, [1, -1], axis=1)[1], [None, 4], [None, 3]),
    ],
)
def test_known_dimensions_are_kept(function, shape, expected):
    assert traced_shape(function, shape) == expected


def test_unstack_needs_a_known_size_while_building():
    with pytest.raises(ValueError, match="Cannot infer argument `num`"):
        traced_shape(lambda x: tf.unstack(x)[0], [None, 2])


def test_gradient_of_concat_with_an_unknown_axis_size():
    @tf.function(input_signature=[tf.TensorSpec([None]), tf.TensorSpec([None])])
    def f(x, y):
        with tf.GradientTape() as tape:
            tape.watch([x, y])
            z = tf.reduce_sum(tf.concat([x, y], 0) * tf.range(5.0))
        return tape.gradient(z, [x, y])

    assert lists(f(tf.zeros([2]), tf.zeros([3]))) == [[0, 1], [2, 3, 4]]
