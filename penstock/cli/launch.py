"""`penstock launch`: runs a program as a cluster, one process for each task, each with its `TF_CONFIG`.

On this machine; on others over ssh (--hosts); in an allocation of Slurm as a step of `srun`; on a Ray cluster (--ray).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from penstock.cli.processes import Member, run_together
from penstock.cluster.ports import free_ports

DESCRIPTION = """\
Runs a program as a cluster: one process for each task, each as `penstock run` would, with TF_CONFIG set. Lines of output
begin with the task's name. The exit status is that of the first task that fails, and the others are ended. Parameter
servers, and the workers they serve, run until the chief has ended."""

USAGE = "penstock launch [OPTION ...] (FILE | -m MODULE | -c CODE) [ARGUMENT ...]"

# -tt, so that the remote task ends with the connection; a host that does not answer is given up after a while.
_SSH = "ssh -tt -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15"

_IN_SLURM = "--slurm-task"  # given by `penstock launch` to what it starts with srun


def main(arguments: list[str]) -> int:
    """Runs `penstock launch ARGUMENTS`; returns the exit status."""
    parser = _parser()
    own, program = split_arguments(arguments, parser)
    options = parser.parse_args(own)
    if not program:
        parser.error("nothing to run: expected FILE, -m MODULE or -c CODE")
    if options.workers < 0 or options.ps < 0 or options.workers + options.ps + options.chief < 1:
        parser.error("a cluster has at least one worker")
    jobs = jobs_of(options)
    run = ["run", *(("--api", options.api) if options.api else ()), *program]
    if options.slurm_task:
        return _run_slurm_task(jobs, run)
    if options.ray is not None:
        from penstock.cli.launch_ray import run_on_ray

        return run_on_ray(jobs, run, options.ray)
    if options.hosts is None and "SLURM_JOB_ID" in os.environ and shutil.which("srun"):
        return run_together([_slurm_step(jobs, arguments)])
    if options.hosts is None:
        addresses = [f"localhost:{port}" for port in free_ports(sum(jobs.values()))]
        commands = [[sys.executable, "-m", "penstock", *run]] * len(addresses)
    else:
        hosts = read_hosts(options.hosts)
        addresses = addresses_on(hosts, sum(jobs.values()), options.port)
        commands = [_over_ssh(options, address, run) for address in addresses]
    members = []
    for (job, index), command in zip(tasks_of(jobs), commands, strict=True):
        config = task_config(jobs, addresses, job, index)
        if options.hosts is not None:
            command = [*command[:-1], f"env TF_CONFIG={shlex.quote(config)} {command[-1]}"]
        environment = {"TF_CONFIG": config, **_memory_settings()}
        if options.hosts is None:
            environment.update(_thread_settings(jobs))
        members.append(Member(f"{job} {index}", command, environment, serves(job, jobs)))
    return run_together(members)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="penstock launch", usage=USAGE, description=DESCRIPTION)
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="number of workers (2)")
    parser.add_argument(
        "--ps", type=int, default=0, metavar="M", help="number of parameter servers (0); they bring a chief"
    )
    parser.add_argument("--chief", action="store_true", help="a chief beside the workers")
    parser.add_argument("--evaluator", action="store_true", help="an evaluator")
    parser.add_argument(
        "--hosts",
        metavar="FILE",
        help="run over ssh on the hosts in FILE: a line for each, with slots=K for K tasks",
    )
    parser.add_argument(
        "--port", type=int, default=2222, metavar="P", help="the first port on each host (2222)"
    )
    parser.add_argument("--ssh", default=_SSH, help="the command that reaches a host (%(default)s)")
    parser.add_argument("--python", default=sys.executable, help="the interpreter on the hosts")
    parser.add_argument(
        "--ray",
        nargs="?",
        const="auto",
        metavar="ADDRESS",
        help="run on a Ray cluster (auto: the one that runs here or that RAY_ADDRESS names; local: a new one)",
    )
    parser.add_argument("--api", choices=("auto", "v1", "v2"), help="as of penstock run")
    parser.add_argument(_IN_SLURM, action="store_true", help=argparse.SUPPRESS)
    return parser


def split_arguments(arguments: Sequence[str], parser: argparse.ArgumentParser) -> tuple[list[str], list[str]]:
    """Our own options, and the program with its arguments: it begins with `-m`, `-c`, or what is no option of ours."""
    takes_value = {
        name: action.nargs
        for action in parser._actions
        for name in action.option_strings
        if action.nargs != 0
    }
    i = 0
    while i < len(arguments):
        each = arguments[i]
        if each[:2] in ("-m", "-c") or not each.startswith("-"):
            break
        optional = takes_value.get(each, 0) == "?"
        following = arguments[i + 1] if i + 1 < len(arguments) else ""
        # An address that may be left out is told from a program by its colon.
        i += (
            2
            if each in takes_value and (not optional or ":" in following or following in ("auto", "local"))
            else 1
        )
    return list(arguments[:i]), list(arguments[i:])


def jobs_of(options: argparse.Namespace) -> dict[str, int]:
    """How many tasks each job has, in the order of their addresses."""
    counts = {
        "chief": int(options.chief or options.ps > 0),
        "worker": options.workers,
        "ps": options.ps,
        "evaluator": int(options.evaluator),
    }
    return {job: count for job, count in counts.items() if count}


def tasks_of(jobs: dict[str, int]) -> list[tuple[str, int]]:
    """(job, number) of each task."""
    return [(job, index) for job, count in jobs.items() for index in range(count)]


def serves(job: str, jobs: dict[str, int]) -> bool:
    """Whether a task runs until others have ended."""
    return job == "ps" or (job == "worker" and "ps" in jobs)


def task_config(jobs: dict[str, int], addresses: Sequence[str], job: str, index: int) -> str:
    """The value of `TF_CONFIG` for a task.

    Example:
      >>> task_config({"worker": 2}, ["a:1", "b:1"], "worker", 1)
      '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}'
    """
    rest = iter(addresses)
    cluster = {name: [next(rest) for _ in range(count)] for name, count in jobs.items()}
    return json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})


def _memory_settings() -> dict[str, str]:
    """What `penstock run` starts Python with."""
    from penstock_command import HUGE_PAGES, can_ask_for_huge_pages

    return {"GLIBC_TUNABLES": HUGE_PAGES} if can_ask_for_huge_pages() else {}


def _thread_settings(jobs: dict[str, int]) -> dict[str, str]:
    """The workers of one machine share its cores: native kernels and BLAS use a part each, unless the user says how many."""
    if "OMP_NUM_THREADS" in os.environ:
        return {}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    training = jobs.get("worker", 0) + (0 if "ps" in jobs else jobs.get("chief", 0))
    return {"OMP_NUM_THREADS": str(max(1, cores // max(1, training)))}


# Other machines.


def read_hosts(path: str) -> list[tuple[str, int]]:
    """(host, number of tasks) of each line `host [slots=K]`; `#` begins a comment.

    Raises:
      SystemExit: a line is something else, or there is none.
    """
    found = []
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        host, *rest = line.partition("#")[0].split() or [""]
        slots = [each.removeprefix("slots=") for each in rest]
        if len(slots) > 1 or not all(each.isdigit() for each in slots):
            sys.exit(f"penstock launch: {path}:{number}: expected `host` or `host slots=K`, got {line!r}")
        if host:
            found.append((host, int(slots[0]) if slots else 1))
    if not found:
        sys.exit(f"penstock launch: {path} names no hosts")
    return found


def addresses_on(hosts: Sequence[tuple[str, int]], count: int, port: int) -> list[str]:
    """Addresses for tasks: each host gets as many as it has slots, and again from the first one where that is too few.

    Example:
      >>> addresses_on([("a", 2), ("b", 1)], 4, 2222)
      ['a:2222', 'a:2223', 'b:2222', 'a:2224']
    """
    used: dict[str, int] = {}
    found: list[str] = []
    while len(found) < count:
        for host, slots in hosts:
            for _ in range(min(slots, count - len(found))):
                found.append(f"{host}:{port + used.get(host, 0)}")
                used[host] = used.get(host, 0) + 1
    return found


def _over_ssh(options: argparse.Namespace, address: str, run: Sequence[str]) -> list[str]:
    """The command that runs a task on a host, in the same folder as here; its last part is for the host's shell."""
    there = shlex.join([options.python, "-m", "penstock", *run])
    inside = f"cd {shlex.quote(os.getcwd())} && exec {there}"
    return [*shlex.split(options.ssh), address.rpartition(":")[0], f"sh -c {shlex.quote(inside)}"]


# Slurm.


def _slurm_step(jobs: dict[str, int], arguments: Sequence[str]) -> Member:
    count = sum(jobs.values())
    launch = [sys.executable, "-m", "penstock", "launch", _IN_SLURM, *arguments]
    return Member("srun", ["srun", f"--ntasks={count}", "--kill-on-bad-exit=1", "--label", *launch])


def _run_slurm_task(jobs: dict[str, int], run: Sequence[str]) -> int:
    """Becomes one task of a step: Slurm's variables say which."""
    from penstock.distribute.slurm_resolver import SlurmClusterResolver

    resolver = SlurmClusterResolver(jobs)
    cluster = resolver.cluster_spec().as_dict()
    job, index = resolver.get_task_info()
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})
    os.execv(sys.executable, [sys.executable, "-m", "penstock", *run])
