"""The coordinator's side of a worker: a thread that gives it one closure after the other, and survives its loss."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from penstock.cluster import ray_session
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
        self._known: set[str] = set()  # keys of functions and iterators that the worker has
        self._sent: deque[tuple[Closure, Any]] = deque()

    def run(self) -> None:
        """Works until the queue is closed."""
        while True:
            while len(self._sent) < _AT_A_TIME:
                closure = self._queue.get(wait=not self._sent)
                if closure is None:
                    break
                self._send(closure)
            if not self._sent:
                return
            self._receive(*self._sent.popleft())

    def _send(self, closure: Closure) -> None:
        # A worker runs its calls in order, so it has learnt the function when the call comes.
        function = closure.function
        if function.key not in self._known:
            self._actor.learn.remote(function.key, function.message)
            self._known.add(function.key)
        for each in closure.iterators:
            if each not in self._known:
                self._actor.make.remote(each, self._resources(each))
                self._known.add(each)
        self._sent.append((closure, self._actor.run.remote(function.key, closure.arguments)))

    def _receive(self, closure: Closure, pending: Any) -> None:
        try:
            outcome: Outcome = ray_session.ray().get(pending)
        except Exception as problem:
            if not ray_session.is_lost(problem):
                self._queue.failed(closure, problem)
                return
            self._begin_again(closure)
            return
        if outcome.error == "ServerLost":
            self._wait_for_server(closure, outcome.message)
        elif outcome.error:
            try:
                outcome.value(self.name)
            except Exception as error:
                self._queue.failed(closure, error)
        else:
            closure.result._set(outcome.results)
            self._queue.finished(closure)

    def _begin_again(self, closure: Closure) -> None:
        """The worker is lost: its closures go to others, and it learns everything anew when it is back."""
        others = [each for each, _ in self._sent]
        self._sent.clear()
        self._known.clear()
        for each in reversed([closure, *others]):
            self._queue.put_back(each)
        try:
            self._actor = self._cluster.again(self.name)
        except Exception as error:
            if not ray_session.is_connected():  # the program ends
                raise SystemExit from None
            self._queue.lost_worker(error)
            raise SystemExit from None

    def _wait_for_server(self, closure: Closure, server: str) -> None:
        try:
            self._recovery.restore(server)
        except Exception as error:
            self._queue.failed(closure, error)
        else:
            self._queue.put_back(closure)
