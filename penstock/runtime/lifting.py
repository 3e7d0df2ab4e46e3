"""Values of tensors of a graph being traced, computed now: initial values of variables made inside a `tf.function`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.runtime.executor import Executor, to_tensor
from penstock.types.tensors import EagerTensor


def evaluate_outside(tensor: Any, arguments: Mapping[int, Any] | None = None) -> EagerTensor:
    """Runs the part of the graph that `tensor` depends on.

    Args:
      tensor: of a graph that is being traced.
      arguments: id of a placeholder -> the eager tensor that the traced call gives for it.

    Raises:
      ValueError: it depends on an argument whose value is not known: the function is traced for specs.
    """
    needed: dict[int, Any] = {}
    stack = [tensor.op]
    while stack:
        operation = stack.pop()
        if id(operation) in needed:
            continue
        needed[id(operation)] = operation
        stack.extend(each.op for each in operation.inputs)
    known = {id(inside): outside for outside, inside in getattr(tensor.graph, "captures", ())}
    known.update(arguments or {})
    inputs, values = [], []
    for operation in needed.values():
        if operation.type != "Placeholder":
            continue
        outside = known.get(id(operation.outputs[0]))
        if not isinstance(outside, EagerTensor):
            raise ValueError(
                f"The initial value of a variable depends on {operation.name!r}, an argument of the function being traced, "
                "which has no value yet. Call the function once, or give an initial value that does not depend on arguments."
            )
        inputs.append(operation.outputs[0])
        values.append(outside.device_value())
    order = sorted(
        (each for each in needed.values() if each.type != "Placeholder"), key=lambda each: each.index
    )
    (value,) = Executor(order, inputs, [tensor]).run(values)
    return to_tensor(value, tensor.dtype)
