"""Where the tasks of a cluster meet: small messages over TCP, beside the collectives of XLA programs.

Task 0 listens at its own address and runs the hub; every task, task 0 too, connects to it. A meeting takes the bytes of
all tasks and gives them to all. The hub notices at once when a connection breaks, and after a while when a task falls
silent, and tells everybody which task it was; so nobody waits for the dead.
"""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from penstock.cluster.hub import Hub
from penstock.cluster.messages import (
    BEAT,
    FAILED,
    HELLO,
    LEAVE,
    LENGTH,
    MEET,
    REFUSED,
    RESULT,
    WELCOME,
    Connection,
    Message,
)  # fmt: skip
from penstock.types import errors

_RETRY_SECONDS = 0.1

_ERRORS: dict[bytes, Any] = {
    b"U": errors.UnavailableError,  # a task is gone
    b"D": errors.DeadlineExceededError,  # a task did not come in time
    b"I": errors.InternalError,  # the tasks do different things
}


class Rendezvous:
    """A task's place among the tasks of its cluster. Making it waits until all have come.

    Args:
      names: of the tasks, for people: "worker 1 (host:port)".
      addresses: of the tasks, "host:port"; the first one's is where all meet.
      index: which task this is.
      start_timeout: how many seconds to wait for the others in the beginning.
      silence_timeout: after how many seconds without a sign of life a task counts as lost.

    Raises:
      DeadlineExceededError: a task did not come in time.
      InvalidArgumentError: task 0 knows another cluster.
    """

    def __init__(
        self,
        names: Sequence[str],
        addresses: Sequence[str],
        index: int,
        start_timeout: float = 300.0,
        silence_timeout: float = 60.0,
    ):
        self.names, self.index, self.count = tuple(names), index, len(names)
        self.failure: errors.OpError | None = None
        self.left: set[int] = set()
        self._silence_timeout = silence_timeout
        self._watchers: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._results: dict[int, bytes] = {}
        self._meetings = 0
        self._leaving = False
        digest = hashlib.sha256("\n".join([*names, *addresses]).encode()).hexdigest()
        deadline = time.monotonic() + start_timeout
        self._hub = (
            Hub(self.names, _port(addresses[0]), digest, deadline, silence_timeout) if index == 0 else None
        )
        self._connection = self._connect(addresses[0], digest, deadline)
        for work in (self._listen, self._beat):
            threading.Thread(target=work, name=f"rendezvous-{work.__name__}", daemon=True).start()

    @property
    def is_remote(self) -> bool:
        """Whether task 0 is on another machine."""
        return self._connection.leaves_machine

    # Meeting.

    def meet(self, place: str, payload: bytes = b"", timeout: float | None = None) -> list[bytes]:
        """What all tasks bring, in their order. Every task must come to the same places in the same order.

        Args:
          place: what the meeting is for, the same text for all.
          payload: what this task brings.
          timeout: how many seconds to wait for the others, None as long as they live.

        Raises:
          UnavailableError: a task is gone. DeadlineExceededError: one did not come in time.
          InternalError: the tasks came to different places.
        """
        data = self._meet(place, payload, timeout)
        parts, position = [], 0
        while position < len(data):
            (size,) = LENGTH.unpack_from(data, position)
            position += LENGTH.size
            parts.append(data[position : position + size])
            position += size
        return parts if len(parts) == self.count else parts * self.count  # one, where all brought the same

    def first(self, place: str, payload: bytes = b"", timeout: float | None = None) -> bytes:
        """What task 0 brings; the others bring nothing. Errors as of `meet`."""
        return self.meet(place, payload if self.index == 0 else b"", timeout)[0]

    def _meet(self, place: str, payload: bytes, timeout: float | None) -> bytes:
        with self._changed:
            if self.failure is not None:
                raise self.failure
            number = self._meetings
            self._meetings += 1
        within = b"" if timeout is None else f" {timeout}".encode()
        self._connection.send(
            Message(MEET, self.index, number, place, LENGTH.pack(len(within)) + within + payload)
        )
        with self._changed:
            self._changed.wait_for(lambda: number in self._results or self.failure is not None)
            if number in self._results:
                return self._results.pop(number)
            raise self.failure

    def on_failure(self, watcher: Callable[[], None]) -> None:
        """Calls `watcher` on a thread of its own when a task is lost, or has ended while others have not."""
        self._watchers.append(watcher)

    def wait_for_failure(self, seconds: float) -> bool:
        """Whether it is known, or becomes known within a time, that a task is lost or has ended."""
        with self._changed:
            return self._changed.wait_for(lambda: self.failure is not None or bool(self.left), seconds)

    def leave(self, reason: str = "", patience: float = 60.0) -> None:
        """Says goodbye; the hub's task waits until all have.

        Args:
          reason: why a task ends before its time; the others hear of it. Empty for the usual end.
          patience: how many seconds the hub waits for the others.
        """
        self._leaving = True
        self._connection.send(Message(LEAVE, self.index, place=reason))
        if self._hub is not None:
            self._hub.close(0.0 if reason or self.failure is not None else patience)
        self._connection.close()

    # Threads.

    def _connect(self, address: str, digest: str, deadline: float) -> Connection:
        host, _, port = address.rpartition(":")
        host = "localhost" if self._hub is not None else host.strip("[]")
        while True:
            try:
                stream = socket.create_connection(
                    (host, int(port)), timeout=max(1.0, deadline - time.monotonic())
                )
            except OSError as error:
                if time.monotonic() > deadline:
                    raise errors.DeadlineExceededError(
                        None, None, f"{self.names[self.index]} waited for {self.names[0]}, which did not come: {error}"
                    ) from None  # fmt: skip
                time.sleep(_RETRY_SECONDS)
                continue
            connection = Connection(stream, self._silence_timeout)
            connection.send(Message(HELLO, self.index, place=digest))
            answer = connection.receive()
            if answer is not None and answer.kind == WELCOME:
                return connection
            connection.close()
            if answer is not None and answer.kind == FAILED:
                if self._hub is not None:
                    self._hub.close(0.0)
                raise _ERRORS[answer.payload](None, None, answer.place)
            if answer is not None and answer.kind == REFUSED and answer.place:
                raise errors.InvalidArgumentError(None, None, answer.place)
            if time.monotonic() > deadline:
                raise errors.DeadlineExceededError(
                    None,
                    None,
                    f"{self.names[0]} is still busy with an earlier run of {self.names[self.index]}",
                )
            time.sleep(_RETRY_SECONDS)

    def _listen(self) -> None:
        while (message := self._connection.receive()) is not None:
            if message.kind == RESULT:
                with self._changed:
                    self._results[message.number] = message.payload
                    self._changed.notify_all()
            elif message.kind == FAILED:
                self._fail(_ERRORS[message.payload](None, None, message.place))
            elif message.kind == LEAVE:
                with self._changed:
                    self.left.add(message.task)
                    self._changed.notify_all()
                self._tell_watchers()
        if not self._leaving:
            self._fail(errors.UnavailableError(None, None, f"{self.names[0]} is gone: its connection ended"))

    def _beat(self) -> None:
        while self.failure is None and not self._leaving:
            self._connection.send(Message(BEAT, self.index))
            time.sleep(self._silence_timeout / 6)
            silent = time.monotonic() - self._connection.heard
            if silent > self._silence_timeout and not self._leaving:
                self._fail(
                    errors.UnavailableError(
                        None, None, f"{self.names[0]} is gone: no sign of life for {silent:.0f} s"
                    )
                )

    def _fail(self, failure: errors.OpError) -> None:
        with self._changed:
            if self.failure is not None:
                return
            self.failure = failure
            self._changed.notify_all()
        self._tell_watchers()

    def _tell_watchers(self) -> None:
        for each in self._watchers:
            threading.Thread(target=each, name="rendezvous-watcher", daemon=True).start()


def _port(address: str) -> int:
    port = address.rpartition(":")[2]
    if not port.isdigit():
        raise ValueError(f"the address of a task must be host:port, got {address!r}")
    return int(port)
