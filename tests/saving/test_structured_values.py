import collections

import numpy as np
import pytest

import penstock as tf
from penstock.saving.structured_values import NotStructuredError, can_encode, decode, encode
from tests.ids import stable_id

Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, 2.5, "text", tf.float32, tf.TensorShape([None, 2]), tf.TensorShape(None),
        tf.TensorSpec([None], tf.int64, name="x"), tf.RaggedTensorSpec([None, None], tf.float32, 1, tf.int32),
        tf.SparseTensorSpec([2, None], tf.string), tf.TensorArraySpec([2], tf.float32),
        [1, (2, "a"), {"k": [None]}], (), [], {},
    ],
    ids=stable_id,
)  # fmt: skip
def test_values_come_back(value):
    back = decode(encode(value))
    assert type(back) is type(value)
    assert back == value or (isinstance(value, tf.TensorShape) and str(back) == str(value))


def test_named_tuples_keep_their_name_and_fields():
    back = decode(encode(Point(1, tf.TensorSpec([], tf.float32))))
    assert type(back).__name__ == "Point" and back._fields == ("x", "y") and back.x == 1


def test_tensors_are_values():
    np.testing.assert_array_equal(decode(encode(tf.constant([1, 2]))), [1, 2])


def test_other_objects_have_no_form():
    assert not can_encode([object()])
    with pytest.raises(NotStructuredError, match="No encoder"):
        encode({1: 2})
