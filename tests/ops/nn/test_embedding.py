"""Embedding lookups: one table, tables in pieces, sparse ids, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

TABLE = np.arange(14, dtype=np.float32).reshape(7, 2)
IDS = np.array([[0, 6], [3, 4]])


def test_rows_of_one_table():
    np.testing.assert_array_equal(tf.nn.embedding_lookup(TABLE, IDS), TABLE[IDS])


def test_ids_out_of_range_are_refused():
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.nn.embedding_lookup(TABLE, [7])


def test_contiguous_pieces():
    pieces = [TABLE[:3], TABLE[3:5], TABLE[5:]]
    np.testing.assert_array_equal(tf.nn.embedding_lookup(pieces, IDS), TABLE[IDS])


def test_rows_dealt_out_in_turn():
    pieces = [TABLE[0::3], TABLE[1::3], TABLE[2::3]]
    np.testing.assert_array_equal(tf.compat.v1.nn.embedding_lookup(pieces, IDS), TABLE[IDS])


def test_long_rows_are_scaled_down():
    rows = tf.nn.embedding_lookup(TABLE, [1, 6], max_norm=5.0)
    np.testing.assert_allclose(rows, [[2.0, 3.0], [3.3914, 3.674017]], rtol=1e-5)


def test_variables_get_sparse_gradients():
    table = tf.Variable(TABLE)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.nn.embedding_lookup(table, [1, 4, 1]))
    gradient = tape.gradient(loss, table)
    assert isinstance(gradient, tf.IndexedSlices)
    np.testing.assert_array_equal(gradient.indices, [1, 4, 1])
    np.testing.assert_array_equal(tf.convert_to_tensor(gradient)[1], [2.0, 2.0])


def test_no_tables_are_refused():
    with pytest.raises(ValueError, match="params"):
        tf.nn.embedding_lookup([], [0])


IDS_OF_BAGS = tf.SparseTensor([[0, 0], [0, 1], [1, 0], [2, 0], [2, 2]], [1, 3, 3, 0, 6], [3, 3])
WEIGHTS = tf.SparseTensor(IDS_OF_BAGS.indices, [1.0, 2.0, 0.5, 1.0, 4.0], [3, 3])


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
@pytest.mark.parametrize("weighted", [False, True])
def test_bags_are_combined(combiner, weighted):
    weights = WEIGHTS.values.numpy() if weighted else np.ones(5)
    rows = TABLE[IDS_OF_BAGS.values.numpy()] * weights[:, None]
    for bag, members in enumerate([[0, 1], [2], [3, 4]]):
        scale = {"sum": 1, "mean": weights[members].sum(), "sqrtn": np.sqrt((weights[members] ** 2).sum())}[
            combiner
        ]
        got = tf.nn.embedding_lookup_sparse(TABLE, IDS_OF_BAGS, WEIGHTS if weighted else None, combiner)
        np.testing.assert_allclose(got[bag], rows[members].sum(0) / scale, rtol=1e-6)


def test_ragged_bags():
    ragged = tf.ragged.constant([[1, 3], [3], [0, 6]])
    expected = tf.nn.embedding_lookup_sparse(TABLE, IDS_OF_BAGS, None)
    np.testing.assert_allclose(tf.nn.embedding_lookup_sparse(TABLE, ragged, None), expected)


def test_unknown_combiners_and_dense_ids_are_refused():
    with pytest.raises(ValueError, match="combiner"):
        tf.nn.embedding_lookup_sparse(TABLE, IDS_OF_BAGS, None, combiner="max")
    with pytest.raises(TypeError, match="sp_ids"):
        tf.nn.embedding_lookup_sparse(TABLE, [1], None)


def test_safe_lookup_fills_empty_rows_and_drops_bad_ids():
    ids = tf.SparseTensor([[0, 0, 0], [0, 1, 1], [1, 0, 0], [1, 1, 2]], [1, -3, 3, 6], [2, 2, 3])
    zeros = tf.nn.safe_embedding_lookup_sparse(TABLE, ids)
    np.testing.assert_array_equal(zeros, [[TABLE[1], [0, 0]], [TABLE[3], TABLE[6]]])
    default = tf.nn.safe_embedding_lookup_sparse(TABLE, ids, default_id=2)
    np.testing.assert_array_equal(default[0, 1], TABLE[2])
