"""Gathers of rows of a table that was read whole become lookups of those rows: only they leave the server.

Layers write `gather(convert_to_tensor(table), ids)`. The gradient of that is sparse in any case; this makes the way
there sparse too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.definition import REGISTRY
from penstock.graph.copying import clone
from penstock.graph.func_graph import FuncGraph
from penstock.runtime.lowering import pruned, written_tensors

_PASSING = {"Identity", "Cast"}


def with_row_lookups(graph: FuncGraph, tables: set[int]) -> FuncGraph:
    """The function with `ResourceGather` for each gather of a read of one of the tables, ids of its handles.

    A gather stays as it is where the table is assigned between the read and the gather.
    """
    found: dict[str, list[str]] = {}
    shapes: list[str] = []
    last_write: dict[int, int] = {}
    read_at: dict[int, int] = {}
    for position, operation in enumerate(pruned(graph)):
        if operation.type == "ReadVariableOp":
            read_at[id(operation)] = position
        for each in written_tensors(operation):
            last_write[id(each)] = position
        if operation.type == "Shape" and operation.inputs[0].shape.is_fully_defined():
            shapes.append(operation.name)
        if operation.type == "GatherV2" and _by_rows(operation):
            chain = _chain(operation.inputs[0].op)
            read = chain[-1]
            if read.type == "ReadVariableOp" and id(read.inputs[0]) in tables:
                if last_write.get(id(read.inputs[0]), -1) < read_at[id(read)]:
                    found[operation.name] = [each.name for each in chain]
    if not found:
        return graph
    copy = clone(graph)
    for name in shapes:  # gradients ask for the shape of what was read
        _set_constant(copy, copy._by_name[name])
    for name, chain in found.items():
        _replace(copy, copy._by_name[name], [copy._by_name[each] for each in chain])
    return copy


def _by_rows(operation: Any) -> bool:
    axis = operation.inputs[2].op
    is_first = axis.type == "Const" and np.size(axis.attrs["value"]) == 1 and int(axis.attrs["value"]) == 0
    return is_first and not operation.attrs["batch_dims"]


def _chain(operation: Any) -> list[Any]:
    """The operation and those before it, up to the first that does more than pass each element on."""
    chain = [operation]
    while chain[-1].type in _PASSING:
        chain.append(chain[-1].inputs[0].op)
    return chain


def _replace(graph: FuncGraph, gather: Any, chain: list[Any]) -> None:
    read = chain[-1]
    first_new = len(graph.get_operations())
    with context.building(graph), context.tapes_stopped():
        attrs = {"dtype": read.attrs["dtype"], "batch_dims": 0, "validate_indices": True}
        lookup = graph.add_operation(REGISTRY["ResourceGather"], (read.inputs[0], gather.inputs[1]), attrs)
        tensor = lookup.outputs[0]
        tensor.set_shape(gather.outputs[0].shape)
        for each in reversed(chain[:-1]):
            tensor = graph.add_operation(each.definition, (tensor,), each.attrs).outputs[0]
    graph.move_before(first_new, gather)
    _use_instead(graph, gather.outputs[0], tensor)


def _set_constant(graph: FuncGraph, shape: Any) -> None:
    dtype = shape.outputs[0].dtype
    value = np.array(shape.inputs[0].shape.as_list(), dtype.as_numpy_dtype)
    first_new = len(graph.get_operations())
    with context.building(graph), context.tapes_stopped():
        constant = graph.add_operation(REGISTRY["Const"], (), {"value": value, "dtype": dtype})
    graph.move_before(first_new, shape)
    _use_instead(graph, shape.outputs[0], constant.outputs[0])


def _use_instead(graph: FuncGraph, old: Any, tensor: Any) -> None:
    for operation in graph.get_operations():
        if any(each is old for each in operation.inputs):
            operation.inputs = tuple(tensor if each is old else each for each in operation.inputs)
    graph.outputs = [tensor if each is old else each for each in graph.outputs]
