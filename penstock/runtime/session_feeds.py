"""What `Session.run` is fed: which tensors of the graph a `feed_dict` means, and their values as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.convert import array_of
from penstock.graph.graph import Graph
from penstock.runtime.session_fetches import CONVERSIONS
from penstock.types import dtypes, nest
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor


def feeds_of(graph: Graph, feed_dict: dict) -> tuple[list, list]:
    """The tensors that a `feed_dict` feeds, and their values as arrays."""
    feeds: list[Any] = []
    values: list[Any] = []
    for key, value in feed_dict.items():
        key = key.deref() if hasattr(key, "deref") else key
        if isinstance(key, (tuple, list)):
            pairs = list(zip(nest.flatten(key), nest.flatten(value), strict=True))
        else:
            pairs = _expand(graph, key, value)
        for tensor, each in pairs:
            tensor = _feedable(graph, tensor)
            feeds.append(tensor)
            values.append(_fed(tensor, each))
    return feeds, values


def _expand(graph: Graph, key: Any, value: Any) -> list[tuple[Any, Any]]:
    for kind, _, feed in CONVERSIONS:
        if isinstance(key, kind) and feed is not None:
            with context.building(graph):
                return list(feed(key, value))
    if hasattr(key, "_type_spec") and not isinstance(key, Tensor) and not hasattr(key, "handle"):
        parts = nest.flatten(key, expand_composites=True)
        if isinstance(value, (tuple, list)):  # its parts, as in a `SparseTensorValue`
            given = list(value)
        else:  # a composite, or its NumPy form
            given = nest.flatten(key._type_spec._to_components(value), expand_composites=True)
        return list(zip(parts, given, strict=True))
    if hasattr(key, "handle") and not isinstance(key, Tensor) and key.graph is graph:
        return [(each, value) for each in _reads_of(graph, key)]
    return [(key, value)]


def _reads_of(graph: Graph, variable: Any) -> list[SymbolicTensor]:
    """What stands for a variable's value in the graph: who feeds the variable means all of it, as in TF 1."""
    handle = variable.handle
    return [
        each.outputs[0]
        for each in graph.get_operations()
        if each.type == "ReadVariableOp" and each.inputs[0] is handle
    ]


def _feedable(graph: Graph, key: Any) -> Any:
    if type(key) is SymbolicTensor and key.op.graph is graph:
        return key
    if isinstance(key, EagerTensor) or hasattr(key, "handle"):
        raise TypeError(f"Cannot interpret feed_dict key as Tensor: {key!r} is not a tensor of the graph.")
    try:
        return graph.as_graph_element(key, allow_operation=False)
    except (KeyError, ValueError, TypeError) as error:
        raise TypeError(f"Cannot interpret feed_dict key as Tensor: {error}") from None


def _fed(tensor: SymbolicTensor, value: Any) -> Any:
    """A fed value as an array of the tensor's dtype that fits its shape."""
    if isinstance(value, EagerTensor):
        value = value.host()
    elif hasattr(value, "get_raw_handle"):  # a TensorHandle
        value = value.eval()
    if isinstance(value, Tensor):
        raise TypeError(
            "The value of a feed cannot be a tf.Tensor object. Acceptable feed values include Python scalars, strings, "
            "lists, numpy ndarrays, or TensorHandles."
        )
    if tensor.dtype in (dtypes.resource, dtypes.variant):
        return value
    wanted = tensor.dtype.as_numpy_dtype
    if isinstance(value, np.ndarray) and value.dtype == wanted and tensor.dtype is not dtypes.string:
        array = value
    elif tensor.dtype is dtypes.string:
        array = array_of(value, dtypes.string)[0]
    else:
        array = np.asarray(value)
        if isinstance(value, int) and int(array.astype(wanted)) != value:
            raise TypeError(
                f"Type of feed value {value} with type int is not compatible with Tensor type {wanted}."
            )
        array = array.astype(wanted)
    shape = tensor._shape
    if not shape.is_compatible_with(TensorShape(array.shape)):
        raise ValueError(
            f"Cannot feed value of shape {array.shape} for Tensor {tensor.name}, which has shape {shape}"
        )
    return array
