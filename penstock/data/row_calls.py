"""A function of an element for several elements at a time, operation by operation.

What a step costs in Python is then paid once for all of them, and the messages of `tf.train.Example` are parsed
together. Each operation still computes what it computes for one element, so results are the same bit for bit. Where
anything fails the caller goes through the elements one by one, so that errors are those of the plain function.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from penstock.data.element import ElementFunction, as_array, as_bytes
from penstock.data.image_chains import ImageChain, image_chain
from penstock.engine.context import thread
from penstock.engine.static_value import is_static
from penstock.runtime.executor import Executor, to_raw
from penstock.runtime.fusion import Uses
from penstock.runtime.lowering import pruned
from penstock.types import dtypes
from penstock.types.tensors import EagerTensor

# A step takes the columns of all tensors (a list with a value for each element) and adds those of its results. Strings
# may lie in columns as `bytes`.
Step = Callable[[list, int], None]


class RowCalls:
    """Operations on many elements.

    Args:
      operations: in program order. inputs, outputs: tensors; the first `rows` inputs have a value for each element, the
        others one value for all.
      shared: the values of the other inputs.

    Attributes:
      possible: whether there is a form for many elements.
    """

    def __init__(
        self, operations: Sequence, inputs: Sequence, rows: int, shared: Sequence, outputs: Sequence
    ):
        executor = Executor(operations, inputs, outputs, prefer_host=True)
        self._slots, self._rows = executor._slots, rows
        self._known = executor.environment([None] * rows + list(shared))
        # Values for all elements stand in columns that never end.
        self._columns = [None if value is None else itertools.repeat(value) for value in self._known]
        self._output_slots = executor._output_slots
        left = [each for each in executor._operations if each.type != "Const"]
        self.possible = all(map(_is_simple, left)) and all(map(is_static, shared))
        self._steps = self._plan(left, outputs) if self.possible else []

    def __call__(self, elements: Sequence[Sequence]) -> list[list]:
        """The results for each element.

        Args:
          elements: for each the values of the first inputs.
        """
        columns: list = self._columns.copy()
        count = len(elements)
        columns[: self._rows] = list(zip(*elements))
        outer = thread.graph, thread.tapes
        thread.graph, thread.tapes = None, ()
        try:
            for step in self._steps:
                step(columns, count)
        finally:
            thread.graph, thread.tapes = outer
        found = [columns[slot] for slot in self._output_slots]
        return [list(row) for row in itertools.islice(zip(*found), count)]

    def _plan(self, operations: list, outputs: Sequence) -> list[Step]:
        uses = Uses(operations, outputs)
        # By their last operation: then all that they need is there.
        chains: dict[int, ImageChain] = {}
        within: set[int] = set()
        for operation in operations:
            chain = image_chain(operation, uses, self._value)
            if chain is not None:
                chains[id(chain.operations[-1])] = chain
                within.update(map(id, chain.operations[:-1]))
        steps: list[Step] = []
        for operation in operations:
            if id(operation) in chains:
                steps.append(self._chain(chains[id(operation)]))
            elif id(operation) in within:
                continue
            elif operation.type == "ParseExampleV2" and self._parses_dense(operation):
                steps.append(self._parse(operation))
            else:
                steps.append(self._row_by_row(operation))
        return steps

    def _value(self, tensor: Any) -> Any:
        """What a tensor is for all elements, or None."""
        return self._known[self._slots[id(tensor)]]

    # Steps.

    def _row_by_row(self, operation: Any) -> Step:
        definition = operation.definition
        body, attrs = definition.numpy_body, definition.attrs_for_kernel(operation.attrs)
        rows_of = self._rows_of(operation.inputs)
        outputs = [self._slots[id(each)] for each in operation.outputs]
        group = definition.group if definition.signature.has_list_inputs else None

        def step(columns: list, count: int) -> None:
            rows = rows_of(columns, count)
            if group is None:
                results = [body(*row, **attrs) for row in rows]
            else:
                results = [body(*group(row, operation.attrs), **attrs) for row in rows]
            if definition.signature.single_output:
                columns[outputs[0]] = results
            else:
                for slot, column in zip(outputs, zip(*results)):
                    columns[slot] = list(column)

        return step

    def _chain(self, chain: ImageChain) -> Step:
        """The step of operations on an image, one element after the other, while the image is in cache."""
        body, rows_of = chain.body(), self._rows_of(chain.inputs())
        output = self._slots[id(chain.operations[-1].outputs[0])]

        def step(columns: list, count: int) -> None:
            columns[output] = [body(*row) for row in rows_of(columns, count)]

        return step

    def _rows_of(self, tensors: Sequence) -> Callable[[list, int], Iterator[tuple]]:
        """A function that gives the values of tensors for one element after the other, as kernels take them."""
        slots = [(self._slots[id(each)], each.dtype is dtypes.string) for each in tensors]

        def rows_of(columns: list, count: int) -> Iterator[tuple]:
            values = (map(as_array, columns[slot]) if is_text else columns[slot] for slot, is_text in slots)
            return itertools.islice(zip(*values), count)

        return rows_of

    def _parses_dense(self, operation: Any) -> bool:
        """Whether only features of fixed sizes are asked for, the same ones of every element."""
        return (
            operation.inputs[0].shape.rank == 0
            and not operation.attrs["sparse_types"]
            and not operation.attrs["ragged_value_types"]
            and all(each.shape.is_fully_defined() for each in operation.outputs)
            and all(self._value(each) is not None for each in operation.inputs[1:])
        )

    def _parse(self, operation: Any) -> Step:
        definition = operation.definition
        body, attrs = definition.numpy_body, definition.attrs_for_kernel(operation.attrs)
        serialized = self._slots[id(operation.inputs[0])]
        others = definition.group(
            [None, *(self._value(each) for each in operation.inputs[1:])], operation.attrs
        )[1:]
        outputs = [self._slots[id(each)] for each in operation.outputs]

        def step(columns: list, count: int) -> None:
            messages = np.empty(count, object)
            messages[:] = [as_bytes(each) for each in itertools.islice(columns[serialized], count)]
            for slot, column in zip(outputs, body(messages, *others, **attrs)):
                columns[slot] = list(column)

        return step


def several_calls(function: ElementFunction, captured: Sequence) -> RowCalls | None:
    """A function for values of its captures on several elements; None where it has no such form."""
    if function.in_debug_mode:
        return None
    if not captured and function.several is not None:
        return function.several or None
    graph = function.graph
    shared = [to_raw(each) if isinstance(each, EagerTensor) else each for each in captured]
    rows = len(graph.inputs) - len(shared)
    calls = RowCalls(pruned(graph), graph.inputs, rows, shared, graph.outputs)
    if not captured:
        function.several = calls if calls.possible else False
    return calls if calls.possible else None


def _is_simple(operation: Any) -> bool:
    """Whether an operation is nothing but a NumPy function of its inputs."""
    definition = operation.definition
    return (
        definition.numpy_body is not None
        and not definition.nested
        and not definition.stateful
        and definition.check is None
        and not operation.control_inputs
        and bool(operation.inputs)
        and all(each.dtype not in (dtypes.resource, dtypes.variant) for each in operation.inputs)
    )
