"""Brings a parameter server back after it was lost: with the values that the last checkpoint has of its variables.

Small variables that programs do not save, as those of metrics, begin anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from penstock.cluster import ray_session
from penstock.engine.context import process
from penstock.io.tensor_bundle import BundleReader
from penstock.io.tensor_slice import parse_shape_and_slice
from penstock.parameter_server.outcomes import ServerLostError
from penstock.parameter_server.remote_state import RemoteState, connection
from penstock.types import errors

_logger = logging.getLogger("tensorflow")


class _Saved(NamedTuple):
    """Where a state's value is in a checkpoint."""

    prefix: str
    key: str
    slice_spec: str


class Recovery:
    """What the coordinator knows for the case that a server is lost.

    Args:
      cluster: the `tasks.Cluster`.
    """

    def __init__(self, cluster: Any):
        self._cluster = cluster
        self._saved: dict[str, _Saved] = {}  # key of a state -> where its value was saved last
        self._lock = threading.Lock()
        self._tries: dict[
            str, tuple[int, Exception | None]
        ] = {}  # how often each server was restored; why not
        process.registry["checkpoint_written"] = self._checkpoint_written

    def _checkpoint_written(self, prefix: str, tensors: Sequence[Any]) -> None:
        """Called after each checkpoint, with its tensors and the handles that they were read from."""
        for each in tensors:
            state = each.source.host() if each.source is not None else None
            if isinstance(state, RemoteState):
                self.note(state, prefix, each.key, each.slice_spec)

    def note(self, state: RemoteState, prefix: str, key: str, slice_spec: str) -> None:
        """The value of a state is in a checkpoint, under a key, whole or as a slice."""
        self._saved[state.key] = _Saved(prefix, key, slice_spec)

    def restore(self, server: str) -> None:
        """Has a lost server again, with its variables. Several threads may ask at once: one tries, and all hear how it ended.

        Raises:
          UnavailableError: there is no checkpoint with all of its variables: the program has to begin anew.
          DeadlineExceededError: the server does not come back.
        """
        before, _ = self._tries.get(server, (0, None))
        with self._lock:
            count, problem = self._tries.get(server, (0, None))
            if count == before:
                problem = self._try(server)
                self._tries[server] = (count + 1, problem)
        if problem is not None:
            raise problem

    def _try(self, server: str) -> Exception | None:
        until = time.monotonic() + self._cluster.patience
        while True:
            try:
                self._restore(server)
                return None
            except Exception as problem:  # lost again meanwhile: once more
                lost_again = isinstance(problem, ServerLostError) or ray_session.is_lost(problem)
                if not lost_again or time.monotonic() > until:
                    return problem

    def _restore(self, server: str) -> None:
        self._cluster.again(server)
        connection().reconnect(server)
        known = set(self._cluster.known_states(server))
        missing = [
            each
            for each in list(connection().states.values())
            if each.server == server and each.key not in known
        ]
        anew = [each for each in missing if each.key not in self._saved]
        unsaved = [each.name for each in anew if each.initial is None or not self._saved]
        if unsaved:
            raise errors.UnavailableError(
                None,
                None,
                f"parameter server {server} was lost, and no checkpoint has its variables {', '.join(unsaved[:5])}"
                f"{', ...' if len(unsaved) > 5 else ''}: save with tf.train.Checkpoint during training, and start again",
            )
        if anew:
            names = ", ".join(each.name for each in anew)
            _logger.warning(
                "parameter server %s was lost; not in a checkpoint, and as at first: %s", server, names
            )
        for state in missing:
            connection().create_again(state, state.initial if state in anew else self._value(state))

    def _value(self, state: RemoteState) -> Any:
        saved = self._saved[state.key]
        with BundleReader(saved.prefix) as reader:
            if not saved.slice_spec:
                return reader.read(saved.key)
            _, piece = parse_shape_and_slice(saved.slice_spec)
            return reader.read_slice(saved.key, piece)
