"""Kills workers of the data service at random moments, again and again: `python -m resilience.data_service`.

In each run two consumers read a dataset with dynamic sharding, each by a job of its own or both as parts of a shared one,
while a worker gets SIGKILL and another one starts. It passes where every element has come once, to the consumer or to
one of both. `--record` writes what happened to `docs/kills.md`.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import os
import random
import signal
import sys
import threading
import time

import penstock as tf
from resilience.report import record

ELEMENTS = 200
LONGEST_RUN = 300  # seconds
SERVICE = tf.data.experimental.service


def busy(x):
    """x, after some milliseconds."""
    return x + tf.cast(tf.reduce_sum(tf.random.normal([50000])) * 0, tf.int64)


def pipeline(target: str, job: str | None) -> tf.data.Dataset:
    """The numbers below ELEMENTS, shuffled, made by the workers."""
    dataset = tf.data.Dataset.range(ELEMENTS).map(busy).shuffle(20)
    return dataset.apply(SERVICE.distribute(SERVICE.ShardingPolicy.DYNAMIC, target, job_name=job))


class Consumer(threading.Thread):
    """Reads the numbers.

    Attributes:
      found: those that came. error: what ended it, or None.
    """

    def __init__(self, dataset: tf.data.Dataset):
        super().__init__()
        self._dataset = dataset
        self.found: list[int] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for each in self._dataset:
                self.found.append(int(each))
        except Exception as error:
            self.error = error


def one_run(
    name: str, shared: bool, target: str, workers: list, chance: random.Random
) -> tuple[str, list[str]]:
    """Kills a worker at a random moment of a reading; what happened, and what did not hold."""
    consumers = [Consumer(pipeline(target, name if shared else None)) for _ in range(2)]
    began = time.perf_counter()
    for each in consumers:
        each.start()
    at = chance.randrange(ELEMENTS * (1 if shared else 2))
    while sum(len(each.found) for each in consumers) < at and any(each.is_alive() for each in consumers):
        time.sleep(0.001)
    killed = chance.randrange(len(workers))
    os.kill(workers[killed]._asked("pid"), signal.SIGKILL)
    workers[killed] = SERVICE.WorkerServer(workers[killed]._config)
    for each in consumers:
        each.join()
    readings = [consumers[0].found + consumers[1].found] if shared else [each.found for each in consumers]
    lost = sum(ELEMENTS - len(set(each)) for each in readings)
    twice = sum(count - 1 for each in readings for count in collections.Counter(each).values())
    problems = [f"{name}: {each.error}" for each in consumers if each.error is not None]
    if lost or twice:
        problems.append(f"{name}: {lost} elements are lost, {twice} came twice")
    shares, seconds = " and ".join(str(len(each.found)) for each in consumers), time.perf_counter() - began
    jobs = "a shared job" if shared else "jobs of their own"
    return f"{jobs}: killed worker {killed} after {at} elements, {shares} came, {seconds:.1f} s", problems


def main() -> int:
    """Runs; the exit status says whether all passed."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--runs", type=int, default=20)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--record", action="store_true", help="write docs/kills.md")
    options = arguments.parse_args()
    chance = random.Random(options.seed)
    dispatcher = SERVICE.DispatchServer()
    config = SERVICE.WorkerConfig(dispatcher.target.removeprefix("grpc://"))
    workers = [SERVICE.WorkerServer(config) for _ in range(options.workers)]
    rows: list[str] = []
    problems: list[str] = []
    for run in range(1, options.runs + 1):
        faulthandler.dump_traceback_later(LONGEST_RUN, exit=True)  # nothing may hang
        happened, wrong = one_run(f"run {run}", run % 2 == 0, dispatcher.target, workers, chance)
        rows.append(happened)
        problems += wrong
        print(f"{run:3} {happened}", *wrong, sep="\n      " if wrong else "", flush=True)
    faulthandler.cancel_dump_traceback_later()
    print(f"{options.runs} kills, {len(problems)} problems")
    if options.record:
        given = " ".join(f"--{name} {value}" for name, value in vars(options).items() if name != "record")
        end = f"Each of two consumers, or both together, were to get each of {ELEMENTS} elements once."
        record("data_service", given, rows, end, problems)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
