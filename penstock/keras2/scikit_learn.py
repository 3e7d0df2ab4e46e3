"""Keras 2's `keras.wrappers.scikit_learn`: a function that builds a model, as an estimator of scikit-learn.

The wrappers are estimators by what they do, so that scikit-learn is needed only by programs that use it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

# Methods of a model whose arguments an estimator may be given: `KerasClassifier(build, epochs=10, batch_size=32)`.
METHODS = ("fit", "predict", "evaluate")


class BaseWrapper:
    """An estimator that builds a Keras model when it is fitted.

    Args:
      build_fn: a function that returns a compiled model, or an object with such a `__call__`. A subclass that defines
        `__call__` gives none.
      **sk_params: arguments of `build_fn` and of the model's `fit`, `predict` and `evaluate`, which a search may change.

    Raises:
      ValueError: an argument is none of these.
    """

    def __init__(self, build_fn: Callable | None = None, **sk_params: Any):
        self.build_fn = build_fn
        self.sk_params = sk_params
        self.check_params(sk_params)

    def check_params(self, params: dict[str, Any]) -> None:
        """Raises ValueError for a parameter that neither the building function nor the model takes."""
        builder = self._builder()
        if _takes_all(builder):
            return
        known = set().union(*map(_names, [builder, *_model_methods()]))
        for name in params:
            if name not in known:
                raise ValueError(f"{type(self).__name__}: {name} is not a legal parameter")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters as given, for scikit-learn's `clone` and its searches."""
        return {**self.sk_params, "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> BaseWrapper:
        """Changes parameters; returns the estimator."""
        self.build_fn = params.pop("build_fn", self.build_fn)
        self.check_params(params)
        self.sk_params.update(params)
        return self

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Builds a model and trains it; returns the History.

        Args:
          x: inputs of shape [examples, ...].
          y: targets of shape [examples] or [examples, outputs]; classes become one-hot vectors where the loss is
            `categorical_crossentropy`.
          **kwargs: arguments of the model's `fit`, which take precedence over those of the estimator.
        """
        self.model = self._builder()(**self.filter_sk_params(self._builder()))
        y = np.asarray(y)
        if _name_of(self.model.loss) == "categorical_crossentropy" and y.ndim != 2:
            from keras.utils import to_categorical

            y = to_categorical(y)
        return self.model.fit(x, y, **{**self.filter_sk_params(type(self.model).fit), **kwargs})

    def filter_sk_params(self, fn: Callable, override: dict[str, Any] | None = None) -> dict[str, Any]:
        """The estimator's parameters that `fn` takes, with those of `override`."""
        accepted = {name: value for name, value in self.sk_params.items() if name in _names(fn)}
        return {**accepted, **(override or {})}

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, RegressorTags, Tags, TargetTags

        kind = getattr(self, "_estimator_type", None)
        return Tags(
            estimator_type=kind,
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if kind == "classifier" else None,
            regressor_tags=RegressorTags() if kind == "regressor" else None,
        )

    def _builder(self) -> Callable:
        if self.build_fn is not None:
            return self.build_fn
        if not callable(self):
            raise ValueError(
                f"{type(self).__name__}: expected a build_fn, or a subclass that defines __call__"
            )
        return self.__call__

    def _predict(self, x: Any, kwargs: dict[str, Any]) -> np.ndarray:
        return np.asarray(self.model.predict(x, **self.filter_sk_params(type(self.model).predict, kwargs)))


class KerasClassifier(BaseWrapper):
    """A Keras model as a classifier: its last layer gives a probability for each class, or one for the second of two."""

    _estimator_type = "classifier"

    def fit(self, x: Any, y: Any, **kwargs: Any) -> Any:
        """Builds a model and trains it. `y` holds classes of any kind, or one-hot vectors."""
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim == 1 or y.ndim == 2 and y.shape[1] == 1:
            self.classes_, y = np.unique(y.reshape(-1), return_inverse=True)
        else:
            raise ValueError(
                f"KerasClassifier: y has shape {y.shape}, expected [examples] or [examples, classes]"
            )
        self.n_classes_ = len(self.classes_)
        return super().fit(x, y, **kwargs)

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The class of each example, of shape [examples]."""
        probabilities = self._predict(x, kwargs)
        if probabilities.shape[-1] > 1:
            return self.classes_[probabilities.argmax(axis=-1)]
        return self.classes_[(probabilities[..., 0] > 0.5).astype("int32")]

    def predict_proba(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The probability of each class, of shape [examples, classes]."""
        probabilities = self._predict(x, kwargs)
        if probabilities.shape[-1] == 1:
            return np.concatenate([1 - probabilities, probabilities], axis=-1)
        return probabilities

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The share of examples whose class is predicted.

        Args:
          x, y: as for `fit`.
          **kwargs: `sample_weight`, and arguments of the model's `predict`.
        """
        weights, y = kwargs.pop("sample_weight", None), np.asarray(y)
        y = y.argmax(axis=-1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
        return float(np.average(self.predict(x, **kwargs) == y, weights=weights))


class KerasRegressor(BaseWrapper):
    """A Keras model as a regressor."""

    _estimator_type = "regressor"

    def predict(self, x: Any, **kwargs: Any) -> np.ndarray:
        """The predictions, of shape [examples] where the model has one output."""
        predictions = self._predict(x, kwargs)
        return predictions[..., 0] if predictions.shape[-1] == 1 else predictions

    def score(self, x: Any, y: Any, **kwargs: Any) -> float:
        """The negative loss on `x` and `y`: the larger the better."""
        arguments = {"verbose": 0, **self.filter_sk_params(type(self.model).evaluate, kwargs)}
        return -float(np.ravel(self.model.evaluate(x, np.asarray(y), **arguments))[0])


def _model_methods() -> list[Callable]:
    import keras

    return [getattr(keras.Model, name) for name in METHODS]


def _names(function: Callable) -> set[str]:
    return set(inspect.signature(function).parameters) - {"self"}


def _takes_all(function: Callable) -> bool:
    kinds = {each.kind for each in inspect.signature(function).parameters.values()}
    return inspect.Parameter.VAR_KEYWORD in kinds


def _name_of(loss: Any) -> str:
    return loss if isinstance(loss, str) else getattr(loss, "__name__", getattr(loss, "name", ""))
