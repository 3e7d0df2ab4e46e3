"""Memory that the processes of a cluster share where all are on one host: what their programs exchange lies there.

It belongs to no file: the first worker makes it, and hands it to the others through a socket that has no name in the file
system either. So nothing is left behind, however the processes end, and `/dev/shm`, which is small in containers, is not
used. `native/host_memory.h` says how programs use it.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import mmap
import os
import secrets
import socket
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine import native
from penstock.engine.aligned import in_own_memory
from penstock.engine.resources import SharedState
from penstock.engine.xla import jax, wide_types
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape

_SIZE = 1 << 32  # bytes of address space; only what is written to takes memory
_PLACES = 1 << 10  # in one program; `kPlaces` in native/host_memory.cc
_LINE = 64
_LEAST = 1 << 20  # elements of a matrix that is shared
_PATIENCE = 20.0  # seconds for handing over a file descriptor on one machine


class Place(NamedTuple):
    """Where processes meet in a program.

    Attributes:
      number: of the place. offset: where in the memory lies what they bring.
    """

    number: int
    offset: int


class SharedMatrix:
    """A float32 matrix in memory of its own, which all processes see.

    Args:
      memory: as large as the matrix. shape: its.

    Attributes:
      array: the matrix for XLA, without a copy. address: where it begins in this process.
    """

    def __init__(self, memory: mmap.mmap, shape: list[int]):
        self._values = np.frombuffer(memory, np.float32).reshape(shape)
        with wide_types():
            self.array = jax.device_put(self._values)
        self.address = self._values.ctypes.data
        if self.array.unsafe_buffer_pointer() != self.address:
            raise OSError("XLA takes no array of shared memory without a copy")

    def copy(self) -> Any:
        """The matrix as it is now, for XLA. No program changes it before the processes meet again."""
        return jax.block_until_ready(in_own_memory(self._values))

    def write_part(self, value: Any, number: int, count: int) -> None:
        """Takes the rows that belong to one of `count` processes from a value."""
        rows = len(self._values)
        own = slice(rows * number // count, rows * (number + 1) // count)
        self._values[own] = np.asarray(value)[own]


class HostMemory:
    """The memory, seen from one process: where in it a program's exchanges lie, and which states are shared.

    Programs run one after the other, and each uses all of it. All processes trace the same programs, so they agree.

    Args:
      workers: the processes. library: the native one. streams: from the first process to each other one, or to the first.
    """

    def __init__(self, workers: Any, library: Any, streams: Sequence[socket.socket]):
        self.count = workers.count
        self._workers, self._library, self._streams = workers, library, streams
        self._number = self._offset = 0
        self._addresses: dict[int, tuple[Any, Any]] = {}
        self._is_full = False

    # While a program is traced.

    def begin_program(self, matrices: Sequence[Any] = (), addresses: Sequence[Any] = ()) -> None:
        """Called before a program is traced.

        Args:
          matrices: traced values of those that lie in shared memory. addresses: traced scalars that say where.
        """
        self._number = self._offset = 0
        self._addresses = {id(each): (each, address) for each, address in zip(matrices, addresses)}

    def address_of(self, matrix: Any) -> Any | None:
        """Where a traced value lies in shared memory; None where it does not."""
        return self._addresses.get(id(matrix), (None, None))[1]

    def place(self, bytes_of_each: int) -> Place | None:
        """A place where each process brings so many bytes; None where there is no room left."""
        needed = self.count * (_aligned(bytes_of_each) + _LINE)
        room = _SIZE - _PLACES * _LINE - 2 * self.count * _LINE  # without what `penstock_any_process` uses
        if self._number == _PLACES - 1 or self._offset + needed > room:
            return None
        found = Place(self._number, self._offset)
        self._number += 1
        self._offset += needed
        return found

    # States.

    def takes(self, shape: TensorShape, dtype: DType) -> bool:
        """Whether a variable is a matrix that is worth being shared."""
        return (
            dtype is dtypes.float32
            and shape.rank == 2
            and shape.is_fully_defined()
            and math.prod(shape.as_list()) >= _LEAST
        )

    def share(self, states: Sequence[SharedState]) -> bool:
        """Puts the values of states into shared memory, before a program that changes them there.

        All processes call it with the same states. Where a state got another value since the last time, each process
        brings the rows that belong to it.

        Returns:
          False where there is no memory for them.

        Raises:
          UnavailableError: a process is gone.
        """
        for each in states:
            if each.matrix is None and not self._is_full:
                each.matrix = self._new_matrix(each.handle_data.shape.as_list())
        if any(each.matrix is None for each in states):
            return False
        own = [each for each in states if not each.is_shared]
        if self._meets(bool(own)):
            for each in own:
                each.matrix.write_part(each.value, self._workers.index, self.count)
            self._meets(False)
        return True

    def _meets(self, own: bool) -> bool:
        """Whether one of the processes says yes; when all have come."""
        found = self._library.penstock_any_process(own)
        if found < 0:
            self._workers.rendezvous.wait_for_failure(5.0)
            raise self._workers.why_gone()
        return bool(found)

    def _new_matrix(self, shape: list[int]) -> SharedMatrix | None:
        """A matrix that all processes have; None, here and from now on, where one of them gets none."""
        size = 4 * math.prod(shape)
        matrix = None
        with contextlib.ExitStack() as held, contextlib.suppress(OSError, ValueError):
            if self._workers.index == 0:
                file = _new_file(size, held)
                _hand_out(file, self._streams)
            else:
                file = _received(self._streams[0], held)
            matrix = SharedMatrix(mmap.mmap(file, size), shape)
        self._is_full = not _all(self._workers, "whether a matrix is shared", matrix is not None)
        return None if self._is_full else matrix


def _aligned(size: int) -> int:
    return -(-size // _LINE) * _LINE


def share(workers: Any) -> HostMemory | None:
    """Memory that all workers share; None where they are on several hosts, or have no kernels that use it.

    All workers call it at the same time. `PENSTOCK_SHARED_MEMORY=0` in one of them says no.
    """
    library = _library()
    wanted = library is not None and os.environ.get("PENSTOCK_SHARED_MEMORY", "1") != "0"
    if not _all(workers, "whether to share memory", wanted):
        return None
    with contextlib.ExitStack() as held:
        stream = _stream_to_first(workers, held)
        if not _all(workers, "whether memory can be handed over", stream is not None):
            return None
        mapped, streams = False, [stream]
        with contextlib.suppress(OSError):
            if workers.index == 0:
                file, streams = _new_file(_SIZE, held), _accepted(stream, workers.count - 1)
                _hand_out(file, streams)
            else:
                file = _received(stream, held)
            mapped = library.penstock_share_memory(file, _SIZE, workers.count, workers.index)
        if not _all(workers, "whether memory is shared", mapped):
            return None
        if workers.index:
            streams = [stream.dup()]  # `stream` ends here
    workers.rendezvous.on_failure(library.penstock_abandon_memory)
    return HostMemory(workers, library, streams)


def _library() -> Any:
    if not hasattr(os, "memfd_create") or not native.available():
        return None
    return native.host_functions(
        {
            "penstock_share_memory": (
                ctypes.c_bool,
                [ctypes.c_int, ctypes.c_int64, ctypes.c_int, ctypes.c_int],
            ),
            "penstock_abandon_memory": (None, []),
            "penstock_any_process": (ctypes.c_int, [ctypes.c_bool]),
        }
    )


def _all(workers: Any, question: str, answer: bool) -> bool:
    return set(workers.texts(question, str(bool(answer)))) == {"True"}


# A file descriptor goes from process to process over a socket of the host.


def _stream_to_first(workers: Any, held: contextlib.ExitStack) -> socket.socket | None:
    """The first worker's listening socket, or a connection to it; None where there is none, as from another host."""
    stream = held.enter_context(socket.socket(socket.AF_UNIX))
    stream.settimeout(_PATIENCE)
    name = f"penstock-{secrets.token_hex(16)}"
    if workers.index == 0:
        stream.bind(f"\0{name}")  # a name that the kernel keeps, as long as the socket is open
        stream.listen(workers.count)
    name = workers.texts("the name of a socket", name)[0]
    try:
        if workers.index:
            stream.connect(f"\0{name}")
    except OSError:
        return None
    return stream


def _accepted(listener: socket.socket, count: int) -> list[socket.socket]:
    """Connections to so many processes of the same user."""
    found: list[socket.socket] = []
    while len(found) < count:
        stream, _ = listener.accept()
        _, user, _ = struct.unpack("3i", stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if user == os.getuid():
            stream.settimeout(_PATIENCE)
            found.append(stream)
        else:
            stream.close()
    return found


def _new_file(size: int, held: contextlib.ExitStack) -> int:
    """A descriptor of new memory; closed with `held`."""
    file = os.memfd_create("penstock")
    held.callback(os.close, file)
    os.ftruncate(file, size)
    return file


def _hand_out(file: int, streams: Sequence[socket.socket]) -> None:
    for each in streams:
        socket.send_fds(each, [b"m"], [file])


def _received(stream: socket.socket, held: contextlib.ExitStack) -> int:
    """A descriptor that the first process hands out; closed with `held`."""
    files = socket.recv_fds(stream, 1, 1)[1]
    if not files:
        raise ConnectionResetError
    held.callback(os.close, files[0])
    return files[0]
