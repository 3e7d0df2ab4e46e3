"""Calls of one compiled piece, one after the other in a loop on the host, made as one call.

A loop that draws batches from an iterator and trains on them (Keras's `steps_per_execution=10`) runs on the host,
since iterators do; each iteration calls the same compiled piece, and nobody looks at its results before the loop ends.
So the calls are held back with their arguments, and their results are promises. The calls are made when the loop ends,
when somebody looks, and before anything else uses their states. Where as many were held the last time, they become one
XLA program: a loop over the arguments, one stacked array for each, that hands the states from step to step. It gives the
results stacked too, and only those that somebody looks at are taken out.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from penstock.engine.aligned import empty
from penstock.engine.context import process, thread
from penstock.engine.xla import jit, jnp, lax, wide_types
from penstock.types import dtypes

_MOST_BYTES = 64 << 20  # that the arguments of held calls may have together


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
        if type(self._value) is _Row:
            self._value = self._value.array()
        return self._value

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.value(), dtype)


class _Row:
    """A result of one of several calls that were made as one."""

    __slots__ = ("_column", "_index")

    def __init__(self, column: Any, index: int):
        self._column, self._index = column, index

    def array(self) -> Any:
        """The result by itself."""
        if process.accelerator:
            with wide_types():
                return self._column[self._index]
        return np.asarray(self._column)[self._index, ...]


class Repetition:
    """What may be called several times at once: a compiled piece on certain states.

    Args:
      step: `step(written values, read values, arguments) -> (results, assigned values)`, to be traced.
      run: `run(arguments, program=None) -> results`: calls the piece's program, or another one, and assigns the states.
      states: those that the piece reads or writes.
      options: the compiler's, for the piece.
    """

    def __init__(
        self, step: Callable, run: Callable, states: Iterable[Any], options: dict[str, Any] | None = None
    ):
        self._step, self._run, self._options = step, run, options
        self.states = {id(each) for each in states}
        self._signatures: set[tuple] = set()  # shapes and dtypes that the program has been called with
        self._last_count = 0
        self._program: Callable | None = None
        self._count = 0  # of calls that the program makes

    def note(self, arguments: Sequence[Any]) -> None:
        """Says that the piece has been called with such arguments: that it compiles for them."""
        self._signatures.add(_signature(arguments))

    def may_repeat(self, signature: tuple) -> bool:
        """Whether a call with such arguments is known to compile."""
        return signature in self._signatures

    def make(self, calls: list[list[Any]]) -> list[list[Any]]:
        """Makes calls in order, and gives the results of each."""
        count, before, self._last_count = len(calls), self._last_count, len(calls)
        if count > 1 and count == before and count != self._count:
            program = jit(self._repeated, donate_argnums=(0,), compiler_options=self._options)
            self._program, self._count = program, count
        if count != self._count:
            return [self._run(each) for each in calls]
        columns = self._run([_stacked(each) for each in zip(*calls)], self._program)
        return [[_Row(column, i) for column in columns] for i in range(count)]

    def _repeated(self, written: list, read: list, columns: list) -> tuple[list, list]:
        def one(states: list, arguments: list) -> tuple[list, list]:
            results, assigned = self._step(states, read, arguments)
            return assigned, results

        columns = [jnp.stack(each) if isinstance(each, list) else each for each in columns]
        states, results = lax.scan(one, written, columns, length=self._count)
        return results, states


def _stacked(values: Sequence[Any]) -> Any:
    """An argument of several calls as one array, or as a list that the program stacks on its device."""
    if not all(type(each) is np.ndarray for each in values):
        return list(values)
    return np.stack(values, out=empty((len(values), *values[0].shape), values[0].dtype))


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
        signature = _signature(arguments)
        if self._drawing or not repetition.may_repeat(signature):
            return None
        size = sum(each.nbytes for each in arguments)
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

    def run(self, kind: HostOp, call: Callable[[list, list], None], env: list, values: list[Any]) -> None:
        """Runs an op on the host, `call(env, values)`; unless it only passes its values on, the calls are made before."""
        if self._drawing:  # an op of the dataset's
            self.before_use(values)
            call(env, values)
        elif kind is HostOp.PASSES_ON:
            call(env, values)
        elif kind is HostOp.DRAWS:
            self._drawing = True
            try:
                call(env, values)
            finally:
                self._drawing = False
        else:
            self.make()
            call(env, [value_of(each) for each in values])

    def make(self) -> None:
        """Makes the calls that are held."""
        repetition, calls, promises = self._repetition, self._arguments, self._promises
        self._repetition, self._arguments, self._promises, self._bytes = None, [], [], 0
        if repetition is not None:
            for row, results in zip(promises, repetition.make(calls)):
                for promise, result in zip(row, results):
                    promise.keep(result)


class HostOp(enum.Enum):
    """What an op on the host does with the values that it gets."""

    LOOKS = enum.auto()
    DRAWS = enum.auto()  # the next element of an iterator
    PASSES_ON = enum.auto()  # into an optional, or out of one

    @classmethod
    def of(cls, operation: Any) -> HostOp:
        """That of an operation."""
        if operation.type in ("IteratorGetNext", "IteratorGetNextAsOptional"):
            return cls.DRAWS
        if operation.type == "OptionalFromValue" or all(
            each.dtype is dtypes.variant for each in operation.inputs
        ):
            return cls.PASSES_ON
        return cls.LOOKS


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
