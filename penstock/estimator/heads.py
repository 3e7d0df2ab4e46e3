"""The last layer of a ready-made estimator: what its logits mean, its loss, its metrics and what it exports."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

from penstock.estimator.export import ClassificationOutput, PredictOutput, RegressionOutput
from penstock.estimator.specs import EstimatorSpec, ModeKeys
from penstock.v1.api import tf


class Head(abc.ABC):
    """What is common to all: `kind` of a model, its number of logits, and the weights of examples.

    Args:
      logits_dimension: how many logits an example has.
      weight_column: a numeric column, or the name of the feature, that holds the weights of examples.
      loss_reduction: how the losses of a batch become one: "weighted_sum" or "weighted_sum_over_batch_size" and so on; see
        `tf.compat.v1.losses.Reduction`.
    """

    def __init__(self, logits_dimension: int, weight_column: Any, loss_reduction: str):
        self.logits_dimension, self._weight_column = logits_dimension, weight_column
        # Keras's names of reductions are those of TensorFlow 2's estimators.
        keras = {"sum": "weighted_sum", "sum_over_batch_size": "weighted_sum_over_batch_size"}
        self._reduction = keras.get(loss_reduction, loss_reduction)

    def spec(
        self, features: Any, labels: Any, mode: str, logits: Any, train: Callable[[Any], Any]
    ) -> EstimatorSpec:
        """The EstimatorSpec for logits `[batch, logits_dimension]`; `train` makes the training operation of a loss."""
        predictions = self._predictions(logits)
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions, export_outputs=self._exports(predictions))
        if labels is None:
            raise ValueError("You must provide a labels Tensor. Given: None.")
        labels = self._targets(_column(tf.convert_to_tensor(labels), "labels"))
        weights = self._weights(features)
        losses = self._losses(labels, logits)
        loss = tf.losses.compute_weighted_loss(losses, weights, reduction=self._reduction)
        penalties = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
        if penalties:
            loss += tf.add_n(penalties)
        if mode == ModeKeys.EVAL:
            metrics = {
                "average_loss": tf.metrics.mean(losses, weights),
                **self._metrics(labels, predictions, weights),
            }
            return EstimatorSpec(mode, predictions, loss, eval_metric_ops=metrics)
        return EstimatorSpec(mode, predictions, loss, train(loss))

    def _weights(self, features: Any) -> Any:
        column = self._weight_column
        if column is None:
            return 1.0
        if isinstance(column, str):
            column = tf.feature_column.numeric_column(column)
        return _column(tf.cast(column._transform_feature(_Features(features)), tf.float32), "weights")

    def _targets(self, labels: Any) -> Any:
        return labels

    @abc.abstractmethod
    def _losses(self, labels: Any, logits: Any) -> Any:
        """The loss of each example, `[batch, 1]` or `[batch, logits_dimension]`."""

    @abc.abstractmethod
    def _predictions(self, logits: Any) -> dict[str, Any]:
        """What `predict` gives, by name."""

    @abc.abstractmethod
    def _metrics(self, labels: Any, predictions: dict[str, Any], weights: Any) -> dict[str, Any]:
        """Pairs of a value and its update, by name."""

    @abc.abstractmethod
    def _exports(self, predictions: dict[str, Any]) -> dict[str, Any]:
        """Export outputs, by the key of their signature."""


class _Features(dict):
    """Features, as a column's transformation reads them."""

    def get(self, key: Any, default: Any = None) -> Any:  # the signature of a transformation cache
        found = tf.convert_to_tensor(self[key]) if key in self else default
        return found if found is None or found.shape.rank != 1 else tf.expand_dims(found, -1)


def _column(tensor: Any, what: str) -> Any:
    """A batch of numbers as `[batch, n]`."""
    if tensor.shape.rank == 1:
        return tf.expand_dims(tensor, -1)
    if tensor.shape.rank != 2:
        raise ValueError(f"{what} must have the shape [batch] or [batch, n], got {tensor.shape}")
    return tensor


class RegressionHead(Head):
    """Numbers, by the square of their errors."""

    def _losses(self, labels: Any, logits: Any) -> Any:
        labels = tf.cast(labels, tf.float32)
        if not labels.shape.is_compatible_with(logits.shape):
            raise ValueError(
                f"labels {labels.shape} do not fit logits {logits.shape}: label_dimension={self.logits_dimension}"
            )
        return tf.squared_difference(logits, labels)

    def _predictions(self, logits: Any) -> dict[str, Any]:
        return {"predictions": logits}

    def _metrics(self, labels: Any, predictions: dict[str, Any], weights: Any) -> dict[str, Any]:
        return {
            "prediction/mean": tf.metrics.mean(predictions["predictions"], weights),
            "label/mean": tf.metrics.mean(tf.cast(labels, tf.float32), weights),
        }

    def _exports(self, predictions: dict[str, Any]) -> dict[str, Any]:
        value = RegressionOutput(predictions["predictions"])
        return {"serving_default": value, "regression": value, "predict": PredictOutput(predictions)}


class _Classes(Head):
    """Classes by number, or by name where there is a vocabulary."""

    def __init__(
        self, n_classes: int, weight_column: Any, loss_reduction: str, label_vocabulary: Sequence[str] | None
    ):
        if label_vocabulary is not None and len(label_vocabulary) != n_classes:
            raise ValueError(
                f"Length of label_vocabulary must be n_classes ({n_classes}). Given: {label_vocabulary}"
            )
        super().__init__(n_classes if n_classes > 2 else 1, weight_column, loss_reduction)
        self._count = n_classes
        self._names = list(label_vocabulary or map(str, range(n_classes)))
        self._by_name = label_vocabulary is not None

    def _targets(self, labels: Any) -> Any:
        if self._by_name:
            if labels.dtype != tf.string:
                raise ValueError(
                    f"Labels dtype should be string if there is a vocabulary. Instead got {labels.dtype}"
                )
            initializer = tf.lookup.KeyValueTensorInitializer(
                self._names, list(range(self._count)), tf.string, tf.int64
            )
            return tf.lookup.StaticHashTable(initializer, -1).lookup(labels)
        if labels.dtype.is_floating and self._count > 2 or labels.dtype == tf.string:
            raise ValueError(f"Labels dtype should be integer. Instead got {labels.dtype}.")
        numbers = tf.cast(labels, tf.float32)
        low = tf.assert_non_negative(numbers, message="Labels must be >= 0")
        high = tf.assert_less(
            numbers, float(self._count), message=f"Labels must be < n_classes={self._count}"
        )
        with tf.control_dependencies([low, high]):
            return tf.identity(labels)

    def _class_predictions(self, class_ids: Any) -> dict[str, Any]:
        every = tf.range(self._count)
        rows = tf.stack([tf.shape(class_ids)[0], 1])
        return {
            "class_ids": tf.expand_dims(class_ids, -1),
            "classes": tf.expand_dims(tf.gather(tf.constant(self._names), class_ids), -1),
            "all_class_ids": tf.tile(tf.expand_dims(every, 0), rows),
            "all_classes": tf.tile(tf.expand_dims(tf.constant(self._names), 0), rows),
        }

    def _exports(self, predictions: dict[str, Any]) -> dict[str, Any]:
        found = ClassificationOutput(predictions["probabilities"], predictions["all_classes"])
        outputs: dict[str, Any] = {
            "serving_default": found,
            "classification": found,
            "predict": PredictOutput(predictions),
        }
        if "logistic" in predictions:
            outputs["regression"] = RegressionOutput(predictions["logistic"])
        return outputs


class MultiClassHead(_Classes):
    """One of three or more classes, by the cross entropy of a softmax."""

    def _losses(self, labels: Any, logits: Any) -> Any:
        labels = tf.squeeze(tf.cast(labels, tf.int64), [-1])
        return tf.expand_dims(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits), -1
        )

    def _predictions(self, logits: Any) -> dict[str, Any]:
        ids = tf.argmax(logits, axis=-1)
        return {"logits": logits, "probabilities": tf.nn.softmax(logits), **self._class_predictions(ids)}

    def _metrics(self, labels: Any, predictions: dict[str, Any], weights: Any) -> dict[str, Any]:
        return {"accuracy": tf.metrics.accuracy(labels, predictions["class_ids"], weights)}


class BinaryClassHead(_Classes):
    """One of two classes, by the cross entropy of a sigmoid."""

    def _losses(self, labels: Any, logits: Any) -> Any:
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(labels, tf.float32), logits=logits)

    def _predictions(self, logits: Any) -> dict[str, Any]:
        both = tf.concat([tf.zeros_like(logits), logits], 1)
        return {
            "logits": logits,
            "logistic": tf.sigmoid(logits),
            "probabilities": tf.nn.softmax(both),
            **self._class_predictions(tf.argmax(both, axis=-1)),
        }

    def _metrics(self, labels: Any, predictions: dict[str, Any], weights: Any) -> dict[str, Any]:
        labels, scores, ids = tf.cast(labels, tf.float32), predictions["logistic"], predictions["class_ids"]
        mean, update = tf.metrics.mean(labels, weights)
        weights = None if isinstance(weights, float) else weights
        return {
            "accuracy": tf.metrics.accuracy(labels, tf.cast(ids, tf.float32), weights),
            "precision": tf.metrics.precision(labels, ids, weights),
            "recall": tf.metrics.recall(labels, ids, weights),
            "prediction/mean": tf.metrics.mean(scores, weights),
            "label/mean": (mean, update),
            "accuracy_baseline": (tf.maximum(mean, 1 - mean), tf.maximum(update, 1 - update)),
            "auc": tf.metrics.auc(labels, scores, weights),
            "auc_precision_recall": tf.metrics.auc(
                labels, scores, weights, curve="PR", summation_method="careful_interpolation"
            ),
        }


def classification_head(
    n_classes: int, weight_column: Any, label_vocabulary: Sequence[str] | None, loss_reduction: str
) -> Head:
    """The head for so many classes.

    Raises:
      ValueError: there are less than two classes, or another number in the vocabulary.
    """
    if n_classes < 2:
        raise ValueError(f"n_classes must be at least 2, given: {n_classes}")
    kind = BinaryClassHead if n_classes == 2 else MultiClassHead
    return kind(n_classes, weight_column, loss_reduction, label_vocabulary)
