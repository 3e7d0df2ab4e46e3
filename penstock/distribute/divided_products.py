"""Lowering of replicated functions whose replicas exchange less than whole matrices.

Two things follow from a batch having fewer rows than a matrix of weights has columns. Where the weights are divided
over devices (`divided_states.py`), replicas exchange parts of their batches, and each device computes with its rows of
the weights: of the product, of its gradient, of the update. Where processes keep copies, they exchange the factors of
the gradient instead of the gradient (the sum of replicas' products is the product of their joined batches).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from penstock.distribute.device_meetings import DeviceMeetings
from penstock.distribute.divided_states import ASSIGNING, ELEMENTWISE, LEAST, RowTensors
from penstock.engine.xla import lax
from penstock.ops import native_exchanges
from penstock.ops.collectives import AXIS, WORKER, gathered_over, mapped_axes, reduced_over
from penstock.ops.variables import native_updates
from penstock.runtime.fusion import AdamUpdate
from penstock.runtime.lowering import Lowering, as_array, pruned

# Rows of a joined batch; with more, computing a whole gradient takes longer than moving one.
_MOST_JOINED = 128

Compute = Callable[[dict[int, Any]], Sequence[Any] | None]


class DividedLowering:
    """How the operations of a replicated function that meet divided tensors are computed, for one trace of it.

    Args:
      body: the FuncGraph. rows: which tensors are divided. replicas: over how many devices.
      lowering: the lowering that runs the body.
      fused: how some operations are computed otherwise.
    """

    def __init__(
        self, body: Any, rows: RowTensors, replicas: int, lowering: Lowering, fused: dict[int, Compute]
    ):
        self._body, self._rows, self._replicas = body, rows, replicas
        self._lowering, self._fused = lowering, fused
        self._meetings = DeviceMeetings(replicas, lowering.meetings)
        self._exchanged: dict[tuple[str, int], Any] = {}  # (how, tensor) -> its value after that

    def computes(self) -> dict[int, Compute]:
        """By the ids of operations, how to compute their results (see `Lowering.fused`)."""
        found: dict[int, Compute] = {}
        for each in pruned(self._body):
            compute = self._compute_of(each)
            if (factors := self._factors_of_update(each)) is not None:
                compute = functools.partial(self._update, each, factors, compute or self._fused[id(each)])
            if compute is not None:
                found[id(each)] = compute
        return found

    def outputs(self, values: Sequence[Any]) -> list[Any]:
        """The outputs of the function, whole."""
        return [
            self._whole(tensor, value) if tensor in self._rows else value
            for tensor, value in zip(self._body.outputs, values, strict=True)
        ]

    def _compute_of(self, operation: Any) -> Compute | None:
        rows, kind = self._rows, operation.type
        if kind == "ReplicaReduce":
            return lambda values: self._reduce(operation, values)
        if kind in ASSIGNING and id(operation.inputs[0]) in rows.handles:
            value = operation.inputs[1]
            return None if value in rows else self._with([value], self._own_rows, operation)
        if kind in ELEMENTWISE and operation.outputs[0] in rows:
            whole = [each for each in operation.inputs if rows.is_whole(each)]
            return self._with(whole, self._own_rows, operation) if whole else None
        if kind == "MatMul" and not operation.attrs["transpose_a"] and id(operation) not in self._fused:
            if operation.inputs[1] not in rows:
                return lambda values: self._product_in_shared_memory(operation, values)
        divided = [each for each in operation.inputs if each in rows]
        if not divided:
            return None
        if kind == "MatMul" and divided == [operation.inputs[1]] and not operation.attrs["transpose_a"]:
            return lambda values: self._product(operation, values)
        return self._with(divided, self._whole, operation)

    def _with(self, tensors: Sequence[Any], change: Callable, operation: Any) -> Compute:
        """Computes an operation with other values of some of its inputs."""
        fused = self._fused.get(id(operation))

        def compute(values: dict[int, Any]) -> Sequence[Any]:
            changed = {**values, **{id(each): change(each, values[id(each)]) for each in tensors}}
            results = None if fused is None else fused(changed)
            if results is None:
                results = self._lowering.call(operation, [changed[id(each)] for each in operation.inputs])
            return results

        return compute

    # Exchanges between devices, each done once for a tensor.

    def _once(self, how: str, tensor: Any, exchange: Callable[[], Any]) -> Any:
        key = (how, id(tensor))
        if key not in self._exchanged:
            self._exchanged[key] = exchange()
        return self._exchanged[key]

    def _whole(self, tensor: Any, value: Any) -> Any:
        """All rows of a divided tensor."""
        return self._once("whole", tensor, lambda: lax.all_gather(as_array(value), AXIS, tiled=True))

    def _own_rows(self, tensor: Any, value: Any) -> Any:
        """This device's rows of a tensor that all devices have."""
        count = value.shape[0] // self._replicas
        return lax.dynamic_slice_in_dim(as_array(value), lax.axis_index(AXIS) * count, count)

    def _joined(self, tensor: Any, value: Any) -> Any:
        """The rows that all replicas have of a batch."""
        return self._once("joined", tensor, lambda: gathered_over(mapped_axes(), value, 0))

    def _joined_columns(self, tensor: Any, value: Any) -> Any:
        """Of the rows that all replicas have of a batch, the columns that belong to this device's rows of weights."""
        return self._once("columns", tensor, lambda: lax.all_to_all(value, AXIS, 1, 0, tiled=True))

    # Products.

    def _product_in_shared_memory(self, operation: Any, values: dict[int, Any]) -> Sequence[Any] | None:
        """The product with a matrix that processes share; None where they do not."""
        if mapped_axes() != (WORKER,):
            return None
        batch, matrix = (values[id(each)] for each in operation.inputs)
        found = native_exchanges.product(as_array(batch), matrix, operation.attrs["transpose_b"])
        return None if found is None else (found,)

    def _product(self, operation: Any, values: dict[int, Any]) -> Sequence[Any]:
        """The product of this replica's batch and a divided matrix, or its transpose."""
        batch, matrix = operation.inputs
        a, b = as_array(values[id(batch)]), values[id(matrix)]
        if not self._is_small(a.shape[0], b.shape[1]):
            return self._lowering.call(operation, [a, self._whole(matrix, b)])
        met = self._meetings.product(a, as_array(b), operation.attrs["transpose_b"])
        if met is not None:
            return (met,)
        if operation.attrs["transpose_b"]:
            columns = self._lowering.call(operation, [self._joined(batch, a), b])[0]
            return (lax.all_to_all(columns, AXIS, 0, 1, tiled=True),)
        parts = self._lowering.call(operation, [self._joined_columns(batch, a), b])[0]
        return (lax.psum_scatter(parts, AXIS, tiled=True),)

    def _reduce(self, operation: Any, values: dict[int, Any]) -> Sequence[Any]:
        """The sums of all replicas' tensors: the divided ones' rows, the others together in one all-reduce."""
        kind = operation.attrs["reduce_op"]
        results: dict[int, Any] = {}
        for i, (each, output) in enumerate(zip(operation.inputs, operation.outputs)):
            total = self._sum_of_products(each.op, values, divided=output in self._rows)
            if total is None and output in self._rows:
                total = lax.psum_scatter(as_array(values[id(each)]), AXIS, tiled=True)
            if total is not None:
                results[i] = total / _replicas_in_all() if kind == "MEAN" else total
        rest = [i for i in range(len(operation.inputs)) if i not in results]
        together = [as_array(values[id(operation.inputs[i])]) for i in rest]
        results.update(zip(rest, reduced_over(mapped_axes(), together, kind) if rest else ()))
        return [results[i] for i in range(len(operation.inputs))]

    def _sum_of_products(self, product: Any, values: dict[int, Any], divided: bool) -> Any | None:
        """The sum over replicas of a^T b as one product of what all replicas have; None where that is no gain."""
        factors = _factors(product)
        if factors is None:
            return None
        a, b = (as_array(values[id(each)]) for each in factors)
        if divided and self._is_small(a.shape[0], b.shape[1]):
            met = self._meetings.gradient(a, b)
            if met is not None:
                return met
            joined = self._joined_columns(product.inputs[0], a)
        elif not divided and self._is_worth_joining(a.shape, b.shape):
            joined = self._joined(product.inputs[0], a)
        else:
            return None
        return self._lowering.call(product, [joined, self._joined(product.inputs[1], b)])[0]

    def _factors_of_update(self, operation: Any) -> Sequence[Any] | None:
        """The matrices a and b of each replica, where a variable is updated by Adam with the sum of their a^T b."""
        fused = self._fused.get(id(operation))
        gradient = fused.gradient if isinstance(fused, AdamUpdate) else None
        if gradient is None or gradient.op.type != "ReplicaReduce" or gradient.op.attrs["reduce_op"] != "SUM":
            return None
        place = next(i for i, each in enumerate(gradient.op.outputs) if each is gradient)
        return _factors(gradient.op.inputs[place].op)

    def _update(
        self, operation: Any, factors: Sequence[Any], otherwise: Compute, values: dict[int, Any]
    ) -> Sequence[Any] | None:
        """Adam's update without the gradient in memory; `otherwise`, where that is no gain or no kernel takes the values."""
        a, b = (as_array(values[id(each)]) for each in factors)
        fused: Any = self._fused[id(operation)]  # an `AdamUpdate`
        results = None
        if id(operation.inputs[0]) in self._rows.handles:
            if self._is_small(a.shape[0], b.shape[1]):
                results = fused(values, functools.partial(self._meetings.adam, inputs=a, gradients=b))
        elif self._is_worth_joining(a.shape, b.shape):
            if mapped_axes() == (WORKER,):
                update = native_exchanges.adam_in_place if fused.is_alone(values) else native_exchanges.adam
                results = fused(values, functools.partial(update, inputs=a, gradients=b))
            if results is None:
                joined = [self._joined(each, value) for each, value in zip(factors, (a, b))]
                results = fused(values, functools.partial(_adam_of_product, factors=joined))
        return otherwise(values) if results is None else results

    def _is_small(self, rows: int, columns: int) -> bool:
        """Whether a replica's part of a batch is smaller than the matrix that it is multiplied with."""
        return rows <= columns

    def _is_worth_joining(self, a: Sequence[int], b: Sequence[int]) -> bool:
        joined = a[0] * _replicas_in_all()
        size = a[1] * b[1]
        return (
            bool(mapped_axes())
            and size >= LEAST
            and joined <= _MOST_JOINED
            and 2 * joined * (a[1] + b[1]) <= size
        )


def _adam_of_product(
    p: Any, m: Any, v: Any, rates: Any, factors: Sequence[Any], after: Sequence[Any]
) -> Sequence[Any] | None:
    return native_updates.adam_product(p, m, v, rates, *factors, after=after)


def _factors(product: Any) -> Sequence[Any] | None:
    """The matrices a and b of a product a^T b."""
    if product.type != "MatMul" or not product.attrs["transpose_a"] or product.attrs["transpose_b"]:
        return None
    return product.inputs


def _replicas_in_all() -> int:
    """How many replicas a program stands for."""
    count = 1
    for name in mapped_axes():
        count *= lax.axis_size(name)
    return count
