"""A compiled piece of a graph: operations that run as one XLA program, which reads and assigns states.

The program is made for the states that the piece works on; other states with the same shapes share it.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.aligned import array_behind, in_own_memory
from penstock.engine.compiler_options import compiler_options
from penstock.engine.context import lowering_for, process, thread
from penstock.engine.resources import SharedState, State, is_plain
from penstock.engine.sharding import ShardedState, constrained
from penstock.engine.xla import jax, jit, jnp, wide_types
from penstock.graph.repeated_steps import RepeatedSteps
from penstock.ops.tensor_list_kernels import register_pytree
from penstock.runtime import fusion, rolled_steps
from penstock.runtime.compile_notice import announced
from penstock.runtime.failure import Failure, NotCarriedError
from penstock.runtime.held_calls import HeldCalls, Repetition, value_of
from penstock.runtime.index_checks import IndexCheck, earlier_failure, index_error, sort_out
from penstock.runtime.lowering import (
    Lowering,
    NotCompilableError,
    StateProxy,
    as_array,
    at_line,
    checks,
    may_be_out_of_range,
    nested_graphs,
    streams,
    written_tensors,
)  # fmt: skip
from penstock.runtime.pace import Pace
from penstock.runtime.replica_places import placed, places_of
from penstock.runtime.worker_programs import WorkerProgram, meeting_operations
from penstock.types import dtypes, errors

_SMALL_BYTES = 1 << 16  # what pieces on the host work on stays with NumPy
_LARGE_BYTES = 1 << 24  # what is copied by a thread of its own


def _kept(state: State) -> Any:
    """The value of a state as one that XLA keeps.

    A NumPy array that a program reads would be copied at each call; one that it writes could not be donated, and its new
    value would lie in memory beyond the temporary memory, which then is not used again.
    """
    if _is_elsewhere(state):
        behind = array_behind(state.value)
        state.value = in_own_memory(state.value) if behind is None else behind
    return state.value


def _is_elsewhere(state: State, most: int = _SMALL_BYTES) -> bool:
    """Whether the value is in NumPy's memory, and has more bytes than that."""
    value = state.value
    return type(value) is np.ndarray and value.nbytes > most and is_plain(state)


class _Binding:
    """A compiled piece together with the states it currently works on."""

    __slots__ = (
        "objects",
        "written",
        "read",
        "copies",
        "shareable",
        "program",
        "repetition",
        "places",
        "pace",
        "is_new",
    )

    def __init__(
        self,
        objects: list,
        written: list[State],
        read: list[State],
        places: list | None,
        shareable: set[int],
        step: Callable,
        program: Callable,
        options: dict[str, Any] | None,
    ):
        self.objects, self.written, self.read, self.program = objects, written, read, program
        # Of each state that is only read: its value at the last call, where that is NumPy's, and XLA's copy of it.
        self.copies: list[tuple[Any, Any]] = [(None, None)] * len(read)
        self.places = places  # of the states, where the program is one over several devices
        self.shareable = shareable  # ids of written states that may lie in memory shared by processes
        self.repetition = Repetition(step, self.run, (*written, *read), options) if written else None
        self.pace = Pace(one_block=places is None)
        self.is_new = True

    def run(self, arguments: list, program: Callable | None = None) -> list:
        """The results of the piece's program, or of another one that works on the same states."""
        program = self.program if program is None else program
        if not self.read and not self.written:
            return program([], [], arguments)[0]
        with process.state_lock:
            if self.is_new:
                self.is_new = False
                self._begin(program, arguments)
            written = [state if id(state) in self.shareable else _kept(state) for state in self.written]
            read = [_kept(state) for state in self.read]
            if self.places is not None:
                written = placed(written, self.places[: len(written)])
                read = placed(read, self.places[len(written) :])
            elif not process.accelerator:
                read = list(map(self._copy, range(len(read)), read))
            if written:
                compile = getattr(program, "compile", None)
                self.pace.before_call(
                    written[0], None if compile is None else lambda: compile(written, read, arguments)
                )
            results, assigned = program(written, read, arguments)
            self.pace.note_start()
            for state, value in zip(self.written, assigned):
                if value is not state:
                    state.value = value
        return results

    def _begin(self, program: Callable, arguments: list) -> None:
        """Compiles the program, while large values that it keeps are copied into XLA's memory."""
        compile = getattr(program, "compile", None)
        large = [state for state in (*self.written, *self.read) if _is_elsewhere(state, _LARGE_BYTES)]
        if compile is None or not large or self.places is not None or process.accelerator or self.shareable:
            return
        values = [[state.value for state in states] for states in (self.written, self.read)]
        with concurrent.futures.ThreadPoolExecutor(1) as copies:
            copied = copies.submit(lambda: [_kept(state) for state in large])
            self.pace.compile(lambda: compile(*values, arguments))
            copied.result()

    def _copy(self, number: int, value: Any) -> Any:
        """What a program gets of a state that it only reads: a small value that stays is converted once, not at each call."""
        if type(value) is not np.ndarray or type(self.read[number]) is not State:
            return value
        before, copy = self.copies[number]
        if value is not before:
            self.copies[number] = value, None
            return value
        if copy is None:
            copy = in_own_memory(value)
            self.copies[number] = value, copy
        return copy


class CompiledPiece:
    """Operations that run as one XLA program. Calling it computes from, and into, an executor's values.

    Args:
      slots: where the value of each tensor is, by its id. template: the known values.
      operations: those of the piece. leaving: the tensors that others need.
    """

    def __init__(self, slots: dict[int, int], template: list[Any], operations: list[Any], leaving: list[Any]):
        self.operations, self.leaving = operations, leaving
        inside = {id(tensor) for operation in operations for tensor in operation.outputs}
        entering: dict[int, Any] = {}
        for operation in operations:
            for each in operation.inputs:
                if id(each) not in inside:
                    entering[id(each)] = each
        resources = [each for each in entering.values() if each.dtype is dtypes.resource]
        self._resources = resources
        self._resource_slots = [slots[id(each)] for each in resources]
        self._constants = {
            id(each): template[slots[id(each)]]
            for each in entering.values()
            if template[slots[id(each)]] is not None
        }
        self._entering = [
            each
            for each in entering.values()
            if each.dtype is not dtypes.resource and id(each) not in self._constants
        ]
        self._entering_slots = [slots[id(each)] for each in self._entering]
        self._takes_arrays = all(each.dtype is not dtypes.variant for each in self._entering)
        self._slots, self._leaving_slots = slots, [slots[id(each)] for each in leaving]
        self._written = {id(each) for operation in operations for each in written_tensors(operation)}
        self._streams = _streams_of(operations)
        nested = [graph for each in operations if each.definition.nested for graph in nested_graphs(each)]
        self._options = compiler_options(each.type for each in (*operations, *_operations_of(nested)))
        self._checks = checks(nested)
        self._before: list[IndexCheck] = []  # made before the program runs
        self._settled: set[int] = set()  # operations whose indices the program need not look at
        self._checks += [each for each in operations if may_be_out_of_range(each)]
        if any(each.definition.index_range is not None for each in self._checks):
            self._before, self._settled = sort_out(operations, entering.values(), slots)
            self._checks = [each for each in self._checks if id(each) not in self._settled]
        self._carries_failure = False
        self._programs: dict[tuple, tuple[Callable, Callable]] = {}  # the step and its program
        self._binding: _Binding | None = None

    def __call__(self, env: list) -> None:
        objects = [env[slot] for slot in self._resource_slots]
        binding = self._binding
        if binding is None or binding.objects != objects:
            binding = self._binding = self._bind(objects)
        for check in self._before:
            check(env)
        arguments = [env[slot] for slot in self._entering_slots]
        held = thread.held_calls
        results = binding.run(arguments) if held is None else self._in_loop(held, binding, arguments)
        for slot, value in zip(self._leaving_slots, results):
            env[slot] = value
        if self._checks and len(results) > len(self.leaving):
            number, *index = np.asarray(results[-1]).tolist()
            if number:
                wrong = self._checks[number - 1]
                raise earlier_failure(wrong, {}, env, self._slots) or _failure_of(wrong, index)

    def _in_loop(self, held: HeldCalls, binding: _Binding, arguments: list) -> Sequence[Any]:
        """The results of a call in a loop on the host, or promises of them."""
        arguments = [value_of(each) for each in arguments]
        repeats = self._takes_arrays and process.workers is None and binding.repetition is not None
        results = held.take(binding.repetition, arguments, len(self.leaving)) if repeats else None
        if results is None:
            held.before_use((*binding.written, *binding.read))
            results = binding.run(arguments)
            if repeats and len(results) == len(self.leaving):  # else every call's failure is to be looked at
                binding.repetition.note(arguments)
        return results

    def lower(self, env: list, platform: str | None = None) -> Any:
        """The program for the values in `env`, traced but not compiled (a `jax.stages.Lowered`).

        Args:
          env: the values.
          platform: JAX's name of the platform that it is for; None for that of this process.
        """
        binding = self._bind([env[slot] for slot in self._resource_slots])
        written, read = ([state.value for state in states] for states in (binding.written, binding.read))
        arguments = [env[slot] for slot in self._entering_slots]
        if platform is None:
            with wide_types():
                return binding.program.program.lower(written, read, arguments)
        step = self._step(binding.objects, binding.written, binding.read)  # traced anew
        with wide_types(), lowering_for(platform):
            traced = jax.jit(step, donate_argnums=(0,)).trace(written, read, arguments)
            return traced.lower(lowering_platforms=(platform,))

    def _bind(self, objects: list) -> _Binding:
        """The program for the states that the resource inputs hold (equal ones are one state), compiled on its call."""
        for tensor, each in zip(self._resources, objects):
            if getattr(each, "elsewhere", None) is not None and not isinstance(each, ShardedState):
                user = next(op for op in self.operations if any(x is tensor for x in op.inputs))
                raise NotCompilableError(user, "has a state that lives elsewhere")
            if not isinstance(each, State):
                raise errors.InvalidArgumentError(
                    None, tensor.op, f"{tensor.name}: expected a variable, got {each!r}"
                )  # fmt: skip
        distinct = {id(each): each for each in (*objects, *self._streams)}
        written_ids = {
            id(each) for tensor, each in zip(self._resources, objects) if id(tensor) in self._written
        }
        written_ids.update(id(each) for each in self._streams)
        written = [each for key, each in distinct.items() if key in written_ids]
        read = [each for key, each in distinct.items() if key not in written_ids]
        order = {id(each): index for index, each in enumerate((*written, *read))}
        shardings = tuple(getattr(each, "sharding", None) for each in written)
        pattern = (len(written), tuple(order[id(each)] for each in objects), shardings)
        if pattern not in self._programs:
            step = self._step(objects, written, read)
            self._programs[pattern] = (step, self._program(step))
        held = {id(tensor): each for tensor, each in zip(self._resources, objects)}
        places = places_of(self.operations, (*written, *read), held)
        shareable = self._shareable(objects, written)
        return _Binding(objects, written, read, places, shareable, *self._programs[pattern], self._options)

    def _shareable(self, objects: list, written: list[State]) -> set[int]:
        """The ids of states that workers might share: nothing but one replicated call uses them, and no step is undone."""
        if process.workers is None or process.workers.memory is None or self._checks:
            return set()
        users: dict[int, list[Any]] = {}
        for tensor, each in zip(self._resources, objects):
            users.setdefault(id(each), []).extend(
                user for user in self.operations if any(x is tensor for x in user.inputs)
            )
        return {
            id(each)
            for each in written
            if type(each) is SharedState and [user.type for user in users[id(each)]] == ["ReplicatedCall"]
        }

    def _step(self, objects: list, written: list[State], read: list[State]) -> Callable:
        """`step(written values, read values, arguments) -> (results, assigned values)`, to be traced."""
        parts = rolled_steps.find(self.operations, self.leaving, self._constants)
        fused = _fusions(parts, self.leaving)

        def run(written_values: list, read_values: list, arguments: list) -> tuple[list, list]:
            def lower() -> tuple[dict, dict, Failure | None]:
                proxies = {
                    id(state): StateProxy(state, value)
                    for state, value in zip((*written, *read), (*written_values, *read_values))
                }
                values = dict(self._constants)
                values.update((id(tensor), value) for tensor, value in zip(self._entering, arguments))
                values.update(
                    (id(tensor), proxies[id(each)]) for tensor, each in zip(self._resources, objects)
                )
                failure = (
                    Failure(self._checks, self._settled, self._carries_failure) if self._checks else None
                )
                with context.building(None), context.tapes_stopped():
                    lowering = Lowering(proxies, failure, fused)
                    rolled = rolled_steps.RolledSteps(lowering, values)
                    for part in parts:
                        rolled.lower(part) if isinstance(part, RepeatedSteps) else lowering.run(part, values)
                return proxies, values, failure

            try:
                proxies, values, failure = lower()
            except NotCarriedError:
                self._carries_failure = True
                proxies, values, failure = lower()
            assigned = [proxies[id(state)].value for state in written]
            if failure is not None and failure.stops:
                assigned = [_kept_if(failure, *each) for each in zip(assigned, written_values)]
            assigned = [
                constrained(value, getattr(state, "sharding", None))
                for value, state in zip(assigned, written)
            ]
            owned = {id(value) for value in (*assigned, *read_values)}
            results = []
            for tensor in self.leaving:
                value = as_array(values[id(tensor)], tensor.dtype)
                # A state's buffer is donated later: a result must not be the same buffer.
                results.append(jnp.copy(value) if id(value) in owned else value)
            if failure is not None and failure.noted:
                results.append(failure.value)
            return results, assigned

        return run

    def _program(self, step: Callable) -> Callable:
        """The step compiled at its first call; the values that are written are donated."""
        register_pytree()
        if process.workers is not None and (meeting := meeting_operations(self.operations)):
            fixed = all(each.shape.is_fully_defined() for each in self._entering)
            return WorkerProgram(step, meeting, fixed, self._describe())
        return announced(jit(step, donate_argnums=(0,), compiler_options=self._options), self._describe)

    def _describe(self) -> str:
        graph = self.operations[0].graph
        return f"{getattr(graph, 'name', None) or 'a graph'} ({len(self.operations)} operations)"


def _fusions(parts: Sequence[list[Any] | RepeatedSteps], leaving: Sequence[Any]) -> dict[int, fusion.Compute]:
    """Those in the operations that run once, and those in the model of each repetition."""
    once: list[Any] = []
    needed = list(leaving)
    found: dict[int, fusion.Compute] = {}
    for part in parts:
        if isinstance(part, RepeatedSteps):
            needed += part.needed
            found.update(fusion.find(part.model, part.leaving))
        else:
            once += part
    return {**found, **fusion.find(once, needed)}


def _operations_of(graphs: Iterable[Any]) -> Iterator[Any]:
    """The operations of graphs, nested ones included."""
    for graph in graphs:
        for operation in graph.get_operations():
            yield operation
            if operation.definition.nested:
                yield from _operations_of(nested_graphs(operation))


def _streams_of(operations: Sequence[Any]) -> list[State]:
    found: dict[int, State] = {}
    for operation in operations:
        stream = operation.attrs.get("_stream")
        if stream is not None:
            found[id(stream)] = stream
        if operation.definition.nested:
            found.update((id(each), each) for each in streams(nested_graphs(operation)))
    return list(found.values())


def _kept_if(failure: Failure, new: Any, old: Any) -> Any:
    """What a state is assigned: its old value where an index was out of range."""
    if old is None or np.shape(old) != np.shape(new):
        return new
    return jnp.where(failure.holds, new, old)


def _failure_of(operation: Any, index: Sequence[int]) -> errors.OpError:
    """The error for what a program found wrong, where only the known inputs are at hand."""
    definition = operation.definition
    if definition.index_range is not None:
        shape = operation.inputs[definition.index_range.index].shape
        return index_error(operation, definition.index_range.error_of(shape, *index))
    known = [each.op.attrs["value"] if each.op.type == "Const" else None for each in operation.inputs]
    attrs = definition.attrs_for_kernel(operation.attrs)
    return at_line(operation, definition.check.error(*definition.group(known, operation.attrs), **attrs))
