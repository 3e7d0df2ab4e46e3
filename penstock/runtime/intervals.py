"""What the elements of an integer tensor lie between, from the operations that make it.

So an index that cannot be out of range (an argmax, a remainder, the positions of a Range) is not looked at when it is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from penstock.engine.static_value import constant_value, is_static
from penstock.types import dtypes

Interval = tuple[float, float]  # the least and the greatest value, both possible; infinite where not known

ANY: Interval = (-math.inf, math.inf)

# Ops whose output's elements are those of their first input, in another shape or order; and those that drop or repeat some.
REARRANGING = frozenset(
    {"Identity", "StopGradient", "PreventGradient", "Reshape", "ExpandDims", "Squeeze", "Transpose"}
)
SELECTING = REARRANGING | {
    "StridedSlice", "Slice", "Tile", "BroadcastTo", "Split", "SplitV", "Unpack", "ReverseV2", "Roll"
}  # fmt: skip

_DEEPEST = 8  # operations behind each other that are looked at


def source(tensor: Any, passing: frozenset[str], below: int | None = None) -> Any:
    """The tensor that a tensor's elements are taken from by ops among `passing`, and by casts that change no value.

    `below` says that values from 0 up to there are all that matters: then casts of those are passed too.
    """
    while True:
        operation = tensor.op
        if operation.type == "Cast":
            given = operation.inputs[0].dtype
            small = below is not None and _holds(given, below) and _holds(tensor.dtype, below)
            if not small and not _widens(given, tensor.dtype):
                return tensor
        elif operation.type not in passing:
            return tensor
        tensor = operation.inputs[1 if operation.type == "Split" else 0]


def _widens(kind: Any, to: Any) -> bool:
    return kind.is_integer and to.is_integer and np.can_cast(kind.np_dtype, to.np_dtype)


_MANTISSA_BITS = {dtypes.float64: 53, dtypes.float32: 24, dtypes.float16: 11, dtypes.bfloat16: 8}


def _holds(kind: Any, below: int) -> bool:
    """Whether a dtype holds all integers from 0 up to a number."""
    if kind in _MANTISSA_BITS:
        return below <= 1 << _MANTISSA_BITS[kind]
    return kind.is_integer and below - 1 <= np.iinfo(kind.np_dtype).max


def interval(tensor: Any, known: Mapping[int, Interval] = MappingProxyType({}), depth: int = 0) -> Interval:
    """The least and the greatest value that an element of an integer tensor may have.

    Args:
      tensor: the tensor. known: id(input of a graph) -> what is known of it. depth: how many operations are passed.
    """
    tensor = source(tensor, SELECTING)
    if id(tensor) in known:
        return known[id(tensor)]
    value = constant_value(tensor)
    if value is not None:
        return (int(value.min()), int(value.max())) if value.dtype.kind in "iu" and value.size else ANY
    rule = _RULES.get(tensor.op.type)
    if rule is None or depth == _DEEPEST:
        return ANY
    low, high = rule(tensor, lambda i: interval(tensor.op.inputs[i], known, depth + 1))
    limits = np.iinfo(tensor.dtype.np_dtype)
    fits = all(math.isinf(each) or limits.min <= each <= limits.max for each in (low, high))
    return (low, high) if fits else ANY  # it would wrap around


def known_sizes(operation: Any) -> Sequence[int | None] | None:
    """What an operation's indices must be below, as far as the graph tells; see `IndexRange.sizes`."""

    def shape(i: int) -> list[int | None] | None:
        tensor = operation.inputs[i]
        known = tensor.shape
        if tensor.dtype is dtypes.resource:
            if tensor.handle_data is None:
                return None
            known = tensor.handle_data.shape
        return None if known.rank is None else known.as_list()

    def value(i: int) -> Any:
        return constant_value(operation.inputs[i])

    return operation.definition.index_range.sizes(shape, value, operation.attrs)


def always_in_range(operation: Any) -> bool:
    """Whether an operation's indices are in range whatever its graph is given."""
    index_range, sizes = operation.definition.index_range, known_sizes(operation)
    if sizes is None or None in sizes:
        return sizes is None
    tensor = operation.inputs[index_range.index]
    value = constant_value(tensor)
    return (
        index_range.holds(interval(tensor), sizes) if value is None else index_range.all_inside(value, sizes)
    )


def in_loop(loop: Any, values: Sequence[Any]) -> dict[int, Interval]:
    """What is known of the inputs of a While's body: of those that do not change, and of counters with known limits.

    Args:
      loop: the While. values: what it starts with; what is known, by NumPy.
    """
    cond, body = loop.attrs["cond"], loop.attrs["body"]
    start = {i: np.asarray(each) for i, each in enumerate(values) if is_static(each)}
    fixed = {i: value for i, value in start.items() if body.outputs[i] is body.inputs[i]}
    found: dict[int, Interval] = {}
    for i, value in fixed.items():
        if value.dtype.kind in "iu" and value.size:
            found[id(body.inputs[i])] = (int(value.min()), int(value.max()))
    for i, test, limit in _limits(cond, fixed):
        update = source(body.outputs[i], REARRANGING).op
        if (
            i not in start
            or start[i].dtype.kind not in "iu"
            or not update.inputs
            or update.inputs[0] is not body.inputs[i]
        ):
            continue
        step, first = _scalar(update.inputs[-1], body, fixed), int(start[i])
        if step is None or step <= 0:
            continue
        # The body runs while the counter has not come to the limit.
        if (test, update.type) == ("Less", "AddV2"):
            found[id(body.inputs[i])] = (first, max(first, limit - 1))
        elif (test, update.type) == ("Greater", "Sub"):  # the loops of gradients count down
            found[id(body.inputs[i])] = (min(first, limit + 1), first)
    return found


def _limits(cond: Any, fixed: dict[int, np.ndarray]) -> list[tuple[int, str, int]]:
    """The comparisons with known limits that must hold for a loop to go on: position of the counter, op type, limit."""
    found = []
    tests = [cond.outputs[0].op]
    while tests:
        test = tests.pop()
        if test.type == "LogicalAnd":
            tests += [each.op for each in test.inputs]
        elif test.type in ("Less", "Greater"):
            limit = _scalar(test.inputs[1], cond, fixed)
            position = next((i for i, each in enumerate(cond.inputs) if each is test.inputs[0]), None)
            if limit is not None and position is not None:
                found.append((position, test.type, limit))
    return found


def _scalar(tensor: Any, graph: Any, fixed: dict[int, np.ndarray]) -> int | None:
    """The value of a scalar of a loop's graph, where it is known."""
    value = constant_value(tensor)
    for i, each in enumerate(graph.inputs):
        if each is tensor:
            value = fixed.get(i)
    return int(value) if value is not None and value.ndim == 0 and value.dtype.kind in "iu" else None


def _known(tensor: Any, i: int) -> int | None:
    value = constant_value(tensor.op.inputs[i])
    return int(value.reshape(())) if value is not None and value.size == 1 else None


def _arg_max(tensor: Any, of: Callable) -> Interval:
    axis, shape = _known(tensor, 1), tensor.op.inputs[0].shape
    size = None if axis is None or shape.rank is None else shape[axis]
    return ANY if size is None else (0, size - 1)


def _range(tensor: Any, of: Callable) -> Interval:
    start, limit, step = (_known(tensor, i) for i in range(3))
    if start is None or limit is None or step is None or step <= 0:
        return ANY
    return start, max(start, limit - 1)


def _remainder(tensor: Any, of: Callable) -> Interval:
    low, high = of(1)
    return (0, high - 1) if low > 0 else ANY


def _top_k(tensor: Any, of: Callable) -> Interval:
    shape = tensor.op.inputs[0].shape
    return (0, shape[-1] - 1) if tensor.value_index == 1 and shape.rank and shape[-1] is not None else ANY


def _random(tensor: Any, of: Callable) -> Interval:
    count = len(tensor.op.inputs)
    return of(count - 2)[0], of(count - 1)[1] - 1


def _union(tensor: Any, of: Callable, positions: Any) -> Interval:
    found = [of(i) for i in positions]
    return min(low for low, _ in found), max(high for _, high in found)


# Op type -> rule(tensor, interval of an input by its position).
_RULES: dict[str, Callable[[Any, Callable[[int], Interval]], Interval]] = {
    "ArgMax": _arg_max,
    "ArgMin": _arg_max,
    "Range": _range,
    "FloorMod": _remainder,
    "TopKV2": _top_k,
    "RandomUniformInt": _random,
    "StatelessRandomUniformIntV2": _random,
    "Bucketize": lambda tensor, of: (0, len(tensor.op.attrs["boundaries"])),
    "Pack": lambda tensor, of: _union(tensor, of, range(len(tensor.op.inputs))),
    "ConcatV2": lambda tensor, of: _union(tensor, of, range(len(tensor.op.inputs) - 1)),
    "Select": lambda tensor, of: _union(tensor, of, (1, 2)),
    "SelectV2": lambda tensor, of: _union(tensor, of, (1, 2)),
    "AddV2": lambda tensor, of: (of(0)[0] + of(1)[0], of(0)[1] + of(1)[1]),
    "Sub": lambda tensor, of: (of(0)[0] - of(1)[1], of(0)[1] - of(1)[0]),
    "Maximum": lambda tensor, of: (max(of(0)[0], of(1)[0]), max(of(0)[1], of(1)[1])),
    "Minimum": lambda tensor, of: (min(of(0)[0], of(1)[0]), min(of(0)[1], of(1)[1])),
    "ClipByValue": lambda tensor, of: (of(1)[0], of(2)[1]),
}
