"""Lowering of steps that a program repeats: as one loop of XLA's, so that it compiles one of them.

XLA compiles every operation for itself, and an unrolled network has as many copies of its cell as there are elements in
a sequence: half a minute of compiling, for what runs in milliseconds. What the steps use from before is stacked, a row for
each step, and so is what they compute for others; rows that come from one stack are taken out of it as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.engine.context import process
from penstock.engine.static_value import is_static
from penstock.engine.xla import jnp, lax
from penstock.graph import repeated_steps
from penstock.graph.repeated_steps import RepeatedSteps
from penstock.runtime.lowering import (
    Lowering,
    NotCompilableError,
    StateProxy,
    as_array,
    may_be_out_of_range,
)
from penstock.types import dtypes, errors


class _UnequalStepsError(Exception):
    """The steps turn out to compute arrays of different shapes."""


def find(
    operations: Sequence[Any], leaving: Iterable[Any], constants: dict[int, Any]
) -> list[list[Any] | RepeatedSteps]:
    """The operations of a program in order: lists of those that run once, and repetitions.

    Args:
      operations, leaving, constants: as those of `repeated_steps.find`.
    """
    if process.accelerator:  # each turn of a loop would start its kernels anew
        return [list(operations)]
    return repeated_steps.find(operations, leaving, constants, _may_repeat)


def _may_repeat(operation: Any) -> bool:
    definition = operation.definition
    has_stream = "_stream" in operation.attrs
    if definition.nested or definition.check is not None or may_be_out_of_range(operation):
        return False
    if (definition.stateful or definition.writes) and not has_stream and operation.type != "ReadVariableOp":
        return False
    return all(each.dtype is not dtypes.variant for each in (*operation.inputs, *operation.outputs))


def _is_sum_of_columns(operation: Any) -> bool:
    """Whether an operation is a product a^T b: the sum of several is that of all rows of a and b at once."""
    return (
        operation.type == "MatMul" and operation.attrs["transpose_a"] and not operation.attrs["transpose_b"]
    )


@dataclass(slots=True)
class _Rows:
    """Where the values of steps are: in rows of a stack that follow each other."""

    stack: Any
    first: int = 0
    direction: int = 1

    def at(self, step: Any) -> Any:
        """That of one step."""
        return lax.dynamic_index_in_dim(self.stack, self.first + self.direction * step, keepdims=False)

    def in_order(self, count: int, direction: int) -> Any:
        """Those of all steps; `direction` -1: from the last to the first."""
        low = self.first if self.direction > 0 else self.first - count + 1
        rows = self.stack[low : low + count]
        return rows if self.direction == direction else rows[::-1]


class RolledSteps:
    """Lowers the repetitions of one program.

    Args:
      lowering: lowers its other operations. values: those of all tensors so far, by id; filled in.
    """

    def __init__(self, lowering: Lowering, values: dict[int, Any]):
        self._lowering, self._values = lowering, values
        self._rows: dict[int, tuple[Any, int]] = {}  # id(tensor) -> the stack that it is a row of, and which

    def lower(self, steps: RepeatedSteps) -> None:
        """Lowers one repetition, step by step where one of them does not stand for all."""
        try:
            self._lower_as_loop(steps)
        except (_UnequalStepsError, NotCompilableError, errors.OpError):
            # One by one, an error names its step.
            self._lowering.run([*steps.operations, *steps.additions], self._values)

    def _lower_as_loop(self, steps: RepeatedSteps) -> None:
        values, lowering, count = self._values, self._lowering, steps.count
        lowering.run(steps.once, values)
        for tensor, tensors in steps.shared:
            values.update((id(each), values[id(tensor)]) for each in tensors)
        fixed = {id(each): values[id(each)] for each in steps.fixed}
        fixed.update((id(each), values[id(each)]) for each, _ in steps.shared)
        varying = {id(model): self._rows_of(several) for model, several in steps.varying}
        # A gradient takes the rows from the last to the first: so it leaves its own, for products of both.
        direction = 1 if sum(each.direction for each in varying.values()) >= 0 else -1
        products = [each for each in steps.sums if _is_sum_of_columns(each[0].op)]
        sums = [each for each in steps.sums if not _is_sum_of_columns(each[0].op)]
        following = [each for _, _, each in steps.carried]
        wanted = [each for each, _ in steps.results]
        wanted += [each for each, _ in steps.last if not any(each is other for other in following)]
        factors = [each for total in products for each in total[0].op.inputs if id(each) not in varying]
        known: dict[int, Any] = {}  # those of the wanted that depend on shapes only

        def step(carry: tuple, x: tuple) -> tuple[tuple, tuple]:
            place, states = x
            number = place if direction > 0 else count - 1 - place
            inside = dict(fixed)
            inside.update((id(model), value) for (model, _, _), value in zip(steps.carried, carry[0]))
            inside.update((key, rows.at(number)) for key, rows in varying.items())
            proxies = {
                key: StateProxy(lowering.proxies[key].state, each) for key, each in zip(steps.streams, states)
            }
            Lowering({**lowering.proxies, **proxies}, None, lowering.fused).run(steps.model, inside)
            new = [as_array(inside[id(each)], each.dtype) for each in following]
            totals = [total + inside[id(each)] for total, (each, _, _) in zip(carry[1], sums)]
            if [each.shape for each in new + totals] != [each.shape for each in carry[0] + carry[1]]:
                raise _UnequalStepsError
            known.update((id(each), inside[id(each)]) for each in wanted if is_static(inside[id(each)]))
            computed = [inside[id(each)] for each in wanted if id(each) not in known]
            computed += [as_array(inside[id(each)], each.dtype) for each in factors]
            return (new, totals), (computed, [each.value for each in proxies.values()])

        before = [as_array(values[id(first)], first.dtype) for _, first, _ in steps.carried]
        totals = [self._start_of_sum(model, first) for model, first, _ in sums]
        states = [
            jnp.stack([lowering.proxies[id(each)].read() for each in several][::direction])
            for several in steps.streams.values()
        ]
        (new, totals), (computed, states) = lax.scan(
            step, (before, totals), (jnp.arange(count), states), reverse=direction < 0
        )

        for several, state in zip(steps.streams.values(), states):
            for place, stream in enumerate(several[::direction]):
                lowering.proxies[id(stream)].assign(state[place])
        unknown = [each for each in wanted if id(each) not in known]
        stacks = {id(each): stack for each, stack in zip([*unknown, *factors], computed)}
        for model, tensors in steps.results:
            if id(model) in known:
                values.update((id(each), known[id(model)]) for each in tensors)
            else:
                self._take_rows(tensors[::direction], stacks[id(model)])
        ends = {**known, **{id(each): value for each, value in zip(following, new)}}
        for model, tensor in steps.last:
            values[id(tensor)] = ends[id(model)] if id(model) in ends else stacks[id(model)][::direction][-1]
        values.update((id(total), value) for (_, _, total), value in zip(sums, totals))
        stacks.update((key, rows.in_order(count, direction)) for key, rows in varying.items())
        for product, first, total in products:
            a, b = (stacks[id(each)] for each in product.op.inputs)
            attrs = product.op.definition.attrs_for_kernel(product.op.attrs)
            value = product.op.definition.xla_body(_flat(a), _flat(b), **attrs)
            values[id(total)] = value if first is None else values[id(first)] + value

    def _start_of_sum(self, model: Any, first: Any | None) -> Any:
        if first is not None:
            return as_array(self._values[id(first)], first.dtype)
        return jnp.zeros(model.shape.as_list(), model.dtype.as_numpy_dtype)

    def _take_rows(self, tensors: Sequence[Any], stack: Any) -> None:
        for row, tensor in enumerate(tensors):
            self._values[id(tensor)] = stack[row]
            self._rows[id(tensor)] = (stack, row)

    def _rows_of(self, tensors: Sequence[Any]) -> _Rows:
        """The values of tensors, one for each step."""
        unpack = tensors[0].op
        if unpack.type == "Unpack" and [*map(id, tensors)] == [*map(id, unpack.outputs)]:
            return _Rows(jnp.moveaxis(self._values[id(unpack.inputs[0])], unpack.attrs["axis"], 0))
        values = [self._values[id(each)] for each in tensors]
        if len({np.shape(each) for each in values}) > 1:
            raise _UnequalStepsError
        if all(is_static(each) for each in values):
            return _Rows(jnp.asarray(np.stack(values)))
        parts: list[Any] = []
        place = 0
        while place < len(tensors):
            stack, row = self._rows.get(id(tensors[place]), (jnp.asarray(values[place])[None], 0))
            length, direction = self._run_of_rows(tensors[place:], stack, row)
            found = _Rows(stack, row, direction)
            if length == len(tensors):
                return found
            parts.append(found.in_order(length, 1))
            place += length
        return _Rows(jnp.concatenate(parts))

    def _run_of_rows(self, tensors: Sequence[Any], stack: Any, row: int) -> tuple[int, int]:
        """How many tensors, from the first on, are rows of the stack that follow each other, and in which direction."""
        direction = 1
        for at, tensor in enumerate(tensors[1:], 1):
            other, place = self._rows.get(id(tensor), (None, 0))
            step = place - row if at == 1 else direction
            if other is not stack or step not in (-1, 1) or place != row + at * step:
                return at, direction
            direction = step
        return len(tensors), direction


def _flat(rows: Any) -> Any:
    return rows.reshape(-1, rows.shape[-1])
