"""The tasks of a cluster as actors: their names, who starts them, how they are found again after a failure."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from typing import Any

from penstock.cluster import ray_session
from penstock.engine.context import process
from penstock.parameter_server import rendezvous
from penstock.parameter_server.connection import RayConnection
from penstock.parameter_server.server_task import ServerTask
from penstock.parameter_server.worker_task import WorkerTask
from penstock.types import errors

# Seconds until a task of the cluster must be there: on the first start, and after a failure.
START_SECONDS = float(os.environ.get("PENSTOCK_CLUSTER_TIMEOUT", "300"))

_CHIEFS = ("chief", "coordinator", "master")


def prefix_of(cluster: dict) -> str:
    """What the names of a cluster's actors begin with: the same in all of its processes."""
    text = json.dumps(
        {job: list(tasks) for job, tasks in cluster.items() if job not in _CHIEFS}, sort_keys=True
    )
    return f"penstock-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def chief_address(cluster: dict) -> str | None:
    """The address of the coordinator; None where the cluster has none."""
    for job in _CHIEFS:
        if cluster.get(job):
            return next(iter(cluster[job]))
    return None


def start_task(prefix: str, job: str, index: int, anywhere: bool = False) -> Any:
    """Starts the actor of a task, on this machine or `anywhere` in the Ray cluster; it ends with this process."""
    name = f"{prefix}/{job}/{index}"
    incarnation = uuid.uuid4().hex
    if job == "ps":
        return ray_session.actor(ServerTask, name, incarnation, anywhere=anywhere)
    return ray_session.actor(WorkerTask, name, incarnation, prefix, index, _stands_in(), anywhere=anywhere)


def _stands_in() -> bool:
    """Whether `import tensorflow` means Penstock here."""
    from penstock.standin.finder import _installed

    return _installed() is not None


class Cluster:
    """The servers and workers of a program, seen from its coordinator.

    Attributes:
      servers, workers: how many there are. prefix: what the names of the actors begin with.
      starts_tasks: whether this process starts the tasks, and starts them again after a failure; else they are
        processes of their own, and whoever runs the cluster does.
    """

    def __init__(self, cluster: dict, starts_tasks: bool):
        self._cluster, self.starts_tasks = cluster, starts_tasks
        self.servers, self.workers = (len(cluster.get(job, ())) for job in ("ps", "worker"))
        self.prefix = prefix_of(cluster)
        self._own_tasks = self.prefix in process.registry.get("clusters_of_servers", ())
        if starts_tasks and not self._own_tasks:
            self.prefix += (
                f"-{uuid.uuid4().hex[:8]}"  # another program may run the same cluster on the same Ray
            )
        self.patience = START_SECONDS  # how long a lost task may take to come back
        self._actors: dict[str, Any] = {}

    @classmethod
    def of_resolver(cls, resolver: Any) -> Cluster:
        """The cluster that a resolver describes.

        Raises:
          ValueError: it lacks workers or servers, or says that this process is one of them.
        """
        spec = resolver.cluster_spec()
        cluster = spec.as_dict() if spec else {}
        if not cluster:
            raise ValueError(
                "Cluster spec must be non-empty in `tf.distribute.cluster_resolver.ClusterResolver`."
            )
        cluster = {
            job: list(tasks.values()) if isinstance(tasks, dict) else list(tasks)
            for job, tasks in cluster.items()
        }
        for job, what in (("ps", "ps"), ("worker", "worker")):
            if not cluster.get(job):
                raise ValueError(f"There must be at least one {what}.")
        unknown = set(cluster) - {"ps", "worker", "evaluator", *_CHIEFS}
        if unknown:
            raise ValueError(
                f"a cluster of parameter servers has the jobs chief, ps, worker and evaluator: got {sorted(unknown)}"
            )
        task = getattr(resolver, "task_type", None)
        if task in ("ps", "worker"):
            raise ValueError(
                f"this process is a {task} of the cluster: it has to call `tf.distribute.Server(...).join()`; only the "
                "chief makes a ParameterServerStrategy"
            )
        apart = bool(json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster"))
        return cls(cluster, starts_tasks=not apart)

    def connect(self) -> None:
        """Attaches to Ray, or starts it, and to all tasks."""
        ray_address = ray_session.connect()
        chief = chief_address(self._cluster)
        if not self.starts_tasks and chief:
            previous = process.registry.pop("rendezvous", None)
            if previous is not None:
                previous.close()
            process.registry["rendezvous"] = rendezvous.serve(chief, ray_address)
        process.registry.setdefault("program", uuid.uuid4().hex[:8])
        process.registry["parameter_servers"] = RayConnection(self.prefix)
        starting = (
            {name: self._start(name) for name in self.names}
            if self.starts_tasks and not self._own_tasks
            else {}
        )
        for name in self.names:
            self._actors[name] = starting.get(name) or self._found(name)
            self.about(name)

    @property
    def names(self) -> list[str]:
        """The names of all tasks."""
        return [f"ps/{i}" for i in range(self.servers)] + [f"worker/{i}" for i in range(self.workers)]

    def _start(self, name: str) -> Any:
        job, _, index = name.partition("/")
        return start_task(self.prefix, job, int(index), anywhere=True)

    def _found(self, name: str) -> Any:
        return ray_session.wait_for(
            lambda: ray_session.find_actor(self.full_name(name)),
            self.patience,
            f"the task {name} of the cluster",
        )

    def full_name(self, name: str) -> str:
        """What a task's actor is called in the Ray cluster."""
        return f"{self.prefix}/{name}"

    def actor(self, name: str) -> Any:
        """The actor of a task."""
        return self._actors[name]

    def known_states(self, server: str) -> list[str]:
        """The keys of the states that a server has."""
        return self._answer(self._actors[server].keys.remote(), server)

    def about(self, name: str) -> dict:
        """What a task says of itself."""
        return self._answer(self._actors[name].about.remote(), name)

    def _answer(self, reference: Any, name: str) -> Any:
        try:
            return ray_session.get(reference, self.patience)
        except ray_session.ray().exceptions.GetTimeoutError:
            raise errors.DeadlineExceededError(
                None, None, f"the task {name} of the cluster did not answer for {self.patience:g} s"
            ) from None

    def again(self, name: str) -> Any:
        """The actor of a task that was lost: started again, or found where it has started again.

        Raises:
          DeadlineExceededError: it does not come back.
        """

        def living() -> Any:
            if self._lives(name):
                return self._actors[name]
            found = self._start(name) if self.starts_tasks else ray_session.find_actor(self.full_name(name))
            if found is None:
                return None
            self._actors[name] = found
            return found if self._lives(name) else None

        return ray_session.wait_for(living, self.patience, f"the task {name} to come back")

    def _lives(self, name: str) -> bool:
        try:
            self.about(name)
        except Exception as problem:
            if not ray_session.is_lost(problem):
                raise
            return False
        return True
