"""`contrib.seq2seq.sequence_loss`, and the losses and decoders of `contrib.legacy_seq2seq`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.graph.scopes import name_scope_v1
from penstock.ops.variables.scope import get_variable_scope, variable_scope
from penstock.v1.api import tf


def _cross_entropy(targets: Any, logits: Any, softmax_loss_function: Callable | None) -> Any:
    if softmax_loss_function is not None:
        return softmax_loss_function(labels=targets, logits=logits)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)


@export(v1=["contrib.seq2seq.sequence_loss"])
def sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    softmax_loss_function: Callable | None = None,
    name: str | None = None,
    sum_over_timesteps: bool = False,
    sum_over_batch: bool = False,
) -> Any:
    """The weighted cross-entropy of a batch of sequences.

    Args:
      logits: `[batch, time, classes]`. targets: class numbers `[batch, time]`. weights: `[batch, time]`, zero for padding.
      average_across_timesteps, average_across_batch: whether the loss is divided by the weights along these axes.
      sum_over_timesteps, sum_over_batch: whether it is summed along them instead, and divided by the number of weights.
      softmax_loss_function: a function of `labels` and `logits`, instead of softmax cross-entropy.

    Returns:
      A scalar, or `[batch]`, `[time]` or `[batch, time]` where axes are left.

    Raises:
      ValueError: a rank is wrong, or an axis is both averaged and summed.

    Example:
      >>> import penstock as tf
      >>> loss = tf.compat.v1.contrib.seq2seq.sequence_loss(tf.zeros([1, 2, 4]), [[0, 1]], [[1.0, 0.0]])
      >>> round(float(loss), 4)
      1.3863
    """
    logits, targets, weights = (tf.convert_to_tensor(each) for each in (logits, targets, weights))
    for what, tensor, rank in (("Logits", logits, 3), ("Targets", targets, 2), ("Weights", weights, 2)):
        if tensor.shape.rank not in (None, rank):
            raise ValueError(f"{what} must be a {rank}-dimensional tensor, got shape {tensor.shape}")
    if (average_across_timesteps and sum_over_timesteps) or (average_across_batch and sum_over_batch):
        raise ValueError("an axis can only be either averaged or summed")
    with name_scope_v1(name, "sequence_loss", [logits, targets, weights]):
        flat = tf.reshape(logits, [-1, tf.shape(logits)[2]])
        losses = _cross_entropy(tf.reshape(targets, [-1]), flat, softmax_loss_function)
        losses = losses * tf.reshape(weights, [-1])
        if average_across_timesteps and average_across_batch:
            return tf.div_no_nan(tf.reduce_sum(losses), tf.reduce_sum(weights) + 1e-12)
        if sum_over_timesteps and sum_over_batch:
            return tf.div_no_nan(tf.reduce_sum(losses), tf.cast(tf.math.count_nonzero(weights), losses.dtype))
        losses = tf.reshape(losses, tf.shape(logits)[:2])
        for average, total, axis in (
            (average_across_timesteps, sum_over_timesteps, 1),
            (average_across_batch, sum_over_batch, 0),
        ):
            if average:
                return tf.reduce_sum(losses, axis) / (tf.reduce_sum(weights, axis) + 1e-12)
            if total:
                return tf.div_no_nan(
                    tf.reduce_sum(losses, axis), tf.cast(tf.math.count_nonzero(weights, axis), losses.dtype)
                )
        return losses


# What came before: lists with one tensor for each step.


@export(v1=["contrib.legacy_seq2seq.sequence_loss_by_example"])
def sequence_loss_by_example(
    logits: Sequence[Any],
    targets: Sequence[Any],
    weights: Sequence[Any],
    average_across_timesteps: bool = True,
    softmax_loss_function: Callable | None = None,
    name: str | None = None,
) -> Any:
    """The weighted cross-entropy of each example.

    Args:
      logits, targets, weights: lists with `[batch, classes]`, `[batch]` and `[batch]` for each step.

    Returns:
      `[batch]`.

    Raises:
      ValueError: the lists differ in length.
    """
    if not len(logits) == len(targets) == len(weights):
        raise ValueError(
            f"Lengths of logits, weights, and targets must be the same {len(logits)}, {len(weights)}, {len(targets)}."
        )
    with name_scope_v1(name, "sequence_loss_by_example", [*logits, *targets, *weights]):
        losses = [
            _cross_entropy(tf.reshape(target, [-1]), logit, softmax_loss_function) * weight
            for logit, target, weight in zip(logits, targets, weights)
        ]
        total = tf.add_n(losses)
        return total / (tf.add_n(list(weights)) + 1e-12) if average_across_timesteps else total


@export(v1=["contrib.legacy_seq2seq.sequence_loss"])
def legacy_sequence_loss(
    logits: Sequence[Any],
    targets: Sequence[Any],
    weights: Sequence[Any],
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    softmax_loss_function: Callable | None = None,
    name: str | None = None,
) -> Any:
    """The sum of `sequence_loss_by_example`, divided by the batch's size where that is asked for."""
    with name_scope_v1(name, "sequence_loss", [*logits, *targets, *weights]):
        cost = tf.reduce_sum(
            sequence_loss_by_example(
                logits, targets, weights, average_across_timesteps, softmax_loss_function
            )
        )
        return cost / tf.cast(tf.shape(targets[0])[0], cost.dtype) if average_across_batch else cost


@export(v1=["contrib.legacy_seq2seq.rnn_decoder"])
def rnn_decoder(
    decoder_inputs: Sequence[Any],
    initial_state: Any,
    cell: Any,
    loop_function: Callable | None = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Runs a cell over a list of inputs, where a function may make each input from the last output.

    Args:
      loop_function: `f(last output, step)`; None: the inputs are taken as they are.
    """
    with variable_scope(scope or "rnn_decoder"):
        state, outputs, previous = initial_state, [], None
        for step, inputs in enumerate(decoder_inputs):
            if loop_function is not None and previous is not None:
                with variable_scope("loop_function", reuse=True):
                    inputs = loop_function(previous, step)
            if step:
                get_variable_scope().reuse_variables()
            output, state = cell(inputs, state)
            outputs.append(output)
            previous = output if loop_function is not None else None
        return outputs, state


@export(v1=["contrib.legacy_seq2seq.basic_rnn_seq2seq"])
def basic_rnn_seq2seq(
    encoder_inputs: Sequence[Any],
    decoder_inputs: Sequence[Any],
    cell: Any,
    dtype: Any = "float32",
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Encodes one list of inputs into a state, and decodes another from it, with a cell for each."""
    import copy

    with variable_scope(scope or "basic_rnn_seq2seq"):
        _, state = tf.nn.static_rnn(copy.deepcopy(cell), encoder_inputs, dtype=dtype)
        return rnn_decoder(decoder_inputs, state, cell)
