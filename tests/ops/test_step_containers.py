"""Stacks and tensor arrays of TF 1's graphs: order, limits, gradients that add up, what was never written."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.ops.step_containers import Array, Stack
from penstock.types.shapes import TensorShape


def _array(size=3, shape=(2,), dynamic=False):
    return Array(size, tf.float32, TensorShape(shape), dynamic)


def _ones(scale=1.0):
    return np.full(2, scale, "float32")


def test_the_last_value_comes_out_first():
    stack = Stack(-1)
    stack.push(1)
    stack.push(2)
    assert [stack.pop(), stack.pop()] == [2, 1]
    with pytest.raises(ValueError, match="empty"):
        stack.pop()


def test_a_stack_may_have_a_limit():
    stack = Stack(1)
    stack.push(1)
    with pytest.raises(ValueError, match="max_size"):
        stack.push(2)


def test_an_element_is_written_once():
    array = _array()
    array.write(1, _ones())
    with pytest.raises(ValueError, match="already been written"):
        array.write(1, _ones())


@pytest.mark.parametrize("index", [-1, 3])
def test_an_index_beyond_the_end_is_refused(index):
    with pytest.raises(ValueError, match="not in"):
        _array().write(index, _ones())


def test_an_array_of_dynamic_size_grows():
    array = _array(dynamic=True)
    array.write(5, _ones())
    assert len(array) == 6


def test_what_was_not_written_is_zeros_where_the_shape_is_known():
    assert _array().read(0).tolist() == [0, 0]
    with pytest.raises(ValueError, match="not been written"):
        _array(shape=None).read(0)


def test_gradients_that_are_written_to_one_index_add_up():
    array = _array(shape=None)
    array.write(0, _ones())
    gradient = array.gradient("gradients")
    assert array.gradient("gradients") is gradient
    assert array.gradient("gradients_1") is not gradient
    assert gradient.read(0).tolist() == [0, 0]  # of the shape of the element
    gradient.write(0, _ones(2.0))
    gradient.write(0, _ones(3.0))
    assert gradient.read(0).tolist() == [5, 5]


def test_elements_are_stacked():
    array = _array()
    array.write(2, _ones(7.0))
    assert array.stack([2, 0], TensorShape(None)).tolist() == [[7, 7], [0, 0]]
    assert array.stack([], TensorShape([None, 4])).shape == (0, 0, 4)


def test_parts_are_split_and_concatenated():
    raw = tf.raw_ops
    value = np.arange(6, dtype="float32").reshape(3, 2)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        handle, flow = raw.TensorArrayV3(size=2, dtype=tf.float32)
        flow = raw.TensorArraySplitV3(
            handle=handle, value=value, lengths=tf.constant([1, 2], tf.int64), flow_in=flow
        )
        joined, lengths = raw.TensorArrayConcatV3(handle=handle, flow_in=flow, dtype=tf.float32)
        size = raw.TensorArraySizeV3(handle=handle, flow_in=flow)
        joined, lengths, size = session.run([joined, lengths, size])
    np.testing.assert_array_equal(joined, value)
    assert (lengths.tolist(), size) == ([1, 2], 2)
