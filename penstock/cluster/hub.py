"""The hub of a `Rendezvous`, which runs in task 0: it collects what tasks bring, and watches over their connections."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Sequence

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
    accepted,
)  # fmt: skip


class _Meeting:
    """What has been brought to one meeting so far."""

    def __init__(self) -> None:
        self.places: dict[int, str] = {}
        self.parts: dict[int, bytes] = {}
        self.deadline = float("inf")


class Hub:
    """Accepts the tasks' connections and serves each on a thread of its own.

    Args:
      names: of the tasks. port: where to listen, on all interfaces.
      digest: what every task must say, so that those of another cluster are refused.
      deadline: until when all must have come. silence_timeout: see `Rendezvous`.

    Raises:
      OSError: the port cannot be listened at.
    """

    def __init__(self, names: Sequence[str], port: int, digest: str, deadline: float, silence_timeout: float):
        self._names, self._digest = names, digest
        self._deadline, self._silence_timeout = deadline, silence_timeout
        self._changed = threading.Condition(threading.RLock())
        self._tasks: dict[int, Connection] = {}
        self._started = self._closed = False
        self._gone: dict[int, str] = {}  # task -> why; empty text for one that has ended as usual
        self._failure: tuple[bytes, str] | None = None
        self._meetings: dict[int, _Meeting] = {}
        self._listener = _listen(port, deadline)
        for work in (self._accept, self._watch):
            threading.Thread(target=work, name=f"hub-{work.__name__}", daemon=True).start()

    def close(self, patience: float) -> None:
        """Ends, after all tasks have gone, or after `patience` seconds."""
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._gone) == len(self._names) or self._failure is not None, patience
            )
            self._closed = True
        self._listener.close()
        for each in list(self._tasks.values()):
            each.close()

    # Coming.

    def _accept(self) -> None:
        for stream in accepted(self._listener):
            connection = Connection(stream, self._silence_timeout)
            threading.Thread(target=self._serve, args=(connection,), name="hub-serve", daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        hello = connection.receive()
        if hello is None or hello.kind != HELLO:
            connection.close()
            return
        refusal = self._refusal(hello)
        if refusal is not None:
            connection.send(Message(REFUSED, place=refusal))
            connection.close()
            return
        task = hello.task
        self._come(task, connection)
        while (message := connection.receive()) is not None:
            if message.kind == MEET:
                self._meet(message)
            elif message.kind == BEAT:
                connection.send(Message(BEAT))
            elif message.kind == LEAVE:
                self._leave(task, message.place)
        with self._changed:
            if not self._started and self._tasks.get(task) is connection:
                del self._tasks[task]  # it may come again
            elif task not in self._gone:
                self._lose(
                    task, "its connection ended: the process was killed, or its machine is not reachable"
                )

    def _refusal(self, hello: Message) -> str | None:
        """Why a task may not come; empty text where it may try again later."""
        if hello.place != self._digest or not 0 <= hello.task < len(self._names):
            return (
                f"{self._names[0]} knows another cluster than the task that came: every task needs the same 'cluster' in "
                "TF_CONFIG"
            )
        with self._changed:
            return "" if self._started or self._closed or hello.task in self._tasks else None

    def _come(self, task: int, connection: Connection) -> None:
        with self._changed:
            self._tasks[task] = connection
            if self._failure is not None:
                code, text = self._failure
                connection.send(Message(FAILED, place=text, payload=code))
            elif len(self._tasks) == len(self._names):
                self._started = True
                for each in self._tasks.values():
                    each.send(Message(WELCOME))

    # Meeting.

    def _meet(self, message: Message) -> None:
        with self._changed:
            if self._failure is not None:
                return  # everybody has been told
            if self._gone:
                who = ", ".join(self._names[each] for each in sorted(self._gone))
                self._fail(b"U", f"{who} ended its program, while others still meet at {message.place}")
                return
            meeting = self._meetings.setdefault(message.number, _Meeting())
            (skip,) = LENGTH.unpack_from(message.payload)
            start = LENGTH.size + skip
            if skip:
                seconds = float(message.payload[LENGTH.size : start])
                meeting.deadline = min(meeting.deadline, time.monotonic() + seconds)
            meeting.places[message.task] = message.place
            meeting.parts[message.task] = message.payload[start:]
            if len(set(meeting.places.values())) > 1:
                where = "; ".join(f"{self._names[task]}: {place}" for task, place in meeting.places.items())
                self._fail(b"I", f"the tasks of the cluster do different things. {where}")
                return
            if len(meeting.parts) < len(self._names):
                return
            del self._meetings[message.number]
        parts = [meeting.parts[task] for task in range(len(self._names))]
        if len(set(parts)) == 1:
            parts = parts[:1]  # all agree: one copy says so
        data = b"".join(LENGTH.pack(len(part)) + part for part in parts)
        for each in self._tasks.values():
            each.send(Message(RESULT, number=message.number, payload=data))

    # Going.

    def _leave(self, task: int, reason: str) -> None:
        with self._changed:
            if reason:
                self._lose(task, reason)
                return
            self._gone[task] = ""
            for each in self._tasks.values():
                each.send(Message(LEAVE, task))
            if self._meetings:
                place = next(iter(next(iter(self._meetings.values())).places.values()))
                self._fail(b"U", f"{self._names[task]} ended its program, while others still meet at {place}")
            self._changed.notify_all()

    def _lose(self, task: int, reason: str) -> None:
        self._gone[task] = reason
        self._fail(b"U", f"{self._names[task]} is gone: {reason}")

    def _fail(self, code: bytes, text: str) -> None:
        """Tells everybody, once."""
        with self._changed:
            if self._failure is not None or self._closed:
                return
            self._failure = (code, text)
            self._changed.notify_all()
        message = Message(FAILED, place=text, payload=code)
        for task in sorted(self._tasks, reverse=True):  # task 0 last: it may end, and the hub with it
            if task in self._gone:  # who does not take what was sent before would keep the others waiting
                threading.Thread(target=self._tasks[task].send, args=(message,), daemon=True).start()
            else:
                self._tasks[task].send(message)

    def _watch(self) -> None:
        """Looks for tasks that do not come, or fall silent."""
        while self._failure is None and not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._closed, 0.2)
                now = time.monotonic()
                if not self._started:
                    if now > self._deadline:
                        late = [name for i, name in enumerate(self._names) if i not in self._tasks]
                        self._fail(b"D", f"{', '.join(late)} did not come: the cluster waited for it in vain")
                    continue
                for task, connection in self._tasks.items():
                    silent = now - connection.heard
                    if task not in self._gone and silent > self._silence_timeout:
                        self._lose(task, f"no sign of life for {silent:.0f} s")
                for meeting in self._meetings.values():
                    if now > meeting.deadline:
                        late = [name for i, name in enumerate(self._names) if i not in meeting.parts]
                        place = next(iter(meeting.places.values()))
                        self._fail(b"D", f"{', '.join(late)} did not come to {place} in time")
                        break


def _listen(port: int, deadline: float) -> socket.socket:
    """A listening socket; waits for an earlier program to leave the port."""
    while True:
        try:
            if socket.has_dualstack_ipv6():
                return socket.create_server(
                    ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
                )
            return socket.create_server(("", port), backlog=1024)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise OSError(
                    error.errno, f"task 0 of the cluster cannot listen at port {port}: {error.strerror}"
                ) from None
            time.sleep(0.1)
