"""`contrib.eager`: TensorFlow 2's way of working, as TensorFlow 1.5 to 1.15 offered it under the name `tfe`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import EXPORTS, export
from penstock.v1.api import tf

# The name in `contrib.eager` -> the public name of today, of TensorFlow 2 where it says so.
_MOVED = {
    "Checkpoint": ("v2", "train.Checkpoint"),
    "GradientTape": ("v1", "GradientTape"),
    "Variable": ("v2", "Variable"),
    "custom_gradient": ("v1", "custom_gradient"),
    "defun": ("v2", "function"),
    "enable_eager_execution": ("v1", "enable_eager_execution"),
    "executing_eagerly": ("v1", "executing_eagerly"),
    "in_eager_mode": ("v1", "executing_eagerly"),
    "py_func": ("v1", "py_function"),
    "run_test_in_graph_and_eager_modes": ("v2", "__internal__.test.run_in_graph_and_eager_modes"),
}
for _name, (_version, _path) in _MOVED.items():
    if _path in EXPORTS[_version]:
        export(v1=[f"contrib.eager.{_name}"])(EXPORTS[_version][_path])


def _exported(name: str) -> Callable:
    return export(v1=[f"contrib.eager.{name}"])


@_exported("Iterator")
def iterator(dataset: Any) -> Any:
    """An iterator over a dataset's elements; its `next()` and `get_next()` give one."""
    return iter(dataset)


@_exported("num_gpus")
def num_gpus() -> int:
    """The number of GPUs."""
    return len(tf.config.list_logical_devices("GPU"))


@_exported("list_devices")
def list_devices() -> list[str]:
    """The names of the devices."""
    return [device.name for device in tf.config.list_logical_devices()]


@_exported("implicit_value_and_gradients")
def implicit_value_and_gradients(f: Callable) -> Callable:
    """A function that gives the value of `f`, and `(gradient, variable)` for each trainable variable that it reads.

    Raises (when called):
      ValueError: `f` gives None, or reads no variable.

    Example:
      >>> import penstock as tf
      >>> w = tf.Variable(3.0)
      >>> value, pairs = tf.compat.v1.contrib.eager.implicit_value_and_gradients(lambda x: w * x)(2.0)
      >>> float(value), float(pairs[0][0])
      (6.0, 2.0)
    """

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        with tf.GradientTape() as tape:
            value = f(*args, **kwargs)
            if value is None:
                raise ValueError(
                    f"Cannot differentiate a function that returns None; did you forget to return in {f}?"
                )
        variables = tape.watched_variables()
        if not variables:
            raise ValueError("No trainable variables were accessed while the function was being computed.")
        gradients = tape.gradient(value, variables)
        return value, list(zip(gradients, variables, strict=True))

    return call


@_exported("implicit_gradients")
def implicit_gradients(f: Callable) -> Callable:
    """As `implicit_value_and_gradients`, without the value: what `optimizer.apply_gradients` takes."""
    both = implicit_value_and_gradients(f)
    return functools.wraps(f)(lambda *args, **kwargs: both(*args, **kwargs)[1])


@_exported("value_and_gradients_function")
def value_and_gradients_function(f: Callable, params: Sequence[int] | None = None) -> Callable:
    """A function that gives the value of `f` and its gradients with respect to arguments.

    Args:
      params: places of the arguments; all of them by default.
    """

    @functools.wraps(f)
    def call(*args: Any, dy: Any = None) -> tuple[Any, list[Any]]:
        places = range(len(args)) if params is None else params
        arguments = list(args)
        with tf.GradientTape() as tape:
            for place in places:
                arguments[place] = tf.convert_to_tensor(arguments[place])
                tape.watch(arguments[place])
            value = f(*arguments)
        return value, tape.gradient(value, [arguments[place] for place in places], output_gradients=dy)

    return call


@_exported("gradients_function")
def gradients_function(f: Callable, params: Sequence[int] | None = None) -> Callable:
    """As `value_and_gradients_function`, without the value."""
    both = value_and_gradients_function(f, params)
    return functools.wraps(f)(lambda *args, **kwargs: both(*args, **kwargs)[1])


class _Metric:
    """A running value, which is updated by calls."""

    def __init__(self, name: str | None = None):
        self.name = name or type(self).__name__
        self._total, self._count = tf.constant(0.0, tf.float64), tf.constant(0.0, tf.float64)

    def _add(self, values: Any, weights: Any) -> None:
        values = tf.cast(values, tf.float64)
        weights = tf.cast(1.0 if weights is None else weights, tf.float64) * tf.ones_like(values)
        self._total += tf.reduce_sum(values * weights)
        self._count += tf.reduce_sum(weights)

    def result(self) -> Any:
        """The value so far, float64."""
        return self._total / self._count

    def init_variables(self) -> None:
        """Begins anew."""
        self._total, self._count = tf.constant(0.0, tf.float64), tf.constant(0.0, tf.float64)


@export(v1=["contrib.eager.metrics.Mean"])
class Mean(_Metric):
    """The (weighted) mean of all values."""

    def __call__(self, values: Any, weights: Any = None) -> Any:
        self._add(values, weights)
        return values


@export(v1=["contrib.eager.metrics.Accuracy"])
class Accuracy(_Metric):
    """How often predictions are labels."""

    def __call__(self, labels: Any, predictions: Any, weights: Any = None) -> tuple[Any, Any]:
        self._add(tf.equal(labels, predictions), weights)
        return labels, predictions
