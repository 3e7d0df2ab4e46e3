"""`tf.losses` of TF 1: losses that collect themselves in `GraphKeys.LOSSES`.

Every loss computes one number for each prediction, which `compute_weighted_loss` weights and reduces.
"""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.graph.scopes import name_scope_v1
from penstock.ops.graph_collections import GraphKeys
from penstock.types.tensors import SymbolicTensor
from penstock.v1.api import tf
from penstock.v1.weights import check_broadcastable, same_rank


@export(v1=["losses.Reduction"])
class Reduction:
    """How a loss becomes one number; the values are those of TensorFlow."""

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """Every reduction."""
        return (
            cls.NONE, cls.SUM, cls.MEAN, cls.SUM_OVER_BATCH_SIZE, cls.SUM_OVER_NONZERO_WEIGHTS,
            cls.SUM_BY_NONZERO_WEIGHTS,
        )  # fmt: skip

    @classmethod
    def validate(cls, key: str) -> None:
        """Raises ValueError where `key` is no reduction."""
        if key not in cls.all():
            raise ValueError(f"Invalid Reduction Key {key}. Key should be one of {cls.all()}.")


# The collection.


@export(v1=["losses.add_loss"])
def add_loss(loss: Any, loss_collection: str | None = GraphKeys.LOSSES) -> None:
    """Adds a loss to a collection of its graph; nothing happens eagerly, where there are no collections."""
    if loss_collection and isinstance(loss, SymbolicTensor):
        loss.graph.add_to_collection(loss_collection, loss)


@export(v1=["losses.get_losses"])
def get_losses(scope: str | None = None, loss_collection: str = GraphKeys.LOSSES) -> list[Any]:
    """The losses in a collection, of one name scope where that is given."""
    return current_graph().get_collection(loss_collection, scope)


@export(v1=["losses.get_regularization_losses"])
def get_regularization_losses(scope: str | None = None) -> list[Any]:
    """The regularization losses, of one name scope where that is given."""
    return current_graph().get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


@export(v1=["losses.get_regularization_loss"])
def get_regularization_loss(scope: str | None = None, name: str = "total_regularization_loss") -> Any:
    """The sum of the regularization losses; zero where there are none."""
    losses = get_regularization_losses(scope)
    return tf.add_n(losses, name=name) if losses else tf.constant(0.0)


@export(v1=["losses.get_total_loss"])
def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss", scope: str | None = None
) -> Any:
    """The sum of all losses.

    Args:
      add_regularization_losses: whether the regularization losses count.
      name: the sum's name. scope: the name scope whose losses count.

    Raises:
      ValueError: there are none.

    Example:
      >>> import penstock as tf
      >>> v1 = tf.compat.v1
      >>> with tf.Graph().as_default(), v1.Session() as session:
      ...     _ = v1.losses.mean_squared_error([1.0, 2.0], [1.0, 4.0])
      ...     _ = v1.losses.absolute_difference([1.0], [2.0])
      ...     print(session.run(v1.losses.get_total_loss()))
      3.0
    """
    losses = get_losses(scope)
    if add_regularization_losses:
        losses = losses + get_regularization_losses(scope)
    return tf.add_n(losses, name=name)


# Reduction.


def _number_present(losses: Any, weights: Any, per_batch: bool = False) -> Any:
    """How many losses have a weight that is not zero: of all, or of each example with the axes kept."""
    present = tf.where(tf.equal(weights, 0), tf.zeros_like(weights), tf.ones_like(weights))
    present = present * tf.ones_like(losses)
    if not per_batch:
        return tf.reduce_sum(present)
    return tf.reduce_sum(present, _axes_after_first(present), keepdims=True)


def _axes_after_first(x: Any) -> Any:
    return list(range(1, x.shape.rank)) if x.shape.rank is not None else tf.range(1, tf.rank(x))


@export(v1=["losses.compute_weighted_loss"])
def compute_weighted_loss(
    losses: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """Weights losses, reduces them to one, and adds that to a collection.

    Args:
      losses: one number for each prediction.
      weights: a scalar, or a tensor of the same rank whose dimensions are 1 or those of `losses`.
      scope: the name scope.
      loss_collection: the collection; None for none.
      reduction: "weighted_sum_by_nonzero_weights" divides the sum by the number of weights that are not zero; the
        others: see `Reduction`.

    Returns:
      A scalar of the dtype of `losses`; with the reduction "none" a tensor of their shape.

    Raises:
      ValueError: the weights' shape does not fit, or there is no such reduction.
    """
    Reduction.validate(reduction)
    with name_scope_v1(scope, "weighted_loss", (losses, weights)):
        losses = convert_to_tensor(losses)
        dtype = losses.dtype
        losses, weights = tf.cast(losses, tf.float32), tf.cast(weights, tf.float32)
        check = check_broadcastable(weights, losses)
        with tf.control_dependencies([] if check is None else [check]):
            weighted = losses * weights
        if reduction == Reduction.NONE:
            loss = weighted
        else:
            loss = tf.reduce_sum(weighted)
            divisors = {
                Reduction.MEAN: lambda: tf.reduce_sum(tf.ones_like(losses) * weights),
                Reduction.SUM_BY_NONZERO_WEIGHTS: lambda: _number_present(losses, weights),
                Reduction.SUM_OVER_BATCH_SIZE: lambda: tf.cast(tf.size(losses), tf.float32),
            }
            if reduction in divisors:
                loss = tf.div_no_nan(loss, divisors[reduction](), name="value")
        loss = tf.cast(loss, dtype)
        add_loss(loss, loss_collection)
        return loss


def _both(labels: Any, predictions: Any) -> tuple[Any, Any]:
    """Two arguments as float32 tensors of compatible shapes."""
    if labels is None or predictions is None:
        raise ValueError("labels and predictions must not be None.")
    predictions, labels = tf.cast(predictions, tf.float32), tf.cast(labels, tf.float32)
    predictions.shape.assert_is_compatible_with(labels.shape)
    return labels, predictions


# The losses.


@export(v1=["losses.absolute_difference"])
def absolute_difference(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """The loss `|predictions - labels|`; see `compute_weighted_loss` for the other arguments."""
    with name_scope_v1(scope, "absolute_difference", (predictions, labels, weights)) as scope:
        labels, predictions = _both(labels, predictions)
        return compute_weighted_loss(tf.abs(predictions - labels), weights, scope, loss_collection, reduction)


@export(v1=["losses.cosine_distance"])
def cosine_distance(
    labels: Any,
    predictions: Any,
    axis: int | None = None,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
    dim: int | None = None,
) -> Any:
    """The loss `1 - sum(labels * predictions)` along `axis`, for vectors of length one.

    Raises:
      ValueError: there is no axis. `dim` is its older name.
    """
    axis = dim if axis is None else axis
    if axis is None:
        raise ValueError("You must specify argument `axis`.")
    with name_scope_v1(scope, "cosine_distance_loss", (predictions, labels, weights)) as scope:
        labels, predictions = _both(labels, predictions)
        losses = 1 - tf.reduce_sum(predictions * labels, axis=[axis], keepdims=True)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


@export(v1=["losses.hinge_loss"])
def hinge_loss(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """The loss `max(0, 1 - y * logits)`, where y is -1 for labels 0 and 1 for labels 1."""
    with name_scope_v1(scope, "hinge_loss", (logits, labels, weights)) as scope:
        labels, logits = _both(labels, logits)
        losses = tf.nn.relu(1 - (2 * labels - 1) * logits)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


@export(v1=["losses.huber_loss"])
def huber_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    delta: float = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """The loss `e^2 / 2` for errors up to `delta`, and `delta * (|e| - delta / 2)` above."""
    with name_scope_v1(scope, "huber_loss", (predictions, labels, weights)) as scope:
        labels, predictions = _both(labels, predictions)
        error = tf.abs(predictions - labels)
        quadratic = tf.minimum(error, delta)
        losses = 0.5 * quadratic * quadratic + delta * (error - quadratic)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


@export(v1=["losses.log_loss"])
def log_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """The loss `-labels * log(p + epsilon) - (1 - labels) * log(1 - p + epsilon)` of probabilities p."""
    with name_scope_v1(scope, "log_loss", (predictions, labels, weights)) as scope:
        labels, p = _both(labels, predictions)
        losses = -labels * tf.log(p + epsilon) - (1 - labels) * tf.log(1 - p + epsilon)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


@export(v1=["losses.mean_pairwise_squared_error"])
def mean_pairwise_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
) -> Any:
    """The mean of `((a - b) - (c - d))^2` over all pairs of elements of each example: how differences differ.

    Args:
      labels, predictions: `[batch, ...]`, where a and b are predictions, c and d the labels there.
      weights: a scalar, or one for each example.
      scope, loss_collection: see `compute_weighted_loss`.

    Returns:
      The sum over the batch.
    """
    with name_scope_v1(scope, "mean_pairwise_squared_error", (predictions, labels, weights)):
        labels, predictions = _both(labels, predictions)
        weights = tf.cast(weights, tf.float32)
        check = check_broadcastable(weights, labels)
        with tf.control_dependencies([] if check is None else [check]):
            difference = predictions - labels
        axes = _axes_after_first(difference)
        count = _number_present(difference, weights, per_batch=True)
        squares = tf.reduce_sum(tf.square(difference), axes, keepdims=True)
        total = tf.reduce_sum(difference, axes, keepdims=True)
        spread = 2.0 * tf.div_no_nan(squares, tf.maximum(count - 1, 0))
        shared = 2.0 * tf.div_no_nan(tf.square(total), tf.maximum(count * (count - 1), 0))
        loss = tf.reduce_sum((spread - shared) * weights)
        loss = tf.where(tf.reduce_sum(count) > 0, loss, tf.zeros_like(loss), name="value")
        add_loss(loss, loss_collection)
        return loss


@export(v1=["losses.mean_squared_error"])
def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """The loss `(predictions - labels)^2`; see `compute_weighted_loss` for the other arguments."""
    with name_scope_v1(scope, "mean_squared_error", (predictions, labels, weights)) as scope:
        labels, predictions = _both(labels, predictions)
        losses = tf.squared_difference(predictions, labels)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


@export(v1=["losses.sigmoid_cross_entropy"])
def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """The cross-entropy of `sigmoid(logits)`, each class by itself.

    Args:
      multi_class_labels: `[batch, classes]`, in [0, 1].
      logits: `[batch, classes]`.
      label_smoothing: moves the labels towards 1/2 by this part.
    """
    with name_scope_v1(scope, "sigmoid_cross_entropy_loss", (logits, multi_class_labels, weights)) as scope:
        logits = convert_to_tensor(logits)
        labels = tf.cast(multi_class_labels, logits.dtype)
        logits.shape.assert_is_compatible_with(labels.shape)
        if label_smoothing:
            labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


@export(v1=["losses.softmax_cross_entropy"])
def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """The cross-entropy of `softmax(logits)`.

    Args:
      onehot_labels: `[batch, classes]`: probabilities.
      logits: `[batch, classes]`.
      weights: a scalar, or one for each example.
      label_smoothing: moves the labels towards the uniform distribution by this part.
    """
    with name_scope_v1(scope, "softmax_cross_entropy_loss", (logits, onehot_labels, weights)) as scope:
        logits = convert_to_tensor(logits)
        labels = tf.cast(onehot_labels, logits.dtype)
        logits.shape.assert_is_compatible_with(labels.shape)
        if label_smoothing:
            classes = tf.cast(tf.shape(labels)[-1], logits.dtype)
            labels = labels * (1 - label_smoothing) + label_smoothing / classes
        losses = tf.nn.softmax_cross_entropy_with_logits_v2(
            labels=tf.stop_gradient(labels, name="labels_stop_gradient"), logits=logits, name="xentropy"
        )
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


@export(v1=["losses.sparse_softmax_cross_entropy"])
def sparse_softmax_cross_entropy(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Any:
    """The cross-entropy of `softmax(logits)` where labels are class numbers.

    Args:
      labels: `[batch...]`, integers.
      logits: `[batch..., classes]`.
      weights: a scalar, or one for each example.

    Example:
      >>> import penstock as tf
      >>> loss = tf.compat.v1.losses.sparse_softmax_cross_entropy([0], [[2.0, 0.0]])
      >>> round(float(loss), 4)
      0.1269
    """
    with name_scope_v1(scope, "sparse_softmax_cross_entropy_loss", (logits, labels, weights)) as scope:
        labels, logits = same_rank(labels, logits, expected_rank_diff=1)
        weights = convert_to_tensor(weights)
        if (
            None not in (weights.shape.rank, labels.shape.rank)
            and weights.shape.rank - labels.shape.rank == 1
        ):
            weights = tf.squeeze(weights, [-1])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)
