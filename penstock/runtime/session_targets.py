"""What `Session(server.target)` attaches to: the variables of a cluster of servers.

A session runs in the process that makes it. So a target stands for state that outlives sessions, as in TensorFlow:
sessions with targets of one cluster share variables and queues, and variables stay when the sessions are closed. Where a
cluster has tasks in other processes, variables that are placed on them are `RemoteVariable`s; all else is here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from penstock.engine.context import process
from penstock.engine.resources import State
from penstock.runtime.remote_variables import RemoteTask, RemoteVariable, StateService
from penstock.types import errors
from penstock.types.device_spec import DeviceSpec
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape

Cluster = dict[str, dict[int, str]]  # addresses by job and number


@dataclass
class SharedResources:
    """What the sessions of one cluster share.

    Attributes:
      cluster: its tasks. here: the addresses of those in this process. resources: by name, states and all else.
      sessions: how many are open.
      default: where variables are that no device is said for; None for this process.
    """

    cluster: Cluster
    here: set[str] = field(default_factory=set)
    resources: dict[str, Any] = field(default_factory=dict)
    sessions: int = 0
    default: str | None = None
    _others: dict[str, RemoteTask] = field(default_factory=dict)
    _services: list[StateService] = field(default_factory=list)

    @property
    def elsewhere(self) -> list[str]:
        """The addresses of the tasks that are not in this process."""
        return sorted(_addresses(self.cluster) - self.here)

    def answer(self, address: str) -> None:
        """Lets sessions of other processes use the states here, at the address of a task of this process."""
        self._services.append(StateService(address, self.resources, self.cluster))

    def place(self, operations: Iterable[Any]) -> None:
        """Puts a `RemoteVariable` for each variable that is on a task elsewhere among the resources.

        Raises:
          InvalidArgumentError: a variable is on a task that the cluster does not have.
        """
        for each in operations:
            if each.type == "VarHandleOp":
                address = self._address_of(each)
                if address is not None and address not in self.here:
                    name, container = each.attrs["shared_name"], each.attrs.get("container")
                    key = f"{container}/{name}" if container else name
                    task = self._others.setdefault(address, RemoteTask(address))
                    shape, dtype = TensorShape(each.attrs["shape"]), as_dtype(each.attrs["dtype"])
                    self.resources.setdefault(key, RemoteVariable(task, key, shape, dtype))

    def _address_of(self, operation: Any) -> str | None:
        spec = DeviceSpec.from_string(operation.device or "")
        if spec.job is None:
            return self.default
        address = self.cluster.get(spec.job, {}).get(spec.task or 0)
        if address is None:
            known = ", ".join(f"/job:{job}/task:{i}" for job, tasks in self.cluster.items() for i in tasks)
            raise errors.InvalidArgumentError(
                None,
                None,
                f"{operation.name} is to be on {operation.device}, and the tasks of the cluster are {known}",
            )
        return address

    def open(self) -> dict[str, Any]:
        """The resources, for one more session."""
        with process.state_lock:
            self.sessions += 1
        return self.resources

    def close(self) -> list[Any]:
        """Counts one session less; after the last one returns, and forgets, all that does not outlive sessions."""
        with process.state_lock:
            self.sessions -= 1
            if self.sessions:
                return []
            ended = {name: each for name, each in self.resources.items() if not isinstance(each, State)}
            for name in ended:
                del self.resources[name]
        return list(ended.values())

    def reset(self, containers: Iterable[str] | None = None) -> None:
        """Forgets the variables and all else in the containers named, or everything."""
        with process.state_lock:
            for name in list(self.resources):
                if not containers or any(name.startswith(f"{container}/") for container in containers):
                    del self.resources[name]


def _targets() -> dict[str, SharedResources]:
    return process.registry.setdefault("session_targets", {})


def _addresses(cluster: Cluster) -> set[str]:
    return {address for tasks in cluster.values() for address in tasks.values()}


def serve(target: str, address: str, cluster: Cluster) -> SharedResources:
    """Makes `target` known, that of the server at `address`; what it shares with other servers of the cluster."""
    known = (shared for shared in _targets().values() if shared.cluster == cluster)
    shared = next(known, None) or SharedResources(cluster)
    shared.here.add(address)
    _targets()[target] = shared
    return shared


def resources_at(target: str) -> SharedResources:
    """What sessions with this target share.

    Raises:
      NotFoundError: no server has this target.
      UnimplementedError: the server's cluster has tasks in other processes, and this is no program of TensorFlow 1.
    """
    shared = _targets().get(target)
    if shared is None:
        shared = _targets()[target] = _from_elsewhere(target)
    elif shared.elsewhere and shared.default is None and not process.graph_mode:
        raise errors.UnimplementedError(
            None,
            None,
            f"the cluster of {target} has tasks that are not here: {', '.join(shared.elsewhere)}. Programs with eager "
            "execution train over several processes with tf.distribute.ParameterServerStrategy and "
            "MultiWorkerMirroredStrategy; for sessions, call tf.compat.v1.disable_v2_behavior() first.",
        )
    return shared


def _from_elsewhere(target: str) -> SharedResources:
    """What a server in another process shares with this one."""
    address = target.partition("://")[2]
    try:
        return SharedResources(RemoteTask(address, seconds=None).cluster(), default=address)
    except (errors.UnavailableError, ValueError) as problem:
        raise errors.NotFoundError(
            None,
            None,
            f"no tf.compat.v1.train.Server of this process has the target {target!r}, and another one is not there: "
            f"{problem}",
        ) from None
