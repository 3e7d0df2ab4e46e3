"""The operations of Keras 3 in models of HDF5 files, which name a class without its module.

A mask that an embedding hands on is an operation of the model (`NotEqual`), as is `a + b` of two symbolic tensors
(`Add`). Keras 3 writes such a model as HDF5, but looks for the name among layers alone when it reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any


def operation_classes(keras: ModuleType) -> dict[str, Any]:
    """Class name -> what makes such an operation, or the layer of that name, from its configuration."""
    found: dict[str, Any] = {}
    for each in _subclasses(keras.Operation):
        if each.__module__.startswith("keras.src.ops."):
            layer = getattr(keras.layers, each.__name__, None)
            found[each.__name__] = each if layer is None else _LayerOrOperation(layer, each)
    return found


def _subclasses(cls: type) -> Iterator[type]:
    each: type
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)


class _LayerOrOperation:
    """A name that a layer and an operation share; the configuration of a layer says whether it is trained."""

    def __init__(self, layer: Any, operation: Any):
        self._layer, self._operation = layer, operation
        self.__name__ = layer.__name__

    def from_config(self, config: dict[str, Any]) -> Any:
        cls = self._layer if "trainable" in config else self._operation
        return cls.from_config(config)
