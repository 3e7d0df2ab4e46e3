"""How the tasks of a cluster find the Ray cluster that the coordinator has: they ask at the coordinator's own address.

`TF_CONFIG` gives every task the address of the chief. TensorFlow listens there for its own protocol; here the chief
answers each connection with one line, the address of the Ray cluster.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from penstock.cluster.messages import accepted, split_address
from penstock.types import errors

_GREETING = "penstock-ray "


def serve(address: str, ray_address: str) -> socket.socket:
    """Answers at `address` with the address of the Ray cluster, as long as the socket that is returned is open.

    Raises:
      OSError: something else listens there.
    """
    host, port = split_address(address)
    listener = socket.create_server((host, port), reuse_port=False)

    def answer() -> None:
        for asking in accepted(listener):
            with asking, contextlib.suppress(OSError):  # who asked has gone
                asking.sendall(f"{_GREETING}{ray_address}\n".encode())

    threading.Thread(target=answer, name="rendezvous", daemon=True).start()
    return listener


def ask(address: str, seconds: float) -> str:
    """The address of the Ray cluster, as the chief at `address` says; waits until the chief is there.

    Raises:
      DeadlineExceededError: it is not there after so many seconds.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(split_address(address), timeout=5) as connection:
                said = connection.makefile("r").readline()
            if said.startswith(_GREETING):
                return said[len(_GREETING) :].strip()
        except OSError:
            pass
        if time.monotonic() > until:
            raise errors.DeadlineExceededError(
                None,
                None,
                f"no coordinator answers at {address}, the chief's address in the cluster, since {seconds:g} s",
            )
        time.sleep(0.2)
