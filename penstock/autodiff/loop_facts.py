"""What is known of a While's body before its gradient is built, and makes the gradient cheaper.

A value that is the same in every iteration need not be kept for each; an element of a list that is written once need
not be cleared on the way back.
"""

from __future__ import annotations

from typing import Any

from penstock.engine import context
from penstock.engine.definition import REGISTRY
from penstock.graph.func_graph import FuncGraph
from penstock.types import dtypes
from penstock.types.tensors import SymbolicTensor


class InvariantValues:
    """The tensors of a loop's body that do not change, computed once before the loop.

    Args:
      call: the While. body: its body.
    """

    def __init__(self, call: Any, body: FuncGraph):
        self._call, self._body = call, body
        self._found: dict[int, Any] = {
            id(each): call.inputs[i]
            for i, each in enumerate(body.inputs)
            if i < len(body.outputs) and body.outputs[i] is each
        }
        written = [each for each in body.get_operations() if each.definition.writes or each.definition.nested]
        self._written = {
            id(tensor) for each in written for tensor in each.inputs if tensor.dtype is dtypes.resource
        }

    def outside(self, tensor: SymbolicTensor) -> Any:
        """The tensor before the loop that has the value of `tensor` in every iteration; None where there is none."""
        if id(tensor) not in self._found:
            self._found[id(tensor)] = self._hoisted(tensor)
        return self._found[id(tensor)]

    def _hoisted(self, tensor: SymbolicTensor) -> Any:
        operation = tensor.op
        definition = operation.definition
        reads = operation.type == "ReadVariableOp" and id(operation.inputs[0]) not in self._written
        if definition.nested or operation.type == "Placeholder" or (definition.stateful and not reads):
            return None
        if any(each.dtype is dtypes.variant for each in operation.outputs):
            return None
        inputs = [self.outside(each) for each in operation.inputs]
        if any(each is None for each in inputs):
            return None
        graph = self._call.graph
        first_new = len(graph.get_operations())
        with context.building(graph), graph.control_dependencies(None), context.tapes_stopped():
            made = graph.add_operation(REGISTRY[operation.type], inputs, operation.attrs)
        graph.move_before(first_new, self._call)
        self._found.update((id(each), new) for each, new in zip(operation.outputs, made.outputs))
        return self._found[id(tensor)]


def mark_single_writes(call: Any, body: FuncGraph) -> None:
    """Marks the TensorListSetItem ops that write every element of a new list at most once: at the loop's counter.

    The cotangent of such a list need not be cleared where it was written, which would copy it in every iteration.
    """
    positions = {id(each): i for i, each in enumerate(body.inputs)}
    for operation in body.get_operations():
        if operation.type != "TensorListSetItem":
            continue
        place, counter = (positions.get(id(each)) for each in operation.inputs[:2])
        if place is None or counter is None or max(place, counter) >= len(body.outputs):
            continue
        is_new = call.inputs[place].op.type in ("TensorListReserve", "EmptyTensorList")
        if is_new and body.outputs[place] is operation.outputs[0] and _counts(body, counter):
            operation.attrs["_writes_once"] = True


def _counts(body: FuncGraph, index: int) -> bool:
    """Whether a loop variable grows by a constant in each iteration."""
    new = body.outputs[index].op
    if new.type not in ("Add", "AddV2"):
        return False
    step = [each for each in new.inputs if each is not body.inputs[index]]
    return len(step) == 1 and step[0].op.type == "Const" and step[0].op.attrs["value"] != 0
