"""`tf.raw_ops`: what a function returns has the form of the op's signature."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.engine.definition import REGISTRY


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_several_outputs_have_names(mode):
    def call():
        return tf.raw_ops.Unique(x=[5, 5, 7])

    values, index = (call if mode == "eager" else tf.function(call))()
    assert values.numpy().tolist() == [5, 7]
    assert index.numpy().tolist() == [0, 0, 1]
    assert call()._fields == ("y", "idx")


def test_an_output_that_is_a_list():
    assert [each.numpy().tolist() for each in tf.raw_ops.Split(axis=0, value=[1, 2], num_split=2)] == [
        [1],
        [2],
    ]


def test_lists_among_several_outputs():
    example = tf.train.Example().SerializeToString()
    found = tf.raw_ops.ParseSingleExample(
        serialized=example,
        dense_defaults=[tf.constant([7], tf.int64)],
        num_sparse=2,
        sparse_keys=["a", "b"],
        dense_keys=["c"],
        sparse_types=[tf.int64, tf.string],
        dense_shapes=[[1]],
    )
    assert [len(each) for each in found] == [2, 2, 2, 1]
    assert found.dense_values[0].numpy().tolist() == [7]


def test_every_op_has_a_function():
    for name in REGISTRY:
        assert getattr(tf.raw_ops, name).__name__ == name


def test_element_types_follow_from_the_tensor():
    handle = tf.raw_ops.TensorListReserve(element_shape=[2], num_elements=2, element_dtype=tf.float32)
    handle = tf.raw_ops.TensorListScatterIntoExistingList(
        input_handle=handle, tensor=[[1.0, 2.0]], indices=[1]
    )
    stacked = tf.raw_ops.TensorListStack(input_handle=handle, element_shape=[2], element_dtype=tf.float32)
    np.testing.assert_array_equal(stacked, [[0, 0], [1, 2]])


def test_a_session_finds_a_resource_by_its_node():
    v1, ops = tf.compat.v1, tf.raw_ops
    with tf.Graph().as_default(), v1.Session() as session:
        queue = ops.FIFOQueueV2(component_types=[tf.int32])
        enqueue = ops.QueueEnqueueV2(handle=queue, components=[tf.constant(7)])
        size = ops.QueueSizeV2(handle=queue)
        session.run(enqueue)
        assert session.run(size) == 1
