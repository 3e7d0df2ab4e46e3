"""`tf.distribute.cluster_resolver.SlurmClusterResolver`: the tasks of a job step of Slurm."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

from penstock.distribute.resolvers import ClusterResolver
from penstock.engine.export import export
from penstock.train.cluster_spec import ClusterSpec

_HOSTS = re.compile(r"(?P<prefix>[^,\[\]]*)(?:\[(?P<ranges>[^\]]+)\])?(?:,|$)")
_TASKS = re.compile(r"(\d+)(?:\(x(\d+)\))?$")


def expand_hostlist(hostlist: str) -> list[str]:
    """The hosts of a list as Slurm writes it.

    Raises:
      ValueError: it is none.

    Example:
      >>> expand_hostlist("n[1-2],m5,o[08-10]")
      ['n1', 'n2', 'm5', 'o08', 'o09', 'o10']
    """
    hosts: list[str] = []
    position = 0
    while position < len(hostlist):
        found = _HOSTS.match(hostlist, position)
        if found is None or found.end() == position or not (found["prefix"] or found["ranges"]):
            raise ValueError(f'Invalid hostlist format "{hostlist}": at {hostlist[position:]!r}')
        try:
            hosts += [found["prefix"] + each for each in _numbers(found["ranges"])]
        except ValueError as error:
            raise ValueError(f'Invalid hostlist format "{hostlist}": {error}') from None
        position = found.end()
    return hosts


def _numbers(ranges: str | None) -> list[str]:
    """`"1-3,7"` as its numbers, with as many digits as they are written with; one empty text for no ranges."""
    if ranges is None:
        return [""]
    found = []
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        found += [str(i).zfill(len(first)) for i in range(int(first), int(last or first) + 1)]
    return found


def expand_tasks_per_node(tasks_per_node: str) -> list[int]:
    """The number of tasks of each node, from Slurm's short form.

    Raises:
      ValueError: it is none.

    Example:
      >>> expand_tasks_per_node("3(x2),2,1")
      [3, 3, 2, 1]
    """
    found = []
    for part in tasks_per_node.split(","):
        match = _TASKS.match(part)
        if match is None:
            raise ValueError(f'Invalid tasks-per-node list format "{tasks_per_node}": at {part!r}')
        found += [int(match[1])] * int(match[2] or 1)
    return found


def slurm_variable(name: str) -> str:
    """The environment variable `SLURM_<name>`.

    Raises:
      RuntimeError: it is not set.
    """
    found = os.environ.get(f"SLURM_{name}")
    if found is None:
        raise RuntimeError(f"SLURM_{name} not found in environment. Not running inside a SLURM step?")
    return found


def _gpus_of_this_node() -> int:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([each for each in visible.split(",") if each])
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True
        ).stdout
    except FileNotFoundError:
        return 0  # no driver, no GPU
    except subprocess.CalledProcessError as error:
        raise RuntimeError(
            f"Could not get number of GPUs from nvidia-smi: {error.stderr or error.stdout}"
        ) from None
    return sum(line.startswith("GPU ") for line in listed.splitlines())


@export("distribute.cluster_resolver.SlurmClusterResolver")
class SlurmClusterResolver(ClusterResolver):
    """The tasks of a job step of Slurm, one process for each.

    The tasks of a node get the ports from `port_base` on; jobs get tasks in the order of their names, nodes are in the
    order of theirs.

    Args:
      jobs: how many tasks each job has; by default all are workers.
      port_base: the first port of each node.
      gpus_per_node: by default what the driver says.
      gpus_per_task: by default those of a node, evenly.
      tasks_per_node: a number, or one for each host; by default what Slurm says.
      auto_set_gpu: whether `cluster_spec()` sets `CUDA_VISIBLE_DEVICES` to the GPUs of this task.
      rpc_layer: put before addresses.

    Raises:
      RuntimeError: not in a job step, or tasks or GPUs do not add up.
    """

    def __init__(
        self,
        jobs: dict[str, int] | None = None,
        port_base: int = 8888,
        gpus_per_node: int | None = None,
        gpus_per_task: int | None = None,
        tasks_per_node: int | dict[str, int] | None = None,
        auto_set_gpu: bool = True,
        rpc_layer: str | None = "grpc",
    ):
        self._rank = int(slurm_variable("PROCID"))
        self._jobs = {"worker": int(slurm_variable("STEP_NUM_TASKS"))} if jobs is None else jobs
        self._port_base, self._auto_set_gpu, self.rpc_layer = port_base, auto_set_gpu, rpc_layer
        self._tasks = _tasks_of_nodes(tasks_per_node)
        most = max(self._tasks.values())
        self._gpus_per_node = _gpus_of_this_node() if gpus_per_node is None else gpus_per_node
        self._gpus_per_task = self._gpus_per_node // most if gpus_per_task is None else gpus_per_task
        if most * self._gpus_per_task > self._gpus_per_node:
            raise RuntimeError(
                f"Requested more GPUs per node than available: {most} tasks of {self._gpus_per_task} GPUs on nodes of "
                f"{self._gpus_per_node}."
            )
        wanted, given = sum(self._jobs.values()), sum(self._tasks.values())
        if wanted != given:
            raise RuntimeError(f"Requested {wanted} tasks but only {given} were assigned.")

    def cluster_spec(self) -> ClusterSpec:
        """The cluster; sets `task_type` and `task_id`, and with `auto_set_gpu` the GPUs of this process."""
        addresses, gpus = [], []
        for host, count in sorted(self._tasks.items()):
            for i in range(count):
                first = i * self._gpus_per_task
                addresses.append(f"{host}:{self._port_base + i}")
                gpus.append(",".join(str(each) for each in range(first, first + self._gpus_per_task)))
        cluster, start = {}, 0
        for job, count in sorted(self._jobs.items()):
            cluster[job] = addresses[start : start + count]
            if start <= self._rank < start + count:
                self.task_type, self.task_id = job, self._rank - start
            start += count
        if self._auto_set_gpu and self._gpus_per_task:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpus[self._rank]
        return ClusterSpec(cluster)

    def get_task_info(self) -> tuple[str | None, int | None]:
        """The job and number of this task; known after `cluster_spec()`."""
        return self.task_type, self.task_id

    def master(
        self, task_type: str | None = None, task_id: int | None = None, rpc_layer: str | None = None
    ) -> str:
        """The address of a task, by default this one; empty before `cluster_spec()` has said which that is."""
        return self._address(task_type, task_id, rpc_layer) or ""

    def num_accelerators(
        self, task_type: str | None = None, task_id: int | None = None, config_proto: Any = None
    ) -> dict[str, int]:
        """{"GPU": those of a task}."""
        return {"GPU": self._gpus_per_task}


def _tasks_of_nodes(given: int | dict[str, int] | None) -> dict[str, int]:
    if isinstance(given, dict):
        return given
    hosts = expand_hostlist(slurm_variable("STEP_NODELIST"))
    if given is not None:
        return dict.fromkeys(hosts, int(given))
    return dict(zip(hosts, expand_tasks_per_node(slurm_variable("STEP_TASKS_PER_NODE"))))
