"""`contrib.seq2seq`'s helpers: where a decoder's next inputs come from, and when it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.export import export
from penstock.types import nest
from penstock.v1.api import tf
from penstock.v1.rnn import transpose_batch_time


@export(v1=["contrib.seq2seq.Helper"])
class Helper:
    """What a `BasicDecoder` asks for inputs.

    A subclass has `batch_size`, `sample_ids_shape`, `sample_ids_dtype`, `initialize()` -> (finished, inputs),
    `sample(time, outputs, state)` -> sample ids, and `next_inputs(time, outputs, state, sample_ids)` -> (finished, inputs,
    state).
    """

    batch_size: Any = None
    sample_ids_shape: Any = None
    sample_ids_dtype: Any = None
    maximum_steps: Any = None  # where it is known after how many steps all sequences are finished


@export(v1=["contrib.seq2seq.CustomHelper"])
class CustomHelper(Helper):
    """A helper made of three functions; see `Helper`."""

    def __init__(
        self,
        initialize_fn: Callable,
        sample_fn: Callable,
        next_inputs_fn: Callable,
        sample_ids_shape: Any = None,
        sample_ids_dtype: Any = None,
    ):
        self._initialize, self._sample, self._next = initialize_fn, sample_fn, next_inputs_fn
        self.sample_ids_shape = tf.TensorShape([] if sample_ids_shape is None else sample_ids_shape)
        self.sample_ids_dtype = sample_ids_dtype or tf.int32
        self.batch_size: Any = None

    def initialize(self, name: str | None = None) -> tuple[Any, Any]:
        """The first inputs."""
        finished, inputs = self._initialize()
        if self.batch_size is None:
            self.batch_size = tf.size(finished)
        return finished, inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """Ids from outputs."""
        return self._sample(time=time, outputs=outputs, state=state)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """The next inputs."""
        return self._next(time=time, outputs=outputs, state=state, sample_ids=sample_ids)


@export(v1=["contrib.seq2seq.TrainingHelper"])
class TrainingHelper(Helper):
    """Reads the inputs from a batch of sequences: the right answers, shifted by one.

    Args:
      inputs: `[batch, time, ...]`, or `[time, batch, ...]` where `time_major`, or a nest of such tensors.
      sequence_length: the length of each sequence.
    """

    def __init__(self, inputs: Any, sequence_length: Any, time_major: bool = False, name: str | None = None):
        inputs = nest.map_structure(tf.convert_to_tensor, inputs)
        self._inputs = inputs
        if not time_major:
            inputs = nest.map_structure(transpose_batch_time, inputs)
        self._arrays = nest.map_structure(
            lambda each: tf.TensorArray(
                each.dtype, size=tf.shape(each)[0], element_shape=each.shape[1:]
            ).unstack(each),
            inputs,
        )
        self._sequence_length = tf.cast(tf.convert_to_tensor(sequence_length), tf.int32)
        if self._sequence_length.shape.rank not in (None, 1):
            raise ValueError(
                f"Expected sequence_length to be a vector, but received shape: {self._sequence_length.shape}"
            )
        self._zeros = nest.map_structure(lambda each: tf.zeros_like(each[0]), inputs)
        self.maximum_steps = tf.shape(nest.flatten(inputs)[0])[0]
        self.batch_size = tf.size(self._sequence_length)
        self.sample_ids_shape, self.sample_ids_dtype = tf.TensorShape([]), tf.int32

    @property
    def inputs(self) -> Any:
        """The inputs as given."""
        return self._inputs

    @property
    def sequence_length(self) -> Any:
        """The lengths."""
        return self._sequence_length

    def _at(self, time: Any, finished: Any) -> Any:
        """The inputs at a time; zeros where all are finished."""
        done = tf.reduce_all(finished)
        return nest.map_structure(
            lambda zeros, array: tf.cond(done, lambda: zeros, lambda: array.read(time)),
            self._zeros,
            self._arrays,
        )

    def initialize(self, name: str | None = None) -> tuple[Any, Any]:
        """The inputs at time 0; finished are empty sequences."""
        finished = tf.equal(0, self._sequence_length)
        return finished, self._at(0, finished)

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """The most likely ids."""
        return tf.cast(tf.argmax(outputs, -1), tf.int32)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any = None, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """The inputs at the next time."""
        finished = time + 1 >= self._sequence_length
        return finished, self._at(time + 1, finished), state


@export(v1=["contrib.seq2seq.ScheduledEmbeddingTrainingHelper"])
class ScheduledEmbeddingTrainingHelper(TrainingHelper):
    """As `TrainingHelper`, but with a probability an input is the embedding of an id that was sampled before.

    Args:
      embedding: a function of ids, or the vectors. sampling_probability: for each example, a scalar or vector.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        embedding: Any,
        sampling_probability: Any,
        time_major: bool = False,
        seed: int | None = None,
        scheduling_seed: int | None = None,
        name: str | None = None,
    ):
        super().__init__(inputs, sequence_length, time_major)
        self._embed, self._seed, self._choosing_seed = _embedder(embedding), seed, scheduling_seed
        self._probability = tf.convert_to_tensor(sampling_probability)

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """Sampled ids where an example takes its own, else -1."""
        chosen = tf.random_uniform([self.batch_size], seed=self._choosing_seed) < self._probability
        ids = tf.cast(tf.reshape(tf.multinomial(outputs, 1, self._seed), [-1]), tf.int32)
        return tf.where(chosen, ids, tf.fill([self.batch_size], -1))

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any = None, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """The right inputs, or the embeddings of sampled ids."""
        finished, right, state = super().next_inputs(time, outputs, state)
        own = self._embed(tf.maximum(sample_ids, 0))
        return finished, tf.where(sample_ids >= 0, own, right), state


@export(v1=["contrib.seq2seq.ScheduledOutputTrainingHelper"])
class ScheduledOutputTrainingHelper(TrainingHelper):
    """As `TrainingHelper`, but with a probability an input is made of the output before (Bengio et al., 2015).

    Args:
      inputs, sequence_length, time_major: see `TrainingHelper`.
      sampling_probability: for each example, a scalar or vector. seed: of the choice.
      next_inputs_fn: inputs from outputs; by default the outputs themselves.
      auxiliary_inputs: shaped as `inputs` but for the last axis; joined to every input. name: changes nothing.

    Raises:
      ValueError: `sampling_probability` is neither a scalar nor a vector.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        sampling_probability: Any,
        time_major: bool = False,
        seed: int | None = None,
        next_inputs_fn: Callable | None = None,
        auxiliary_inputs: Any = None,
        name: str | None = None,
    ):
        self._probability = tf.convert_to_tensor(sampling_probability)
        if self._probability.shape.rank not in (None, 0, 1):
            raise ValueError(
                f"sampling_probability must be either a scalar or a vector. saw shape: {self._probability.shape}"
            )
        self._auxiliary: Any = None
        if auxiliary_inputs is not None:
            self._auxiliary = TrainingHelper(auxiliary_inputs, sequence_length, time_major)
            joined = [nest.map_structure(tf.convert_to_tensor, each) for each in (inputs, auxiliary_inputs)]
            inputs = nest.map_structure(lambda *both: tf.concat(both, -1), *joined)
        super().__init__(inputs, sequence_length, time_major)
        self._seed, self._next = seed, next_inputs_fn or (lambda outputs: outputs)

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """1 where an example takes its own output, else 0."""
        return tf.cast(tf.random_uniform([self.batch_size], seed=self._seed) < self._probability, tf.int32)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any = None, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """The right inputs, or those made of outputs."""
        finished, right, state = super().next_inputs(time, outputs, state)
        own = self._next(outputs)
        if self._auxiliary is not None:
            beside = self._auxiliary._at(time + 1, finished)
            own = nest.map_structure(lambda *both: tf.concat(both, -1), own, beside)
        chosen = tf.cast(sample_ids, tf.bool)
        return finished, nest.map_structure(lambda *both: tf.where(chosen, *both), own, right), state


def _embedder(embedding: Any) -> Callable:
    return embedding if callable(embedding) else lambda ids: tf.nn.embedding_lookup(embedding, ids)


@export(v1=["contrib.seq2seq.GreedyEmbeddingHelper"])
class GreedyEmbeddingHelper(Helper):
    """Feeds the most likely id back, through an embedding, until the end token comes.

    Args:
      embedding: a function of ids, or the vectors. start_tokens: `[batch]`. end_token: a scalar.

    Raises:
      ValueError: a token's shape is wrong.
    """

    def __init__(self, embedding: Any, start_tokens: Any, end_token: Any):
        self._embed = _embedder(embedding)
        self._start = tf.convert_to_tensor(start_tokens, tf.int32)
        self._end = tf.convert_to_tensor(end_token, tf.int32)
        if self._start.shape.rank != 1:
            raise ValueError("start_tokens must be a vector")
        if self._end.shape.rank != 0:
            raise ValueError("end_token must be a scalar")
        self.batch_size = tf.size(self._start)
        self._start_inputs = self._embed(self._start)
        self.sample_ids_shape, self.sample_ids_dtype = tf.TensorShape([]), tf.int32

    def initialize(self, name: str | None = None) -> tuple[Any, Any]:
        """The embedded start tokens."""
        return tf.fill([self.batch_size], False), self._start_inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """The most likely ids."""
        return tf.cast(tf.argmax(outputs, -1), tf.int32)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """The embedded ids."""
        finished = tf.equal(sample_ids, self._end)
        inputs = tf.cond(tf.reduce_all(finished), lambda: self._start_inputs, lambda: self._embed(sample_ids))
        return finished, inputs, state


@export(v1=["contrib.seq2seq.SampleEmbeddingHelper"])
class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """As `GreedyEmbeddingHelper`, but draws ids from the distribution of `outputs / softmax_temperature`."""

    def __init__(
        self,
        embedding: Any,
        start_tokens: Any,
        end_token: Any,
        softmax_temperature: float | None = None,
        seed: int | None = None,
    ):
        super().__init__(embedding, start_tokens, end_token)
        self._temperature, self._seed = softmax_temperature, seed

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """Drawn ids."""
        logits = outputs if self._temperature is None else outputs / self._temperature
        return tf.cast(tf.reshape(tf.multinomial(logits, 1, self._seed), [-1]), tf.int32)


@export(v1=["contrib.seq2seq.InferenceHelper"])
class InferenceHelper(Helper):
    """Feeds samples back, as functions say.

    Args:
      sample_fn: ids (or values) from outputs. sample_shape, sample_dtype: theirs. start_inputs: the first inputs.
      end_fn: which samples end a sequence. next_inputs_fn: inputs from samples; by default the samples themselves.
    """

    def __init__(
        self,
        sample_fn: Callable,
        sample_shape: Any,
        sample_dtype: Any,
        start_inputs: Any,
        end_fn: Callable,
        next_inputs_fn: Callable | None = None,
    ):
        self._sample, self._end, self._next = sample_fn, end_fn, next_inputs_fn
        self.sample_ids_shape, self.sample_ids_dtype = tf.TensorShape(sample_shape), sample_dtype
        self._start_inputs = tf.convert_to_tensor(start_inputs)
        self.batch_size = tf.shape(start_inputs)[0]

    def initialize(self, name: str | None = None) -> tuple[Any, Any]:
        """The start inputs."""
        return tf.fill([self.batch_size], False), self._start_inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """Samples from outputs."""
        return self._sample(outputs)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple[Any, Any, Any]:
        """Inputs from samples."""
        return self._end(sample_ids), sample_ids if self._next is None else self._next(sample_ids), state
