"""What a worker does: it keeps functions and iterators, and runs functions on arguments, one after the other."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.context import process
from penstock.engine.xla import jax
from penstock.graph.function_bytes import function_from_bytes
from penstock.parameter_server.connection import RayConnection
from penstock.parameter_server.outcomes import Outcome, outcome_of
from penstock.parameter_server.server_calls import programs
from penstock.runtime.executor import Executor
from penstock.runtime.lowering import pruned


class WorkerFunction(NamedTuple):
    """A function as it is sent to workers.

    Attributes:
      graph: a placed graph as bytes. captured: the values of its last inputs, pickled.
      programs: digest -> function, for the functions that it runs on servers.
    """

    graph: bytes
    captured: bytes
    programs: dict[str, bytes]


class OfWorker(NamedTuple):
    """An argument of which each worker has its own: an iterator, or what else was made for it."""

    key: str


class WorkerTask:
    """A worker. Its methods are called by name from the coordinator; they take and return plain data.

    Args:
      incarnation: says which of the workers of one name this is.
      prefix: of the names of the cluster's actors. index: the number of the worker.
      stands_in: whether `import tensorflow` means Penstock, as it does for the coordinator.
    """

    def __init__(self, incarnation: str = "", prefix: str = "", index: int = 0, stands_in: bool = False):
        if stands_in:
            import penstock

            penstock.install()
        self._incarnation = incarnation
        process.registry["worker_index"] = index
        if prefix:
            process.registry["parameter_servers"] = RayConnection(prefix)
        self._functions: dict[str, tuple[Executor, list[Any]]] = {}
        self._resources: dict[str, Any] = {}

    def about(self) -> dict[str, Any]:
        """Who this is: `pid` and `incarnation`; and the bytes of arrays sent to, and received from, servers."""
        link = process.registry.get("parameter_servers")
        return {
            "pid": os.getpid(),
            "incarnation": self._incarnation,
            "sent": getattr(link, "sent", 0),
            "received": getattr(link, "received", 0),
        }

    def learn(self, key: str, function: WorkerFunction) -> Outcome:
        """Keeps a function under a key."""

        def learn() -> None:
            captured = pickle.loads(function.captured)
            programs().update(function.programs)
            graph = function_from_bytes(
                function.graph,
                _handle_data(captured, function.graph),
            )
            self._functions[key] = (Executor(pruned(graph), graph.inputs, graph.outputs), captured)

        return outcome_of(learn)

    def make(self, key: str, dataset: bytes) -> Outcome:
        """Makes an iterator over a pickled dataset, and keeps it under a key."""

        def make() -> None:
            from penstock.data.iterator import IteratorState

            self._resources[key] = IteratorState(pickle.loads(dataset))

        return outcome_of(make)

    def run(self, key: str, arguments: Sequence[Any]) -> Outcome:
        """Runs a function; an argument that is an `OfWorker` stands for what is kept under its key.

        Returns:
          The outputs; or the error "UnknownFunction", "UnknownResource" or "ServerLost" (its message is the server).
        """
        if key not in self._functions:
            return Outcome(error="UnknownFunction", message=key)
        missing = [
            each.key for each in arguments if isinstance(each, OfWorker) and each.key not in self._resources
        ]
        if missing:
            return Outcome(error="UnknownResource", message=missing[0])
        executor, captured = self._functions[key]
        values = [self._resources[each.key] if isinstance(each, OfWorker) else each for each in arguments]
        return outcome_of(lambda: [_plain(each) for each in executor.run([*values, *captured])])


def _plain(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, jax.Array) else value


def _handle_data(captured: Sequence[Any], graph: bytes) -> list[Any]:
    from tensorboard.compat.proto import function_pb2

    first = function_pb2.FunctionDefLibrary.FromString(graph).function[0]
    others = len(first.signature.input_arg) - len(captured)
    return [None] * others + [getattr(each, "handle_data", None) for each in captured]
