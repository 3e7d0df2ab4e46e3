"""tf.sets over dense and sparse tensors."""

import pytest

import penstock as tf

A, B = tf.constant([[1, 2, 3], [4, 5, 6]]), tf.constant([[3, 1, 7], [4, 4, 4]])
SPARSE = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [1, 5, 3], [2, 2])


def rows(x):
    found = {}
    for (row, _), value in zip(x.indices.numpy().tolist(), x.values.numpy().tolist()):
        found.setdefault(row, []).append(value)
    return found


@pytest.mark.parametrize(
    ("call", "expected", "shape"),
    [
        (lambda: tf.sets.intersection(A, B), {0: [1, 3], 1: [4]}, [2, 2]),
        (lambda: tf.sets.union(A, B), {0: [1, 2, 3, 7], 1: [4, 5, 6]}, [2, 4]),
        (lambda: tf.sets.difference(A, B), {0: [2], 1: [5, 6]}, [2, 2]),
        (lambda: tf.sets.difference(A, B, aminusb=False), {0: [7]}, [2, 1]),
        (lambda: tf.sets.union(A[:, :1], SPARSE), {0: [1, 5], 1: [3, 4]}, [2, 2]),
        (lambda: tf.sets.difference(SPARSE, A), {0: [5], 1: [3]}, [2, 1]),
        (lambda: tf.sets.difference(A, SPARSE), {0: [2, 3], 1: [4, 5, 6]}, [2, 3]),
        (lambda: tf.sets.intersection(SPARSE, SPARSE), {0: [1, 5], 1: [3]}, [2, 2]),
        (lambda: tf.sets.union(tf.constant([["b"]]), tf.constant([["a"]])), {0: [b"a", b"b"]}, [1, 2]),
    ],
)
def test_operations(call, expected, shape):
    result = call()
    assert rows(result) == expected
    assert result.dense_shape.numpy().tolist() == shape


def test_size_counts_different_elements():
    doubled = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [1, 1, 2], [3, 2])
    assert tf.sets.size(doubled).numpy().tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: tf.sets.union(tf.constant([1]), tf.constant([2])), tf.errors.InvalidArgumentError),
        (lambda: tf.sets.union(A, tf.constant([[1, 2]])), tf.errors.InvalidArgumentError),
        (lambda: tf.sets.union(A, tf.constant([[1.0], [2.0]])), TypeError),
        (lambda: tf.sets.size(A), TypeError),
    ],
    ids=["rank", "rows", "dtype", "dense"],
)
def test_bad_arguments_are_refused(call, error):
    with pytest.raises(error):
        call()
