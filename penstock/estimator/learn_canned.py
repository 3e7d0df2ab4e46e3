"""`contrib.learn`'s ready estimators: linear models, networks, and both together, over those of `tf.estimator`.

Their predictions have the names that they had: "classes" and "scores"; losses are means over the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine.export import export
from penstock.estimator import canned
from penstock.estimator.canned import make_optimizer
from penstock.estimator.inputs import call_with_known
from penstock.estimator.learn_estimator import (
    Learner,
    LearnRunConfig,
    as_array,
    collected,
    input_fn_of,
    learn_names,
)
from penstock.estimator.specs import ModeKeys
from penstock.train.optimizer_v1 import Optimizer
from penstock.types import dtypes
from penstock.v1.api import tf


class _ClippedOptimizer(Optimizer):
    """An optimizer whose gradients have together no greater norm than some number."""

    def __init__(self, optimizer: Any, norm: float):
        super().__init__(False, "ClippedOptimizer")
        self._optimizer, self._norm = optimizer, norm

    def compute_gradients(self, *args: Any, **kwargs: Any) -> list[tuple[Any, Any]]:
        """Those of the optimizer."""
        return self._optimizer.compute_gradients(*args, **kwargs)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """Applied by the optimizer, once they are clipped."""
        gradients, variables = zip(*grads_and_vars)
        clipped, _ = tf.clip_by_global_norm(gradients, self._norm)
        return self._optimizer.apply_gradients(list(zip(clipped, variables)), global_step, name)


def _clipped(optimizer: Any, name: str, rate: float, norm: float | None) -> Any:
    """What makes the optimizer in the graph of a training: the given one, or the one of this name."""
    if norm is None:
        return optimizer or name
    return lambda: _ClippedOptimizer(make_optimizer(optimizer or name, rate), norm)


def _with_features(function: Callable) -> Callable:
    """An input function whose features have names: those without one are called ""."""

    def named(**kwargs: Any) -> Any:
        result = call_with_known(function, **kwargs)
        wrap = lambda features: features if isinstance(features, dict) else {"": features}  # noqa: E731
        if hasattr(result, "map"):
            spec = result.element_spec
            if isinstance(spec, tuple):
                return result.map(lambda features, labels: (wrap(features), labels))
            return result.map(wrap)
        return (wrap(result[0]), *result[1:]) if isinstance(result, tuple) else wrap(result)

    return lambda mode, params, config: named(mode=mode, params=params, config=config)


class CannedLearner(Learner):
    """An estimator over one of `tf.estimator`'s; features that are one array are the column ""."""

    def _build(self, kind: type, feature_engineering_fn: Callable | None, **kwargs: Any) -> None:
        outer = self

        class Core(kind):  # type: ignore[misc,valid-type]
            def _call_input_fn(self, input_fn: Callable, mode: str) -> Any:
                return super()._call_input_fn(_with_features(input_fn), mode)

            def _call_model_fn(self, features: Any, labels: Any, mode: str) -> Any:
                if feature_engineering_fn is not None:
                    features, labels = feature_engineering_fn(features, labels)
                spec = super()._call_model_fn(features, labels, mode)
                predictions = outer._named({**spec.predictions})
                if mode == ModeKeys.PREDICT:
                    spec = spec._replace(predictions=predictions)
                return outer.with_metrics(spec, features, labels, predictions)

        kwargs["config"] = kwargs.get("config") or LearnRunConfig()
        kwargs["loss_reduction"] = "weighted_mean"
        self._core = Core(**{name: value for name, value in kwargs.items() if value is not None})

    _key: str  # of the prediction that `predict` gives

    def _named(self, predictions: dict[str, Any]) -> dict[str, Any]:
        """The predictions under the names that they had."""
        raise AssertionError("a classifier or a regressor says that")

    def predict(
        self, x: Any = None, input_fn: Callable | None = None, batch_size: int | None = None, outputs: Any = None,
        as_iterable: bool = True,
    ) -> Any:  # fmt: skip
        """The predicted classes or numbers, or (with `outputs`, a list of names) predictions by name."""
        found = self._core.predict(input_fn_of(x, None, input_fn, batch_size, False), outputs)
        chosen = found if outputs is not None else (each[self._key] for each in found)
        return chosen if as_iterable else collected(chosen)

    def predict_all(self, x: Any, batch_size: int | None, outputs: Any) -> Any:
        """All predictions for arrays, by name."""
        return collected(self._core.predict(input_fn_of(x, None, None, batch_size, False), outputs))


class _Classifier(CannedLearner):
    _key = "classes"

    def _named(self, predictions: dict[str, Any]) -> dict[str, Any]:
        return {**predictions, "classes": tf.squeeze(predictions["class_ids"], -1)}

    predict_classes = CannedLearner.predict

    def predict_proba(
        self,
        x: Any = None,
        input_fn: Callable | None = None,
        batch_size: int | None = None,
        as_iterable: bool = True,
    ) -> Any:
        """The probabilities of the classes."""
        found = self._core.predict(input_fn_of(x, None, input_fn, batch_size, False))
        chosen = (each["probabilities"] for each in found)
        return chosen if as_iterable else collected(chosen)


class _Regressor(CannedLearner):
    _key = "scores"

    def _named(self, predictions: dict[str, Any]) -> dict[str, Any]:
        scores = predictions["predictions"]
        return {"scores": tf.squeeze(scores, -1) if scores.shape.as_list()[-1] == 1 else scores}

    predict_scores = CannedLearner.predict


def _linear_rate(columns: Sequence[Any]) -> float:
    return min(0.2, 1 / math.sqrt(max(len(columns), 1)))


@export(v1=learn_names("LinearClassifier"))
class LinearClassifier(_Classifier):
    """Classes by a linear model.

    Args:
      feature_columns: columns of `contrib.layers` or `tf.feature_column`. model_dir, config: see `Estimator`.
      n_classes: how many classes. weight_column_name: the feature with the weights of examples.
      optimizer: by default Ftrl. gradient_clip_norm: the greatest norm of all gradients together.
      feature_engineering_fn: (features, labels) -> those that the model gets.
    """

    def __init__(
        self, feature_columns: Sequence[Any], model_dir: str | None = None, n_classes: int = 2,
        weight_column_name: str | None = None, optimizer: Any = None, gradient_clip_norm: float | None = None,
        config: Any = None, feature_engineering_fn: Callable | None = None,
    ):  # fmt: skip
        self._build(
            canned.LinearClassifier, feature_engineering_fn, feature_columns=list(feature_columns),
            model_dir=model_dir, n_classes=n_classes, weight_column=weight_column_name, config=config,
            optimizer=_clipped(optimizer, "Ftrl", _linear_rate(feature_columns), gradient_clip_norm),
        )  # fmt: skip


@export(v1=learn_names("LinearRegressor"))
class LinearRegressor(_Regressor):
    """Numbers by a linear model; `label_dimension` of them for an example. See `LinearClassifier`."""

    def __init__(
        self, feature_columns: Sequence[Any], model_dir: str | None = None, weight_column_name: str | None = None,
        optimizer: Any = None, gradient_clip_norm: float | None = None, label_dimension: int = 1, config: Any = None,
        feature_engineering_fn: Callable | None = None,
    ):  # fmt: skip
        self._build(
            canned.LinearRegressor, feature_engineering_fn, feature_columns=list(feature_columns),
            model_dir=model_dir, label_dimension=label_dimension, weight_column=weight_column_name, config=config,
            optimizer=_clipped(optimizer, "Ftrl", _linear_rate(feature_columns), gradient_clip_norm),
        )  # fmt: skip


@export(v1=learn_names("DNNClassifier"))
class DNNClassifier(_Classifier):
    """Classes by a network of dense layers.

    Args:
      hidden_units: the sizes of the hidden layers. feature_columns: dense columns, as
        `infer_real_valued_columns_from_input` makes them. optimizer: by default Adagrad.
      activation_fn: of the hidden layers; relu by default. dropout: the part of their outputs that is dropped.
      model_dir, n_classes, weight_column_name, gradient_clip_norm, config, feature_engineering_fn: see `LinearClassifier`.

    Example:
      >>> import numpy as np
      >>> import penstock as tf
      >>> learn = tf.compat.v1.contrib.learn
      >>> x = np.linspace(-1, 1, 32)[:, None]
      >>> columns = learn.infer_real_valued_columns_from_input(x)
      >>> classifier = learn.DNNClassifier([8], columns).fit(x, (x[:, 0] > 0).astype(int), steps=100)
      >>> [int(each) for each in classifier.predict(np.array([[-0.9], [0.9]]))]
      [0, 1]
    """

    def __init__(
        self, hidden_units: Sequence[int], feature_columns: Sequence[Any], model_dir: str | None = None,
        n_classes: int = 2, weight_column_name: str | None = None, optimizer: Any = None,
        activation_fn: Callable | None = None, dropout: float | None = None, gradient_clip_norm: float | None = None,
        config: Any = None, feature_engineering_fn: Callable | None = None,
    ):  # fmt: skip
        self._build(
            canned.DNNClassifier, feature_engineering_fn, hidden_units=list(hidden_units),
            feature_columns=list(feature_columns), model_dir=model_dir, n_classes=n_classes,
            weight_column=weight_column_name, activation_fn=activation_fn, dropout=dropout, config=config,
            optimizer=_clipped(optimizer, "Adagrad", 0.05, gradient_clip_norm),
        )  # fmt: skip


@export(v1=learn_names("DNNRegressor"))
class DNNRegressor(_Regressor):
    """Numbers by a network of dense layers; `label_dimension` of them for an example. See `DNNClassifier`."""

    def __init__(
        self, hidden_units: Sequence[int], feature_columns: Sequence[Any], model_dir: str | None = None,
        weight_column_name: str | None = None, optimizer: Any = None, activation_fn: Callable | None = None,
        dropout: float | None = None, gradient_clip_norm: float | None = None, config: Any = None,
        feature_engineering_fn: Callable | None = None, label_dimension: int = 1,
    ):  # fmt: skip
        self._build(
            canned.DNNRegressor, feature_engineering_fn, hidden_units=list(hidden_units),
            feature_columns=list(feature_columns), model_dir=model_dir, label_dimension=label_dimension,
            weight_column=weight_column_name, activation_fn=activation_fn, dropout=dropout, config=config,
            optimizer=_clipped(optimizer, "Adagrad", 0.05, gradient_clip_norm),
        )  # fmt: skip


@export(v1=learn_names("DNNLinearCombinedClassifier"))
class DNNLinearCombinedClassifier(_Classifier):
    """Classes by a linear model and a network together ("wide and deep").

    Args:
      linear_feature_columns, linear_optimizer: of the linear model. dnn_feature_columns, dnn_optimizer, dnn_hidden_units,
        dnn_activation_fn, dnn_dropout: of the network. gradient_clip_norm: of the gradients of each.
      model_dir, n_classes, weight_column_name, config, feature_engineering_fn: see `LinearClassifier`.
    """

    def __init__(
        self, model_dir: str | None = None, n_classes: int = 2, weight_column_name: str | None = None,
        linear_feature_columns: Sequence[Any] = (), linear_optimizer: Any = None,
        dnn_feature_columns: Sequence[Any] = (), dnn_optimizer: Any = None, dnn_hidden_units: Sequence[int] = (),
        dnn_activation_fn: Callable | None = None, dnn_dropout: float | None = None,
        gradient_clip_norm: float | None = None, config: Any = None, feature_engineering_fn: Callable | None = None,
    ):  # fmt: skip
        self._build(
            canned.DNNLinearCombinedClassifier, feature_engineering_fn, model_dir=model_dir, n_classes=n_classes,
            weight_column=weight_column_name, linear_feature_columns=list(linear_feature_columns),
            linear_optimizer=_clipped(linear_optimizer, "Ftrl", 0.005, gradient_clip_norm),
            dnn_feature_columns=list(dnn_feature_columns), dnn_hidden_units=list(dnn_hidden_units),
            dnn_optimizer=_clipped(dnn_optimizer, "Adagrad", 0.001, gradient_clip_norm),
            dnn_activation_fn=dnn_activation_fn, dnn_dropout=dnn_dropout, config=config,
        )  # fmt: skip


@export(v1=learn_names("infer_real_valued_columns_from_input"))
def infer_real_valued_columns_from_input(x: Any) -> list[Any]:
    """A column for an array of features, or one for each of several by name; all are numbers."""
    arrays = x if isinstance(x, dict) else {"": x}
    columns = []
    for name, values in sorted(arrays.items()):
        array = as_array(values)
        if array.dtype.kind not in "fi":
            raise ValueError(
                f"Found unsupported dtype {array.dtype} of the feature {name!r}; numbers were expected."
            )
        size = int(np.prod(array.shape[1:], dtype=int))
        kind = dtypes.as_dtype(array.dtype)
        columns.append(tf.contrib.layers.real_valued_column(name, size, dtype=kind))
    return columns


@export(v1=learn_names("infer_real_valued_columns_from_input_fn"))
def infer_real_valued_columns_from_input_fn(input_fn: Callable) -> list[Any]:
    """Columns for the features that an input function gives; see `infer_real_valued_columns_from_input`."""
    with tf.Graph().as_default():
        result = input_fn()
        features = getattr(result, "element_spec", result)
        features = features[0] if isinstance(features, tuple) else features
    named = features if isinstance(features, dict) else {"": features}
    sizes = {name: each.shape[1:].num_elements() for name, each in named.items()}
    return [
        tf.contrib.layers.real_valued_column(name, sizes[name], dtype=named[name].dtype)
        for name in sorted(named)
    ]
