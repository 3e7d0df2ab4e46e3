"""Running a graph: the largest compilable pieces as XLA programs, the ops between them on the host.

An `Executor` belongs to one set of operations with given inputs and outputs (a function's body, a session's fetches,
a loop body). It is split into stages, in program order: a compiled piece, then host ops, then the next piece. The
usual training step is one host op (`IteratorGetNext`) and one compiled piece.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.engine.execute import explain, run_kernel
from penstock.engine.resources import State
from penstock.engine.sharding import ShardedState, constrained, is_spread
from penstock.engine.static_value import is_static
from penstock.engine.xla import jax, jit, jnp, wide_types
from penstock.ops.tensor_list_kernels import register_pytree
from penstock.runtime import fusion
from penstock.runtime.compile_notice import announced
from penstock.runtime.held_calls import HeldCalls, Repetition, value_of
from penstock.runtime.lowering import (
    Failure,
    Lowering,
    NotCompilableError,
    StateProxy,
    as_array,
    at_line,
    checks,
    nested_graphs,
    pruned,
    streams,
    written_tensors,
)  # fmt: skip
from penstock.runtime.worker_programs import UnequalWorkers, WorkerProgram, meeting_operations
from penstock.types import dtypes, errors
from penstock.types.tensors import EagerTensor

_HOST_DTYPES = (dtypes.string,)
_LARGEST_FOLDED = 4096  # elements
_PASSING = {"Identity", "IdentityN"}


class Executor:
    """Runs operations.

    Args:
      operations: in program order; those that matter.
      inputs: the tensors whose values each run is given.
      outputs: the tensors whose values each run returns.
      prefer_host: run every op that has a NumPy body on the host (for small per-element functions).
    """

    def __init__(
        self,
        operations: Sequence[Any],
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        prefer_host: bool = False,
    ):
        self._operations, self._inputs, self._outputs = list(operations), list(inputs), list(outputs)
        self._prefer_host = prefer_host
        self._host: set[int] = set()  # ids of operations that turned out to need the host
        self._meeting_on_host: dict[tuple, list] = {}  # ids of what is left of a call -> its steps
        self._lock = threading.RLock()
        self._build()

    def _build(self) -> None:
        slots: dict[int, int] = {}
        for tensor in self._inputs:
            slots.setdefault(id(tensor), len(slots))
        for operation in self._operations:
            for tensor in operation.outputs:
                slots.setdefault(id(tensor), len(slots))
        for tensor in self._outputs:
            if id(tensor) not in slots:
                raise errors.InvalidArgumentError(
                    None, tensor.op, f"You must feed a value for placeholder tensor {tensor.op.name!r} with dtype "
                    f"{tensor.dtype.name} and shape {tensor.shape}"
                )  # fmt: skip
        template: list[Any] = [None] * len(slots)
        for operation in self._operations:
            if operation.type == "Const":
                template[slots[id(operation.outputs[0])]] = operation.attrs["value"]
        self._slots, self._template = slots, template
        self._operations = [each for each in self._operations if not self._fold(each)]
        self._output_slots = [slots[id(tensor)] for tensor in self._outputs]
        self._steps = self._split(self._operations)

    def _fold(self, operation: Any) -> bool:
        """Computes an operation of known values once and for all; False where it has to run."""
        if not operation.definition.is_plain or operation.control_inputs:
            return False
        values = [self._template[self._slots[id(each)]] for each in operation.inputs]
        if any(value is None or not is_static(value) or np.size(value) > _LARGEST_FOLDED for value in values):
            return False
        try:
            result = operation.definition.numpy_body(
                *values, **operation.definition.attrs_for_kernel(operation.attrs)
            )
        except (ValueError, IndexError, errors.OpError):
            return False  # it fails when it runs, if it runs
        if not is_static(result) or np.size(result) > _LARGEST_FOLDED:
            return False
        self._template[self._slots[id(operation.outputs[0])]] = result
        return True

    # Splitting.

    def _on_host(self, operation: Any, host: set[int]) -> bool:
        definition = operation.definition
        if id(operation) in host:
            return True
        if self._prefer_host and (definition.nested or definition.numpy_body is not None):
            return True
        return _needs_host(operation)

    def _split(self, operations: Sequence[Any], meeting: int = 0) -> list[Callable[[list], None]]:
        """The steps: compiled piece 0, host ops 0, compiled piece 1, ... `meeting` is the id of one more host op."""
        needing_host = self._host | {meeting}
        stage: dict[int, tuple[int, bool]] = {}  # id(operation) -> (stage, on host)
        touched: dict[
            int, list[tuple[int, bool]]
        ] = {}  # id(resource tensor or stream) -> stages of its users
        pieces: dict[int, list[Any]] = {}
        host: dict[int, list[Any]] = {}
        order: list[tuple[Any, list[int]]] = []
        for operation in operations:
            if operation.type == "Const":
                continue
            on_host = self._on_host(operation, needing_host)
            before = [stage[id(each.op)] for each in operation.inputs if id(each.op) in stage]
            before += [stage[id(each)] for each in operation.control_inputs if id(each) in stage]
            keys = _effect_keys(operation)
            for key in keys:
                before += touched.get(key, ())
            # A check without outputs is only a step on the host, and nothing waits for it.
            waits = not on_host and (operation.definition.check is None or operation.outputs)
            level = 0
            for at, was_host in before:
                level = max(level, at + 1 if was_host and waits else at)
            stage[id(operation)] = (level, on_host)
            for key in keys:
                touched[key] = [(level, on_host)]
            order.append((operation, keys))
        self._delay(order, stage)
        for operation, _ in order:
            level, on_host = stage[id(operation)]
            checked = operation.definition.check is not None and not on_host
            if checked:
                host.setdefault(level, []).append(operation)
            if not checked or operation.outputs:
                (host if on_host else pieces).setdefault(level, []).append(operation)
        wanted = {id(tensor) for tensor in self._outputs}
        users: dict[int, set[int]] = {}
        for operation in operations:
            for each in operation.inputs:
                users.setdefault(id(each), set()).add(id(operation))
                if operation.definition.check is not None:
                    users[id(each)].add(0)  # the check, which is outside of every piece
        steps: list[Callable[[list], None]] = []
        for level in sorted({*pieces, *host}):
            if level in pieces:
                inside = {id(operation) for operation in pieces[level]}
                leaving = [
                    tensor
                    for operation in pieces[level]
                    for tensor in operation.outputs
                    if id(tensor) in wanted or users.get(id(tensor), set()) - inside
                ]
                kind = HostPiece if _is_tiny(pieces[level], leaving) else CompiledPiece
                steps.append(kind(self, pieces[level], leaving))
            steps.extend(self._host_step(operation, needing_host) for operation in host.get(level, ()))
        return steps

    def _host_step(self, operation: Any, needing_host: set[int]) -> Callable[[list], None]:
        if operation.definition.nested:
            return HostControlFlow(self, operation)
        if operation.definition.check is not None and not self._on_host(operation, needing_host):
            return CheckStep(self, operation)
        return HostStep(self, operation)

    @staticmethod
    def _delay(order: list[tuple[Any, list[int]]], stage: dict[int, tuple[int, bool]]) -> None:
        """Moves compiled operations to the latest stage that their users allow: fewer pieces, fewer values between them."""
        last = max((level for level, on_host in stage.values() if not on_host), default=0)
        latest: dict[int, int] = {}  # id(operation or effect key) -> the first stage that needs it
        for operation, keys in reversed(order):
            level, on_host = stage[id(operation)]
            if not on_host:
                bound = min((latest[key] for key in (id(operation), *keys) if key in latest), default=last)
                level = max(level, bound)
                stage[id(operation)] = (level, on_host)
            for key in (
                *(id(each.op) for each in operation.inputs),
                *(id(each) for each in operation.control_inputs),
                *keys,
            ):
                latest[key] = min(latest.get(key, level), level)

    def keep_on_host(self, operations: Iterable[Any]) -> None:
        """Runs these operations on the host from now on, by their NumPy bodies."""
        with self._lock:
            self._host.update(id(each) for each in operations)
            self._steps = self._split(self._operations)

    # Running.

    def run(self, values: Sequence[Any]) -> list[Any]:
        """Runs once.

        Args:
          values: for each input a NumPy or JAX array, or the object that a resource tensor holds.

        Returns:
          The same for each output.
        """
        env = self.environment(values)
        steps, done = self._steps, 0
        device = process.device_of(thread.device) if thread.device else None
        if device is not None and jax.config.jax_default_device is not device:
            with jax.default_device(device):
                return self.run(values)
        times = thread.step_times
        try:
            for step in steps:
                step(env) if times is None else times.run(step, env)
                done += 1
        except NotCompilableError as problem:
            self._recover(env, steps[done:], problem)
        return [env[slot] for slot in self._output_slots]

    def environment(self, values: Sequence[Any]) -> list[Any]:
        """What a run starts from: a slot for each tensor, those of known values and of the inputs filled."""
        env = self._template.copy()
        env[: len(values)] = values
        return env

    def _recover(self, env: list, rest: Sequence[Any], problem: NotCompilableError) -> None:
        """Moves the operation to the host, and runs what is left of this call with the new split.

        Where it is only for this call that the workers of a cluster must meet on the host, the next call is as before.
        """
        while True:
            left = {id(each) for step in rest for each in step.operations}
            operations = [each for each in self._operations if id(each) in left]
            with self._lock:
                if isinstance(problem, UnequalWorkers):
                    key = (id(problem.operation), *sorted(left))
                    if key not in self._meeting_on_host:
                        self._meeting_on_host[key] = self._split(operations, id(problem.operation))
                    rest = self._meeting_on_host[key]
                else:
                    self._host.add(id(problem.operation))
                    self._meeting_on_host.clear()
                    self._steps = self._split(self._operations)
                    rest = self._split(operations)
            done = 0
            try:
                for step in rest:
                    step(env)
                    done += 1
                return
            except NotCompilableError as another:
                problem, rest = another, rest[done:]

    @property
    def steps(self) -> list[Any]:
        """What runs, in order: compiled pieces and host steps (for people and tests)."""
        return list(self._steps)


def _needs_host(operation: Any) -> bool:
    definition = operation.definition
    if operation.type in ("Const", "Placeholder"):
        return False
    tensors = (*operation.inputs, *operation.outputs)
    if definition.nested:  # its graphs may hold strings and nothing else, as constants
        return (
            definition.lowering is None
            or any(each.dtype in _HOST_DTYPES for each in tensors)
            or any(_needs_host(each) for graph in nested_graphs(operation) for each in graph.get_operations())
        )
    if definition.xla_body is None:
        return True
    if definition.check is not None:
        return False
    for each in tensors:
        if each.dtype in _HOST_DTYPES:
            return True
        if operation.type in _PASSING and each.dtype in (dtypes.resource, dtypes.variant):
            return True
    return False


# What calls cost on a CPU, in microseconds: measured, and only compared with each other.
_XLA_CALL, _XLA_ARRAY = 10.0, 1.1
_NUMPY_CALL, _NUMPY_ELEMENT = 1.3, 0.00005
_TINY_TENSOR = 1 << 14  # elements
_STATE_OPS = {"ReadVariableOp", "AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"}


def _is_state_op(op_type: str) -> bool:
    """Whether an op reads or assigns variables, and NumPy does it as fast as arithmetic."""
    return op_type in _STATE_OPS or op_type.startswith("ResourceApply")


def _is_tiny(piece: list[Any], leaving: list[Any]) -> bool:
    """Whether a piece is so little work that NumPy does it before XLA's call would have begun."""
    numpy_cost = 0.0
    arrays: set[int] = {id(each) for each in leaving}
    inside = {id(each) for operation in piece for each in operation.outputs}
    for operation in piece:
        if operation.device or not (operation.definition.is_plain or _is_state_op(operation.type)):
            return False
        numpy_cost += _NUMPY_CALL
        for each in (*operation.inputs, *operation.outputs):
            shape = each.shape
            if each.dtype is dtypes.variant:
                return False
            if each.dtype is dtypes.resource:
                if each.handle_data is None:
                    return False
                shape = each.handle_data.shape
            size = shape.num_elements()
            if size is None or size > _TINY_TENSOR:
                return False
            numpy_cost += size * _NUMPY_ELEMENT
            if id(each) not in inside and each.op.type != "Const":
                arrays.add(id(each))
        arrays.update(-id(each) for each in written_tensors(operation))  # an assigned state goes in and out
    return not process.accelerator and numpy_cost < _XLA_CALL + _XLA_ARRAY * len(arrays)


def _effect_keys(operation: Any) -> list[int]:
    """What an operation's place in the program order is relative to: its resources, its streams, the outside world."""
    definition = operation.definition
    if not definition.stateful and not definition.nested:
        return []
    keys = [id(each) for each in operation.inputs if each.dtype is dtypes.resource]
    if "_stream" in operation.attrs:
        keys.append(id(operation.attrs["_stream"]))
    elif definition.nested:
        keys += [id(each) for each in streams(nested_graphs(operation))]
    elif not keys and definition.stateful and operation.outputs == [] and operation.type != "NoOp":
        keys.append(0)
    return keys


class _Binding:
    """A compiled piece together with the states it currently works on."""

    __slots__ = ("objects", "written", "read", "program", "repetition")

    def __init__(
        self, objects: list, written: list[State], read: list[State], step: Callable, program: Callable
    ):
        self.objects, self.written, self.read, self.program = objects, written, read, program
        self.repetition = Repetition(step, self.run, (*written, *read)) if written else None

    def run(self, arguments: list, program: Callable | None = None) -> list:
        """The results of the piece's program, or of another one that works on the same states."""
        program = self.program if program is None else program
        if not self.read and not self.written:
            return program([], [], arguments)[0]
        with process.state_lock:
            results, assigned = program(
                [state.value for state in self.written], [state.value for state in self.read], arguments
            )
            for state, value in zip(self.written, assigned):
                state.value = value
        return results


class CompiledPiece:
    """Operations that run as one XLA program. Calling it computes from, and into, an executor's values."""

    def __init__(self, executor: Executor, operations: list[Any], leaving: list[Any]):
        self.operations, self.leaving = operations, leaving
        slots = executor._slots
        inside = {id(tensor) for operation in operations for tensor in operation.outputs}
        entering: dict[int, Any] = {}
        for operation in operations:
            for each in operation.inputs:
                if id(each) not in inside:
                    entering[id(each)] = each
        resources = [each for each in entering.values() if each.dtype is dtypes.resource]
        self._resources = resources
        self._resource_slots = [slots[id(each)] for each in resources]
        template = executor._template
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
        self._leaving_slots = [slots[id(each)] for each in leaving]
        self._written = {id(each) for operation in operations for each in written_tensors(operation)}
        self._streams = _streams_of(operations)
        nested = [graph for each in operations if each.definition.nested for graph in nested_graphs(each)]
        self._checks = checks(nested)
        self._programs: dict[tuple, tuple[Callable, Callable]] = {}  # the step and its program
        self._binding: _Binding | None = None

    def __call__(self, env: list) -> None:
        objects = [env[slot] for slot in self._resource_slots]
        binding = self._binding
        if binding is None or binding.objects != objects:
            binding = self._binding = self._bind(objects)
        arguments = [env[slot] for slot in self._entering_slots]
        held = thread.held_calls
        results = binding.run(arguments) if held is None else self._in_loop(held, binding, arguments)
        for slot, value in zip(self._leaving_slots, results):
            env[slot] = value
        if self._checks and (number := int(results[-1])):
            raise _failure_of(self._checks[number - 1])

    def _in_loop(self, held: HeldCalls, binding: _Binding, arguments: list) -> Sequence[Any]:
        """The results of a call in a loop on the host, or promises of them."""
        arguments = [value_of(each) for each in arguments]
        repeats = binding.repetition is not None and not self._checks and process.workers is None
        results = held.take(binding.repetition, arguments, len(self.leaving)) if repeats else None
        if results is None:
            held.before_use((*binding.written, *binding.read))
            results = binding.run(arguments)
            if repeats:
                binding.repetition.note(arguments)
        return results

    def lower(self, env: list) -> Any:
        """The program for the values in `env`, traced but not compiled (a `jax.stages.Lowered`)."""
        binding = self._bind([env[slot] for slot in self._resource_slots])
        written, read = ([state.value for state in states] for states in (binding.written, binding.read))
        with wide_types():
            return binding.program.program.lower(written, read, [env[slot] for slot in self._entering_slots])

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
        return _Binding(objects, written, read, *self._programs[pattern])

    def _step(self, objects: list, written: list[State], read: list[State]) -> Callable:
        """`step(written values, read values, arguments) -> (results, assigned values)`, to be traced."""
        fused = fusion.find(self.operations, self.leaving)

        def run(written_values: list, read_values: list, arguments: list) -> tuple[list, list]:
            proxies = {
                id(state): StateProxy(state, value)
                for state, value in zip((*written, *read), (*written_values, *read_values))
            }
            values = dict(self._constants)
            values.update((id(tensor), value) for tensor, value in zip(self._entering, arguments))
            values.update((id(tensor), proxies[id(each)]) for tensor, each in zip(self._resources, objects))
            with context.building(None), context.tapes_stopped():
                failure = Failure(self._checks) if self._checks else None
                Lowering(proxies, failure, fused).run(self.operations, values)
            assigned = [
                constrained(proxies[id(state)].value, getattr(state, "sharding", None)) for state in written
            ]
            owned = {id(value) for value in (*assigned, *read_values)}
            results = []
            for tensor in self.leaving:
                value = as_array(values[id(tensor)], tensor.dtype)
                # A state's buffer is donated later: a result must not be the same buffer.
                results.append(jnp.copy(value) if id(value) in owned else value)
            if failure is not None:
                results.append(failure.value)
            return results, assigned

        return run

    def _program(self, step: Callable) -> Callable:
        """The step compiled at its first call; the values that are written are donated."""
        register_pytree()
        if process.workers is not None and (meeting := meeting_operations(self.operations)):
            fixed = all(each.shape.is_fully_defined() for each in self._entering)
            return WorkerProgram(step, meeting, fixed, self._describe())
        return announced(jit(step, donate_argnums=(0,)), self._describe)

    def _describe(self) -> str:
        graph = self.operations[0].graph
        return f"{getattr(graph, 'name', None) or 'a graph'} ({len(self.operations)} operations)"


def _streams_of(operations: Sequence[Any]) -> list[State]:
    found: dict[int, State] = {}
    for operation in operations:
        stream = operation.attrs.get("_stream")
        if stream is not None:
            found[id(stream)] = stream
        if operation.definition.nested:
            found.update((id(each), each) for each in streams(nested_graphs(operation)))
    return list(found.values())


class HostPiece:
    """A few small operations, called one after the other with NumPy: for pieces that are not worth an XLA call."""

    def __init__(self, executor: Executor, operations: list[Any], leaving: list[Any]):
        self.operations, self.leaving = operations, leaving
        self._executor = executor
        self._compiled: CompiledPiece | None = None  # for values that are spread over a mesh
        slots = executor._slots
        template = executor._template
        inside = {id(each) for operation in operations for each in operation.outputs}
        entering = {
            id(each): each for operation in operations for each in operation.inputs if id(each) not in inside
        }
        self._states = [slots[key] for key, each in entering.items() if each.dtype is dtypes.resource]
        self._arrays = [
            slots[key]
            for key, each in entering.items()
            if each.dtype is not dtypes.resource and template[slots[key]] is None
        ]
        self._calls = [
            (
                operation.definition.numpy_body,
                [slots[id(each)] for each in operation.inputs],
                operation.definition.attrs_for_kernel(operation.attrs),
                slots[id(operation.outputs[0])] if operation.outputs else -1,
            )
            for operation in operations
        ]

    def __call__(self, env: list) -> None:
        if process.meshes and self._is_spread(env):
            if self._compiled is None:
                self._compiled = CompiledPiece(self._executor, self.operations, self.leaving)
            self._compiled(env)
        elif self._states:
            if thread.held_calls is not None:
                thread.held_calls.before_use(env[slot] for slot in self._states)
            with process.state_lock:
                self._run(env)
        else:
            self._run(env)

    def _is_spread(self, env: list) -> bool:
        return any(isinstance(env[slot], ShardedState) for slot in self._states) or any(
            is_spread(env[slot]) for slot in self._arrays
        )

    def _run(self, env: list) -> None:
        for slot in self._arrays:
            if type(env[slot]) is not np.ndarray:
                env[slot] = np.asarray(env[slot])
        for slot in self._states:
            state = env[slot]
            if type(state) is State and type(state.value) is not np.ndarray and state.value is not None:
                state.value = np.asarray(state.value)
        done = 0
        try:
            for body, inputs, attrs, output in self._calls:
                result = body(*[env[slot] for slot in inputs], **attrs)
                if output >= 0:
                    env[output] = result
                done += 1
        except (ValueError, IndexError) as error:
            operation = self.operations[done]
            values = [env[slot] for slot in self._calls[done][1]]
            flat = [_eager(value, each.dtype) for value, each in zip(values, operation.inputs)]
            raise at_line(operation, explain(operation.definition, flat, operation.attrs, error)) from error


class HostStep:
    """One operation that runs on the host."""

    def __init__(self, executor: Executor, operation: Any):
        self.operations = [operation]
        self._operation = operation
        self._definition = operation.definition
        self._attrs = operation.definition.attrs_for_kernel(operation.attrs)
        slots = executor._slots
        self._input_slots = [slots[id(each)] for each in operation.inputs]
        self._output_slots = [slots[id(each)] for each in operation.outputs]
        self._dtypes = [each.dtype for each in operation.inputs]
        # Lists and optionals hold values without looking at them: no waiting for the device. But positions and sizes
        # (the inputs whose dtype the signature fixes) must be known.
        takes_any = any(each.dtype is dtypes.variant for each in (*operation.inputs, *operation.outputs))
        signature = operation.definition.signature
        if not takes_any:
            self._looks_at = [True] * len(operation.inputs)
        elif signature.has_list_inputs:
            self._looks_at = [False] * len(operation.inputs)
        else:
            self._looks_at = [each.type in (dtypes.int32, dtypes.int64) for each in signature.inputs]

    def __call__(self, env: list) -> None:
        values = [env[slot] for slot in self._input_slots]
        if thread.held_calls is None:
            self._run(env, values)
        else:
            with thread.held_calls.around(self._operation, values) as values:
                self._run(env, values)

    def _run(self, env: list, values: list) -> None:
        definition = self._definition
        body = definition.numpy_body
        try:
            if body is not None:
                values = [
                    _on_host(value) if looks_at and not is_static(value) else value
                    for value, looks_at in zip(values, self._looks_at)
                ]
                results = body(*definition.group(values, self._operation.attrs), **self._attrs)
            else:
                flat = [_eager(value, dtype) for value, dtype in zip(values, self._dtypes)]
                results = run_kernel(
                    definition, definition.group(flat, self._operation.attrs), flat, self._attrs
                )
        except (ValueError, IndexError) as error:
            flat = [_eager(value, dtype) for value, dtype in zip(values, self._dtypes)]
            raise at_line(self._operation, explain(definition, flat, self._operation.attrs, error)) from error
        if definition.signature.single_output:
            env[self._output_slots[0]] = results
        else:
            for slot, value in zip(self._output_slots, results or ()):
                env[slot] = value


def _failure_of(operation: Any) -> errors.OpError:
    """The error for a check inside a compiled branch or loop, where only the known inputs are at hand."""
    definition = operation.definition
    known = [each.op.attrs["value"] if each.op.type == "Const" else None for each in operation.inputs]
    attrs = definition.attrs_for_kernel(operation.attrs)
    return at_line(operation, definition.check.error(*definition.group(known, operation.attrs), **attrs))


class CheckStep:
    """The check of an operation whose compiled piece has run: it raises, or does nothing."""

    def __init__(self, executor: Executor, operation: Any):
        self.operations = [operation]
        self._operation = operation
        self._attrs = operation.definition.attrs_for_kernel(operation.attrs)
        self._input_slots = [executor._slots[id(each)] for each in operation.inputs]

    def __call__(self, env: list) -> None:
        definition = self._operation.definition
        values = [value_of(env[slot]) for slot in self._input_slots]
        inputs = definition.group(values, self._operation.attrs)
        if definition.check.fails(np, *inputs, **self._attrs):
            raise at_line(self._operation, definition.check.error(*inputs, **self._attrs))


class HostControlFlow:
    """A branch or loop that runs on the host, its bodies by executors of their own."""

    def __init__(self, executor: Executor, operation: Any):
        self.operations = [operation]
        self._operation = operation
        slots = executor._slots
        self._prefer_host = executor._prefer_host
        self._input_slots = [slots[id(each)] for each in operation.inputs]
        self._output_slots = [slots[id(each)] for each in operation.outputs]

    def __call__(self, env: list) -> None:
        from penstock.runtime.control_flow import run_on_host

        values = [env[slot] for slot in self._input_slots]
        for slot, value in zip(self._output_slots, run_on_host(self._operation, values, self._prefer_host)):
            env[slot] = value


def _on_host(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, jax.Array) else value


def _eager(value: Any, dtype: Any) -> EagerTensor:
    if is_static(value) or not isinstance(value, jax.Array):
        return EagerTensor(value, dtype)
    return EagerTensor.from_jax(value, dtype)


def executor_of(graph: Any, prefer_host: bool = False) -> Executor:
    """The executor of a FuncGraph's body, made once (again after the graph has grown)."""
    key = (graph.version, len(graph.outputs), len(graph.inputs), prefer_host)
    cached = getattr(graph, "_executor", None)
    if cached is None or cached[0] != key:
        cached = graph._executor = (key, Executor(pruned(graph), graph.inputs, graph.outputs, prefer_host))
    return cached[1]


def to_raw(tensor: EagerTensor) -> Any:
    """The value of an eager tensor, in the form that is cheapest for a compiled program."""
    return tensor._np if tensor._jax is None else tensor._jax


def to_tensor(value: Any, dtype: Any) -> EagerTensor:
    """An eager tensor around a value that an executor returned."""
    kind = type(value)
    if kind is np.ndarray or isinstance(value, np.generic) or not isinstance(value, jax.Array):
        return EagerTensor(value, dtype)
    return EagerTensor.from_jax(value, dtype)
