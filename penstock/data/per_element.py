"""Transformations that call a user's function for every element: map, filter, take_while, scan; and unique."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np

from penstock.data.dataset import UNKNOWN, Dataset, count_of
from penstock.data.element import ElementFunction, Layout, leaves, spec_of
from penstock.data.iteration import Iteration
from penstock.data.parallel_calls import Calls, Parallelism
from penstock.data.random_parts import RandomParts
from penstock.data.row_calls import several_calls
from penstock.types import dtypes
from penstock.types.specs import TensorSpec
from penstock.types.tensors import EagerTensor, Tensor


class Map(Dataset):
    """A function of every element."""

    def __init__(self, source: Dataset, function: Callable, parallel: Any = None, ordered: Any = None):
        traced = ElementFunction(function, source._layout)
        super().__init__(traced.output_spec, (source,))
        self._call(traced)
        self._function = traced
        self._parallel = self._parameter(
            None if parallel is None else count_of(parallel, "num_parallel_calls", least=-1)
        )
        self._ordered = ordered

    @classmethod
    def of_function(cls, node: Map, source: Dataset, function: ElementFunction) -> Self:
        """As `node`, with another input and a function that is traced already."""
        other = cls.__new__(cls)
        other.__dict__.update(node.__dict__)
        other._parents, other._function, other._functions = (source,), function, [function]
        return other

    def _elements(self, at: Iteration) -> Iterator[list]:
        workers = None if self._parallel is None else int(at.value(self._parallel))
        random = RandomParts(self._function) if workers is not None and self._function.is_random else None
        if workers in (None, 1) and "done" not in at.kept or (random is not None and not random.separable):
            return map(self._completed(at.function(self._function)), at.input())
        options = at.options
        ordered = self._ordered if self._ordered is not None else options.deterministic is not False
        captured = [at.value(each) for each in self._function.captures]
        if random is None:
            prepare, call, several = (
                list,
                at.function(self._function),
                several_calls(self._function, captured),
            )
        else:
            prepare, call, several = random.bound(captured)
        calls = Calls(
            at,
            prepare,
            self._completed(call),
            several and self._several_completed(several),
            Parallelism.of(workers, options),
            ordered,
        )
        return calls.results(at.input())

    def _completed(self, call: Callable) -> Callable:
        """What is called for an element, on any thread, given what calls the function: a kind of maps can do more."""
        return call

    def _several_completed(self, several: Callable) -> Callable:
        """The same for several elements."""
        return several

    def _describe(self) -> str:
        return self._function.name + (" in parallel" if self._parallel is not None else "")


class Filter(Dataset):
    """The elements for which a predicate is true."""

    def __init__(self, source: Dataset, predicate: Callable):
        super().__init__(source._element_spec, (source,))
        self._predicate = _predicate(predicate, source)
        self._call(self._predicate)

    def _elements(self, at: Iteration) -> Iterator[list]:
        call = at.function(self._predicate)
        return (element for element in at.input() if call(element)[0])

    def _size(self) -> int:
        return UNKNOWN

    def _describe(self) -> str:
        return self._predicate.name


def _predicate(function: Callable, source: Dataset) -> ElementFunction:
    traced = ElementFunction(function, source._layout)
    result = traced.result
    if (
        not isinstance(result, Tensor)
        or result.dtype is not dtypes.bool
        or result.shape.rank not in (0, None)
    ):
        raise ValueError(
            "Invalid `predicate`. `predicate` must return a `tf.bool` scalar tensor, but its return type is "
            f"{traced.output_spec}."
        )
    return traced


class TakeWhile(Dataset):
    """The elements before the first for which a predicate is false."""

    def __init__(self, source: Dataset, predicate: Callable):
        super().__init__(source._element_spec, (source,))
        self._predicate = _predicate(predicate, source)
        self._call(self._predicate)

    def _elements(self, at: Iteration) -> Iterator[list]:
        ended = at.kept.get("ended", False)
        at.keep(lambda: {"ended": ended})
        call = at.function(self._predicate)
        while not ended:
            element = next(at.input(), None)
            ended = element is None or not call(element)[0]
            if not ended:
                yield element

    def _size(self) -> int:
        return UNKNOWN

    def _describe(self) -> str:
        return self._predicate.name


def with_stable_state(spec: Any, layout: Layout, function: Callable) -> tuple[Layout, ElementFunction]:
    """Traces `function(state, element)` with state specs that its results fit, relaxing shapes until they do."""
    while True:
        state_layout = Layout(spec)
        traced = ElementFunction(function, layout, state_layout)
        merged = merged_state(spec, traced.output_spec)
        if merged == leaves(spec):
            return state_layout, traced
        spec = state_layout.fill(merged)


def merged_state(old: Any, new: Any) -> list:
    """The specs that both a state and what a function makes of it fit.

    Raises:
      TypeError: the structures or dtypes differ.
    """
    flat_old, flat_new = leaves(old), leaves(new)
    if len(flat_old) != len(flat_new):
        raise TypeError(f"The new state must keep its structure: it was {old}, and becomes {new}.")
    for before, after in zip(flat_old, flat_new):
        if getattr(before, "dtype", None) != getattr(after, "dtype", None):
            raise TypeError(
                "The element types for the new state must match the initial state. Expected "
                f"{before.dtype!r} but got {after.dtype!r}."
            )
    return [before.most_specific_common_supertype([after]) for before, after in zip(flat_old, flat_new)]


class Scan(Dataset):
    """A function of a state and every element."""

    def __init__(self, source: Dataset, state: Any, function: Callable):
        spec = spec_of(state)
        while True:
            self._state_layout = Layout(spec)
            traced = ElementFunction(function, source._layout, self._state_layout)
            result = traced.output_spec
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError(
                    "The scan function must return a pair comprising the new state and the output value."
                )
            merged = merged_state(spec, result[0])
            if merged == leaves(spec):
                break
            spec = self._state_layout.fill(merged)
        super().__init__(result[1], (source,))
        self._function = traced
        self._call(traced)
        self._state = self._state_layout.tensors(state)
        self._need(self._state)

    def _elements(self, at: Iteration) -> Iterator[list]:
        flat = at.kept.get("state")
        if flat is None:
            values = [at.value(each) for each in self._state]
            flat = [each.host() if isinstance(each, EagerTensor) else each for each in values]
        at.keep(lambda: {"state": flat})
        call, count = at.function(self._function), len(flat)
        for element in at.input():
            results = call([*flat, *element])
            flat = results[:count]
            yield results[count:]

    def _describe(self) -> str:
        return self._function.name


class Unique(Dataset):
    """Each element once."""

    def __init__(self, source: Dataset):
        spec = source._element_spec
        if not isinstance(spec, TensorSpec):
            raise TypeError(
                "`tf.data.Dataset.unique` is not supported for datasets with non-tensor elements."
            )
        if spec.dtype not in (dtypes.int32, dtypes.int64, dtypes.string):
            raise TypeError(
                f"`tf.data.Dataset.unique` is only supported for tf.int32, tf.int64, and tf.string, got {spec.dtype.name}."
            )
        super().__init__(spec, (source,))

    def _elements(self, at: Iteration) -> Iterator[list]:
        seen: dict = dict.fromkeys(_key(each) for each in at.kept.get("seen", ()))
        at.keep(lambda: {"seen": list(seen)})
        for element in at.input():
            key = _key(element[0])
            if key not in seen:
                seen[key] = None
                yield element

    def _size(self) -> int:
        return UNKNOWN


def _key(value: Any) -> Any:
    value = np.asarray(value)
    return (
        value.item()
        if value.ndim == 0
        else (value.shape, value.tobytes() if value.dtype != object else tuple(value.ravel()))
    )
