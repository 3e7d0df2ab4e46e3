"""Pickles of what holds traced functions: datasets, and whatever else programs send to another process of their own.

Python code goes by value (cloudpickle, which Ray brings), a traced function as its operations with what it captures.
Whoever reads such a pickle runs what it says: it is for the processes of one program, not for files.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from penstock.engine import context
from penstock.engine.definition import REGISTRY, OpDef
from penstock.engine.xla import jax
from penstock.graph.func_graph import FuncGraph
from penstock.types import dtypes, nest
from penstock.types.composite import CompositeTensor
from penstock.types.tensors import EagerTensor


def to_bytes(value: Any, leaving_out: tuple[type, ...] = ()) -> bytes:
    """A pickle of `value`, which `pickle.loads` reads in any process that has Penstock.

    Args:
      leaving_out: types whose values become None. Such a pickle is to be compared with others, not to be read.

    Raises:
      TypeError: something in it cannot leave this process, as an open file or a lock.
    """
    from ray import cloudpickle

    class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc,name-defined]
        def reducer_override(self, thing: Any) -> Any:
            if type(thing) in leaving_out:
                return type(None), ()
            reduce = _REDUCERS.get(type(thing))
            return super().reducer_override(thing) if reduce is None else reduce(thing)

    buffer = io.BytesIO()
    Pickler(buffer).dump(value)
    return buffer.getvalue()


# Graphs. A tensor is its number among all outputs of the graph's operations.

_OF_THE_COPY = {"_stream", "_gradient"}  # attributes that a copy makes anew, or nobody asks it for


def _reduce_graph(graph: FuncGraph) -> tuple:
    operations = graph.get_operations()
    number = {id(each): i for i, each in enumerate(each for op in operations for each in op.outputs)}
    position = {id(op): i for i, op in enumerate(operations)}
    rows = [
        (
            op.type,
            op.name,
            [number[id(each)] for each in op.inputs],
            [position[id(each)] for each in op.control_inputs],
            {key: value for key, value in op.attrs.items() if key not in _OF_THE_COPY},
            op.device,
            [(each.shape, each.handle_data) for each in op.outputs],
        )
        for op in operations
    ]
    ends = [number[id(each)] for each in graph.inputs], [number[id(each)] for each in graph.outputs]
    given = graph.structured_outputs
    flat = nest.flatten(given, expand_composites=True)
    if any(
        each is not None and id(each) not in number for each in flat
    ):  # those of the graph before its rewriting
        given = flat = graph.outputs
    results = [None if each is None else number[id(each)] for each in flat]
    structure = nest.map_structure(
        lambda each: each._type_spec if isinstance(each, CompositeTensor) else None, given
    )
    return _graph, (graph.name, rows, ends, graph.external_captures, results, structure)


def _graph(name: str, rows: list, ends: tuple, captured: list, results: list, structure: Any) -> FuncGraph:
    graph = FuncGraph(name)
    graph.outer_graph = None
    made: list[Any] = []
    tensors: list[Any] = []
    with context.building(graph), context.tapes_stopped():
        for op_type, own_name, inputs, controls, attrs, device, outputs in rows:
            with graph.control_dependencies([made[i] for i in controls]):
                shapes = [shape for shape, _ in outputs]
                given = [tensors[i] for i in inputs]
                operation = graph.add_operation(REGISTRY[op_type], given, attrs, own_name, shapes)
            operation.device = device
            for tensor, (_, handle_data) in zip(operation.outputs, outputs):
                tensor.handle_data = handle_data
            made.append(operation)
            tensors.extend(operation.outputs)
    graph.inputs, graph.outputs = ([tensors[i] for i in end] for end in ends)
    for outside, inside in zip(captured, graph.inputs[len(graph.inputs) - len(captured) :]):
        graph._captures[id(outside)] = (outside, inside)
    flat = [None if each is None else tensors[each] for each in results]
    graph.structured_outputs = nest.pack_sequence_as(structure, flat, expand_composites=True)
    return graph


# What else pickles by name or by value.


def _reduce_tensor(tensor: EagerTensor) -> tuple:
    is_value = tensor.dtype not in (dtypes.resource, dtypes.variant)
    return EagerTensor, (tensor.numpy() if is_value else tensor.host(), tensor.dtype)


def _reduce_definition(definition: OpDef) -> tuple:
    return _definition, (definition.type,)


def _definition(op_type: str) -> OpDef:
    return REGISTRY[op_type]


_REDUCERS: dict[type, Callable[[Any], tuple]] = {
    FuncGraph: _reduce_graph,
    EagerTensor: _reduce_tensor,
    OpDef: _reduce_definition,
    type(jax): lambda module: (
        type(jax),
        (vars(module)["_name"],),
    ),  # the proxies that import JAX on first use
}
