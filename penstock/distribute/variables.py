"""Variables of a strategy with several replicas.

A mirrored variable has one value, which every replica has a copy of; replicas agree on what they assign. A variable
that is synchronized on reading has a value for each replica, which they update alone; outside of replicas it reads as
their sum, mean, or the first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.distribute.reduction import ReduceOp
from penstock.distribute.values import DistributedValues, Mirrored
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.resources import HandleData, State
from penstock.ops.variables.creation import VariableAggregation, VariableSynchronization
from penstock.ops.variables.variable import Variable
from penstock.types import dtypes
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, Tensor


def _in_replica() -> bool:
    """Whether code of a replica runs, and not what all replicas do together."""
    return thread.replica is not None and bool(thread.strategies) and thread.strategies[-1][1] == "replica"


def _is_traced() -> bool:
    return thread.graph is not None and thread.replica.body is not None


def _text(variable: Any, kind: str, values: Any) -> str:
    """How a distributed variable is written: a line for each replica."""
    name, _, index = variable.name.rpartition(":")
    lines = []
    for i, value in enumerate(values):
        own = f"{name}/replica_{i}:{index}" if i else variable.name
        lines.append(
            f"  {i}: <tf.Variable {own!r} shape={variable.shape} dtype={variable.dtype.name}, numpy={value}>"
        )
    return f"{kind}:{{\n" + ",\n".join(lines) + "\n}"


class MirroredVariable(Mirrored, Variable):
    """A variable that has the same value on all replicas."""

    _strategy: Any = None

    def __repr__(self) -> str:
        if self._in_graph_mode or thread.graph is not None or thread.replica is not None:
            return Variable.__repr__(self)
        value = repr(self._plain_value()).partition("numpy=")[2].removesuffix(">")
        return _text(self, "MirroredVariable", (value,) * self._strategy._local_replicas)

    @property
    def values(self) -> tuple:
        """The copy of each replica; they are one."""
        return (self,) * self._strategy._local_replicas

    @property
    def distribute_strategy(self) -> Any:
        """The strategy in whose scope the variable was made."""
        return self._strategy

    def assign(
        self, value: Any, use_locking: bool | None = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Sets the value; in a replica, to what the values of all replicas come to by `aggregation`."""
        return self._agree(super().assign, value, (use_locking, name, read_value))

    def assign_add(
        self, delta: Any, use_locking: bool | None = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Adds to the value; in a replica, what the values of all replicas come to by `aggregation`."""
        return self._agree(super().assign_add, delta, (use_locking, name, read_value))

    def assign_sub(
        self, delta: Any, use_locking: bool | None = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtracts from the value; in a replica, what the values of all replicas come to by `aggregation`."""
        return self._agree(super().assign_sub, delta, (use_locking, name, read_value))

    def _agree(self, method: Callable, value: Any, arguments: tuple) -> Any:
        if not _in_replica():
            return method(value, *arguments)
        if self._aggregation is VariableAggregation.SUM and not isinstance(value, (Tensor, Variable)):
            raise ValueError(
                f"A non-DistributedValues value {value} cannot be reduced with the given reduce op ReduceOp.SUM: assign a "
                f"tensor of each replica to {self.name}"
            )
        value = convert_to_tensor(value, self._dtype)
        if _is_traced():
            return method(aggregated(value, self._aggregation), *arguments)
        replica = thread.replica
        return replica.exchange(
            f"the assignment of {self.name}",
            replica.id,
            value,
            lambda values: _once(
                method,
                over_workers(combined(values, self._aggregation), self._aggregation, replica.workers),
                *arguments,
            ),
        )

    def _scatter(self, op_type: str, sparse_delta: Any, name: str | None) -> Any:
        if not _in_replica() or not isinstance(sparse_delta, IndexedSlices):
            return super()._scatter(op_type, sparse_delta, name)
        kind = op_type.removeprefix("ResourceScatter").lower()
        if kind not in ("add", "sub") and self._aggregation in (
            VariableAggregation.SUM,
            VariableAggregation.MEAN,
        ):
            raise NotImplementedError(
                f"scatter_{kind} is only supported for mirrored variable (variable created within certain "
                "`tf.distribute.Strategy` scope) with NONE or `ONLY_FIRST_REPLICA` aggregation, got: "
                f"{self._aggregation}"
            )
        values = convert_to_tensor(sparse_delta.values, self._dtype)
        both = aggregated_slices(IndexedSlices(values, sparse_delta.indices), self._aggregation)
        if _is_traced():
            return super()._scatter(op_type, both, name)
        scatter, replica = super()._scatter, thread.replica
        return replica.exchange(
            f"the update of {self.name}",
            replica.id,
            both,
            lambda rows: _once(scatter, op_type, rows[0], name),
        )


def _once(method: Callable, *arguments: Any) -> Any:
    """Calls what one thread does for all replicas."""
    outer, thread.replica = thread.replica, None
    try:
        return method(*arguments)
    finally:
        thread.replica = outer


def aggregated(value: Tensor, aggregation: VariableAggregation) -> Tensor:
    """What the values of all replicas come to; without an aggregation, that of the first replica."""
    if aggregation in (VariableAggregation.SUM, VariableAggregation.MEAN):
        return execute("ReplicaReduce", ([value],), {"reduce_op": aggregation.name})[0]
    return execute("ReplicaBroadcast", (value,), None)


def aggregated_slices(slices: IndexedSlices, aggregation: VariableAggregation) -> IndexedSlices:
    """The rows that all replicas want to update, by `aggregation`."""
    values, indices = convert_to_tensor(slices.values), convert_to_tensor(slices.indices)
    if aggregation not in (VariableAggregation.SUM, VariableAggregation.MEAN):
        return IndexedSlices(execute("ReplicaBroadcast", (values,)), execute("ReplicaBroadcast", (indices,)))
    if aggregation is VariableAggregation.MEAN:
        values = values / convert_to_tensor(thread.replica.total, values.dtype)
    return IndexedSlices(
        execute("ReplicaGather", (values,), {"axis": 0}), execute("ReplicaGather", (indices,), {"axis": 0})
    )


def combined(values: list, aggregation: VariableAggregation) -> Tensor:
    """The same for values at hand."""
    if aggregation not in (VariableAggregation.SUM, VariableAggregation.MEAN):
        return values[0]
    total = execute("AddN", (values,), None)
    return (
        total / convert_to_tensor(len(values), total.dtype)
        if aggregation is VariableAggregation.MEAN
        else total
    )


def over_workers(value: Tensor, aggregation: VariableAggregation, workers: int) -> Tensor:
    """What the values of all processes come to, of which `value` is that of this one."""
    if workers == 1:
        return value
    if aggregation in (VariableAggregation.SUM, VariableAggregation.MEAN):
        return execute("WorkerReduce", ([value],), {"reduce_op": aggregation.name})[0]
    return execute("WorkerBroadcast", (value,), None)


class SyncOnReadVariable(DistributedValues, Variable):
    """A variable with a value for each replica."""

    _strategy: Any = None

    def __repr__(self) -> str:
        if self._in_graph_mode or thread.graph is not None or thread.replica is not None:
            return Variable.__repr__(self)
        return _text(self, "SyncOnReadVariable", [each.numpy() for each in self.values])

    def _create_eagerly(self, initial_value: Any, name: str, dtype: Any, shape: TensorShape | None) -> None:
        super()._create_eagerly(initial_value, name, dtype, shape)
        count = self._strategy._local_replicas
        whole = TensorShape([count]).concatenate(self._shape)
        value = np.stack([np.asarray(self._state.value)] * count)
        self._state = State(value, self._shared_name, whole, self._dtype)
        self._handle = EagerTensor(self._state, dtypes.resource)

    def _create_in_graph(
        self, initial_value: Any, name: str, dtype: Any, shape: TensorShape | None, validate_shape: bool
    ) -> None:
        count = self._strategy._local_replicas

        def rows() -> Tensor:
            value = convert_to_tensor(initial_value() if callable(initial_value) else initial_value, dtype)
            return execute("Pack", ([value] * count,), {"axis": 0})

        whole = None if shape is None else TensorShape([count]).concatenate(shape)
        super()._create_in_graph(rows, name, dtype, whole, validate_shape)
        self._shape = self._shape[1:]
        if self._aggregation is not VariableAggregation.NONE:
            self._graph_element = self._read()

    # The handle of the state of all replicas; in a trace of a replica, the state of that replica.

    @property
    def _handle(self) -> Tensor:
        if not (_in_replica() and _is_traced()):
            return self._whole
        replica = thread.replica
        replica.stacked.add(id(self._whole))
        placeholder = replica.body.capture(self._whole)
        placeholder.handle_data = HandleData(self._shape, self._dtype)
        return placeholder

    @_handle.setter
    def _handle(self, handle: Tensor) -> None:
        self._whole = handle

    @property
    def values(self) -> tuple:
        """The value of each replica."""
        return tuple(self._rows()[each] for each in range(self._strategy._local_replicas))

    @property
    def distribute_strategy(self) -> Any:
        """The strategy in whose scope the variable was made."""
        return self._strategy

    def value(self) -> Tensor:
        """In a replica its own value; else what the values of all come to."""
        return self._read()

    read_value = read_value_no_copy = value

    def _rows(self) -> Tensor:
        self._accessed()
        return execute("ReadVariableOp", (self._whole,), {"dtype": self._dtype})

    def _read(self) -> Tensor:
        if _in_replica():
            return super()._read() if _is_traced() else self._rows()[thread.replica.id]
        rows = self._rows()
        if (
            self._aggregation is VariableAggregation.ONLY_FIRST_REPLICA
            or self._strategy.num_replicas_in_sync == 1
        ):
            value = rows[0]
        else:
            kind = ReduceOp.from_variable_aggregation(self._aggregation)  # raises where there is none
            value = execute(kind.name.capitalize(), (rows, convert_to_tensor(0)), None)
        return over_workers(value, self._aggregation, self._strategy._place[0])

    _read_variable_op = _read

    def _plain_value(self) -> Any:
        return self._read()

    def assign(
        self, value: Any, use_locking: bool | None = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """In a replica sets its own value; else divides the value among the replicas, so that it reads the same."""
        value = convert_to_tensor(value, self._dtype)
        self._check_assignable(value)
        if _in_replica() and _is_traced():
            return super().assign(value, use_locking, name, read_value)
        if _in_replica():
            return self._set_row(value)
        count, total = self._strategy._local_replicas, self._strategy.num_replicas_in_sync
        if self._aggregation is VariableAggregation.SUM and total > 1:
            value = execute("Cast", (value / convert_to_tensor(total, value.dtype),), {"DstT": self._dtype})
        return self._assigned(
            execute(
                "AssignVariableOp",
                (self._whole, execute("Pack", ([value] * count,), {"axis": 0})),
                None,
                name,
            ),
            read_value,
        )

    def assign_add(
        self, delta: Any, use_locking: bool | None = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """In a replica adds to its own value.

        Raises:
          ValueError: outside of a replica, and the replicas' values are summed.
        """
        return self._change("assign_add", delta, use_locking, name, read_value)

    def assign_sub(
        self, delta: Any, use_locking: bool | None = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """In a replica subtracts from its own value; otherwise as `assign_add`."""
        return self._change("assign_sub", delta, use_locking, name, read_value)

    def _change(
        self, method: str, delta: Any, use_locking: bool | None, name: str | None, read_value: bool
    ) -> Any:
        delta = convert_to_tensor(delta, self._dtype)
        if _in_replica() and _is_traced():
            return getattr(super(), method)(delta, use_locking, name, read_value)
        if not _in_replica() and self._aggregation is VariableAggregation.SUM:
            raise ValueError(
                f"SyncOnReadVariable does not support `{method}` in cross-replica context when aggregation is set to "
                "`tf.VariableAggregation.SUM`."
            )
        current = self._read()
        return self.assign(
            current + delta if method == "assign_add" else current - delta, use_locking, name, read_value
        )

    def _scatter(self, op_type: str, sparse_delta: Any, name: str | None) -> Any:
        kind = op_type.removeprefix("ResourceScatter").lower()
        raise NotImplementedError(
            f"Variables with `synchronization=ON_READ` doesn't support `scatter_{kind}`"
        )

    def _assigned(self, operation: Any, read_value: bool = True) -> Any:
        if operation is not None and operation.graph.building_function:
            operation.graph.watch_variable(self)
        return self if read_value else operation

    def _set_row(self, value: Tensor) -> SyncOnReadVariable:
        where = convert_to_tensor(thread.replica.id)
        execute("ResourceScatterUpdate", (self._whole, where, value), None)
        return self


def make_variable(strategy: Any, arguments: dict[str, Any]) -> Any:
    """The variable that `tf.Variable(...)` makes in the scope of a strategy."""
    arguments = {
        name: value for name, value in arguments.items() if name not in ("use_resource", "expected_shape")
    }
    replica = thread.replica
    if not (_in_replica() and replica.exchange):
        return _make(strategy, arguments)
    made = replica.exchange.variables.setdefault(arguments.get("name") or "Variable", [])
    if replica.id == 0:
        made.append(_once(_make, strategy, arguments))
        return made[-1]
    # The others share what replica 0 has made, in the same order.
    taken = replica.shared.setdefault(id(made), iter(made))
    found = next(taken, None)
    if found is None:
        raise RuntimeError(
            f"replica {replica.id} makes the variable {arguments.get('name')!r}, which replica 0 did not"
        )
    return found


def _make(strategy: Any, arguments: dict[str, Any]) -> Any:
    synchronization = arguments.get("synchronization") or VariableSynchronization.AUTO
    on_read = synchronization is VariableSynchronization.ON_READ
    if synchronization is VariableSynchronization.NONE:
        raise ValueError(
            "`NONE` variable synchronization mode is not supported with tf.distribute strategy. Please change the "
            f"`synchronization` for variable: {arguments.get('name')}"
        )
    cls = SyncOnReadVariable if on_read else MirroredVariable
    if on_read:
        arguments = {**arguments, "trainable": False}  # replicas train only what they agree on
    elif synchronization is VariableSynchronization.AUTO:
        arguments = {**arguments, "synchronization": VariableSynchronization.ON_WRITE}
    variable = cls.__new__(cls)
    variable._strategy = strategy
    if strategy._place[0] > 1:
        arguments["initial_value"] = _of_the_chief(arguments.get("initial_value"), arguments.get("dtype"))
    variable._create(**arguments)
    if variable.aggregation is VariableAggregation.MEAN and not (
        variable.dtype.is_floating or variable.dtype.is_complex
    ):
        raise ValueError(
            "creating distributed tf.Variable with aggregation=MEAN and a non-floating dtype is not supported, please use "
            "a different aggregation or dtype"
        )
    return variable


def _of_the_chief(initial_value: Any, dtype: Any) -> Any:
    """A function that gives the initial value of the first process, so that all begin with the same."""
    if initial_value is None:
        return None
    return lambda: execute(
        "WorkerBroadcast",
        (convert_to_tensor(initial_value() if callable(initial_value) else initial_value, dtype),),
        None,
    )
