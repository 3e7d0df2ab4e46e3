"""`contrib.legacy_seq2seq`: encoders and decoders over lists with one tensor for each step, with embeddings and attention."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.graph.scopes import name_scope_v1
from penstock.ops.variables.scope import get_variable, get_variable_scope, variable_scope
from penstock.types import nest
from penstock.v1.api import tf
from penstock.v1.contrib.rnn import EmbeddingWrapper, OutputProjectionWrapper, linear
from penstock.v1.contrib.seq2seq_loss import legacy_sequence_loss, rnn_decoder, sequence_loss_by_example
from penstock.v1.rnn_cell import RNNCell


def _names(name: str) -> list[str]:
    return [f"contrib.legacy_seq2seq.{name}"]


def _feeding_back(embedding: Any, output_projection: Any, update_embedding: bool = True) -> Callable:
    """A loop function: the embedding of the most likely symbol of the last output."""

    def loop(previous: Any, _: int) -> Any:
        if output_projection is not None:
            previous = tf.nn.xw_plus_b(previous, *output_projection)
        vectors = tf.nn.embedding_lookup(embedding, tf.argmax(previous, 1))
        return vectors if update_embedding else tf.stop_gradient(vectors)

    return loop


def _another(cell: Any) -> Any:
    """A copy of a cell that makes variables of its own, also where the cell has made some."""
    copied = copy.deepcopy(cell, {id(each): each for each in cell.weights})
    waiting = [copied]
    while waiting:
        each = waiting.pop()
        if isinstance(each, (list, tuple)):
            waiting += each
        elif isinstance(each, RNNCell):
            each.built, each._scope = False, None
            each._trainable_weights, each._non_trainable_weights = [], []
            waiting += vars(each).values()
    return copied


def _check_projection(output_projection: Any, size: Any, num_symbols: int) -> None:
    if output_projection is None:
        return
    weights, biases = (tf.convert_to_tensor(each) for each in output_projection)
    weights.shape.assert_is_compatible_with([size, num_symbols])
    biases.shape.assert_is_compatible_with([num_symbols])


def _fed_either_way(decoder: Callable, feed_previous: Any) -> tuple[list[Any], Any]:
    """What `decoder(feed_previous)` gives, where `feed_previous` may be a tensor."""
    if isinstance(feed_previous, bool):
        return decoder(feed_previous)
    structures = []

    def branch(feed: bool) -> Callable:
        def run() -> list[Any]:
            with variable_scope(get_variable_scope(), reuse=None if feed else True):
                outputs, state = decoder(feed)
            structures.append((len(outputs), state))
            return [*outputs, *nest.flatten(state)]

        return run

    found = tf.cond(feed_previous, branch(True), branch(False))
    count, state = structures[0]
    return list(found[:count]), nest.pack_sequence_as(state, list(found[count:]))


@export(v1=_names("tied_rnn_seq2seq"))
def tied_rnn_seq2seq(
    encoder_inputs: Sequence[Any], decoder_inputs: Sequence[Any], cell: Any, loop_function: Callable | None = None,
    dtype: Any = "float32", scope: Any = None,
) -> tuple[list[Any], Any]:  # fmt: skip
    """Encodes one list of inputs into a state, and decodes another from it, with the same cell."""
    with variable_scope("combined_tied_rnn_seq2seq"):
        scope = scope or "tied_rnn_seq2seq"
        _, state = tf.nn.static_rnn(cell, encoder_inputs, dtype=dtype, scope=scope)
        get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function, scope)


@export(v1=_names("embedding_rnn_decoder"))
def embedding_rnn_decoder(
    decoder_inputs: Sequence[Any],
    initial_state: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Decodes symbols.

    Args:
      decoder_inputs: a list of symbols `[batch]`.
      initial_state: of the cell.
      cell: an `RNNCell`.
      num_symbols, embedding_size: how many symbols there are, and the size of the vectors that stand for them.
      output_projection: weights `[size, num_symbols]` and biases that make logits of outputs, which are those already if None.
      feed_previous: takes the first input only, and then the most likely symbol of the last output.
      update_embedding_for_previous: whether gradients go through embeddings of symbols that were fed back.
      scope: of the variables.

    Returns:
      A list of outputs, and the last state.
    """
    with variable_scope(scope or "embedding_rnn_decoder"):
        _check_projection(output_projection, None, num_symbols)
        embedding = get_variable("embedding", [num_symbols, embedding_size])
        loop = _feeding_back(embedding, output_projection, update_embedding_for_previous)
        vectors = [tf.nn.embedding_lookup(embedding, each) for each in decoder_inputs]
        return rnn_decoder(vectors, initial_state, cell, loop if feed_previous else None)


@export(v1=_names("embedding_rnn_seq2seq"))
def embedding_rnn_seq2seq(
    encoder_inputs: Sequence[Any],
    decoder_inputs: Sequence[Any],
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Encodes a list of symbols into a state, and decodes another from it; see `embedding_rnn_decoder`.

    `feed_previous` may be a scalar tensor. Without `output_projection` outputs are logits.
    """
    with variable_scope(scope or "embedding_rnn_seq2seq") as entered:
        dtype = tf.as_dtype(dtype or tf.float32)
        entered.set_dtype(dtype)
        encoder = EmbeddingWrapper(_another(cell), num_encoder_symbols, embedding_size)
        _, state = tf.nn.static_rnn(encoder, encoder_inputs, dtype=dtype)
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)
        return _fed_either_way(
            lambda feed: embedding_rnn_decoder(
                decoder_inputs, state, cell, num_decoder_symbols, embedding_size, output_projection, feed
            ),
            feed_previous,
        )


@export(v1=_names("attention_decoder"))
def attention_decoder(
    decoder_inputs: Sequence[Any],
    initial_state: Any,
    attention_states: Any,
    cell: Any,
    output_size: int | None = None,
    num_heads: int = 1,
    loop_function: Callable | None = None,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """Decodes with attention to the outputs of an encoder (Vinyals et al., 2014).

    Args:
      decoder_inputs: a list of inputs `[batch, size]`.
      initial_state: of the cell.
      attention_states: what attention goes to, `[batch, length, size]`; length and size must be known.
      cell: an `RNNCell`.
      output_size: of the outputs; the cell's by default.
      num_heads: how many times attention is paid in each step.
      loop_function: `f(last output, step)`, which makes the next input; None: inputs are taken as they are.
      dtype: of the attention that a decoder begins with.
      scope: of the variables.
      initial_state_attention: begins with attention by the initial state instead of zeros.

    Returns:
      A list of outputs, and the last state.

    Raises:
      ValueError: there are no inputs, no heads, or the shape of `attention_states` is not known.
    """
    if not decoder_inputs:
        raise ValueError("Must provide at least 1 input to attention decoder.")
    if num_heads < 1:
        raise ValueError("With less than 1 heads, use a non-attention decoder.")
    length, size = attention_states.shape.as_list()[1:]
    if length is None or size is None:
        raise ValueError(f"Shape[1] and shape[2] of attention_states must be known: {attention_states.shape}")
    with variable_scope(scope or "attention_decoder", dtype=dtype):
        hidden = tf.reshape(attention_states, [-1, length, 1, size])
        kernels = [get_variable(f"AttnW_{head}", [1, 1, size, size]) for head in range(num_heads)]
        features = [tf.nn.conv2d(hidden, each, [1, 1, 1, 1], "SAME") for each in kernels]
        scales = [get_variable(f"AttnV_{head}", [size]) for head in range(num_heads)]

        def attend(state: Any) -> list[Any]:
            query, found = nest.flatten(state), []
            for head in range(num_heads):
                with variable_scope(f"Attention_{head}"):
                    y = tf.reshape(linear(query, size, True), [-1, 1, 1, size])
                    scores = tf.reduce_sum(scales[head] * tf.tanh(features[head] + y), [2, 3])
                    weights = tf.reshape(tf.nn.softmax(scores), [-1, length, 1, 1])
                    found.append(tf.reshape(tf.reduce_sum(weights * hidden, [1, 2]), [-1, size]))
            return found

        state, outputs, previous = initial_state, [], None
        batch = tf.shape(decoder_inputs[0])[0]
        seen = [tf.ensure_shape(tf.zeros([batch, size], hidden.dtype), [None, size])] * num_heads
        if initial_state_attention:
            seen = attend(initial_state)
        for step, inputs in enumerate(decoder_inputs):
            if step:
                get_variable_scope().reuse_variables()
            if loop_function is not None and previous is not None:
                with variable_scope("loop_function", reuse=True):
                    inputs = loop_function(previous, step)
            mixed = linear([inputs, *seen], inputs.shape.as_list()[-1], True)
            output, state = cell(mixed, state)
            if not step and initial_state_attention:
                with variable_scope(get_variable_scope(), reuse=True):
                    seen = attend(state)
            else:
                seen = attend(state)
            with variable_scope("AttnOutputProjection"):
                output = linear([output, *seen], output_size or cell.output_size, True)
            outputs.append(output)
            previous = output if loop_function is not None else None
        return outputs, state


@export(v1=_names("embedding_attention_decoder"))
def embedding_attention_decoder(
    decoder_inputs: Sequence[Any],
    initial_state: Any,
    attention_states: Any,
    cell: Any,
    num_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_size: int | None = None,
    output_projection: Any = None,
    feed_previous: bool = False,
    update_embedding_for_previous: bool = True,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """Decodes symbols with attention; see `attention_decoder` and `embedding_rnn_decoder`."""
    output_size = output_size or cell.output_size
    with variable_scope(scope or "embedding_attention_decoder", dtype=dtype):
        _check_projection(output_projection, output_size, num_symbols)
        embedding = get_variable("embedding", [num_symbols, embedding_size])
        loop = _feeding_back(embedding, output_projection, update_embedding_for_previous)
        vectors = [tf.nn.embedding_lookup(embedding, each) for each in decoder_inputs]
        return attention_decoder(
            vectors, initial_state, attention_states, cell, output_size, num_heads,
            loop if feed_previous else None, initial_state_attention=initial_state_attention,
        )  # fmt: skip


@export(v1=_names("embedding_attention_seq2seq"))
def embedding_attention_seq2seq(
    encoder_inputs: Sequence[Any],
    decoder_inputs: Sequence[Any],
    cell: Any,
    num_encoder_symbols: int,
    num_decoder_symbols: int,
    embedding_size: int,
    num_heads: int = 1,
    output_projection: Any = None,
    feed_previous: Any = False,
    dtype: Any = None,
    scope: Any = None,
    initial_state_attention: bool = False,
) -> tuple[list[Any], Any]:
    """Encodes a list of symbols, and decodes another with attention to the encoder's outputs.

    See `embedding_attention_decoder`. `feed_previous` may be a scalar tensor. Without `output_projection` outputs are logits.
    """
    with variable_scope(scope or "embedding_attention_seq2seq", dtype=dtype) as entered:
        dtype = entered.dtype
        encoder = EmbeddingWrapper(_another(cell), num_encoder_symbols, embedding_size)
        found, state = tf.nn.static_rnn(encoder, encoder_inputs, dtype=dtype)
        attention = tf.stack(found, 1)
        output_size = None
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)
            output_size = num_decoder_symbols
        return _fed_either_way(
            lambda feed: embedding_attention_decoder(
                decoder_inputs, state, attention, cell, num_decoder_symbols, embedding_size, num_heads, output_size,
                output_projection, feed, initial_state_attention=initial_state_attention,
            ),
            feed_previous,
        )  # fmt: skip


@export(v1=_names("model_with_buckets"))
def model_with_buckets(
    encoder_inputs: Sequence[Any],
    decoder_inputs: Sequence[Any],
    targets: Sequence[Any],
    weights: Sequence[Any],
    buckets: Sequence[tuple[int, int]],
    seq2seq: Callable,
    softmax_loss_function: Callable | None = None,
    per_example_loss: bool = False,
    name: str | None = None,
) -> tuple[list[Any], list[Any]]:
    """Models for sequences of several lengths, which share their variables.

    Args:
      encoder_inputs, decoder_inputs, targets, weights: lists with a tensor for each step of the largest bucket.
      buckets: pairs of the encoder's and the decoder's length.
      seq2seq: `f(encoder_inputs, decoder_inputs) -> (outputs, states)`.
      softmax_loss_function: see `sequence_loss`.
      per_example_loss: whether losses are `[batch]` instead of scalars.
      name: of the operations.

    Returns:
      For each bucket the list of outputs, and the loss.

    Raises:
      ValueError: a list is shorter than the last bucket.
    """
    for what, given, wanted in (
        ("encoder_inputs", encoder_inputs, buckets[-1][0]),
        ("targets", targets, buckets[-1][1]),
        ("weights", weights, buckets[-1][1]),
    ):
        if len(given) < wanted:
            raise ValueError(
                f"Length of {what} ({len(given)}) must be at least that of last bucket ({wanted})."
            )
    loss = sequence_loss_by_example if per_example_loss else legacy_sequence_loss
    outputs, losses = [], []
    with name_scope_v1(name, "model_with_buckets", [*encoder_inputs, *decoder_inputs, *targets, *weights]):
        for number, (encoded, decoded) in enumerate(buckets):
            with variable_scope(get_variable_scope(), reuse=True if number else None):
                found, _ = seq2seq(encoder_inputs[:encoded], decoder_inputs[:decoded])
            outputs.append(found)
            losses.append(
                loss(
                    found,
                    targets[:decoded],
                    weights[:decoded],
                    softmax_loss_function=softmax_loss_function,
                )
            )
    return outputs, losses
