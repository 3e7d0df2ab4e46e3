"""Calls of one compiled piece, one after the other in a loop on the host, made as one call.

A loop that draws batches from an iterator and trains on them (Keras's `steps_per_execution=10`) runs on the host,
since iterators do; each iteration calls the same compiled piece, and nobody looks at its results before the loop ends.
So the calls are held back with their arguments, and their results are promises. The calls are made when the loop ends,
when somebody looks, and before anything else uses their states. Where as many were held the last time, they become one
XLA program: a loop over the arguments that hands the states from step to step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.xla import jit, jnp, lax
from penstock.types import dtypes

_MOST_BYTES = 64 << 20  # that the arguments of held calls may have together
_DRAWING = {"IteratorGetNext", "IteratorGetNextAsOptional"}


class Promise:
    """A result of a call that is held back."""

    __slots__ = ("_calls", "_value")

    def __init__(self, calls: HeldCalls):
        self._calls: HeldCalls | None = calls

    def keep(self, value: Any) -> None:
        """Says what the result is."""
        self._value, self._calls = value, None

    def value(self) -> Any:
        """The result; makes the calls where they are still held."""
        if self._calls is not None:
            self._calls.make()
        return self._value

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.value(), dtype)


class Repetition:
    """What may be called several times at once: a compiled piece on certain states.

    Args:
      step: `step(written values, read values, arguments) -> (results, assigned values)`, to be traced.
      run: `run(arguments, program=None) -> results`: calls the piece's program, or another one, and assigns the states.
      states: those that the piece reads or writes.
    """

    def __init__(self, step: Callable, run: Callable, states: Iterable[Any]):
        self._step, self._run = step, run
        self.states = {id(each) for each in states}
        self._signatures: set[tuple] = set()  # shapes and dtypes that the program has been called with
        self._last_count = 0
        self._program: Callable | None = None
        self._count = 0  # of calls that the program makes

    def note(self, arguments: Sequence[Any]) -> None:
        """Says that the piece has been called with such arguments: that it compiles for them."""
        self._signatures.add(_signature(arguments))

    def may_repeat(self, arguments: Sequence[Any]) -> bool:
        """Whether a call with such arguments is known to compile."""
        return _signature(arguments) in self._signatures

    def make(self, calls: list[list[Any]]) -> list[list[Any]]:
        """Makes calls in order, and gives the results of each."""
        count, before, self._last_count = len(calls), self._last_count, len(calls)
        if count > 1 and count == before and count != self._count:
            self._program, self._count = jit(self._repeated, donate_argnums=(0,)), count
        if count != self._count:
            return [self._run(each) for each in calls]
        results = self._run(calls, self._program)
        return [list(row) for row in zip(*results)]

    def _repeated(self, written: list, read: list, calls: list[list]) -> tuple[list, list]:
        def one(states: list, arguments: list) -> tuple[list, list]:
            results, assigned = self._step(states, read, arguments)
            return assigned, results

        columns = [jnp.stack(column) for column in zip(*calls)]
        states, results = lax.scan(one, written, columns)
        return [[each[i] for i in range(len(calls))] for each in results], states


def _signature(arguments: Sequence[Any]) -> tuple:
    return tuple((each.shape, each.dtype) for each in arguments)


class HeldCalls:
    """The calls that a loop on this thread holds back: of one piece, with arguments of the same shapes."""

    def __init__(self) -> None:
        self._repetition: Repetition | None = None
        self._signature: tuple = ()
        self._arguments: list[list[Any]] = []
        self._promises: list[list[Promise]] = []
        self._bytes = 0
        self._drawing = False  # whether an iterator runs: its own calls are made at once

    def take(self, repetition: Repetition, arguments: list[Any], results: int) -> list[Promise] | None:
        """Holds a call back and gives its results; None where it has to be made now."""
        if self._drawing or not repetition.may_repeat(arguments):
            return None
        signature, size = _signature(arguments), sum(each.nbytes for each in arguments)
        same = repetition is self._repetition and signature == self._signature
        if not same or self._bytes + size > _MOST_BYTES:
            self.make()
        self._repetition, self._signature = repetition, signature
        self._bytes += size
        self._arguments.append(arguments)
        self._promises.append([Promise(self) for _ in range(results)])
        return self._promises[-1]

    def before_use(self, states: Iterable[Any]) -> None:
        """Makes the calls if they use one of these states."""
        if self._repetition is not None and not self._repetition.states.isdisjoint(map(id, states)):
            self.make()

    @contextlib.contextmanager
    def around(self, operation: Any, values: list[Any]) -> Iterator[list[Any]]:
        """The values for an op on the host; unless it only passes them on, the calls are made before."""
        draws = operation.type in _DRAWING
        if self._drawing:  # an op of the dataset's
            self.before_use(values)
        elif not draws and not _passes_on(operation):
            self.make()
            values = [value_of(each) for each in values]
        before, self._drawing = self._drawing, self._drawing or draws
        try:
            yield values
        finally:
            self._drawing = before

    def make(self) -> None:
        """Makes the calls that are held."""
        repetition, calls, promises = self._repetition, self._arguments, self._promises
        self._repetition, self._arguments, self._promises, self._bytes = None, [], [], 0
        if repetition is not None:
            for row, results in zip(promises, repetition.make(calls)):
                for promise, result in zip(row, results):
                    promise.keep(result)


def _passes_on(operation: Any) -> bool:
    """Whether an op on the host does not look at what its inputs hold: it puts them into an optional, or out of one."""
    return operation.type == "OptionalFromValue" or all(
        each.dtype is dtypes.variant for each in operation.inputs
    )


@contextlib.contextmanager
def holding() -> Iterator[None]:
    """A loop on the host, whose calls of compiled pieces may be held until it ends, also by an error."""
    before, thread.held_calls = thread.held_calls, HeldCalls()
    try:
        yield
    finally:
        held, thread.held_calls = thread.held_calls, before
        held.make()


def value_of(value: Any) -> Any:
    """A value on the host once the calls that it waits for are made; what an optional holds is put into its place."""
    if type(value) is Promise:
        return value.value()
    components = getattr(value, "components", None)
    if type(components) is list:
        components[:] = [value_of(each) for each in components]
    return value
