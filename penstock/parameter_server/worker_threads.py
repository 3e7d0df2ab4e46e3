"""The coordinator's side of a worker: a thread that gives it one closure after the other, and survives its loss."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from penstock.cluster import ray_session
from penstock.engine.background_threads import stop_at_exit
from penstock.parameter_server.closure_queue import Closure, ClosureQueue
from penstock.parameter_server.outcomes import Outcome
from penstock.parameter_server.recovery import Recovery
from penstock.parameter_server.tasks import Cluster

# Closures that a worker has at a time: while it runs one, the next is on its way.
_AT_A_TIME = 2


class WorkerThread(threading.Thread):
    """Takes closures from the queue and has one worker run them.

    Args:
      name: the worker's, `"worker/0"`.
      resources: gives the pickled dataset of this worker for the key of a per-worker iterator.
    """

    def __init__(
        self,
        name: str,
        cluster: Cluster,
        queue: ClosureQueue,
        recovery: Recovery,
        resources: Callable[[str], bytes],
    ):
        super().__init__(name=name, daemon=True)
        self._cluster, self._queue, self._recovery, self._resources = cluster, queue, recovery, resources
        self._actor = cluster.actor(name)
        self._told: dict[
            str, Any
        ] = {}  # key of a function or iterator -> the call that sent it to the worker
        self._sent: deque[tuple[Closure, Any]] = deque()
        stop_at_exit(self, queue.close)

    def run(self) -> None:
        """Works until the queue is closed."""
        while True:
            if len(self._sent) < _AT_A_TIME:
                closure = self._queue.get(wait=not self._sent)
                if closure is not None:
                    self._send(closure)
                    continue
                if not self._sent:
                    return
            self._receive(*self._sent.popleft())

    def _send(self, closure: Closure) -> None:
        # A worker runs its calls in order, so it has learnt the function when the call comes.
        function = closure.function
        try:
            if function.key not in self._told:
                self._told[function.key] = self._actor.learn.remote(function.key, function.message)
            for each in closure.iterators:
                if each not in self._told:
                    self._told[each] = self._actor.make.remote(each, self._resources(each))
            pending = self._actor.run.remote(function.key, closure.arguments)
        except Exception as error:  # an argument that cannot be sent
            self._queue.failed(closure, error)
        else:
            self._sent.append((closure, pending))

    def _receive(self, closure: Closure, pending: Any) -> None:
        try:
            outcome = self._result(pending)
            if outcome.error == "ServerLost":
                self._wait_for_server(closure, outcome.message)
                return
            if outcome.error in ("UnknownFunction", "UnknownResource"):
                sent = self._told.pop(outcome.message)
                self._result(sent).value(self.name)  # raises why the worker does not have it
            closure.result._set(outcome.value(self.name))
        except Exception as problem:
            if ray_session.is_lost(problem):
                self._begin_again(closure)
            else:
                self._queue.failed(closure, problem)
        else:
            self._queue.finished(closure)

    def _result(self, pending: Any) -> Outcome:
        return ray_session.result(pending, self._actor, self._cluster.full_name(self.name))

    def _begin_again(self, closure: Closure) -> None:
        """The worker is lost: its closures go to others, and it learns everything anew when it is back."""
        others = [each for each, _ in self._sent]
        self._sent.clear()
        self._told.clear()
        for each in reversed([closure, *others]):
            self._queue.put_back(each)
        try:
            self._actor = self._cluster.again(self.name)
        except Exception as error:
            if not ray_session.is_leaving():
                self._queue.lost_worker(error)
            raise SystemExit from None

    def _wait_for_server(self, closure: Closure, server: str) -> None:
        try:
            if not self._queue.has_failed:
                self._recovery.restore(server)
        except Exception as error:
            self._queue.failed(closure, error)
        else:
            self._queue.put_back(closure)
