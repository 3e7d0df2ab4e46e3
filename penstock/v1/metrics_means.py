"""TF 1's metrics that are means: `metrics.mean`, errors, accuracy, and counts of conditions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.ops.variables.scope import variable_scope
from penstock.v1.api import tf
from penstock.v1.metric import added, metric, metric_variable, published
from penstock.v1.weights import broadcast_weights, fitted, same_rank

Collections = Iterable[str] | None


@metric()
def mean(
    values: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The (weighted) mean of all values that have been seen.

    Args:
      values: numbers.
      weights: a scalar, or a tensor that broadcasts to `values`; None for equal weights.
      metrics_collections, updates_collections: collections that get the value, and the update.
      name: the variable scope.

    Returns:
      The mean so far, and the operation that takes the values in and returns the mean with them.

    Raises:
      RuntimeError: eager execution is on.

    Example:
      >>> import penstock as tf
      >>> v1 = tf.compat.v1
      >>> with tf.Graph().as_default(), v1.Session() as session:
      ...     value, update = v1.metrics.mean([1.0, 2.0, 6.0])
      ...     session.run(v1.local_variables_initializer())
      ...     print(session.run(update), session.run(value))
      3.0 3.0
    """
    with variable_scope(name, "mean", (values, weights)):
        values = tf.cast(values, tf.float32)
        total, count = metric_variable([], tf.float32, "total"), metric_variable([], tf.float32, "count")
        if weights is None:
            number = tf.cast(tf.size(values), tf.float32)
        else:
            values, _, weights = fitted(values, None, weights)
            weights = broadcast_weights(weights, values)
            values, number = values * weights, tf.reduce_sum(weights)
        new_total, new_count = added(total, tf.reduce_sum(values)), added(count, number)
        value = tf.div_no_nan(total.value(), tf.maximum(count.value(), 0), name="value")
        update = tf.div_no_nan(new_total, tf.maximum(new_count, 0), name="update_op")
        return published(value, update, metrics_collections, updates_collections)


@metric()
def mean_tensor(
    values: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean of all tensors that have been seen, element by element; see `mean`."""
    with variable_scope(name, "mean", (values, weights)):
        values = tf.cast(values, tf.float32)
        total = metric_variable(values.shape, tf.float32, "total_tensor")
        count = metric_variable(values.shape, tf.float32, "count_tensor")
        number = tf.ones_like(values)
        if weights is not None:
            values, _, weights = fitted(values, None, weights)
            weights = broadcast_weights(weights, values)
            values, number = values * weights, number * weights
        new_total, new_count = added(total, values), added(count, number)
        value = tf.div_no_nan(total.value(), tf.maximum(count.value(), 0), name="value")
        update = tf.div_no_nan(new_total, tf.maximum(new_count, 0), name="update_op")
        return published(value, update, metrics_collections, updates_collections)


@metric()
def accuracy(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """How often predictions equal labels; see `mean`."""
    predictions, labels, weights = fitted(predictions, labels, weights)
    if labels.dtype != predictions.dtype:
        predictions = tf.cast(predictions, labels.dtype)
    correct = tf.cast(tf.equal(predictions, labels), tf.float32)
    return mean(correct, weights, metrics_collections, updates_collections, name or "accuracy")


@metric()
def mean_absolute_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean of `|predictions - labels|`; see `mean`."""
    predictions, labels, weights = fitted(predictions, labels, weights)
    errors = tf.abs(predictions - labels)
    return mean(errors, weights, metrics_collections, updates_collections, name or "mean_absolute_error")


@metric()
def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean of `(predictions - labels)^2`; see `mean`."""
    predictions, labels, weights = fitted(predictions, labels, weights)
    errors = tf.squared_difference(labels, predictions)
    return mean(errors, weights, metrics_collections, updates_collections, name or "mean_squared_error")


@metric()
def root_mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The root of the mean of `(predictions - labels)^2`; see `mean`."""
    value, update = mean_squared_error(
        labels, predictions, weights, None, None, name or "root_mean_squared_error"
    )
    return published(tf.sqrt(value), tf.sqrt(update), metrics_collections, updates_collections)


@metric()
def mean_relative_error(
    labels: Any,
    predictions: Any,
    normalizer: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean of `|labels - predictions| / normalizer`, where errors count zero if the normalizer is; see `mean`."""
    predictions, labels, weights = fitted(predictions, labels, weights)
    predictions, normalizer = same_rank(predictions, normalizer)
    predictions.shape.assert_is_compatible_with(normalizer.shape)
    errors = tf.where(
        tf.equal(normalizer, 0.0), tf.zeros_like(labels), tf.divide(tf.abs(labels - predictions), normalizer)
    )
    return mean(errors, weights, metrics_collections, updates_collections, name or "mean_relative_error")


@metric()
def mean_cosine_distance(
    labels: Any,
    predictions: Any,
    dim: int,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """One less the mean of `sum(labels * predictions)` along `dim`, for vectors of length one; see `mean`."""
    predictions, labels, weights = fitted(predictions, labels, weights)
    products = tf.reduce_sum(predictions * labels, axis=[dim], keepdims=True)
    value, update = mean(products, weights, None, None, name or "mean_cosine_distance")
    return published(1.0 - value, 1.0 - update, metrics_collections, updates_collections)


@metric()
def percentage_below(
    values: Any,
    threshold: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The part of values below a threshold; see `mean`."""
    below = tf.cast(tf.less(values, threshold), tf.float32)
    return mean(
        below, weights, metrics_collections, updates_collections, name or "percentage_below_threshold"
    )


@metric()
def mean_iou(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean over classes of `hits / (hits + false alarms + misses)`: intersection over union.

    Args:
      labels, predictions: class numbers.
      num_classes: how many classes there are; those that never occur do not count.
      weights, metrics_collections, ...: see `mean`.

    Returns:
      The mean so far, and the operation that updates (and returns) the confusion matrix.
    """
    with variable_scope(name, "mean_iou", (predictions, labels, weights)):
        predictions, labels = tf.convert_to_tensor(predictions), tf.convert_to_tensor(labels)
        predictions.shape.assert_is_compatible_with(labels.shape)
        matrix = metric_variable([num_classes, num_classes], tf.float64, "total_confusion_matrix")
        flat = [tf.reshape(tf.cast(each, tf.int64), [-1]) for each in (labels, predictions)]
        if weights is not None:
            weights = tf.reshape(tf.convert_to_tensor(weights), [-1])
        update = added(
            matrix, tf.confusion_matrix(*flat, num_classes=num_classes, weights=weights, dtype=tf.float64)
        )
        total = matrix.value()
        hits = tf.cast(tf.diag_part(total), tf.float32)
        rows, columns = (tf.cast(tf.reduce_sum(total, axis), tf.float32) for axis in (0, 1))
        union = rows + columns - hits
        seen = tf.reduce_sum(tf.cast(tf.not_equal(union, 0), tf.float32))
        value = tf.div_no_nan(tf.reduce_sum(tf.div_no_nan(hits, union)), seen, name="mean_iou")
        return published(value, update, metrics_collections, updates_collections)


@metric()
def mean_per_class_accuracy(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean over classes of how often each is predicted where it is the label.

    Returns:
      The mean so far, and the operation that updates the counts and returns the accuracy of each class.
    """
    with variable_scope(name, "mean_accuracy", (predictions, labels, weights)):
        labels = tf.reshape(tf.cast(labels, tf.int64), [-1])
        predictions = tf.reshape(tf.cast(predictions, labels.dtype), [-1])
        predictions.shape.assert_is_compatible_with(labels.shape)
        total = metric_variable([num_classes], tf.float32, "total")
        count = metric_variable([num_classes], tf.float32, "count")
        number = tf.ones_like(labels, tf.float32)
        correct = tf.cast(tf.equal(predictions, labels), tf.float32)
        if weights is not None:
            weights = tf.reshape(tf.cast(weights, tf.float32), [-1])
            correct, number = correct * weights, number * weights
        new_total = tf.convert_to_tensor(tf.scatter_add(total, labels, number))
        new_count = tf.convert_to_tensor(tf.scatter_add(count, labels, correct))
        accuracies = tf.div_no_nan(count.value(), tf.maximum(total.value(), 0))
        value = tf.reduce_mean(accuracies, name="mean_accuracy")
        update = tf.div_no_nan(new_count, tf.maximum(new_total, 0), name="update_op")
        return published(value, update, metrics_collections, updates_collections)
