"""`tf.distribute.ParameterServerStrategy`: variables on parameter servers, functions on workers, a coordinator between.

The servers and the workers are actors of Ray. The program runs on the coordinator; it makes the variables, traces the
functions, and sends them to workers with a `ClusterCoordinator`. Training is asynchronous: each worker updates the
variables with what it computed from the values that it last read.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from penstock.distribute.current import context_of
from penstock.distribute.extended import StrategyExtended
from penstock.distribute.replica_context import InputContext
from penstock.distribute.strategy import Strategy
from penstock.distribute.values import select
from penstock.engine.context import process, thread
from penstock.engine.export import export
from penstock.parameter_server.input import ServerDataset
from penstock.parameter_server.placed_calls import call_at
from penstock.parameter_server.placement import run_placed
from penstock.parameter_server.recovery import Recovery
from penstock.parameter_server.remote_state import connection
from penstock.parameter_server.tasks import Cluster
from penstock.parameter_server.variables import (
    ServerVariable,
    ShardedVariable,
    as_shard,
    make_variable,
    shard_of,
)
from penstock.types import nest


class _Extended(StrategyExtended):
    """What libraries ask of the strategy. A variable's update runs on the variable's server."""

    _strategy: ParameterServerStrategyV2

    def update(
        self, var: Any, fn: Callable, args: tuple = (), kwargs: dict | None = None, group: bool = True
    ) -> Any:
        """Calls `fn(var, *args, **kwargs)` where the variable is: on its server, or on the server of each of its shards.

        Of the arguments, a gradient of a sharded variable (a tensor of its shape, or `IndexedSlices`) reaches each shard
        with the rows of that shard.
        """
        args, kwargs = select(0, tuple(args)), select(0, dict(kwargs or {}))
        with context_of(self._strategy, "cross"):
            if isinstance(var, ShardedVariable) and thread.shard is None:
                results = [
                    self._update_shard(var, number, fn, args, kwargs) for number in range(len(var.variables))
                ]
                result = results[0]
            else:
                result = self._update(var, fn, args, kwargs)
        return result if group else (result,)

    def _update(self, var: Any, fn: Callable, args: tuple, kwargs: dict) -> Any:
        if thread.graph is None or not isinstance(var, ServerVariable):
            return fn(var, *args, **kwargs)
        return call_at(var._server, lambda *a, **k: fn(var, *a, **k), args, kwargs)

    def _update_shard(
        self, table: ShardedVariable, number: int, fn: Callable, args: tuple, kwargs: dict
    ) -> Any:
        own_args, own_kwargs = nest.map_structure(lambda each: shard_of(each, table, number), (args, kwargs))
        with as_shard(number):
            if thread.graph is None:
                return fn(table, *own_args, **own_kwargs)
            server = table.variables[number]._server
            return call_at(server, lambda *a, **k: fn(table, *a, **k), own_args, own_kwargs)

    @contextlib.contextmanager
    def colocate_vars_with(self, colocate_with_variable: Any) -> Iterator[None]:
        """Variables made inside go to the server of another one; beside a sharded one, those of its shape are cut alike."""
        with super().colocate_vars_with(colocate_with_variable):
            outer = self._strategy._beside
            self._strategy._beside = colocate_with_variable
            try:
                yield
            finally:
                self._strategy._beside = outer

    @property
    def worker_devices(self) -> tuple[str, ...]:
        """One device: each worker runs a function by itself."""
        return ("/job:worker/replica:0/task:0/device:CPU:0",)

    @property
    def parameter_devices(self) -> tuple[str, ...]:
        """The servers."""
        return tuple(
            f"/job:ps/replica:0/task:{each}/device:CPU:0" for each in range(self._strategy._cluster.servers)
        )

    def _in_multi_worker_mode(self) -> bool:
        return True


@export("distribute.ParameterServerStrategy", "distribute.experimental.ParameterServerStrategy", v1=[])
class ParameterServerStrategyV2(Strategy):
    """Variables live on parameter servers, and workers run training steps one by one, without waiting for each other.

    A program's `ps` and `worker` tasks are actors of Ray. Where the cluster of `cluster_resolver` was started task by
    task, each with `TF_CONFIG` and the same script that calls `tf.distribute.Server(...).join()`, they are those tasks;
    otherwise this starts them, on the Ray cluster of `RAY_ADDRESS` or on one of its own on this machine.

    Args:
      cluster_resolver: a `tf.distribute.cluster_resolver.ClusterResolver`: how many `ps` and `worker` tasks there are.
      variable_partitioner: one of `tf.distribute.experimental.partitioners`; it cuts large variables into shards. None:
        each variable lies whole on one server, the next variable on the next server.

    Raises:
      ValueError: the cluster has no worker or no ps, or this is the process of one of them.
      ImportError: Ray is not installed (`pip install "penstock[distributed]"`).
      DeadlineExceededError: the tasks of the cluster do not come up.
    """

    _makes_variables = True

    def __init__(self, cluster_resolver: Any, variable_partitioner: Any = None):
        super().__init__()
        self._resolver, self._partitioner = cluster_resolver, variable_partitioner
        self._begin(Cluster.of_resolver(cluster_resolver))

    def _begin(self, cluster: Any) -> None:
        self._cluster = cluster
        cluster.connect()
        self._turns = itertools.cycle(range(self._cluster.servers))
        self._beside: Any = None  # the variable that the next ones go beside
        self._coordinator: Any = None
        self._place = ("chief", 0)  # which process this is
        self._recovery = Recovery(self._cluster)
        connection().recover = self._recovery.restore
        process.run_placed = run_placed
        self.extended = _Extended(self, ("/job:worker/replica:0/task:0/device:CPU:0",))

    @property
    def cluster_resolver(self) -> Any:
        """The description of the cluster."""
        return self._resolver

    def _creator(self, next_creator: Callable, **arguments: Any) -> Any:
        return make_variable(self, lambda: f"ps/{next(self._turns)}", arguments, self._beside)

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> ServerDataset:
        """The dataset, of which each worker has a copy."""
        return ServerDataset(lambda context: dataset, self._cluster.workers)

    def distribute_datasets_from_function(self, dataset_fn: Callable, options: Any = None) -> Any:
        """The dataset that `dataset_fn(input_context)` makes, for the worker whose dataset is being made."""
        worker = process.registry.get("worker_being_made", 0)
        return dataset_fn(InputContext(self._cluster.workers, worker, self.num_replicas_in_sync))

    experimental_distribute_datasets_from_function = distribute_datasets_from_function

    def __repr__(self) -> str:
        return (
            f"<ParameterServerStrategy with {self._cluster.servers} ps and {self._cluster.workers} workers>"
        )
