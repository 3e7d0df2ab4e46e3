"""Lowering of a loop that is a recurrent cell over a sequence: one computation, instead of an XLA loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.xla import jnp
from penstock.graph.recurrent_cells import Cell, recognize
from penstock.ops.nn import recurrent_sequences
from penstock.ops.tensor_list_kernels import stacked
from penstock.runtime.lowering import Lowering, as_array
from penstock.types.tensor_list import StackedList


def lower_cell(operation: Any, inputs: Sequence[Any], lowering: Lowering) -> list[Any] | None:
    """The outputs of a While; None where it is no recurrent cell."""
    cell = recognize(operation)
    if cell is None:
        return None
    x = stacked(inputs[cell.sequence]).buffer
    if x is None or x.shape[0] != cell.steps or 0 in x.shape:
        return None
    body = operation.attrs["body"]
    states = [as_array(inputs[i], body.inputs[i].dtype) for i in cell.states]
    weights = _values_of(body, cell, inputs, lowering)
    results = list(inputs)
    if cell.kind == "lstm":
        h, c = recurrent_sequences.lstm(x, *states, *weights)
        results[cell.states[1]] = c
    else:
        h = recurrent_sequences.gru(x, *states, *weights)
    results[cell.states[0]] = h[-1]
    written = h if cell.keeps_all else h[-1:]
    before = inputs[cell.output]
    results[cell.output] = StackedList(
        written,
        jnp.asarray(len(written), jnp.int32),
        len(written),
        before.element_shape,
        before.element_dtype,
    )
    for i, each in enumerate(body.outputs):
        if each is not body.inputs[i] and i not in (*cell.states, cell.output):  # a counter
            results[i] = inputs[i] + body.inputs[i].dtype.as_numpy_dtype(cell.steps)
    return results


def _values_of(body: Any, cell: Cell, inputs: Sequence[Any], lowering: Lowering) -> list[Any]:
    """The weights, by the operations of the body that compute them."""
    values = {id(each): value for each, value in zip(body.inputs, inputs)}
    needed: set[int] = set()
    stack = [each for each in cell.weights if id(each) not in values]
    while stack:
        operation = stack.pop().op
        needed.add(id(operation))
        stack.extend(each for each in operation.inputs if id(each) not in values)
    lowering.run([each for each in body.get_operations() if id(each) in needed], values, nested=True)
    return [as_array(values[id(each)], each.dtype) for each in cell.weights]
