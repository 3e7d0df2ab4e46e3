"""How the processes of a cluster become one: which task is which worker, where they meet, and connecting JAX's processes.

The first worker listens for the others at the address that the cluster gives it. JAX's own coordinator, which lives in
the same process, takes a free port (or `PENSTOCK_COORDINATOR_PORT`, where only certain ports are open), which the others
are told when they have come.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any, NamedTuple

from penstock.cluster import host_memory
from penstock.cluster.messages import silence_timeout
from penstock.cluster.ports import free_ports
from penstock.cluster.rendezvous import Rendezvous
from penstock.cluster.workers import Workers
from penstock.distribute.resolvers import ClusterResolver
from penstock.engine import xla
from penstock.engine.context import process
from penstock.types import errors

# JAX's own watch over processes would end a process without a word; the rendezvous watches instead.
_NEVER = 7 * 24 * 3600
_IN_STEP = ("chief", "worker")


class Tasks(NamedTuple):
    """The tasks that run one program together.

    Attributes:
      names: for people. addresses: "host:port" of each. index: which one this process is.
    """

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    index: int

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.names)


def tasks_of(resolver: ClusterResolver) -> Tasks | None:
    """The tasks that a resolver describes, the chief first; None where this process has no others to work with.

    Raises:
      ValueError: the cluster does not say which task this is, or this one is none that trains.
    """
    spec = resolver.cluster_spec()
    if not spec:
        return None
    job, number = resolver.task_type, resolver.task_id
    if job is None or number is None:
        raise ValueError("When `cluster_spec` is given, you must also specify `task_type` and `task_id`.")
    if job not in (*_IN_STEP, "evaluator") or job not in spec.jobs or number not in spec.task_indices(job):
        raise ValueError(
            f"MultiWorkerMirroredStrategy: this process is task {number} of {job!r}, and the cluster has "
            f"{spec.as_dict()}: expected one of its tasks 'chief', 'worker' or 'evaluator'"
        )
    if job == "chief" and spec.num_tasks("chief") > 1:
        raise ValueError(f"There must be at most one 'chief' job, got {spec.job_tasks('chief')}")
    jobs = [each for each in _IN_STEP if each in spec.jobs] if job in _IN_STEP else [job]
    known = [(each, i) for each in jobs for i in spec.task_indices(each)]
    if job == "evaluator" or len(known) == 1:
        return None  # it works alone
    addresses = tuple(spec.task_address(each, i) for each, i in known)
    names = tuple(f"{each} {i} ({address})" for (each, i), address in zip(known, addresses))
    return Tasks(names, addresses, known.index((job, number)))


def start_workers(tasks: Tasks, timeout: float | None) -> Workers:
    """Waits for the other processes and connects to them. A process does so once; later strategies share the workers.

    Args:
      tasks: the cluster. timeout: how long workers wait for each other later on; None as long as they live.

    Raises:
      RuntimeError: something runs on devices already, or the process is a worker of another cluster.
      DeadlineExceededError: a task has not come in time.
    """
    known = process.registry.get("cluster_tasks")
    if known is not None:
        if known != tasks:
            raise RuntimeError(
                f"this process is a worker of {known.names} and cannot be one of {tasks.names}"
            )
        return process.workers
    _stop_backend()
    rendezvous = Rendezvous(
        tasks.names,
        tasks.addresses,
        tasks.index,
        float(os.environ.get("PENSTOCK_START_TIMEOUT", "300")),
        silence_timeout(),
    )
    workers = Workers(rendezvous, timeout)
    _connect_jax(workers, tasks.addresses[0].rpartition(":")[0])
    process.workers, process.registry["cluster_tasks"] = workers, tasks
    return workers


def _stop_backend() -> None:
    """Lets XLA's backend start anew, where it was only asked which devices there are.

    Raises:
      RuntimeError: arrays live on devices.
    """
    if not xla.is_loaded():
        return
    import gc

    gc.collect()
    if xla.jax.live_arrays():
        raise RuntimeError(
            "Collective ops must be configured at program startup: make the MultiWorkerMirroredStrategy before anything "
            "runs on devices (variables, random numbers and functions that have run live there)."
        )
    xla.restart()


def _connect_jax(workers: Workers, host: str) -> None:
    import jax

    port = os.environ.get("PENSTOCK_COORDINATOR_PORT") or str(free_ports(1)[0])
    port = workers.texts("the coordinator's port", port)[0]
    jax.config.update(
        "jax_enable_recoverability", True
    )  # the loss of a process does not end the others by itself
    jax.distributed.initialize(
        f"{host}:{port}",
        workers.count,
        workers.index,
        cluster_detection_method="deactivate",
        heartbeat_timeout_seconds=_NEVER,
        shutdown_timeout_seconds=60,
    )
    workers.connected()
    xla.configure()
    local = jax.local_devices()
    if local[0].platform == "cpu":
        _check_host_names(workers)
    counts = [int(each) for each in workers.texts("the number of devices", str(len(local)))]
    used = _used_devices(local)
    if len(set(counts)) > 1 and len(used) > 1:
        described = ", ".join(f"{name}: {count}" for name, count in zip(workers.rendezvous.names, counts))
        raise ValueError(f"every worker needs the same number of devices: {described}")
    by_process: dict[int, list[Any]] = {}
    for device in jax.devices():
        by_process.setdefault(device.process_index, []).append(device)
    workers.devices = tuple(tuple(_used_devices(by_process[i])) for i in range(workers.count))
    if local[0].platform == "cpu" and len(used) == 1:
        workers.memory = host_memory.share(workers)


def _check_host_names(workers: Workers) -> None:
    """Sees whether CPUs can be joined: gloo has each process listen at the address that its host's name stands for.

    Raises:
      FailedPreconditionError: workers are on several machines, and one has such an address that only itself can reach.
    """
    name = socket.gethostname()
    try:
        address = socket.getaddrinfo(name, None)[0][4][0]
    except OSError:
        address = "127.0.0.1"  # which gloo takes for a name that nobody knows
    told = [
        each.split()
        for each in workers.texts(
            "the address of the host", f"{workers.rendezvous.is_remote} {name} {address}"
        )
    ]
    if not any(is_remote == "True" for is_remote, _, _ in told):
        return
    for worker, (_, name, address) in zip(workers.rendezvous.names, told):
        if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            raise errors.FailedPreconditionError(
                None,
                None,
                f"{worker}: its host's name, {name!r}, stands for {address} there, which other machines cannot reach, but "
                "collectives between CPUs listen there. Let the name stand for the address of the network (in /etc/hosts, "
                "or by the name service).",
            )


def _used_devices(devices: list[Any]) -> list[Any]:
    """All accelerators, or one CPU device."""
    return devices[:1] if devices[0].platform == "cpu" else devices
