"""`tf.distribute.ReplicaContext`: what code inside `strategy.run` asks, and where it meets the other replicas."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.distribute.current import default_strategy
from penstock.distribute.options import check_communication
from penstock.distribute.reduction import ReduceOp, check_addable, check_gather, reduction
from penstock.distribute.variables import aggregated_slices
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.variables.creation import VariableAggregation
from penstock.types import nest
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor

if TYPE_CHECKING:
    from penstock.distribute.strategy import Strategy


@export("distribute.InputContext")
class InputContext(NamedTuple):
    """Which part of the input a pipeline is for."""

    num_input_pipelines: int = 1
    input_pipeline_id: int = 0
    num_replicas_in_sync: int = 1

    def get_per_replica_batch_size(self, global_batch_size: int) -> int:
        """The batch size of one replica.

        Raises:
          ValueError: the global batch size is not divisible by the number of replicas.
        """
        if global_batch_size % self.num_replicas_in_sync:
            raise ValueError(
                f"The `global_batch_size` {global_batch_size} is not divisible by `num_replicas_in_sync` "
                f"{self.num_replicas_in_sync} "
            )
        return global_batch_size // self.num_replicas_in_sync

    def __str__(self) -> str:
        return (
            f"tf.distribute.InputContext(input pipeline id {self.input_pipeline_id}, total: "
            f"{self.num_input_pipelines})"
        )


@export("distribute.experimental.ValueContext")
class ValueContext(NamedTuple):
    """Which replica a value is for."""

    replica_id_in_sync_group: int = 0
    num_replicas_in_sync: int = 1


@export("distribute.ReplicaContext")
class ReplicaContext:
    """What code inside `strategy.run` asks about its replica, and where it meets the others.

    Args:
      strategy: the strategy. replica_id_in_sync_group: the number of the replica; by default that of the one that runs.
    """

    def __init__(self, strategy: Strategy, replica_id_in_sync_group: int | None = None):
        self._strategy, self._given_id = strategy, replica_id_in_sync_group

    @property
    def strategy(self) -> Strategy:
        """The strategy."""
        return self._strategy

    @property
    def replica_id_in_sync_group(self) -> Any:
        """The number of this replica, a scalar tensor (under the default strategy the int 0)."""
        replica = thread.replica
        if self._given_id is not None or replica is None:
            number = self._given_id or 0
            return number if self._strategy is default_strategy() else convert_to_tensor(number)
        return execute("ReplicaId", (), None) if replica.id is None else convert_to_tensor(replica.number)

    @property
    def _replica_id(self) -> Any:
        replica = thread.replica
        return 0 if replica is None else replica.id if replica.id is None else replica.number

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas there are."""
        return self._strategy.num_replicas_in_sync

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices of this replica."""
        replica = thread.replica
        devices = self._strategy.extended.worker_devices
        return (devices[replica.id] if replica is not None and replica.id is not None else devices[0],)

    def all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
        """The values of all replicas combined.

        Args:
          reduce_op: a `tf.distribute.ReduceOp`, or its name.
          value: a structure of tensors and `IndexedSlices` of the same shapes on all replicas; they travel together.
          options: `tf.distribute.experimental.CommunicationOptions`; hints.

        Returns:
          The same structure, equal on all replicas. Its gradient is the sum of the gradients of all replicas.
          A tensor from outside, the very same on all replicas, counts once, as in TensorFlow.

        Raises:
          ValueError: the reduction is none.
          InvalidArgumentError: the values cannot be added.
        """
        kind = reduction(reduce_op)
        check_communication(options)
        flat = nest.flatten(value)
        if thread.replica is None:
            return nest.map_structure(lambda each: each, value)
        common = _from_outside(flat)
        own = [i for i, each in enumerate(flat) if id(each) not in common]
        results: list[Any] = list(flat)
        for i, each in zip(own, reduced_over_replicas(kind, [flat[i] for i in own])):
            results[i] = each
        return nest.pack_sequence_as(value, results)

    def all_gather(self, value: Any, axis: int, options: Any = None) -> Any:
        """The values of all replicas joined along an axis, along which their sizes may differ.

        Raises:
          ValueError: the axis is out of range.
          NotImplementedError: a value is `IndexedSlices`.
        """
        check_communication(options)

        def gather(each: Any) -> Any:
            each = each if isinstance(each, IndexedSlices) else convert_to_tensor(each)
            check_gather(each, axis)
            return each if thread.replica is None else execute("ReplicaGather", (each,), {"axis": axis})

        return nest.map_structure(gather, value)

    def merge_call(self, merge_fn: Callable, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Calls `merge_fn(strategy, *args, **kwargs)` once for all replicas, with their values as `PerReplica`."""
        return self._strategy._merge_call(merge_fn, args, kwargs or {})

    def __enter__(self) -> ReplicaContext:
        thread.strategies.append((self._strategy, "replica"))
        return self

    def __exit__(self, *problem: Any) -> None:
        thread.strategies.pop()


def reduced_over_replicas(kind: ReduceOp, values: list[Any]) -> list[Any]:
    """The values of this replica combined with those of the others: one all-reduce for all tensors, rows of slices joined.

    Raises:
      InvalidArgumentError: they cannot be added.
    """
    results: list[Any] = list(values)
    dense = [i for i, each in enumerate(values) if not isinstance(each, IndexedSlices)]
    if dense:
        tensors = [convert_to_tensor(values[i]) for i in dense]
        check_addable(tensors)
        for i, each in zip(dense, execute("ReplicaReduce", (tensors,), {"reduce_op": kind.value})):
            results[i] = each
    for i, each in enumerate(values):
        if isinstance(each, IndexedSlices):
            both = aggregated_slices(each, VariableAggregation[kind.value])
            results[i] = IndexedSlices(both.values, both.indices, each.dense_shape)
    return results


def _from_outside(values: list[Any]) -> set[int]:
    """ids of the tensors among a replica's values that all replicas have from outside."""
    replica = thread.replica
    if replica.workers > 1:
        return set()  # other processes have tensors of their own
    if replica.body is not None:
        return {
            id(each)
            for each in values
            if isinstance(each, EagerTensor)
            or (isinstance(each, SymbolicTensor) and each.graph is replica.body.outer_graph)
        }
    if replica.exchange is None:
        return set()

    def same(rows: list) -> set[int]:
        return {
            id(row[0])
            for row in zip(*rows)
            if isinstance(row[0], Tensor) and all(each is row[0] for each in row)
        }

    return replica.exchange("all_reduce", replica.id, values, same)
