"""Monotonic attention, and inputs that are sometimes a network's own outputs."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
seq2seq = v1.contrib.seq2seq
RNG = np.random.RandomState(0)
P = RNG.rand(2, 5).astype(np.float32)
BEFORE = np.float32([[0.2, 0.5, 0.3, 0, 0], [1, 0, 0, 0, 0]])
MEMORY = RNG.randn(2, 4, 3).astype(np.float32)


def _run(fetches):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return session.run(fetches)


def _stopping_at(p, before):
    """The definition: begin at k with probability `before[k]`, stop at the first j >= k that is chosen."""
    found = np.zeros(len(p))
    for k, start in enumerate(before):
        gone_on = 1.0
        for j in range(k, len(p)):
            found[j] += start * gone_on * p[j]
            gone_on *= 1 - p[j]
    return found


@pytest.mark.parametrize("mode", ["recursive", "parallel"])
def test_probabilities_of_where_the_reading_stops(mode):
    found = seq2seq.monotonic_attention(P, BEFORE, mode)
    np.testing.assert_allclose(found, [_stopping_at(*each) for each in zip(P, BEFORE)], rtol=1e-4)


def test_a_hard_reading_stops_at_the_first_chosen_position():
    chosen = np.float32([[1, 0, 1, 1], [0, 0, 0, 0]])
    found = seq2seq.monotonic_attention(chosen, np.float32([[0, 1, 0, 0], [1, 0, 0, 0]]), "hard")
    np.testing.assert_array_equal(found, [[0, 0, 1, 0], [0, 0, 0, 0]])


def test_modes_have_names():
    with pytest.raises(ValueError, match="'recursive', 'parallel', or 'hard'"):
        seq2seq.monotonic_attention(P, BEFORE, "soft")


def test_products_of_zeros_have_a_gradient():
    x = tf.constant([0.5, 0.0, 0.25])
    with tf.GradientTape() as tape:
        tape.watch(x)
        products = seq2seq.safe_cumprod(x)
    np.testing.assert_allclose(products, [0.5, 0, 0], atol=1e-30)
    assert np.isfinite(tape.gradient(products, x)).all()


@pytest.mark.parametrize(
    ("name", "scope", "score"),
    [
        ("LuongMonotonicAttention", "luong", lambda keys, query: keys @ query),
        ("BahdanauMonotonicAttention", "bahdanau", None),
    ],
)
def test_mechanisms_read_on_from_where_they_stopped(name, scope, score):
    with tf.Graph().as_default():
        mechanism = getattr(seq2seq, name)(6, MEMORY, [4, 2], score_bias_init=-1.0)
        cell = seq2seq.AttentionWrapper(v1.nn.rnn_cell.GRUCell(6), mechanism, alignment_history=True)
        _, state = v1.nn.dynamic_rnn(cell, tf.constant(RNG.randn(2, 7, 3), tf.float32), dtype=tf.float32)
        if score is not None:
            query = tf.constant(RNG.randn(2, 6), tf.float32)
            first, _ = mechanism(query, mechanism.initial_state(2, tf.float32))
            keys, query, first = _run([mechanism.keys, query, first])
            p = 1 / (1 + np.exp(1 - score(keys[0], query[0])))
            np.testing.assert_allclose(first[0], _stopping_at(p, [1, 0, 0, 0]), rtol=1e-4)
        names = [each.name for each in v1.trainable_variables() if "score_bias" in each.name]
        history = _run(state.alignment_history.stack())
    assert names[0] == f"rnn/attention_wrapper/{scope}_monotonic_attention/attention_score_bias:0"
    reached = history.cumsum(-1)  # the probability of having stopped by a position only becomes less
    assert (np.diff(reached, axis=0) < 1e-5).all() and (history[:, 1, 2:] == 0).all()


def test_noise_moves_soft_choices_and_none_is_left_of_them_in_hard_ones():
    with tf.Graph().as_default():
        query, before = tf.ones([2, 6]), tf.one_hot([0, 0], 4)
        noisy, _ = seq2seq.LuongMonotonicAttention(6, MEMORY, sigmoid_noise=1.0)(query, before)
        hard, _ = seq2seq.LuongMonotonicAttention(6, MEMORY, mode="hard")(query, before)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            assert (session.run(noisy) != session.run(noisy)).any()
            assert set(np.unique(session.run(hard))) <= {0.0, 1.0}


def test_own_keys_values_and_attention():
    with tf.Graph().as_default():
        doubled = seq2seq.LuongAttention(
            6, MEMORY, custom_key_value_fn=lambda keys, values: (keys, 2 * values)
        )
        np.testing.assert_allclose(_run(doubled.values), 2 * MEMORY)
        fixed = lambda mechanism, output, state, layer: (output[:, :3], state, state)
        cell = seq2seq.AttentionWrapper(v1.nn.rnn_cell.GRUCell(6), doubled, attention_fn=fixed)
        output, state = cell(tf.ones([2, 3]), cell.zero_state(2, tf.float32))
        output, inner = _run([output, state.cell_state])
    np.testing.assert_allclose(output, inner[:, :3])


class _Sum(v1.nn.rnn_cell.RNNCell):
    state_size = output_size = 1

    def call(self, inputs, state):
        total = state + tf.reduce_sum(inputs, -1, keepdims=True)
        return total, total


@pytest.mark.parametrize(("probability", "expected"), [(0.0, [1, 3, 6, 10]), (1.0, [1, 2, 4, 8])])
def test_inputs_are_right_ones_or_own_outputs(probability, expected):
    with tf.Graph().as_default():
        inputs = np.float32([[[1], [2], [3], [4]]] * 2)
        helper = seq2seq.ScheduledOutputTrainingHelper(inputs, [4, 2], probability)
        decoder = seq2seq.BasicDecoder(_Sum(), helper, tf.zeros([2, 1]))
        outputs, _, lengths = seq2seq.dynamic_decode(decoder, impute_finished=True)
        values, lengths = _run([outputs.rnn_output, lengths])
    assert values[0, :, 0].tolist() == expected and values[1, :, 0].tolist() == expected[:2] + [0, 0]
    assert lengths.tolist() == [4, 2]


def test_auxiliary_inputs_stay_beside_own_outputs():
    with tf.Graph().as_default():
        helper = seq2seq.ScheduledOutputTrainingHelper(
            np.ones([1, 3, 1], np.float32), [3], 1.0, next_inputs_fn=lambda outputs: -outputs,
            auxiliary_inputs=np.float32([[[10], [20], [30]]]),
        )  # fmt: skip
        decoder = seq2seq.BasicDecoder(_Sum(), helper, tf.zeros([1, 1]))
        outputs, _, _ = seq2seq.dynamic_decode(decoder)
        # 1 + 10; 11 - 11 + 20; 20 - 20 + 30
        assert _run(outputs.rnn_output)[0, :, 0].tolist() == [11, 20, 30]
        with pytest.raises(ValueError, match="scalar or a vector"):
            seq2seq.ScheduledOutputTrainingHelper(np.ones([1, 3, 1]), [3], [[0.5]])
