"""TF 1's metrics of the k best predictions: precision, recall and average precision at k, over sets of labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.graph.scopes import name_scope_v1
from penstock.types.sparse_tensor import SparseTensor, SparseTensorValue
from penstock.v1.api import tf
from penstock.v1.metric import added, metric, metric_variable, published
from penstock.v1.weights import broadcast_weights

Collections = Iterable[str] | None


def _named(what: str, k: int | None, class_id: int | None) -> str:
    name = f"{what}_at_{'k' if k is None else k}"
    return name if class_id is None else f"{name}_class{class_id}"


def _label_sets(labels: Any, predictions: Any) -> Any:
    """Labels as int64 sets in the last axis: single labels get an axis of their own."""
    if isinstance(labels, (SparseTensor, SparseTensorValue)):
        labels = tf.convert_to_tensor_or_sparse_tensor(labels)
        if predictions.shape.rank == labels.dense_shape.shape.as_list()[0] + 1:
            shape = tf.concat([labels.dense_shape, tf.constant([1], tf.int64)], 0)
            labels = tf.sparse.reshape(labels, shape)
        return SparseTensor(labels.indices, tf.cast(labels.values, tf.int64), labels.dense_shape)
    labels = tf.cast(tf.convert_to_tensor(labels), tf.int64)
    ranks = labels.shape.rank, predictions.shape.rank
    if None in ranks or ranks[0] == ranks[1]:
        return labels
    if ranks[1] == ranks[0] + 1:
        return tf.expand_dims(labels, -1)
    raise ValueError(
        f"Unexpected labels shape {labels.shape} for predictions shape {predictions.shape}. Predictions rank should be "
        "the same rank as labels rank or labels rank plus one."
    )


def _only(ids: Any, class_id: int | None) -> Any:
    """The sets, with nothing but one class in them."""
    if class_id is None:
        return ids
    if isinstance(ids, SparseTensor):
        return tf.sparse.retain(ids, tf.equal(ids.values, class_id))
    shape = tf.shape(ids, out_type=tf.int64)
    wanted = tf.fill(tf.concat([shape[:-1], [1]], 0), tf.constant(class_id, tf.int64))
    found = tf.sets.intersection(wanted, ids)
    return SparseTensor(found.indices, found.values, shape)


def _sizes(sets: Any, weights: Any) -> Any:
    count = tf.cast(tf.sets.size(sets), tf.float64)
    return count if weights is None else count * broadcast_weights(tf.cast(weights, tf.float64), count)


# What is counted -> the sets that are counted, of predictions and labels.
_COUNTED = {
    "true_positive": lambda predictions, labels: tf.sets.intersection(predictions, labels),
    "false_positive": lambda predictions, labels: tf.sets.difference(predictions, labels, aminusb=True),
    "false_negative": lambda predictions, labels: tf.sets.difference(predictions, labels, aminusb=False),
}


def _streaming(
    what: str, labels: Any, predictions: Any, k: int | None, class_id: int | None, weights: Any
) -> tuple[Any, Any]:
    """A sum over all batches: so far, and once updated."""
    with name_scope_v1(None, _named(what, k, class_id)) as scope:
        count = tf.reduce_sum(_sizes(_COUNTED[what](predictions, labels), weights))
        total = metric_variable([], tf.float64, scope)
        return total.value(), added(total, count)


def _part(
    names: tuple[str, str],
    labels: Any,
    predictions_idx: Any,
    k: int | None,
    class_id: int | None,
    weights: Any,
    collections: tuple[Collections, Collections],
    name: str | None,
) -> tuple[Any, Any]:
    """`true positives / (true positives + others)`, where `names` are that of the metric, and what the others are."""
    what, others = names
    with name_scope_v1(name, _named(what, k, class_id), (predictions_idx, labels, weights)):
        predictions = tf.cast(tf.convert_to_tensor(predictions_idx), tf.int64)
        labels = _label_sets(labels, predictions)
        labels, predictions = _only(labels, class_id), _only(predictions, class_id)
        right, new_right = _streaming("true_positive", labels, predictions, k, class_id, weights)
        wrong, new_wrong = _streaming(others, labels, predictions, k, class_id, weights)
        update = tf.divide(new_right, new_right + new_wrong, name="update")
        return published(tf.divide(right, right + wrong), update, *collections)


_RECALL, _PRECISION = ("recall", "false_negative"), ("precision", "false_positive")


@metric()
def recall_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The part of the labels that is among the k best predictions.

    Args:
      labels: `[batch..., labels]` int64 class numbers, dense or sparse; or `[batch...]`.
      predictions: `[batch..., classes]` scores.
      k: how many predictions count.
      class_id: the only class that is looked at; None for all.
      weights, metrics_collections, ...: see `metrics.mean`.
    """
    with name_scope_v1(name, _named("recall", k, class_id), (predictions, labels, weights)) as scope:
        best = tf.nn.top_k(predictions, k)[1]
        collections = metrics_collections, updates_collections
        return _part(_RECALL, labels, best, k, class_id, weights, collections, scope)


@metric()
def recall_at_top_k(
    labels: Any,
    predictions_idx: Any,
    k: int | None = None,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """As `recall_at_k`, for predictions that are class numbers, `[batch..., k]`."""
    collections = metrics_collections, updates_collections
    return _part(_RECALL, labels, predictions_idx, k, class_id, weights, collections, name)


@metric("precision_at_k", "sparse_precision_at_k")
def precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The part of the k best predictions that are labels; the arguments are those of `recall_at_k`."""
    with name_scope_v1(name, _named("precision", k, class_id), (predictions, labels, weights)) as scope:
        best = tf.nn.top_k(predictions, k)[1]
        collections = metrics_collections, updates_collections
        return _part(_PRECISION, labels, best, k, class_id, weights, collections, scope)


@metric()
def precision_at_top_k(
    labels: Any,
    predictions_idx: Any,
    k: int | None = None,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """As `precision_at_k`, for predictions that are class numbers, `[batch..., k]`."""
    collections = metrics_collections, updates_collections
    return _part(_PRECISION, labels, predictions_idx, k, class_id, weights, collections, name)


@metric("average_precision_at_k", "sparse_average_precision_at_k")
def average_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean over examples of the average precision: of precision at each place up to k where a label is.

    Args: see `recall_at_k`.

    Raises:
      ValueError: k is below 1.
    """
    if k < 1:
        raise ValueError(f"Invalid k={k}.")
    with name_scope_v1(name, _named("average_precision", k, None), (predictions, labels, weights)):
        predictions = tf.convert_to_tensor(predictions)
        classes = predictions.shape.as_list()[-1]
        best = tf.cast(tf.nn.top_k(predictions, k)[1], tf.int64)
        labels = _without_unknown(_label_sets(labels, best), classes)
        average = _average_precision(labels, best, k)
        if weights is not None:
            weights = broadcast_weights(tf.cast(weights, tf.float64), average)
            average = average * weights
        with name_scope_v1(None, "max") as scope:
            limit = metric_variable([], tf.float64, scope)
            number = tf.cast(tf.size(average), tf.float64) if weights is None else tf.reduce_sum(weights)
            new_limit = added(limit, number)
        with name_scope_v1(None, "total") as scope:
            total = metric_variable([], tf.float64, scope)
            new_total = added(total, tf.reduce_sum(average))
        value, update = tf.div_no_nan(total.value(), limit.value()), tf.div_no_nan(new_total, new_limit)
        return published(value, update, metrics_collections, updates_collections)


def _without_unknown(labels: Any, classes: int | None) -> Any:
    """Labels with those that are no class made -1, which is never predicted."""
    if classes is None:
        return labels

    def known(ids: Any) -> Any:
        return tf.where(tf.greater_equal(ids, classes), -tf.ones_like(ids), ids)

    if isinstance(labels, SparseTensor):
        return SparseTensor(labels.indices, known(labels.values), labels.dense_shape)
    return known(labels)


def _average_precision(labels: Any, best: Any, k: int) -> Any:
    """For each example: the mean, over its (at most k) labels, of the precision at the places where they are found."""
    if isinstance(labels, SparseTensor):
        number = tf.cast(tf.minimum(tf.sets.size(labels), k), tf.float64)
        labels = tf.sparse.to_dense(labels, default_value=-1, validate_indices=False)
    else:
        number = tf.cast(tf.minimum(tf.reduce_sum(tf.cast(labels >= 0, tf.int32), -1), k), tf.float64)
    found = tf.reduce_any(tf.equal(tf.expand_dims(best, -1), tf.expand_dims(labels, -2)), -1)
    relevant = tf.cast(found, tf.float64)
    places = tf.range(1.0, k + 1.0, dtype=tf.float64)
    return tf.divide(tf.reduce_sum(tf.cumsum(relevant, -1) / places * relevant, -1), number)
