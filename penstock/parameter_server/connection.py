"""How a process reaches the parameter servers: calls by name, all servers at once, with what they lack sent after."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.cluster import ray_session
from penstock.parameter_server.outcomes import Outcome, ServerLostError
from penstock.parameter_server.remote_state import RemoteState
from penstock.parameter_server.server_calls import programs
from penstock.parameter_server.server_task import ServerTask

# server, digest of the function, keys of the states, inputs
Call = tuple[str, str, Sequence[str], Sequence[Any]]


class Connection:
    """Calls of servers. Subclasses say how one call is sent and its outcome received.

    Attributes:
      states: key -> the states that this process made and still refers to.
      sent, received: bytes of arrays so far.
      recover: brings a lost server back, where this process can: the coordinator's.
    """

    def __init__(self) -> None:
        self.sent = self.received = 0
        self.recover: Callable[[str], None] | None = None
        self.states: weakref.WeakValueDictionary[str, RemoteState] = weakref.WeakValueDictionary()
        self._count_lock = threading.Lock()
        self._forgotten: deque[tuple[str, str]] = deque()  # servers, and keys of their states

    def _send(self, server: str, method: str, *args: Any) -> Any:
        """Starts a call; what is returned is given to `_receive`."""
        raise NotImplementedError

    def _receive(self, server: str, pending: Any) -> Any:
        """The result of a call. Raises ServerLostError where the server is gone."""
        raise NotImplementedError

    def create(self, state: RemoteState, value: np.ndarray) -> None:
        """Puts a new state on its server, with a value."""
        try:
            self.create_again(state, value)
        except ServerLostError:
            if self.recover is None:
                raise
            self.recover(state.server)
            self.create_again(state, value)

    def create_again(self, state: RemoteState, value: np.ndarray) -> None:
        """Puts a state on its server, which may have lost it."""
        shape, dtype = state.handle_data
        sizes = None if shape.rank is None else tuple(shape.as_list())
        outcome = self._receive(
            state.server, self._send(state.server, "create", state.key, state.name, sizes, dtype.name, value)
        )
        outcome.value(state.server)

    def forget(self, server: str, key: str) -> None:
        """Deletes a state, with the next call of its server. Called by the garbage collector, so it must not wait."""
        self._forgotten.append((server, key))

    def run(self, calls: Sequence[Call]) -> list[list[np.ndarray]]:
        """Runs functions on servers, all at once, and returns the outputs of each.

        Raises:
          ServerLostError: a server is gone. Otherwise what a function raised.
        """
        try:
            return self._run(calls)
        except ServerLostError as lost:
            if self.recover is None:
                raise
            self.recover(lost.server)
        return self._run(calls)

    def _run(self, calls: Sequence[Call]) -> list[list[np.ndarray]]:
        self._send_forgotten()
        pending = [(call, self._send(call[0], "run", *call[1:])) for call in calls]
        outcomes = [self._outcome(call, self._receive(call[0], each)) for call, each in pending]
        self._count(calls, outcomes)
        return [outcome.value(call[0]) for call, outcome in zip(calls, outcomes)]

    def _send_forgotten(self) -> None:
        forgotten: dict[str, list[str]] = {}
        with contextlib.suppress(IndexError):  # another thread may have taken the last one
            while self._forgotten:
                server, key = self._forgotten.popleft()
                forgotten.setdefault(server, []).append(key)
        for server, keys in forgotten.items():
            with contextlib.suppress(ServerLostError):
                self._send(server, "forget", keys)

    def _outcome(self, call: Call, outcome: Outcome) -> Outcome:
        server, digest = call[:2]
        if outcome.error == "UnknownProgram":
            self._receive(server, self._send(server, "load", digest, programs()[digest]))
            outcome = self._receive(server, self._send(server, "run", *call[1:]))
        if outcome.error == "UnknownState":
            raise ServerLostError(server, f"does not have {outcome.message}")
        return outcome

    def _count(self, calls: Sequence[Call], outcomes: Sequence[Outcome]) -> None:
        sent = sum(getattr(each, "nbytes", 0) for call in calls for each in call[3])
        received = sum(getattr(each, "nbytes", 0) for outcome in outcomes for each in outcome.results or ())
        with self._count_lock:
            self.sent += sent
            self.received += received

    def reconnect(self, server: str) -> None:
        """Looks for the server anew with the next call."""


class LocalConnection(Connection):
    """Servers that are objects of this process, for tests and for one process alone."""

    def __init__(self, servers: dict[str, ServerTask]):
        super().__init__()
        self.servers = servers

    def _send(self, server: str, method: str, *args: Any) -> Any:
        if method == "run":  # as between processes: what is sent is the server's own
            *names, inputs = args
            args = (*names, [np.array(each) for each in inputs])
        return getattr(self.servers[server], method)(*args)

    def _receive(self, server: str, pending: Any) -> Any:
        return pending


class RayConnection(Connection):
    """Servers that are actors, found by their names; a name that is lost is looked up again with the next call."""

    def __init__(self, prefix: str):
        super().__init__()
        self._prefix = prefix
        self._actors: dict[str, Any] = {}

    def _send(self, server: str, method: str, *args: Any) -> Any:
        actor = self._actors.get(server) or ray_session.find_actor(f"{self._prefix}/{server}")
        if actor is None:
            raise ServerLostError(server, "is gone")
        self._actors[server] = actor
        return actor, getattr(actor, method).remote(*args)

    def reconnect(self, server: str) -> None:
        """Looks for the server anew with the next call."""
        self._actors.pop(server, None)

    def _receive(self, server: str, pending: Any) -> Any:
        actor, reference = pending
        try:
            return ray_session.result(reference, actor, f"{self._prefix}/{server}")
        except Exception as problem:
            if not ray_session.is_lost(problem):
                raise
            self.reconnect(server)
            raise ServerLostError(server, "is gone") from problem
