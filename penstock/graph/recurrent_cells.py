"""Recognizes loops that run an LSTM or GRU cell over a sequence, as Keras builds them from While and TensorLists.

Such a loop can be computed as a whole: by a native kernel, and its gradient by another, instead of operation by
operation with a list for every intermediate value. A cell is described by patterns (`graph/patterns.py`); a loop that
differs from them in anything is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.engine.static_value import constant_value
from penstock.graph.patterns import matches
from penstock.types import dtypes

_LSTM_H = ("Mul", ("Sigmoid", "o"), ("Tanh", "c"))
_LSTM_C = ("AddV2", ("Mul", ("Sigmoid", "f"), "c_before"), ("Mul", ("Sigmoid", "i"), ("Tanh", "g")))
_LSTM_SUMS = (
    "BiasAdd",
    ("AddV2", ("MatMul", "x", "kernel"), ("MatMul", "h_before", "recurrent_kernel")),
    "bias",
)

_GRU_H = (
    "AddV2",
    ("Mul", ("Sigmoid", "z"), "h_before"),
    ("Mul", ("Sub", "one", ("Sigmoid", "z")), ("Tanh", ("AddV2", "x_h", ("Mul", ("Sigmoid", "r"), "h_h")))),
)
_GRU_SUMS = ("BiasAdd", ("MatMul", "x", "kernel"), "bias")
_GRU_RECURRENT = ("AddV2", ("MatMul", "h_before", "recurrent_kernel"), "recurrent_bias")


@dataclass(frozen=True, slots=True)
class Cell:
    """A recognized loop.

    Attributes:
      kind: "lstm" or "gru". steps: how many. sequence: the position of the list of inputs. states: the positions of h
        (and c). output: the position of the list of outputs. keeps_all: whether that gets every h; otherwise its one
        element is the last. weights: tensors of the body that are the same in every step: kernel, recurrent kernel, and
        the biases.
    """

    kind: str
    steps: int
    sequence: int
    states: tuple[int, ...]
    output: int
    keeps_all: bool
    weights: tuple[Any, ...]


def recognize(loop: Any) -> Cell | None:
    """The cell that a While runs over all of a list's elements, once each and in order; None where it does not."""
    body = loop.attrs["body"]
    version = (body.version, len(body.outputs))
    kept = getattr(body, "_recurrent_cell", None)
    if kept is None or kept[0] != version:
        kept = body._recurrent_cell = (version, _recognize(loop, body))
    return kept[1]


def _recognize(loop: Any, body: Any) -> Cell | None:
    changed = [i for i, each in enumerate(body.outputs) if each is not body.inputs[i]]
    lists = [i for i in changed if body.outputs[i].op.type == "TensorListSetItem"]
    states = [i for i in changed if body.outputs[i].dtype in (dtypes.float32, dtypes.bfloat16)]
    counters = [i for i in changed if i not in lists and i not in states]
    if len(lists) != 1 or len(states) not in (1, 2) or any(not _counts(body, i) for i in counters):
        return None
    found = _match_lstm(body, states) if len(states) == 2 else _match_gru(body, states)
    if found is None:
        return None
    kind, values, states = found
    read, written = values["x"].op, body.outputs[lists[0]].op
    if read.type != "TensorListGetItem" or written.inputs[0] is not body.inputs[lists[0]]:
        return None
    sequence, time = (_position(body, each) for each in read.inputs[:2])
    if sequence is None or body.outputs[sequence] is not body.inputs[sequence] or time not in counters:
        return None
    if written.inputs[2] is not body.outputs[states[0]]:
        return None
    steps = _steps(loop, time, counters)
    if steps is None or steps != _length(loop.inputs[sequence]):
        return None
    index, size = written.inputs[1], _length(loop.inputs[lists[0]])
    keeps_all = index is body.inputs[time] and size == steps
    if not keeps_all and not (size == 1 and _is(index, 0)):
        return None
    names = ("kernel", "recurrent_kernel", "bias") + (("recurrent_bias",) if kind == "gru" else ())
    weights = tuple(values[name] for name in names)
    if not all(_is_invariant(body, each) for each in weights):
        return None
    return Cell(kind, steps, sequence, tuple(states), lists[0], keeps_all, weights)


# Patterns.


def _match_lstm(body: Any, states: Sequence[int]) -> tuple[str, dict[str, Any], list[int]] | None:
    for h, c in (states, states[::-1]):
        values = {"c": body.outputs[c], "c_before": body.inputs[c], "h_before": body.inputs[h]}
        if not matches(_LSTM_H, body.outputs[h], values) or not matches(_LSTM_C, body.outputs[c], values):
            continue
        sums = _split([values[each] for each in "ifgo"])
        if sums is not None and matches(_LSTM_SUMS, sums, values):
            return "lstm", values, [h, c]
    return None


def _match_gru(body: Any, states: Sequence[int]) -> tuple[str, dict[str, Any], list[int]] | None:
    (h,) = states
    values = {"h_before": body.inputs[h]}
    if not matches(_GRU_H, body.outputs[h], values) or not _is(values["one"], 1):
        return None
    for name in "zr":
        gate = values[name].op
        if gate.type != "AddV2":
            return None
        # Which side of the sum comes from the inputs is told by its op.
        from_inputs, from_state = sorted(gate.inputs, key=lambda each: each.op.type != "Split")
        values[f"x_{name}"], values[f"h_{name}"] = from_inputs, from_state
    sums = _split([values[f"x_{each}"] for each in "zrh"])
    recurrent = _columns([values[f"h_{each}"] for each in "zrh"])
    if sums is None or recurrent is None:
        return None
    if not matches(_GRU_SUMS, sums, values) or not matches(_GRU_RECURRENT, recurrent, values):
        return None
    return "gru", values, [h]


def _split(parts: Sequence[Any]) -> Any | None:
    """The tensor whose columns were split into these, in this order."""
    operation = parts[0].op
    if operation.type != "Split" or len(operation.outputs) != len(parts):
        return None
    if any(part is not output for part, output in zip(parts, operation.outputs)):
        return None
    return operation.inputs[1] if _is(operation.inputs[0], 1) or _is(operation.inputs[0], -1) else None


def _columns(parts: Sequence[Any]) -> Any | None:
    """The tensor that slices [:, 0:n], [:, n:2n], ... were taken from."""
    if any(each.op.type != "StridedSlice" or each.shape.rank != 2 for each in parts):
        return None
    whole, first = parts[0].op.inputs[0], 0
    for part in parts:
        operation = part.op
        if operation.inputs[0] is not whole:
            return None
        begin, _, step = (constant_value(each) for each in operation.inputs[1:])
        masked = operation.attrs
        width = part.shape.as_list()[1]
        if (
            begin is None
            or step is None
            or width is None
            or len(begin) != 2
            or any(each != 1 for each in step)
        ):
            return None
        if not masked["begin_mask"] & 1 or not masked["end_mask"] & 1 or masked["shrink_axis_mask"]:
            return None
        if (0 if masked["begin_mask"] & 2 else int(begin[1])) != first:
            return None
        first += width
    return whole if whole.shape.rank == 2 and whole.shape.as_list()[1] == first else None


# The loop around the cell.


def _position(body: Any, tensor: Any) -> int | None:
    for i, each in enumerate(body.inputs):
        if each is tensor:
            return i
    return None


def _is(tensor: Any, value: float) -> bool:
    known = constant_value(tensor)
    return known is not None and known.size == 1 and bool(known == value)


def _counts(body: Any, index: int) -> bool:
    """Whether a loop variable grows by one in each step."""
    operation = body.outputs[index].op
    if operation.type != "AddV2":
        return False
    a, b = operation.inputs
    return (a is body.inputs[index] and _is(b, 1)) or (b is body.inputs[index] and _is(a, 1))


def _steps(loop: Any, time: int, counters: Sequence[int]) -> int | None:
    """How many steps the loop takes, if it counts from 0 to numbers that are known, all of them the same."""
    cond = loop.attrs["cond"]
    if any(not _is(loop.inputs[i], 0) for i in counters):
        return None
    limits: set[int] = set()
    seen_time = False
    stack = [cond.outputs[0]]
    while stack:
        operation = stack.pop().op
        if operation.type in ("LogicalAnd", "Identity"):
            stack.extend(operation.inputs)
            continue
        if operation.type != "Less":
            return None
        counter, limit = _position(cond, operation.inputs[0]), operation.inputs[1]
        outside = _position(cond, limit)
        known = constant_value(limit if outside is None else loop.inputs[outside])
        if counter not in counters or known is None or known.size != 1:
            return None
        seen_time = seen_time or counter == time
        limits.add(int(known))
    return limits.pop() if len(limits) == 1 and seen_time else None


def _length(list_tensor: Any) -> int | None:
    """The number of elements of a list, where that is known."""
    operation = list_tensor.op
    if operation.type == "TensorListFromTensor":
        shape = operation.inputs[0].shape
        return shape.as_list()[0] if shape.rank else None
    if operation.type == "TensorListReserve":
        known = constant_value(operation.inputs[1])
        return None if known is None else int(np.reshape(known, ()))
    return None


def _is_invariant(body: Any, tensor: Any) -> bool:
    """Whether a tensor is computed from loop variables that never change."""
    unchanged = {id(each) for i, each in enumerate(body.inputs) if body.outputs[i] is each}
    inputs = {id(each) for each in body.inputs}
    stack = [tensor]
    while stack:
        each = stack.pop()
        if id(each) in inputs:
            if id(each) not in unchanged:
                return False
            continue
        definition = each.op.definition
        if definition.nested or (definition.stateful and each.op.type != "ReadVariableOp"):
            return False
        stack.extend(each.op.inputs)
    return True
