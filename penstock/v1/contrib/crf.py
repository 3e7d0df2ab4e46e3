"""`contrib.crf`: linear-chain conditional random fields over sequences of tags."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.export import export
from penstock.ops.variables.scope import get_variable, variable_scope
from penstock.v1.api import tf


def _mask(sequence_lengths: Any, inputs: Any) -> Any:
    return tf.sequence_mask(sequence_lengths, tf.shape(inputs)[1], tf.float32)


@export(v1=["contrib.crf.crf_unary_score"])
def crf_unary_score(tag_indices: Any, sequence_lengths: Any, inputs: Any) -> Any:
    """The sum, for each sequence, of the scores of its tags.

    Args:
      tag_indices: `[batch, time]`. sequence_lengths: `[batch]`. inputs: scores `[batch, time, tags]`.

    Returns:
      `[batch]`.
    """
    chosen = tf.one_hot(tag_indices, tf.shape(inputs)[2], dtype=inputs.dtype)
    return tf.reduce_sum(tf.reduce_sum(inputs * chosen, 2) * _mask(sequence_lengths, inputs), 1)


@export(v1=["contrib.crf.crf_binary_score"])
def crf_binary_score(tag_indices: Any, sequence_lengths: Any, transition_params: Any) -> Any:
    """The sum, for each sequence, of the scores of the transitions between its tags."""
    tag_indices = tf.cast(tag_indices, tf.int32)
    number = tf.shape(transition_params)[0]
    places = tag_indices[:, :-1] * number + tag_indices[:, 1:]
    scores = tf.gather(tf.reshape(transition_params, [-1]), places)
    mask = tf.sequence_mask(sequence_lengths, tf.shape(tag_indices)[1], tf.float32)
    return tf.reduce_sum(scores * mask[:, 1:], 1)


@export(v1=["contrib.crf.crf_sequence_score"])
def crf_sequence_score(inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any) -> Any:
    """The score of each tagged sequence: of its tags and the transitions between them; zero for an empty one."""
    inputs = tf.convert_to_tensor(inputs)
    return crf_unary_score(tag_indices, sequence_lengths, inputs) + crf_binary_score(
        tag_indices, sequence_lengths, transition_params
    )


def _forward(inputs: Any, sequence_lengths: Any, transition_params: Any, combine: Any) -> Any:
    """Scores of all tags at the last time of each sequence, where `combine` joins the ways to get there.

    A loop over time: what a sequence has at its end stays until the loop's.
    """
    lengths = tf.cast(sequence_lengths, tf.int32)
    steps = tf.shape(inputs)[1]
    transitions = tf.expand_dims(transition_params, 0)

    def step(time: Any, scores: Any) -> tuple[Any, Any]:
        reached = combine(tf.expand_dims(scores, 2) + transitions) + inputs[:, time]
        reached = tf.where(time < lengths, reached, scores)
        reached.set_shape(scores.shape)
        return time + 1, reached

    _, scores = tf.while_loop(
        lambda time, _: time < steps, step, (tf.constant(1), inputs[:, 0]), maximum_iterations=steps
    )
    return scores, lengths


@export(v1=["contrib.crf.crf_log_norm"])
def crf_log_norm(inputs: Any, sequence_lengths: Any, transition_params: Any) -> Any:
    """The logarithm of the sum, over all ways to tag each sequence, of the exponentials of their scores."""
    inputs = tf.convert_to_tensor(inputs)
    scores, lengths = _forward(
        inputs, sequence_lengths, transition_params, lambda each: tf.reduce_logsumexp(each, 1)
    )
    return tf.where(
        tf.less_equal(lengths, 0), tf.zeros_like(lengths, inputs.dtype), tf.reduce_logsumexp(scores, 1)
    )


@export(v1=["contrib.crf.crf_log_likelihood"])
def crf_log_likelihood(
    inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any = None
) -> tuple[Any, Any]:
    """The logarithm of the probability of each sequence's tags (Lafferty et al., 2001).

    Args:
      inputs: the scores of tags, `[batch, time, tags]`.
      tag_indices: the right tags, `[batch, time]`.
      sequence_lengths: the length of each sequence, `[batch]`.
      transition_params: the scores `[tags, tags]` of one tag after another; by default a new variable "transitions".

    Returns:
      The log-likelihoods, `[batch]`, and the transition scores.

    Example:
      >>> import penstock as tf
      >>> v1 = tf.compat.v1
      >>> with tf.Graph().as_default(), v1.Session() as session:
      ...     scores, tags = tf.zeros([1, 3, 2]), tf.constant([[0, 1, 1]])
      ...     likelihood, _ = v1.contrib.crf.crf_log_likelihood(scores, tags, [3], tf.zeros([2, 2]))
      ...     print(round(float(tf.compat.v1.Session().run(tf.exp(likelihood))[0]), 3))
      0.125
    """
    inputs = tf.convert_to_tensor(inputs)
    if transition_params is None:
        size = inputs.shape.as_list()[2]
        transition_params = get_variable("transitions", [size, size])
    score = crf_sequence_score(inputs, tag_indices, sequence_lengths, transition_params)
    return score - crf_log_norm(inputs, sequence_lengths, transition_params), transition_params


@export(v1=["contrib.crf.crf_decode"])
def crf_decode(potentials: Any, transition_params: Any, sequence_length: Any) -> tuple[Any, Any]:
    """The best tags of each sequence, by Viterbi's algorithm, in the graph.

    Args:
      potentials: the scores of tags, `[batch, time, tags]`. transition_params: `[tags, tags]`.
      sequence_length: `[batch]`.

    Returns:
      The tags, `[batch, time]` int32, zero after the end of a sequence; and their scores, `[batch]`.
    """
    potentials = tf.convert_to_tensor(potentials)
    lengths = tf.cast(sequence_length, tf.int32)
    batch, steps = tf.shape(potentials)[0], tf.shape(potentials)[1]
    transitions = tf.expand_dims(transition_params, 0)

    def forward(time: Any, scores: Any, pointers: Any) -> tuple[Any, Any, Any]:
        reached = tf.expand_dims(scores, 2) + transitions
        best = tf.reduce_max(reached, 1) + potentials[:, time]
        goes_on = time < lengths
        kept = tf.where(goes_on, best, scores)
        kept.set_shape(scores.shape)
        here = tf.cast(tf.argmax(reached, 1), tf.int32)
        # After the end of a sequence every tag points to itself.
        same = tf.zeros_like(here) + tf.range(tf.shape(here)[1])
        return time + 1, kept, pointers.write(time, tf.where(goes_on, here, same))

    static = potentials.shape.as_list()
    pointers = tf.TensorArray(tf.int32, steps, element_shape=[static[0], static[2]])
    pointers = pointers.write(0, tf.zeros(tf.stack([batch, tf.shape(potentials)[2]]), tf.int32))
    _, scores, pointers = tf.while_loop(
        lambda time, *_: time < steps,
        forward,
        (tf.constant(1), potentials[:, 0], pointers),
        maximum_iterations=steps,
    )
    last = tf.cast(tf.argmax(scores, 1), tf.int32)

    def backward(time: Any, tag: Any, tags: Any) -> tuple[Any, Any, Any]:
        before = tf.gather(pointers.read(time), tag, batch_dims=1)
        before.set_shape(tag.shape)
        return time - 1, before, tags.write(time - 1, before)

    tags = tf.TensorArray(tf.int32, steps, element_shape=[static[0]]).write(steps - 1, last)
    _, _, tags = tf.while_loop(
        lambda time, *_: time > 0, backward, (steps - 1, last, tags), maximum_iterations=steps
    )
    found = tf.transpose(tags.stack())
    found.set_shape(static[:2])
    return found * tf.sequence_mask(lengths, steps, tf.int32), tf.reduce_max(scores, 1)


@export(v1=["contrib.crf.viterbi_decode"])
def viterbi_decode(score: Any, transition_params: Any) -> tuple[list[int], Any]:
    """The best tags of one sequence, and their score, in NumPy.

    Args:
      score: an array `[time, tags]`. transition_params: an array `[tags, tags]`.

    Example:
      >>> import penstock as tf, numpy as np
      >>> tf.compat.v1.contrib.crf.viterbi_decode(np.array([[1.0, 0.0], [0.0, 2.0]]), np.zeros((2, 2)))
      ([0, 1], np.float64(3.0))
    """
    score, transition_params = np.asarray(score), np.asarray(transition_params)
    trellis, pointers = score[0], []
    for row in score[1:]:
        reached = trellis[:, None] + transition_params
        pointers.append(reached.argmax(0))
        trellis = row + reached.max(0)
    tags = [int(trellis.argmax())]
    for each in reversed(pointers):
        tags.append(int(each[tags[-1]]))
    return tags[::-1], trellis.max()


@export(v1=["contrib.crf.CrfForwardRnnCell"])
class CrfForwardRnnCell:
    """One step of the sum over all ways to tag: `state = logsumexp(state + transitions) + inputs`, as a cell."""

    def __init__(self, transition_params: Any):
        self._transitions = tf.expand_dims(transition_params, 0)
        self._size = int(transition_params.shape[0])

    state_size = property(lambda self: self._size, doc="The number of tags.")
    output_size = property(lambda self: self._size, doc="The number of tags.")

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        with variable_scope(scope or "crf"):
            new = inputs + tf.reduce_logsumexp(tf.expand_dims(state, 2) + self._transitions, 1)
        return new, new
