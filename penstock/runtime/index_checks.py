"""Whether the indices that a compiled piece works with are in range: as little as possible of it while the piece runs.

An index that is out of range is an error on the CPU, and a compiled program cannot stop in the middle. Of the operations
that say what their indices may be (`engine/index_range.py`), some are known to hold (`intervals.py`). Where indices are
made of the piece's arguments by moving integers, as word ids and labels are, they are looked at on the host before the
piece runs, so that nothing has happened when the error is raised. What is left the program looks at itself, and says
what it found first (`lowering.Failure`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from penstock.engine.execute import explain
from penstock.engine.index_range import IndexRange
from penstock.engine.static_value import constant_value, is_static
from penstock.runtime.held_calls import value_of
from penstock.runtime.intervals import REARRANGING, SELECTING, interval, source
from penstock.runtime.lowering import at_line, index_range_of
from penstock.types import dtypes, errors

_MOST_OPERATIONS = 24  # that the host runs to find out what indices are
_INTEGERS = frozenset(
    {dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64, dtypes.uint8, dtypes.uint16, dtypes.bool}
)
_MOVING = SELECTING | {"Cast", "Shape"}


class IndexCheck:
    """The check of an operation's indices on the host, before its piece runs.

    Args:
      operation: the operation. sizes: what its indices must be below. slots: where the value of each tensor is.
    """

    def __init__(self, operation: Any, sizes: Sequence[int], slots: dict[int, int]):
        self._operation, self._sizes, self._slots = operation, sizes, slots
        self._range: IndexRange = operation.definition.index_range
        self._tensor = operation.inputs[self._range.index]
        # Where all the integers that the indices are taken from are in range, the indices are.
        root = source(self._tensor, SELECTING, sizes[0]) if len(sizes) == 1 else self._tensor
        self._root_slot = slots.get(id(root), -1) if root.dtype in _INTEGERS else -1

    @property
    def key(self) -> tuple:
        """Equal for checks of which one is enough."""
        tensor = source(self._tensor, REARRANGING) if len(self._sizes) == 1 else self._tensor
        return id(tensor), tuple(self._sizes)

    def includes(self, other: IndexCheck) -> bool:
        """Whether this check, of an equal key, finds all that another one does."""
        return self._range.lowest in (0, other._range.lowest)

    def __call__(self, env: list) -> None:
        if self._root_slot >= 0 and (held := env[self._root_slot]) is not None:
            if self._range.all_inside(np.asarray(value_of(held)), self._sizes):
                return
        try:
            indices = np.asarray(_evaluated(self._tensor, env, self._slots, {}))
        except (ValueError, IndexError, errors.OpError):
            return  # an operation on the way to the indices fails; the piece says so
        if not self._range.all_inside(indices, self._sizes):
            raise index_error(self._operation, self._range.error(indices, self._sizes))


def index_error(operation: Any, error: ValueError) -> errors.OpError:
    """The error that a user sees for indices of an operation that are out of range."""
    return at_line(operation, explain(operation.definition, operation.inputs, operation.attrs, error))


def sort_out(
    operations: Iterable[Any], at_hand: Iterable[Any], slots: dict[int, int]
) -> tuple[list[IndexCheck], set[int]]:
    """The checks that are made before a piece runs, and the ids of the operations that need no other.

    Args:
      operations: those of the piece. at_hand: the tensors whose values are known before. slots: where all values are.
    """
    found = {id(each) for each in at_hand}
    checks: dict[tuple, IndexCheck] = {}
    settled: set[int] = set()
    for operation in operations:
        index_range = index_range_of(operation)
        if index_range is None:
            continue
        sizes = _known_sizes(operation)
        if sizes is not None and None in sizes:
            continue
        tensor = operation.inputs[index_range.index]
        if sizes is None or index_range.holds(interval(tensor), sizes):
            settled.add(id(operation))
        elif _can_evaluate(tensor, found, {}):
            settled.add(id(operation))
            check = IndexCheck(operation, sizes, slots)
            if check.key not in checks or not checks[check.key].includes(check):
                checks[check.key] = check
    return list(checks.values()), settled


def _known_sizes(operation: Any) -> Sequence[int | None] | None:
    """What an operation's indices must be below, as far as the graph tells."""

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


def _can_evaluate(tensor: Any, at_hand: set[int], seen: dict[int, bool]) -> bool:
    """Whether the host gets from what is at hand to a tensor by a few operations that move data or compute with integers."""
    if id(tensor) in at_hand or constant_value(tensor) is not None:
        return True
    operation = tensor.op
    if id(operation) not in seen:
        definition = operation.definition
        seen[id(operation)] = False
        seen[id(operation)] = (
            len(seen) <= _MOST_OPERATIONS
            and bool(operation.inputs)
            and definition.numpy_body is not None
            and not definition.stateful
            and not definition.nested
            and (
                operation.type in _MOVING
                or all(each.dtype in _INTEGERS for each in (*operation.inputs, *operation.outputs))
            )
            and all(_can_evaluate(each, at_hand, seen) for each in operation.inputs)
        )
    return seen[id(operation)]


def _evaluated(tensor: Any, env: list, slots: dict[int, int], found: dict[int, Any]) -> Any:
    """The value of a tensor by NumPy."""
    if id(tensor) in found:
        return found[id(tensor)]
    slot = slots.get(id(tensor))
    known = None if slot is None or env[slot] is None else value_of(env[slot])
    if known is None:
        known = constant_value(tensor)
    if known is not None:
        found[id(tensor)] = known if is_static(known) else np.asarray(known)
        return found[id(tensor)]
    operation = tensor.op
    definition = operation.definition
    values = [_evaluated(each, env, slots, found) for each in operation.inputs]
    results = definition.numpy_body(
        *definition.group(values, operation.attrs), **definition.attrs_for_kernel(operation.attrs)
    )
    results = (results,) if definition.signature.single_output else results
    found.update((id(each), value) for each, value in zip(operation.outputs, results))
    return found[id(tensor)]
