"""`contrib.layers`' feature columns."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
layers = v1.contrib.layers
FEATURES = {"a": [[1.0], [2.0]], "b": [["x"], ["y"]], "c": [["u"], ["v"]]}


def test_inputs_and_weighted_sums():
    with tf.Graph().as_default(), v1.Session() as session:
        features = {name: tf.constant(each) for name, each in FEATURES.items()}
        words, kinds = (
            layers.sparse_column_with_hash_bucket("b", 10),
            layers.sparse_column_with_keys("c", ["u", "v"]),
        )
        number = layers.real_valued_column("a", normalizer=lambda x: x * 10)
        columns = [number, layers.one_hot_column(kinds), layers.embedding_column(words, 2)]
        inputs = layers.input_from_feature_columns(features, columns)
        cross, parts = layers.crossed_column([words, kinds], 20), layers.bucketized_column(number, [15.0])
        sums, variables, bias = layers.weighted_sum_from_feature_columns(
            features, [number, parts, words, cross], 3
        )
        weights = tf.group(
            *(each.assign(tf.ones_like(each)) for found in variables.values() for each in found)
        )
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        session.run(weights)
        inputs, sums = session.run([inputs, sums])
    np.testing.assert_allclose(inputs[:, :1], [[10], [20]])
    np.testing.assert_allclose(inputs[:, 3:], [[1, 0], [0, 1]])
    np.testing.assert_allclose(sums, [[13] * 3, [23] * 3])  # number, bucket, word, pair
    assert {each.name for each in variables} == {"a", "a_bucketized", "b", "b_X_c"} and bias.shape == [3]
    assert bias.op.name.startswith("weighted_sum_from_feature_columns/")


def test_what_parsing_needs_follows_from_columns():
    columns = [layers.real_valued_column("a", 2), layers.sparse_column_with_integerized_feature("n", 4)]
    feature = tf.train.Features(feature={
        "a": tf.train.Feature(float_list=tf.train.FloatList(value=[1, 2])),
        "n": tf.train.Feature(int64_list=tf.train.Int64List(value=[3])),
    })  # fmt: skip
    serialized = tf.train.Example(features=feature).SerializeToString()
    found = layers.parse_feature_columns_from_examples([serialized], columns)
    assert found["a"].numpy().tolist() == [[1, 2]] and found["n"].values.numpy().tolist() == [3]


def test_other_ways_to_combine_belong_to_embeddings():
    with pytest.raises(ValueError, match="combiner is 'mean'"):
        layers.sparse_column_with_hash_bucket("b", 10, combiner="mean")
