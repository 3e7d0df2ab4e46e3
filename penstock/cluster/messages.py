"""Messages between the tasks of a cluster, and the connections that carry them. Nothing but bytes is ever interpreted."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

_HEADER = struct.Struct(">cIIIQ")  # kind, task, number, length of the place, length of the payload
LENGTH = struct.Struct(">Q")

# Why a connection cannot be accepted now, although later ones can: it has ended already, or too many files are open.
_PASSING = (errno.ECONNABORTED, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE = 0.1  # seconds

# Kinds of messages.
HELLO, WELCOME, REFUSED, MEET, RESULT, FAILED, BEAT, LEAVE = b"h", b"w", b"x", b"m", b"r", b"f", b"b", b"l"
CALL, ERROR = b"c", b"e"
_KINDS = frozenset((HELLO, WELCOME, REFUSED, MEET, RESULT, FAILED, BEAT, LEAVE, CALL, ERROR))


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `"host:port"`.

    Raises:
      ValueError: it is no such text.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"expected an address host:port, got {address!r}")
    return host, int(port)


def silence_timeout() -> float:
    """After how many seconds without a sign of life the other end of a connection counts as lost."""
    return float(os.environ.get("PENSTOCK_SILENCE_TIMEOUT", "60"))


class Message(NamedTuple):
    """What goes over a connection.

    Attributes:
      kind: one of the above. task: who sends it. number: which meeting, or a time in milliseconds.
      place: text. payload: bytes.
    """

    kind: bytes
    task: int = 0
    number: int = 0
    place: str = ""
    payload: bytes = b""


class Connection:
    """One end of a TCP connection that carries messages; any thread may send.

    Args:
      stream: the connected socket. silence: after how many seconds without an answer of the other machine it is broken.

    Attributes:
      heard: when bytes came last, by `time.monotonic()`.
    """

    def __init__(self, stream: socket.socket, silence: float):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.settimeout(None)
        _break_after(silence, stream)
        self._stream = stream
        self._lock = threading.Lock()
        self.heard = time.monotonic()

    @property
    def leaves_machine(self) -> bool:
        """Whether the other end is on another machine."""
        ours, theirs = self._stream.getsockname()[0], self._stream.getpeername()[0]
        return ours != theirs and not ipaddress.ip_address(theirs).is_loopback

    def send(self, message: Message) -> None:
        """Sends; a broken connection is noticed by who receives."""
        place = message.place.encode()
        head = _HEADER.pack(message.kind, message.task, message.number, len(place), len(message.payload))
        with self._lock, contextlib.suppress(OSError):
            self._stream.sendall(head + place + message.payload)

    def receive(self) -> Message | None:
        """The next message; None when the connection has ended or is broken, or the other end speaks another language."""
        try:
            head = self._read(_HEADER.size)
            kind, task, number, place, payload = _HEADER.unpack(head)
            if kind not in _KINDS:  # lengths that are none would have us wait for more bytes than there are
                return None
            message = Message(kind, task, number, self._read(place).decode(), self._read(payload))
        except OSError:
            return None
        return message

    def _read(self, size: int) -> bytes:
        parts = bytearray(size)
        view = memoryview(parts)
        while view:
            count = self._stream.recv_into(view)
            if not count:
                raise ConnectionResetError
            self.heard = time.monotonic()
            view = view[count:]
        return bytes(parts)

    def close(self) -> None:
        """Ends the connection; who waits in `receive` gets None."""
        with contextlib.suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        self._stream.close()


def accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections that come to a listener, until it is closed."""
    while True:
        try:
            yield listener.accept()[0]
        except OSError as problem:
            if listener.fileno() < 0 or problem.errno not in _PASSING:
                return
            time.sleep(_PAUSE)


def _break_after(seconds: float, stream: socket.socket) -> None:
    """Has the kernel break a connection whose other machine is silent, while nothing is sent and while a send waits.

    Otherwise who only waits for an answer would never learn of a cut cable, and who sends only after a quarter of an hour.
    """
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    probes = 3
    between = max(1, int(seconds / (probes + 1)))
    for name, value in (
        ("TCP_KEEPIDLE", between),
        ("TCP_KEEPALIVE", between),  # what macOS calls it
        ("TCP_KEEPINTVL", between),
        ("TCP_KEEPCNT", probes),
        ("TCP_USER_TIMEOUT", max(1, int(1000 * seconds))),
    ):
        if hasattr(socket, name):
            stream.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
