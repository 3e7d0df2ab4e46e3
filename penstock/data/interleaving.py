"""`flat_map` and `interleave`: the elements of the datasets that a function makes of the elements."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from penstock.data.ahead import Ahead
from penstock.data.dataset import AUTOTUNE, UNKNOWN, Dataset, count_of
from penstock.data.element import ElementFunction
from penstock.data.iteration import Iteration
from penstock.types import errors

_AHEAD_OF_EACH = 8  # elements that a parallel interleave reads ahead of each dataset
_WORTH_A_THREAD = 100e-6  # seconds for an element
_IN_A_ROW = 5  # elements after which it is believed that they take so long


def dataset_function(function: Callable, source: Dataset) -> ElementFunction:
    """A traced function that returns a dataset.

    Raises:
      TypeError: it returns something else.
    """
    traced = ElementFunction(function, source._layout)
    if not isinstance(traced.result, Dataset):
        raise TypeError(
            f"The `map_func` argument must return a `Dataset` object. Got {type(traced.result)!r}."
        )
    return traced


class FlatMap(Dataset):
    """The datasets that a function makes of the elements, one after the other."""

    def __init__(self, source: Dataset, function: Callable):
        self._function = dataset_function(function, source)
        super().__init__(self._function.result.element_spec, (source,))
        self._call(self._function)

    def _elements(self, at: Iteration) -> Iterator[list]:
        call, elements = at.function(self._function), at.input()
        element, inner = at.kept.get("element"), None
        if element is not None:
            inner = at.open(call(element)[0], at.kept["inner"])
        at.keep(lambda: {"element": element, "inner": None if inner is None else inner.save()})
        while True:
            if inner is None:
                element = next(elements, None)
                if element is None:
                    return
                inner = at.open(call(element)[0])
            yield from inner._elements
            element = inner = None

    def _size(self) -> int:
        return UNKNOWN

    def _describe(self) -> str:
        return self._function.name


class _Slot:
    """One of the datasets that take turns."""

    __slots__ = ("element", "iteration", "ahead", "elements")

    def __init__(self, element: list, iteration: Iteration, ready: list | None = None):
        self.element, self.iteration = element, iteration
        self.ahead: Ahead | None = None
        self.elements = iteration._elements
        if ready:
            self.read_ahead(ready)

    def read_ahead(self, ready: list | None = None) -> None:
        """Lets a thread read the elements from here on, if none does; `ready` are there already."""
        if self.ahead is None:
            self.elements = self.ahead = Ahead(self.elements, _AHEAD_OF_EACH, ready, self.iteration.close)

    def save(self) -> dict:
        if self.ahead is None:
            return {"element": self.element, "inner": self.iteration.save(), "ready": []}
        with self.ahead.still:
            return {"element": self.element, "inner": self.iteration.save(), "ready": self.ahead.ready}

    def close(self) -> None:
        if self.ahead is not None:
            self.ahead.close()


class Interleave(Dataset):
    """Blocks of elements, in turn, of the datasets that a function makes of the elements.

    In parallel, each dataset has a thread from when reading turns out to be slow: handing an element over takes longer
    than reading a line of a file.
    """

    def __init__(
        self,
        source: Dataset,
        function: Callable,
        cycle_length: Any = None,
        block_length: Any = None,
        parallel: Any = None,
    ):
        self._function = dataset_function(function, source)
        super().__init__(self._function.result.element_spec, (source,))
        self._call(self._function)
        self._parallel = parallel is not None
        if cycle_length is None:
            cycle_length = AUTOTUNE
        cycle = self._parameter(count_of(cycle_length, "cycle_length", least=-1))
        if isinstance(cycle, int) and cycle == 0:
            raise errors.InvalidArgumentError(None, None, "cycle_length must be greater than zero, got 0.")
        self._cycle = cycle
        self._block = self._parameter(count_of(1 if block_length is None else block_length, "block_length"))

    def _elements(self, at: Iteration) -> Iterator[list]:
        cycle, block = int(at.value(self._cycle)), int(at.value(self._block))
        if cycle == AUTOTUNE:
            cycle = max(os.cpu_count() or 1, 4 if self._parallel else 1)
        call, elements = at.function(self._function), at.input()

        def slot(saved: dict | None) -> _Slot | None:
            if saved is None:
                return None
            return _Slot(saved["element"], at.open(call(saved["element"])[0], saved["inner"]), saved["ready"])

        slots: list[_Slot | None] = [slot(each) for each in at.kept.get("slots", [None] * cycle)]
        position, taken = at.kept.get("position", 0), at.kept.get("taken", 0)
        at.keep(
            lambda: {
                "slots": [each and each.save() for each in slots], "position": position, "taken": taken
            }
        )  # fmt: skip
        exhausted, ahead, slow, now = False, False, 0, time.perf_counter
        try:
            while True:
                current = slots[position]
                first = current is None  # it may take long to open a file, and reading it none
                if first and not exhausted:
                    element = next(elements, None)
                    exhausted = element is None
                    if element is not None:
                        current = _Slot(element, at.open(call(element)[0]))
                        if ahead:
                            current.read_ahead()
                        slots[position] = current
                if current is not None:
                    while taken < block:
                        started = now()
                        element = next(current.elements, None)
                        if self._parallel and not ahead and not first:
                            slow = slow + 1 if now() - started > _WORTH_A_THREAD else 0
                            if slow == _IN_A_ROW:
                                ahead = True
                                for each in filter(None, slots):
                                    each.read_ahead()
                        first = False
                        if element is None:
                            slots[position] = None  # filled again when the cycle comes back to it
                            break
                        taken += 1
                        yield element
                elif exhausted and not any(slots):
                    return
                position, taken = (position + 1) % cycle, 0
        finally:
            for each in slots:
                if each is not None:
                    each.close()

    def _size(self) -> int:
        return UNKNOWN

    def _describe(self) -> str:
        return f"{self._function.name}, cycle_length={self._cycle}" + (
            " in parallel" if self._parallel else ""
        )
