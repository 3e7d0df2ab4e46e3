"""State that ops read and assign: a resource tensor holds one of these objects.

Kernels only call `read()` and `assign()`. While a graph is compiled, the lowering puts a stand-in with the same two
methods in its place, whose value is traced; so one kernel serves eager, host and compiled execution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.context import process
from penstock.types import errors
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape


class HandleData(NamedTuple):
    """What shape inference knows of the value behind a handle."""

    shape: TensorShape
    dtype: DType


class State:
    """A resource whose value is one array: a variable, or the state of a random stream.

    Attributes:
      value: a NumPy or JAX array, or None before initialization. Never written into: replaced.
      name: for messages. handle_data: the shape and dtype that every value must have.
    """

    __slots__ = ("value", "name", "handle_data", "__weakref__")

    # `elsewhere(op_type, inputs, attrs)` runs an op where the value is; None where that is here.
    elsewhere: Callable[[str, tuple, dict], Any] | None = None

    def __init__(self, value: Any, name: str, shape: TensorShape, dtype: DType):
        self.value, self.name = value, name
        self.handle_data = HandleData(shape, dtype)

    def read(self) -> Any:
        """The current value.

        Raises:
          FailedPreconditionError: there is none yet.
        """
        value = self.value
        if value is None:
            raise uninitialized(self.name)
        return value

    def assign(self, value: Any) -> None:
        """Replaces the value."""
        self.value = value

    def writable(self) -> Any:
        """The value as a NumPy array that may be changed and then assigned: a copy, since others may hold the value."""
        return np.array(self.read())

    @property
    def is_initialized(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    def __repr__(self) -> str:
        shape, dtype = self.handle_data
        return f"<state {self.name!r} shape={shape} dtype={dtype.name}>"


class OwnedState(State):
    """A state whose arrays nobody else holds, so that rows are changed in place, however large the whole is."""

    __slots__ = ()

    def writable(self) -> Any:
        """The value as a NumPy array that may be changed and then assigned."""
        value = self.read()
        is_own = isinstance(value, np.ndarray) and value.flags.writeable and value.flags.owndata
        return value if is_own else np.array(value)


class SharedState(State):
    """A matrix that may lie in memory which several processes share, where programs of all of them change it in place.

    Everybody but these programs gets a copy, made when it is asked for. A value that is assigned is this process's alone,
    until the next such program (`runtime/worker_programs.py`).

    Attributes:
      matrix: where it lies in shared memory (a `cluster.host_memory.SharedMatrix`); None before it first does.
      is_shared: whether the value is the one that lies there.
    """

    __slots__ = ("matrix", "is_shared", "_own")

    def __init__(self, value: Any, name: str, shape: TensorShape, dtype: DType):
        self.matrix: Any = None
        self.is_shared, self._own = False, value
        super().__init__(value, name, shape, dtype)

    @property
    def value(self) -> Any:  # type: ignore[override]
        """The value, or a copy of the one in shared memory."""
        if self._own is None and self.is_shared:
            with process.state_lock:  # no step changes it meanwhile
                self._own = self.matrix.copy()
        return self._own

    @value.setter
    def value(self, value: Any) -> None:
        self._own, self.is_shared = value, False

    @property
    def is_initialized(self) -> bool:
        """Whether there is a value."""
        return self.is_shared or self._own is not None

    def note_change(self) -> None:
        """Says that programs have put another value into shared memory."""
        self._own, self.is_shared = None, True


def is_plain(state: Any) -> bool:
    """Whether the value of a resource is one array that belongs to it and may be replaced by any other."""
    return type(state) is State or type(state) is SharedState


def uninitialized(name: str) -> errors.FailedPreconditionError:
    """The error for reading a variable before it has a value."""
    return errors.FailedPreconditionError(
        None,
        None,
        f"Could not find variable {name}. It is uninitialized, or was deleted: run its initializer "
        "(tf.compat.v1.global_variables_initializer()) in this session first.",
    )
