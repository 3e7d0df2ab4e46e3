"""`tf.distribute.cluster_resolver`: who is in a cluster and which task this process is, given by hand or by `TF_CONFIG`.

The resolvers that ask a workload manager are in `slurm_resolver.py` and `cloud_resolvers.py`.
"""

from __future__ import annotations

import abc
import json
import os
from typing import Any

from penstock.engine.export import export
from penstock.train.cluster_spec import ClusterSpec


@export("distribute.cluster_resolver.ClusterResolver")
class ClusterResolver(abc.ABC):
    """Who is in a cluster, and which task this process is. A subclass says where that is known from.

    Attributes:
      task_type: the job of this process: "chief", "worker", "ps" or "evaluator"; None where it is not known.
      task_id: its number in the job; None where it is not known.
      rpc_layer: put before addresses as `rpc_layer://`; processes here speak TCP whatever it says.
    """

    task_type: str | None = None
    task_id: int | None = None
    rpc_layer: str | None = None

    @abc.abstractmethod
    def cluster_spec(self) -> ClusterSpec:
        """The tasks of the cluster now."""

    @abc.abstractmethod
    def master(
        self, task_type: str | None = None, task_id: int | None = None, rpc_layer: str | None = None
    ) -> str:
        """The address of a task for a session of TensorFlow 1; by default of this one."""

    def num_accelerators(
        self, task_type: str | None = None, task_id: int | None = None, config_proto: Any = None
    ) -> dict[str, int]:
        """How many accelerators this process sees: {"GPU": n}, or nothing where there are none.

        Args:
          task_type, task_id: a task; this process answers for itself only.
          config_proto: kept for TensorFlow's signature.

        Raises:
          ValueError: another task is asked for.
        """
        asked = (task_type, task_id)
        if None not in asked and asked != (self.task_type, self.task_id):
            raise ValueError(
                f"{type(self).__name__}: the accelerators of {task_type} {task_id} are known to that process only"
            )
        from penstock.runtime.devices import list_logical_devices

        found: dict[str, int] = {}
        for each in list_logical_devices():
            if each.device_type != "CPU":
                found[each.device_type] = found.get(each.device_type, 0) + 1
        return found

    @property
    def environment(self) -> str:
        """Where the program runs: always empty."""
        return ""

    def _address(self, task_type: str | None, task_id: int | None, rpc_layer: str | None) -> str | None:
        """The address of a task, by default this one; None where it is not known which."""
        task_type = self.task_type if task_type is None else task_type
        task_id = self.task_id if task_id is None else task_id
        if task_type is None or task_id is None:
            return None
        return with_layer(self.cluster_spec().task_address(task_type, task_id), rpc_layer or self.rpc_layer)


def with_layer(address: str, rpc_layer: str | None) -> str:
    """`rpc_layer://address`, or the address alone where there is no layer."""
    return f"{rpc_layer}://{address}" if rpc_layer else address


@export("distribute.cluster_resolver.SimpleClusterResolver")
class SimpleClusterResolver(ClusterResolver):
    """What the program says.

    Args:
      cluster_spec: a `tf.train.ClusterSpec`.
      master: the address of the session's master.
      task_type, task_id: which task this process is.
      environment: what `environment` returns.
      num_accelerators: what `num_accelerators()` returns.
      rpc_layer: put before addresses.

    Raises:
      TypeError: `cluster_spec` or `master` is not of its kind.

    Example:
      >>> import penstock as tf
      >>> cluster = tf.train.ClusterSpec({"worker": ["a:2222", "b:2222"]})
      >>> resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(cluster, task_type="worker", task_id=1)
      >>> resolver.master("worker", 1, rpc_layer="grpc")
      'grpc://b:2222'
    """

    def __init__(
        self,
        cluster_spec: ClusterSpec,
        master: str = "",
        task_type: str | None = None,
        task_id: int | None = None,
        environment: str = "",
        num_accelerators: dict[str, int] | None = None,
        rpc_layer: str | None = None,
    ):
        if not isinstance(cluster_spec, ClusterSpec):
            raise TypeError(f"cluster_spec must be a `tf.train.ClusterSpec`, got {cluster_spec!r}")
        if not isinstance(master, str):
            raise TypeError(f"master must be a string, got {master!r}")
        self._cluster_spec, self._master = cluster_spec, master
        self.task_type, self.task_id, self.rpc_layer = task_type, task_id, rpc_layer
        self._environment, self._num_accelerators = environment, num_accelerators

    def cluster_spec(self) -> ClusterSpec:
        """What the constructor was given."""
        return self._cluster_spec

    def master(
        self, task_type: str | None = None, task_id: int | None = None, rpc_layer: str | None = None
    ) -> str:
        """The address of the given task, or else the master that the constructor was given."""
        address = self._master
        if task_type is not None and task_id is not None:
            address = self._cluster_spec.task_address(task_type, task_id)
        return with_layer(address, rpc_layer or self.rpc_layer)

    @property
    def environment(self) -> str:
        """What the constructor was given."""
        return self._environment

    def num_accelerators(
        self, task_type: str | None = None, task_id: int | None = None, config_proto: Any = None
    ) -> dict[str, int]:
        """What the constructor was given, whatever the arguments."""
        return self._num_accelerators or {}


@export("distribute.cluster_resolver.TFConfigClusterResolver")
class TFConfigClusterResolver(ClusterResolver):
    """What the environment variable `TF_CONFIG` says, read each time it is asked.

    Its value is JSON: `{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}`.

    Args:
      task_type, task_id, rpc_layer, environment: instead of what the variable says.

    Example:
      >>> import os, penstock as tf
      >>> os.environ["TF_CONFIG"] = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}'
      >>> resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
      >>> resolver.task_type, resolver.task_id, resolver.master()
      ('worker', 1, 'b:1')
      >>> del os.environ["TF_CONFIG"]
    """

    def __init__(
        self,
        task_type: str | None = None,
        task_id: int | None = None,
        rpc_layer: str | None = None,
        environment: str | None = None,
    ):
        self._task_type, self._task_id, self._rpc_layer = task_type, task_id, rpc_layer
        self._environment = environment

    @property  # type: ignore[override]
    def task_type(self) -> str | None:
        """The job of this process."""
        found = _config().get("task", {}).get("type") if self._task_type is None else self._task_type
        return None if found is None else str(found)

    @task_type.setter
    def task_type(self, value: str | None) -> None:
        self._task_type = value

    @property  # type: ignore[override]
    def task_id(self) -> int | None:
        """The number of this process in its job."""
        found = _config().get("task", {}).get("index") if self._task_id is None else self._task_id
        return None if found is None else int(found)

    @task_id.setter
    def task_id(self, value: int | None) -> None:
        self._task_id = value

    @property  # type: ignore[override]
    def rpc_layer(self) -> str | None:
        """What is put before addresses."""
        return _config().get("rpc_layer") if self._rpc_layer is None else self._rpc_layer

    @rpc_layer.setter
    def rpc_layer(self, value: str | None) -> None:
        self._rpc_layer = value

    @property
    def environment(self) -> Any:
        """What the constructor was given."""
        return self._environment

    def cluster_spec(self) -> ClusterSpec:
        """The cluster of `TF_CONFIG`; an empty one where it has none."""
        return ClusterSpec(_config().get("cluster", {}))

    def master(
        self, task_type: str | None = None, task_id: int | None = None, rpc_layer: str | None = None
    ) -> str:
        """The address of a task, by default this one; empty where the cluster has one task or none.

        Raises:
          ValueError: there is no such task.
        """
        given = _config().get("session_master")
        if given is not None:
            return given
        spec = self.cluster_spec()
        if not spec.jobs or (len(spec.jobs) == 1 and len(spec.job_tasks(spec.jobs[0])) == 1):
            return ""
        task_type = self.task_type if task_type is None else task_type
        task_id = self.task_id if task_id is None else task_id
        return with_layer(
            spec.task_address(task_type, task_id), self.rpc_layer if rpc_layer is None else rpc_layer
        )


def _config() -> dict[str, Any]:
    """The value of `TF_CONFIG`.

    Raises:
      ValueError: it is no JSON object.
    """
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"TF_CONFIG is not JSON ({error}): {text!r}") from None
    if not isinstance(found, dict):
        raise ValueError(f"TF_CONFIG must be a JSON object with 'cluster' and 'task', got {text!r}")
    return found


@export("distribute.cluster_resolver.UnionResolver")
class UnionResolver(ClusterResolver):
    """Several resolvers as one: their clusters joined; everything else as the first one says.

    Args:
      *args: resolvers.
      **kwargs: `rpc_layer`, `task_type`, `task_id` instead of what the first one says.

    Raises:
      TypeError: an argument is no resolver. ValueError: there is none, or an unknown keyword.
    """

    def __init__(self, *args: ClusterResolver, **kwargs: Any):
        self._rpc_layer = kwargs.pop("rpc_layer", None)
        self._task_type = kwargs.pop("task_type", None)
        self._task_id = kwargs.pop("task_id", None)
        if kwargs:
            raise ValueError(f"Unexpected kwargs provided {kwargs!r}")
        if not args:
            raise ValueError("At least one ClusterResolver is required.")
        for each in args:
            if not isinstance(each, ClusterResolver):
                raise TypeError(f"All arguments must be a sub-class of `ClusterResolver.`, got {each!r}")
        self._resolvers = args

    def cluster_spec(self) -> ClusterSpec:
        """The tasks of all resolvers: lists are joined; where one has numbers, all have.

        Raises:
          KeyError: two of them have the same number in a job.
        """
        parts: dict[str, list[Any]] = {}
        for resolver in self._resolvers:
            for job, tasks in resolver.cluster_spec().as_dict().items():
                parts.setdefault(job, []).append(tasks)
        return ClusterSpec({job: _merged(tasks) for job, tasks in parts.items()})

    def master(
        self, task_type: str | None = None, task_id: int | None = None, rpc_layer: str | None = None
    ) -> str:
        """The address of the given task, or else the master of the first resolver."""
        if task_type is not None and task_id is not None:
            address = self.cluster_spec().task_address(task_type, task_id)
            return with_layer(address, rpc_layer or self._rpc_layer)
        return self._resolvers[0].master(rpc_layer=rpc_layer)

    @property  # type: ignore[override]
    def task_type(self) -> str | None:
        """The job of this process."""
        return self._task_type or self._resolvers[0].task_type

    @task_type.setter
    def task_type(self, value: str | None) -> None:
        self._task_type = value

    @property  # type: ignore[override]
    def task_id(self) -> int | None:
        """The number of this process in its job."""
        return self._resolvers[0].task_id if self._task_id is None else self._task_id

    @task_id.setter
    def task_id(self, value: int | None) -> None:
        self._task_id = value

    @property  # type: ignore[override]
    def rpc_layer(self) -> str | None:
        """What is put before addresses."""
        return self._rpc_layer or self._resolvers[0].rpc_layer

    @rpc_layer.setter
    def rpc_layer(self, value: str | None) -> None:
        self._rpc_layer = value

    @property
    def environment(self) -> str:
        """As the first resolver says."""
        return self._resolvers[0].environment

    def num_accelerators(
        self, task_type: str | None = None, task_id: int | None = None, config_proto: Any = None
    ) -> dict[str, int]:
        """As the first resolver says."""
        return self._resolvers[0].num_accelerators(task_type, task_id, config_proto)


def _merged(parts: list[Any]) -> Any:
    if all(isinstance(each, list) for each in parts):
        return [address for each in parts for address in each]
    merged: dict[int, str] = {}
    for each in parts:
        numbered = dict(enumerate(each)) if isinstance(each, list) else each
        both = set(merged) & set(numbered)
        if both:
            raise KeyError(f"Duplicate keys detected when merging two ClusterSpecs: {both!r}")
        merged.update(numbered)
    return merged
