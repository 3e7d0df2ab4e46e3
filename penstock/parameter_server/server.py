"""`tf.distribute.Server`: one task of a cluster, a parameter server or a worker."""

from __future__ import annotations

import itertools
import json
import os
import time
from typing import Any

from penstock.cluster import ray_session
from penstock.engine.context import process
from penstock.engine.export import export
from penstock.parameter_server import rendezvous, tasks
from penstock.runtime.session_targets import serve
from penstock.train.cluster_spec import ClusterSpec, server_def_class
from penstock.types import errors

_local_ports = itertools.count(1)


@export("distribute.Server", v1=["distribute.Server", "train.Server"])
class Server:
    """One task of a cluster.

    For the jobs `ps` and `worker` this starts the task's actor on the cluster's Ray, and the actor lives as long as this
    process: a task that is killed is lost for the cluster, one that is started again is there again. Ray is found at
    `RAY_ADDRESS`; without it the chief (its address is in the cluster) is asked where its Ray is; a cluster without
    chief and without `TF_CONFIG` is one of threads of this process, and this process starts Ray. A cluster of one task
    needs no Ray.

    In a program of TensorFlow 1 (without eager execution) no Ray is needed: the task listens at its own address, and in the
    sessions of all tasks the variables that `tf.compat.v1.device` or `train.replica_device_setter` places on it are those of
    its process. Sessions compute in the process that makes them. The protocol is this library's own, without encryption:
    for networks that are trusted.

    Args:
      server_or_cluster_def: a `tf.train.ClusterSpec`, a `ClusterDef`, a `ServerDef`, or a dict.
      job_name, task_index: which task this is.
      protocol, config: TensorFlow's; the tasks speak Ray's protocol, and each has all CPUs.
      start: whether to start at once.

    Raises:
      ValueError: the cluster has no such task.
      DeadlineExceededError: no chief answers.
      OSError: in a program of TensorFlow 1, something else listens at the task's address.
    """

    def __init__(
        self,
        server_or_cluster_def: Any,
        job_name: str | None = None,
        task_index: int | None = None,
        protocol: str | None = None,
        config: Any = None,
        start: bool = True,
    ):
        definition = server_or_cluster_def
        if hasattr(definition, "job_name") and hasattr(definition, "cluster"):
            job_name = definition.job_name if job_name is None else job_name
            task_index = definition.task_index if task_index is None else task_index
            protocol = protocol or definition.protocol
            definition = definition.cluster
        self._spec = ClusterSpec(definition)
        if job_name is None:
            if len(self._spec.jobs) != 1:
                raise ValueError("Must specify an explicit `job_name`.")
            job_name = self._spec.jobs[0]
        if task_index is None:
            if self._spec.num_tasks(job_name) != 1:
                raise ValueError("Must specify an explicit `task_index`.")
            task_index = self._spec.task_indices(job_name)[0]
        self._address = self._spec.task_address(job_name, task_index)
        self._job, self._index, self._protocol = job_name, task_index, protocol or "grpc"
        self._actor: Any = None
        self._started = False
        if start:
            self.start()

    def start(self) -> None:
        """Starts the task; a second call does nothing."""
        if self._started:
            return
        self._started = True
        cluster = {job: self._spec.job_tasks(job) for job in self._spec.jobs}
        addresses = [address for job in cluster.values() for address in job]
        by_number = {
            job: {i: self._spec.task_address(job, i) for i in self._spec.task_indices(job)}
            for job in self._spec.jobs
        }
        shared = serve(self.target, self._address, by_number)
        if process.graph_mode:
            if len(addresses) > 1:
                shared.answer(self._address)
            return
        if self._job not in ("ps", "worker") or len(addresses) == 1:
            return
        chief = tasks.chief_address(cluster)
        if os.environ.get("RAY_ADDRESS") or ray_session.is_connected():
            ray_session.connect()
        elif chief is not None:
            ray_session.connect(rendezvous.ask(chief, tasks.START_SECONDS))
        elif json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster"):
            raise ValueError(
                "this task cannot find the Ray cluster of its coordinator: add the coordinator to TF_CONFIG's cluster as "
                '"chief", or set RAY_ADDRESS'
            )
        else:
            ray_session.connect()
        prefix = tasks.prefix_of(cluster)
        process.registry.setdefault("clusters_of_servers", set()).add(prefix)
        self._actor = tasks.start_task(prefix, self._job, int(self._index))
        # A program may drop the server: the task goes on until its process ends.
        process.registry.setdefault("tasks_here", []).append(self._actor)

    def join(self) -> None:
        """Serves until the cluster's Ray has ended: when the coordinator's process has.

        Raises:
          UnavailableError: the task's actor was killed; it is lost for the cluster until this program is started again.
        """
        if self._actor is None:
            while True:  # a task with nothing to do: as in TensorFlow it waits to be ended
                time.sleep(3600)
        while True:
            try:
                ray_session.ray().get(self._actor.about.remote(), timeout=60)
            except ray_session.ray().exceptions.GetTimeoutError:
                pass  # it computes
            except Exception as problem:
                ray_session.end_quietly()
                if ray_session.is_lost(problem) and ray_session.lives():
                    raise errors.UnavailableError(
                        None,
                        None,
                        f"the actor of {self._job} {self._index} has ended, and the cluster goes on without it",
                    ) from problem
                return
            time.sleep(1)

    @property
    def server_def(self) -> Any:
        """The task as a ServerDef message."""
        return server_def_class()(
            cluster=self._spec.as_cluster_def(),
            job_name=self._job,
            task_index=int(self._index),
            protocol=self._protocol,
        )

    @property
    def target(self) -> str:
        """The task's address with its protocol, `"grpc://host:port"`."""
        return f"{self._protocol}://{self._address}"

    @staticmethod
    def create_local_server(config: Any = None, start: bool = True) -> Server:
        """A server of a cluster that has one task, in this process.

        Example:
          >>> import penstock as tf
          >>> server = tf.compat.v1.train.Server.create_local_server()
          >>> with tf.Graph().as_default(), tf.compat.v1.Session(server.target) as session:
          ...     session.run(tf.constant(2) + 3)
          np.int32(5)
        """
        # No port is opened: a number that no other server of this process has will do.
        return Server({"localhost": [f"localhost:{next(_local_ports)}"]}, config=config, start=start)
