"""How the weights of losses and metrics fit to values: scalar, or of the same rank with dimensions 1 or equal."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export
from penstock.v1.api import tf

_MESSAGE = "weights can not be broadcast to values."


def check_broadcastable(weights: Any, values: Any) -> Any:
    """Raises ValueError where weights do not fit; an operation that checks where shapes are unknown, else None."""
    wanted, have = values.shape, weights.shape
    if have.rank == 0:
        return None
    if None in (wanted.rank, have.rank):
        fits = tf.logical_or(tf.equal(tf.rank(weights), 0), tf.equal(tf.rank(weights), tf.rank(values)))
        return tf.Assert(fits, [_MESSAGE, tf.shape(weights), tf.shape(values)])
    if have.rank != wanted.rank:
        raise ValueError(
            f"{_MESSAGE} values.rank={wanted.rank}. weights.rank={have.rank}. values.shape={wanted}. "
            f"weights.shape={have}."
        )
    for axis, (size, limit) in enumerate(zip(have.as_list(), wanted.as_list())):
        if size not in (None, 1) and limit is not None and size != limit:
            raise ValueError(
                f"{_MESSAGE} Mismatch at dim {axis}. values.shape={wanted.as_list()}, weights.shape={have.as_list()}."
            )
    if None not in (*have.as_list(), *wanted.as_list()):
        return None
    sizes, limits = tf.shape(weights), tf.shape(values)
    fits = tf.reduce_all(tf.logical_or(tf.equal(sizes, 1), tf.equal(sizes, limits)))
    return tf.Assert(fits, [_MESSAGE, sizes, limits])


@export("__internal__.ops.broadcast_weights", v1=[])
def broadcast_weights(weights: Any, values: Any) -> Any:
    """Weights of the shape and dtype of values."""
    weights = tf.cast(weights, values.dtype)
    if weights.shape.is_fully_defined() and weights.shape == values.shape:
        return weights
    check = check_broadcastable(weights, values)
    with tf.control_dependencies([] if check is None else [check]):
        return weights * tf.ones_like(values)


def same_rank(labels: Any, predictions: Any, expected_rank_diff: int = 0) -> tuple[Any, Any]:
    """Labels and predictions without a last dimension of size 1 that only one of them has.

    Args:
      expected_rank_diff: the rank of the predictions less that of the labels, as it should be.
    """
    labels, predictions = tf.convert_to_tensor(labels), tf.convert_to_tensor(predictions)
    ranks = labels.shape.rank, predictions.shape.rank
    if None in ranks:
        return labels, predictions
    difference = ranks[1] - ranks[0] - expected_rank_diff
    if difference == 1 and predictions.shape.as_list()[-1] in (1, None):
        predictions = tf.squeeze(predictions, [-1])
    elif difference == -1 and labels.shape.as_list()[-1] in (1, None):
        labels = tf.squeeze(labels, [-1])
    return labels, predictions


def fitted(predictions: Any, labels: Any, weights: Any) -> tuple[Any, Any, Any]:
    """Predictions, labels (or None) and weights (or None) of one rank.

    Raises:
      ValueError: the shapes of predictions and labels differ.
    """
    predictions = tf.convert_to_tensor(predictions)
    if labels is not None:
        labels, predictions = same_rank(labels, predictions)
        predictions.shape.assert_is_compatible_with(labels.shape)
    if weights is None:
        return predictions, labels, None
    weights = tf.convert_to_tensor(weights)
    ranks = weights.shape.rank, predictions.shape.rank
    if None not in ranks and ranks[0] != 0:
        if ranks[0] - ranks[1] == 1:
            weights = tf.squeeze(weights, [-1])
        elif ranks[1] - ranks[0] == 1:
            weights = tf.expand_dims(weights, -1)
    return predictions, labels, weights
