"""The public losses: values that TensorFlow 2.21 gives, shapes, dtypes and errors."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

X = np.array([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], np.float32)
P = np.array([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]], np.float32)


def check(got, expected):
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


def test_softmax_cross_entropy():
    check(tf.nn.softmax_cross_entropy_with_logits(P, X), [1.441311, 1.464369])
    check(tf.nn.softmax_cross_entropy_with_logits(P, X, axis=0), [0.194815, 0.70724, 0.039445])


def test_softmax_cross_entropy_of_any_rank():
    x, p = np.stack([X, X + 1, X - 2]), np.stack([P, P, P])
    loss = tf.nn.softmax_cross_entropy_with_logits(p, x)
    assert loss.shape == [3, 2]
    check(loss[1], tf.nn.softmax_cross_entropy_with_logits(P, X))


def test_half_precision_is_computed_in_single():
    loss = tf.nn.softmax_cross_entropy_with_logits(P, tf.constant(X, tf.bfloat16))
    assert loss.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(loss, tf.float32), [1.441311, 1.464369], rtol=1e-2)


def test_labels_get_a_gradient_in_v2_and_none_in_v1():
    for function, connected in [
        (tf.nn.softmax_cross_entropy_with_logits, True),
        (tf.compat.v1.nn.softmax_cross_entropy_with_logits, False),
    ]:
        with tf.GradientTape() as tape:
            labels = tf.constant(P)
            tape.watch(labels)
            loss = function(labels=labels, logits=X)
        gradient = tape.gradient(loss, labels)
        assert (gradient is not None) == connected
    expected = -np.log(np.exp(X) / np.exp(X).sum(-1, keepdims=True))
    with tf.GradientTape() as tape:
        labels = tf.constant(P)
        tape.watch(labels)
        loss = tf.nn.softmax_cross_entropy_with_logits(labels, X)
    check(tape.gradient(loss, labels), expected)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_sparse_softmax_cross_entropy_picks_the_class(dtype):
    labels = np.array([2, 0], dtype)
    expected = tf.nn.softmax_cross_entropy_with_logits(np.eye(3, dtype=np.float32)[[2, 0]], X)
    check(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, X), expected)


def test_sparse_labels_of_any_rank():
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits([[2, 0]], X[None])
    assert loss.shape == [1, 2]
    assert tf.nn.sparse_softmax_cross_entropy_with_logits(1, X[0]).shape == []


def test_sparse_labels_out_of_range():
    with pytest.raises(tf.errors.InvalidArgumentError, match="outside the valid range"):
        tf.nn.sparse_softmax_cross_entropy_with_logits([3, 0], X)
    compiled = tf.function(tf.nn.sparse_softmax_cross_entropy_with_logits, jit_compile=True)
    assert np.isnan(compiled(tf.constant([3, 0]), tf.constant(X))[0])


def test_ranks_and_sizes_are_checked_at_once():
    with pytest.raises(ValueError, match=r"labels.shape.rank"):
        tf.nn.sparse_softmax_cross_entropy_with_logits([[1, 2]], X)
    with pytest.raises(ValueError, match="except for the last dimension"):
        tf.nn.sparse_softmax_cross_entropy_with_logits([1, 2, 0], X)
    with pytest.raises(ValueError, match="same shape"):
        tf.nn.sigmoid_cross_entropy_with_logits(P[:, :2], X)
    with pytest.raises(ValueError, match="must be provided"):
        tf.nn.sigmoid_cross_entropy_with_logits(logits=X)


def test_sigmoid_cross_entropy():
    expected = [[0.874077, 0.613262, 1.126928], [1.313262, 0.693147, 0.474077]]
    check(tf.nn.sigmoid_cross_entropy_with_logits(P, X), expected)
    extreme = tf.nn.sigmoid_cross_entropy_with_logits([1.0, 0.0], [1000.0, -1000.0])
    check(extreme, [0.0, 0.0])


def test_weighted_cross_entropy():
    expected = [[1.0163, 1.20423, 1.222124], [1.313262, 1.732868, 0.474077]]
    check(tf.nn.weighted_cross_entropy_with_logits(P, X, 2.5), expected)
    check(tf.compat.v1.nn.weighted_cross_entropy_with_logits(targets=P, logits=X, pos_weight=2.5), expected)


def test_log_poisson_loss():
    targets = np.array([[1.0, 2.0, 3.0], [0.0, 0.5, 4.0]], np.float32)
    check(tf.nn.log_poisson_loss(targets, X), [[1.148721, 2.36788, 1.389056], [2.718282, 1.0, 2.606531]])
    full = [[1.148721, 3.019686, 3.153138], [2.718282, 1.0, 5.763794]]
    check(tf.nn.log_poisson_loss(targets, X, compute_full_loss=True), full)


def test_average_loss():
    check(tf.nn.compute_average_loss([1.0, 3.0]), 2.0)
    check(tf.nn.compute_average_loss([1.0, 3.0], sample_weight=[1.0, 0.0], global_batch_size=4), 0.25)
    check(tf.nn.compute_average_loss(np.ones((2, 5), np.float32), sample_weight=[1.0, 2.0]), 7.5)
    with pytest.raises(ValueError, match="scalar integer"):
        tf.nn.compute_average_loss([1.0], global_batch_size=[1])


def test_unknown_batch_sizes_keep_the_other_dimensions():
    @tf.function(input_signature=[tf.TensorSpec([None, 7, 3]), tf.TensorSpec([None, 7], tf.int32)])
    def losses(x, labels):
        dense = tf.nn.softmax_cross_entropy_with_logits(tf.one_hot(labels, 3), x)
        sparse = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, x)
        assert dense.shape.as_list() == sparse.shape.as_list() == [None, 7]
        return dense - sparse

    check(
        losses(np.random.default_rng(0).normal(size=(2, 7, 3)), np.zeros((2, 7), np.int32)), np.zeros((2, 7))
    )


W = tf.reshape(tf.range(80.0) / 80, [20, 4])
B = tf.range(20.0) / 20
INPUTS = tf.reshape(tf.range(12.0) / 12, [3, 4])
TRUE = np.array([[1, 2], [3, 7], [0, 5]])
SAMPLE = (tf.constant([1, 9, 3, 12], tf.int64), tf.fill([3, 2], 0.5), tf.constant([0.1, 0.2, 0.3, 0.4]))


def test_sampled_softmax_is_the_softmax_over_the_sample():
    loss = tf.nn.sampled_softmax_loss(W, B, TRUE, INPUTS, 4, 20, num_true=2, sampled_values=SAMPLE)
    for row in range(3):
        true = np.array(INPUTS[row]) @ np.array(W).T[:, TRUE[row]] + np.array(B)[TRUE[row]] - np.log(0.5)
        sampled = [c for c in range(4) if SAMPLE[0][c] not in TRUE[row]]
        classes = np.array(SAMPLE[0])[sampled]
        other = np.array(INPUTS[row]) @ np.array(W).T[:, classes] + np.array(B)[classes]
        logits = np.concatenate([true, other - np.log(np.array(SAMPLE[2])[sampled])])
        log_probs = logits - np.log(np.exp(logits).sum())
        check(loss[row], -log_probs[:2].mean())


def test_nce_tells_true_classes_from_sampled_ones():
    loss = tf.nn.nce_loss(W, B, TRUE, INPUTS, 4, 20, num_true=2, sampled_values=SAMPLE)
    assert loss.shape == [3]
    assert np.all(loss > 0)


def test_weights_may_come_in_pieces():
    whole = tf.nn.sampled_softmax_loss(W, B, TRUE, INPUTS, 4, 20, num_true=2, sampled_values=SAMPLE)
    pieces = tf.compat.v1.nn.sampled_softmax_loss(
        [W[0::2], W[1::2]], [B[0::2], B[1::2]], TRUE, INPUTS, 4, 20, num_true=2, sampled_values=SAMPLE
    )
    check(pieces, whole)
