"""Whether the indices that a compiled piece works with are in range: as little as possible of it while the piece runs.

An index that is out of range is an error on the CPU, and a compiled program cannot stop in the middle. Of the operations
that say what their indices may be (`engine/index_range.py`), some are known to hold (`intervals.py`). Where indices are
made of the piece's arguments by moving integers, as word ids and labels are, they are looked at on the host before the
piece runs, so that nothing has happened when the error is raised. What is left the program looks at itself, and says
what it found first (`failure.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from penstock.engine.execute import explain
from penstock.engine.index_range import IndexRange
from penstock.engine.static_value import constant_value, is_static
from penstock.runtime.held_calls import value_of
from penstock.runtime.intervals import REARRANGING, SELECTING, always_in_range, known_sizes, source
from penstock.runtime.lowering import at_line, index_range_of, nested_graphs
from penstock.types import dtypes, errors

_MOST_OPERATIONS = 24  # that the host runs to find out what indices are
_INTEGERS = frozenset(
    {dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64, dtypes.uint8, dtypes.uint16, dtypes.bool}
)
_MOVING = SELECTING | {"Cast", "Shape"}


class IndexCheck:
    """The check of an operation's indices on the host, before its piece runs.

    Args:
      operation: the operation. sizes: what its indices must be below; None where it is for each call to tell.
      slots: where the value of each tensor is.
      given: for an operation of a graph that is called, id(input of the graph) -> what it gets.
    """

    def __init__(
        self, operation: Any, sizes: Sequence[int] | None, slots: dict[int, int], given: dict[int, Any]
    ):
        self._operation, self._sizes, self._slots, self._given = operation, sizes, slots, given
        self._range: IndexRange = operation.definition.index_range
        self._tensor = operation.inputs[self._range.index]
        # Where all the integers that the indices are taken from are in range, the indices are.
        root = self._tensor
        if not self._range.deep or (sizes is not None and len(sizes) == 1):
            below = None if sizes is None or self._range.lowest != 0 else sizes[0]
            root = source(root, SELECTING, below)
            if id(root) in given:
                root = source(given[id(root)], SELECTING, below)
        self._root_slot = slots.get(id(root), -1) if root.dtype in _INTEGERS else -1

    @property
    def key(self) -> tuple:
        """Equal for checks of which one is enough."""
        if self._sizes is None:
            return id(self._operation), id(self._given)
        tensor = source(self._tensor, REARRANGING) if len(self._sizes) == 1 else self._tensor
        if id(tensor) in self._given:
            return id(self._given[id(tensor)]), *self._sizes
        # In a graph that is called, a tensor has another value in each call.
        call = id(self._given) if self._given else 0
        return id(tensor), call, *self._sizes

    def includes(self, other: IndexCheck) -> bool:
        """Whether this check, of an equal key, finds all that another one does."""
        return self._range.lowest in (0, other._range.lowest)

    def _sizes_in(self, env: list) -> Sequence[int] | None:
        """What the indices must be below in a call."""

        def shape(i: int) -> Sequence[int]:
            tensor = self._operation.inputs[i]
            return tensor.shape.as_list() if tensor.shape.is_fully_defined() else np.shape(value(i))

        def value(i: int) -> Any:
            return _evaluated(self._operation.inputs[i], self._given, env, self._slots, {})

        return self._range.sizes(shape, value, self._operation.attrs)

    def __call__(self, env: list) -> None:
        sizes = self._sizes_in(env) if self._sizes is None else self._sizes
        if sizes is None or None in sizes:
            return  # nothing to check, or another argument is wrong, and the piece says so
        if self._root_slot >= 0 and (held := env[self._root_slot]) is not None:
            if self._range.all_inside(np.asarray(value_of(held)), sizes):
                return
        try:
            indices = np.asarray(_evaluated(self._tensor, self._given, env, self._slots, {}))
        except (ValueError, IndexError, errors.OpError):
            return  # an operation on the way to the indices fails; the piece says so
        if not self._range.all_inside(indices, sizes):
            wrong = index_error(self._operation, self._range.error(indices, sizes))
            raise earlier_failure(self._operation, self._given, env, self._slots) or wrong


def earlier_failure(
    operation: Any, given: dict[int, Any], env: list, slots: dict[int, int]
) -> errors.OpError | None:
    """The error of an assertion before an operation that does not hold either: it says more than an index.

    Args: as those of `IndexCheck`; `env` has the values.
    """
    found: dict[int, Any] = {}
    for each in operation.graph.get_operations():
        if each is operation:
            break
        definition = each.definition
        if definition.check is None:
            continue
        try:
            values = [_evaluated(tensor, given, env, slots, found) for tensor in each.inputs]
        except (ValueError, IndexError, RecursionError, errors.OpError):
            continue  # what it looks at is not at hand
        inputs, attrs = definition.group(values, each.attrs), definition.attrs_for_kernel(each.attrs)
        if definition.check.fails(np, *inputs, **attrs):
            return at_line(each, definition.check.error(*inputs, **attrs))
    return None


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
    known = {id(each) for each in at_hand}
    checks: dict[tuple, IndexCheck] = {}
    settled: set[int] = set()
    for operation in operations:
        if operation.definition.calls is not None:
            calls = operation.definition.calls(operation)
            for inner in _indexing_operations(operation):
                if all(_settle(inner, known, slots, checks, given) for given in calls):
                    settled.add(id(inner))
        elif index_range_of(operation) is not None and _settle(operation, known, slots, checks, {}):
            settled.add(id(operation))
    return list(checks.values()), settled


def _indexing_operations(operation: Any) -> list[Any]:
    """The operations of an operation's graphs whose indices must be in range."""
    inside = [each for graph in nested_graphs(operation) for each in graph.get_operations()]
    return [each for each in inside if index_range_of(each) is not None]


def _settle(
    operation: Any,
    at_hand: set[int],
    slots: dict[int, int],
    checks: dict[tuple, IndexCheck],
    given: dict[int, Any],
) -> bool:
    """Adds the check of an operation's indices, if there is one to make; false where the host cannot make it."""
    if always_in_range(operation):
        return True
    sizes, tensor = known_sizes(operation), operation.inputs[operation.definition.index_range.index]
    if not _can_evaluate(tensor, at_hand, given, {}):
        return False
    if None in sizes:
        others = [each for each in operation.inputs if each is not tensor]
        if not all(_is_known(each, at_hand, given) for each in others):
            return False
        sizes = None
    check = IndexCheck(operation, sizes, slots, given)
    if check.key not in checks or not checks[check.key].includes(check):
        checks[check.key] = check
    return True


def _is_known(tensor: Any, at_hand: set[int], given: dict[int, Any]) -> bool:
    """Whether a tensor's shape, and its value where it may be an axis or a size, are known before its piece runs."""
    if tensor.dtype in (dtypes.resource, dtypes.variant):
        return False
    if tensor.shape.rank in (0, 1) and tensor.dtype in _INTEGERS:
        return _can_evaluate(tensor, at_hand, given, {})
    return tensor.shape.is_fully_defined() or id(given.get(id(tensor), tensor)) in at_hand


def _can_evaluate(tensor: Any, at_hand: set[int], given: dict[int, Any], seen: dict[int, bool]) -> bool:
    """Whether the host gets from what is at hand to a tensor by a few operations that move data or compute with integers."""
    tensor = given.get(id(tensor), tensor)
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
            and all(_can_evaluate(each, at_hand, given, seen) for each in operation.inputs)
        )
    return seen[id(operation)]


def _evaluated(
    tensor: Any, given: dict[int, Any], env: list, slots: dict[int, int], found: dict[int, Any]
) -> Any:
    """The value of a tensor by NumPy."""
    tensor = given.get(id(tensor), tensor)
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
    if definition.numpy_body is None or definition.stateful or definition.nested:
        raise ValueError(f"{operation.name} is not computed here")
    values = [_evaluated(each, given, env, slots, found) for each in operation.inputs]
    results = definition.numpy_body(
        *definition.group(values, operation.attrs), **definition.attrs_for_kernel(operation.attrs)
    )
    results = (results,) if definition.signature.single_output else results
    found.update((id(each), value) for each, value in zip(operation.outputs, results))
    return found[id(tensor)]
