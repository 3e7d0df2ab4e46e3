"""`contrib.seq2seq`'s decoders: `BasicDecoder`, and the loop that runs decoders, `dynamic_decode`."""

from __future__ import annotations

import collections
from typing import Any

from penstock.engine.export import export
from penstock.ops.variables.scope import variable_scope
from penstock.types import nest
from penstock.types.shapes import TensorShape
from penstock.v1.api import tf
from penstock.v1.contrib.seq2seq_helpers import Helper
from penstock.v1.rnn import copy_through, transpose_batch_time


@export(v1=["contrib.seq2seq.Decoder"])
class Decoder:
    """What `dynamic_decode` runs.

    A subclass has `batch_size`, `output_size`, `output_dtype`, `initialize()` -> (finished, inputs, state) and
    `step(time, inputs, state)` -> (outputs, state, inputs, finished). It may change all outputs at the end (`finalize`), and
    say that it keeps track of finished sequences itself (`tracks_own_finished`).
    """

    tracks_own_finished = False
    maximum_steps: Any = None  # where it is known after how many steps all sequences are finished

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> tuple[Any, Any]:
        """The outputs and the state as they are."""
        return outputs, final_state


@export(v1=["contrib.seq2seq.BasicDecoderOutput"])
class BasicDecoderOutput(collections.namedtuple("BasicDecoderOutput", ("rnn_output", "sample_id"))):
    """The output of the cell, and the id sampled from it."""

    __slots__ = ()


@export(v1=["contrib.seq2seq.BasicDecoder"])
class BasicDecoder(Decoder):
    """Decodes by a cell, with inputs from a helper.

    Args:
      cell: an RNNCell. helper: a `Helper`. initial_state: the state to begin with.
      output_layer: a layer, as `tf.layers.Dense`, for the outputs before they are sampled.
    """

    def __init__(self, cell: Any, helper: Helper, initial_state: Any, output_layer: Any = None):
        self._cell, self._helper, self._initial_state, self._layer = cell, helper, initial_state, output_layer

    @property
    def batch_size(self) -> Any:
        """The helper's."""
        return self._helper.batch_size

    @property
    def maximum_steps(self) -> Any:
        """The helper's."""
        return self._helper.maximum_steps

    def _output_size(self) -> Any:
        size = self._cell.output_size
        if self._layer is None:
            return size
        shaped = self._layer.compute_output_shape(TensorShape([None, size]))
        return TensorShape(shaped.as_list()[1:])

    @property
    def output_size(self) -> BasicDecoderOutput:
        """The sizes of outputs and ids."""
        return BasicDecoderOutput(self._output_size(), self._helper.sample_ids_shape)

    @property
    def output_dtype(self) -> BasicDecoderOutput:
        """The dtypes of outputs and ids."""
        dtype = nest.flatten(self._initial_state)[0].dtype
        return BasicDecoderOutput(dtype, self._helper.sample_ids_dtype)

    def initialize(self, name: str | None = None) -> tuple[Any, Any, Any]:
        """What to begin with."""
        return (*self._helper.initialize(), self._initial_state)

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> tuple[Any, Any, Any, Any]:
        """One step."""
        outputs, new_state = self._cell(inputs, state)
        if self._layer is not None:
            outputs = self._layer(outputs)
        ids = self._helper.sample(time=time, outputs=outputs, state=new_state)
        finished, following, new_state = self._helper.next_inputs(
            time=time, outputs=outputs, state=new_state, sample_ids=ids
        )
        return BasicDecoderOutput(outputs, ids), new_state, following, finished


def _zeros(size: Any, batch_size: Any, dtype: Any) -> Any:
    sizes = TensorShape(size).as_list() if isinstance(size, (TensorShape, list, tuple)) else [size]
    return tf.zeros(tf.stack([batch_size, *sizes]), dtype)


@export(v1=["contrib.seq2seq.dynamic_decode"])
def dynamic_decode(
    decoder: Any,
    output_time_major: bool = False,
    impute_finished: bool = False,
    maximum_iterations: Any = None,
    parallel_iterations: int = 32,
    swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """Runs a decoder until all sequences are finished.

    Args:
      decoder: a `Decoder`.
      output_time_major: whether the first axis of outputs is time.
      impute_finished: whether finished sequences keep their state and have zeros as outputs.
      maximum_iterations: the largest number of steps.
      parallel_iterations, swap_memory: without effect: XLA schedules the loop.
      scope: the variable scope, "decoder" by default.

    Returns:
      All outputs, the last state, and the length of each sequence.

    Raises:
      TypeError: `decoder` is none.
    """
    if not hasattr(decoder, "initialize") or not hasattr(decoder, "step"):
        raise TypeError(f"Expected decoder to be type Decoder, but saw: {type(decoder)}")
    with variable_scope(scope, "decoder"):
        limit = None
        if maximum_iterations is not None:
            limit = tf.convert_to_tensor(maximum_iterations, tf.int32)
            if limit.shape.rank != 0:
                raise ValueError("maximum_iterations must be a scalar")
        finished, inputs, state = decoder.initialize()
        zeros = nest.map_structure(
            lambda size, dtype: _zeros(size, decoder.batch_size, dtype),
            decoder.output_size,
            decoder.output_dtype,
        )
        if limit is not None:
            finished = tf.logical_or(finished, limit <= 0)
        lengths = tf.zeros_like(finished, tf.int32)
        static_batch = finished.shape.as_list()[0]
        # With a bound the loop and its gradient compile.
        bound = getattr(decoder, "maximum_steps", None) if limit is None else limit
        arrays = nest.map_structure(
            lambda zero: tf.TensorArray(
                zero.dtype,
                size=0 if bound is None else bound,
                dynamic_size=bound is None,
                element_shape=[static_batch, *zero.shape.as_list()[1:]],
            ),
            zeros,
        )
        shapes = [getattr(each, "shape", None) for each in nest.flatten(state)]

        def step(
            time: Any, arrays: Any, state: Any, inputs: Any, finished: Any, lengths: Any
        ) -> tuple[Any, ...]:
            outputs, new_state, following, now = decoder.step(time, inputs, state)
            done = now if decoder.tracks_own_finished else tf.logical_or(now, finished)
            lengths = tf.where(finished, lengths, tf.fill(tf.shape(lengths), time + 1))
            if impute_finished:
                outputs = copy_through(finished, zeros, outputs)
                new_state = copy_through(finished, state, new_state)
            for each, shape in zip(nest.flatten(new_state), shapes):
                if hasattr(each, "set_shape") and shape is not None:
                    each.set_shape(shape)
            written = nest.map_structure(lambda array, each: array.write(time, each), arrays, outputs)
            return time + 1, written, new_state, following, done, lengths

        steps, arrays, state, _, _, lengths = tf.while_loop(
            lambda time, arrays, state, inputs, finished, lengths: (
                tf.logical_not(tf.reduce_all(finished))
                if limit is None
                else tf.logical_and(tf.logical_not(tf.reduce_all(finished)), time < limit)
            ),
            step,
            (tf.constant(0), arrays, state, inputs, finished, lengths),
            maximum_iterations=bound,
        )
        # An array of the largest size is cut to what was written.
        outputs = nest.map_structure(lambda array: array.stack()[:steps], arrays)
        outputs, state = decoder.finalize(outputs, state, lengths)
        if not output_time_major:
            outputs = nest.map_structure(transpose_batch_time, outputs)
        return outputs, state, lengths
