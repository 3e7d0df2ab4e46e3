"""`tf.distribute.Strategy`: how a program is spread over devices, and what code asks about the strategy it runs under.

Every program runs under some strategy; the default one has one replica and adds nothing. Code runs either once for all
replicas ("cross-replica context") or as one of them (inside `strategy.run`).
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from penstock.distribute.values import DistributedValues, PerReplica
from penstock.distribute.variables import aggregated_slices, make_variable
from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.variable_creation import VariableAggregation
from penstock.types import nest
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.tensors import EagerTensor, SymbolicTensor


@export("distribute.ReduceOp")
class ReduceOp(enum.Enum):
    """How values of replicas are combined."""

    SUM = "SUM"
    MEAN = "MEAN"

    @staticmethod
    def from_variable_aggregation(aggregation: Any) -> ReduceOp:
        """The reduction that belongs to a variable's aggregation."""
        return ReduceOp(aggregation.name)


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
                f"{self.num_replicas_in_sync}"
            )
        return global_batch_size // self.num_replicas_in_sync


@export("distribute.experimental.ValueContext")
class ValueContext(NamedTuple):
    """Which replica a value is for."""

    replica_id_in_sync_group: int = 0
    num_replicas_in_sync: int = 1


def reduction(value: Any) -> ReduceOp:
    """The `ReduceOp` that a member or its name means.

    Raises:
      ValueError: it is neither.
    """
    return value if isinstance(value, ReduceOp) else ReduceOp(str(value).upper())


@export("distribute.ReplicaContext")
class ReplicaContext:
    """What code inside `strategy.run` asks about its replica, and where it meets the others."""

    def __init__(self, strategy: Strategy):
        self._strategy = strategy

    @property
    def strategy(self) -> Strategy:
        """The strategy."""
        return self._strategy

    @property
    def replica_id_in_sync_group(self) -> Any:
        """The number of this replica: an int, or in a function that is traced for all replicas a scalar tensor."""
        replica = thread.replica
        if replica is None:
            return 0
        return replica.id if replica.id is not None else execute("ReplicaId", (), None)

    @property
    def _replica_id(self) -> Any:
        return self.replica_id_in_sync_group

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

        Returns:
          The same structure, equal on all replicas. Its gradient is the sum of the gradients of all replicas.
          A tensor from outside, the very same on all replicas, counts once, as in TensorFlow.
        """
        kind = reduction(reduce_op)
        flat = nest.flatten(value)
        if thread.replica is None:
            return nest.map_structure(lambda each: each, value)
        results: list[Any] = list(flat)
        common = _from_outside(flat)
        dense = [
            i for i, each in enumerate(flat) if not isinstance(each, IndexedSlices) and id(each) not in common
        ]
        if dense:
            tensors = [convert_to_tensor(flat[i]) for i in dense]
            for i, each in zip(dense, execute("ReplicaReduce", (tensors,), {"reduce_op": kind.value})):
                results[i] = each
        for i, each in enumerate(flat):
            if isinstance(each, IndexedSlices):
                both = aggregated_slices(each, VariableAggregation[kind.value])
                results[i] = IndexedSlices(both.values, both.indices, each.dense_shape)
        return nest.pack_sequence_as(value, results)

    def all_gather(self, value: Any, axis: int, options: Any = None) -> Any:
        """The values of all replicas joined along an axis, along which their sizes may differ."""
        if thread.replica is None:
            return nest.map_structure(convert_to_tensor, value)
        return nest.map_structure(
            lambda each: execute("ReplicaGather", (convert_to_tensor(each),), {"axis": axis}), value
        )

    def merge_call(self, merge_fn: Callable, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Calls `merge_fn(strategy, *args, **kwargs)` once for all replicas, with their values as `PerReplica`."""
        return self._strategy._merge_call(merge_fn, args, kwargs or {})

    def __enter__(self) -> ReplicaContext:
        thread.strategies.append((self._strategy, "replica"))
        return self

    def __exit__(self, *problem: Any) -> None:
        thread.strategies.pop()


def _from_outside(values: list[Any]) -> set[int]:
    """ids of the tensors among a replica's values that all replicas have from outside."""
    replica = thread.replica
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
        return {id(row[0]) for row in zip(*rows) if all(each is row[0] for each in row)}

    return replica.exchange("all_reduce", replica.id, values, same)


@export("distribute.StrategyExtended")
class StrategyExtended:
    """What libraries ask of a strategy."""

    def __init__(self, strategy: Strategy, devices: Sequence[str]):
        self._strategy, self._devices = strategy, tuple(devices)

    @property
    def worker_devices(self) -> tuple[str, ...]:
        """The devices that run replicas."""
        return self._devices

    @property
    def parameter_devices(self) -> tuple[str, ...]:
        """The devices that hold variables."""
        return self._devices

    @property
    def should_checkpoint(self) -> bool:
        """Whether this process writes checkpoints."""
        return True

    @property
    def should_save_summary(self) -> bool:
        """Whether this process writes summaries."""
        return True

    @property
    def experimental_require_static_shapes(self) -> bool:
        """Whether all batches must have the same shape."""
        return False

    def _in_multi_worker_mode(self) -> bool:
        return False

    def update(
        self, var: Any, fn: Callable, args: tuple = (), kwargs: dict | None = None, group: bool = True
    ) -> Any:
        """Calls `fn(var, *args, **kwargs)` where the variable is; what it assigns holds on all replicas."""
        with context_of(self._strategy, "cross"):
            return fn(var, *args, **(kwargs or {}))

    def update_non_slot(
        self,
        colocate_with: Any,
        fn: Callable,
        args: tuple = (),
        kwargs: dict | None = None,
        group: bool = True,
    ) -> Any:
        """Calls `fn(*args, **kwargs)` where `colocate_with` is."""
        with context_of(self._strategy, "cross"):
            return fn(*args, **(kwargs or {}))

    def reduce_to(self, reduce_op: Any, value: Any, destinations: Any, options: Any = None) -> Any:
        """The values of all replicas combined."""
        return self._strategy.reduce(reduce_op, value, None)

    def batch_reduce_to(self, reduce_op: Any, value_destination_pairs: Any, options: Any = None) -> list[Any]:
        """`reduce_to` for several values."""
        return [self._strategy.reduce(reduce_op, value, None) for value, _ in value_destination_pairs]

    def broadcast_to(self, tensor: Any, destinations: Any) -> Any:
        """The tensor where `destinations` are."""
        return tensor

    def read_var(self, v: Any) -> Any:
        """The value of a variable outside of replicas."""
        return v.read_value()

    def value_container(self, value: Any) -> Any:
        """The distributed value that holds `value`."""
        return value

    def variable_created_in_scope(self, v: Any) -> bool:
        """Whether a variable was made under this strategy."""
        strategy = getattr(v, "distribute_strategy", None)
        return self._strategy is (default_strategy() if strategy is None else strategy)

    def colocate_vars_with(self, colocate_with_variable: Any) -> Any:
        """Variables made inside go where another one is."""
        return contextlib.nullcontext()

    def non_slot_devices(self, var_list: Any) -> tuple[str, ...]:
        """Where state that belongs to no variable is kept."""
        return self._devices[:1]

    def call_for_each_replica(self, fn: Callable, args: tuple = (), kwargs: dict | None = None) -> Any:
        """The same as `strategy.run`."""
        return self._strategy.run(fn, args, kwargs)


@export("distribute.Strategy", v1=["distribute.Strategy"])
class Strategy:
    """How computations are spread over devices. This one, and the default, use one device.

    Args:
      device: its name.
    """

    def __init__(self, device: str = "/device:CPU:0"):
        self.extended = StrategyExtended(self, (device,))

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas work on one step."""
        return len(self.extended.worker_devices)

    @property
    def cluster_resolver(self) -> Any:
        """The description of the cluster; None on one machine."""
        return None

    @contextlib.contextmanager
    def scope(self) -> Iterator[Strategy]:
        """Makes this the current strategy; variables made inside belong to it."""
        outer = thread.variable_creators
        if self._makes_variables:
            thread.variable_creators = (
                *outer,
                lambda next_creator, **arguments: make_variable(self, arguments),
            )
        try:
            with context_of(self, "cross"):
                yield self
        finally:
            thread.variable_creators = outer

    _makes_variables = False  # whether variables are of a kind of their own

    def run(self, fn: Callable, args: tuple = (), kwargs: dict | None = None, options: Any = None) -> Any:
        """Calls `fn` on every replica.

        Example:
          >>> import penstock as tf
          >>> tf.distribute.get_strategy().run(lambda x: x + 1, args=(tf.constant(2),)).numpy()
          np.int32(3)
        """
        with context_of(self, "replica"):
            return fn(*args, **(kwargs or {}))

    def _merge_call(self, merge_fn: Callable, args: tuple, kwargs: dict) -> Any:
        with context_of(self, "cross"):
            return merge_fn(self, *args, **kwargs)

    def reduce(self, reduce_op: Any, value: Any, axis: int | None = None) -> Any:
        """The values of all replicas combined, and along `axis` where one is given.

        Args:
          reduce_op: a `tf.distribute.ReduceOp`, or its name.
          value: a structure that `run` has returned.
          axis: also reduced; the mean is over all elements along it, of all replicas together.
        """
        kind = reduction(reduce_op)

        def combine(each: Any) -> Any:
            parts = [convert_to_tensor(part) for part in self.experimental_local_results(each)]
            if axis is not None:
                return _reduced_along(parts, kind, axis)
            if not isinstance(
                each, PerReplica
            ):  # one value for all: TensorFlow counts it once for each replica
                parts *= 1 if kind is ReduceOp.MEAN else self.num_replicas_in_sync
            return _total(parts, kind)

        return nest.map_structure(combine, value)

    def gather(self, value: Any, axis: int) -> Any:
        """The values of all replicas joined along an axis, along which their sizes may differ."""

        def join(each: Any) -> Any:
            parts = [convert_to_tensor(part) for part in self.experimental_local_results(each)]
            if not isinstance(each, PerReplica):
                parts *= self.num_replicas_in_sync
            return (
                parts[0] if len(parts) == 1 else execute("ConcatV2", (parts, convert_to_tensor(axis)), None)
            )

        return nest.map_structure(join, value)

    def experimental_local_results(self, value: Any) -> tuple:
        """The value of each local replica; of a structure, the structure for each."""
        if isinstance(value, DistributedValues):
            return value.values
        if not any(isinstance(each, PerReplica) for each in nest.flatten(value)):
            return (value,)
        return tuple(
            nest.map_structure(lambda each: each.values[i] if isinstance(each, PerReplica) else each, value)
            for i in range(self.num_replicas_in_sync)
        )

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """The dataset with each element split over the replicas: with one replica, the dataset."""
        return dataset

    def distribute_datasets_from_function(self, dataset_fn: Callable, options: Any = None) -> Any:
        """The dataset that `dataset_fn(input_context)` makes, whose elements go to one replica after the other."""
        return dataset_fn(InputContext(num_replicas_in_sync=self.num_replicas_in_sync))

    experimental_distribute_datasets_from_function = distribute_datasets_from_function

    def experimental_distribute_values_from_function(self, value_fn: Callable) -> Any:
        """The values that `value_fn(context)` makes for the replicas."""
        values = [
            value_fn(ValueContext(each, self.num_replicas_in_sync))
            for each in range(self.num_replicas_in_sync)
        ]
        return PerReplica(values) if self._makes_variables else values[0]

    def __deepcopy__(self, memo: dict) -> Strategy:
        return self


def _total(parts: list[Any], kind: ReduceOp) -> Any:
    if len(parts) == 1:
        return parts[0]
    total = execute("AddN", (parts,), None)
    return total / convert_to_tensor(len(parts), total.dtype) if kind is ReduceOp.MEAN else total


def _reduced_along(parts: list[Any], kind: ReduceOp, axis: int) -> Any:
    where = convert_to_tensor(axis)
    total = _total([execute("Sum", (each, where), None) for each in parts], ReduceOp.SUM)
    if kind is ReduceOp.SUM:
        return total
    sizes = [execute("Shape", (each,), None)[axis] for each in parts]
    return total / execute("Cast", (_total(sizes, ReduceOp.SUM),), {"DstT": total.dtype})


@export("distribute.OneDeviceStrategy")
class OneDeviceStrategy(Strategy):
    """All on one device.

    Args:
      device: such as `"/gpu:0"`.
    """

    def run(self, fn: Callable, args: tuple = (), kwargs: dict | None = None, options: Any = None) -> Any:
        """Calls `fn` on the device."""
        outer, thread.device = thread.device, self.extended.worker_devices[0]
        try:
            return super().run(fn, args, kwargs, options)
        finally:
            thread.device = outer


def default_strategy() -> Strategy:
    """The strategy where no other is in scope."""
    found = process.registry.get("default_strategy")
    if found is None:
        found = process.registry["default_strategy"] = Strategy()
    return found


@export("distribute.get_strategy")
def get_strategy() -> Strategy:
    """The current strategy.

    Example:
      >>> import penstock as tf
      >>> tf.distribute.get_strategy().num_replicas_in_sync
      1
    """
    return thread.strategies[-1][0] if thread.strategies else default_strategy()


@export("distribute.has_strategy")
def has_strategy() -> bool:
    """Whether a strategy other than the default one is in scope."""
    return bool(thread.strategies)


@export("distribute.in_cross_replica_context")
def in_cross_replica_context() -> bool:
    """Whether code runs once for all replicas."""
    return bool(thread.strategies) and thread.strategies[-1][1] == "cross"


@export("distribute.get_replica_context")
def get_replica_context() -> ReplicaContext | None:
    """What the current replica knows; None where code runs once for all replicas."""
    return None if in_cross_replica_context() else ReplicaContext(get_strategy())


@export("distribute.experimental_set_strategy")
def experimental_set_strategy(strategy: Strategy | None) -> None:
    """Makes a strategy the current one until this is called again; None goes back to the default.

    Raises:
      RuntimeError: inside of a strategy's scope.
    """
    entered = process.registry.pop("entered_strategy", None)
    if entered is not None:
        entered.__exit__(None, None, None)
    if thread.strategies:
        raise RuntimeError("Must not be called inside a `tf.distribute.Strategy` scope.")
    if strategy is not None:
        scope = process.registry["entered_strategy"] = strategy.scope()
        scope.__enter__()


@contextlib.contextmanager
def context_of(strategy: Strategy, kind: str) -> Iterator[None]:
    """Code inside runs as a `"replica"`, or once for all (`"cross"`); the default strategy leaves no trace."""
    if strategy is default_strategy():
        yield
        return
    thread.strategies.append((strategy, kind))
    try:
        yield
    finally:
        thread.strategies.pop()


@export("__internal__.distribute.interim.maybe_merge_call")
def maybe_merge_call(fn: Callable, strategy: Strategy, *args: Any, **kwargs: Any) -> Any:
    """Calls `fn(strategy, *args, **kwargs)` once for all replicas."""
    if in_cross_replica_context():
        return fn(strategy, *args, **kwargs)
    return strategy._merge_call(fn, args, kwargs)


@export("__internal__.distribute.strategy_supports_no_merge_call")
def strategy_supports_no_merge_call() -> bool:
    """Whether updates need no merge call: with one replica they do not."""
    return not thread.strategies or thread.strategies[-1][0].num_replicas_in_sync == 1
