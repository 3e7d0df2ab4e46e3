"""What `Session(server.target)` attaches to: the variables of a cluster whose tasks are all in this process.

A session runs in the process that makes it. So a target stands for state that outlives sessions, as in TensorFlow:
sessions with targets of one cluster share variables and queues, and variables stay when the sessions are closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from penstock.engine.context import process
from penstock.engine.resources import State
from penstock.types import errors


@dataclass
class SharedResources:
    """What the sessions of one cluster share."""

    tasks: frozenset[str]  # the addresses of all tasks of the cluster
    here: set[str] = field(default_factory=set)  # those whose servers are in this process
    resources: dict[str, Any] = field(default_factory=dict)
    sessions: int = 0  # how many are open

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


def serve(target: str, address: str, tasks: Iterable[str]) -> None:
    """Makes `target` known: that of the server at `address`, in a cluster of servers at the addresses `tasks`."""
    tasks = frozenset(tasks)
    known = (shared for shared in _targets().values() if shared.tasks == tasks)
    shared = next(known, None) or SharedResources(tasks)
    shared.here.add(address)
    _targets()[target] = shared


def resources_at(target: str) -> SharedResources:
    """What sessions with this target share.

    Raises:
      NotFoundError: no server of this process has this target.
      UnimplementedError: the server's cluster has tasks in other processes.
    """
    shared = _targets().get(target)
    if shared is None:
        raise errors.NotFoundError(
            None, None, f"no tf.compat.v1.train.Server of this process has the target {target!r}"
        )
    elsewhere = sorted(shared.tasks - shared.here)
    if elsewhere:
        raise errors.UnimplementedError(
            None,
            None,
            f"a session runs in its own process, and the cluster of {target} has tasks that are not here: "
            f"{', '.join(elsewhere)}. tf.distribute.ParameterServerStrategy and MultiWorkerMirroredStrategy train "
            "over several processes.",
        )
    return shared
