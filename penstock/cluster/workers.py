"""The workers of a cluster that run one program together: what each of them knows of the others.

`process.workers` is this object while a `MultiWorkerMirroredStrategy` spans several processes. Arrays go between the
processes in two ways: inside of XLA programs by collectives (`runtime/worker_programs.py`), and on the host, where eager
code and unequal batches meet, by the `Rendezvous`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from penstock.cluster.array_bytes import from_bytes, to_bytes
from penstock.cluster.host_memory import HostMemory
from penstock.cluster.rendezvous import Rendezvous
from penstock.types import errors

# How long after the loss of a worker an XLA program may go on before the process is ended: collectives on a network
# card that waits for the dead cannot be interrupted otherwise.
GRACE_SECONDS = 20.0


class Workers:
    """All workers, seen from this one.

    Args:
      rendezvous: where they meet. timeout: how many seconds to wait for each other in a step; None: as long as they live.

    Attributes:
      count: how many there are. index: which one this is; 0 is the chief.
      devices: the JAX devices of each worker, in the order of the workers; set when XLA's processes are connected.
      memory: what all share, where they are on one host; set then, too.
    """

    def __init__(self, rendezvous: Rendezvous, timeout: float | None = None):
        self.rendezvous, self.timeout = rendezvous, timeout
        self.count, self.index = rendezvous.count, rendezvous.index
        self.devices: tuple[tuple[Any, ...], ...] = ()
        self.memory: HostMemory | None = None
        self._programs_started = self._programs_ended = 0
        rendezvous.on_failure(self._end_if_stuck)

    def connected(self) -> None:
        """Notes that JAX's processes are connected, and are to be disconnected when the program ends."""
        atexit.register(self._say_goodbye)  # after JAX has registered itself, so that this runs before

    # Meeting on the host.

    def gather(self, place: str, arrays: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """The arrays of all workers, in their order; shapes may differ.

        Args:
          place: what for, the same text on all workers.
          arrays: those of this worker.

        Raises:
          UnavailableError: a worker is gone. DeadlineExceededError: one did not come in time.
          InternalError: the workers run different programs.
        """
        parts = self.rendezvous.meet(place, to_bytes(arrays), self.timeout)
        return [from_bytes(part) for part in parts]

    def first(self, place: str, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The arrays of the chief. Errors as of `gather`."""
        data = self.rendezvous.first(place, to_bytes(arrays) if self.index == 0 else b"", self.timeout)
        return from_bytes(data)

    def texts(self, place: str, text: str) -> list[str]:
        """A text of each worker. Errors as of `gather`."""
        return [each.decode() for each in self.rendezvous.meet(place, text.encode(), self.timeout)]

    # XLA programs.

    @contextlib.contextmanager
    def program_running(self) -> Iterator[None]:
        """Around the run of a program with collectives: what they fail with becomes the error that says who is gone.

        Raises:
          UnavailableError: a worker is gone.
        """
        from penstock.engine.xla import jax

        if self.rendezvous.failure is not None:
            raise self.rendezvous.failure
        self._programs_started += 1
        try:
            yield
        except (jax.errors.JaxRuntimeError, ValueError) as error:
            # A collective that ends as soon as it is called comes out as a ValueError.
            is_collective = isinstance(error, jax.errors.JaxRuntimeError) or "Gloo" in str(error)
            if not is_collective or not self.rendezvous.wait_for_failure(5.0):
                raise
            raise self.why_gone() from error
        finally:
            self._programs_ended += 1

    def _end_if_stuck(self) -> None:
        """Ends the process if the program that runs now still does after a while, for it waits for who is gone."""
        running = self._programs_started
        if running == self._programs_ended:
            return
        event = threading.Event()
        event.wait(GRACE_SECONDS)
        if running != self._programs_started or running == self._programs_ended:
            return
        why = self.why_gone()
        print(
            f"{type(why).__name__}: {why.message} [a collective still waits for it after {GRACE_SECONDS:.0f} s: this "
            "process ends]",
            file=sys.stderr,
        )
        _end_at_once()

    def why_gone(self) -> errors.OpError:
        """The error that says who is gone."""
        gone = ", ".join(self.rendezvous.names[each] for each in sorted(self.rendezvous.left))
        return self.rendezvous.failure or errors.UnavailableError(
            None, None, f"{gone} ended its program, while a step of the others still needs it"
        )

    def _say_goodbye(self) -> None:
        """When the program ends, before JAX disconnects: task 0 ends last, for the others need it to disconnect."""
        from penstock.engine.xla import jax

        problem = getattr(sys, "last_value", None)
        lost = self.rendezvous.failure is not None
        reason = (
            "" if problem is None else f"its program ended with {type(problem).__name__}: {problem}"[:500]
        )
        if lost and self.index:
            # JAX would end the process by a signal if the coordinator, which is in task 0, were gone.
            self.rendezvous.leave(reason)
            _end_at_once()
        if self.index and jax.distributed.is_initialized():
            with contextlib.suppress(Exception):
                jax.distributed.shutdown()
        self.rendezvous.leave(reason)


def _end_at_once() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(1)
