"""Rewrites a function so that ops on parameter servers' states run on the servers, in as few calls as can be.

Each op on such a state belongs to a phase: the reads that need nothing of other servers to the first, what depends on
their results (the updates of a training step) to the next. A phase is one `ServerCalls`: one function for each server,
all called at once. What is left is the worker's: it compiles as any other function does.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine import context
from penstock.engine.definition import REGISTRY
from penstock.engine.resources import HandleData
from penstock.graph.copying import copy_operations
from penstock.graph.func_graph import FuncGraph
from penstock.graph.function_bytes import function_to_bytes
from penstock.parameter_server.remote_state import RemoteState, ShardedState
from penstock.parameter_server.row_lookups import with_row_lookups
from penstock.parameter_server.server_calls import programs
from penstock.parameter_server.sharding import expand
from penstock.runtime.executor import executor_of
from penstock.runtime.lowering import has_effect, pruned
from penstock.types import dtypes, errors
from penstock.types.dtypes import dtype_of_array
from penstock.types.shapes import TensorShape

_OUTSIDE = -1  # the key of effects outside of any resource
_LARGEST_SENT_CONSTANT = (
    1 << 12
)  # elements; larger constants are sent with each call instead of with the function


class Placed(NamedTuple):
    """A function that was placed.

    Attributes:
      graph: takes the inputs of the original, and then the states of the shards of those that are sharded.
      shard_inputs: for each of the latter the position of the whole among the inputs, and the number of the shard.
    """

    graph: FuncGraph
    shard_inputs: list[tuple[int, int]]

    def arguments(self, values: Sequence[Any]) -> list[Any]:
        """The values of the graph's inputs for those of the original."""
        return [*values, *(values[position].shards[shard] for position, shard in self.shard_inputs)]


def is_remote(value: Any) -> bool:
    """Whether a resource's object stands for states on servers."""
    return isinstance(value, (RemoteState, ShardedState))


def place(graph: FuncGraph, values: Sequence[Any]) -> Placed:
    """A FuncGraph's form for inputs with these values (only those of resources matter).

    Raises:
      InvalidArgumentError: an op takes states of different servers.
    """
    remote = {id(tensor) for tensor, value in zip(graph.inputs, values) if is_remote(value)}
    expanded, shard_inputs = expand(with_row_lookups(graph, remote), values)
    states: dict[int, RemoteState] = {}
    for tensor, value in zip(expanded.inputs, values):
        if isinstance(value, RemoteState):
            states[id(tensor)] = value
    for tensor, (position, shard) in zip(expanded.inputs[len(values) :], shard_inputs):
        states[id(tensor)] = values[position].shards[shard]
    return Placed(_Placement(expanded, states).placed(), shard_inputs)


class _Placement:
    """One function on its way: which op runs in which phase, and where."""

    def __init__(self, source: FuncGraph, states: dict[int, RemoteState]):
        self._source, self._states = source, states
        self._level: dict[
            int, int
        ] = {}  # id(operation) -> its phase, or the phase after which the worker runs it
        self._server: dict[int, str] = {}  # id(operation) -> where it runs; absent for the worker's
        self._last: dict[int, int] = {}  # id(resource) -> the level of its last user so far
        for operation in pruned(source):
            self._assign(operation)

    def _assign(self, operation: Any) -> None:
        needed = [self._level.get(id(each.op), 0) for each in operation.inputs]
        level = max(
            [*needed, *(self._level.get(id(each), 0) for each in operation.control_inputs)], default=0
        )
        handles = [each for each in operation.inputs if id(each) in self._states]
        here = not handles or (operation.definition.nested and operation.type != "PlacedCall")
        touched = [id(each) for each in operation.inputs if each.dtype is dtypes.resource]
        if not touched and operation.definition.stateful and has_effect(operation):
            touched = [_OUTSIDE]
        if here:
            level = max([level, *(self._last.get(each, 0) for each in touched)])
            after = (
                level + 1 if handles else level
            )  # a branch or loop on states: what uses them next waits for it
        else:
            self._server[id(operation)] = self._server_of(operation, handles)
            level = after = max([level + 1, *(self._last.get(each, 0) for each in touched)])
        self._level[id(operation)] = level
        self._last.update((each, after) for each in touched)

    def _server_of(self, operation: Any, handles: list[Any]) -> str:
        states = [self._states[id(each)] for each in handles]
        servers = {each.server for each in states}
        if len(servers) > 1:
            raise errors.InvalidArgumentError(
                None,
                operation,
                f"{operation.type} takes variables of different parameter servers: "
                f"{', '.join(f'{each.name} ({each.server})' for each in states)}. Create slots inside "
                "`strategy.extended.colocate_vars_with(variable)`.",
            )
        return servers.pop()

    # Building.

    def placed(self) -> FuncGraph:
        """The function with a `ServerCalls` for each phase."""
        target = FuncGraph(self._source.name)
        target.outer_graph = None
        values: dict[int, Any] = {}
        with context.building(target), context.tapes_stopped():
            for tensor in self._source.inputs:
                values[id(tensor)] = new = target.add_input(tensor.dtype, tensor.shape, tensor.op.name)
                new.handle_data = tensor.handle_data
            phases: dict[int, list[Any]] = {}
            for operation in pruned(self._source):
                phases.setdefault(self._level[id(operation)], []).append(operation)
            for level in sorted(phases):
                remote = [each for each in phases[level] if id(each) in self._server]
                if remote:
                    self._add_calls(target, remote, values)
                local = [each for each in phases[level] if id(each) not in self._server]
                _copy(local, target, values)
            target.outputs = [values[id(each)] for each in self._source.outputs]
            target.structured_outputs = list(target.outputs)
        return target

    def _add_calls(self, target: FuncGraph, operations: list[Any], values: dict[int, Any]) -> None:
        bodies: dict[str, _Body] = {}
        for operation in operations:
            body = bodies.setdefault(self._server[id(operation)], _Body(self._states))
            body.add(operation)
        wanted = self._used_outside({id(each) for each in operations})
        for body in bodies.values():
            body.finish(wanted)
        calls = list(bodies.values())
        handles = [values[id(each)] for body in calls for each in body.handles]
        inputs = [values[id(each)] for body in calls for each in body.inputs]
        outputs = [each for body in calls for each in body.outputs]
        attrs = {
            "programs": [body.digest for body in calls],
            "handle_counts": [len(body.handles) for body in calls],
            "input_counts": [len(body.inputs) for body in calls],
            "output_counts": [len(body.outputs) for body in calls],
            "output_shapes": [each.shape for each in outputs],
            "Tout": [each.dtype for each in outputs],
            "Th": [each.dtype for each in handles],
            "Ti": [each.dtype for each in inputs],
        }
        node = target.add_operation(REGISTRY["ServerCalls"], [*handles, *inputs], attrs)
        node.line = operations[0].line
        values.update((id(old), new) for old, new in zip(outputs, node.outputs))

    def _used_outside(self, inside: set[int]) -> set[int]:
        """ids of the tensors that some operation, or the function's caller, takes and these operations may make."""
        found = {id(each) for each in self._source.outputs}
        for operation in pruned(self._source):
            if id(operation) not in inside:
                found.update(id(each) for each in operation.inputs)
        return found


def _copy(operations: list[Any], target: FuncGraph, values: dict[int, Any]) -> None:
    for operation in operations:
        copy = target.add_operation(
            operation.definition,
            [values[id(each)] for each in operation.inputs],
            operation.attrs,
            operation.name,
            [each.shape for each in operation.outputs],
        )
        copy.device, copy.line = operation.device, operation.line
        for old, new in zip(operation.outputs, copy.outputs):
            new.handle_data = old.handle_data
            values[id(old)] = new


class _Body:
    """The function that one server runs in one phase.

    Attributes:
      handles, inputs, outputs: tensors of the original function that go in and come out. digest: names the function.
    """

    def __init__(self, states: dict[int, RemoteState]):
        self._states = states
        self._operations: list[Any] = []
        self.handles: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.digest = ""

    def add(self, operation: Any) -> None:
        """Puts an operation at the end."""
        self._operations.append(operation)

    def finish(self, wanted: set[int]) -> None:
        """Builds the function, with those outputs that are wanted, and notes it among the programs."""
        made = {id(each) for operation in self._operations for each in operation.outputs}
        entering = {
            id(each): each
            for operation in self._operations
            for each in operation.inputs
            if id(each) not in made
        }
        self.handles = [each for each in entering.values() if id(each) in self._states]
        rest = [each for each in entering.values() if id(each) not in self._states]
        constants = [each for each in rest if _is_small_constant(each)]
        self.inputs = [each for each in rest if not _is_small_constant(each)]
        body = FuncGraph("server")
        body.outer_graph = None
        values: dict[int, Any] = {}
        with context.building(body), context.tapes_stopped():
            for each in (*self.handles, *self.inputs):
                values[id(each)] = new = body.add_input(each.dtype, each.shape, "input")
                new.handle_data = each.handle_data
            _copy([each.op for each in constants], body, values)
            for operation in self._operations:
                if operation.type == "PlacedCall":
                    self._inline(operation, body, values)
                else:
                    _copy([operation], body, values)
        self.outputs = [
            each for operation in self._operations for each in operation.outputs if id(each) in wanted
        ]
        body.outputs = [values[id(each)] for each in self.outputs]
        body.structured_outputs = list(body.outputs)
        data = function_to_bytes(body)
        self.digest = hashlib.sha256(data).hexdigest()[:32]
        programs()[self.digest] = data

    @staticmethod
    def _inline(operation: Any, body: FuncGraph, values: dict[int, Any]) -> None:
        inner = operation.attrs["f"]
        inside = {id(old): values[id(new)] for old, new in zip(inner.inputs, operation.inputs, strict=True)}
        copy_operations(inner, body, inside)
        values.update((id(new), inside[id(old)]) for old, new in zip(inner.outputs, operation.outputs))


def _is_small_constant(tensor: Any) -> bool:
    return tensor.op.type == "Const" and np.size(tensor.op.attrs["value"]) <= _LARGEST_SENT_CONSTANT


# Functions that the coordinator itself runs.


def run_placed(graph: FuncGraph, values: Sequence[Any]) -> list[Any] | None:
    """The results of a function for values of its inputs; None where none of them is a state on a server."""
    states = [each for each in values if is_remote(each)]
    if not states:
        return None
    known = getattr(graph, "_placed", None)
    if known is None or len(known[0]) != len(states) or any(a is not b for a, b in zip(known[0], states)):
        known = graph._placed = (states, place(graph, values))  # type: ignore[attr-defined]
    placed = known[1]
    return executor_of(placed.graph).run(placed.arguments(list(values)))


# Ops that run at once.

_ops: dict[tuple, tuple[Placed, list[weakref.ref]]] = {}  # with the states, which live on their own


def run_op(op_type: str, inputs: Sequence[Any], attrs: dict) -> Any:
    """Runs one op whose first inputs are states on servers, and returns what its kernel would."""
    definition = REGISTRY[op_type]
    kinds = [
        each if is_remote(each) else (dtype_of_array(np.asarray(each)), np.ndim(each)) for each in inputs
    ]
    key = (
        op_type,
        repr(sorted(attrs.items())),
        *((id(each),) if is_remote(each) else each for each in kinds),
    )
    states = [each for each in inputs if is_remote(each)]
    entry = _ops.get(key)
    # The id of a state that is gone may be another's now.
    if entry is None or any(known() is not each for known, each in zip(entry[1], states)):
        placed = place(_op_graph(definition, kinds, attrs), inputs)
        forget = lambda _: _ops.pop(key, None)  # noqa: E731
        entry = _ops[key] = (placed, [weakref.ref(each, forget) for each in states])
    placed = entry[0]
    results = executor_of(placed.graph, prefer_host=True).run(placed.arguments(list(inputs)))
    return results[0] if definition.signature.single_output else results or None


def _op_graph(definition: Any, kinds: Sequence[Any], attrs: dict) -> FuncGraph:
    graph = FuncGraph(definition.type)
    graph.outer_graph = None
    with context.building(graph), context.tapes_stopped():
        placeholders = []
        for each in kinds:
            if is_remote(each):
                new = graph.add_input(dtypes.resource, TensorShape([]), "state")
                new.handle_data = HandleData(*each.handle_data)
            else:
                dtype, rank = each
                new = graph.add_input(dtype, TensorShape([None] * rank), "input")
            placeholders.append(new)
        operation = graph.add_operation(definition, placeholders, attrs)
        graph.outputs = list(operation.outputs)
        graph.structured_outputs = list(operation.outputs)
    return graph
