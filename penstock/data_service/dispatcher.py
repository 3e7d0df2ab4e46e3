"""The dispatcher of the data service: it knows the datasets, the workers, the jobs and who has which split.

A job is one reading of a dataset, a task what one worker does of it. A task gets its splits from the log that is kept of
it here, so that another worker can do again what a lost one did: it makes the same elements in the same order, and leaves
out those that consumers have received. Only plain data is in here, and what changes it is written to a journal, if
there is one, so that a dispatcher that is started again knows what it knew.
"""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from penstock.data_service.configuration import ShardingPolicy
from penstock.data_service.journal import Journal
from penstock.types import errors

_SILENCE_SECONDS = 30.0  # after which nobody waits for what a consumer has received


class JobKey(NamedTuple):
    """What makes consumers read the same job.

    Attributes:
      name: of the job; one that nobody else has where it has none. repetition: how often the consumer has read it before.
      dataset: the id. policy: a `ShardingPolicy`. consumers: how many read in turns; 0 where they do not.
      cached: whether a cache between trainers is used.
    """

    name: str
    repetition: int
    dataset: str
    policy: int
    consumers: int = 0
    cached: bool = False


class TaskView(NamedTuple):
    """What consumers and workers get to know of a task.

    Attributes:
      number: of the task. attempt: how many workers had it before. worker: the actor's name, or "" while there is none;
        node: the machine that it is on.
      key: of its job. index, parts: of a static policy. received: pairs (first, end) of elements that are done.
      done: whether it is over. lost: whether its worker is gone, and consumers are to say what they received.
    """

    number: int
    attempt: int
    worker: str
    node: str
    key: JobKey
    index: int
    parts: int
    received: list
    done: bool
    lost: bool


class Registered(NamedTuple):
    """A dataset.

    Attributes:
      data: its pickle. spec: that of its element's spec.
      splits: how many it has. no_splits: why it has none.
      identity: what equal datasets have in common: two processes of a program shuffle with seeds of their own.
    """

    data: bytes
    spec: bytes
    splits: int | None
    no_splits: str
    identity: bytes


@dataclass
class _Task:
    number: int
    job: _Job
    index: int = 0
    worker: str = ""
    address: str = ""  # the only worker that may have it, by a static policy
    attempt: int = 0
    done: bool = False
    lost: bool = False
    received: list = field(default_factory=list)
    heard: set = field(default_factory=set)  # consumers that have said what they received
    ended: set = field(default_factory=set)  # consumers that have had its end
    splits: dict[int, list[int]] = field(default_factory=dict)  # round -> numbers


@dataclass
class _Job:
    key: JobKey
    tasks: list[_Task] = field(default_factory=list)
    consumers: dict[str, float] = field(default_factory=dict)  # -> when they were heard of last
    next_split: dict[int, int] = field(default_factory=dict)  # round -> number
    ended: float | None = None  # when the last consumer left


def _journaled(method: Callable) -> Callable:
    """Writes a call that changes something to the journal before it is answered."""

    @functools.wraps(method)
    def call(self: Dispatcher, *args: Any) -> Any:
        result = method(self, *args)
        if self._journal is not None:
            self._journal.add(method.__name__, args)
        return result

    return call


class Dispatcher:
    """The state of a dispatcher.

    Args:
      worker_addresses: of all workers, for static policies.
      work_dir: where the journal is, if there is to be one. key: what signs the journal.
      worker_timeout, job_timeout: seconds; see `DispatcherConfig`.
    """

    def __init__(
        self,
        worker_addresses: list[str] | None = None,
        work_dir: str | None = None,
        worker_timeout: float = 60.0,
        job_timeout: float = 300.0,
        key: bytes = b"",
    ):
        self._addresses, self._worker_timeout, self._job_timeout = (
            worker_addresses,
            worker_timeout,
            job_timeout,
        )
        self._workers: dict[str, str] = {}  # the actor's name -> address
        self._nodes: dict[str, str] = {}
        self._datasets: dict[str, Registered] = {}
        self._jobs: dict[JobKey, _Job] = {}
        self._tasks: dict[int, _Task] = {}
        self._numbers = itertools.count()
        self._journal: Journal | None = None
        if work_dir is not None:
            journal = Journal(os.path.join(work_dir, "journal"), key)
            for name, args in journal.calls():
                getattr(self, name)(*args)
            self._journal = journal

    def ready(self) -> bool:
        """Answers when the dispatcher has started."""
        return True

    def has_journal(self) -> bool:
        """Whether it is in the fault tolerant mode."""
        return self._journal is not None

    # Workers and datasets.

    @_journaled
    def add_worker(self, name: str, address: str, node: str) -> None:
        """A worker has started: the actor of that name, on a machine.

        Raises:
          FailedPreconditionError: all workers were named before, and it is none of them.
        """
        if self._addresses is not None and address not in self._addresses:
            raise errors.FailedPreconditionError(
                None, None, f"the worker {address!r} is not among the worker_addresses of the dispatcher: {self._addresses}"
            )  # fmt: skip
        self._workers[name], self._nodes[name] = address, node
        for job in self._jobs.values():
            if not job.tasks or not all(each.done for each in job.tasks):
                self._give_tasks(job)

    def workers(self) -> dict[str, str]:
        """The names of the workers' actors, and their addresses."""
        return dict(self._workers)

    def worker_timeout(self) -> float:
        """For how many seconds consumers wait for a worker while there is none."""
        return self._worker_timeout

    @_journaled
    def register(self, dataset_id: str | None, registered: Registered) -> str:
        """Keeps a dataset; returns its id: the one that is asked for, that of an equal dataset, or a new one.

        Raises:
          InvalidArgumentError: the id belongs to a dataset with other elements.
        """
        if dataset_id is None:
            for known, each in self._datasets.items():
                if each.identity == registered.identity:
                    return known
            taken = {int(each) for each in self._datasets if each.isdigit()}
            dataset_id = str(next(i for i in itertools.count(1000) if i not in taken))
        elif dataset_id in self._datasets and self._datasets[dataset_id].spec != registered.spec:
            raise errors.InvalidArgumentError(
                None, None, f"a dataset with the id {dataset_id!r} is registered already, and its elements are others"
            )  # fmt: skip
        self._datasets.setdefault(dataset_id, registered)
        return dataset_id

    def dataset(self, dataset_id: str) -> Registered:
        """A dataset.

        Raises:
          NotFoundError: none has this id.
        """
        if dataset_id not in self._datasets:
            raise errors.NotFoundError(
                None, None, f"no dataset is registered with the id {dataset_id!r}; there are {sorted(self._datasets)}"
            )  # fmt: skip
        return self._datasets[dataset_id]

    # Jobs.

    @_journaled
    def join(self, key: JobKey, consumer: str) -> None:
        """A consumer reads a job, the first one of them begins it.

        Raises:
          NotFoundError: there is no such dataset. InvalidArgumentError: it cannot be read so.
        """
        registered = self.dataset(key.dataset)
        same_name = [each for each in self._jobs if each[:2] == key[:2]]
        if same_name and same_name[0] != key:
            raise errors.InvalidArgumentError(
                None, None, f"the job {key.name!r} exists and is another one: {same_name[0]._asdict()}, not {key._asdict()}"
            )  # fmt: skip
        policy = ShardingPolicy(key.policy)
        if policy is ShardingPolicy.DYNAMIC and registered.no_splits:
            raise errors.InvalidArgumentError(None, None, registered.no_splits)
        if policy.is_static and self._addresses is None:
            raise errors.InvalidArgumentError(
                None, None, f"ShardingPolicy.{policy.name} needs to know all workers: set worker_addresses in DispatcherConfig"
            )  # fmt: skip
        job = self._jobs.get(key)
        if job is None:
            job = self._jobs[key] = _Job(key)
            if policy.is_static:
                for index, address in enumerate(self._addresses or ()):
                    job.tasks.append(self._task(job, index=index, address=address))
            self._give_tasks(job)
        job.consumers[consumer], job.ended = time.monotonic(), None

    def _task(self, job: _Job, **known: Any) -> _Task:
        task = _Task(next(self._numbers), job, **known)
        self._tasks[task.number] = task
        return task

    def _give_tasks(self, job: _Job) -> None:
        """Gives workers what there is to do."""
        policy = ShardingPolicy(job.key.policy)
        waiting = [each for each in job.tasks if not each.worker and not each.done and not each.lost]
        for task in waiting:
            able = [name for name, each in self._workers.items() if not task.address or each == task.address]
            if able:
                task.worker = min(able, key=lambda name: sum(each.worker == name for each in job.tasks))
        in_turns = job.key.consumers > 0
        if policy.is_static or (in_turns and job.tasks):
            return  # there are as many tasks as there were workers in the beginning
        busy = {each.worker for each in job.tasks}
        for name in self._workers:
            if name not in busy:
                job.tasks.append(self._task(job, worker=name))

    def tasks(
        self, key: JobKey, consumer: str, lost: dict[tuple[int, int], list]
    ) -> tuple[list[TaskView], bool]:
        """The tasks of a job, and whether it is over.

        Args:
          lost: for tasks, and their attempts, whose worker does not answer, pairs (first, end) of elements of them that the
            consumer has received.
        """
        now = time.monotonic()
        self._forget(now)
        job = self._jobs.get(key)
        if job is None:
            return [], True
        job.consumers[consumer] = now
        if lost:
            self._lose(consumer, lost)
        listening = self._listening(job)
        if any(each.lost and each.heard and listening <= each.heard for each in job.tasks):
            self._hand_on(key, sorted(listening))
        for task in job.tasks:  # perhaps who has not had its end is heard of no more
            task.done = task.done or (bool(task.ended) and self._listening(job) <= task.ended)
        views = [self._view(each) for each in job.tasks]
        return views, bool(job.tasks) and all(each.done for each in job.tasks)

    def _view(self, task: _Task) -> TaskView:
        node, parts = self._nodes.get(task.worker, ""), len(self._addresses or ())
        where = task.number, task.attempt, task.worker, node
        return TaskView(*where, task.job.key, task.index, parts, task.received, task.done, task.lost)

    @_journaled
    def _lose(self, consumer: str, lost: dict[tuple[int, int], list]) -> None:
        for (number, attempt), received in lost.items():
            task = self._tasks.get(number)
            if task is None or task.attempt != attempt or task.done:
                continue
            self._workers.pop(task.worker, None)
            for each in self._tasks.values():
                if each.worker == task.worker and not each.done:
                    each.lost = True
            task.received = merged([*task.received, *received])
            task.heard.add(consumer)

    @_journaled
    def _hand_on(self, key: JobKey, listening: list[str]) -> None:
        """Gives lost tasks to other workers, where all consumers that are listened to have said what they received."""
        job = self._jobs[key]
        for task in list(job.tasks):
            if not task.lost or not task.heard or not task.heard.issuperset(listening):
                continue
            task.worker, task.lost, task.attempt = "", False, task.attempt + 1
            task.heard.clear()
            task.ended.clear()
            if job.key.policy == ShardingPolicy.OFF and not job.key.consumers:
                job.tasks.remove(task)  # the other workers go through the whole dataset themselves
                del self._tasks[task.number]
        self._give_tasks(job)

    def over(self, numbers: list[int]) -> list[int]:
        """Those tasks of which nobody will ask for elements any more: their jobs are forgotten."""
        self._forget(time.monotonic())
        return [each for each in numbers if each not in self._tasks]

    def _forget(self, now: float) -> None:
        for key, job in list(self._jobs.items()):
            heard = max(job.consumers.values()) if job.consumers else job.ended
            if heard is not None and now - heard > self._job_timeout:
                self._delete(key)

    def _delete(self, key: JobKey) -> None:
        for task in self._jobs.pop(key).tasks:
            del self._tasks[task.number]

    def next_split(self, number: int, round_: int, taken: int) -> int | None:
        """The split that a task gets after `taken` others in a round; None where there are no more."""
        task = self._tasks[number]
        log = task.splits.get(round_, ())
        if taken < len(log):
            return log[taken]  # an earlier attempt had it
        count = self._datasets[task.job.key.dataset].splits
        if count is not None and task.job.next_split.get(round_, 0) >= count:
            return None
        return self._new_split(number, round_)

    @_journaled
    def _new_split(self, number: int, round_: int) -> int:
        task = self._tasks[number]
        split = task.job.next_split.get(round_, 0)
        task.job.next_split[round_] = split + 1
        task.splits.setdefault(round_, []).append(split)
        return split

    @_journaled
    def end_task(self, number: int, consumer: str) -> None:
        """A consumer has received the end of a task; it is over when all have: no element is on its way then."""
        task = self._tasks.get(number)
        if task is not None:
            task.ended.add(consumer)
            task.done = task.done or self._listening(task.job) <= task.ended

    @staticmethod
    def _listening(job: _Job) -> set[str]:
        """The consumers of a job that were heard of lately."""
        now = time.monotonic()
        return {name for name, heard in job.consumers.items() if now - heard <= _SILENCE_SECONDS}

    @_journaled
    def leave(self, key: JobKey, consumer: str) -> None:
        """A consumer reads a job no more."""
        job = self._jobs.get(key)
        if job is None:
            return
        job.consumers.pop(consumer, None)
        if not job.consumers:
            job.ended = time.monotonic()
            if key.name.startswith("anonymous"):  # nobody else can ask for it
                self._delete(key)


def merged(ranges: list) -> list[tuple[int, int]]:
    """Ranges (first, end) in order, those that touch as one.

    Example:
      >>> merged([(4, 6), (0, 2), (2, 3), (5, 9)])
      [(0, 3), (4, 9)]
    """
    found: list[tuple[int, int]] = []
    for first, end in sorted(ranges):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((first, end))
    return found
