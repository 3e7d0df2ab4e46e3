"""Attaches this process to a Ray cluster, or starts one on this machine.

Everything that runs on Ray asks here, so that a program has one cluster however many parts of it need one. Ray is an
optional dependency and is imported on first use. A cluster that was started here ends with this process.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pathlib
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from penstock.cluster.messages import split_address
from penstock.engine import background_threads
from penstock.types import errors

NAMESPACE = "penstock"  # of the names of actors: all programs of one cluster see each other's
_ENDS_WITHIN = 2.0  # seconds from the end of a cluster's actors to that of its processes
_BETWEEN_LOOKS = 0.1
_BREATH_SECONDS = 0.5  # the longest call of Ray's: the program may end meanwhile
_LOOK_SECONDS = 10.0  # without an answer, after which an actor is looked for
_STARTS = 3  # attempts: Ray gives its processes 30 seconds, which a busy machine may exceed
OBJECT_STORE_BYTES = 512 << 20  # of a cluster that is started here; arrays travel through it, none stay

_lock = threading.Lock()
_leaving = threading.Event()


def ray() -> Any:
    """The module `ray`.

    Raises:
      ImportError: it is not installed.
    """
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # only `connect` starts clusters
    try:
        import ray as module
    except ImportError as missing:
        raise ImportError(
            "parameter servers and distributed input pipelines run on Ray, which is not installed: "
            'pip install "penstock[distributed]"'
        ) from missing
    return module


def connect(address: str | None = None) -> str:
    """Makes this process part of a Ray cluster, once.

    Args:
      address: `host:port` of the cluster. By default that of the environment variable `RAY_ADDRESS`; without one, a
        cluster is started on this machine, with the environment of this process, and ends with it.

    Returns:
      The cluster's address, with which other processes can attach.

    Raises:
      ImportError: Ray is not installed. UnavailableError: there is no cluster at the address.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    if address:
        _show_token()
    module = ray()
    with _lock:
        if not module.is_initialized():
            if address:
                _attach(module, address)
            else:
                _start(module)
            _leaving.clear()
            atexit.register(_leave)
    return module.get_runtime_context().gcs_address


def lives(seconds: float = _ENDS_WITHIN) -> bool:
    """Whether the cluster that this process is part of still does: nothing ends it for so many seconds.

    Ray's own calls wait for a minute for a cluster that has ended, and then end the process.
    """
    address = ray().get_runtime_context().gcs_address
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            socket.create_connection(split_address(address), timeout=seconds).close()
        except OSError:
            return False
        time.sleep(_BETWEEN_LOOKS)
    return True


def end_quietly() -> None:
    """Lets SIGTERM end the process as it ends others: Ray prints the stacks of its threads, and waits for its cluster."""
    handler = signal.getsignal(signal.SIGTERM)
    is_rays = getattr(handler, "__module__", "").startswith("ray.")
    if is_rays and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def is_connected() -> bool:
    """Whether this process is part of a Ray cluster."""
    return "ray" in sys.modules and ray().is_initialized()


def _leave() -> None:
    """Ends what waits in threads, and leaves: Ray ends a process that calls it after that, with status 1."""
    _leaving.set()
    background_threads.end_all()
    disconnect()


def is_leaving() -> bool:
    """Whether the program ends: who waits for the cluster gets a CancelledError."""
    return _leaving.is_set()


def disconnect() -> None:
    """Leaves the cluster; one that was started here ends."""
    if is_connected():
        ray().shutdown()


def _show_token() -> None:
    """Has Ray show its token, where this user has one, to a cluster that may ask for it. Ray reads this when it is imported."""
    has_token = pathlib.Path("~/.ray/auth_token").expanduser().exists()
    if has_token or {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _attach(module: Any, address: str) -> None:
    environment = {"PYTHONPATH": _python_path()}
    try:
        module.init(
            address=address,
            namespace=NAMESPACE,
            runtime_env={"env_vars": environment},
            logging_level="ERROR",
        )
    except ConnectionError as problem:
        raise errors.UnavailableError(
            None, None, f"there is no Ray cluster at {address!r}: {problem}"
        ) from None


def _start(module: Any) -> None:
    with _environment(
        PYTHONPATH=_python_path(),
        RAY_USAGE_STATS_ENABLED="0",
        # Ray would end actors, with the variables that they hold, when other programs take the machine's memory.
        RAY_memory_monitor_refresh_ms="0",
    ):
        for attempt in range(1, _STARTS + 1):
            try:
                module.init(
                    address="local",  # not whatever cluster another program has on this machine
                    num_cpus=max(os.cpu_count() or 1, 8),  # actors wait more than they compute
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    namespace=NAMESPACE,
                    logging_level="ERROR",
                )
                return
            except Exception as problem:  # Ray has no class for it
                if attempt == _STARTS or "timed out during startup" not in str(problem):
                    raise


def _python_path() -> str:
    """What processes of the cluster need to import this package, wherever it lies."""
    root = str(pathlib.Path(__file__).parents[2])
    rest = os.environ.get("PYTHONPATH", "")
    return rest if root in rest.split(os.pathsep) else os.pathsep.join(filter(None, [root, rest]))


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# Actors.


def actor(cls: type, name: str, *args: Any, anywhere: bool = False, **options: Any) -> Any:
    """Starts an actor that `find_actor` finds by its name.

    It reserves no CPU: whoever starts actors decides how many there are. It ends with the process that started it.

    Args:
      cls: its class. name: its name in the cluster; another one may have it after this one's end. args: of the class.
      anywhere: whether actors are spread over the machines of the cluster; else they are on the machine of this process.
      options: further ones of Ray.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # Ray keeps the name of a dead actor as long as somebody holds a handle of it, so each has one of its own.
    own_name = f"{name}@{uuid.uuid4().hex[:8]}"
    here = ray().get_runtime_context().get_node_id()
    # Not softly: Ray takes no heed of that where no CPU is reserved.
    place = "SPREAD" if anywhere else NodeAffinitySchedulingStrategy(here, soft=False)
    options = {"num_cpus": 0, "max_restarts": 0, "scheduling_strategy": place, **options}
    return ray().remote(cls).options(name=own_name, namespace=NAMESPACE, **options).remote(*args)


def find_actor(name: str) -> Any | None:
    """The living actor that was started under that name; None where there is none."""
    for found in ray().util.list_named_actors(all_namespaces=True):
        if found["namespace"] == NAMESPACE and found["name"].startswith(f"{name}@"):
            try:
                return ray().get_actor(found["name"], namespace=NAMESPACE)
            except ValueError:
                pass  # it has ended since
    return None


def wait_for(found: Callable[[], Any], seconds: float, what: str) -> Any:
    """What `found()` returns as soon as that is not None.

    Raises:
      DeadlineExceededError: it stays None for that long; the message names `what`. CancelledError: the program ends.
    """
    until = time.monotonic() + seconds
    while (value := found()) is None:
        _end_if_leaving()
        if time.monotonic() > until:
            raise errors.DeadlineExceededError(None, None, f"waited {seconds:g} s for {what}")
        time.sleep(0.05)
    return value


class ActorLostError(Exception):
    """An actor that somebody waits for is gone."""


def get(reference: Any, seconds: float) -> Any:
    """What a call of an actor gives within so many seconds.

    Raises:
      ray.exceptions.GetTimeoutError: it gives nothing. CancelledError: the program ends. Otherwise what the call raised.
    """
    until = time.monotonic() + seconds
    while True:
        left = max(0.0, until - time.monotonic())
        try:
            return ray().get(reference, timeout=min(left, _BREATH_SECONDS))
        except ray().exceptions.GetTimeoutError:
            _end_if_leaving()
            if left <= _BREATH_SECONDS:
                raise


def _end_if_leaving() -> None:
    if _leaving.is_set():
        raise errors.CancelledError(None, None, "the program ends, and leaves its Ray cluster")


def result(reference: Any, actor: Any, name: str) -> Any:
    """What a call of an actor gives, however long that takes, as long as the actor lives.

    Args:
      reference: of the call. actor: who was asked. name: under which it was started.

    Raises:
      an error that `is_lost`, where the actor is gone. CancelledError: the program ends. Otherwise what the call raised.
    """
    while True:
        try:
            return get(reference, _LOOK_SECONDS)
        except ray().exceptions.GetTimeoutError:
            # Where Ray does not notice that an actor has ended, this does: another one has its name, or none.
            found = find_actor(name)
            if found is None or found._actor_id != actor._actor_id:
                raise ActorLostError(f"{name} is gone") from None


def is_lost(error: BaseException) -> bool:
    """Whether an error of a call means that the actor, or its node, is gone."""
    found = ray().exceptions
    return isinstance(
        error,
        (ActorLostError, found.RayActorError, found.ActorUnavailableError, found.NodeDiedError, found.OwnerDiedError,
         found.WorkerCrashedError),
    )  # fmt: skip
