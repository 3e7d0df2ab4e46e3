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

from penstock.engine.context import process, thread
from penstock.engine.static_value import is_static
from penstock.engine.xla import jax
from penstock.runtime.compiled_piece import CompiledPiece
from penstock.runtime.host_steps import CheckStep, HostControlFlow, HostPiece, HostStep
from penstock.runtime.lowering import (
    NotCompilableError,
    nested_graphs,
    pruned,
    streams,
    written_tensors,
)  # fmt: skip
from penstock.runtime.many_shapes import PieceOfManyShapes
from penstock.runtime.worker_programs import UnequalWorkers
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
                kind = _kind_of(pieces[level], leaving)
                steps.append(kind(self._slots, self._template, pieces[level], leaving))
            steps.extend(self._host_step(operation, needing_host) for operation in host.get(level, ()))
        return steps

    def _host_step(self, operation: Any, needing_host: set[int]) -> Callable[[list], None]:
        if operation.definition.nested:
            return HostControlFlow(self._slots, operation, self._prefer_host)
        if operation.definition.check is not None and not self._on_host(operation, needing_host):
            return CheckStep(self._slots, operation)
        return HostStep(self._slots, operation)

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
        if self._prefer_host and process.accelerator and not thread.device:
            return self._run_on_host(values)
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

    def _run_on_host(self, values: Sequence[Any]) -> list[Any]:
        """Runs where the elements of datasets are made: an accelerator is for what is made of them."""
        thread.device = "/CPU:0"
        try:
            return self.run(values)
        finally:
            thread.device = ""

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
                    rest = _shared(self._split(operations), self._steps)
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


def _shared(steps: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """The steps, with pieces of `others` in place of equal ones: what they compile serves both."""
    same = {_content(each): each for each in others if isinstance(each, CompiledPiece)}
    return [same.get(_content(each), each) if isinstance(each, CompiledPiece) else each for each in steps]


def _content(piece: CompiledPiece) -> tuple:
    return (*(id(each) for each in piece.operations), None, *(id(each) for each in piece.leaving))


def _needs_host(operation: Any) -> bool:
    definition = operation.definition
    if operation.type in ("Const", "Placeholder"):
        return False
    tensors = (*operation.inputs, *operation.outputs)
    if definition.nested:  # its graphs may hold strings and nothing else, as constants
        return (
            definition.lowering is None
            or any(each.dtype in _HOST_DTYPES for each in tensors)
            or any(
                _needs_host(each)
                for graph in nested_graphs(operation)
                for each in graph.get_operations()
                if each.type != "FakeParam"  # a value only where its branch runs by itself
            )
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


def _kind_of(piece: list[Any], leaving: list[Any]) -> type[CompiledPiece] | type[HostPiece]:
    """How a piece runs."""
    if all(_takes_numpy(operation) for operation in piece) and _is_tiny(piece, leaving):
        return HostPiece
    takes_numpy = all(_takes_numpy(operation, lists=True) for operation in piece)
    return PieceOfManyShapes if PieceOfManyShapes.fits(piece, takes_numpy) else CompiledPiece


def _takes_numpy(operation: Any, lists: bool = False) -> bool:
    """Whether NumPy gives what XLA would for an operation in a piece; `lists`: also for one of many inputs or outputs."""
    definition = operation.definition
    if operation.device:
        return False
    if lists and operation.type == "NoOp":
        return True
    rows = lists and (operation.type == "ResourceGather" or operation.type.startswith("ResourceSparseApply"))
    several = lists and not (definition.stateful or definition.nested or definition.signature.takes_resource)
    if not (definition.is_plain or _is_state_op(operation.type) or rows or several):
        return False
    if "_XlaMustCompile" in operation.attrs:  # NumPy would refuse indices that XLA passes over
        return False
    tensors = (*operation.inputs, *operation.outputs)
    if any(each.dtype is dtypes.resource and each.handle_data is None for each in tensors):
        return False
    return definition.numpy_body is not None and all(each.dtype is not dtypes.variant for each in tensors)


def _is_tiny(piece: list[Any], leaving: list[Any]) -> bool:
    """Whether a piece is so little work that NumPy does it before XLA's call would have begun."""
    numpy_cost = 0.0
    arrays: set[int] = {id(each) for each in leaving}
    inside = {id(each) for operation in piece for each in operation.outputs}
    for operation in piece:
        numpy_cost += _NUMPY_CALL
        for each in (*operation.inputs, *operation.outputs):
            shape = each.handle_data.shape if each.dtype is dtypes.resource else each.shape
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
    of_jax = _OF_JAX.get(kind)
    if of_jax is None:
        of_jax = _OF_JAX[kind] = not isinstance(value, (np.ndarray, np.generic)) and isinstance(
            value, jax.Array
        )
    return EagerTensor.from_jax(value, dtype) if of_jax else EagerTensor(value, dtype)


_OF_JAX: dict[type, bool] = {}  # classes of values met so far -> whether they are arrays of JAX's
