"""`contrib.legacy_seq2seq`: decoders with embeddings and attention, buckets."""

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
rnn, legacy = v1.contrib.rnn, v1.contrib.legacy_seq2seq


def symbols(steps):
    return [tf.constant([1, 2]) for _ in range(steps)]


def names_without(scope):
    return [each.op.name.removeprefix(scope) for each in v1.trainable_variables()]


def test_variables_of_attention():
    with tf.Graph().as_default():
        outputs, state = legacy.embedding_attention_seq2seq(
            symbols(3), symbols(2), rnn.GRUCell(4), 5, 6, embedding_size=3, num_heads=2
        )
        names = names_without("embedding_attention_seq2seq/")
    assert [each.shape.as_list() for each in outputs] == [[2, 6], [2, 6]]
    assert state.shape == [2, 4]
    decoder = "embedding_attention_decoder/attention_decoder/"
    assert "rnn/embedding_wrapper/gru_cell/gates/kernel" in names
    assert "embedding_attention_decoder/embedding" in names
    assert {
        f"{decoder}AttnW_0",
        f"{decoder}AttnV_1",
        f"{decoder}Attention_1/kernel",
        f"{decoder}kernel",
    } <= set(names)
    assert f"{decoder}AttnOutputProjection/bias" in names


@pytest.mark.parametrize("function", ["embedding_rnn_seq2seq", "embedding_attention_seq2seq"])
def test_a_tensor_says_whether_outputs_are_fed_back(function):
    with tf.Graph().as_default(), v1.Session() as session:
        feed_previous = v1.placeholder(tf.bool, [])
        outputs, state = getattr(legacy, function)(
            symbols(2), symbols(3), rnn.BasicLSTMCell(4), 5, 6, embedding_size=3, feed_previous=feed_previous
        )
        fed, _ = legacy.tied_rnn_seq2seq([tf.ones([2, 4])], [tf.ones([2, 4])] * 3, rnn.GRUCell(4))
        session.run(v1.global_variables_initializer())
        yes, no = (session.run([*outputs, state.c], {feed_previous: each}) for each in (True, False))
        assert len(session.run(fed)) == 3
    np.testing.assert_allclose(yes[0], no[0], rtol=1e-6)
    assert not np.allclose(yes[2], no[2])


def test_buckets_share_variables():
    with tf.Graph().as_default(), v1.Session() as session:
        cell = rnn.GRUCell(4)
        inputs, weights = symbols(4), [tf.ones([2])] * 4
        outputs, losses = legacy.model_with_buckets(
            inputs, inputs, inputs, weights, [(2, 2), (4, 3)],
            lambda x, y: legacy.embedding_attention_seq2seq(x, y, cell, 5, 5, embedding_size=3),
            per_example_loss=True,
        )  # fmt: skip
        assert len(names_without("")) == len(set(names_without("")))
        session.run(v1.global_variables_initializer())
        values = session.run(losses)
    assert [len(each) for each in outputs] == [2, 3]
    assert [each.shape for each in values] == [(2,), (2,)]
    with pytest.raises(
        ValueError, match=r"Length of targets \(1\) must be at least that of last bucket \(2\)"
    ):
        legacy.model_with_buckets(inputs, inputs, inputs[:1], weights, [(2, 2)], None)


def test_attention_needs_a_known_length():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="must be known"):
        unknown = v1.placeholder(tf.float32, [2, None, 3])
        legacy.attention_decoder([tf.ones([2, 3])], tf.ones([2, 4]), unknown, rnn.GRUCell(4))
