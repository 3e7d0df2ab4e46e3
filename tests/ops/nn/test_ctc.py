"""CTC: the loss against a sum over all alignments, the decoders against exhaustive search."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import penstock as tf

RNG = np.random.default_rng(0)
TIME, BATCH, CLASSES = 5, 3, 4
LOGITS = RNG.normal(size=(TIME, BATCH, CLASSES)).astype(np.float32)
LABELS = np.array([[1, 2, 0], [3, 3, 0], [2, 0, 0]], np.int32)  # the blank is 0
COUNTS = [2, 2, 1]
TIMES = [5, 4, 3]


def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def collapse(path, blank):
    merged = [label for i, label in enumerate(path) if i == 0 or label != path[i - 1]]
    return tuple(label for label in merged if label != blank)


def probabilities(row, blank):
    """The probability of every label sequence, by enumerating the paths."""
    log_probs = log_softmax(LOGITS[: TIMES[row], row].astype(np.float64))
    found = {}
    for path in itertools.product(range(CLASSES), repeat=TIMES[row]):
        labels = collapse(path, blank)
        probability = np.exp(sum(log_probs[t, label] for t, label in enumerate(path)))
        found[labels] = found.get(labels, 0.0) + probability
    return found


def expected_loss(blank=0, labels=LABELS):
    rows = range(BATCH)
    return [-np.log(probabilities(row, blank)[tuple(labels[row][: COUNTS[row]])]) for row in rows]


def sparse(labels):
    places = [[row, column] for row in range(BATCH) for column in range(COUNTS[row])]
    return tf.SparseTensor(places, [int(labels[row][column]) for row, column in places], [BATCH, 3])


def test_dense_labels():
    loss = tf.nn.ctc_loss(LABELS, LOGITS, COUNTS, TIMES)
    np.testing.assert_allclose(loss, expected_loss(), rtol=1e-5)


def test_batch_major_logits():
    loss = tf.nn.ctc_loss(LABELS, LOGITS.transpose(1, 0, 2), COUNTS, TIMES, logits_time_major=False)
    np.testing.assert_allclose(loss, expected_loss(), rtol=1e-5)


@pytest.mark.parametrize("blank", [0, 2, -1])
def test_any_class_may_be_the_blank(blank):
    blank_class = blank % CLASSES
    others = [label for label in range(CLASSES) if label != blank_class]
    labels = np.array(
        [[others[label - 1] if label else blank_class for label in row] for row in LABELS], np.int32
    )
    expected = expected_loss(blank_class, labels)
    dense = tf.nn.ctc_loss(labels, LOGITS, COUNTS, TIMES, blank_index=blank)
    np.testing.assert_allclose(dense, expected, rtol=1e-5)
    of_sparse = tf.nn.ctc_loss(sparse(labels), LOGITS, None, TIMES, blank_index=blank)
    np.testing.assert_allclose(of_sparse, expected, rtol=1e-5)


def test_gradient_is_that_of_finite_differences():
    x = LOGITS.astype(np.float64)
    with tf.GradientTape() as tape:
        logits = tf.constant(x)
        tape.watch(logits)
        loss = tf.reduce_sum(tf.nn.ctc_loss(LABELS, logits, COUNTS, TIMES) * [1.0, 2.0, 3.0])
    gradient = tape.gradient(loss, logits)
    direction = RNG.normal(size=x.shape)

    def value(scale):
        losses = tf.nn.ctc_loss(LABELS, tf.constant(x + scale * direction), COUNTS, TIMES)
        return float(tf.reduce_sum(losses * [1.0, 2.0, 3.0]))

    slope = (value(1e-5) - value(-1e-5)) / 2e-5
    np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-6)


def test_compiled_and_eager_losses_agree():
    labels = sparse(LABELS - 1)
    eager = tf.compat.v1.nn.ctc_loss(labels, LOGITS, TIMES)

    @tf.function
    def compiled(labels, logits):
        return tf.compat.v1.nn.ctc_loss(labels, logits, TIMES)

    np.testing.assert_allclose(compiled(labels, LOGITS), eager, rtol=1e-5)


def test_frames_are_not_merged_if_asked():
    """Without merging, the frames of a path that are no blanks are its labels."""
    loss = tf.compat.v1.nn.ctc_loss(sparse(LABELS - 1), LOGITS, TIMES, ctc_merge_repeated=False)
    log_probs = log_softmax(LOGITS[: TIMES[1], 1].astype(np.float64))
    total = 0.0
    for path in itertools.product(range(CLASSES), repeat=TIMES[1]):
        if tuple(label for label in path if label != CLASSES - 1) == tuple(LABELS[1][:2] - 1):
            total += np.exp(sum(log_probs[t, label] for t, label in enumerate(path)))
    np.testing.assert_allclose(loss[1], -np.log(total), rtol=1e-5)


def test_impossible_sparse_labels():
    labels = sparse(LABELS - 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Not enough time"):
        tf.compat.v1.nn.ctc_loss(labels, LOGITS, [5, 1, 3])
    left_out = tf.compat.v1.nn.ctc_loss(labels, LOGITS, [5, 1, 3], ignore_longer_outputs_than_inputs=True)
    assert left_out[1] == 0
    no_path = tf.compat.v1.nn.ctc_loss(labels, LOGITS, [5, 2, 3])  # the repeated label needs a blank between
    assert np.isinf(no_path[1])


def test_labels_must_be_sparse_in_v1():
    with pytest.raises(TypeError, match="SparseTensor"):
        tf.compat.v1.nn.ctc_loss(LABELS, LOGITS, TIMES)


def test_sparse_labels_need_a_blank():
    with pytest.raises(ValueError, match="blank_index"):
        tf.nn.ctc_loss(sparse(LABELS), LOGITS, None, TIMES)


def rows_of(decoded):
    return [tuple(decoded.values.numpy()[decoded.indices.numpy()[:, 0] == row]) for row in range(BATCH)]


def test_wide_beams_find_the_most_probable_sequences():
    (first, second), scores = tf.nn.ctc_beam_search_decoder(LOGITS, TIMES, beam_width=200, top_paths=2)
    for row in range(BATCH):
        ranked = sorted(probabilities(row, CLASSES - 1).items(), key=lambda item: -item[1])
        assert [rows_of(first)[row], rows_of(second)[row]] == [ranked[0][0], ranked[1][0]]
        np.testing.assert_allclose(scores[row], np.log([ranked[0][1], ranked[1][1]]), rtol=1e-5)


@pytest.mark.parametrize("blank, merge", [(None, True), (0, True), (None, False)])
def test_greedy_decoding_takes_the_best_class_of_each_step(blank, merge):
    (decoded,), scores = tf.nn.ctc_greedy_decoder(LOGITS, TIMES, merge_repeated=merge, blank_index=blank)
    blank_class = CLASSES - 1 if blank is None else blank
    for row in range(BATCH):
        best = LOGITS[: TIMES[row], row].argmax(-1)
        expected = collapse(best, blank_class) if merge else tuple(best[best != blank_class])
        assert rows_of(decoded)[row] == expected
        np.testing.assert_allclose(scores[row], [-LOGITS[: TIMES[row], row].max(-1).sum()], rtol=1e-5)


def test_more_paths_than_the_beam_holds_are_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="beam width"):
        tf.nn.ctc_beam_search_decoder(LOGITS, TIMES, beam_width=2, top_paths=3)


def test_unique_labels_and_collapsing():
    different, index = tf.nn.ctc_unique_labels([[3, 4, 4, 3], [5, 5, 5, 2]])
    np.testing.assert_array_equal(different, [[3, 4, 0, 0], [5, 2, 0, 0]])
    np.testing.assert_array_equal(index, [[0, 1, 1, 0], [0, 0, 0, 1]])
    merged, counts = tf.nn.collapse_repeated([[1, 1, 2, 2, 1], [1, 1, 1, 1, 1]], [5, 3])
    np.testing.assert_array_equal(merged, [[1, 2, 1], [1, 0, 0]])
    np.testing.assert_array_equal(counts, [3, 1])


def test_the_second_op_has_its_blank_first():
    labels = sparse(LABELS)
    loss, _ = tf.raw_ops.CTCLossV2(
        inputs=LOGITS, labels_indices=labels.indices, labels_values=labels.values, sequence_length=TIMES
    )
    np.testing.assert_allclose(loss, expected_loss(), rtol=1e-5)
