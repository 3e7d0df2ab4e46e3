"""`tf.distribute` for one device: the default strategy and the interface that programs and Keras use.

Every program runs under some strategy; the default one has one replica and adds nothing.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from penstock.engine.context import process, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.types import nest


@export("distribute.ReduceOp")
class ReduceOp(enum.Enum):
    """How values of replicas are combined."""

    SUM = "SUM"
    MEAN = "MEAN"


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


@export("distribute.DistributedValues", "types.experimental.distributed.PerReplica")
class DistributedValues:
    """Values of several replicas."""

    def __init__(self, values: Any):
        self._values = tuple(values)

    @property
    def values(self) -> tuple:
        """The value of each replica."""
        return self._values


@export("distribute.DistributedDataset")
class DistributedDataset:
    """A dataset whose elements are split over replicas; one replica uses the dataset itself."""


@export("distribute.DistributedIterator")
class DistributedIterator:
    """An iterator of a distributed dataset."""


@export("distribute.ReplicaContext")
class ReplicaContext:
    """What code inside `strategy.run` asks about its replica."""

    def __init__(self, strategy: Strategy):
        self._strategy = strategy

    @property
    def strategy(self) -> Strategy:
        """The strategy."""
        return self._strategy

    @property
    def replica_id_in_sync_group(self) -> int:
        """The number of this replica."""
        return 0

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas there are."""
        return self._strategy.num_replicas_in_sync

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices of this replica."""
        return (self._strategy.extended.worker_devices[0],)

    def all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
        """The values of all replicas combined: with one replica, the value."""
        _reduce_op(reduce_op)
        return nest.map_structure(lambda each: each, value)

    def all_gather(self, value: Any, axis: int, options: Any = None) -> Any:
        """The values of all replicas joined along an axis: with one replica, the value."""
        return nest.map_structure(convert_to_tensor, value)

    def merge_call(self, merge_fn: Callable, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Calls `merge_fn(strategy, *args, **kwargs)` once for all replicas."""
        with _cross_replica(self._strategy):
            return merge_fn(self._strategy, *args, **(kwargs or {}))


def _reduce_op(value: Any) -> ReduceOp:
    return value if isinstance(value, ReduceOp) else ReduceOp(str(value).upper())


@export("distribute.StrategyExtended")
class StrategyExtended:
    """What libraries ask of a strategy."""

    def __init__(self, strategy: Strategy, device: str):
        self._strategy, self._device = strategy, device

    @property
    def worker_devices(self) -> tuple[str, ...]:
        """The devices that run replicas."""
        return (self._device,)

    @property
    def parameter_devices(self) -> tuple[str, ...]:
        """The devices that hold variables."""
        return (self._device,)

    @property
    def should_checkpoint(self) -> bool:
        """Whether this process writes checkpoints."""
        return True

    @property
    def should_save_summary(self) -> bool:
        """Whether this process writes summaries."""
        return True

    def _in_multi_worker_mode(self) -> bool:
        return False

    def update(
        self, var: Any, fn: Callable, args: tuple = (), kwargs: dict | None = None, group: bool = True
    ) -> Any:
        """Calls `fn(var, *args, **kwargs)` where the variable is."""
        return fn(var, *args, **(kwargs or {}))

    def reduce_to(self, reduce_op: Any, value: Any, destinations: Any, options: Any = None) -> Any:
        """The values of all replicas combined."""
        return value

    def batch_reduce_to(self, reduce_op: Any, value_destination_pairs: Any, options: Any = None) -> list[Any]:
        """`reduce_to` for several values."""
        return [value for value, _ in value_destination_pairs]

    def value_container(self, value: Any) -> Any:
        """The distributed value that holds `value`."""
        return value

    def variable_created_in_scope(self, v: Any) -> bool:
        """Whether a variable was made under this strategy."""
        return True

    def colocate_vars_with(self, colocate_with_variable: Any) -> Any:
        """Variables made inside go where another one is."""
        return contextlib.nullcontext()


@export("distribute.Strategy")
class Strategy:
    """How computations are spread over devices."""

    def __init__(self, device: str = "/device:CPU:0"):
        self.extended = StrategyExtended(self, device)

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas work on one step."""
        return 1

    @property
    def cluster_resolver(self) -> None:
        """The description of the cluster; None on one machine."""
        return None

    @contextlib.contextmanager
    def scope(self) -> Iterator[Strategy]:
        """Makes this the current strategy; variables made inside belong to it."""
        thread.strategies.append((self, "cross"))
        try:
            yield self
        finally:
            thread.strategies.pop()

    def run(self, fn: Callable, args: tuple = (), kwargs: dict | None = None, options: Any = None) -> Any:
        """Calls `fn` on every replica.

        Example:
          >>> import penstock as tf
          >>> tf.distribute.get_strategy().run(lambda x: x + 1, args=(tf.constant(2),)).numpy()
          np.int32(3)
        """
        if self is default_strategy():
            return fn(*args, **(kwargs or {}))
        thread.strategies.append((self, "replica"))
        try:
            return fn(*args, **(kwargs or {}))
        finally:
            thread.strategies.pop()

    def reduce(self, reduce_op: Any, value: Any, axis: int | None) -> Any:
        """The values of all replicas combined, and along `axis` where one is given."""
        chosen = _reduce_op(reduce_op)
        if axis is None:
            return value
        kind = "Sum" if chosen is ReduceOp.SUM else "Mean"
        return nest.map_structure(
            lambda each: execute(kind, (convert_to_tensor(each), convert_to_tensor(axis)), None), value
        )

    def gather(self, value: Any, axis: int) -> Any:
        """The values of all replicas joined along an axis."""
        return nest.map_structure(convert_to_tensor, value)

    def experimental_local_results(self, value: Any) -> tuple:
        """The value of each local replica."""
        return value.values if isinstance(value, DistributedValues) else (value,)

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """The dataset split over replicas: with one replica, the dataset."""
        return dataset

    def distribute_datasets_from_function(self, dataset_fn: Callable, options: Any = None) -> Any:
        """The datasets that `dataset_fn(input_context)` makes."""
        return dataset_fn(InputContext())

    experimental_distribute_datasets_from_function = distribute_datasets_from_function

    def experimental_distribute_values_from_function(self, value_fn: Callable) -> Any:
        """The values that `value_fn(context)` makes for the replicas."""
        return value_fn(_ValueContext())

    def __deepcopy__(self, memo: dict) -> Strategy:
        return self


@export("distribute.experimental.ValueContext")
class _ValueContext(NamedTuple):
    """Which replica a value is for."""

    replica_id_in_sync_group: int = 0
    num_replicas_in_sync: int = 1


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


@contextlib.contextmanager
def _cross_replica(strategy: Strategy) -> Iterator[None]:
    if strategy is default_strategy():
        yield
        return
    thread.strategies.append((strategy, "cross"))
    try:
        yield
    finally:
        thread.strategies.pop()


@export("__internal__.distribute.interim.maybe_merge_call")
def maybe_merge_call(fn: Callable, strategy: Strategy, *args: Any, **kwargs: Any) -> Any:
    """Calls `fn(strategy, *args, **kwargs)` once for all replicas."""
    return fn(strategy, *args, **kwargs)


@export("__internal__.distribute.strategy_supports_no_merge_call")
def strategy_supports_no_merge_call() -> bool:
    """Whether updates need no merge call: with one replica they do not."""
    return True
