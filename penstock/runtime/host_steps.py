"""What runs on the host between the compiled pieces of a graph: small pieces, single ops, checks, branches, loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.context import process, thread
from penstock.engine.execute import call_on_state, explain, run_kernel
from penstock.engine.resources import is_plain
from penstock.engine.sharding import ShardedState, is_spread
from penstock.engine.static_value import is_static
from penstock.engine.xla import jax
from penstock.runtime.compiled_piece import CompiledPiece
from penstock.runtime.held_calls import HostOp, value_of
from penstock.runtime.lowering import at_line
from penstock.types import dtypes
from penstock.types.tensors import EagerTensor


class HostPiece:
    """A few small operations, called one after the other with NumPy: for pieces that are not worth an XLA call."""

    def __init__(self, slots: dict[int, int], template: list[Any], operations: list[Any], leaving: list[Any]):
        self.operations, self.leaving = operations, leaving
        self._slots, self._template = slots, template
        self._compiled: CompiledPiece | None = None  # for values that are spread over a mesh
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
                _body_of_flat_inputs(operation),
                [slots[id(each)] for each in operation.inputs],
                operation.definition.attrs_for_kernel(operation.attrs),
                _places(operation, slots),
            )
            for operation in operations
            if operation.type != "NoOp"
        ]

    def __call__(self, env: list) -> None:
        if process.meshes and self._is_spread(env):
            self.compiled()(env)
        elif any(getattr(env[slot], "elsewhere", None) is not None for slot in self._states):
            # Another process may wait for states of this one, whose lock is not to be held meanwhile.
            self._run(env)
        elif self._states:
            if thread.held_calls is not None:
                thread.held_calls.before_use(env[slot] for slot in self._states)
            with process.state_lock:
                self._run(env)
        else:
            self._run(env)

    def compiled(self) -> CompiledPiece:
        """The same operations as an XLA program."""
        if self._compiled is None:
            self._compiled = CompiledPiece(self._slots, self._template, self.operations, self.leaving)
        return self._compiled

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
            if is_plain(state) and type(state.value) is not np.ndarray and state.value is not None:
                state.value = np.asarray(state.value)
        done = 0
        try:
            for body, inputs, attrs, output in self._calls:
                result = body(*[env[slot] for slot in inputs], **attrs)
                if isinstance(output, int):
                    env[output] = result
                else:
                    for slot, value in zip(output, result or ()):
                        env[slot] = value
                done += 1
        except (ValueError, IndexError) as error:
            operation = [each for each in self.operations if each.type != "NoOp"][done]
            values = [env[slot] for slot in self._calls[done][1]]
            flat = [_eager(value, each.dtype) for value, each in zip(values, operation.inputs)]
            raise at_line(operation, explain(operation.definition, flat, operation.attrs, error)) from error


def _body_of_flat_inputs(operation: Any) -> Callable:
    """The NumPy body, which takes the inputs of lists one by one."""
    definition = operation.definition
    if not definition.signature.has_list_inputs:
        return definition.numpy_body
    return lambda *flat, **attrs: definition.numpy_body(*definition.group(flat, operation.attrs), **attrs)


def _places(operation: Any, slots: dict[int, int]) -> int | list[int]:
    """The slot of the only output, or those of several (or none)."""
    places = [slots[id(each)] for each in operation.outputs]
    return places[0] if operation.definition.signature.single_output else places


class HostStep:
    """One operation that runs on the host."""

    def __init__(self, slots: dict[int, int], operation: Any):
        self.operations = [operation]
        self._operation = operation
        self._kind = HostOp.of(operation)
        self._definition = operation.definition
        self._attrs = operation.definition.attrs_for_kernel(operation.attrs)
        self._input_slots = [slots[id(each)] for each in operation.inputs]
        self._output_slots = [slots[id(each)] for each in operation.outputs]
        self._dtypes = [each.dtype for each in operation.inputs]
        # Lists and optionals hold values without looking at them: no waiting for the device. But positions and sizes
        # (the inputs whose dtype the signature fixes) must be known.
        takes_any = any(each.dtype is dtypes.variant for each in (*operation.inputs, *operation.outputs))
        signature = operation.definition.signature
        if not takes_any:
            self._looks_at = [each.dtype is not dtypes.resource for each in operation.inputs]
        elif signature.has_list_inputs:
            self._looks_at = [False] * len(operation.inputs)
        else:
            self._looks_at = [each.type in (dtypes.int32, dtypes.int64) for each in signature.inputs]
        self._looks = any(self._looks_at)

    def __call__(self, env: list) -> None:
        values = [env[slot] for slot in self._input_slots]
        held = thread.held_calls
        if held is None:
            self._run(env, values)
        else:
            held.run(self._kind, self._run, env, values)

    def _run(self, env: list, values: list) -> None:
        definition = self._definition
        body = definition.numpy_body
        try:
            if body is not None:
                if self._looks:
                    values = [
                        _on_host(value) if looks_at and not is_static(value) else value
                        for value, looks_at in zip(values, self._looks_at)
                    ]
                grouped = values
                if definition.signature.has_list_inputs:
                    grouped = definition.group(values, self._operation.attrs)
                if definition.signature.takes_resource:
                    results = call_on_state(body, grouped, self._attrs)
                else:
                    results = body(*grouped, **self._attrs)
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


class CheckStep:
    """The check of an operation whose compiled piece has run: it raises, or does nothing."""

    def __init__(self, slots: dict[int, int], operation: Any):
        self.operations = [operation]
        self._operation = operation
        self._attrs = operation.definition.attrs_for_kernel(operation.attrs)
        self._input_slots = [slots[id(each)] for each in operation.inputs]

    def __call__(self, env: list) -> None:
        definition = self._operation.definition
        values = [_on_host(value_of(env[slot])) for slot in self._input_slots]
        inputs = definition.group(values, self._operation.attrs)
        if definition.check.fails(np, *inputs, **self._attrs):
            raise at_line(self._operation, definition.check.error(*inputs, **self._attrs))


class HostControlFlow:
    """A branch or loop that runs on the host, its bodies by executors of their own."""

    def __init__(self, slots: dict[int, int], operation: Any, prefer_host: bool):
        from penstock.runtime.control_flow import run_on_host  # which is made of executors

        self._run = run_on_host
        self.operations = [operation]
        self._operation = operation
        self._prefer_host = prefer_host
        self._input_slots = [slots[id(each)] for each in operation.inputs]
        self._output_slots = [slots[id(each)] for each in operation.outputs]

    def __call__(self, env: list) -> None:
        values = [env[slot] for slot in self._input_slots]
        for slot, value in zip(self._output_slots, self._run(self._operation, values, self._prefer_host)):
            env[slot] = value


def _on_host(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, jax.Array) else value


def _eager(value: Any, dtype: Any) -> EagerTensor:
    if is_static(value) or not isinstance(value, jax.Array):
        return EagerTensor(value, dtype)
    return EagerTensor.from_jax(value, dtype)
