"""What a parameter server does: it holds states, and runs functions on them, one after the other."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.resources import OwnedState, State
from penstock.engine.xla import jax
from penstock.graph.function_bytes import function_from_bytes
from penstock.parameter_server.outcomes import Outcome, outcome_of
from penstock.runtime.executor import Executor
from penstock.runtime.lowering import pruned, written_tensors
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape


class ServerTask:
    """A parameter server. Its methods are called by name from other processes; they take and return plain data.

    Args:
      incarnation: says which of the servers of one name this is, each new one with a new number.
    """

    def __init__(self, incarnation: str = ""):
        self._incarnation = incarnation
        self._states: dict[str, OwnedState] = {}
        self._programs: dict[str, _Program] = {}
        self._sources: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def about(self) -> dict[str, Any]:
        """Who this is: `pid`, `incarnation`, and the number of bytes that its states have."""
        total = sum(getattr(each.value, "nbytes", 0) for each in self._states.values())
        return {"pid": os.getpid(), "incarnation": self._incarnation, "bytes": total}

    def create(self, key: str, name: str, shape: tuple | None, dtype: str, value: Any) -> Outcome:
        """Makes a state with a value, or gives the one of that key a new value."""

        def make() -> None:
            state = OwnedState(np.array(value), name, TensorShape(shape), as_dtype(dtype))
            with self._lock:
                self._states[key] = state

        return outcome_of(make)

    def keys(self) -> list[str]:
        """The keys of all states."""
        return list(self._states)

    def forget(self, keys: Sequence[str]) -> None:
        """Deletes states."""
        with self._lock:
            for each in keys:
                self._states.pop(each, None)

    def load(self, digest: str, source: bytes) -> None:
        """Learns a function."""
        self._sources[digest] = source

    def run(self, digest: str, keys: Sequence[str], inputs: Sequence[Any]) -> Outcome:
        """Runs a function on states and inputs.

        Returns:
          Its outputs as NumPy arrays; or the error "UnknownProgram" or "UnknownState", where the caller has to send the
          function, or to restore the state, first.
        """
        with self._lock:
            missing = [each for each in keys if each not in self._states]
            if missing:
                return Outcome(error="UnknownState", message=", ".join(missing))
            states = [self._states[each] for each in keys]
            program = self._programs.get(digest)
            if program is None:
                if digest not in self._sources:
                    return Outcome(error="UnknownProgram", message=digest)
                program = self._programs[digest] = _Program(self._sources[digest], states)
            return outcome_of(lambda: program.run(states, inputs))


class _Program:
    """A function of the server: its executor, and what it needs to know to lend arrays safely."""

    def __init__(self, source: bytes, states: Sequence[OwnedState]):
        graph = function_from_bytes(source, [each.handle_data for each in states])
        operations = pruned(graph)
        self._executor = Executor(operations, graph.inputs, graph.outputs)
        # Rows of tables are gathered and scattered by NumPy: in place, and without compiling for each number of rows.
        self._executor.keep_on_host(each for each in operations if _is_by_row(each))
        # Where a value is read whole and rows of it are changed in the same run, what was read must not change.
        read = {id(each.inputs[0]) for each in operations if each.type == "ReadVariableOp"}
        changed = {id(each) for op in operations if _is_by_row(op) for each in written_tensors(op)}
        self._may_write_in_place = not read & changed
        self._shared: dict[tuple[int, ...], list[State]] = {}

    def run(self, states: Sequence[OwnedState], inputs: Sequence[Any]) -> list[Any]:
        """The outputs, as arrays that stay as they are while they are sent."""
        if self._may_write_in_place:
            results = self._executor.run([*states, *inputs])
        else:
            shared = self._shared_with(states)
            for state, own in zip(states, shared):
                own.value = state.value
            try:
                results = self._executor.run([*shared, *inputs])
                for state, own in zip(states, shared):
                    state.value = own.value
            finally:
                for own in shared:
                    own.value = None
        held = {id(each.value) for each in states}
        arrays = [np.asarray(each) if isinstance(each, jax.Array) else each for each in results]
        return [each.copy() if id(each) in held else each for each in arrays]

    def _shared_with(self, states: Sequence[OwnedState]) -> list[State]:
        """States that stand for these, whose arrays are never changed in place: the same ones in each call.

        The executor prepares itself for the objects that it gets, and what it prepared is freed late: with large values.
        """
        key = tuple(map(id, states))
        found = self._shared.get(key)
        if found is None or any(a.handle_data != b.handle_data for a, b in zip(found, states)):
            found = self._shared[key] = [State(None, each.name, *each.handle_data) for each in states]
        return found


def _is_by_row(operation: Any) -> bool:
    if operation.type.startswith(("ResourceGather", "ResourceScatter", "ResourceSparseApply")):
        return True
    tensors = (*operation.inputs, *operation.outputs)
    return operation.definition.numpy_body is not None and not all(
        each.shape.is_fully_defined() for each in tensors
    )
