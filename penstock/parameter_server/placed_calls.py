"""Functions that run where a variable is: what updates of variables are traced into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine import context
from penstock.engine.execute import execute
from penstock.graph.func_graph import FuncGraph, set_outputs
from penstock.parameter_server.remote_state import RemoteState
from penstock.types import dtypes, errors, nest
from penstock.types.tensors import EagerTensor, Tensor


def call_at(server: str, function: Callable, args: tuple, kwargs: dict) -> Any:
    """Traces `function(*args, **kwargs)` as a call that runs on a server, in the graph that is being built.

    Variables of that server are used there; values of variables on others are read first and go along, as everything
    else does that the function takes from outside.

    Raises:
      InvalidArgumentError: the function assigns a variable of another server.
    """
    body = FuncGraph("placed")
    with context.building(body):
        given = nest.map_structure(
            lambda each: body.capture(each, by_value=False) if isinstance(each, Tensor) else each,
            (args, kwargs),
            expand_composites=True,
        )
        set_outputs(body, function(*given[0], **given[1]))
    body = _without_reads_of_others(body, server)
    captures = body.external_captures
    handles = [i for i, each in enumerate(captured_states(captures)) if each is not None]
    inputs = [i for i in range(len(captures)) if i not in set(handles)]
    body.inputs = [body.inputs[i] for i in (*handles, *inputs)]
    outputs = execute(
        "PlacedCall",
        ([captures[i] for i in handles], [captures[i] for i in inputs]),
        {"f": body, "Tout": [each.dtype for each in body.outputs]},
    )
    found = iter(outputs or ())
    flat = nest.flatten(body.structured_outputs, expand_composites=True)
    filled = [None if each is None else next(found) for each in flat]
    return nest.pack_sequence_as(body.structured_outputs, filled, expand_composites=True)


def captured_states(captures: list[Any]) -> list[RemoteState | None]:
    """For each captured tensor the server's state that it is the handle of; None for all else."""
    found: list[RemoteState | None] = []
    for each in captures:
        is_handle = isinstance(each, EagerTensor) and each.dtype is dtypes.resource
        state = each.host() if is_handle else None
        found.append(state if isinstance(state, RemoteState) else None)
    return found


def _without_reads_of_others(body: FuncGraph, server: str) -> FuncGraph:
    """The body with the values of other servers' variables among its inputs, in place of their handles."""
    others = {
        id(inside): outside
        for (outside, inside), state in zip(body.captures, captured_states(body.external_captures))
        if outside.dtype is dtypes.resource and (state is None or state.server != server)
    }
    if not others:
        return body
    target = FuncGraph(body.name)
    values: dict[int, Any] = {}
    for outside, inside in body.captures:
        if id(inside) not in others:
            values[id(inside)] = target.capture(outside, by_value=False)
    inputs = {id(each.op) for each in body.inputs}
    with context.tapes_stopped():
        for operation in body.get_operations():
            if id(operation) in inputs:
                continue
            foreign = [others[id(each)] for each in operation.inputs if id(each) in others]
            if foreign and operation.type == "ReadVariableOp":
                value = execute("ReadVariableOp", (foreign[0],), {"dtype": operation.attrs["dtype"]})
                with context.building(target):
                    values[id(operation.outputs[0])] = target.capture(value, by_value=False)
                continue
            if foreign:
                raise errors.InvalidArgumentError(
                    None,
                    operation,
                    f"{operation.type} in an update of a variable on {server} changes {foreign[0].host()!r}, which is "
                    "elsewhere. Create slots inside `strategy.extended.colocate_vars_with(variable)`.",
                )
            with context.building(target):
                copy = target.add_operation(
                    operation.definition,
                    [values[id(each)] for each in operation.inputs],
                    operation.attrs,
                    operation.name,
                    [each.shape for each in operation.outputs],
                )
            for old, new in zip(operation.outputs, copy.outputs):
                new.handle_data = old.handle_data
                values[id(old)] = new
    target.outputs = [values[id(each)] for each in body.outputs]
    target.structured_outputs = nest.map_structure(
        lambda each: None if each is None else values[id(each)],
        body.structured_outputs,
        expand_composites=True,
    )
    return target
