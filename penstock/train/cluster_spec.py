"""`tf.train.ClusterSpec`: the tasks of a cluster and their addresses, and the messages of TensorFlow that hold them."""

from __future__ import annotations

import functools
from typing import Any

from penstock.engine.export import export, export_on_demand
from penstock.io.proto_schema import message_classes

_SERVER_SCHEMA = """
message TaskDeviceFilters { repeated string device_filters = 1; }
message JobDeviceFilters { string name = 1; map<int32, TaskDeviceFilters> tasks = 2; }
message ClusterDeviceFilters { repeated JobDeviceFilters jobs = 1; }
message ServerDef {
  ClusterDef cluster = 1;
  string job_name = 2;
  int32 task_index = 3;
  ConfigProto default_session_config = 4;
  string protocol = 5;
  int32 port = 6;
  ClusterDeviceFilters cluster_device_filters = 7;
}
"""


@export_on_demand("train.ClusterDef")
def cluster_def_class() -> Any:
    """The message class ClusterDef."""
    from tensorboard.compat.proto import cluster_pb2

    return cluster_pb2.ClusterDef


@functools.cache
def _job_def_class() -> Any:
    from tensorboard.compat.proto import cluster_pb2

    return cluster_pb2.JobDef


@export_on_demand("train.ServerDef")
def server_def_class() -> Any:
    """The message class ServerDef."""
    return message_classes("tensorflow_server", _SERVER_SCHEMA, ("cluster", "config")).ServerDef


export_on_demand("train.JobDef")(_job_def_class)


@export("train.ClusterSpec")
class ClusterSpec:
    """The tasks of a cluster: jobs, such as "worker" and "ps", and in each job addresses by number.

    Args:
      cluster: a dictionary from the names of jobs to lists of addresses (or dictionaries from numbers to addresses), a
        `ClusterDef`, or another `ClusterSpec`.

    Raises:
      TypeError: it is none of these, or a name or address is no text.

    Example:
      >>> import penstock as tf
      >>> cluster = tf.train.ClusterSpec({"worker": ["a:2222", "b:2222"], "ps": ["c:2222"]})
      >>> cluster.num_tasks("worker"), cluster.task_address("ps", 0)
      (2, 'c:2222')
    """

    def __init__(self, cluster: Any):
        if isinstance(cluster, ClusterSpec):
            jobs: dict[Any, dict[int, Any]] = {name: dict(tasks) for name, tasks in cluster._jobs.items()}
        elif isinstance(cluster, dict):
            jobs = {name: _numbered(name, tasks) for name, tasks in cluster.items()}
        elif isinstance(cluster, cluster_def_class()):
            jobs = {job.name: dict(job.tasks) for job in cluster.job}
        else:
            raise TypeError(
                "`cluster` must be a dictionary mapping one or more job names to lists of network addresses, or a "
                f"`ClusterDef` protocol buffer, got {cluster!r}"
            )
        self._jobs: dict[str, dict[int, str]] = {}
        for name, tasks in jobs.items():
            self._jobs[_text(name, "Job name")] = {
                i: _text(address, "Task address") for i, address in sorted(tasks.items())
            }

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClusterSpec) and self._jobs == other._jobs

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        jobs = self.as_dict()
        return "ClusterSpec({" + ", ".join(f"{name!r}: {jobs[name]!r}" for name in sorted(jobs)) + "})"

    def as_dict(self) -> dict[str, Any]:
        """Jobs and their addresses: lists, or dictionaries where numbers are missing between 0 and the last."""
        return {
            name: list(tasks.values()) if set(tasks) == set(range(len(tasks))) else dict(tasks)
            for name, tasks in self._jobs.items()
        }

    def as_cluster_def(self) -> Any:
        """A `tf.train.ClusterDef` message."""
        message = cluster_def_class()()
        for name, tasks in sorted(self._jobs.items()):
            job = message.job.add(name=name)
            for i, address in tasks.items():
                job.tasks[i] = address
        return message

    @property
    def jobs(self) -> list[str]:
        """The names of the jobs."""
        return list(self._jobs)

    def num_tasks(self, job_name: str) -> int:
        """How many tasks a job has.

        Raises:
          ValueError: there is no such job.
        """
        return len(self._tasks(job_name))

    def task_indices(self, job_name: str) -> list[int]:
        """The numbers of a job's tasks.

        Raises:
          ValueError: there is no such job.
        """
        return list(self._tasks(job_name))

    def task_address(self, job_name: str, task_index: int) -> str:
        """The address of a task.

        Raises:
          ValueError: there is no such job or task.
        """
        tasks = self._tasks(job_name)
        if task_index not in tasks:
            raise ValueError(f"No task with index {task_index!r} in job {job_name!r}")
        return tasks[task_index]

    def job_tasks(self, job_name: str) -> list[str | None]:
        """The addresses of a job's tasks, None where a number is missing.

        Raises:
          ValueError: there is no such job.
        """
        tasks = self._tasks(job_name)
        return [tasks.get(i) for i in range(max(tasks) + 1)] if tasks else []

    def _tasks(self, job_name: str) -> dict[int, str]:
        if job_name not in self._jobs:
            raise ValueError(f"No such job in cluster: {job_name!r}")
        return self._jobs[job_name]


def _numbered(name: Any, tasks: Any) -> dict[int, Any]:
    if isinstance(tasks, (list, tuple)):
        return dict(enumerate(tasks))
    if isinstance(tasks, dict):
        return {int(i): address for i, address in tasks.items()}
    raise TypeError(
        f"The tasks for job {name!r} must be a list or a dictionary from integers to strings, got {tasks!r}"
    )


def _text(value: Any, what: str) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError(f"{what} {value!r} must be bytes or unicode")
    return value
