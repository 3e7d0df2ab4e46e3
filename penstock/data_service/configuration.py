"""What the data service is configured by: the sharding policies, and the settings of servers."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

from penstock.engine.export import export


@export("data.experimental.service.ShardingPolicy")
class ShardingPolicy(enum.IntEnum):
    """How the workers of the data service divide a dataset.

    Attributes:
      OFF: every worker goes through the whole dataset.
      DYNAMIC: every element is gone through once: the source is split, and workers get splits as they ask for them.
      FILE: worker i of n gets every n-th file. DATA: every n-th element.
      FILE_OR_DATA: FILE where the dataset reads files enough, otherwise DATA.
      HINT: as `Dataset.shard(tf.data.experimental.SHARD_HINT, tf.data.experimental.SHARD_HINT)` in the pipeline says.
    """

    OFF = 0
    DYNAMIC = 1
    FILE = 2
    DATA = 3
    FILE_OR_DATA = 4
    HINT = 5

    @property
    def is_static(self) -> bool:
        """Whether each worker's part is known before anything runs."""
        return self >= ShardingPolicy.FILE


_MODES = {"parallel_epochs": ShardingPolicy.OFF, "distributed_epoch": ShardingPolicy.DYNAMIC}


def policy_of(processing_mode: Any) -> ShardingPolicy:
    """The policy that an argument `processing_mode` says.

    Raises:
      ValueError: it says none.
    """
    if isinstance(processing_mode, ShardingPolicy):
        return processing_mode
    if isinstance(processing_mode, str) and processing_mode in _MODES:
        return _MODES[processing_mode]
    raise ValueError(
        "tf.data service processing mode should be a `tf.data.experimental.service.ShardingPolicy`, "
        f'`"parallel_epochs"`, or `"distributed_epoch"`. Got {processing_mode!r}.'
    )


class DispatcherSettings(NamedTuple):
    """The fields of `DispatcherConfig`."""

    port: int
    protocol: str
    work_dir: str | None
    fault_tolerant_mode: bool
    worker_addresses: list | None
    job_gc_check_interval_ms: int
    job_gc_timeout_ms: int
    worker_timeout_ms: int
    worker_max_concurrent_snapshots: int


@export("data.experimental.service.DispatcherConfig")
class DispatcherConfig(DispatcherSettings):
    """The configuration of a `DispatchServer`.

    Args:
      port: the number that clients and workers find the dispatcher by, one for each dispatcher of a Ray cluster; 0 for a
        free one.
      protocol: the first part of addresses ("grpc"); Ray carries what is sent.
      work_dir: a folder where the dispatcher writes what it must know after a restart.
      fault_tolerant_mode: whether it does; a dispatcher that was killed is then started again and goes on.
      worker_addresses: those of all workers, which policies other than OFF and DYNAMIC need; worker i gets part i.
      job_gc_check_interval_ms, job_gc_timeout_ms: after how long a job that nobody reads is forgotten; 0 for 5 minutes. It is
        checked whenever somebody asks for tasks, so the interval is only a hint.
      worker_timeout_ms: how long clients wait for a worker to come while there is none; None for 60 seconds.
      worker_max_concurrent_snapshots: of distributed snapshots, which are not offered: only 0.

    Raises:
      ValueError: a setting is not possible.
    """

    def __new__(
        cls,
        port: int = 0,
        protocol: str | None = None,
        work_dir: str | None = None,
        fault_tolerant_mode: bool = False,
        worker_addresses: list | None = None,
        job_gc_check_interval_ms: int | None = None,
        job_gc_timeout_ms: int | None = None,
        worker_timeout_ms: int | None = None,
        worker_max_concurrent_snapshots: int = 0,
    ) -> DispatcherConfig:
        if worker_max_concurrent_snapshots:
            raise ValueError("worker_max_concurrent_snapshots: distributed snapshots are not offered")
        return super().__new__(
            cls,
            int(port),
            protocol or "grpc",
            work_dir,
            bool(fault_tolerant_mode),
            None if worker_addresses is None else list(worker_addresses),
            job_gc_check_interval_ms or 0,
            job_gc_timeout_ms or 0,
            60000 if worker_timeout_ms is None else int(worker_timeout_ms),
            0,
        )


class WorkerSettings(NamedTuple):
    """The fields of `WorkerConfig`."""

    dispatcher_address: str
    worker_address: str
    port: int
    protocol: str
    heartbeat_interval_ms: int
    dispatcher_timeout_ms: int
    data_transfer_protocol: str | None
    data_transfer_address: str


@export("data.experimental.service.WorkerConfig")
class WorkerConfig(WorkerSettings):
    """The configuration of a `WorkerServer`.

    Args:
      dispatcher_address: `host:port` of the dispatcher (what follows `grpc://` in its target).
      worker_address: what the worker is called, also in `DispatcherConfig.worker_addresses`; `%port%` stands for the port.
      port: a number for the worker; 0 for a free one.
      protocol: as of `DispatcherConfig`.
      heartbeat_interval_ms: a hint: Ray notices by itself when a worker is gone.
      dispatcher_timeout_ms: how long to wait for the dispatcher; 0 for 60 seconds.
      data_transfer_protocol, data_transfer_address: hints: Ray transfers elements, in shared memory on one machine.
    """

    def __new__(
        cls,
        dispatcher_address: str,
        worker_address: str | None = None,
        port: int = 0,
        protocol: str | None = None,
        heartbeat_interval_ms: int | None = None,
        dispatcher_timeout_ms: int | None = None,
        data_transfer_protocol: str | None = None,
        data_transfer_address: str | None = None,
    ) -> WorkerConfig:
        return super().__new__(
            cls,
            dispatcher_address,
            worker_address or "localhost:%port%",
            int(port),
            protocol or "grpc",
            heartbeat_interval_ms or 0,
            dispatcher_timeout_ms or 0,
            data_transfer_protocol,
            data_transfer_address or "localhost:%dts_port%",
        )


@export("data.experimental.service.CrossTrainerCache")
class CrossTrainerCache:
    """Lets trainers that read the same infinite job see the same elements, which workers then make once.

    Args:
      trainer_id: one for each trainer. A trainer that falls far behind the others misses elements.

    Raises:
      ValueError: the id is empty.
    """

    def __init__(self, trainer_id: Any):
        if not trainer_id:
            raise ValueError(
                "tf.data service cross-trainer cache requires a non-empty trainer ID."
                if trainer_id == ""
                else f"trainer_id must be a text that is not empty, got {trainer_id!r}"
            )
        self.trainer_id = str(trainer_id)
