"""Spoils the network of parameter servers and of the data service, a host for each task: `python -m resilience.hosts_on_ray`.

Held: on a network that is late and loses packets, and through a short cut, training and reading only take longer; a
worker whose host is lost is done without; a parameter server whose host is lost comes back with the last checkpoint when
the host does, and training goes on, or ends within a bound with an error that names it; each element of a dataset comes
once although a worker's host is lost, and without its dispatcher reading ends in an error. `--record` writes what happened
to `docs/kills.md`. Where namespaces are not permitted, that is said, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from resilience.network import Network, NotPermittedError
from resilience.ray_hosts import RayHosts
from resilience.report import record
from resilience.workers import STARTS_WITHIN, Worker, end_all, wait_for_step

LEAST_LOSS = 0.05  # what a training comes to at least, as in `resilience.servers`
RETURNS_WITHIN = 40.0  # seconds, that the others wait for a server
ENDS_WITHIN = (
    RETURNS_WITHIN + 60.0
)  # with the time after which Ray gives a host up, and some for a busy machine
SHORT = 2.0  # seconds of a cut that is borne

Result = tuple[str, list[str]]  # what happened, and what did not hold


class Scenarios:
    """Clusters on a network that is spoilt.

    Args:
      network: with four hosts. ray: on all of them. chance: when.
    """

    def __init__(self, network: Network, ray: RayHosts, chance: random.Random):
        self._network, self._ray, self._chance = network, ray, chance
        self._port = 5050  # of the next dispatcher

    # Parameter servers: the chief on host 0, a server on host 1, workers on hosts 2 and 3.

    def _train(self, spoil: Callable[[list[Worker]], str], ends: bool = True, **settings: str) -> Result:
        """A training during which something happens."""
        tasks = [("chief", 0), ("ps", 0), ("worker", 0), ("worker", 1)]
        cluster: dict[str, list[str]] = {}
        for (job, _), name in zip(tasks, self._network.names):
            cluster.setdefault(job, []).append(f"{name}:2222")

        def start(host: int) -> Worker:
            job, index = tasks[host]
            config = json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})
            command = [sys.executable, "-m", "resilience.served_training", folder]
            return self._ray.run(host, command, TF_CONFIG=config, **settings)

        with tempfile.TemporaryDirectory() as folder:
            self._start, members = start, [start(host) for host in range(len(tasks))]
            try:
                wait_for_step(members, self._chance.choice([50, 100, 150]))
                time.sleep(self._chance.uniform(0.0, 0.2))
                happened = spoil(members)
                begun = time.monotonic()
                status = members[0].end(STARTS_WITHIN if ends else ENDS_WITHIN)
                seconds = time.monotonic() - begun
            finally:
                end_all(members)
                self._network.impair()
        chief = members[0]
        if ends:
            loss = chief.told.get("loss", float("inf"))
            problems = [] if loss < LEAST_LOSS else [f"loss {loss}, status {status}: {chief.errors[-800:]}"]
            if loss < LEAST_LOSS and status:
                problems.append(f"ended with {status}: {chief.errors[-800:]}")
            return f"{happened}: loss {loss:.4f}, {seconds:.0f} s later", problems
        named = "DeadlineExceededError" in chief.errors and "ps/0" in chief.errors
        problems = [] if status and named else [f"status {status}, naming nobody: {chief.errors[-800:]}"]
        return f"{happened}: DeadlineExceededError after {seconds:.0f} s", problems

    def good_training(self) -> Result:
        """Nothing happens."""
        return self._train(lambda members: "parameter servers, a good network")

    def bad_training(self) -> Result:
        """Packets are late, and some are lost."""

        def spoil(members: Sequence[Worker]) -> str:
            self._network.impair(delay=0.002, loss=0.01)
            return "parameter servers, packets 2 ms late, 1 % of them lost"

        return self._train(spoil)

    def short_cut(self) -> Result:
        """A server's host is cut off for less than the silence that is borne."""

        def spoil(members: Sequence[Worker]) -> str:
            self._network.cut(1)
            time.sleep(SHORT)
            self._network.join(1)
            return f"the server's host cut off for {SHORT:.0f} s"

        return self._train(spoil)

    def lost_worker(self) -> Result:
        """A worker's host is gone."""
        host = self._chance.choice([2, 3])

        def spoil(members: Sequence[Worker]) -> str:
            self._network.cut(host)
            return f"the host of worker {host - 2} cut off"

        result = self._train(spoil)
        self._bring_back(host)
        return result

    def lost_server(self) -> Result:
        """A server's host is gone, and comes back."""

        def spoil(members: list[Worker]) -> str:
            self._network.unplug(1)
            time.sleep(SHORT)
            members[1].process.kill()
            members[1].process.wait()
            self._network.plug_in(1)
            self._bring_back(1)
            members[1] = self._start(1)
            return "the server's host unplugged, and started again"

        return self._train(spoil)

    def server_gone(self) -> Result:
        """A server's host is gone for good."""

        def spoil(members: Sequence[Worker]) -> str:
            self._network.cut(1)
            return "the server's host cut off for good"

        result = self._train(spoil, ends=False, PENSTOCK_CLUSTER_TIMEOUT=str(RETURNS_WITHIN))
        self._bring_back(1)
        return result

    def _bring_back(self, host: int) -> None:
        self._network.halt(host)
        self._network.join(host)
        self._ray.start(host)

    # The data service: the consumer on host 0, the dispatcher on host 1, workers on hosts 2 and 3.

    def _read(self, spoil: Callable[[], str], ends: bool = True) -> Result:
        """A reading during which something happens."""
        self._port += 1
        command = [sys.executable, "-m", "resilience.served_reading"]

        def start(host: int, role: str) -> Worker:
            return self._ray.run(host, [*command, role, str(self._port)])

        members: list[Worker] = []
        try:
            for host, role in ((1, "dispatcher"), (2, "worker"), (3, "worker")):
                members.append(start(host, role))
                wait_until_serving(members[-1])
            consumer = start(0, "consumer")
            members.append(consumer)
            wait_for_step([consumer], self._chance.randint(20, 120))
            happened = spoil()
            begun = time.monotonic()
            status = consumer.end(STARTS_WITHIN if ends else ENDS_WITHIN)
            seconds = time.monotonic() - begun
        finally:
            end_all(members)
            self._network.impair()
        if ends:
            lost, twice = (consumer.told.get(each) for each in ("lost", "twice"))
            problems = (
                [] if (lost, twice, status) == (0, 0, 0) else [f"status {status}: {consumer.errors[-800:]}"]
            )
            return f"{happened}: {lost} elements lost, {twice} twice, {seconds:.0f} s later", problems
        named = any(each in consumer.errors for each in ("UnavailableError", "DeadlineExceededError"))
        problems = [] if status and named else [f"status {status}: {consumer.errors[-800:]}"]
        return f"{happened}: an error after {seconds:.0f} s", problems

    def bad_reading(self) -> Result:
        """Packets are late, and some are lost."""

        def spoil() -> str:
            self._network.impair(delay=0.002, loss=0.01)
            return "data service, packets 2 ms late, 1 % of them lost"

        return self._read(spoil)

    def lost_data_worker(self) -> Result:
        """A worker's host is gone."""
        host = self._chance.choice([2, 3])

        def spoil() -> str:
            self._network.cut(host)
            return f"data service, the host of worker {host - 2} cut off"

        result = self._read(spoil)
        self._bring_back(host)
        return result

    def lost_dispatcher(self) -> Result:
        """The dispatcher's host is gone."""

        def spoil() -> str:
            self._network.cut(1)
            return "data service, the dispatcher's host cut off"

        result = self._read(spoil, ends=False)
        self._bring_back(1)
        return result


def wait_until_serving(member: Worker) -> None:
    """Returns when a process says that it serves.

    Raises:
      RuntimeError: it does not come that far.
    """
    deadline = time.monotonic() + STARTS_WITHIN
    while "serves" not in member.told:
        if time.monotonic() > deadline or member.process.poll() is not None:
            member.end(10.0)
            raise RuntimeError(f"a server does not start: {member.errors[-2000:]}")
        time.sleep(0.01)


PLAN = ("good_training", "bad_training", "short_cut", "lost_worker", "lost_server", "server_gone", "bad_reading",
        "lost_data_worker", "lost_dispatcher")  # fmt: skip


def main() -> int:
    """Runs all; the exit status says whether everything held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=PLAN, default=PLAN, help="these alone")
    parser.add_argument("--record", action="store_true", help="write docs/kills.md")
    options = parser.parse_args()
    try:
        network = Network(4, options.seed, own_folders=["/tmp/ray"])
    except NotPermittedError as problem:
        print(f"python -m resilience.hosts_on_ray: nothing was run: {problem}", file=sys.stderr)
        return 1
    rows: list[str] = []
    problems: list[str] = []
    with network, RayHosts(network) as ray:
        run = Scenarios(network, ray, random.Random(options.seed))
        for number, name in enumerate(options.only, 1):
            happened, wrong = getattr(run, name)()
            print(f"{number:3} {happened}", *wrong, sep="\n      " if wrong else "", flush=True)
            rows.append(happened)
            problems += wrong
    print(f"{len(rows)} runs, {len(problems)} problems")
    if options.record:
        end = "No process hung; who is lost was done without, waited for, or named."
        record("hosts_on_ray", f"--seed {options.seed}", rows, end, problems)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
