"""TF 1's metrics of yes-or-no predictions: true and false positives and negatives, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from penstock.ops.variables.scope import variable_scope
from penstock.v1.api import tf
from penstock.v1.metric import added, metric, metric_variable, published
from penstock.v1.weights import broadcast_weights, fitted

Collections = Iterable[str] | None

# Outcome -> (the label, the prediction), and the name of its variable.
_OUTCOMES: dict[str, tuple[bool, bool]] = {
    "true_positives": (True, True),
    "false_negatives": (True, False),
    "true_negatives": (False, False),
    "false_positives": (False, True),
}


def _is(value: Any, truth: bool) -> Any:
    return value if truth else tf.logical_not(value)


# One count.


def _count(condition: Any, weights: Any) -> tuple[Any, Any]:
    """How often a condition held: the variable, and it once it is updated."""
    count = metric_variable([], tf.float32, "count")
    values = tf.cast(condition, tf.float32)
    if weights is not None:
        values = values * broadcast_weights(tf.cast(weights, tf.float32), values)
    return count.value(), added(count, tf.reduce_sum(values))


def _outcome(name: str) -> Callable:
    label_is, prediction_is = _OUTCOMES[name]

    def function(
        labels: Any,
        predictions: Any,
        weights: Any = None,
        metrics_collections: Collections = None,
        updates_collections: Collections = None,
        name: str | None = None,
    ) -> tuple[Any, Any]:
        with variable_scope(name, function.__name__, (predictions, labels, weights)):
            predictions, labels, weights = fitted(
                tf.cast(predictions, tf.bool), tf.cast(labels, tf.bool), weights
            )
            held = tf.logical_and(_is(labels, label_is), _is(predictions, prediction_is))
            return published(*_count(held, weights), metrics_collections, updates_collections)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"The number of {name.replace('_', ' ')}: predictions {prediction_is} where labels are {label_is}; see "
        "`metrics.mean` for the other arguments."
    )
    return metric()(function)


true_positives, false_negatives, true_negatives, false_positives = map(_outcome, _OUTCOMES)


def _ratio(tp: Any, other: Any, name: str) -> Any:
    """`tp / (tp + other)`; 0 where there is nothing."""
    return tf.div_no_nan(tp, tp + other, name=name)


@metric()
def precision(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The part of positive predictions that is right; see `metrics.mean` for the arguments."""
    with variable_scope(name, "precision", (predictions, labels, weights)):
        tp, new_tp = true_positives(labels, predictions, weights)
        fp, new_fp = false_positives(labels, predictions, weights)
        return published(
            _ratio(tp, fp, "value"),
            _ratio(new_tp, new_fp, "update_op"),
            metrics_collections,
            updates_collections,
        )


@metric()
def recall(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The part of positive labels that is found; see `metrics.mean` for the arguments."""
    with variable_scope(name, "recall", (predictions, labels, weights)):
        tp, new_tp = true_positives(labels, predictions, weights)
        fn, new_fn = false_negatives(labels, predictions, weights)
        return published(
            _ratio(tp, fn, "value"),
            _ratio(new_tp, new_fn, "update_op"),
            metrics_collections,
            updates_collections,
        )


# Counts at many thresholds at once.


def _counts_at_thresholds(
    labels: Any, predictions: Any, thresholds: Sequence[float], weights: Any, which: Iterable[str] = _OUTCOMES
) -> tuple[dict[str, Any], dict[str, Any]]:
    """For each outcome the counts at all thresholds: so far, and once updated."""
    predictions = tf.convert_to_tensor(predictions)
    limits = [tf.cast(each, predictions.dtype) for each in (0.0, 1.0)]
    message = "predictions must be in [0, 1]"
    checks = [
        tf.assert_greater_equal(predictions, limits[0], message=message),
        tf.assert_less_equal(predictions, limits[1], message=message),
    ]
    with tf.control_dependencies([each for each in checks if each is not None]):
        predictions, labels, weights = fitted(
            tf.cast(predictions, tf.float32), tf.cast(labels, tf.bool), weights
        )
    above = tf.greater(
        tf.reshape(predictions, [1, -1]), tf.constant(list(thresholds), tf.float32, [len(thresholds), 1])
    )
    labels = tf.reshape(labels, [1, -1])
    if weights is not None:
        weights = tf.reshape(broadcast_weights(tf.cast(weights, tf.float32), predictions), [1, -1])
    values, updates = {}, {}
    for name in which:
        label_is, prediction_is = _OUTCOMES[name]
        count = metric_variable([len(thresholds)], tf.float32, name)
        held = tf.cast(tf.logical_and(_is(labels, label_is), _is(above, prediction_is)), tf.float32)
        if weights is not None:
            held = held * weights
        values[name], updates[name] = count.value(), added(count, tf.reduce_sum(held, 1))
    return values, updates


def _outcome_at_thresholds(outcome: str) -> Callable:
    def function(
        labels: Any,
        predictions: Any,
        thresholds: Sequence[float],
        weights: Any = None,
        metrics_collections: Collections = None,
        updates_collections: Collections = None,
        name: str | None = None,
    ) -> tuple[Any, Any]:
        with variable_scope(name, outcome, (predictions, labels, weights)):
            values, updates = _counts_at_thresholds(labels, predictions, thresholds, weights, [outcome])
            return published(values[outcome], updates[outcome], metrics_collections, updates_collections)

    function.__name__ = function.__qualname__ = f"{outcome}_at_thresholds"
    function.__doc__ = (
        f"The number of {outcome.replace('_', ' ')} at each of `thresholds`, where predictions in [0, 1] count as "
        "positive above the threshold; see `metrics.mean` for the other arguments."
    )
    return metric()(function)


for _name in _OUTCOMES:
    _outcome_at_thresholds(_name)

_EPSILON = 1e-7


def _ratio_at_thresholds(name: str, other: str, summary: str) -> Callable:
    def function(
        labels: Any,
        predictions: Any,
        thresholds: Sequence[float],
        weights: Any = None,
        metrics_collections: Collections = None,
        updates_collections: Collections = None,
        name: str | None = None,
    ) -> tuple[Any, Any]:
        with variable_scope(name, function.__name__, (predictions, labels, weights)):
            found = _counts_at_thresholds(labels, predictions, thresholds, weights, ["true_positives", other])
            value, update = (
                tf.divide(each["true_positives"], each["true_positives"] + each[other] + _EPSILON)
                for each in found
            )
            return published(value, update, metrics_collections, updates_collections)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{summary} at each of `thresholds`; see `metrics.mean` for the other arguments."
    return metric()(function)


precision_at_thresholds = _ratio_at_thresholds(
    "precision_at_thresholds", "false_positives", "The part of positive predictions that is right"
)
recall_at_thresholds = _ratio_at_thresholds(
    "recall_at_thresholds", "false_negatives", "The part of positive labels that is found"
)


def _even_thresholds(count: int, last: float) -> list[float]:
    """`count` thresholds over [0, 1]; the first is just below 0."""
    return [0.0 - _EPSILON, *((i + 1) / (count - 1) for i in range(count - 2)), last]


# The area under a curve.


@metric()
def auc(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    curve: str = "ROC",
    name: str | None = None,
    summation_method: str = "trapezoidal",
    thresholds: Sequence[float] | None = None,
) -> tuple[Any, Any]:
    """The area under the ROC or precision-recall curve, found from counts at thresholds.

    Args:
      labels: truth values. predictions: numbers in [0, 1] of the same shape.
      num_thresholds: how many points of the curve are computed. thresholds: those between 0 and 1, given.
      curve: "ROC" or "PR".
      summation_method: "trapezoidal", "minoring", "majoring", or (for "PR") "careful_interpolation".
      weights, metrics_collections, ...: see `metrics.mean`.

    Raises:
      ValueError: there is no such curve or method.
    """
    if curve not in ("ROC", "PR"):
        raise ValueError(f"curve must be either ROC or PR, {curve} unknown.")
    if summation_method not in ("trapezoidal", "careful_interpolation", "minoring", "majoring"):
        raise ValueError(f"Invalid summation_method: {summation_method}")
    with variable_scope(name, "auc", (labels, predictions, weights)):
        if thresholds is None:
            points = _even_thresholds(num_thresholds, 1.0 + _EPSILON)
        else:
            points = [0.0 - _EPSILON, *sorted(thresholds), 1.0 + _EPSILON]
        values, updates = _counts_at_thresholds(labels, predictions, points, weights)
        value, update = (_area(each, curve, summation_method) for each in (values, updates))
        return published(
            tf.identity(value, name="value"),
            tf.identity(update, name="update_op"),
            metrics_collections,
            updates_collections,
        )


def _area(counts: dict[str, Any], curve: str, method: str) -> Any:
    tp, fn, tn, fp = (counts[name] for name in _OUTCOMES)
    epsilon = 1e-6
    if curve == "PR" and method == "careful_interpolation":
        return _interpolated_area(tp, fp, fn)
    recalls = tf.divide(tp + epsilon, tp + fn + epsilon)
    if curve == "ROC":
        x, y = tf.divide(fp, fp + tn + epsilon), recalls
    else:
        x, y = recalls, tf.divide(tp + epsilon, tp + fp + epsilon)
    heights = {
        "trapezoidal": lambda a, b: (a + b) / 2.0,
        "careful_interpolation": lambda a, b: (a + b) / 2.0,
        "minoring": tf.minimum,
        "majoring": tf.maximum,
    }
    return tf.reduce_sum((x[:-1] - x[1:]) * heights[method](y[:-1], y[1:]))


def _interpolated_area(tp: Any, fp: Any, fn: Any) -> Any:
    """The area under the precision-recall curve where true and false positives grow linearly between thresholds.

    With p = tp + fp, precision there is `(tp_b + slope * (p - p_b)) / p`; its integral over recall has the closed form
    summed here (Davis and Goadrich, 2006).
    """
    gained, p = tp[:-1] - tp[1:], tp + fp
    slope = tf.div_no_nan(gained, tf.maximum(p[:-1] - p[1:], 0))
    intercept = tp[1:] - slope * p[1:]
    ratio = tf.where(
        tf.logical_and(p[:-1] > 0, p[1:] > 0),
        tf.div_no_nan(p[:-1], tf.maximum(p[1:], 0)),
        tf.ones_like(p[1:]),
    )
    parts = tf.div_no_nan(slope * (gained + intercept * tf.log(ratio)), tf.maximum(tp[1:] + fn[1:], 0))
    return tf.reduce_sum(parts)


# One rate where the other has a given value.


@metric()
def sensitivity_at_specificity(
    labels: Any,
    predictions: Any,
    specificity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The part of positive labels that is found at the threshold where `specificity` of the negative ones are.

    Raises:
      ValueError: `specificity` is not in [0, 1].
    """
    if not 0 <= specificity <= 1:
        raise ValueError(
            f"`specificity` must be in the range [0, 1]. Currently, `specificity` got {specificity}."
        )
    with variable_scope(name, "sensitivity_at_specificity", (predictions, labels, weights)):
        points = _even_thresholds(num_thresholds, 1.0 + _EPSILON)

        def rate(counts: dict[str, Any]) -> Any:
            tp, fn, tn, fp = (counts[each] for each in _OUTCOMES)
            at = tf.argmin(tf.abs(tf.divide(tn, tn + fp + _EPSILON) - specificity), 0)
            return tf.divide(tp[at], tp[at] + fn[at] + _EPSILON)

        value, update = map(rate, _counts_at_thresholds(labels, predictions, points, weights))
        return published(value, update, metrics_collections, updates_collections)


@metric()
def specificity_at_sensitivity(
    labels: Any,
    predictions: Any,
    sensitivity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Collections = None,
    updates_collections: Collections = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The part of negative labels that is found at the highest threshold where `sensitivity` of the positive ones are.

    Raises:
      ValueError: `sensitivity` is not in [0, 1].
    """
    if not 0 <= sensitivity <= 1:
        raise ValueError(
            f"`sensitivity` must be in the range [0, 1]. Currently, `sensitivity` is {sensitivity}."
        )
    with variable_scope(name, "specificity_at_sensitivity", (predictions, labels, weights)):
        points = _even_thresholds(num_thresholds, 1.0 - _EPSILON)

        def rate(counts: dict[str, Any]) -> Any:
            tp, fn, tn, fp = (counts[each] for each in _OUTCOMES)
            distance = tf.abs(tf.divide(tp, tp + fn + _EPSILON) - sensitivity)
            nearest = tf.cast(tf.equal(distance, tf.reduce_min(distance)), tf.int64)
            at = tf.argmax(tf.cumsum(nearest), 0)  # the last of several
            return tf.divide(tn[at], tn[at] + fp[at] + _EPSILON)

        value, update = map(rate, _counts_at_thresholds(labels, predictions, points, weights))
        return published(value, update, metrics_collections, updates_collections)
