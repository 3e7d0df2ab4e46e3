"""A worker of the data service: it makes the elements of tasks, and hands them to whoever asks."""

from __future__ import annotations

import collections
import contextlib
import os
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from penstock.cluster import ray_session
from penstock.data.iterator import IteratorState
from penstock.data_service.calls import answer
from penstock.data_service.configuration import ShardingPolicy
from penstock.data_service.dispatcher import TaskView
from penstock.data_service.splits import part_of, repeatable, split
from penstock.types import errors

# What one answer holds at most: small elements go together.
_MOST_ELEMENTS, _MOST_SECONDS, _MOST_BYTES = 64, 0.01, 4 << 20
_PATIENCE = 5.0  # seconds that a consumer waits for others in one call
_CACHED_ELEMENTS = 64  # between trainers


class Answer(NamedTuple):
    """What a consumer gets.

    Attributes:
      elements: pairs of the element's number in its task and its arrays; an error in the place of arrays that failed.
      ended: whether there are no more.
    """

    elements: list
    ended: bool = False


class TaskRun:
    """The elements of one task, made as they are asked for.

    Args:
      dataset: what the task goes through.
      received: ranges of the numbers of elements that consumers have already.
    """

    def __init__(self, dataset: Any, received: Sequence[tuple[int, int]] = ()):
        self._state = IteratorState(dataset)
        self._received = received
        self._next = 0  # the number of the next element
        self._ended = False
        self._lock = threading.Condition()
        self._kept: collections.deque = collections.deque()  # for readers in turns, and for several trainers
        self._taken: dict[int, set] = {}  # round -> the consumers that have had their element of it
        self._cursors: dict[str, int] = {}  # trainer -> the number of its next element

    def _make(self) -> tuple[int, Any] | None:
        """The next element that nobody has received; None at the end."""
        while not self._ended:
            number = self._next
            try:
                element = self._state.get_next()
            except errors.OutOfRangeError:
                self._ended = True
                return None
            except Exception as error:
                element = error
            self._next += 1
            if not any(first <= number < end for first, end in self._received):
                return number, element
        return None

    def take(self) -> Answer:
        """The next elements."""
        with self._lock:
            elements: list[Any] = []
            size, started = 0, time.monotonic()
            while len(elements) < _MOST_ELEMENTS and size < _MOST_BYTES:
                made = self._make()
                if made is None:
                    break
                elements.append(made)
                size += _bytes(made[1])
                if time.monotonic() - started > _MOST_SECONDS:
                    break
            return Answer(elements, self._ended)

    def take_in_turn(self, consumer: int, consumers: int, round_: int) -> Answer:
        """The element of one of several consumers that read in turns; nothing while the others are a round behind."""
        with self._lock:
            number = round_ * consumers + consumer
            until = time.monotonic() + _PATIENCE
            while round_ and len(self._taken.get(round_ - 1, ())) < consumers and round_ - 1 in self._taken:
                if not self._lock.wait(until - time.monotonic()):
                    return Answer([])
            while self._next <= number and not self._ended:
                made = self._make()
                if made is not None:
                    self._kept.append(made)
            found = [each for each in self._kept if each[0] == number]
            self._taken.setdefault(round_, set()).add(consumer)
            while self._kept and self._kept[0][0] < (round_ - 1) * consumers:
                self._kept.popleft()
            self._taken.pop(round_ - 2, None)
            self._lock.notify_all()
            return Answer(found, self._ended and not found)

    def take_cached(self, trainer: str) -> Answer:
        """The next element of a trainer, made once for all trainers; one that is far behind goes on where the cache begins."""
        with self._lock:
            first = self._kept[0][0] if self._kept else self._next
            number = max(self._cursors.get(trainer, first), first)
            if number == self._next:
                made = self._make()
                if made is None:
                    return Answer([], True)
                self._kept.append(made)
                while len(self._kept) > _CACHED_ELEMENTS:
                    self._kept.popleft()
            self._cursors[trainer] = number + 1
            return Answer([each for each in self._kept if each[0] == number])


def _bytes(element: Any) -> int:
    return sum(getattr(each, "nbytes", 0) for each in element) if isinstance(element, list) else 0


class Worker:
    """What the actor of a worker is.

    Args:
      dispatcher: the name of the dispatcher's actor. name: that of this one. address: what the worker is called.
      patience: how many seconds to wait for the dispatcher.
    """

    def __init__(self, dispatcher: str, name: str, address: str, patience: float):
        os.environ.setdefault("JAX_PLATFORMS", "cpu")  # accelerators are for the programs that train
        what = f"the dispatcher that the worker {address!r} belongs to"
        self._dispatcher = ray_session.wait_for(lambda: ray_session.find_actor(dispatcher), patience, what)
        self._datasets: dict[str, Any] = {}
        self._runs: dict[tuple[int, int], TaskRun] = {}
        self._lock = threading.Lock()
        node = ray_session.ray().get_runtime_context().get_node_id()
        answer(self._dispatcher.add_worker.remote(name, address, node), what)

    def ready(self) -> bool:
        """Answers when the worker is known to the dispatcher."""
        return True

    def pid(self) -> int:
        """The process that this runs in."""
        return os.getpid()

    def tasks(self) -> int:
        """How many tasks it has."""
        return len(self._runs)

    def take(self, view: TaskView) -> Answer:
        """Elements of a task: see `TaskRun`."""
        return self._run(view).take()

    def take_in_turn(self, view: TaskView, consumer: int, consumers: int, round_: int) -> Answer:
        """See `TaskRun.take_in_turn`."""
        return self._run(view).take_in_turn(consumer, consumers, round_)

    def take_cached(self, view: TaskView, trainer: str) -> Answer:
        """See `TaskRun.take_cached`."""
        return self._run(view).take_cached(trainer)

    def forget(self, task: int) -> None:
        """Nobody asks for a task any more."""
        with self._lock:
            for each in [each for each in self._runs if each[0] == task]:
                del self._runs[each]

    def _run(self, view: TaskView) -> TaskRun:
        with self._lock:
            run = self._runs.get((view.number, view.attempt))
            if run is None:
                self._forget_what_is_over()
                run = TaskRun(self._part(view), view.received)
                self._runs[view.number, view.attempt] = run
            return run

    def _forget_what_is_over(self) -> None:
        """Ends the tasks of jobs that are no more: consumers may have gone without a word."""
        if not self._runs:
            return
        numbers = sorted({number for number, _ in self._runs})
        with contextlib.suppress(errors.OpError):  # without a dispatcher it is not known
            over = set(answer(self._dispatcher.over.remote(numbers), "which tasks are over"))
            self._runs = {each: run for each, run in self._runs.items() if each[0] not in over}

    def _part(self, view: TaskView) -> Any:
        """What a task goes through."""
        key = view.key
        if key.dataset not in self._datasets:
            registered = answer(self._dispatcher.dataset.remote(key.dataset), "a dataset")
            self._datasets[key.dataset] = pickle.loads(registered.data)
        dataset, policy = self._datasets[key.dataset], ShardingPolicy(key.policy)
        if policy.is_static:
            dataset = part_of(dataset, policy, view.parts, view.index)
        dataset = repeatable(dataset, key.repetition)
        if policy is ShardingPolicy.DYNAMIC:
            return split(dataset, self._next_split(view.number))
        return dataset

    def _next_split(self, task: int) -> Callable[[int, int], int | None]:
        dispatcher = self._dispatcher
        return lambda round_, taken: answer(dispatcher.next_split.remote(task, round_, taken), "a split")
