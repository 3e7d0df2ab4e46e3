"""Kills workers of a cluster at random moments, starts it again each time, and says what was lost.

    python -m resilience [--kills 20] [--workers 2] [--seed 0] [--record]

Held: when a worker is killed, every other one ends by itself within a bound, with an error that names the killed one;
after the restart training goes on from the last checkpoint that was written; and in the end the weights are those of a
run without kills. The exit status says whether all of it held; `--record` writes what happened to `docs/kills.md`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time

from penstock.cli.launch import task_config
from penstock.cluster.ports import free_ports
from resilience.report import record
from resilience.workers import STARTS_WITHIN, Worker, end_all, wait_for_step

ENDS_WITHIN = 60.0  # seconds, for the survivors of a kill


def start(workers: int, folder: str, steps: int) -> list[Worker]:
    """Starts all workers of a cluster."""
    addresses = [f"localhost:{port}" for port in free_ports(workers)]
    configs = [task_config({"worker": workers}, addresses, "worker", i) for i in range(workers)]
    command = [sys.executable, "-m", "resilience.training", folder, str(steps)]
    return [Worker(command, TF_CONFIG=each) for each in configs]


def one_kill(chance: random.Random, workers: int, folder: str, steps: int) -> tuple[str, list[str]]:
    """Starts the cluster and kills a worker; what happened, and what did not hold."""
    before = saved_step(folder)
    cluster = start(workers, folder, steps)
    problems = []
    try:
        wait_for_step(cluster, before + chance.randint(1, 12))
        time.sleep(chance.uniform(0.0, 0.05))  # in the midst of a step, or of a checkpoint
        killed = chance.randrange(workers)
        cluster[killed].process.send_signal(signal.SIGKILL)
        begun = time.monotonic()
        for i, each in enumerate(cluster):
            status = each.end(ENDS_WITHIN)
            if i == killed:
                continue
            if status is None:
                problems.append(f"worker {i} hangs")
            elif status == 0 or f"UnavailableError: worker {killed} " not in each.errors:
                problems.append(
                    f"worker {i} ended with {status} without naming worker {killed}: {each.errors[-800:]}"
                )
        seconds = time.monotonic() - begun
        if cluster[0].told.get("resumed") != before:
            problems.append(
                f"resumed at {cluster[0].told.get('resumed')}, the last checkpoint being of {before}"
            )
        reached, kept = int(cluster[0].told["step"]), saved_step(folder)
        if kept < int(cluster[0].told.get("saved", before)):
            problems.append(f"a checkpoint of step {cluster[0].told['saved']} is lost")
        return (
            f"killed worker {killed} after step {reached}, others ended in {seconds:.2f} s, kept {kept}",
            problems,
        )
    finally:
        end_all(cluster)


def saved_step(folder: str) -> int:
    """The step of the latest checkpoint; 0 where there is none."""
    from penstock.saving.checkpoint_reader import load_variable
    from penstock.saving.checkpoint_state import latest_checkpoint

    path = latest_checkpoint(folder)
    return 0 if path is None else int(load_variable(path, "done/.ATTRIBUTES/VARIABLE_VALUE"))


def to_the_end(workers: int, folder: str, steps: int) -> dict[str, float]:
    """Runs a cluster without a kill; what its chief told."""
    cluster = start(workers, folder, steps)
    try:
        if any(each.end(STARTS_WITHIN) for each in cluster):
            raise RuntimeError("a run without kills failed: " + "\n".join(each.errors for each in cluster))
        return cluster[0].told
    finally:
        end_all(cluster)


def main() -> int:
    """Runs the kills; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="write docs/kills.md")
    options = parser.parse_args()
    chance, steps = random.Random(options.seed), 20 * options.kills
    rows: list[str] = []
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        broken, whole = os.path.join(folder, "broken"), os.path.join(folder, "whole")
        for number in range(1, options.kills + 1):
            happened, wrong = one_kill(chance, options.workers, broken, steps)
            print(f"{number:3} {happened}", *wrong, sep="\n      " if wrong else "", flush=True)
            rows.append(happened)
            problems += wrong
        last = to_the_end(options.workers, broken, steps)
        expected = to_the_end(options.workers, whole, steps)
    end = (
        f"Weights {last['weights']:.7g} with kills, {expected['weights']:.7g} without; "
        f"last loss {last['loss']:.6g} and {expected['loss']:.6g}."
    )
    print(end)
    if abs(last["weights"] / expected["weights"] - 1) > 1e-5:
        problems.append("the weights differ")
    print(f"{options.kills} kills, {len(problems)} problems")
    if options.record:
        given = f"--kills {options.kills} --workers {options.workers} --seed {options.seed}"
        record("workers", given, rows, end, problems)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
