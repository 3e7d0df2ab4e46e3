"""`tf.io.serialize_sparse` and its siblings; strings and errors are TensorFlow's."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

E = tf.errors.InvalidArgumentError
Sparse = tf.SparseTensor
A = Sparse([[0, 1], [2, 3]], [1.5, 2.5], [3, 4])
EMPTY = Sparse(np.zeros((0, 2), np.int64), np.zeros(0, np.float32), [3, 4])
MANY = Sparse([[0, 0, 1], [0, 1, 2], [1, 2, 3], [3, 0, 0]], [1, 2, 3, 4], [4, 3, 5])


def plain(sparse):
    return (
        sparse.indices.numpy().tolist(),
        sparse.values.numpy().tolist(),
        sparse.dense_shape.numpy().tolist(),
    )


def test_the_strings():
    found = tf.io.serialize_sparse(Sparse([[1]], np.array([5], np.int32), [3])).numpy()
    assert found[0] == b'\x08\t\x12\x08\x12\x02\x08\x01\x12\x02\x08\x01"\x08\x01\0\0\0\0\0\0\0'
    assert found[1] == b'\x08\x03\x12\x04\x12\x02\x08\x01"\x04\x05\0\0\0'
    assert found[2] == b'\x08\t\x12\x04\x12\x02\x08\x01"\x08\x03\0\0\0\0\0\0\0'


@pytest.mark.parametrize("strings", [Sparse([[0, 1], [2, 0]], ["a", "b"], [3, 2]), A, EMPTY, MANY])
def test_many_round_trip(strings):
    packed = tf.io.serialize_many_sparse(strings)
    assert packed.shape == [strings.dense_shape[0].numpy(), 3]
    found = tf.io.deserialize_many_sparse(packed, strings.dtype)
    assert plain(found) == plain(strings)


def test_rows_of_different_shapes():
    rows = tf.stack([tf.io.serialize_sparse(A), tf.io.serialize_sparse(Sparse([[0, 6]], [1.0], [2, 9]))])
    found = tf.io.deserialize_many_sparse(rows, tf.float32)
    assert plain(found) == ([[0, 0, 1], [0, 2, 3], [1, 0, 6]], [1.5, 2.5, 1.0], [2, 3, 9])


def test_any_number_of_outer_dimensions():
    one = tf.io.serialize_sparse(A)
    found = tf.raw_ops.DeserializeSparse(serialized_sparse=[[one, one]], dtype=tf.float32)
    assert found[0].numpy().tolist() == [[0, 0, 0, 1], [0, 0, 2, 3], [0, 1, 0, 1], [0, 1, 2, 3]]
    assert found[2].numpy().tolist() == [1, 2, 3, 4]
    alone = tf.raw_ops.DeserializeSparse(serialized_sparse=one, dtype=tf.float32)
    assert alone[0].numpy().tolist() == [[0, 1], [2, 3]]


def test_strings_as_tensorflow_writes_them():
    # Values of strings stand in the content of the message, behind their lengths.
    row = [
        b'\x08\t\x12\x08\x12\x02\x08\x02\x12\x02\x08\x01"\x10\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0',
        b'\x08\x07\x12\x04\x12\x02\x08\x02"\x05\x01\x02xyz',
        b'\x08\t\x12\x04\x12\x02\x08\x01"\x08\x05\0\0\0\0\0\0\0',
    ]
    assert plain(tf.io.deserialize_many_sparse([row], tf.string))[1] == [b"x", b"yz"]


def test_rank_in_a_graph():
    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.string)])
    def parse(rows):
        found = tf.io.deserialize_many_sparse(rows, tf.float32, rank=3)
        assert found.indices.shape.as_list() == [None, 3]
        return found

    assert plain(parse(tf.io.serialize_many_sparse(Sparse([[0, 1, 1]], [1.0], [1, 2, 2]))))[1] == [1.0]


ROW = tf.io.serialize_sparse(A)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: tf.io.serialize_many_sparse(Sparse([[1]], [1], [5])), "Rank of input SparseTensor should be > 1"),
        (lambda: tf.io.serialize_many_sparse(Sparse([[1, 0], [0, 0]], [1, 2], [2, 2])), r"indices\[1\] = \[0, 0\] is out"),
        (lambda: tf.io.deserialize_many_sparse([ROW], tf.int32), "of type int32 but"),
        (lambda: tf.io.deserialize_many_sparse([ROW[:2]], tf.float32), "3 as the last dimension"),
        (lambda: tf.io.deserialize_many_sparse([["a", "b", "c"]], tf.float32), "Could not parse"),
        (lambda: tf.io.deserialize_many_sparse(tf.zeros([0, 3], tf.string), tf.float32), "at least 1"),
        (
            lambda: tf.io.deserialize_many_sparse([ROW, tf.io.serialize_sparse(Sparse([[0]], [1.0], [2]))], tf.float32),
            "Inconsistent shape",
        ),
        (lambda: tf.io.deserialize_many_sparse([[ROW[1], ROW[1], ROW[2]]], tf.float32), "matrix and two vectors"),
        (lambda: tf.io.serialize_sparse(A, tf.int32), "serialized to strings"),
    ],
)  # fmt: skip
def test_refused(call, message):
    with pytest.raises(E, match=message):
        call()


def test_dense_tensors_are_refused():
    with pytest.raises(TypeError, match="must be a SparseTensor"):
        tf.io.serialize_sparse(tf.zeros([2, 2]))


def test_v1_order_of_arguments():
    assert tf.compat.v1.serialize_sparse(A, "name", tf.string).shape == [3]
    assert tf.compat.v1.serialize_many_sparse(A, "name").shape == [3, 3]
