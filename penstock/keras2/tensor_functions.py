"""TensorFlow's functions between the layers of a model: `tf.concat([x, y], 1)` of Keras's symbolic tensors.

Keras 2 made an operation of the model of such a call, which Keras 3 refuses. A function over tensors that fails, and has
a symbolic tensor among its arguments, becomes a `TFOpLambda` of the model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import penstock as tf
from penstock.engine.export import EXPORTS
from penstock.keras2.symbolic import take_keras_variables

# What Keras 3's error is better for: these make a value now, or say what a thing is.
REFUSED = frozenset({"convert_to_tensor", "constant", "make_tensor_proto", "get_static_value", "is_tensor"})


def take_tensorflow_functions(keras: ModuleType) -> None:
    """Lets TensorFlow's functions over tensors take the symbolic tensors of models."""
    operation = _operation_class(keras)
    keras.saving.register_keras_serializable("penstock", "TFOpLambda")(operation)

    class Dispatcher(tf.__internal__.dispatch.GlobalOpDispatcher):
        def handle(self, op: Callable, args: tuple, kwargs: dict) -> Any:
            leaves = keras.tree.flatten((args, kwargs))
            symbol = _symbols().get(op.__name__, {}).get(id(getattr(op, "__wrapped__", op)))
            if symbol is None or not any(isinstance(leaf, keras.KerasTensor) for leaf in leaves):
                return self.NOT_SUPPORTED
            # The name of the node in a graph is no part of what is computed.
            kwargs = {key: value for key, value in kwargs.items() if key != "name"}
            return operation(symbol)(*args, **kwargs)

    Dispatcher().register()


@functools.cache
def _symbols() -> dict[str, dict[int, str]]:
    """Python name -> id of a function -> its first public name, as `math.reduce_mean`, or `compat.v1.` and that."""
    symbols: dict[str, dict[int, str]] = {}
    for version, prefix in (("v2", ""), ("v1", "compat.v1.")):
        for name, thing in EXPORTS[version].items():
            function = getattr(thing, "__wrapped__", thing)
            if name not in REFUSED and hasattr(function, "__name__"):
                symbols.setdefault(thing.__name__, {}).setdefault(id(function), prefix + name)
    return symbols


def _function(symbol: str) -> Callable:
    version, name = (
        ("v1", symbol.removeprefix("compat.v1.")) if symbol.startswith("compat.v1.") else ("v2", symbol)
    )
    return EXPORTS[version][name]


def _operation_class(keras: ModuleType) -> type:
    class TFOpLambda(keras.Operation):  # type: ignore[name-defined]
        """A call of one of TensorFlow's functions in a functional model.

        Args:
          function: the function's name below `tf`, as "math.reduce_mean".
        """

        def __init__(self, function: str, name: str | None = None, **options: Any):
            if name is None:
                base = f"tf.{function}"
                count = keras.backend.get_uid(base)
                name = base if count == 1 else f"{base}_{count - 1}"
            super().__init__(name=name)
            self._symbol = function
            self._call = take_keras_variables(_function(function))

        def call(self, *args: Any, **kwargs: Any) -> Any:
            return self._call(*args, **kwargs)

        def get_config(self) -> dict[str, Any]:
            return {"name": self.name, "function": self._symbol}

        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            return cls(**config)

    return TFOpLambda
