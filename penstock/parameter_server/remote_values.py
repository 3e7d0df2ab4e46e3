"""Values that are computed elsewhere: `RemoteValue`, what `schedule` returns, and values of which each worker has its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.types import errors, nest
from penstock.types.tensors import EagerTensor


@export("distribute.coordinator.RemoteValue", "distribute.experimental.coordinator.RemoteValue")
class RemoteValue:
    """The result of a scheduled function, which may not be there yet.

    Args:
      pack: makes the structure that the function returns of the arrays that come back.
    """

    def __init__(self, pack: Callable[[Sequence[Any]], Any]):
        self._pack = pack
        self._ready = threading.Event()
        self._values: Any = None
        self._error: Exception | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the result, or an error, is there."""
        return self._ready.is_set()

    def get(self) -> Any:
        """Waits for the result and returns it: the structure that the function returned, of tensors.

        Raises:
          what the function raised; CancelledError where it was not run because another one failed.
        """
        self._ready.wait()
        if self._error is not None:
            raise self._error
        return self._values

    def fetch(self) -> Any:
        """As `get`, with NumPy arrays in place of tensors."""
        return nest.map_structure(
            lambda each: each.numpy() if isinstance(each, EagerTensor) else each, self.get()
        )

    def _set(self, arrays: Sequence[Any]) -> None:
        self._values = self._pack(arrays)
        self._ready.set()

    def _fail(self, error: Exception) -> None:
        self._error = error
        self._ready.set()

    def _cancel(self) -> None:
        self._fail(
            errors.CancelledError(
                None, None, "The corresponding function was cancelled: another scheduled function failed."
            )
        )


@export("distribute.coordinator.PerWorkerValue", "distribute.experimental.coordinator.PerWorkerValues")
class PerWorkerValues:
    """A value of which each worker has its own, and which scheduled functions take as an argument.

    Args:
      values: one for each worker.
      stand_in: what a function is traced with in its place.
    """

    def __init__(self, values: Sequence[Any], stand_in: Any = None):
        self._values, self._stand_in = tuple(values), stand_in
