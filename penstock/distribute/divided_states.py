"""Which variables of replicas on a mesh of devices are divided: each device keeps some of their rows.

A copy on every device means that every device computes the same update of it. For a matrix that is only multiplied with
and updated elementwise, as the weights of a dense layer and their moments, devices can do without: each keeps, and
updates, its rows, and for a product the replicas exchange rows of their batches, which are smaller than the weights
(`divided_products.py`). To the program the variable is whole; all that is decided here is from the traced step alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from penstock.ops.collectives import COMBINE
from penstock.runtime.lowering import pruned
from penstock.types import dtypes

LEAST = 1 << 20  # elements of a matrix that is worth an exchange of its own

ELEMENTWISE = frozenset(
    "Abs Add AddN AddV2 Cast Div DivNoNan Exp Identity Log Maximum Minimum Mul Neg OnesLike Pow RealDiv Reciprocal "
    "Relu Rsqrt Sigmoid Sign Sqrt Square SquaredDifference Sub Tanh ZerosLike".split()
)
ASSIGNING = frozenset(("AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"))


def divided_positions(body: Any, replicas: int, stacked: Sequence[int]) -> tuple[int, ...]:
    """Those of the captured inputs of a replicated function whose states are divided.

    Args:
      body: the FuncGraph. replicas: over how many devices. stacked: captured states with a value for each replica.
    """
    captured = body.inputs[len(body.arguments) :]
    users = _users(body)
    candidates = {
        i: each
        for i, each in enumerate(captured)
        if each.dtype is dtypes.resource and i not in stacked and _is_divisible(each.handle_data, replicas)
    }
    uses = {i: _uses(each, users) for i, each in candidates.items()}
    uses = {i: found for i, found in uses.items() if None not in found}
    weights = {_shape(candidates[i]) for i, found in uses.items() if "product" in found}
    return tuple(i for i in uses if _shape(candidates[i]) in weights)


def _is_divisible(data: Any, replicas: int) -> bool:
    if data is None or not data.shape.is_fully_defined() or not data.dtype.is_floating:
        return False
    dims = data.shape.as_list()
    return len(dims) == 2 and math.prod(dims) >= LEAST and dims[0] % replicas == 0


def _shape(handle: Any) -> tuple[int, ...]:
    return tuple(handle.handle_data.shape.as_list())


def _users(body: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for operation in pruned(body):
        for each in operation.inputs:
            found.setdefault(id(each), []).append(operation)
    return found


def _uses(handle: Any, users: dict[int, list[Any]]) -> set[str | None]:
    """What is done with a variable: "product", "elementwise" updates, or None for anything else."""
    found: set[str | None] = set()
    for user in users.get(id(handle), ()):
        if user.type in ASSIGNING:
            found.add("elementwise")
        elif user.type == "ReadVariableOp":
            value = user.outputs[0]
            found.update(_use(value, each) for each in users.get(id(value), ()))
        else:
            found.add(None)
    return found


def _use(value: Any, user: Any) -> str | None:
    if user.type == "MatMul" and user.inputs[1] is value and user.inputs[0] is not value:
        return None if user.attrs["transpose_a"] else "product"
    return "elementwise" if user.type in ELEMENTWISE or user.type in ASSIGNING else None


class RowTensors:
    """Of which tensors in a replicated function each device has its rows, when some states are divided.

    Attributes:
      handles: ids of the divided states' handles. shapes: the shapes of these states.
    """

    def __init__(self, body: Any, positions: Sequence[int]):
        captured = body.inputs[len(body.arguments) :]
        handles = [captured[i] for i in positions]
        self.handles = {id(each) for each in handles}
        self.shapes = {_shape(each) for each in handles}
        self._rows: set[int] = set()
        self._equal = {id(each) for each in captured}  # what all replicas have alike
        for each in pruned(body):
            self._follow(each)

    def __contains__(self, tensor: Any) -> bool:
        return id(tensor) in self._rows

    def is_whole(self, tensor: Any) -> bool:
        """Whether devices have all of a tensor that has the shape of divided ones."""
        return tensor not in self and self._has_rows(tensor)

    def _has_rows(self, tensor: Any) -> bool:
        return tensor.shape.is_fully_defined() and tuple(tensor.shape.as_list()) in self.shapes

    def _follow(self, operation: Any) -> None:
        definition, outputs = operation.definition, operation.outputs
        if operation.type == "ReadVariableOp":
            handle = operation.inputs[0]
            if id(handle) in self.handles:
                self._rows.add(id(outputs[0]))
            is_equal = id(handle) in self._equal
        elif operation.type in COMBINE:
            if operation.type == "ReplicaReduce":
                self._rows.update(id(each) for each in outputs if self._has_rows(each))
            is_equal = True
        else:
            is_equal = not definition.stateful and all(id(each) in self._equal for each in operation.inputs)
            if is_equal and operation.type in ELEMENTWISE and self._is_of_rows(operation):
                self._rows.add(id(outputs[0]))
        if is_equal:
            self._equal.update(id(each) for each in outputs)

    def _is_of_rows(self, operation: Any) -> bool:
        """Whether each device can compute its rows of an elementwise operation's result."""
        return any(each in self for each in operation.inputs) and all(
            self._has_rows(each) or each.shape.rank == 0 for each in operation.inputs
        )
