"""Ops on tables that are cut into shards, as ops on the shards: a table of rules, by op type.

The rows that an op names are sorted by shard, and each shard gets its own; a table is never put together unless the
program reads all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine import context
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.graph.func_graph import FuncGraph
from penstock.parameter_server.remote_state import ShardedState
from penstock.runtime.lowering import pruned
from penstock.types import dtypes, errors
from penstock.types.tensors import Tensor


class Shards:
    """A table's shards in a graph: their handles, and where each begins."""

    def __init__(self, handles: Sequence[Any], state: ShardedState):
        self.handles, self.offsets, self.dtype = list(handles), list(state.offsets), state.handle_data.dtype

    @property
    def sizes(self) -> list[int]:
        """The rows of each shard."""
        return [after - before for before, after in zip(self.offsets, self.offsets[1:])]

    def split(self, ids: Any) -> tuple[list[Any], list[Any]]:
        """The positions of the ids of each shard in the vector `ids`, and their rows there.

        An id outside of the table goes to the last shard, which complains of it.
        """
        bounds = convert_to_tensor(self.offsets[1:-1], ids.dtype)
        shard = execute("UpperBound", (bounds[None, :], ids[None, :]), {"out_type": dtypes.int32})[0]
        starts = convert_to_tensor(self.offsets[:-1], ids.dtype)
        rows = ids - execute("GatherV2", (starts, shard, convert_to_tensor(0)))
        attrs = {"num_partitions": len(self.handles)}
        positions = execute("Range", (convert_to_tensor(0), execute("Size", (ids,)), convert_to_tensor(1)))
        return (
            execute("DynamicPartition", (positions, shard), attrs),
            execute("DynamicPartition", (rows, shard), attrs),
        )


def _flat(ids: Any) -> Any:
    return execute("Reshape", (ids, convert_to_tensor([-1])))


def _read(operation: Any, shards: Shards) -> Tensor:
    parts = [execute("ReadVariableOp", (each,), {"dtype": shards.dtype}) for each in shards.handles]
    return execute("ConcatV2", (parts, convert_to_tensor(0)))


def _gather(operation: Any, shards: Shards, ids: Any) -> Tensor:
    if operation.attrs["batch_dims"]:
        raise _unsupported(operation)
    positions, rows = shards.split(_flat(ids))
    found = [
        execute("ResourceGather", (handle, each), {"dtype": shards.dtype})
        for handle, each in zip(shards.handles, rows)
    ]
    joined = execute("ParallelDynamicStitch", (positions, found))
    inner = convert_to_tensor(operation.outputs[0].shape.as_list()[ids.shape.rank :], dtypes.int32)
    shape = execute("ConcatV2", ([execute("Shape", (ids,)), inner], convert_to_tensor(0)))
    result = execute("Reshape", (joined, shape))
    result.set_shape(operation.outputs[0].shape)
    return result


def _assign(operation: Any, shards: Shards, value: Any) -> None:
    parts = execute(
        "SplitV", (value, convert_to_tensor(shards.sizes, dtypes.int64), convert_to_tensor(0)),
        {"num_split": len(shards.handles)},
    )  # fmt: skip
    for handle, part in zip(shards.handles, parts):
        execute(operation.type, (handle, part), None)


def _scatter(operation: Any, shards: Shards, ids: Any, updates: Any) -> None:
    if updates.shape.rank == 0:
        _, rows = shards.split(_flat(ids))
        for handle, each in zip(shards.handles, rows):
            execute(operation.type, (handle, each, updates), None)
        return
    inner = operation.inputs[0].handle_data.shape.as_list()[1:]
    by_row = execute("Reshape", (updates, convert_to_tensor([-1, *inner], dtypes.int32)))
    positions, rows = shards.split(_flat(ids))
    for handle, place, each in zip(shards.handles, positions, rows):
        part = execute("GatherV2", (by_row, place, convert_to_tensor(0)))
        execute(operation.type, (handle, each, part), None)


def _shape(operation: Any, shards: Shards) -> Tensor:
    shape = operation.inputs[0].handle_data.shape.as_list()
    return convert_to_tensor(shape, operation.attrs["out_type"])


def _is_initialized(operation: Any, shards: Shards) -> Tensor:
    return convert_to_tensor(True)


# Op type -> rule(operation, shards, *other inputs), which adds the ops on the shards and returns the output.
RULES: dict[str, Callable] = {
    "ReadVariableOp": _read,
    "ResourceGather": _gather,
    "VarIsInitializedOp": _is_initialized,
    "VariableShape": _shape,
    **{f"Assign{each}VariableOp": _assign for each in ("", "Add", "Sub")},
    **{f"ResourceScatter{each}": _scatter for each in ("Update", "Add", "Sub", "Mul", "Div", "Min", "Max")},
}


def _unsupported(operation: Any) -> errors.UnimplementedError:
    return errors.UnimplementedError(
        None,
        operation,
        f"{operation.type} on a variable that is cut into shards: use its `variables` one by one, or make the variable "
        f"without a partitioner. Sharded variables take {', '.join(sorted(RULES))}.",
    )


def expand(graph: FuncGraph, values: Sequence[Any]) -> tuple[FuncGraph, list[tuple[int, int]]]:
    """The function with ops on shards for ops on whole tables.

    Returns:
      The function, and for each input that it has in addition, a shard's handle, the position of the table among the
      inputs and the number of the shard. Branches and loops keep the table's own handle.
    """
    sharded = {i: value for i, value in enumerate(values) if isinstance(value, ShardedState)}
    if not sharded:
        return graph, []
    target = FuncGraph(graph.name)
    target.outer_graph = None
    known: dict[int, Any] = {}
    tables: dict[int, Shards] = {}
    added: list[tuple[int, int]] = []
    with context.building(target), context.tapes_stopped():
        for tensor in graph.inputs:
            known[id(tensor)] = new = target.add_input(tensor.dtype, tensor.shape, tensor.op.name)
            new.handle_data = tensor.handle_data
        for position, state in sharded.items():
            handles = []
            for number, shard in enumerate(state.shards):
                handle = target.add_input(dtypes.resource, (), "shard")
                handle.handle_data = shard.handle_data
                handles.append(handle)
                added.append((position, number))
            tables[id(graph.inputs[position])] = Shards(handles, state)
        for operation in pruned(graph):
            inputs = [known[id(each)] for each in operation.inputs]
            whole = tables.get(id(operation.inputs[0])) if operation.inputs else None
            if whole is None or operation.definition.nested:
                if not operation.definition.nested and any(id(each) in tables for each in operation.inputs):
                    raise _unsupported(operation)
                with target.control_dependencies(
                    [known[id(each)] for each in operation.control_inputs if id(each) in known]
                ):
                    copy = target.add_operation(
                        operation.definition, inputs, operation.attrs, operation.name,
                        [each.shape for each in operation.outputs],
                    )  # fmt: skip
                copy.device, copy.line = operation.device, operation.line
                known[id(operation)] = copy
                for old, new in zip(operation.outputs, copy.outputs):
                    new.handle_data = old.handle_data
                    known[id(old)] = new
                continue
            rule = RULES.get(operation.type)
            if rule is None:
                raise _unsupported(operation)
            result = rule(operation, whole, *inputs[1:])
            if operation.outputs:
                known[id(operation.outputs[0])] = result
        target.outputs = [known[id(each)] for each in graph.outputs]
        target.structured_outputs = list(target.outputs)
    return target, added
