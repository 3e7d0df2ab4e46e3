"""Names of TensorFlow before 1.0."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
MATRIX = np.array([[4.0, 2.0], [2.0, 3.0]], np.float32)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: v1.sub(v1.mul(2.0, 3.0), v1.neg(1.0)), 7.0),
        (lambda: v1.pack([1, 2]), [1, 2]),
        (lambda: v1.unpack([[1, 2], [3, 4]])[1], [3, 4]),
        (lambda: v1.select([True, False], [1, 2], [3, 4]), [1, 4]),
        (lambda: v1.inv(4.0), 0.25),
        (lambda: v1.complex_abs(3 + 4j), 5.0),
        (lambda: v1.batch_matmul(MATRIX, MATRIX, adj_x=True), MATRIX.T @ MATRIX),
        (lambda: v1.batch_matrix_inverse(MATRIX), np.linalg.inv(MATRIX)),
        (lambda: v1.batch_cholesky(MATRIX), np.linalg.cholesky(MATRIX)),
        (lambda: v1.listdiff([1, 2, 3], [2])[0], [1, 3]),
    ],
)
def test_operations(made, expected):
    np.testing.assert_allclose(made(), expected, rtol=1e-5)


def test_summaries_keep_their_tags(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session, v1.name_scope("scope"):
        v1.scalar_summary("loss", 3.0)
        v1.scalar_summary(["a", "b"], [1.0, 2.0])
        v1.histogram_summary("weights", [1.0, 2.0])
        v1.image_summary("picture", tf.zeros([1, 2, 2, 3]))
        v1.audio_summary("sound", tf.zeros([1, 8]), 8000.0)
        merged = v1.merge_all_summaries()
        summary = v1.Summary.FromString(session.run(merged))
        writer = v1.train.SummaryWriter(str(tmp_path), session.graph)
        writer.add_summary(summary, 1)
        writer.close()
    assert [each.tag for each in summary.value] == [
        "loss",
        "a",
        "b",
        "weights",
        "picture/image/0",
        "sound/audio/0",
    ]


def test_recurrent_networks_over_lists():
    with tf.Graph().as_default(), v1.Session() as session:
        cell = v1.nn.rnn_cell.BasicLSTMCell(4)
        outputs, _ = v1.nn.rnn(cell, [tf.ones([2, 3])] * 5, dtype=tf.float32)
        with v1.variable_scope("decoder"):
            decoded, _ = v1.nn.seq2seq.basic_rnn_seq2seq(outputs, outputs, v1.nn.rnn_cell.GRUCell(4))
        session.run(v1.initialize_all_variables())
        assert np.shape(session.run(decoded)) == (5, 2, 4)


def test_names_of_contrib_packages_that_moved():
    contrib = v1.contrib
    with tf.Graph().as_default():
        values, update = contrib.metrics.streaming_precision_at_thresholds([0.2, 0.8], [0, 1], [0.5])
    assert contrib.metrics.set_intersection and contrib.framework.is_strictly_increasing([1, 2])
    assert (
        contrib.deprecated.scalar_summary is v1.scalar_summary and values is not None and update is not None
    )
