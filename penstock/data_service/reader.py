"""A consumer of the data service: it finds the tasks of a job, and takes their elements from the workers."""

from __future__ import annotations

import collections
import contextlib
import itertools
import secrets
import threading
import time
import weakref
from typing import Any

from penstock.cluster import ray_session
from penstock.data_service.calls import answer
from penstock.data_service.dispatcher import JobKey, TaskView, merged
from penstock.engine.background_threads import stop_at_exit
from penstock.types import errors

_LOOK_SECONDS = 1.0  # between two questions for the tasks of a job
_BEAT_SECONDS = 5.0  # the longest time between two, while the program asks for no element
_WAIT_SECONDS = 0.05  # for a worker, or for other consumers


class Reader:
    """The elements of a job that this consumer gets.

    Args:
      dispatcher: the actor. key: the job.
      most_requests: how many tasks are asked for elements at once; None for all.
      local_only: whether only workers on this machine are asked.
      trainer: whose elements, of a job with a cache between trainers.
      turn: which one of the consumers that read in turns this is.
    """

    def __init__(
        self,
        dispatcher: Any,
        key: JobKey,
        most_requests: int | None = None,
        local_only: bool = False,
        trainer: str = "",
        turn: int | None = None,
    ):
        self._dispatcher, self._key = dispatcher, key
        self._most, self._trainer, self._turn = most_requests, trainer, turn
        self._name = secrets.token_hex(8)
        self._node = ray_session.ray().get_runtime_context().get_node_id() if local_only else None
        self._views: list[TaskView] = []
        self._finished = False
        self._running: dict[Any, TaskView] = {}  # reference of a call -> the task
        self._here: collections.deque = collections.deque()  # elements, and errors
        self._received: dict[tuple[int, int], list] = {}  # (task, attempt) -> ranges of numbers
        self._reported: set[tuple[int, int]] = set()
        self._ended: set[tuple[int, int]] = set()
        self._workers: dict[str, Any] = {}  # name -> actor
        self._round = itertools.count()
        self._looked, self._alone_since = 0.0, time.monotonic()
        self._lock = threading.RLock()  # of all above: a thread looks too
        self._left = threading.Event()
        self._ask("join", key, self._name)
        self._patience = self._ask("worker_timeout")
        beating = threading.Thread(
            target=_look_now_and_then, args=(weakref.ref(self), self._left), name="data-service", daemon=True
        )
        stop_at_exit(beating, self._left.set)
        beating.start()

    def _ask(self, method: str, *args: Any) -> Any:
        return answer(getattr(self._dispatcher, method).remote(*args), f"{method} (of the dispatcher)")

    def next(self) -> list | None:
        """The arrays of the next element; None at the end.

        Raises:
          UnavailableError: the dispatcher is gone, or there was no worker for too long. OpError: the element failed.
        """
        with self._lock:
            if self._turn is not None:
                return self._next_in_turn()
            while not self._here:
                if self._finished:
                    return None
                self._request()
                if self._running:
                    self._collect()
                else:
                    self._wait_for_worker()
                if time.monotonic() - self._looked > _LOOK_SECONDS:
                    self._look()
            return self._taken()

    def _taken(self) -> list:
        element = self._here.popleft()
        if isinstance(element, Exception):
            raise element
        return element

    # Asking workers.

    def _has_worker(self, view: TaskView) -> bool:
        local = self._node is None or view.node == self._node
        return bool(view.worker) and local and not view.done and not view.lost

    def _can_ask(self, view: TaskView) -> bool:
        return self._has_worker(view) and view[:2] not in self._ended

    def _worker(self, view: TaskView) -> Any | None:
        if view.worker not in self._workers:
            self._workers[view.worker] = ray_session.find_actor(view.worker)
        return self._workers[view.worker]

    def _request(self) -> None:
        """Asks every task that is not being asked."""
        asked = {view.number for view in self._running.values()}
        for view in self._views:
            if view.number in asked or not self._can_ask(view):
                continue
            if self._most is not None and len(self._running) >= self._most:
                return
            worker = self._worker(view)
            if worker is None:
                self._report(view)
                return
            call = (
                worker.take_cached.remote(view, self._trainer) if self._trainer else worker.take.remote(view)
            )
            self._running[call] = view

    def _collect(self) -> None:
        """Takes over what one of the workers gives."""
        ready, _ = ray_session.ray().wait(list(self._running), num_returns=1, timeout=_LOOK_SECONDS)
        for call in ready:
            self._take_over(self._running.pop(call), call)

    def _take_over(self, view: TaskView, call: Any) -> bool:
        """Whether the worker has answered."""
        try:
            found = answer(call, "elements", _LOOK_SECONDS)
        except (
            errors.UnavailableError,
            errors.DeadlineExceededError,
        ):  # lost, as others say before Ray knows
            self._report(view)
            return False
        ranges = self._received.setdefault(view[:2], [])
        for number, element in found.elements:
            self._here.append(_owned(element))
            if ranges and ranges[-1][1] == number:
                ranges[-1] = (ranges[-1][0], number + 1)
            else:
                ranges.append((number, number + 1))
        if found.ended:
            self._ended.add(view[:2])
            self._ask("end_task", view.number, self._name)
            self._look()
        return True

    # Asking the dispatcher.

    def _look(self, lost: dict | None = None) -> None:
        """Learns which tasks there are."""
        self._views, self._finished = self._ask("tasks", self._key, self._name, lost or {})
        self._looked = time.monotonic()
        for view in self._views:
            if view.lost:
                self._report(view)
        if self._running or any(map(self._has_worker, self._views)):
            self._alone_since = self._looked

    def _report(self, view: TaskView) -> None:
        """Tells that a worker is gone, and what it has given before."""
        if view[:2] in self._reported:
            return
        self._workers.pop(view.worker, None)
        self._reported.add(view[:2])
        for call, each in list(self._running.items()):
            if each[:2] == view[:2]:  # it may have been answered before the worker was lost
                del self._running[call]
                self._take_over(each, call)
        try:
            self._look({view[:2]: merged(self._received.get(view[:2], []))})
        except errors.OpError:
            self._reported.discard(view[:2])
            raise

    def _wait_for_worker(self) -> None:
        self._look()
        if self._finished or any(map(self._can_ask, self._views)):
            return
        alone = time.monotonic() - self._alone_since
        if alone > self._patience:
            where = "" if self._node is None else " on this machine (target_workers='LOCAL')"
            raise errors.UnavailableError(
                None, None, f"tf.data service: there was no worker{where} for the job {self._key.name!r} for {alone:.0f} s. "
                "Those that it had were lost, or none has started.",
            )  # fmt: skip
        time.sleep(_WAIT_SECONDS)

    # Reading in turns.

    def _next_in_turn(self) -> list | None:
        """In each round all consumers read from the same task, each the element of its turn."""
        if self._here:
            return self._taken()
        round_ = next(self._round)
        while True:
            if not self._views or time.monotonic() - self._looked > _LOOK_SECONDS:
                self._look()
            if not self._views:
                self._wait_for_worker()
                continue
            view = self._views[round_ % len(self._views)]
            if view.done or self._finished:
                return None
            worker = self._worker(view) if self._can_ask(view) else None
            if worker is None:
                if self._can_ask(view):
                    self._report(view)
                else:
                    self._wait_for_worker()
                continue
            turn, consumers = self._turn, self._key.consumers
            call = worker.take_in_turn.remote(view, turn, consumers, round_ // len(self._views))
            ready: list = []
            while not ready:
                ready, _ = ray_session.ray().wait([call], timeout=_LOOK_SECONDS)
                if not ready:
                    self._look()
            if self._take_over(view, call) and self._here:
                return self._taken()
            self._views = []

    def leave(self) -> None:
        """Reads no more."""
        self._left.set()
        with self._lock, contextlib.suppress(errors.OpError):
            self._ask("leave", self._key, self._name)
        if self._key.name.startswith("anonymous"):
            for view in self._views:
                worker = self._workers.get(view.worker)
                if worker is not None:
                    worker.forget.remote(view.number)

    def look_if_idle(self) -> None:
        """Tells the dispatcher that this consumer is still there, and what it received of workers that are lost."""
        with self._lock:
            if not self._left.is_set() and time.monotonic() - self._looked > _LOOK_SECONDS:
                with contextlib.suppress(errors.OpError):  # the next element tells
                    self._look()


def _look_now_and_then(reader: weakref.ref, left: threading.Event) -> None:
    """While the program does something else for long, as training, others must not take its elements for lost."""
    while not left.wait(_BEAT_SECONDS):
        found = reader()
        if found is None:
            return
        found.look_if_idle()
        del found


def _owned(element: Any) -> Any:
    """The arrays as this process's own: those that Ray gives lie in its store, and cannot be written."""
    if isinstance(element, Exception):
        return element
    return [each.copy() if getattr(each, "ndim", 0) else each for each in element]
