"""A number that equal pipelines have in common."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from penstock.data.random_numbers import Seeds
from penstock.runtime.lowering import nested_graphs
from penstock.types.tensors import Tensor

_NOT_ITSELF = ("_parents", "_functions", "_needs", "_last_run", "_options", "_layout")


def fingerprint(dataset: Any) -> int:
    """A 64-bit number of a pipeline: of its nodes, their parameters but seeds, and what their functions do."""
    digest = hashlib.blake2b(digest_size=8)
    _add_node(dataset, digest)
    return int.from_bytes(digest.digest(), "little")


def _add_node(node: Any, digest: Any) -> None:
    digest.update(type(node).__name__.encode())
    for name, value in sorted(vars(node).items()):
        if name not in _NOT_ITSELF:
            _add_value(name, value, digest)
    for function in node._functions:
        _add_graph(function.graph, digest)
    for each in node._parents:
        _add_node(each, digest)


def _add_value(name: str, value: Any, digest: Any) -> None:
    if isinstance(value, Seeds):
        return
    if isinstance(value, (list, tuple)):
        for each in value:
            _add_value(name, each, digest)
    elif isinstance(value, np.ndarray):
        digest.update(f"{name}{value.dtype}{value.shape}".encode())
        digest.update(value.tobytes() if value.dtype != object else repr(value.tolist()).encode())
    elif value is None or isinstance(value, (bool, int, float, str, bytes, np.generic)):
        digest.update(f"{name}={value!r}".encode())


def _add_graph(graph: Any, digest: Any) -> None:
    names = {id(tensor): index for index, tensor in enumerate(graph.inputs)}
    for operation in graph.get_operations():
        for tensor in operation.outputs:
            names.setdefault(id(tensor), len(names))
        digest.update(operation.type.encode())
        digest.update(repr([names.get(id(each)) for each in operation.inputs]).encode())
        for name, value in sorted(operation.attrs.items()):
            if name == "value" or not name.startswith("_"):
                _add_value(name, value, digest)
            if name == "_dataset":
                _add_node(value, digest)
        if operation.definition.nested:
            for each in nested_graphs(operation):
                _add_graph(each, digest)
    for captured in graph.external_captures:
        if isinstance(captured, Tensor) and getattr(captured, "_np", None) is not None:
            _add_value("capture", captured._np, digest)
