"""What public functions take for shapes, axes and sizes."""

import pytest

import penstock as tf


@pytest.mark.parametrize("size", [2, 2.0], ids=["int32", "float32"])
def test_scalar_tensors_in_a_shape_become_integers(size):
    assert tf.reshape(tf.range(6), (tf.constant(size), 3)).shape == [2, 3]


def test_a_floating_tensor_is_no_shape():
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.reshape(tf.range(6), tf.constant([2.0, 3.0]))
