import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
seq2seq = v1.contrib.seq2seq
cells = v1.nn.rnn_cell

CLASSES, SIZE, UNITS = 7, 5, 6
RNG = np.random.RandomState(0)
MEMORY = RNG.randn(3, 4, UNITS).astype(np.float32)
MEMORY_LENGTHS = np.array([4, 2, 3])
TARGETS, LENGTHS = RNG.randint(0, CLASSES, (3, 5)), np.array([4, 2, 3])


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def _run(fetches):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return session.run(fetches)


def _embedding():
    return v1.get_variable("embedding", [CLASSES, SIZE])


def _decoder(helper, cell=None, state=None):
    cell = cell or cells.GRUCell(UNITS)
    state = cell.zero_state(3, tf.float32) if state is None else state
    return seq2seq.BasicDecoder(cell, helper, state, output_layer=v1.layers.Dense(CLASSES, name="projection"))


def test_training_runs_as_long_as_the_longest_sequence():
    helper = seq2seq.TrainingHelper(tf.nn.embedding_lookup(_embedding(), TARGETS), LENGTHS)
    outputs, state, lengths = seq2seq.dynamic_decode(_decoder(helper), impute_finished=True)
    (logits, ids), state, lengths = _run([outputs, state, lengths])
    assert logits.shape == (3, 4, CLASSES) and lengths.tolist() == LENGTHS.tolist()
    assert not logits[1, 2:].any() and (ids[0] == logits[0].argmax(-1)).all()
    assert [v.name for v in v1.trainable_variables()][1:] == [
        "decoder/gru_cell/gates/kernel:0", "decoder/gru_cell/gates/bias:0", "decoder/gru_cell/candidate/kernel:0",
        "decoder/gru_cell/candidate/bias:0", "decoder/projection/kernel:0", "decoder/projection/bias:0",
    ]  # fmt: skip


def test_greedy_decoding_feeds_ids_back_until_the_end_token():
    def step(inputs, state):
        return tf.one_hot(tf.cast(state[:, 0], tf.int32) + 1, CLASSES), state + 1.0

    class Counting(cells.RNNCell):
        state_size = property(lambda self: 1)
        output_size = property(lambda self: CLASSES)
        call = staticmethod(step)

    helper = seq2seq.GreedyEmbeddingHelper(_embedding(), tf.fill([2], 0), end_token=4)
    decoder = seq2seq.BasicDecoder(Counting(), helper, tf.constant([[0.0], [2.0]]))
    outputs, _, lengths = seq2seq.dynamic_decode(decoder, impute_finished=True)
    ids, lengths = _run([outputs.sample_id, lengths])
    assert ids.tolist() == [[1, 2, 3, 4], [3, 4, 0, 0]] and lengths.tolist() == [4, 2]


def test_the_number_of_steps_is_bounded():
    helper = seq2seq.SampleEmbeddingHelper(_embedding(), tf.fill([3], 1), end_token=-1, seed=1)
    outputs, _, lengths = seq2seq.dynamic_decode(
        _decoder(helper), maximum_iterations=3, output_time_major=True
    )
    ids, lengths = _run([outputs.sample_id, lengths])
    assert ids.shape == (3, 3) and lengths.tolist() == [3, 3, 3]


def _attention(name):
    return {
        "luong": lambda: seq2seq.LuongAttention(UNITS, tf.constant(MEMORY), MEMORY_LENGTHS, scale=True),
        "bahdanau": lambda: seq2seq.BahdanauAttention(UNITS, tf.constant(MEMORY), MEMORY_LENGTHS),
        "normalized": lambda: seq2seq.BahdanauAttention(
            UNITS, tf.constant(MEMORY), MEMORY_LENGTHS, normalize=True
        ),
    }[name]()


@pytest.mark.parametrize("name", ["luong", "bahdanau", "normalized"])
def test_alignments_are_probabilities_of_positions_within_the_length(name):
    mechanism = _attention(name)
    alignments, _ = mechanism(tf.constant(RNG.randn(3, UNITS).astype(np.float32)), None)
    found = _run(alignments)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    assert not found[1, 2:].any() and not found[2, 3:].any()


def test_luong_attention_is_a_product():
    query = RNG.randn(3, UNITS).astype(np.float32)
    mechanism = seq2seq.LuongAttention(UNITS, tf.constant(MEMORY))
    alignments, keys = _run([mechanism(tf.constant(query), None)[0], mechanism.keys])
    scores = np.einsum("bu,btu->bt", query, keys)
    np.testing.assert_allclose(alignments, np.exp(scores) / np.exp(scores).sum(1, keepdims=True), rtol=1e-4)


def test_a_decoder_with_attention_learns():
    cell = seq2seq.AttentionWrapper(cells.GRUCell(UNITS), _attention("luong"), attention_layer_size=8)
    helper = seq2seq.TrainingHelper(tf.nn.embedding_lookup(_embedding(), TARGETS), LENGTHS)
    state = cell.zero_state(3, tf.float32).clone(cell_state=tf.constant(MEMORY[:, 0]))
    outputs, last, _ = seq2seq.dynamic_decode(_decoder(helper, cell, state))
    mask = tf.sequence_mask(LENGTHS, 4, tf.float32)
    loss = seq2seq.sequence_loss(outputs.rnn_output, TARGETS[:, :4], mask)
    train = v1.train.AdamOptimizer(0.05).minimize(loss)
    assert isinstance(last, seq2seq.AttentionWrapperState)
    assert "memory_layer/kernel:0" in [v.name for v in v1.trainable_variables()]
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        losses = [session.run([loss, train])[0] for _ in range(15)]
    assert losses[-1] < 0.5 * losses[0]


def test_sequence_loss():
    logits, weights = (
        RNG.randn(2, 3, CLASSES).astype(np.float32),
        np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]], np.float32),
    )
    targets = RNG.randint(0, CLASSES, (2, 3))
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    each = -np.take_along_axis(log_p, targets[..., None], -1)[..., 0] * weights
    found = _run(
        [
            seq2seq.sequence_loss(logits, targets, weights),
            seq2seq.sequence_loss(logits, targets, weights, average_across_timesteps=False),
            seq2seq.sequence_loss(logits, targets, weights, average_across_batch=False),
            seq2seq.sequence_loss(logits, targets, weights, False, False),
            v1.contrib.legacy_seq2seq.sequence_loss_by_example(
                tf.unstack(tf.constant(logits), axis=1), tf.unstack(tf.constant(targets), axis=1),
                tf.unstack(tf.constant(weights), axis=1),
            ),
        ]
    )  # fmt: skip
    np.testing.assert_allclose(found[0], each.sum() / 3, rtol=1e-4)
    np.testing.assert_allclose(found[1], each.sum(0) / (weights.sum(0) + 1e-12), rtol=1e-4)
    np.testing.assert_allclose(found[2], each.sum(1) / weights.sum(1), rtol=1e-4)
    np.testing.assert_allclose(found[3], each, rtol=1e-4)
    np.testing.assert_allclose(found[4], each.sum(1) / weights.sum(1), rtol=1e-4)


def test_small_functions():
    tiled, hard = _run([seq2seq.tile_batch(tf.constant([[1], [2]]), 2), seq2seq.hardmax([[1.0, 3.0, 2.0]])])
    assert tiled.tolist() == [[1], [1], [2], [2]] and hard.tolist() == [[0.0, 1.0, 0.0]]


def test_errors():
    with pytest.raises(TypeError, match="type Decoder"):
        seq2seq.dynamic_decode(3)
    with pytest.raises(ValueError, match="Logits must be a 3-dimensional"):
        seq2seq.sequence_loss(tf.zeros([2, 3]), [[1]], [[1.0]])
    with pytest.raises(ValueError, match="end_token must be a scalar"):
        seq2seq.GreedyEmbeddingHelper(_embedding(), [1], [1])


class Bigram(cells.RNNCell):
    """Scores of the next id that depend on the last one only; the state counts steps."""

    state_size = property(lambda self: 1)
    output_size = property(lambda self: CLASSES)

    def call(self, inputs, state):
        return inputs, state + 1.0


def _best_ways(table, start, end, steps):
    """All ways from `start`, until `end` or for so many steps, with their log-probabilities; the best first."""
    log_p = table - np.log(np.exp(table).sum(-1, keepdims=True))
    ways = [(0.0, [start])]
    for _ in range(steps):
        ways = [
            grown
            for score, way in ways
            for grown in (
                [(score, [*way, end])]
                if way[-1] == end and len(way) > 1
                else [(score + log_p[way[-1], each], [*way, each]) for each in range(CLASSES)]
            )
        ]
    return sorted(((score, way[1:]) for score, way in ways), reverse=True)


def test_beam_search_with_wide_beams_finds_the_best_ways():
    table, width, steps, end = RNG.randn(CLASSES, CLASSES).astype(np.float32) * 2, CLASSES**2, 3, 0
    state = seq2seq.tile_batch(Bigram().zero_state(2, tf.float32), width)
    decoder = seq2seq.BeamSearchDecoder(Bigram(), tf.constant(table), [1, 2], end, state, width)
    outputs, last, _ = seq2seq.dynamic_decode(decoder, maximum_iterations=steps)
    ids, scores, lengths = _run([outputs.predicted_ids, last.log_probs, last.lengths])
    assert ids.shape[2] == width
    for example, start in enumerate([1, 2]):
        best = _best_ways(table, start, end, steps)[:5]
        np.testing.assert_allclose(scores[example, :5], [score for score, _ in best], rtol=1e-4)
        assert [ids[example, :, beam].tolist() for beam in range(5)] == [way for _, way in best]
        assert lengths[example, 0] == (best[0][1] + [end]).index(end) + 1 or end not in best[0][1]


def test_gather_tree_follows_parents_and_fills_with_the_end():
    ids = np.array([[[1, 2]], [[3, 9]], [[4, 5]]])
    parents = np.array([[[0, 0]], [[1, 0]], [[1, 0]]])
    found = _run(seq2seq.gather_tree(ids, parents, [3], 9))
    assert found[:, 0, 0].tolist() == [1, 9, 9] and found[:, 0, 1].tolist() == [2, 3, 5]
