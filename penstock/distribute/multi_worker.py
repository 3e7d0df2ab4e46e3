"""`tf.distribute.MultiWorkerMirroredStrategy`: the replicas of `MirroredStrategy`, spread over the processes of a cluster.

Every process runs the same script. What a script does inside of the strategy's scope, all processes must do in the same
order: they meet for each variable that is made, each reduction, each element of a distributed dataset, and each step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.cluster.workers import Workers
from penstock.data.dataset import INFINITE, Dataset
from penstock.data.options import AutoShardPolicy
from penstock.distribute.cluster_start import start_workers, tasks_of
from penstock.distribute.extended import StrategyExtended
from penstock.distribute.input import DistributedDataset, distribute, distribute_function
from penstock.distribute.mirrored import MirroredStrategy, _is_traced
from penstock.distribute.options import CommunicationImplementation, CommunicationOptions
from penstock.distribute.reduction import ReduceOp, as_value, total, total_along
from penstock.distribute.replica_context import InputContext, ValueContext
from penstock.distribute.resolvers import ClusterResolver, TFConfigClusterResolver
from penstock.distribute.sharding import policy_of, shard_files, shard_hinted
from penstock.distribute.values import PerReplica, is_distributed
from penstock.distribute.worker_elements import OwnParts, PartsInTurn, UntilAllEnd
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.types import nest
from penstock.types.indexed_slices import IndexedSlices


class _MultiWorkerExtended(StrategyExtended):
    """What libraries ask: the first process is the chief, who writes checkpoints and summaries for all."""

    def __init__(self, strategy: Any, devices: Sequence[str], is_chief: bool):
        super().__init__(strategy, devices)
        self._is_chief = is_chief

    @property
    def should_checkpoint(self) -> bool:
        """Whether this process is the chief."""
        return self._is_chief

    @property
    def should_save_summary(self) -> bool:
        """Whether this process is the chief."""
        return self._is_chief

    @property
    def experimental_between_graph(self) -> bool:
        """True: each worker has a graph of its own."""
        return True

    @property
    def experimental_should_init(self) -> bool:
        """True: each worker initializes its copies of variables."""
        return True

    def _in_multi_worker_mode(self) -> bool:
        return self._strategy._place[0] > 1


@export("distribute.MultiWorkerMirroredStrategy", v1=[])
class MultiWorkerMirroredStrategy(MirroredStrategy):
    """Copies of a model on the devices of several processes, kept equal.

    Every process runs the same script, with `TF_CONFIG` saying which task it is. The processes find each other at the
    address of the first worker (or of the chief, where there is one), and one SPMD program runs on all their devices;
    between GPUs XLA reduces with NCCL, between CPUs with gloo. Each process uses its GPUs, or else one CPU device.
    Without a cluster it is `MirroredStrategy` on those devices.

    Make it at the start of the program, before anything runs on devices. A process that does not come, dies, or falls
    silent ends all the others with an error that names it. The environment variables `PENSTOCK_START_TIMEOUT` (300) and
    `PENSTOCK_SILENCE_TIMEOUT` (60) say after how many seconds.

    Args:
      cluster_resolver: a `tf.distribute.cluster_resolver.ClusterResolver`; by default one that reads `TF_CONFIG`.
      communication_options: `tf.distribute.experimental.CommunicationOptions`. `timeout_seconds` is how long processes
        wait for each other where they meet; the rest are hints.

    Raises:
      ValueError: the cluster does not say which task this is, or an argument is of another kind.
      RuntimeError: something runs on devices already.
      DeadlineExceededError: a task has not come in time.

    Example:
      >>> import penstock as tf
      >>> strategy = tf.distribute.MultiWorkerMirroredStrategy()
      >>> strategy.num_replicas_in_sync, strategy.extended.should_checkpoint
      (1, True)
    """

    def __init__(self, cluster_resolver: ClusterResolver | None = None, communication_options: Any = None):
        options = CommunicationOptions() if communication_options is None else communication_options
        if not isinstance(options, CommunicationOptions):
            raise ValueError(
                "communication_options must be an instance of tf.distribute.experimental.CommunicationOptions, got "
                f"{options!r}"
            )
        resolver = TFConfigClusterResolver() if cluster_resolver is None else cluster_resolver
        if not isinstance(resolver, ClusterResolver):
            raise ValueError(
                f"cluster_resolver must be an instance of tf.distribute.cluster_resolver.ClusterResolver, got {resolver!r}"
            )
        self._cluster_resolver = resolver
        tasks = tasks_of(resolver)
        self._workers: Workers | None = None
        job = ""
        if tasks is not None:
            job = f"/job:{resolver.task_type}/replica:0/task:{resolver.task_id}"
            self._workers = start_workers(tasks, options.timeout_seconds or None)
            self._place = (tasks.count, tasks.index)
        super().__init__([f"{job}{name}" for name in _local_devices()])
        is_chief = tasks is None or tasks.index == 0
        self.extended = _MultiWorkerExtended(self, self.extended.worker_devices, is_chief)
        self._pipelines = 0

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas all processes have together."""
        return self._place[0] * self._local_replicas

    @property
    def cluster_resolver(self) -> ClusterResolver:
        """The resolver that describes the cluster."""
        return self._cluster_resolver

    def _mesh_devices(self) -> tuple | None:
        if self._workers is None:
            return super()._mesh_devices()
        own = self._workers.devices[self._workers.index]
        return own if len(own) > 1 else None

    # Values of all processes.

    def _reduce_all(self, kind: ReduceOp, values: list[Any]) -> list[Any]:
        if self._workers is None or _is_traced():
            return super()._reduce_all(kind, values)
        local = [self._reduced_here(kind, each) for each in values]
        tensors = [i for i, each in enumerate(local) if not isinstance(each, IndexedSlices)]
        if tensors:
            sums = execute("WorkerReduce", ([local[i] for i in tensors],), {"reduce_op": kind.value})
            for i, each in zip(tensors, sums):
                local[i] = each
        return [self._joined(each, kind) if isinstance(each, IndexedSlices) else each for each in local]

    def _reduced_here(self, kind: ReduceOp, value: Any) -> Any:
        parts = [as_value(each) for each in value.values] if is_distributed(value) else [as_value(value)]
        if len(parts) == 1 and kind is ReduceOp.SUM and self._local_replicas > 1:
            return super()._reduce_all(kind, [value])[0]  # refuses it
        return total(parts, kind)

    def _joined(self, slices: IndexedSlices, kind: ReduceOp) -> IndexedSlices:
        values = slices.values
        if kind is ReduceOp.MEAN:
            values = values / self._place[0]
        rows, indices = (execute("WorkerGather", (each,), {"axis": 0}) for each in (values, slices.indices))
        return IndexedSlices(rows, indices, slices.dense_shape)

    def reduce(self, reduce_op: Any, value: Any, axis: Any) -> Any:
        """As `Strategy.reduce`, over the replicas of all processes. Scalars have no axis to reduce along."""
        if self._workers is None or axis is None or _is_traced():
            return super().reduce(reduce_op, value, axis)
        kind = ReduceOp(reduce_op) if isinstance(reduce_op, ReduceOp) else ReduceOp(str(reduce_op).upper())
        return nest.map_structure(lambda each: self._reduced_along(kind, each, axis), value)

    def _reduced_along(self, kind: ReduceOp, value: Any, axis: Any) -> Any:
        parts = [as_value(each) for each in self.experimental_local_results(value)]
        if not is_distributed(value):
            parts *= self._local_replicas
        if all(each.shape.rank == 0 for each in parts):
            return self._reduce_all(kind, [PerReplica(parts)])[0]
        sums = total_along(parts, ReduceOp.SUM, axis)
        if kind is ReduceOp.SUM:
            return execute("WorkerReduce", ([sums],), {"reduce_op": "SUM"})[0]
        counts = total_along([execute("OnesLike", (each,), None) for each in parts], ReduceOp.SUM, axis)
        sums, counts = execute("WorkerReduce", ([sums, counts],), {"reduce_op": "SUM"})
        return sums / counts

    def gather(self, value: Any, axis: int) -> Any:
        """As `Strategy.gather`, over the replicas of all processes."""
        if self._workers is None:
            return super().gather(value, axis)

        def join(each: Any) -> Any:
            each = each if is_distributed(each) else PerReplica([as_value(each)] * self._local_replicas)
            return execute(
                "WorkerGather", (super(MultiWorkerMirroredStrategy, self).gather(each, axis),), {"axis": axis}
            )

        return nest.map_structure(join, value)

    def experimental_distribute_values_from_function(self, value_fn: Callable) -> Any:
        """The values that `value_fn(context)` makes for the replicas of this process."""
        first, total_count = self._place[1] * self._local_replicas, self.num_replicas_in_sync
        return PerReplica(
            [value_fn(ValueContext(first + i, total_count)) for i in range(self._local_replicas)]
        )

    # Input.

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> DistributedDataset:
        """The dataset with each batch split over the replicas of all processes: a step takes one batch of the dataset.

        How the data is divided among processes is said by `options().experimental_distribute.auto_shard_policy`: FILE
        gives each its own files, DATA lets each read all and take its part of every batch, OFF gives each all of it,
        HINT fills in `shard(SHARD_HINT, SHARD_HINT)`, AUTO is FILE where there are files enough, else DATA. Where a
        process has no data left and others have, it gets batches without rows.

        Raises:
          NotFoundError: the policy is FILE, and the dataset reads no files.
        """
        if not isinstance(dataset, Dataset):
            return super().experimental_distribute_dataset(dataset, options)  # refuses it
        workers, worker, count = *self._place, self._local_replicas
        policy = policy_of(dataset, workers)
        if policy is AutoShardPolicy.HINT:
            dataset = shard_hinted(dataset, workers, worker)
        if self._workers is None:
            return super().experimental_distribute_dataset(dataset, options)
        if policy is AutoShardPolicy.FILE:
            dataset = shard_files(dataset, workers, worker)
        parts = distribute(dataset, workers * count, options)._parts
        if policy is AutoShardPolicy.DATA:
            return self._for_all(OwnParts(parts, count, worker))
        return self._for_all(PartsInTurn(parts, count))

    def distribute_datasets_from_function(
        self, dataset_fn: Callable, options: Any = None
    ) -> DistributedDataset:
        """The dataset that `dataset_fn(input_context)` makes in each process, whose elements go to its replicas in turn."""
        context = InputContext(self._place[0], self._place[1], self.num_replicas_in_sync)
        found = distribute_function(dataset_fn, context, self._local_replicas, options)
        return found if self._workers is None else self._for_all(found._parts)

    experimental_distribute_datasets_from_function = distribute_datasets_from_function

    def _for_all(self, parts: Any) -> DistributedDataset:
        self._pipelines += 1
        if parts._size() == INFINITE:
            return DistributedDataset(parts)
        return DistributedDataset(
            UntilAllEnd(parts, f"the next element of distributed dataset {self._pipelines}")
        )


def _local_devices() -> list[str]:
    from penstock.runtime.devices import list_logical_devices

    return [each.name for each in list_logical_devices("GPU")] or ["/device:CPU:0"]


class _Kind(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, MultiWorkerMirroredStrategy)


@export("distribute.experimental.MultiWorkerMirroredStrategy")
class ExperimentalMultiWorkerMirroredStrategy(MultiWorkerMirroredStrategy, metaclass=_Kind):
    """The older name of `tf.distribute.MultiWorkerMirroredStrategy`, whose instances are its instances.

    Args:
      communication: a `tf.distribute.experimental.CommunicationImplementation`; a hint.
      cluster_resolver: as of `MultiWorkerMirroredStrategy`.
    """

    def __init__(self, communication: Any = CommunicationImplementation.AUTO, cluster_resolver: Any = None):
        super().__init__(cluster_resolver, CommunicationOptions(implementation=communication))
