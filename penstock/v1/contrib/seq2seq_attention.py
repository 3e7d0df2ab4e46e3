"""`contrib.seq2seq`'s attention: mechanisms, and the wrapper that gives a cell one."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from penstock.engine.export import export
from penstock.ops.variables.scope import get_variable, variable_scope
from penstock.types import nest
from penstock.v1.api import tf
from penstock.v1.layers_core import Dense
from penstock.v1.rnn_cell import RNNCell


@export(v1=["contrib.seq2seq.AttentionMechanism"])
class AttentionMechanism:
    """What scores the positions of a memory against a query."""


def _masked(memory: Any, lengths: Any) -> Any:
    """The memory with zeros past each example's length."""
    memory = nest.map_structure(tf.convert_to_tensor, memory)
    if lengths is None:
        return memory

    def mask(each: Any) -> Any:
        kept = tf.sequence_mask(lengths, tf.shape(each)[1], each.dtype)
        return each * tf.reshape(kept, tf.concat([tf.shape(kept), tf.ones([tf.rank(each) - 2], tf.int32)], 0))

    masked = nest.map_structure(mask, memory)
    masked.set_shape(memory.shape)
    return masked


class BaseAttention(AttentionMechanism):
    """A mechanism over a memory `[batch, time, size]`: keys, and scores made probabilities."""

    def __init__(
        self,
        query_layer: Any,
        memory: Any,
        probability_fn: Callable | None,
        memory_sequence_length: Any,
        memory_layer: Any,
        score_mask_value: float | None,
        custom_key_value_fn: Callable | None = None,
    ):
        self._query_layer, self._memory_layer = query_layer, memory_layer
        self._lengths = memory_sequence_length
        self._values = _masked(memory, memory_sequence_length)
        self._keys = self._values if memory_layer is None else memory_layer(self._values)
        if custom_key_value_fn is not None:
            self._keys, self._values = custom_key_value_fn(self._keys, self._values)
        self._probability_fn = probability_fn or tf.nn.softmax
        self._mask_value = -math.inf if score_mask_value is None else score_mask_value
        self._batch_size = self._keys.shape.as_list()[0] or tf.shape(self._keys)[0]
        self._alignments_size = self._keys.shape.as_list()[1] or tf.shape(self._keys)[1]

    memory_layer = property(lambda self: self._memory_layer, doc="The layer that makes keys of the memory.")
    query_layer = property(lambda self: self._query_layer, doc="The layer that queries go through.")
    values = property(lambda self: self._values, doc="The memory, with zeros past each example's length.")
    keys = property(lambda self: self._keys, doc="What queries are compared with.")
    batch_size = property(lambda self: self._batch_size, doc="The number of examples.")
    alignments_size = property(lambda self: self._alignments_size, doc="The number of positions.")
    state_size = property(lambda self: self._alignments_size, doc="The size of the state: of the alignments.")

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Any:
        """Zeros."""
        made = tf.zeros(tf.stack([batch_size, self._alignments_size]), dtype)
        made.set_shape([None if not isinstance(batch_size, int) else batch_size, None])
        return made

    initial_state = initial_alignments

    def __call__(self, query: Any, state: Any) -> tuple[Any, Any]:
        """Probabilities of positions for a query, and the next state, which they are too."""
        with variable_scope(None, self._scope, [query]):
            score = self._score(query)
            if self._lengths is not None:
                kept = tf.sequence_mask(self._lengths, tf.shape(score)[1])
                score = tf.where(kept, score, self._mask_value * tf.ones_like(score))
            alignments = self._probabilities(score, state)
        return alignments, alignments

    _scope: str  # of the variables that scores take

    def _score(self, query: Any) -> Any:
        """`[batch, time]`: how well the positions fit a query."""
        raise TypeError(f"{type(self).__name__} does not say how it scores: _score is missing")

    def _probabilities(self, score: Any, state: Any) -> Any:
        """Probabilities of positions from their scores and those at the last step."""
        return self._probability_fn(score)


@export(v1=["contrib.seq2seq.LuongAttention"])
class LuongAttention(BaseAttention):
    """Multiplicative attention (Luong et al., 2015): `score = query @ keys`.

    Args:
      num_units: the size of queries and keys. memory: `[batch, time, size]`. memory_sequence_length: `[batch]`.
      scale: whether scores are multiplied by a trained number.
      probability_fn: makes probabilities of scores; softmax by default. score_mask_value: for positions past the length.
      dtype: of the layers. custom_key_value_fn: (keys, values) -> what to use for them. name: changes nothing.
    """

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        scale: bool = False,
        probability_fn: Callable | None = None,
        score_mask_value: float | None = None,
        dtype: Any = None,
        custom_key_value_fn: Callable | None = None,
        name: str = "LuongAttention",
    ):
        layer = Dense(num_units, use_bias=False, name="memory_layer", dtype=dtype)
        super().__init__(
            None, memory, probability_fn, memory_sequence_length, layer, score_mask_value, custom_key_value_fn
        )
        self._num_units, self._scale = num_units, scale

    _scope = "luong_attention"

    def _score(self, query: Any) -> Any:
        if query.shape.as_list()[-1] != self._keys.shape.as_list()[-1]:
            raise ValueError(
                "Incompatible or unknown inner dimensions between query and keys. "
                f"Query has units: {query.shape}. Keys have units: {self._keys.shape}."
            )
        score = tf.squeeze(tf.matmul(tf.expand_dims(query, 1), self._keys, transpose_b=True), [1])
        if not self._scale:
            return score
        return score * get_variable("attention_g", [], query.dtype, tf.ones_initializer())


@export(v1=["contrib.seq2seq.BahdanauAttention"])
class BahdanauAttention(BaseAttention):
    """Additive attention (Bahdanau et al., 2015): `score = v * tanh(keys + query)`, summed.

    Args:
      num_units: the size of queries and keys. memory: `[batch, time, size]`. memory_sequence_length: `[batch]`.
      normalize: whether v is a unit vector times a trained number (Salimans and Kingma, 2016).
      probability_fn, score_mask_value, dtype, custom_key_value_fn, name: see `LuongAttention`.
    """

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        normalize: bool = False,
        probability_fn: Callable | None = None,
        score_mask_value: float | None = None,
        dtype: Any = None,
        custom_key_value_fn: Callable | None = None,
        name: str = "BahdanauAttention",
    ):
        super().__init__(
            Dense(num_units, use_bias=False, name="query_layer", dtype=dtype), memory, probability_fn,
            memory_sequence_length, Dense(num_units, use_bias=False, name="memory_layer", dtype=dtype), score_mask_value,
            custom_key_value_fn,
        )  # fmt: skip
        self._num_units, self._normalize = num_units, normalize

    _scope = "bahdanau_attention"

    def _score(self, query: Any) -> Any:
        query = tf.expand_dims(self._query_layer(query), 1)
        v = get_variable("attention_v", [self._num_units], query.dtype)
        if not self._normalize:
            return tf.reduce_sum(v * tf.tanh(self._keys + query), 2)
        initializer = tf.constant_initializer(math.sqrt(1.0 / self._num_units))
        g = get_variable("attention_g", [], query.dtype, initializer)
        b = get_variable("attention_b", [self._num_units], query.dtype, tf.zeros_initializer())
        unit = g * v * tf.rsqrt(tf.reduce_sum(tf.square(v)))
        return tf.reduce_sum(unit * tf.tanh(self._keys + query + b), 2)


@export(v1=["contrib.seq2seq.hardmax"])
def hardmax(logits: Any, name: str | None = None) -> Any:
    """A one at the largest element of the last axis, zeros elsewhere."""
    logits = tf.convert_to_tensor(logits)
    depth = logits.shape.as_list()[-1] or tf.shape(logits)[-1]
    return tf.one_hot(tf.argmax(logits, -1), depth, dtype=logits.dtype)


@export(v1=["contrib.seq2seq.AttentionWrapperState"])
class AttentionWrapperState(NamedTuple):
    """The state of an `AttentionWrapper`: that of the cell, and what belongs to attention."""

    cell_state: Any
    attention: Any
    time: Any
    alignments: Any
    alignment_history: Any
    attention_state: Any

    def clone(self, **kwargs: Any) -> AttentionWrapperState:
        """The state with some parts replaced."""
        return self._replace(**kwargs)


def _attend(mechanism: Any, output: Any, state: Any, layer: Any) -> tuple[Any, Any, Any]:
    """The attention that an output pays to a mechanism's memory, the alignments, and the mechanism's next state."""
    alignments, following = mechanism(output, state)
    context = tf.squeeze(tf.matmul(tf.expand_dims(alignments, 1), mechanism.values), [1])
    attention = context if layer is None else layer(tf.concat([output, context], 1))
    return attention, alignments, following


@export(v1=["contrib.seq2seq.AttentionWrapper"])
class AttentionWrapper(RNNCell):
    """A cell that attends to a memory at each step.

    Args:
      cell: the cell. attention_mechanism: one mechanism, or a list of them.
      attention_layer_size: the size of the attention vector, made of output and context; None: the context itself.
      alignment_history: whether the alignments of all steps are kept.
      cell_input_fn: makes the cell's input of inputs and attention; by default their concatenation.
      output_attention: whether the output is the attention (Luong) or the cell's output (Bahdanau).
      initial_cell_state: the cell's first state. name: the scope, "attention_wrapper" by default.
      attention_layer: layers instead of those of `attention_layer_size`.
      attention_fn: (mechanism, the cell's output, its attention state, the layer or None) -> (attention, alignments, next
        attention state); by default the layer of output and context.
    """

    def __init__(
        self,
        cell: Any,
        attention_mechanism: Any,
        attention_layer_size: Any = None,
        alignment_history: bool = False,
        cell_input_fn: Callable | None = None,
        output_attention: bool = True,
        initial_cell_state: Any = None,
        name: str | None = None,
        attention_layer: Any = None,
        attention_fn: Callable | None = None,
        dtype: Any = None,
    ):
        super().__init__(name=name, dtype=dtype)
        self._is_multi = isinstance(attention_mechanism, (list, tuple))
        self._mechanisms = list(attention_mechanism) if self._is_multi else [attention_mechanism]
        self._layers = self._make_layers(attention_layer_size, attention_layer)
        self._cell, self._keeps_history, self._output_attention = cell, alignment_history, output_attention
        self._cell_input_fn = cell_input_fn or (lambda inputs, attention: tf.concat([inputs, attention], -1))
        self._initial_cell_state = initial_cell_state
        self._attend = attention_fn or _attend

    def _make_layers(self, sizes: Any, layers: Any) -> list[Any] | None:
        if layers is not None:
            return list(layers) if isinstance(layers, (list, tuple)) else [layers]
        if sizes is None:
            return None
        each = list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]
        if len(each) != len(self._mechanisms):
            raise ValueError(
                "If provided, attention_layer_size must contain exactly one integer per attention_mechanism, saw: "
                f"{len(each)} vs {len(self._mechanisms)}"
            )
        return [Dense(size, use_bias=False, name="attention_layer") for size in each]

    def _attention_size(self) -> int:
        if self._layers is not None:
            return sum(layer.units for layer in self._layers)
        return sum(each.values.shape.as_list()[-1] for each in self._mechanisms)

    def _one_or_all(self, items: Sequence[Any]) -> Any:
        return tuple(items) if self._is_multi else items[0]

    @property
    def output_size(self) -> Any:
        """The size of the attention, or that of the cell's output."""
        return self._attention_size() if self._output_attention else self._cell.output_size

    @property
    def state_size(self) -> AttentionWrapperState:
        """The sizes of all parts of the state."""
        sizes = [
            each.alignments_size if isinstance(each.alignments_size, int) else 0 for each in self._mechanisms
        ]
        alignments = self._one_or_all(sizes)
        history = self._one_or_all(sizes) if self._keeps_history else ()
        return AttentionWrapperState(
            self._cell.state_size, self._attention_size(), tf.TensorShape([]), alignments, history, alignments
        )

    def zero_state(self, batch_size: Any, dtype: Any) -> AttentionWrapperState:
        """The state to begin with."""
        if self._initial_cell_state is not None:
            cell_state = nest.map_structure(tf.identity, self._initial_cell_state)
        else:
            cell_state = self._cell.zero_state(batch_size, dtype)
        attention = tf.zeros(tf.stack([batch_size, self._attention_size()]), dtype)
        attention.set_shape([None, self._attention_size()])
        alignments = [each.initial_alignments(batch_size, dtype) for each in self._mechanisms]
        histories = [
            tf.TensorArray(dtype, size=0, dynamic_size=True, element_shape=each.shape) for each in alignments
        ]
        return AttentionWrapperState(
            cell_state,
            attention,
            tf.zeros([], tf.int32),
            self._one_or_all(alignments),
            self._one_or_all(histories) if self._keeps_history else (),
            self._one_or_all([each.initial_state(batch_size, dtype) for each in self._mechanisms]),
        )

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: the cell, then attention to the memory with its output as the query."""
        if not isinstance(state, AttentionWrapperState):
            raise TypeError(
                f"Expected state to be instance of AttentionWrapperState. Received type {type(state)}"
            )
        output, cell_state = self._cell(self._cell_input_fn(inputs, state.attention), state.cell_state)
        listed: Callable[[Any], list[Any]] = lambda each: list(each) if self._is_multi else [each]  # noqa: E731
        attentions, alignments, states, histories = [], [], [], []
        before = listed(state.attention_state)
        for index, mechanism in enumerate(self._mechanisms):
            layer = None if self._layers is None else self._layers[index]
            context, weights, following = self._attend(mechanism, output, before[index], layer)
            attentions.append(context)
            alignments.append(weights)
            states.append(following)
            if self._keeps_history:
                histories.append(listed(state.alignment_history)[index].write(state.time, weights))
        attention = attentions[0] if len(attentions) == 1 else tf.concat(attentions, 1)
        new_state = AttentionWrapperState(
            cell_state,
            attention,
            state.time + 1,
            self._one_or_all(alignments),
            self._one_or_all(histories) if self._keeps_history else (),
            self._one_or_all(states),
        )
        return (attention if self._output_attention else output), new_state


@export(v1=["contrib.seq2seq.tile_batch"])
def tile_batch(t: Any, multiplier: int, name: str | None = None) -> Any:
    """Repeats each example of a nest of tensors `multiplier` times, next to each other."""
    return nest.map_structure(functools.partial(_tiled, multiplier=multiplier), t)


def _tiled(t: Any, multiplier: int) -> Any:
    t = tf.convert_to_tensor(t)
    static = t.shape.as_list()
    repeated = tf.repeat(t, multiplier, axis=0)
    repeated.set_shape([None if static[0] is None else static[0] * multiplier, *static[1:]])
    return repeated
