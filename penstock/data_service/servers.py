"""`DispatchServer` and `WorkerServer`: the servers of the data service, each an actor of Ray, a process of its own.

A program that starts them starts a Ray cluster on its machine, or takes part in the one of the environment variable
`RAY_ADDRESS`, which programs on several machines need. They end with the program that started them.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from typing import Any

from penstock.cluster import ray_session
from penstock.data_service.calls import answer
from penstock.data_service.configuration import DispatcherConfig, WorkerConfig
from penstock.data_service.dispatcher import Dispatcher
from penstock.data_service.journal import user_key
from penstock.data_service.worker import Worker
from penstock.engine.export import export
from penstock.types import errors

_DEFAULT_SECONDS = 60.0
_DEFAULT_JOB_SECONDS = 300.0
_CALLS_AT_ONCE = 64  # of a worker: each consumer has one for each of its tasks
_LOOKS_PER_SECOND = 2


def dispatcher_name(address: str) -> str:
    """The name of a dispatcher's actor.

    Raises:
      ValueError: the address has no port.
    """
    port = address.rpartition(":")[2]
    if not port.isdigit():
        raise ValueError(f"the address of a tf.data service dispatcher is host:port, got {address!r}")
    return f"tf_data_dispatcher:{port}"


class _Server:
    """An actor, and the commands of TensorFlow's servers."""

    _actor: Any = None

    def _start_actor(self) -> Any:
        raise TypeError("a server says how it starts")

    def start(self) -> None:
        """Starts the server, if it does not run.

        Raises:
          ImportError: Ray is not installed.
        """
        if self._actor is None:
            ray_session.connect()
            self._actor = self._start_actor()

    def join(self) -> None:
        """Waits until the server has ended: by `stop`, or with its Ray cluster.

        Raises:
          UnavailableError: its process was killed.
        """
        while self._actor is not None:
            try:
                answer(self._actor.ready.remote(), "a sign of life", _DEFAULT_SECONDS)
            except errors.DeadlineExceededError:
                continue
            except errors.UnavailableError:
                ray_session.end_quietly()
                if self._actor is not None and ray_session.lives():
                    raise
                return
            time.sleep(1 / _LOOKS_PER_SECOND)

    def stop(self) -> None:
        """Ends the server."""
        actor, self._actor = self._actor, None
        if actor is not None and ray_session.ray().is_initialized():
            with contextlib.suppress(ray_session.ray().exceptions.RayError):
                ray_session.ray().kill(actor)

    _stop = stop

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # while Python ends, Ray has ended its actors
            self.stop()

    def _asked(self, method: str) -> Any:
        if self._actor is None:
            raise errors.FailedPreconditionError(None, None, f"{type(self).__name__} does not run")
        return answer(getattr(self._actor, method).remote(), method)


@export("data.experimental.service.DispatchServer", v1=[])
class DispatchServer(_Server):
    """The server that knows the workers of the data service, and what each of them does.

    Args:
      config: a `DispatcherConfig`. start: whether to start it now.

    Raises:
      ValueError: the fault tolerant mode has no folder. AlreadyExistsError: another dispatcher has the port.
    """

    def __init__(self, config: DispatcherConfig | None = None, start: bool = True):
        self._config = config or DispatcherConfig()
        if self._config.fault_tolerant_mode and not self._config.work_dir:
            raise ValueError(
                "Cannot enable fault tolerant mode without configuring a work dir. Make sure to set `work_dir` in the `config` "
                "object passed to `DispatcherServer`."
            )
        self._port = self._config.port or 10000 + secrets.randbelow(50000)
        if start:
            self.start()

    def _start_actor(self) -> Any:
        config, name = self._config, dispatcher_name(f":{self._port}")
        if ray_session.find_actor(name) is not None:
            raise errors.AlreadyExistsError(
                None, None, f"a tf.data service dispatcher has port {self._port} already"
            )
        lasting: dict[str, Any] = (
            {"max_restarts": -1, "max_task_retries": -1} if config.fault_tolerant_mode else {}
        )
        actor = ray_session.actor(
            Dispatcher,
            name,
            config.worker_addresses,
            config.work_dir if config.fault_tolerant_mode else None,
            config.worker_timeout_ms / 1000,
            config.job_gc_timeout_ms / 1000 or _DEFAULT_JOB_SECONDS,
            user_key() if config.fault_tolerant_mode else b"",
            **lasting,
        )
        answer(actor.ready.remote(), "the start of a dispatcher", _DEFAULT_SECONDS)
        return actor

    @property
    def target(self) -> str:
        """What clients call `service`: `grpc://localhost:port`.

        Raises:
          FailedPreconditionError: the server does not run.
        """
        if self._actor is None:
            raise errors.FailedPreconditionError(None, None, "DispatchServer does not run")
        return f"{self._config.protocol}://{self._address}"

    @property
    def _address(self) -> str:
        return f"localhost:{self._port}"

    def _num_workers(self) -> int:
        return len(self._asked("workers"))


@export("data.experimental.service.WorkerServer", v1=[])
class WorkerServer(_Server):
    """A server that runs input pipelines for consumers.

    Args:
      config: a `WorkerConfig`. start: whether to start it now.

    Raises:
      ValueError: the configuration names no dispatcher. DeadlineExceededError: the dispatcher is not found in time.
      FailedPreconditionError: the dispatcher knows all workers by name, and it is none of them.
    """

    def __init__(self, config: WorkerConfig, start: bool = True):
        if config.dispatcher_address is None:
            raise ValueError("Must specify a `dispatcher_address` in the `config` passed to `WorkerServer`.")
        self._config = config
        port = config.port or 10000 + secrets.randbelow(50000)
        self._address = config.worker_address.replace("%port%", str(port))
        self._dispatcher = dispatcher_name(config.dispatcher_address)
        if start:
            self.start()

    def _start_actor(self) -> Any:
        name = f"tf_data_worker:{self._address}:{secrets.token_hex(4)}"
        patience = self._config.dispatcher_timeout_ms / 1000 or _DEFAULT_SECONDS
        actor = ray_session.actor(
            Worker, name, self._dispatcher, name, self._address, patience, max_concurrency=_CALLS_AT_ONCE
        )
        try:
            answer(actor.ready.remote(), "the start of a worker", patience + _DEFAULT_SECONDS)
        except errors.UnavailableError:
            if ray_session.find_actor(self._dispatcher) is not None:
                raise
            raise errors.DeadlineExceededError(
                None, None, f"there is no tf.data service dispatcher at {self._config.dispatcher_address!r} in this Ray cluster: "
                "start it first, and give all programs the same RAY_ADDRESS",
            ) from None  # fmt: skip
        return actor

    def _num_tasks(self) -> int:
        return self._asked("tasks")
