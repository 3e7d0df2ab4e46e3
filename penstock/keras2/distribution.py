"""Keras's `distribution` API on meshes: what Keras's TensorFlow backend leaves open in its `distribution_lib`.

Keras calls that module a prototype: it makes meshes and layouts, and then neither variables nor batches get one. Here
variables are made in the places that `distribution.get_variable_layout` says, batches are split as `get_data_layout`
says, and XLA partitions the steps of `fit`, `evaluate` and `predict`. Called once, by `import_hook`.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

from penstock.distribute.current import default_strategy
from penstock.distribute.strategy import Strategy
from penstock.dtensor.placement import call_with_layout, relayout, relayout_where_it_fits
from penstock.engine.convert import convert_to_tensor
from penstock.ops.variables.variable import Variable
from penstock.types import nest
from penstock.types.tensors import Tensor

_BACKEND = "keras.src.backend.tensorflow"
_LARGE = 1 << 24  # elements from which on an initial value is made in parts


def enable_distribution() -> None:
    """Fills in the functions of the loaded Keras, where its backend is TensorFlow."""
    if importlib.import_module("keras.src.backend").backend() != "tensorflow":
        return
    library: Any = importlib.import_module(f"{_BACKEND}.distribution_lib")
    if hasattr(library, "distribute_tensor"):
        return
    library.distribute_value = library.distribute_tensor = distribute_tensor
    variable = importlib.import_module(f"{_BACKEND}.core").Variable
    variable._initialize = _with_layout(variable._initialize)
    trainer = importlib.import_module(f"{_BACKEND}.trainer").TensorFlowTrainer
    trainer.distribute_strategy = property(_placing_batches(trainer.distribute_strategy.fget))


def _distribution() -> Any:
    """The `keras.distribution.Distribution` in effect, or None."""
    return importlib.import_module("keras.src.backend.common.global_state").get_global_attribute(
        "distribution"
    )


def _backend_layout(layout: Any) -> Any:
    return getattr(layout, "backend_layout", layout)


def distribute_tensor(tensor: Any, layout: Any) -> Any:
    """The tensor with a layout; as it is, where its sizes do not divide (the last batch of an epoch)."""
    return relayout_where_it_fits(convert_to_tensor(tensor), _backend_layout(layout))


def _with_layout(initialize: Callable) -> Callable:
    """`Variable._initialize`, which puts the value where the distribution says."""

    @functools.wraps(initialize)
    def wrapped(self: Any, value: Any) -> None:
        distribution = _distribution()
        if isinstance(value, Variable) or (distribution is None and self._layout is None):
            initialize(self, value)
            return
        if not callable(value):  # get_variable_layout looks at the shape
            self._shape = self._validate_shape(value.shape)
        if self._layout is None:
            self._layout = distribution.get_variable_layout(self)
        layout = _backend_layout(self._layout)
        if callable(value) and math.prod(self._shape) >= _LARGE:
            initialize(self, call_with_layout(value, layout))
        else:
            value = value() if callable(value) else value
            initialize(self, relayout(convert_to_tensor(value, self._dtype), layout))

    return wrapped


def _placing_batches(strategy_of: Callable) -> Callable:
    """The trainer's strategy, which splits batches where a distribution is in effect."""

    def strategy(self: Any) -> Any:
        found, distribution = strategy_of(self), _distribution()
        if distribution is None or found is not default_strategy():
            return found
        if not hasattr(distribution, "_places_batches"):
            distribution._places_batches = _PlacesBatches(distribution)
        return distribution._places_batches

    return strategy


class _PlacesBatches(Strategy):
    """The default strategy, but for the batches: they are split over the mesh."""

    def __init__(self, distribution: Any):
        super().__init__()
        self._distribution = distribution

    def _run(self, fn: Callable, args: tuple, kwargs: dict) -> Any:
        def place(each: Any) -> Any:
            if not isinstance(each, Tensor) or not each.shape.rank:
                return each
            return distribute_tensor(each, self._distribution.get_data_layout(each.shape))

        return fn(*nest.map_structure(place, args), **kwargs)
