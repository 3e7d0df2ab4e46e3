"""What TF 1's metrics share: local variables that add up, a value, and an operation that updates them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.ops.graph_collections import GraphKeys
from penstock.ops.variables.variable_v1 import VariableV1
from penstock.types import nest
from penstock.types.tensors import SymbolicTensor
from penstock.v1.api import tf


def metric(*names: str) -> Callable[[Callable], Callable]:
    """Decorates a metric: exports it as `metrics.<name>`, and lets it build a graph only.

    Where a program runs eagerly, the graph of a symbolic argument is used; without one the metric is refused, as in
    TensorFlow.
    """

    def decorate(function: Callable) -> Callable:
        label = names[0] if names else function.__name__

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if thread.graph is not None:
                return function(*args, **kwargs)
            given = nest.flatten([args, kwargs])
            graph = next((each.graph for each in given if isinstance(each, SymbolicTensor)), None)
            if graph is None:
                raise RuntimeError(f"tf.metrics.{label} is not supported when eager execution is enabled.")
            with context.building(graph):
                return function(*args, **kwargs)

        return export(v1=[f"metrics.{name}" for name in names or (label,)])(checked)

    return decorate


def metric_variable(shape: Any, dtype: Any, name: str | None = None) -> Any:
    """A local variable of zeros, in the collections `LOCAL_VARIABLES` and `METRIC_VARIABLES`."""
    return VariableV1(  # type: ignore[call-arg]
        lambda: tf.zeros(shape, dtype),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES],
        name=name,
    )


def added(variable: Any, value: Any) -> Any:
    """What a variable is once `value` has been added to it."""
    return tf.convert_to_tensor(variable.assign_add(value))


def published(
    value: Any,
    update: Any,
    metrics_collections: Iterable[str] | None,
    updates_collections: Iterable[str] | None,
) -> tuple[Any, Any]:
    """A metric's value and update, put into the collections that the caller names."""
    if metrics_collections:
        tf.add_to_collections(metrics_collections, value)
    if updates_collections:
        tf.add_to_collections(updates_collections, update)
    return value, update
