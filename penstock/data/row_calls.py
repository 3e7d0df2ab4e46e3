"""A function of an element for several elements at a time, operation by operation.

What a step costs in Python is then paid once for all of them, and the messages of `tf.train.Example` are parsed
together. Each operation still computes what it computes for one element, so results are the same bit for bit. Where
anything fails the caller goes through the elements one by one, so that errors are those of the plain function.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.data.element import ElementFunction, as_array
from penstock.engine.context import thread
from penstock.engine.static_value import is_static
from penstock.ops.image_resize_native import dividing_resizer
from penstock.runtime.executor import Executor, to_raw
from penstock.runtime.lowering import pruned
from penstock.types import dtypes
from penstock.types.tensors import EagerTensor

_RESIZE_AND_DIVIDE = ("ExpandDims", "ResizeBilinear", "Squeeze", "RealDiv")

# A step takes the columns of all tensors (a list with a value for each element) and adds those of its results.
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
        columns = self._columns.copy()
        count = len(elements)
        columns[: self._rows] = [list(map(as_array, column)) for column in zip(*elements)]
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
        users: dict[int, list] = {}
        for operation in operations:
            for tensor in operation.inputs:
                users.setdefault(id(tensor), []).append(operation)
        wanted = {id(each) for each in outputs}

        def only_user(operation: Any) -> Any:
            """The operation that alone uses the result, or None."""
            (result,) = operation.outputs
            found = users.get(id(result), [])
            return found[0] if len(found) == 1 and id(result) not in wanted else None

        steps: list[Step] = []
        done: set[int] = set()
        for operation in operations:
            if id(operation) in done:
                continue
            if operation.type == "ParseExampleV2" and self._parses_dense(operation):
                step = self._parse(operation)
            else:
                chain = self._resizing_of(operation, only_user)
                step = self._row_by_row(operation, *chain)
                done.update(map(id, chain))
            steps.append(step)
        return steps

    def _value(self, tensor: Any) -> Any:
        """What a tensor is for all elements, or None."""
        return self._known[self._slots[id(tensor)]]

    # Steps.

    def _row_by_row(self, operation: Any, *chain: Any) -> Step:
        """The step of an operation, with that of the chain behind it, if there is one, while the image is in cache."""
        definition = operation.definition
        body, attrs = definition.numpy_body, definition.attrs_for_kernel(operation.attrs)
        inputs = [self._slots[id(each)] for each in operation.inputs]
        outputs = [self._slots[id(each)] for each in (chain or [operation])[-1].outputs]
        group = definition.group if definition.signature.has_list_inputs else None
        resized = self._resizer(*chain) if chain else None

        def step(columns: list, count: int) -> None:
            rows = itertools.islice(zip(*[columns[slot] for slot in inputs]), count)
            if resized is not None:
                results = [resized(body(*row, **attrs)) for row in rows]
            elif group is None:
                results = [body(*row, **attrs) for row in rows]
            else:
                results = [body(*group(row, operation.attrs), **attrs) for row in rows]
            if definition.signature.single_output:
                columns[outputs[0]] = results
            else:
                for slot, column in zip(outputs, zip(*results)):
                    columns[slot] = list(column)

        return step

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
            messages[:] = [each.item() for each in itertools.islice(columns[serialized], count)]
            for slot, column in zip(outputs, body(messages, *others, **attrs)):
                columns[slot] = list(column)

        return step

    # An image resized and divided by a number, as `tf.image.resize(image, size) / 255.0` does.

    def _resizing_of(self, operation: Any, only_user: Callable) -> list:
        """The four operations that do that to an operation's result, which nothing else uses; or none."""
        if len(operation.outputs) != 1 or operation.definition.signature.has_list_inputs:
            return []
        chain: list = []
        for expected in _RESIZE_AND_DIVIDE:
            following = only_user(chain[-1] if chain else operation)
            if following is None or following.type != expected:
                return []
            chain.append(following)
        return chain if self._resizer(*chain) is not None else []

    def _resizer(self, expand: Any, resize: Any, squeeze: Any, divide: Any) -> Callable | None:
        """One native function in the place of four steps, where there is one for them."""
        image, axis = expand.inputs
        axis, size, divisor = (self._value(each) for each in (axis, resize.inputs[1], divide.inputs[1]))
        if (
            image.shape.rank != 3
            or image.dtype not in (dtypes.uint8, dtypes.float32)
            or any(each is None for each in (axis, size, divisor))
            or int(axis) != 0
            or list(squeeze.attrs["squeeze_dims"]) != [0]
            or np.shape(divisor) != ()
            or divide.inputs[0] is not squeeze.outputs[0]
        ):
            return None
        attrs = resize.definition.attrs_for_kernel(resize.attrs)
        height, width = map(int, size)
        return dividing_resizer(height, width, divisor=float(divisor), **attrs)


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
