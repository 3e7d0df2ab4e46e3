"""Variables of a graph as VariableDef messages, and back: what collections in a MetaGraph hold."""

from __future__ import annotations

from typing import Any

from penstock.ops.variables.variable import Variable
from penstock.types.specs import VariableSpec


def variable_def(variable: Any, scope: str = "") -> Any:
    """The message of a variable of a graph; None where it is not in the scope, whose name is left out of the names."""
    from tensorboard.compat.proto import variable_pb2

    def inside(name: str) -> str:
        return name.removeprefix(f"{scope}/") if scope else name

    if scope and not variable.name.startswith(f"{scope}/"):
        return None
    message = variable_pb2.VariableDef(variable_name=inside(variable.name), is_resource=True)
    message.trainable = bool(variable.trainable)
    if variable._initial_value is not None:
        message.initial_value_name = inside(variable._initial_value.name)
    if variable._initializer_op is not None:
        message.initializer_name = inside(variable._initializer_op.name)
    if variable._graph_element is not None:
        message.snapshot_name = inside(variable._graph_element.name)
    for field in ("synchronization", "aggregation"):
        setattr(message, field, int(getattr(getattr(variable, field), "value", 0)))
    return message


def variable_of(message: Any, graph: Any, scope: str = "") -> Variable | None:
    """The variable that a message describes, over nodes that `graph` has; None where it lacks them."""
    prefix = f"{scope}/" if scope else ""
    name = f"{prefix}{message.variable_name}"
    operation = _operation(graph, name)
    if operation is None or not operation.outputs:
        return None
    if operation.type == "ReadVariableOp":  # a reference variable of TF 1, which is read under its name
        operation = operation.inputs[0].op
    handle = operation.outputs[0]
    if handle.handle_data is None:
        return None
    shape, dtype = handle.handle_data
    variable = Variable._from_handle(
        handle, VariableSpec(shape, dtype, message.trainable or not message.is_resource)
    )
    variable._handle_name = name if ":" in name else f"{name}:0"
    initial = (
        _operation(graph, f"{prefix}{message.initial_value_name}") if message.initial_value_name else None
    )
    snapshot = _operation(graph, f"{prefix}{message.snapshot_name}") if message.snapshot_name else None
    variable._initial_value = initial.outputs[0] if initial is not None else None
    variable._initializer_op = _operation(graph, f"{prefix}{message.initializer_name}")
    variable._graph_element = snapshot.outputs[0] if snapshot is not None else None
    variable._is_initialized_op = None
    return variable


def _operation(graph: Any, name: str) -> Any:
    return graph._by_name.get(name.partition(":")[0])
