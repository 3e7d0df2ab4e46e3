"""Runs clusters in network namespaces, a host for each task, and spoils the network: `python -m resilience.namespaces`.

Held: on a network that is late and loses packets training gives the same weights, only later; where a host is cut off for
longer than `PENSTOCK_SILENCE_TIMEOUT`, every process ends within a bound with an error that names who is gone; and when
the host is back and the cluster is started again, training goes on from the last backup to the same weights. `--record`
writes what happened to `docs/kills.md`. Where namespaces are not permitted, that is said, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from penstock.cli.launch import task_config
from resilience.network import Network, NotPermittedError
from resilience.report import record
from resilience.workers import STARTS_WITHIN, Worker, end_all, wait_for_step

EPOCHS, PORT = 20, 2222
SILENCE = 5.0  # seconds without a sign of life, after which a task counts as lost
ENDS_WITHIN = (
    SILENCE + 20.0 + 15.0
)  # with the time that a stuck collective is given, and some for a busy machine

Result = tuple[str, list[str]]  # what happened, and what did not hold


def start(network: Network, workers: int, folder: str) -> list[Worker]:
    """Starts a worker on each of the first hosts."""
    addresses = [f"{name}:{PORT}" for name in network.names[:workers]]
    configs = [task_config({"worker": workers}, addresses, "worker", i) for i in range(workers)]
    command = [sys.executable, "-m", "resilience.fitting", folder, str(EPOCHS)]
    return [
        Worker(network.on(i, command), TF_CONFIG=config, PENSTOCK_SILENCE_TIMEOUT=str(SILENCE))
        for i, config in enumerate(configs)
    ]


def to_the_end(cluster: Sequence[Worker], weights: float | None = None) -> list[str]:
    """Waits for the end of a training; what did not hold."""
    statuses = [each.end(STARTS_WITHIN) for each in cluster]
    if any(statuses) or None in statuses:
        return [f"ended with {statuses}: " + " ".join(each.errors[-500:] for each in cluster)]
    found = cluster[0].told["weights"]
    if weights is not None and abs(found / weights - 1) > 1e-5:
        return [f"weights {found:.7g}, expected {weights:.7g}"]
    return []


class Scenarios:
    """Trainings on a network that is spoilt.

    Args:
      network: with four hosts. chance: when.
    """

    def __init__(self, network: Network, chance: random.Random):
        self._network, self._chance = network, chance
        self._weights: dict[int, float] = {}  # of undisturbed trainings, by the number of workers

    def undisturbed(self, workers: int) -> Result:
        """A training on a good network; the weights of the others have to be the same."""
        with tempfile.TemporaryDirectory() as folder:
            cluster = start(self._network, workers, folder)
            try:
                problems = to_the_end(cluster)
            finally:
                end_all(cluster)
        self._weights[workers] = cluster[0].told.get("weights", 0.0)
        return f"{workers} workers, a good network: weights {self._weights[workers]:.7g}", problems

    def bad_network(self, workers: int) -> Result:
        """Packets are late, and some are lost."""
        self._network.impair(delay=0.002, loss=0.01)
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            cluster = start(self._network, workers, folder)
            try:
                problems = to_the_end(cluster, self._weights[workers])
            finally:
                end_all(cluster)
                self._network.impair()
        seconds = time.monotonic() - begun
        return (
            f"{workers} workers, packets 2 ms late, 1 % of them lost: the same weights, {seconds:.0f} s",
            problems,
        )

    def short_cut(self, workers: int) -> Result:
        """A host is cut off for less than the silence that is borne."""
        host = self._chance.randrange(workers)
        with tempfile.TemporaryDirectory() as folder:
            cluster = start(self._network, workers, folder)
            try:
                step = self._lose_somewhere(cluster, self._network.cut, host)
                time.sleep(SILENCE / 3)
                self._network.join(host)
                problems = to_the_end(cluster, self._weights[workers])
            finally:
                end_all(cluster)
                self._network.join(host)
        return (
            f"{workers} workers, host {host} cut off for {SILENCE / 3:.1f} s after step {step}: went on",
            problems,
        )

    def lost_host(
        self, workers: int, lose: Callable[[int], None], back: Callable[[int], None], how: str
    ) -> Result:
        """A host is gone until all processes have ended; then it is back, and the cluster is started again."""
        host = self._chance.randrange(workers)
        with tempfile.TemporaryDirectory() as folder:
            cluster = start(self._network, workers, folder)
            try:
                step = self._lose_somewhere(cluster, lose, host)
                begun = time.monotonic()
                problems = []
                for i, each in enumerate(cluster):
                    status = each.end(max(0.0, ENDS_WITHIN - (time.monotonic() - begun)))
                    if status is None:
                        problems.append(f"worker {i} hangs")
                    elif status == 0 or "UnavailableError: worker " not in each.errors:
                        problems.append(
                            f"worker {i} ended with {status}, naming nobody: {each.errors[-800:]}"
                        )
                seconds = time.monotonic() - begun
                saved = cluster[0].told.get("saved", 0)
            finally:
                end_all(cluster)
                back(host)
            again = start(self._network, workers, folder)
            try:
                problems += to_the_end(again, self._weights[workers])
            finally:
                end_all(again)
            resumed = again[0].told.get("resumed", -1)
            if resumed < saved:
                problems.append(f"resumed after {resumed} epochs, although {saved} were saved")
        text = f"{workers} workers, host {host} {how} after step {step}: all ended in {seconds:.1f} s"
        return f"{text}, resumed after epoch {resumed}, the same weights", problems

    def _lose_somewhere(self, cluster: list[Worker], lose: Callable[[int], None], host: int) -> int:
        """Loses a host at a random moment; after which step of the chief."""
        wait_for_step(cluster, self._chance.randint(15, 100))
        time.sleep(self._chance.uniform(0.0, 0.02))
        lose(host)
        return int(cluster[0].told["step"])


def main() -> int:
    """Runs all; the exit status says whether everything held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="write docs/kills.md")
    options = parser.parse_args()
    try:
        network = Network(4, options.seed)
    except NotPermittedError as problem:
        print(f"python -m resilience.namespaces: nothing was run: {problem}", file=sys.stderr)
        return 1
    rows: list[str] = []
    problems: list[str] = []
    with network:
        run = Scenarios(network, random.Random(options.seed))
        cut = (network.cut, network.join, "cut off")
        unplugged = (network.unplug, network.plug_in, "unplugged")
        plan: list[Callable[[], Result]] = [
            lambda: run.undisturbed(2),
            lambda: run.undisturbed(4),
            lambda: run.bad_network(2),
            lambda: run.bad_network(4),
            lambda: run.short_cut(2),
            lambda: run.short_cut(4),
            *[lambda: run.lost_host(2, *cut)] * 2,
            lambda: run.lost_host(4, *cut),
            lambda: run.lost_host(2, *unplugged),
            lambda: run.lost_host(4, *unplugged),
        ]
        for number, each in enumerate(plan, 1):
            happened, wrong = each()
            print(f"{number:3} {happened}", *wrong, sep="\n      " if wrong else "", flush=True)
            rows.append(happened)
            problems += wrong
    print(f"{len(rows)} trainings, {len(problems)} problems")
    if options.record:
        record(
            "namespaces",
            f"--seed {options.seed}",
            rows,
            "Every training came to the weights of an undisturbed one.",
            problems,
        )
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
