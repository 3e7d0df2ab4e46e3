"""Kills workers of the data service at random moments, again and again: `python -m resilience.data_service`.

In each run two consumers read a dataset with dynamic sharding, each by a job of its own or both as parts of a shared one,
while a worker gets SIGKILL and another one starts. It passes where every element has come once, to the consumer or to
one of both. The table says for each run what was killed when, and how many elements were lost or came twice.
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

ELEMENTS = 400
LONGEST_RUN = 300  # seconds
SERVICE = tf.data.experimental.service


def busy(x):
    """x, after some milliseconds."""
    return x + tf.cast(tf.reduce_sum(tf.random.normal([100000])) * 0, tf.int64)


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


def one_run(name: str, shared: bool, target: str, workers: list, chance: random.Random) -> tuple[bool, str]:
    """Kills a worker at a random moment of a reading; whether it passed, and its row of the table."""
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
    problems = [str(each.error) for each in consumers if each.error is not None]
    shares = " + ".join(str(len(each.found)) for each in consumers)
    row = (
        f"| {'shared' if shared else 'own'} | {at} | {killed} | {shares} | {lost} | {twice} "
        f"| {time.perf_counter() - began:.1f} |"
    )
    return not (lost or twice or problems), "\n".join([row, *problems])


def main() -> int:
    """Runs; the exit status says whether all passed."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--runs", type=int, default=20)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    chance = random.Random(options.seed)
    dispatcher = SERVICE.DispatchServer()
    config = SERVICE.WorkerConfig(dispatcher.target.removeprefix("grpc://"))
    workers = [SERVICE.WorkerServer(config) for _ in range(options.workers)]
    failed = 0
    print("| job | killed after | worker | elements | lost | twice | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for run in range(options.runs):
        faulthandler.dump_traceback_later(LONGEST_RUN, exit=True)  # nothing may hang
        passed, row = one_run(f"run {run}", bool(run % 2), dispatcher.target, workers, chance)
        failed += not passed
        print(row, flush=True)
    faulthandler.cancel_dump_traceback_later()
    print(f"\n{options.runs} runs, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
