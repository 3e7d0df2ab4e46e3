"""`contrib.layers`' embeddings, and `optimize_loss`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import EXPORTS, export
from penstock.ops.graph_collections import GraphKeys
from penstock.ops.variables.scope import variable_scope
from penstock.types.indexed_slices import IndexedSlices
from penstock.v1.api import tf
from penstock.v1.contrib.framework import model_variable


@export(v1=["contrib.layers.embed_sequence"])
def embed_sequence(
    ids: Any,
    vocab_size: int | None = None,
    embed_dim: int | None = None,
    unique: bool = False,
    initializer: Any = None,
    regularizer: Callable | None = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: Any = None,
) -> Any:
    """Maps each number of a batch of sequences to a trained vector.

    Args:
      ids: `[batch, length]`, integers.
      vocab_size: how many numbers there are. embed_dim: the size of the vectors.
      unique: accepted: equal numbers are looked up together anyway.
      initializer, regularizer, trainable: for the vectors. scope, reuse: of the variable scope "EmbedSequence".

    Returns:
      `[batch, length, embed_dim]`.

    Raises:
      ValueError: a size is missing where the vectors are new.
    """
    if not (reuse or (vocab_size and embed_dim)):
        raise ValueError(
            f"Must specify vocab size and embedding dimension when not reusing. Got {vocab_size}, {embed_dim}"
        )
    with variable_scope(scope, "EmbedSequence", [ids], reuse=reuse):
        shape = None if reuse and not vocab_size else [vocab_size, embed_dim]
        vectors = model_variable(
            "embeddings", shape, initializer=initializer, regularizer=regularizer, trainable=trainable
        )
        return tf.nn.embedding_lookup(vectors, ids)


@export(v1=["contrib.layers.embedding_lookup_unique"])
def embedding_lookup_unique(
    params: Any, ids: Any, partition_strategy: str = "mod", name: str | None = None
) -> Any:
    """`tf.nn.embedding_lookup`; equal ids are looked up together anyway."""
    return tf.nn.embedding_lookup(params, ids, partition_strategy, name)


_OPTIMIZERS = {
    "Adagrad": "AdagradOptimizer",
    "Adam": "AdamOptimizer",
    "Ftrl": "FtrlOptimizer",
    "Momentum": "MomentumOptimizer",
    "RMSProp": "RMSPropOptimizer",
    "SGD": "GradientDescentOptimizer",
}
OPTIMIZER_SUMMARIES = ["learning_rate", "loss", "gradients", "gradient_norm", "global_gradient_norm"]
export(v1=["contrib.layers.OPTIMIZER_SUMMARIES"])(OPTIMIZER_SUMMARIES)


def _optimizer(optimizer: Any, rate: Any) -> Any:
    if isinstance(optimizer, str):
        if optimizer not in _OPTIMIZERS:
            raise ValueError(
                f"Optimizer name should be one of [{', '.join(_OPTIMIZERS)}], you provided {optimizer}."
            )
        optimizer = EXPORTS["v1"][f"train.{_OPTIMIZERS[optimizer]}"]
        if rate is None:
            raise ValueError("Learning rate must be specified when the optimizer is given by name.")
        return (
            optimizer(rate, 0.9)
            if optimizer.__name__ == "MomentumOptimizer"
            else optimizer(learning_rate=rate)
        )
    if isinstance(optimizer, type):
        return optimizer(learning_rate=rate)
    if callable(optimizer):
        return optimizer() if rate is None else optimizer(rate)
    return optimizer


@export(v1=["contrib.layers.optimize_loss"])
def optimize_loss(
    loss: Any,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    gradient_noise_scale: float | None = None,
    gradient_multipliers: dict[Any, float] | None = None,
    clip_gradients: Any = None,
    learning_rate_decay_fn: Callable | None = None,
    update_ops: Sequence[Any] | None = None,
    variables: Sequence[Any] | None = None,
    name: str | None = None,
    summaries: Sequence[str] | None = None,
    colocate_gradients_with_ops: bool = False,
    increment_global_step: bool = True,
) -> Any:
    """An operation that does one step of training and returns the loss.

    Args:
      loss: a scalar. global_step: the step, or None for the graph's own.
      learning_rate: a number, a tensor, or None. optimizer: a name as "Adam", a class, a function of the rate, or an
        optimizer.
      gradient_noise_scale: the deviation of noise that is added to gradients.
      gradient_multipliers: factors of gradients, by variable or its name.
      clip_gradients: a bound of the global norm, or a function of the pairs (gradient, variable).
      learning_rate_decay_fn: a function of the rate and the step.
      update_ops: what runs before; by default the collection `UPDATE_OPS`.
      variables: those that are trained. name: the variable scope, "OptimizeLoss" by default.
      summaries: accepted: the loss and the rate are summarized.
      increment_global_step: whether the step grows.

    Raises:
      ValueError: an argument is none of these.
    """
    loss = tf.convert_to_tensor(loss)
    if global_step is None:
        global_step = tf.train.get_global_step()
    with variable_scope(name, "OptimizeLoss", [loss]):
        updates = set(tf.get_collection(GraphKeys.UPDATE_OPS)) if update_ops is None else set(update_ops)
        if updates:
            with tf.control_dependencies(list(updates)):
                loss = tf.identity(loss)
        rate = learning_rate
        if rate is not None:
            rate = tf.convert_to_tensor(float(rate) if isinstance(rate, int) else rate, tf.float32)
            if learning_rate_decay_fn is not None:
                if global_step is None:
                    raise ValueError("global_step is required for learning_rate_decay_fn.")
                rate = learning_rate_decay_fn(rate, global_step)
        trainer = _optimizer(optimizer, rate)
        pairs = trainer.compute_gradients(loss, None if variables is None else list(variables))
        if gradient_noise_scale is not None:
            pairs = [(_noisy(gradient, gradient_noise_scale), variable) for gradient, variable in pairs]
        if gradient_multipliers is not None:
            pairs = [_scaled(gradient, variable, gradient_multipliers) for gradient, variable in pairs]
        if isinstance(clip_gradients, (int, float)):
            clipped, _ = tf.clip_by_global_norm([gradient for gradient, _ in pairs], clip_gradients)
            pairs = [(gradient, variable) for gradient, (_, variable) in zip(clipped, pairs)]
        elif callable(clip_gradients):
            pairs = clip_gradients(pairs)
        elif clip_gradients is not None:
            raise ValueError(f"Unknown type {type(clip_gradients)} for clip_gradients")
        update = trainer.apply_gradients(
            pairs, global_step=global_step if increment_global_step else None, name="train"
        )
        with tf.control_dependencies([update]):
            return tf.identity(loss)


def _noisy(gradient: Any, scale: float) -> Any:
    if gradient is None:
        return None
    shape = gradient.dense_shape if isinstance(gradient, IndexedSlices) else tf.shape(gradient)
    return gradient + tf.truncated_normal(shape) * scale


def _scaled(gradient: Any, variable: Any, multipliers: dict[Any, float]) -> tuple[Any, Any]:
    known = {getattr(key, "name", key): value for key, value in multipliers.items()}
    factor = known.get(variable.name, known.get(variable.name.rpartition(":")[0]))
    if gradient is None or factor is None:
        return gradient, variable
    if isinstance(gradient, IndexedSlices):
        return IndexedSlices(gradient.values * factor, gradient.indices, gradient.dense_shape), variable
    return gradient * factor, variable
