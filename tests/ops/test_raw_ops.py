"""`tf.raw_ops`: what a function returns has the form of the op's signature."""

from __future__ import annotations

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
