"""Messages between the tasks of a cluster, and the connections that carry them. Nothing but bytes is ever interpreted."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import NamedTuple

_HEADER = struct.Struct(">cIIIQ")  # kind, task, number, length of the place, length of the payload
LENGTH = struct.Struct(">Q")

# Kinds of messages.
HELLO, WELCOME, REFUSED, MEET, RESULT, FAILED, BEAT, LEAVE = b"h", b"w", b"x", b"m", b"r", b"f", b"b", b"l"


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `"host:port"`.

    Raises:
      ValueError: it is no such text.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"expected an address host:port, got {address!r}")
    return host, int(port)


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
    """One end of a TCP connection that carries messages; any thread may send."""

    def __init__(self, stream: socket.socket):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.settimeout(None)
        self._stream = stream
        self._lock = threading.Lock()
        self.heard = time.monotonic()

    def send(self, message: Message) -> None:
        """Sends; a broken connection is noticed by who receives."""
        place = message.place.encode()
        head = _HEADER.pack(message.kind, message.task, message.number, len(place), len(message.payload))
        with self._lock, contextlib.suppress(OSError):
            self._stream.sendall(head + place + message.payload)

    def receive(self) -> Message | None:
        """The next message; None when the connection has ended or is broken."""
        try:
            head = self._read(_HEADER.size)
            kind, task, number, place, payload = _HEADER.unpack(head)
            message = Message(kind, task, number, self._read(place).decode(), self._read(payload))
        except OSError:
            return None
        self.heard = time.monotonic()
        return message

    def _read(self, size: int) -> bytes:
        parts = bytearray(size)
        view = memoryview(parts)
        while view:
            count = self._stream.recv_into(view)
            if not count:
                raise ConnectionResetError
            view = view[count:]
        return bytes(parts)

    def close(self) -> None:
        """Ends the connection; who waits in `receive` gets None."""
        with contextlib.suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        self._stream.close()
