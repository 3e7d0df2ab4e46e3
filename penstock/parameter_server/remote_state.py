"""Variables' states that live on parameter servers: what the handles of such variables hold, on every other process.

Ops on them run where the values are. A table that is cut into shards has one handle too, whose state knows the states of
the shards; ops on it become ops on those.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.context import process
from penstock.engine.resources import HandleData
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape

_numbers = itertools.count()
_LARGEST_KEPT = 1 << 16  # bytes of an initial value that is kept for the loss of a server


def connection() -> Any:
    """How this process reaches the parameter servers (see `connection.Connection`)."""
    found = process.registry.get("parameter_servers")
    if found is None:
        raise RuntimeError(
            "this process is not connected to parameter servers: make the ParameterServerStrategy first"
        )
    return found


class RemoteState:
    """The state of one variable on one server.

    Attributes:
      server: the server's name, `"ps/0"`. key: the state's name there, unique in the cluster. name: for messages.
      handle_data: shape and dtype of the values.
      initial: the first value, where it is small; None for tables.
    """

    __slots__ = ("server", "key", "name", "handle_data", "initial", "__weakref__")

    def __init__(self, server: str, key: str, name: str, shape: TensorShape, dtype: DType):
        self.server, self.key, self.name = server, key, name
        self.initial: np.ndarray | None = None
        self.handle_data = HandleData(shape, dtype)

    @classmethod
    def create(cls, server: str, name: str, value: np.ndarray, shape: TensorShape, dtype: DType) -> Any:
        """Puts a new state with a value on a server; it is deleted there when nothing here refers to it."""
        state = cls(server, f"{process.registry['program']}/{next(_numbers)}/{name}", name, shape, dtype)
        link = connection()
        link.create(state, value)
        link.states[state.key] = state
        if value.nbytes <= _LARGEST_KEPT:
            state.initial = value.copy()
        weakref.finalize(state, link.forget, server, state.key)
        return state

    def read(self) -> np.ndarray:
        """The current value, fetched."""
        return self.elsewhere("ReadVariableOp", (self,), {"dtype": self.handle_data.dtype})

    def assign(self, value: Any) -> None:
        """Replaces the value."""
        self.elsewhere("AssignVariableOp", (self, value), {"validate_shape": False})

    @property
    def value(self) -> np.ndarray:
        """The current value, fetched."""
        return self.read()

    @property
    def is_initialized(self) -> bool:
        """States on servers have a value from their creation on."""
        return True

    def elsewhere(self, op_type: str, inputs: tuple, attrs: dict) -> Any:
        """Runs an op on this state where it is, and returns its result."""
        from penstock.parameter_server.placement import run_op

        return run_op(op_type, inputs, attrs)

    def __reduce__(self) -> tuple:
        shape, dtype = self.handle_data
        return _restored, (
            self.server,
            self.key,
            self.name,
            None if shape.rank is None else tuple(shape.as_list()),
            dtype.name,
        )

    def __repr__(self) -> str:
        shape, dtype = self.handle_data
        return f"<state {self.name!r} on {self.server} shape={shape} dtype={dtype.name}>"


def _restored(server: str, key: str, name: str, shape: tuple | None, dtype: str) -> RemoteState:
    return RemoteState(server, key, name, TensorShape(shape), as_dtype(dtype))


class ShardedState:
    """The state of a table that is cut along its first axis.

    Attributes:
      shards: the states of the parts, in order. offsets: the first row of each part, and at the end the number of rows.
    """

    __slots__ = ("shards", "offsets", "name", "handle_data", "__weakref__")

    def __init__(self, shards: Sequence[RemoteState], offsets: Sequence[int], name: str):
        self.shards, self.offsets, self.name = tuple(shards), tuple(offsets), name
        first = shards[0].handle_data
        self.handle_data = HandleData(
            TensorShape([self.offsets[-1]]).concatenate(first.shape[1:]), first.dtype
        )

    read, assign, elsewhere = RemoteState.read, RemoteState.assign, RemoteState.elsewhere
    value, is_initialized = RemoteState.value, RemoteState.is_initialized

    def __reduce__(self) -> tuple:
        return ShardedState, (self.shards, self.offsets, self.name)

    def __repr__(self) -> str:
        return f"<state {self.name!r} in {len(self.shards)} shards, shape={self.handle_data.shape}>"
