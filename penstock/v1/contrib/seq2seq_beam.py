"""`contrib.seq2seq.BeamSearchDecoder`: keeps the best beginnings of each sequence, and extends them step by step."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.engine.export import export
from penstock.types import nest
from penstock.types.shapes import TensorShape
from penstock.v1.api import tf
from penstock.v1.contrib.seq2seq_decoder import Decoder


@export(v1=["contrib.seq2seq.BeamSearchDecoderState"])
class BeamSearchDecoderState(NamedTuple):
    """The cell's state for each beam, `[batch, beams, ...]`, and the beams' probabilities, ends and lengths."""

    cell_state: Any
    log_probs: Any
    finished: Any
    lengths: Any
    accumulated_attention_probs: Any = ()


@export(v1=["contrib.seq2seq.BeamSearchDecoderOutput"])
class BeamSearchDecoderOutput(NamedTuple):
    """What one step gives for each beam: its score, the id it is extended by, and the beam that it extends."""

    scores: Any
    predicted_ids: Any
    parent_ids: Any


@export(v1=["contrib.seq2seq.FinalBeamSearchDecoderOutput"])
class FinalBeamSearchDecoderOutput(NamedTuple):
    """The ids of the beams, the best first, and the outputs of all steps."""

    predicted_ids: Any
    beam_search_decoder_output: Any


@export(v1=["contrib.seq2seq.gather_tree"])
def gather_tree(step_ids: Any, parent_ids: Any, max_sequence_lengths: Any, end_token: Any) -> Any:
    """Follows beams back from their ends.

    Args:
      step_ids: what each beam was extended by, `[time, batch, beams]`.
      parent_ids: the beam that it extended.
      max_sequence_lengths: at which length to begin, `[batch]`.
      end_token: what fills beams past their first end token.

    Returns:
      The ids of each beam, `[time, batch, beams]`.
    """
    step_ids, parent_ids = tf.cast(step_ids, tf.int32), tf.cast(parent_ids, tf.int32)
    steps, lengths = tf.shape(step_ids)[0], tf.cast(max_sequence_lengths, tf.int32)
    beams = tf.zeros_like(step_ids[0]) + tf.range(tf.shape(step_ids)[2])
    static = step_ids.shape.as_list()
    found = tf.TensorArray(step_ids.dtype, steps, element_shape=static[1:])

    def back(time: Any, beams: Any, found: Any) -> tuple[Any, Any, Any]:
        inside = tf.expand_dims(time < lengths, 1)
        ids = tf.gather(step_ids[time], beams, batch_dims=1)
        before = tf.gather(parent_ids[time], beams, batch_dims=1)
        before = tf.where(tf.logical_and(inside, tf.ones_like(beams, tf.bool)), before, beams)
        before.set_shape(beams.shape)
        ids = tf.where(
            tf.logical_and(inside, tf.ones_like(ids, tf.bool)), ids, tf.fill(tf.shape(ids), end_token)
        )
        return time - 1, before, found.write(time, ids)

    _, _, found = tf.while_loop(
        lambda time, *_: time >= 0, back, (steps - 1, beams, found), maximum_iterations=steps
    )
    ids = found.stack()
    ends = tf.cast(tf.equal(ids, end_token), tf.int32)
    past = tf.cumsum(ends, 0) - ends > 0
    return tf.where(past, tf.fill(tf.shape(ids), end_token), ids)


@export(v1=["contrib.seq2seq.BeamSearchDecoder"])
class BeamSearchDecoder(Decoder):
    """Decodes by beam search.

    Args:
      cell: an RNNCell. embedding: a function of ids, or the vectors.
      start_tokens: `[batch]`. end_token: a scalar.
      initial_state: the cell's first state for `batch * beam_width` examples, made by `tile_batch`.
      beam_width: how many beginnings are kept. output_layer: a layer for the cell's outputs.
      length_penalty_weight: how much longer sequences are favoured: scores are divided by `((5 + length) / 6) ^ weight`.
    """

    tracks_own_finished = True

    def __init__(
        self,
        cell: Any,
        embedding: Any,
        start_tokens: Any,
        end_token: Any,
        initial_state: Any,
        beam_width: int,
        output_layer: Any = None,
        length_penalty_weight: float = 0.0,
        coverage_penalty_weight: float = 0.0,
        reorder_tensor_arrays: bool = True,
    ):
        if coverage_penalty_weight:
            raise ValueError("BeamSearchDecoder: coverage_penalty_weight is not supported.")
        self._cell, self._layer, self._width = cell, output_layer, beam_width
        self._penalty = length_penalty_weight
        self._embed = embedding if callable(embedding) else lambda ids: tf.nn.embedding_lookup(embedding, ids)
        self._start = tf.convert_to_tensor(start_tokens, tf.int32)
        self._end = tf.convert_to_tensor(end_token, tf.int32)
        if self._start.shape.rank != 1:
            raise ValueError("start_tokens must be a vector")
        if self._end.shape.rank != 0:
            raise ValueError("end_token must be a scalar")
        self._batch = tf.size(self._start)
        tiled = tf.tile(tf.expand_dims(self._start, 1), [1, beam_width])
        self._start_inputs = self._embed(tiled)
        self._initial_state = nest.map_structure(self._split, initial_state)

    @property
    def batch_size(self) -> Any:
        """The number of sequences."""
        return self._batch

    @property
    def output_size(self) -> BeamSearchDecoderOutput:
        """The shapes of a step's outputs."""
        shape = TensorShape([self._width])
        return BeamSearchDecoderOutput(shape, shape, shape)

    @property
    def output_dtype(self) -> BeamSearchDecoderOutput:
        """The dtypes of a step's outputs."""
        return BeamSearchDecoderOutput(tf.float32, tf.int32, tf.int32)

    # `[batch * beams, ...]` and `[batch, beams, ...]`.

    def _split(self, t: Any) -> Any:
        if isinstance(t, tf.TensorArray) or t.shape.rank == 0:
            return t
        split = tf.reshape(t, tf.concat([[self._batch, self._width], tf.shape(t)[1:]], 0))
        split.set_shape([None, self._width, *t.shape.as_list()[1:]])
        return split

    def _merge(self, t: Any) -> Any:
        if isinstance(t, tf.TensorArray) or t.shape.rank == 0:
            return t
        merged = tf.reshape(t, tf.concat([[self._batch * self._width], tf.shape(t)[2:]], 0))
        merged.set_shape([None, *t.shape.as_list()[2:]])
        return merged

    # Decoding.

    def initialize(self, name: str | None = None) -> tuple[Any, Any, Any]:
        """One beam of each sequence counts at first, so that they become different."""
        finished = tf.fill(tf.stack([self._batch, self._width]), False)
        finished.set_shape([None, self._width])
        first = tf.one_hot(
            tf.zeros([self._batch], tf.int32), self._width, 0.0, float("-inf"), dtype=tf.float32
        )
        lengths = tf.zeros_like(finished, tf.int64)
        return (
            finished,
            self._start_inputs,
            BeamSearchDecoderState(self._initial_state, first, finished, lengths),
        )

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> tuple[Any, Any, Any, Any]:
        """Extends the beams by the ids with the best scores."""
        outputs, cell_state = self._cell(
            nest.map_structure(self._merge, inputs), nest.map_structure(self._merge, state.cell_state)
        )
        if self._layer is not None:
            outputs = self._layer(outputs)
        cell_state = nest.map_structure(self._split, cell_state)
        output, state = self._extended(self._split(outputs), cell_state, state)
        following = tf.cond(
            tf.reduce_all(state.finished),
            lambda: self._start_inputs,
            lambda: self._embed(output.predicted_ids),
        )
        return output, state, following, state.finished

    def _extended(self, logits: Any, cell_state: Any, state: BeamSearchDecoderState) -> tuple[Any, Any]:
        vocabulary = logits.shape.as_list()[-1] or tf.shape(logits)[-1]
        log_probs = tf.nn.log_softmax(logits)
        # A finished beam is only extended by the end token, for nothing.
        only_end = tf.one_hot(self._end, vocabulary, 0.0, log_probs.dtype.min, dtype=log_probs.dtype)
        finished = tf.expand_dims(state.finished, 2)
        log_probs = tf.where(
            tf.logical_and(finished, tf.ones_like(log_probs, tf.bool)),
            tf.zeros_like(log_probs) + only_end,
            log_probs,
        )
        total = tf.expand_dims(state.log_probs, 2) + log_probs
        grows = tf.one_hot(
            self._end, vocabulary, tf.constant(0, tf.int64), tf.constant(1, tf.int64), dtype=tf.int64
        )
        lengths = tf.expand_dims(state.lengths, 2) + grows * tf.cast(tf.logical_not(finished), tf.int64)
        scores = tf.reshape(self._scores(total, lengths), [self._batch, self._width * vocabulary])
        best, places = tf.nn.top_k(scores, self._width)
        ids, parents = places % vocabulary, places // vocabulary
        for each in (best, ids, parents):
            each.set_shape([None, self._width])

        def chosen(t: Any) -> Any:
            if isinstance(t, tf.TensorArray) or t.shape.rank == 0:
                return t
            found = tf.gather(t, parents, batch_dims=1)
            found.set_shape(t.shape)
            return found

        probabilities = tf.gather(
            tf.reshape(total, [self._batch, self._width * vocabulary]), places, batch_dims=1
        )
        probabilities.set_shape([None, self._width])
        was_finished = chosen(state.finished)
        new_state = BeamSearchDecoderState(
            nest.map_structure(chosen, cell_state),
            probabilities,
            tf.logical_or(was_finished, tf.equal(ids, self._end)),
            chosen(state.lengths) + tf.cast(tf.logical_not(was_finished), tf.int64),
        )
        return BeamSearchDecoderOutput(best, ids, parents), new_state

    def _scores(self, log_probs: Any, lengths: Any) -> Any:
        if not self._penalty:
            return log_probs
        return log_probs / ((5.0 + tf.cast(lengths, tf.float32)) / 6.0) ** self._penalty

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> tuple[Any, Any]:
        """The ids of each beam, followed back from its end."""
        longest = tf.reduce_max(final_state.lengths, 1)
        ids = gather_tree(outputs.predicted_ids, outputs.parent_ids, longest, self._end)
        return FinalBeamSearchDecoderOutput(ids, outputs), final_state
