"""`penstock launch --ray`: the tasks of a cluster as actors of Ray, each of which runs one process."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

_PATIENCE = 5.0  # seconds that a process has to end after SIGTERM


def run_on_ray(jobs: dict[str, int], run: Sequence[str], address: str) -> int:
    """Runs `penstock RUN...` as every task; returns the exit status of the first that fails, or 0.

    Args:
      jobs: how many tasks each job has. run: what follows `penstock`.
      address: of the Ray cluster; "auto" for the one that `RAY_ADDRESS` names or that runs on this machine, "local" for
        a new one.
    """
    try:
        import ray
    except ImportError:
        print("penstock launch: --ray needs the package ray (pip install ray)", file=sys.stderr)
        return 2
    from penstock.cli.launch import serves, task_config, tasks_of

    # The programs are where they are here, as for every launcher that copies nothing.
    ray.init(address=address, log_to_driver=True, runtime_env={"env_vars": {"PYTHONUNBUFFERED": "1"}})
    task: Any = ray.remote(num_cpus=1)(_Task)
    tasks = tasks_of(jobs)
    actors = [task.remote(f"{job} {index}") for job, index in tasks]
    addresses = ray.get([each.address.remote() for each in actors])
    waiting = {}
    for actor, (job, index) in zip(actors, tasks):
        config = task_config(jobs, addresses, job, index)
        waiting[actor.run.remote(list(run), config, os.getcwd())] = job
    status = 0
    try:
        while not status and any(not serves(job, jobs) for job in waiting.values()):
            (done,), _ = ray.wait(list(waiting))
            waiting.pop(done)
            try:
                status = ray.get(done)
            except ray.exceptions.RayError as error:
                print(f"penstock launch: a task was lost: {error}", file=sys.stderr)
                status = 1
    finally:
        ending = [each.end.remote() for each in actors]
        ray.wait(ending, num_returns=len(ending), timeout=2 * _PATIENCE)  # no longer for those that are lost
        for each in actors:
            ray.kill(each)
        ray.shutdown()
    return status


class _Task:
    """One task: it has an address on its machine and runs one process. Ray puts its name before lines of output."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._process = None

    def __repr__(self) -> str:
        return self._name

    def address(self) -> str:
        import ray

        from penstock.cluster.ports import free_ports

        return f"{ray.util.get_node_ip_address()}:{free_ports(1)[0]}"

    async def run(self, run: list[str], config: str, folder: str) -> int:
        """Runs the process to its end; its exit status, 128 + n for signal n."""
        import asyncio

        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "penstock", *run, env={**os.environ, "TF_CONFIG": config}, cwd=folder
        )
        status = await self._process.wait()
        return 128 - status if status < 0 else status

    async def end(self) -> None:
        """Ends the process if it still runs: by SIGTERM, and if that does not help by SIGKILL."""
        import asyncio

        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _PATIENCE)
        except TimeoutError:
            self._process.kill()
