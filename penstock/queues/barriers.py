"""`Barrier` of TF 1: puts components that come one by one together under keys, and gives the complete ones."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import no_outputs, scalar
from penstock.ops.strings.kernels import as_array, string_array
from penstock.queues.queue_ops import no_timeout, shared
from penstock.queues.queues import make_resource, shape_list, type_list
from penstock.types import dtypes, errors
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_FIRST_INDEX = -(2**63)


class BarrierState:
    """Elements under keys; those that have all components wait to be taken, the oldest keys first."""

    handle_data = None

    def __init__(self, name: str, component_types: Sequence[Any], shapes: Sequence[TensorShape]):
        self.name, self._types, self._shapes = name, list(component_types), list(shapes)
        self._incomplete: dict[bytes, tuple[int, dict[int, np.ndarray]]] = {}
        self._ready: list[tuple[int, int, bytes, dict[int, np.ndarray]]] = []
        self._next_index, self._arrivals = _FIRST_INDEX, 0
        self._closed = self._finished = self._cancelled = False
        self._changed = threading.Condition()
        self._line: deque[object] = deque()

    def insert(self, component: int, keys: np.ndarray, values: np.ndarray) -> None:
        """Gives keys a component.

        Raises:
          CancelledError: the barrier is closed, and a key is new.
          InvalidArgumentError: a key has the component already, or the shapes do not go together.
        """
        if values.ndim < 1 or keys.shape[0] != values.shape[0]:
            raise ValueError(
                f"expected as many values as keys, got {list(keys.shape)} and {list(values.shape)}"
            )
        if self._shapes and not self._shapes[component].is_compatible_with(values.shape[1:]):
            raise ValueError(
                f"Shape mismatch: expected {self._shapes[component].as_list()}, got {list(values.shape[1:])}"
            )
        with self._changed:
            index = self._next_index
            for place, key in enumerate(keys.tolist()):
                if key not in self._incomplete:
                    if self._closed:
                        raise errors.CancelledError(
                            None, None, f"Barrier {self.name!r} is closed, but attempted to insert a brand new key: {key!r}"
                        )  # fmt: skip
                    self._incomplete[key] = (index, {})
                    self._next_index = index + 1
                born, parts = self._incomplete[key]
                if component in parts:
                    raise ValueError(
                        f"Key {key!r} already has a value for component {component} in barrier {self.name}"
                    )
                parts[component] = values[place : place + 1].reshape(values.shape[1:])
                if len(parts) == len(self._types):
                    del self._incomplete[key]
                    self._ready.append((born, self._arrivals, key, parts))
                    self._arrivals += 1
            self._ready.sort(key=lambda each: each[:2])
            self._changed.notify_all()

    def take(self, count: int, allow_small: bool) -> list[np.ndarray]:
        """Indices, keys and components of the oldest complete elements; waits until there are `count` of them.

        Raises:
          OutOfRangeError: the barrier is closed, and there will not be so many (with `allow_small`: none).
        """
        turn = object()
        with self._changed:
            self._line.append(turn)
            try:
                while self._line[0] is not turn or not self._enough(count, allow_small):
                    if self._cancelled:
                        raise errors.CancelledError(None, None, f"Barrier {self.name!r}: take was cancelled")
                    self._changed.wait()
            finally:
                self._line.remove(turn)
                self._changed.notify_all()
            taken, self._ready = self._ready[:count], self._ready[count:]
        keys = string_array((key for _, _, key, _ in taken), (len(taken),))
        values = [np.stack([parts[i] for *_, parts in taken]) for i in range(len(self._types))]
        return [np.array([born for born, *_ in taken], np.int64), keys, *values]

    def _enough(self, count: int, allow_small: bool) -> bool:
        if len(self._ready) >= count:
            return True
        over = self._closed and (not self._incomplete or self._finished)
        if over and not (allow_small and self._ready):
            raise errors.OutOfRangeError(
                None, None, f"Barrier {self.name!r} is closed and has insufficient elements (requested {count}, "
                f"total size {len(self._ready)})",
            )  # fmt: skip
        return over

    def close(self, cancel_pending: bool) -> None:
        """No new keys come any more; with `cancel_pending` no components of old ones either."""
        with self._changed:
            self._closed, self._finished = True, self._finished or cancel_pending
            if cancel_pending:
                self._incomplete.clear()
            self._changed.notify_all()

    def cancel(self) -> None:
        """Makes every step that waits fail, since its session is closed."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    @property
    def ready(self) -> int:
        """How many elements are complete."""
        return len(self._ready)

    @property
    def incomplete(self) -> int:
        """How many are not."""
        return len(self._incomplete)


def _state(handle: Any) -> BarrierState:
    return handle.item() if isinstance(handle, np.ndarray) else handle


def _make(
    *, component_types: Any, shapes: Any, capacity: int, container: Any, shared_name: Any
) -> BarrierState:
    sizes = [TensorShape(each) for each in shapes]
    return shared("barrier", container, shared_name, lambda name: BarrierState(name, component_types, sizes))


def _insert(handle: Any, keys: Any, values: Any, *, component_index: int) -> None:
    _state(handle).insert(component_index, as_array(keys), as_array(values))


def _take(
    handle: Any,
    count: Any,
    *,
    component_types: Any,
    allow_small_batch: bool,
    wait_for_incomplete: bool,  # as in TensorFlow, a barrier that is closed waits for what it has begun anyway
    timeout_ms: int,
) -> list:
    no_timeout(timeout_ms)
    indices, keys, *values = _state(handle).take(int(count), allow_small_batch)
    return [indices, keys, *values]


op(
    "Barrier(; component_types, shapes=[], capacity=-1, container='', shared_name='') -> handle: string",
    numpy=_make,
    shape=scalar,
    stateful=True,
)
op(
    "BarrierInsertMany(handle: string, keys: string, values: T; component_index) -> ()",
    numpy=_insert,
    shape=no_outputs,
    stateful=True,
)
op(
    "BarrierTakeMany(handle: string, num_elements: int32; component_types, allow_small_batch=False, "
    "wait_for_incomplete=False, timeout_ms=-1) -> (indices: int64, keys: string, values: *component_types)",
    numpy=_take,
    shape=lambda call: [TensorShape([None])] * 2 + [TensorShape(None)] * len(call.attrs["component_types"]),
    stateful=True,
)
op(
    "BarrierClose(handle: string; cancel_pending_enqueues=False) -> ()",
    numpy=lambda handle, *, cancel_pending_enqueues: _state(handle).close(cancel_pending_enqueues),
    shape=no_outputs,
    stateful=True,
)
for _name in ("Ready", "Incomplete"):
    op(
        f"Barrier{_name}Size(handle: string) -> size: int32",
        numpy=lambda handle, attribute=_name.lower(): np.int32(getattr(_state(handle), attribute)),
        shape=scalar,
        stateful=True,
    )


class Barrier:
    """Puts the components of elements together, which different steps give under one key.

    Args:
      types: the dtype of each component.
      shapes: the shape of each component, fully known, or None.
      shared_name: sessions find it under this name.
      name: the name of the node.

    Raises:
      ValueError: a component is empty.

    Example:
      >>> import penstock as tf
      >>> from penstock.queues.barriers import Barrier
      >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
      ...     barrier = Barrier([tf.string, tf.int32], shapes=[[], []])
      ...     session.run(barrier.insert_many(0, keys=["k1", "k2"], values=["a", "b"]))
      ...     session.run(barrier.insert_many(1, keys=["k1", "k2"], values=[1, 2]))
      ...     session.run(barrier.take_many(2)[2][1])
      array([1, 2], dtype=int32)
    """

    def __init__(self, types: Any, shapes: Any = None, shared_name: str | None = None, name: str = "barrier"):
        self._types, found = type_list(types), shape_list(shapes)
        for number, shape in enumerate(found or ()):
            if shape.num_elements() == 0:
                raise ValueError(
                    f"Empty tensors are not supported, but received shape '{shape}' at index {number}"
                )
        self._shapes = found or [TensorShape(None)] * len(self._types)
        attrs = {"component_types": self._types, "shapes": found or []}
        self._barrier_ref = make_resource("Barrier", attrs, name, shared_name)
        self._name = name

    @property
    def barrier_ref(self) -> Tensor:
        """The handle."""
        return self._barrier_ref

    @property
    def name(self) -> str:
        """The name of the node."""
        return self._name

    def insert_many(self, component_index: int, keys: Any, values: Any, name: str | None = None) -> Any:
        """Gives each key a component, a slice of `values`."""
        inputs = (
            self._barrier_ref,
            convert_to_tensor(keys, dtypes.string),
            convert_to_tensor(values, self._types[component_index]),
        )
        return execute("BarrierInsertMany", inputs, {"component_index": component_index}, name)

    def take_many(
        self,
        num_elements: Any,
        allow_small_batch: bool = False,
        timeout: int | None = None,
        name: str | None = None,
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The oldest complete elements; waits until there are so many.

        Args:
          num_elements: how many.
          allow_small_batch: whether fewer are enough once the barrier is closed.
          timeout: None; as in TensorFlow there are none yet.
          name: the name of the node.

        Returns:
          (indices, keys, values): in which `insert_many` each key came first (from -2**63 on), the keys, and a list with
          the components.

        Raises:
          InvalidArgumentError: a timeout is given.
        """
        count = convert_to_tensor(num_elements, dtypes.int32)
        attrs = {
            "component_types": self._types,
            "allow_small_batch": allow_small_batch,
            "timeout_ms": -1 if timeout is None else timeout,
        }
        indices, keys, *values = execute("BarrierTakeMany", (self._barrier_ref, count), attrs, name)
        for value, shape in zip(values, self._shapes):
            if not hasattr(value, "numpy"):
                value.set_shape(TensorShape([None]).concatenate(shape))
        return indices, keys, values

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Any:
        """No new keys can be given any more; components of old ones can, unless `cancel_pending_enqueues`."""
        attrs = {"cancel_pending_enqueues": cancel_pending_enqueues}
        return execute("BarrierClose", (self._barrier_ref,), attrs, name)

    def ready_size(self, name: str | None = None) -> Tensor:
        """How many elements are complete, an int32 scalar."""
        return execute("BarrierReadySize", (self._barrier_ref,), None, name)

    def incomplete_size(self, name: str | None = None) -> Tensor:
        """How many are not, an int32 scalar."""
        return execute("BarrierIncompleteSize", (self._barrier_ref,), None, name)
