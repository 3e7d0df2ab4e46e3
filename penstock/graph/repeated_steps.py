"""Steps that a program repeats: what unrolling a recurrent network leaves behind, found again.

A program of TensorFlow 1 calls a cell once for each element of a sequence, and its gradient does so backwards. Among the
operations, in order, that is a stretch that repeats itself: the same operations at a fixed distance, each step using
what the step before it computed. `find` looks for such stretches, so that a compiler needs to see one step only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penstock.graph.rewrites import attrs_key
from penstock.types import dtypes

# A stretch counts where so many steps follow each other, each of so many operations, and so many are spared.
_FEWEST_STEPS = 4
_SHORTEST_STEP = 5
_FEWEST_SPARED = 150
# Operations in a row by which a place in a step is known; steps that differ in what they use may alternate.
_WINDOW = 8
_MOST_ALTERNATING = 4
_FIXED = ("fixed",)  # the part that a tensor has in the steps
_OPAQUE = (dtypes.resource, dtypes.variant)


@dataclass(slots=True)
class RepeatedSteps:
    """A stretch of equal steps. What a step uses and computes is told by the tensors of its second one, the model.

    Attributes:
      operations: all of them.
      model: those of the second step that each step does anew. once: the others, whose results all steps share.
      fixed: tensors from before that all steps use.
      varying: tensor of the model -> what stands for it in each step; all are from before.
      carried: tensor of the model, computed in the first step -> what stands for it in the first step, and what the
        model itself computes for the next one.
      results: tensor that the model computes -> the same of each step, where something outside uses any.
      last: the same, where that is the last one.
      shared: the same for what is computed once.
      sums: tensor that the model computes -> what its sum over all steps is added to (None: nothing), and the sum. These
        come after the steps, one of the `additions` for each, and nothing else uses what is added.
      streams: id(random stream of the model) -> those of each step.
    """

    operations: Sequence[Any]
    count: int
    model: list[Any] = field(default_factory=list)
    once: list[Any] = field(default_factory=list)
    fixed: list[Any] = field(default_factory=list)
    varying: list[tuple[Any, Sequence[Any]]] = field(default_factory=list)
    carried: list[tuple[Any, Any, Any]] = field(default_factory=list)
    results: list[tuple[Any, Sequence[Any]]] = field(default_factory=list)
    last: list[tuple[Any, Any]] = field(default_factory=list)
    shared: list[tuple[Any, Sequence[Any]]] = field(default_factory=list)
    sums: list[tuple[Any, Any | None, Any]] = field(default_factory=list)
    additions: list[Any] = field(default_factory=list)
    streams: dict[int, list[Any]] = field(default_factory=dict)

    @property
    def needed(self) -> list[Any]:
        """The tensors from before that it uses."""
        found = [*self.fixed, *(first for _, first, _ in self.carried)]
        found += [first for _, first, _ in self.sums if first is not None]
        return found + [each for _, several in self.varying for each in several]

    @property
    def leaving(self) -> list[Any]:
        """The tensors of the model that something beside it uses."""
        found = [each for each, _ in (*self.results, *self.last)]
        return found + [each for _, _, each in self.carried] + [each for each, _, _ in self.sums]


def find(
    operations: Sequence[Any],
    leaving: Iterable[Any],
    constants: dict[int, Any],
    may_repeat: Callable[[Any], bool],
) -> list[list[Any] | RepeatedSteps]:
    """The operations in order, as lists of those that stay, and repetitions.

    Args:
      operations: those of a program, in order.
      leaving: the tensors that are used outside of it.
      constants: the known values of tensors that enter it, by id.
      may_repeat: whether an operation can be part of a step.
    """
    if len(operations) < _FEWEST_SPARED:
        return [list(operations)]
    search = _Search(operations, leaving, constants, may_repeat)
    parts: list[list[Any] | RepeatedSteps] = []
    done = 0
    for start, repetition in search.run():
        parts += [search.not_summed(done, start), repetition]
        done = start + len(repetition.operations)
    parts.append(search.not_summed(done, len(operations)))
    return [each for each in parts if isinstance(each, RepeatedSteps) or each]


class _Search:
    def __init__(
        self, operations: Sequence[Any], leaving: Iterable[Any], constants: dict, may_repeat: Callable
    ):
        self._operations, self._constants = operations, constants
        self._place = {
            id(tensor): (index, position)
            for index, operation in enumerate(operations)
            for position, tensor in enumerate(operation.outputs)
        }
        # id(tensor that each step computes alike) -> the one that stands for all
        self._one: dict[int, Any] = {}
        self._last_use = {id(each): len(operations) for each in leaving}
        self._users: dict[int, list[int]] = {id(each): [-1, -1] for each in leaving}
        self._summed: set[int] = set()  # places of additions that belong to the steps whose results they add
        for index, operation in enumerate(operations):
            for each in operation.inputs:
                self._users.setdefault(id(each), []).append(index)
                self._last_use[id(each)] = max(index, self._last_use.get(id(each), 0))
        numbers: dict[Any, int] = {}
        self._kinds = [  # equal numbers: the same but for the inputs
            numbers.setdefault(_kind(each), len(numbers)) if may_repeat(each) else -1 - index
            for index, each in enumerate(operations)
        ]
        self._distances = _distances(self._kinds)

    def run(self) -> Iterable[tuple[int, RepeatedSteps]]:
        """The repetitions, and where they start."""
        start, kinds = 0, self._kinds
        while start < len(kinds):
            distance = self._distances[start]
            end = start + distance
            while distance and end < len(kinds) and kinds[end - distance] == kinds[end]:
                end += 1
            if not distance or not _is_worth(distance, end - start):
                start += 1
                continue
            found = self._wired(start, end, distance)
            if found is None:
                start = end - distance
            else:
                for tensor, tensors in found[1].shared:
                    self._one.update((id(each), tensor) for each in tensors)
                self._find_sums(found[1], found[0])
                yield found
                start = found[0] + len(found[1].operations)

    def not_summed(self, start: int, end: int) -> list[Any]:
        """The operations from one place to another, without those that a repetition computes."""
        return [self._operations[place] for place in range(start, end) if place not in self._summed]

    def _find_sums(self, found: RepeatedSteps, start: int) -> None:
        results, found.results = found.results, []
        for tensor, tensors in results:
            places = self._additions(tensors, start)
            if places is None:
                found.results.append((tensor, tensors))
                continue
            first = self._operations[places[0]].inputs[0]
            found.sums.append(
                (tensor, None if first is tensors[0] else first, self._operations[places[-1]].outputs[0])
            )
            self._summed.update(places)
            found.additions += [self._operations[place] for place in places]
            for place in places:
                self._kinds[place] = -1 - place

    def _additions(self, tensors: Sequence[Any], start: int) -> list[int] | None:
        """Where each tensor is added to the sum of those before it, if that is all that it is for."""
        places = [self._sole_addition(each) for each in tensors]
        if None in places or places[0] is None:
            return None
        if places[0] == places[1] and self._operations[places[0]].inputs[0] is tensors[0]:
            if not tensors[1].shape.is_fully_defined():
                return None
            del places[0]
            tensors = tensors[1:]
        else:
            before = self._place.get(id(self._operations[places[0]].inputs[0]))
            if before is not None and before[0] >= start:
                return None
        for last, place in itertools.pairwise(places):
            so_far = self._operations[last].outputs[0]
            if self._operations[place].inputs[0] is not so_far or self._sole_addition(so_far) != place:
                return None
        if any(self._operations[place].inputs[1] is not each for place, each in zip(places, tensors)):
            return None
        return places

    def _sole_addition(self, tensor: Any) -> int | None:
        users = self._users.get(id(tensor), [])
        if len(users) != 1 or self._operations[users[0]].type != "AddV2" or not tensor.dtype.is_floating:
            return None
        return users[0]

    def _wired(self, start: int, end: int, distance: int) -> tuple[int, RepeatedSteps] | None:
        """The repetition in a stretch of operations of equal kinds, if its steps use each other's results alike."""
        for size in range(distance, (_MOST_ALTERNATING + 1) * distance, distance):
            for first in (start, start + size):  # the first step, and the last, may differ in what they use
                for last in (end, end - size):
                    for shift in self._shifts(first, last, size):
                        count = (last - first - shift) // size
                        if _is_worth(size, count * size):
                            found = self._repetition(first + shift, size, count)
                            if found is not None:
                                return first + shift, found
        return None

    def _shifts(self, first: int, last: int, size: int) -> list[int]:
        """Where a step may begin so that each uses the one before only, the fewest of its results first."""
        if not _is_worth(size, last - first):
            return []
        middle = first + (last - first) // size // 2 * size
        edges = [
            (index, index - self._place[id(each)][0])
            for index in range(middle, middle + size)
            for each in self._operations[index].inputs
            if id(each) in self._place and self._place[id(each)][0] >= first
        ]
        if not edges:
            return [0]
        users, back = np.array(edges).T
        shifts = np.arange(size)
        inside = (users - first - shifts[:, None]) % size  # the place of each user in its step
        allowed = ~(back > inside + size).any(1)
        crossing = (back > inside).sum(1)
        return [int(each) for each in np.argsort(crossing, kind="stable") if allowed[each]][:4]

    def _repetition(self, start: int, size: int, count: int) -> RepeatedSteps | None:
        operations = self._operations[start : start + size * count]
        found = RepeatedSteps(operations, count)
        roles: dict[int, tuple] = {}
        for place in range(size):
            same = operations[place::size]
            for tensors in zip(*(each.inputs for each in same)):
                if not self._note(found, roles, tensors, start, size):
                    return None
            has_stream = "_stream" in same[1].attrs
            is_shared = not has_stream and all(roles.get(id(each)) == _FIXED for each in same[1].inputs)
            (found.once if is_shared else found.model).append(same[1])
            if has_stream:
                found.streams[id(same[1].attrs["_stream"])] = [each.attrs["_stream"] for each in same]
            for position, tensor in enumerate(same[1].outputs):
                tensors = [each.outputs[position] for each in same]
                if is_shared:
                    roles[id(tensor)] = _FIXED
                    found.shared.append((tensor, tensors))
                else:
                    end = start + size * count
                    used = [each for each in tensors if self._last_use.get(id(each), start) >= end]
                    if len(used) == 1 and used[0] is tensors[-1]:
                        found.last.append((tensor, tensors[-1]))
                    elif used:
                        found.results.append((tensor, tensors))
        streams = [id(each) for several in found.streams.values() for each in several]
        return found if len(set(streams)) == len(streams) else None

    def _note(
        self, found: RepeatedSteps, roles: dict[int, tuple], tensors: tuple, start: int, size: int
    ) -> bool:
        """Notes where an input comes from, whose tensors in each step these are; False: not in one way."""
        model = tensors[1]
        same = {id(self._one.get(id(each), each)) for each in tensors}
        steps = [self._step_of(each, start, size) for each in tensors]
        role: tuple
        if len(same) == 1 or self._are_equal(tensors):
            if steps[1] is not None and steps[1] >= 0:
                return False
            role = _FIXED
        elif self._are_alike(tensors, size) and all(step == at for at, step in enumerate(steps)):
            return True  # computed in the same step
        elif self._are_alike(tensors[1:], size) and all(step == at for at, step in enumerate(steps[1:])):
            if steps[0] is not None or model.dtype in _OPAQUE:
                return False
            role = ("carried", id(tensors[0]))
        elif all(step is None for step in steps):
            if model.dtype in _OPAQUE or model.op.type == "ReadVariableOp":
                return False
            role = ("varying", *(id(each) for each in tensors))
        else:
            return False
        if id(model) in roles:
            return roles[id(model)] == role
        roles[id(model)] = role
        if role == _FIXED:
            found.fixed.append(model)
        elif role[0] == "varying":
            found.varying.append((model, list(tensors)))
        else:
            found.carried.append((model, tensors[0], tensors[2]))
        return True

    def _step_of(self, tensor: Any, start: int, size: int) -> int | None:
        """The step that computes a tensor; None where it is from before."""
        place = self._place.get(id(tensor))
        return None if place is None or place[0] < start else (place[0] - start) // size

    def _are_alike(self, tensors: Sequence[Any], size: int) -> bool:
        """Whether tensors are computed at the same place of one step after the other."""
        places = [self._place.get(id(each)) for each in tensors]
        first = places[0]
        return first is not None and all(
            each is not None and each[0] == first[0] + at * size and each[1] == first[1]
            for at, each in enumerate(places)
        )

    def _are_equal(self, tensors: Sequence[Any]) -> bool:
        """Whether tensors are constants of the same value."""
        values = [self._constants.get(id(each)) for each in tensors]
        first = values[0]
        return isinstance(first, (np.ndarray, np.generic)) and all(
            isinstance(each, (np.ndarray, np.generic))
            and each.dtype == first.dtype
            and each.shape == first.shape
            and each.tobytes() == first.tobytes()
            for each in values
        )


def _kind(operation: Any) -> tuple:
    attrs = operation.attrs
    if "_stream" in attrs:  # which holds what the seeds began
        attrs = {name: value for name, value in attrs.items() if name not in ("_stream", "seed", "seed2")}
    types = tuple(each.dtype for each in (*operation.inputs, *operation.outputs))
    return operation.type, operation.device, len(operation.inputs), types, attrs_key(attrs)


def _distances(kinds: Sequence[int]) -> list[int]:
    """For each place, how far on the same operations follow again; 0 where they do not."""
    found = [0] * len(kinds)
    following: dict[tuple, int] = {}
    for place in range(len(kinds) - _WINDOW, -1, -1):
        window = tuple(kinds[place : place + _WINDOW])
        found[place] = following.get(window, place) - place
        following[window] = place
    return found


def _is_worth(size: int, length: int) -> bool:
    return size >= _SHORTEST_STEP and length // size >= _FEWEST_STEPS and length - size >= _FEWEST_SPARED
