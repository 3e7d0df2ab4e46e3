"""Kills workers and parameter servers at random moments of training, again and again: `python -m resilience.servers`.

Each run trains a small model from the beginning on one cluster, with a checkpoint now and then, while a process of the
cluster gets SIGKILL. It passes where training ends in time, and the loss is within noise of that of an undisturbed run.
`--record` writes what happened to `docs/kills.md`.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable

import numpy as np

import penstock as tf
from resilience.report import record

STEPS, BETWEEN_SAVES = 300, 50
LONGEST_RUN = 300  # seconds


def cluster(servers: int, workers: int) -> tuple:
    """A strategy and its coordinator, on a Ray of this process."""
    tasks = {"ps": [f"ps:{i}" for i in range(servers)], "worker": [f"worker:{i}" for i in range(workers)]}
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(tf.train.ClusterSpec(tasks))
    cut = tf.distribute.experimental.partitioners.FixedShardsPartitioner(servers)
    strategy = tf.distribute.ParameterServerStrategy(resolver, cut)
    return strategy, tf.distribute.coordinator.ClusterCoordinator(strategy)


def train(strategy, coordinator, folder: str, at: Callable[[int], None] = lambda step: None) -> float:
    """The mean loss of the last steps of a training from the beginning.

    Args:
      folder: of the checkpoints. at: called after each checkpoint with the number of steps before it.
    """
    with strategy.scope():
        table = tf.Variable(np.zeros((100, 4), np.float32), name="table")
        kernel = tf.Variable(np.full((4, 1), 0.5, np.float32), name="kernel")

    def dataset_fn():
        targets = np.sin(np.arange(100, dtype=np.float32))
        ids = tf.data.Dataset.range(100).shuffle(100).repeat()
        return ids.map(lambda i: (i, tf.gather(tf.constant(targets), i))).batch(32)

    @tf.function
    def step(iterator):
        ids, targets = next(iterator)
        with tf.GradientTape() as tape:
            found = tf.matmul(tf.nn.embedding_lookup(table, ids), kernel)[:, 0]
            loss = tf.reduce_mean((found - targets) ** 2)
        for_table, for_kernel = tape.gradient(loss, [table, kernel])
        table.scatter_sub(tf.IndexedSlices(3.0 * for_table.values, for_table.indices))
        kernel.assign_sub(0.02 * for_kernel)
        return loss

    iterator = iter(coordinator.create_per_worker_dataset(dataset_fn))
    checkpoint = tf.train.Checkpoint(table=table, kernel=kernel)
    losses = []
    for begin in range(0, STEPS, BETWEEN_SAVES):
        checkpoint.write(os.path.join(folder, f"at-{begin}"))
        at(begin)
        losses += [coordinator.schedule(step, args=(iterator,)) for _ in range(BETWEEN_SAVES)]
        coordinator.join()
    return float(np.mean([each.fetch() for each in losses[-10:]]))


def kill_at_random(
    strategy, chance: random.Random, kills: int, seconds: float, ended: threading.Event, killed: list[str]
) -> None:
    """Kills so many tasks of the cluster, each at a random moment of a time in seconds after the one before is there again."""
    for _ in range(kills):
        if ended.wait(chance.uniform(0.0, seconds)):
            return
        name = chance.choice(strategy._cluster.names)
        pid = process_of(strategy, name)
        if pid is None:
            continue
        os.kill(pid, signal.SIGKILL)
        killed.append(name)
        while process_of(strategy, name) in (None, pid) and not ended.wait(0.2):
            pass


def process_of(strategy, name: str) -> int | None:
    """The process of a task; None while it is being replaced."""
    try:
        return strategy._cluster.about(name)["pid"]
    except Exception:
        return None


def main() -> int:
    """Runs; the exit status says whether all passed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=20)
    arguments.add_argument("--kills", type=int, default=1, help="of each run, at most")
    arguments.add_argument("--servers", type=int, default=2)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--record", action="store_true", help="write docs/kills.md")
    options = arguments.parse_args()
    strategy, coordinator = cluster(options.servers, options.workers)
    with tempfile.TemporaryDirectory() as folder:
        train(strategy, coordinator, folder)  # which compiles
        begin = time.perf_counter()
        undisturbed = train(strategy, coordinator, folder)
        seconds = time.perf_counter() - begin
        print(f"undisturbed: loss {undisturbed:.4f}, {seconds:.1f} s", flush=True)
        rows: list[str] = []
        problems: list[str] = []
        for run in range(options.runs):
            faulthandler.dump_traceback_later(LONGEST_RUN, exit=True)  # nothing may hang
            killed: list[str] = []
            ended = threading.Event()
            chance = random.Random(options.seed + run)
            plan = (strategy, chance, options.kills, seconds, ended, killed)
            killer = threading.Thread(target=kill_at_random, args=plan)
            begin = time.perf_counter()
            killer.start()
            try:
                loss = train(strategy, coordinator, folder)
            finally:
                ended.set()
                killer.join()
            bound = max(4 * undisturbed, 0.05)
            names = " ".join(killed) or "none"
            rows.append(f"loss {loss:.4f}, {time.perf_counter() - begin:.1f} s, killed {names}")
            if loss >= bound:
                problems.append(f"training {run + 1} ended with a loss of {loss:.4f}, above {bound:.4f}")
            print(f"{run + 1:3} {rows[-1]}", flush=True)
        faulthandler.cancel_dump_traceback_later()
    print(f"{options.runs} trainings, {len(problems)} problems")
    if options.record:
        given = " ".join(f"--{name} {value}" for name, value in vars(options).items() if name != "record")
        record("servers", given, rows, f"Loss of an undisturbed training: {undisturbed:.4f}.", problems)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
