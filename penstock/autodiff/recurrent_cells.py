"""The gradient of a loop that is a recurrent cell over a sequence: one op, instead of a loop that runs backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.autodiff.backprop import backpropagate, dense, zeros_like
from penstock.autodiff.loop_facts import InvariantValues
from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.graph.recurrent_cells import recognize
from penstock.ops.nn import recurrent_sequences as _recurrent_sequences  # noqa: F401 - defines the ops


def cell_gradient(call: Any, output_gradients: Sequence[Any]) -> list[Any] | None:
    """The gradients of a While with respect to its inputs; None where it is no recurrent cell."""
    cell = recognize(call)
    if cell is None or call.inputs[cell.sequence].op.type != "TensorListFromTensor":
        return None
    invariant = InvariantValues(call, call.attrs["body"])
    weights = [invariant.outside(each) for each in cell.weights]
    if any(each is None for each in weights):
        return None
    x = call.inputs[cell.sequence].op.inputs[0]
    known = {i: dense(each) for i, each in enumerate(output_gradients) if each is not None}
    with context.building(call.graph if thread.graph is None else thread.graph):
        states = [call.inputs[i] for i in cell.states]
        last = [known[i] if i in known else zeros_like(call.outputs[i]) for i in cell.states]
        steps = _elements(known[cell.output], states[0]) if cell.output in known else None
        if steps is not None and not cell.keeps_all:
            last[0] = last[0] + execute("Squeeze", (steps,), {"squeeze_dims": [0]})
            steps = None
        if steps is None:
            shape = execute("Shape", (states[0],))
            shape = execute("ConcatV2", ([convert_to_tensor([cell.steps]), shape], convert_to_tensor(0)))
            steps = execute("Fill", (shape, convert_to_tensor(0.0, x.dtype)))
        found = execute(_OPS[cell.kind], (x, *states, *weights, steps, *last), {})
        dx, *rest = found
        gradients: list[Any] = [None] * len(call.inputs)
        shape = execute("Shape", (dx,))[1:]
        gradients[cell.sequence] = execute("TensorListFromTensor", (dx, shape), {"element_dtype": dx.dtype})
        for i, gradient in zip(cell.states, rest):
            gradients[i] = gradient
        of_weights = backpropagate(
            _calls_between(call, weights), weights, rest[len(states) :], list(call.inputs)
        )
        for i, gradient in enumerate(of_weights):
            if gradient is not None:
                gradients[i] = gradient
    return gradients


_OPS = {"lstm": "LstmSequenceGrad", "gru": "GruSequenceGrad"}


def _elements(gradient: Any, state: Any) -> Any:
    """The elements of the list that is the gradient of a list of states, stacked."""
    shape = execute("Shape", (state,))
    return execute("TensorListStack", (gradient, shape), {"element_dtype": state.dtype})


def _calls_between(call: Any, weights: Sequence[Any]) -> list[Any]:
    """The operations that compute the weights from the inputs of the loop, in order."""
    inputs = {id(each) for each in call.inputs}
    found: dict[int, Any] = {}
    stack = [each for each in weights if id(each) not in inputs]
    while stack:
        operation = stack.pop().op
        if id(operation) not in found:
            found[id(operation)] = operation
            stack.extend(each for each in operation.inputs if id(each) not in inputs)
    return [each for each in call.graph.get_operations() if id(each) in found]
