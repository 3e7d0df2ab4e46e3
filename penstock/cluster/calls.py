"""Calls of functions in another process: a server that answers over TCP, and a client that has many calls under way.

A message carries arrays and text, and nothing in it is ever code. `tf.distribute.experimental.rpc` is built on this.
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from penstock.cluster.array_bytes import from_bytes, to_bytes
from penstock.cluster.messages import CALL, ERROR, RESULT, Connection, Message, accepted, silence_timeout
from penstock.types import errors

_THREADS = 8  # that a server runs functions on
_BETWEEN_ATTEMPTS = 0.05  # seconds, to connect

Function = Callable[[list[np.ndarray]], Sequence[np.ndarray]]


class CallServer:
    """Runs functions that clients ask for by their names.

    Args:
      address: `host:port` where it will listen.
      functions: by name, each from arrays to arrays; more may be added at any time.
    """

    def __init__(self, address: tuple[str, int], functions: dict[str, Function]):
        self._address, self._functions = address, functions
        self._listener: socket.socket | None = None
        self._connections: list[Connection] = []
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="calls")

    def start(self) -> None:
        """Begins to answer.

        Raises:
          OSError: something else listens at the address.
        """
        self._listener = socket.create_server(self._address)
        threading.Thread(target=self._accept, args=(self._listener,), name="calls", daemon=True).start()

    def close(self) -> None:
        """Ends all connections."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for each in list(self._connections):
            each.close()
        self._pool.shutdown(wait=False)

    def _accept(self, listener: socket.socket) -> None:
        for stream in accepted(listener):
            connection = Connection(stream, silence_timeout())
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), name="calls", daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        while (asked := connection.receive()) is not None:
            try:
                self._pool.submit(self._answer, connection, asked)
            except RuntimeError:  # the server is closed
                break
        connection.close()
        self._connections.remove(connection)

    def _answer(self, connection: Connection, asked: Message) -> None:
        try:
            function = self._functions.get(asked.place)
            if function is None:
                known = ", ".join(sorted(self._functions)) or "none"
                raise errors.NotFoundError(
                    None, None, f"the server has no method {asked.place!r}; it has: {known}"
                )
            payload = to_bytes([np.asarray(each) for each in function(from_bytes(asked.payload))])
            connection.send(Message(RESULT, number=asked.number, payload=payload))
        except errors.OpError as error:
            connection.send(Message(ERROR, error.error_code, asked.number, error.message))
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            connection.send(Message(ERROR, errors.INTERNAL, asked.number, text))


class CallClient:
    """A connection to a `CallServer`.

    Args:
      address: host and port. seconds: how long to try to reach it; None for one attempt.

    Raises:
      UnavailableError: nobody answers there. DeadlineExceededError: nobody did for so many seconds.
    """

    def __init__(self, address: tuple[str, int], seconds: float | None):
        self._name = f"{address[0]}:{address[1]}"
        stream = self._reach(address, seconds)
        self._connection = Connection(stream, silence_timeout())
        self._numbers = itertools.count()
        self._waiting: dict[int, Future] = {}
        self._lock = threading.Lock()
        self._lost = False
        threading.Thread(target=self._listen, name="calls", daemon=True).start()

    def call(self, name: str, arrays: Sequence[np.ndarray]) -> Future:
        """What will be the arrays that a function of the server returns, or the error that it ends in."""
        future: Future = Future()
        with self._lock:
            if self._lost:
                future.set_exception(self._gone())
                return future
            number = next(self._numbers)
            self._waiting[number] = future
        self._connection.send(Message(CALL, number=number, place=name, payload=to_bytes(arrays)))
        return future

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _listen(self) -> None:
        while (answer := self._connection.receive()) is not None:
            with self._lock:
                future = self._waiting.pop(answer.number, None)
            if future is None:
                break  # an answer to nothing: the other end is no server of ours
            try:
                if answer.kind == RESULT:
                    future.set_result(from_bytes(answer.payload))
                else:
                    future.set_exception(_error(answer.task, answer.place))
            except (ValueError, TypeError) as problem:
                future.set_exception(
                    _error(errors.DATA_LOSS, f"{self._name} answers with no arrays: {problem}")
                )
        self._connection.close()
        with self._lock:
            self._lost = True
            waiting, self._waiting = list(self._waiting.values()), {}
        for each in waiting:
            each.set_exception(self._gone())

    def _reach(self, address: tuple[str, int], seconds: float | None) -> socket.socket:
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            try:
                return socket.create_connection(address, timeout=seconds)
            except OSError as problem:
                if until is None:
                    raise errors.UnavailableError(
                        None, None, f"no connection to {self._name}: {problem}"
                    ) from None
            if time.monotonic() > until:
                raise errors.DeadlineExceededError(
                    None, None, f"no connection to {self._name} within {seconds:g} s"
                )
            time.sleep(_BETWEEN_ATTEMPTS)

    def _gone(self) -> errors.OpError:
        return errors.UnavailableError(None, None, f"the connection to {self._name} has ended")


def _error(code: int, message: str) -> errors.OpError:
    return errors.exception_type_from_error_code(code)(None, None, message)  # type: ignore[call-arg]  # knows its code
