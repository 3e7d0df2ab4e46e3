"""Functions of elements with random ops on several threads: the numbers are drawn in order, the rest runs anywhere.

A random op whose inputs do not depend on the element (mostly: its shape) is taken out of the function. It runs where
the elements are handed out, one after the other, so that a seed gives the numbers that a sequential map would get.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.data.element import ElementFunction, as_array
from penstock.data.row_calls import RowCalls
from penstock.engine.context import thread
from penstock.engine.static_value import constant_value
from penstock.ops.random.ops import UniformCalls
from penstock.runtime.executor import Executor, to_raw
from penstock.runtime.lowering import nested_graphs, pruned
from penstock.types import dtypes
from penstock.types.tensors import EagerTensor


class RandomParts:
    """A function in two parts: its random ops, and the rest.

    Attributes:
      separable: whether every random op could be taken out.
    """

    def __init__(self, function: ElementFunction):
        self._graph = graph = function.graph
        self._captured = len(function.captures)
        elements = {id(each) for each in graph.inputs[: len(graph.inputs) - self._captured]}
        operations = pruned(graph)
        depends = set(elements)
        self._drawn: list[Any] = []
        rest = []
        self.separable = True
        for operation in operations:
            on_element = any(id(each) in depends for each in operation.inputs)
            if operation.attrs.get("_stream") is not None and not on_element:
                self._drawn.extend(operation.outputs)
                continue
            if is_random(operation):
                self.separable = False
            if on_element or any(each is drawn for each in operation.inputs for drawn in self._drawn):
                depends.update(id(each) for each in operation.outputs)
            rest.append(operation)
        self._operations, self._rest = operations, rest

    def bound(self, captured: Sequence[Any]) -> tuple[Callable, Callable, Callable | None]:
        """The function for values of its captures.

        Returns:
          `prepare(elements)`, which draws for several elements in order; `call(what prepare gave for one)`, which does
          everything else; and the same for several at once (`RowCalls`), or None.
        """
        values = [to_raw(each) if isinstance(each, EagerTensor) else each for each in captured]
        inputs, count = self._graph.inputs, self._captured
        captures = inputs[len(inputs) - count :]
        drawn = [each.op for each in self._drawn]
        needed = [each for each in self._rest if _feeds(each, drawn)]
        draw = Executor([*needed, *drawn], captures, self._drawn, prefer_host=True).run
        run = Executor(self._rest, [*inputs, *self._drawn], self._graph.outputs, prefer_host=True).run

        several = [_several_draws(each) for each in drawn]

        def prepare(elements: list[list]) -> list[list]:
            numbers: list[Any] = []
            if None in several:
                numbers = [_eagerly(draw, values) for _ in elements]
            else:
                numbers.extend(zip(*(each(len(elements)) for each in several)))
            return [[*each, *element] for each, element in zip(numbers, elements)]

        split = len(self._drawn)

        def call(prepared: list) -> list:
            return _eagerly(run, [*map(as_array, prepared[split:]), *values, *prepared[:split]])

        given = [*self._drawn, *inputs[: len(inputs) - count], *captures]
        rows = RowCalls(self._rest, given, len(given) - count, values, self._graph.outputs)
        return prepare, call, rows if rows.possible else None


def is_random(operation: Any) -> bool:
    """Whether an operation draws from a stream, itself or in a branch or loop."""
    if operation.attrs.get("_stream") is not None:
        return True
    if not operation.definition.nested:
        return False
    return any(is_random(each) for graph in nested_graphs(operation) for each in graph.get_operations())


_SEVERAL = {"RandomUniform": dtypes.float32, "RandomUniformInt": dtypes.int32}


def _several_draws(operation: Any) -> Callable[[int], list] | None:
    """`draw(count)`: what that many calls of a random op give; None where the op has to be called that often."""
    if operation.outputs[0].dtype is not _SEVERAL.get(operation.type):
        return None
    dims, *bounds = map(constant_value, operation.inputs)
    if (
        dims is None
        or any(each is None or np.ndim(each) for each in bounds)
        or (bounds and bounds[0] >= bounds[1])
    ):
        return None
    dims = tuple(map(int, dims))
    if not 0 < math.prod(dims) <= UniformCalls.MOST_NUMBERS:
        return None
    attrs = operation.definition.attrs_for_kernel(operation.attrs)
    attrs.pop("dtype", None)
    return UniformCalls(operation.type, dims, tuple(bounds), **attrs)


def _feeds(operation: Any, users: list) -> bool:
    """Whether the results of an operation are needed, directly or not, by one of `users`."""
    wanted = list(users)
    seen: set[int] = set()
    while wanted:
        for each in wanted.pop().inputs:
            if each.op is operation:
                return True
            if id(each.op) not in seen:
                seen.add(id(each.op))
                wanted.append(each.op)
    return False


def _eagerly(run: Callable, values: list) -> list:
    outer = thread.graph, thread.tapes
    thread.graph, thread.tapes = None, ()
    try:
        return run(values)
    finally:
        thread.graph, thread.tapes = outer
