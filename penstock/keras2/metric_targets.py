"""Metrics that are functions of a program's own get targets of the metric's dtype, as in Keras 2.

`K.sum(y_true * y_pred)` is written for targets that are floating, and class numbers come as integers; Keras 3 hands on
what it got.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import penstock as tf


def cast_targets(keras: ModuleType) -> None:
    """Has `MeanMetricWrapper`, which wraps a function as a metric, cast numbers for functions from outside of Keras."""
    owner = keras.metrics.MeanMetricWrapper
    update_state = owner.update_state

    @functools.wraps(update_state)
    def update(self: Any, y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Any:
        if not str(getattr(self._fn, "__module__", "")).startswith("keras."):
            y_true = keras.tree.map_structure(lambda each: _cast(each, self.dtype), y_true)
        return update_state(self, y_true, y_pred, *args, **kwargs)

    owner.update_state = update


def _cast(value: Any, dtype: Any) -> Any:
    given = tf.as_dtype(value.dtype) if hasattr(value, "dtype") else None
    return tf.cast(value, dtype) if given is not None and given.is_integer else value
