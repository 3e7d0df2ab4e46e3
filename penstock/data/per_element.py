"""Transformations that call a user's function for every element: map, filter, flat_map, interleave, scan, ..."""

from __future__ import annotations

import collections
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from penstock.data.dataset import AUTOTUNE, UNKNOWN, Dataset
from penstock.data.element import ElementFunction, Layout, leaves, spec_of
from penstock.ops.random_stream import carried
from penstock.types import dtypes
from penstock.types.tensors import Tensor

# AUTOTUNE: calls that take at least this long (seconds) are worth handing to other threads.
_WORTH_A_THREAD = 500e-6
_TUNING_CALLS = 16


class Map(Dataset):
    """A function of every element."""

    def __init__(self, source: Dataset, function: Callable, parallel: Any):
        self._function = ElementFunction(function, source._layout)
        super().__init__(self._function.output_spec, (source,))
        self._parallel = None if parallel is None else int(parallel)

    def _iterate(self) -> Iterator[list]:
        run, elements = self._function.run, self._parents[0]._iterate()
        workers = self._parallel
        if workers == AUTOTUNE:
            times = []
            for element in itertools.islice(elements, _TUNING_CALLS):
                started = time.perf_counter()
                result = run(element)
                times.append(time.perf_counter() - started)
                yield result
            if len(times) < _TUNING_CALLS:
                return
            # The first call pays for what is made once, so the median tells.
            workers = (os.cpu_count() or 1) if statistics.median(times) > _WORTH_A_THREAD else None
        if not workers or workers == 1:
            yield from map(run, elements)
        else:
            yield from _in_threads(run, elements, workers)


def _in_threads(run: Callable, elements: Iterator, workers: int) -> Iterator[list]:
    """Results in order, with up to `workers` calls running."""
    run = carried(run)
    with ThreadPoolExecutor(workers, thread_name_prefix="tf_data_map") as pool:
        running: collections.deque = collections.deque()
        try:
            for element in elements:
                running.append(pool.submit(run, element))
                if len(running) > workers:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for each in running:
                each.cancel()


class Filter(Dataset):
    """The elements for which a predicate is true."""

    def __init__(self, source: Dataset, predicate: Callable):
        super().__init__(source._element_spec, (source,))
        self._predicate = _predicate(predicate, source)

    def _iterate(self) -> Iterator[list]:
        run = self._predicate.run
        return (element for element in self._parents[0]._iterate() if run(element)[0])

    def _size(self) -> int:
        return UNKNOWN


def _predicate(function: Callable, source: Dataset) -> ElementFunction:
    traced = ElementFunction(function, source._layout)
    result = traced.result
    if (
        not isinstance(result, Tensor)
        or result.dtype is not dtypes.bool
        or result.shape.rank not in (0, None)
    ):
        raise ValueError(
            f"Invalid `predicate`. `predicate` must return a `tf.bool` scalar tensor, but got {result!r}."
        )
    return traced


class TakeWhile(Dataset):
    """The elements before the first for which a predicate is false."""

    def __init__(self, source: Dataset, predicate: Callable):
        super().__init__(source._element_spec, (source,))
        self._predicate = _predicate(predicate, source)

    def _iterate(self) -> Iterator[list]:
        for element in self._parents[0]._iterate():
            if not self._predicate.run(element)[0]:
                return
            yield element

    def _size(self) -> int:
        return UNKNOWN


class FlatMap(Dataset):
    """The datasets that a function makes of the elements, one after the other."""

    def __init__(self, source: Dataset, function: Callable):
        self._function = _dataset_function(function, source)
        super().__init__(self._function.output_spec, (source,))

    def _iterate(self) -> Iterator[list]:
        for element in self._parents[0]._iterate():
            yield from self._function.call_eagerly(element)._iterate()

    def _size(self) -> int:
        return UNKNOWN


def _dataset_function(function: Callable, source: Dataset) -> ElementFunction:
    traced = ElementFunction(function, source._layout)
    if not isinstance(traced.result, Dataset):
        raise TypeError(
            f"The `map_func` argument must return a `Dataset` object. Got {type(traced.result)!r}."
        )
    return traced


class Interleave(Dataset):
    """Blocks of elements, in turn, of the datasets that a function makes of the elements."""

    def __init__(self, source: Dataset, function: Callable, cycle_length: int | None, block_length: int):
        self._function = _dataset_function(function, source)
        super().__init__(self._function.output_spec, (source,))
        self._cycle = (os.cpu_count() or 1) if cycle_length in (None, AUTOTUNE) else int(cycle_length)
        self._block = int(block_length)

    def _iterate(self) -> Iterator[list]:
        elements = self._parents[0]._iterate()
        running: list[Iterator | None] = [None] * self._cycle
        position, exhausted = 0, False
        while True:
            current = running[position]
            if current is None and not exhausted:
                current = running[position] = self._next(elements)
                exhausted = current is None
            if current is not None:
                for _ in range(self._block):
                    element = next(current, None)
                    if element is None:
                        running[position] = None  # filled again when the cycle comes back to it
                        break
                    yield element
            elif exhausted and not any(running):
                return
            position = (position + 1) % self._cycle

    def _next(self, elements: Iterator) -> Iterator | None:
        element = next(elements, None)
        return None if element is None else self._function.call_eagerly(element)._iterate()

    def _size(self) -> int:
        return UNKNOWN


def with_stable_state(state: Any, layout: Layout, function: Callable) -> tuple[Layout, ElementFunction]:
    """Traces `function(state, element)` with state specs that its results fit, relaxing shapes until they do."""
    spec = spec_of(state)
    while True:
        state_layout = Layout(spec)
        traced = ElementFunction(function, layout, state_layout)
        new = traced.output_spec
        flat_old, flat_new = leaves(spec), leaves(new)
        if len(flat_old) != len(flat_new) or any(a.dtype != b.dtype for a, b in zip(flat_old, flat_new)):
            raise TypeError(
                f"The state must keep its structure and dtypes: it was {spec}, and becomes {new}."
            )
        merged = [old.most_specific_common_supertype([after]) for old, after in zip(flat_old, flat_new)]
        if merged == flat_old:
            return state_layout, traced
        spec = state_layout.fill(merged)


class Scan(Dataset):
    """A function of a state and every element."""

    def __init__(self, source: Dataset, state: Any, function: Callable):
        self._state = state
        state_spec = spec_of(state)
        self._state_layout = Layout(state_spec)
        self._function = ElementFunction(function, source._layout, self._state_layout)
        result = self._function.output_spec
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(
                "The scan function must return a pair comprising the new state and the output value."
            )
        super().__init__(result[1], (source,))

    def _iterate(self) -> Iterator[list]:
        flat = self._state_layout.flatten(self._state)
        count = len(flat)
        for element in self._parents[0]._iterate():
            results = self._function.run([*flat, *element])
            flat = results[:count]
            yield results[count:]
