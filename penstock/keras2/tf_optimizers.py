"""Optimizers of TensorFlow 1 in Keras's models: `model.compile(tf.train.AdamOptimizer(0.001), ...)`."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import Any

import numpy as np

import penstock as tf


def take_tensorflow_optimizers(keras: ModuleType) -> None:
    """Lets everything that takes a Keras optimizer take one of TensorFlow 1."""

    class TFOptimizer(keras.optimizers.Optimizer):  # type: ignore[misc,name-defined]
        """A Keras optimizer whose steps an optimizer of TensorFlow 1 makes.

        Args:
          optimizer: the optimizer of TensorFlow 1; its own rate is used, and setting `learning_rate` here changes nothing.
        """

        def __init__(self, optimizer: Any):
            super().__init__(learning_rate=_rate(optimizer), name=optimizer.get_name())
            self._tf_optimizer = optimizer

        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            variables = self._trainable_variables if trainable_variables is None else trainable_variables
            with tf.init_scope():
                if not self.built:
                    self.build(variables)
            pairs = [
                (gradient, getattr(variable, "value", variable))
                for gradient, variable in zip(grads, variables, strict=True)
                if gradient is not None
            ]
            self._tf_optimizer.apply_gradients(pairs)
            self.iterations.assign_add(1)

    get = keras.optimizers.get

    @functools.wraps(get)
    def get_any(identifier: Any) -> Any:
        if isinstance(identifier, tf.compat.v1.train.Optimizer):
            return TFOptimizer(identifier)
        return get(identifier)

    for name in ("keras.optimizers", "keras.src.optimizers", keras.optimizers.__name__):
        importlib.import_module(name).get = get_any  # type: ignore[attr-defined]


def _rate(optimizer: Any) -> float:
    """The learning rate of an optimizer, where it is a number."""
    found = getattr(optimizer, "_learning_rate", getattr(optimizer, "_lr", None))
    found = found() if callable(found) else found
    return float(found) if isinstance(found, float | int | np.floating) else 0.001
