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
