"""pad, reverse, reverse_sequence, roll."""

import pytest

import penstock as tf
from tests.ops.traced_shapes import traced_shape

v1 = tf.compat.v1
INVALID = tf.errors.InvalidArgumentError


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: tf.pad([[1, 2]], [[1, 0], [0, 2]]), [[0, 0, 0, 0], [1, 2, 0, 0]]),
        (lambda: tf.pad([1], [[1, 1]], constant_values=9), [9, 1, 9]),
        (lambda: tf.pad([1.0], [[1, 1]], constant_values=2), [2, 1, 2]),
        (
            lambda: tf.pad([[1, 2], [3, 4]], [[1, 1], [0, 1]], "REFLECT"),
            [[3, 4, 3], [1, 2, 1], [3, 4, 3], [1, 2, 1]],
        ),
        (lambda: tf.pad([1, 2], [[1, 2]], "symmetric"), [1, 1, 2, 2, 1]),
        (lambda: tf.pad(["a"], [[1, 0]]), [b"", b"a"]),
        (lambda: tf.pad([True], [[0, 1]]), [True, False]),
        (lambda: tf.pad(3, []), 3),
        (lambda: v1.pad([1], [[0, 1]], "CONSTANT", "p", 7), [1, 7]),
        (lambda: tf.reverse([[1, 2], [3, 4]], [-1]), [[2, 1], [4, 3]]),
        (lambda: tf.reverse([1, 2], []), [1, 2]),
        (lambda: tf.reverse_sequence([[1, 2, 3], [4, 5, 6]], [2, 3], seq_axis=1), [[2, 1, 3], [6, 5, 4]]),
        (lambda: v1.reverse_sequence([[1, 2]], [2], seq_dim=1, batch_dim=0), [[2, 1]]),
        (lambda: tf.roll([5, 6, 7, 8], 1, 0), [8, 5, 6, 7]),
        (lambda: tf.roll([[1, 2], [3, 4]], [1, 1], [0, 1]), [[4, 3], [2, 1]]),
    ],
)
def test_values(call, expected):
    assert call().numpy().tolist() == expected


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: tf.pad([1], [[1, 1]], "X"), ValueError),
        (lambda: tf.pad([1], [[1, 1]], constant_values=2.5), TypeError),
        (lambda: tf.pad([1], [[-1, 1]]), INVALID),
        (lambda: tf.pad([1], [1, 1]), INVALID),
        (lambda: tf.pad([1, 2], [[2, 0]], "REFLECT"), INVALID),
        (lambda: tf.pad([1, 2], [[3, 0]], "SYMMETRIC"), INVALID),
        (lambda: tf.reverse([1, 2], [0, 0]), INVALID),
        (lambda: tf.reverse([1, 2], [1]), INVALID),
        (lambda: tf.reverse_sequence([[1, 2]], [3], seq_axis=1), INVALID),
        (lambda: tf.reverse_sequence([[1, 2]], [1]), ValueError),
        (lambda: tf.roll([1, 2], 1, 1), INVALID),
        (lambda: tf.roll([1, 2], [1], 0), INVALID),
    ],
)
def test_errors(call, error):
    with pytest.raises(error):
        call()


@pytest.mark.parametrize(
    ("function", "shape", "expected"),
    [
        (lambda x: tf.pad(x, [[0, 0], [1, 2]]), [None, 3], [None, 6]),
        (lambda x: tf.pad(x, [[0, 0], [1, tf.shape(x)[1]]]), [None, 3], [None, 7]),
        (lambda x: tf.pad(x, [[0, 0], [1, tf.shape(x)[0]]]), [None, 3], [None, None]),
        (lambda x: tf.pad(x, [[1, 1], [1, 1]], "REFLECT"), [None, 3], [None, 5]),
        (lambda x: tf.pad(x, [[1, 1], [1, 1]]), None, [None, None]),
        (lambda x: tf.reverse(x, [0]), [None, 3], [None, 3]),
        (lambda x: tf.roll(x, 1, 0), [None, 3], [None, 3]),
    ],
)
def test_known_dimensions_are_kept(function, shape, expected):
    assert traced_shape(function, shape) == expected
