"""Program order as control edges: what TensorFlow's runtime needs to be told of a function's effects.

Penstock runs the operations of a function in the order in which they were made wherever they touch the same resource.
TensorFlow runs them in any order that inputs and control inputs allow, and drops what no output depends on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.types import dtypes

# Ops with a resource that leave it as it was.
_READERS = {
    "ReadVariableOp", "VariableShape", "VarIsInitializedOp", "ResourceGather", "ResourceGatherNd", "LookupTableFindV2",
    "LookupTableSizeV2", "LookupTableExportV2",
}  # fmt: skip
# Stateful ops whose order nobody can see: they make a handle, or draw from a state of their own.
_UNORDERED = {
    "Placeholder",
    "NoOp",
    "VarHandleOp",
    "HashTableV2",
    "MutableHashTableV2",
    "MutableHashTableOfTensorsV2",
}
_OUTSIDE = -1  # the key of effects outside of any resource: printing, files, assertions


def nested_graphs(operation: Any) -> list[Any]:
    """The FuncGraphs that an operation holds."""
    found: list[Any] = []
    for name in operation.definition.nested:
        held = operation.attrs[name]
        found.extend(held if isinstance(held, (list, tuple)) else [held])
    return found


def has_effects(operation: Any) -> bool:
    """Whether an operation changes something, or says something, beyond its outputs."""
    if operation.definition.nested:
        return any(has_effects(each) for graph in nested_graphs(operation) for each in graph.get_operations())
    if operation.type in _READERS or operation.type in _UNORDERED or "_stream" in operation.attrs:
        return False
    return operation.definition.stateful or operation.definition.writes


def _resources(operation: Any) -> list[int]:
    return [id(each) for each in operation.inputs if each.dtype is dtypes.resource]


def control_edges(operations: Sequence[Any]) -> dict[int, list[Any]]:
    """id(operation) -> the earlier operations that it must wait for, beside those whose outputs it takes."""
    last_effect: dict[int, Any] = {}
    readers: dict[int, list[Any]] = {}
    edges: dict[int, list[Any]] = {}
    for operation in operations:
        effects = has_effects(operation)
        keys = _resources(operation) or ([_OUTSIDE] if effects else [])
        before: dict[int, Any] = {}
        for key in keys:
            earlier = [last_effect[key]] if key in last_effect else []
            if effects:
                earlier += readers.pop(key, [])
                last_effect[key] = operation
            else:
                readers.setdefault(key, []).append(operation)
            before.update((id(each), each) for each in earlier)
        data = {id(each.op) for each in operation.inputs}
        edges[id(operation)] = [each for key, each in before.items() if key not in data]
    return edges
