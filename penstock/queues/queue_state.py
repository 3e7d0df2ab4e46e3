"""What a queue's resource tensor holds: elements in some order, and the threads that wait to add or to take some.

A step that waits holds no lock but gives way to the others: those that add do not hold up those that take, and among
each kind the first that came is served first, as in TensorFlow. Closing a queue, or the session, wakes them.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.ops.random import philox
from penstock.types import errors
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape

Element = list[np.ndarray]  # one array for each component


class QueueState:
    """A first-in, first-out queue of elements with the same components.

    Args:
      name: for messages.
      component_types: the dtype of each component.
      shapes: the shape of each component; none where they may differ from element to element.
      capacity: how many elements there may be; negative for any number.
    """

    kind = "FIFOQueue"
    handle_data = None

    def __init__(
        self,
        name: str,
        component_types: Sequence[DType],
        shapes: Sequence[TensorShape] = (),
        capacity: int = -1,
    ):
        self.name, self.component_types, self.shapes = name, list(component_types), list(shapes)
        self.capacity = capacity if capacity >= 0 else float("inf")
        self.closed = False
        self._changed = threading.Condition()
        self._adding: deque[_Turn] = deque()
        self._taking: deque[_Turn] = deque()
        self._make_store()

    # The order of elements: these five are what the kinds of queues differ in. They run under the lock.

    def _make_store(self) -> None:
        self._elements: deque[Element] = deque()

    def _push(self, element: Element) -> None:
        self._elements.append(element)

    def _pop(self) -> Element:
        return self._elements.popleft()

    def _put_back(self, taken: list[Element]) -> None:
        """Undoes `_pop`, for a step that found too few."""
        self._elements.extendleft(reversed(taken))

    def _available(self) -> int:
        """How many elements may be taken now."""
        return len(self._elements)

    # What ops do.

    @property
    def size(self) -> int:
        """How many elements there are."""
        with self._changed:
            return len(self._elements)

    def enqueue(self, element: Element) -> None:
        """Adds an element; waits while the queue is full.

        Raises:
          CancelledError: the queue is closed, or closed while this waits with `cancel_pending_enqueues`.
          InvalidArgumentError: the components have other shapes.
        """
        self._check(element, 0)
        self._add([element])

    def enqueue_many(self, components: Sequence[np.ndarray]) -> None:
        """Adds the slices of components along their first axis; waits while the queue is full.

        Raises: as `enqueue`.
        """
        self._check(components, 1)
        counts = {array.shape[0] for array in components}
        if len(counts) > 1:
            raise ValueError(f"All input tensors must have the same size in the 0th dimension, got {counts}")
        (count,) = counts
        self._add([[_row(array, index) for array in components] for index in range(count)])

    def _add(self, elements: list[Element]) -> None:
        with self._changed:
            if self.closed:
                raise errors.CancelledError(None, None, f"{self.kind} '{self.name}' is closed.")
            with _Turn(self._adding, self._changed) as turn:
                for element in elements:
                    turn.wait_until(lambda: len(self._elements) < self.capacity)
                    self._push(element)
                    self._changed.notify_all()

    def dequeue(self) -> Element:
        """Takes an element; waits while there is none.

        Raises:
          OutOfRangeError: the queue is closed and empty.
          CancelledError: the session is closed.
        """
        return self._take(1, False)[0]

    def dequeue_many(self, count: int, up_to: bool = False) -> list[np.ndarray]:
        """Takes `count` elements and puts them together along a new first axis; waits until there are so many.

        Args:
          count: how many.
          up_to: whether fewer (but one) are enough once the queue is closed.

        Raises:
          OutOfRangeError: the queue is closed and has too few.
          InvalidArgumentError: `count` is negative, or the shapes of the components are not known.
        """
        if not self.shapes and self.component_types:
            raise ValueError(
                f"{self.kind}'s DequeueMany and DequeueUpTo require the components to have specified shapes."
            )
        if count < 0:
            raise ValueError(f"DequeueManyOp requested {count} < 0 elements")
        return self._together(self._take(count, up_to) if count else [])

    def _take(self, count: int, up_to: bool) -> list[Element]:
        taken: list[Element] = []

        def ready() -> bool:
            return self._available() > 0 or (self.closed and not self._adding)

        with self._changed, _Turn(self._taking, self._changed) as turn:
            try:
                while len(taken) < count:
                    turn.wait_until(ready)
                    if self._available() <= 0:
                        if up_to and taken:
                            break
                        raise errors.OutOfRangeError(
                            None,
                            None,
                            f"{self.kind} '{self.name}' is closed and has insufficient elements (requested {count}, "
                            f"current size {len(taken)})",
                        )
                    taken.append(self._pop())
                    self._changed.notify_all()
            except errors.OpError:
                self._put_back(taken)
                raise
        return taken

    def _together(self, elements: list[Element]) -> list[np.ndarray]:
        return [
            _batch([element[index] for element in elements], kind, shape)
            for index, (kind, shape) in enumerate(zip(self.component_types, self.shapes))
        ]

    def close(self, cancel_pending_enqueues: bool = False) -> None:
        """No element can be added any more; those that are there can still be taken.

        Args:
          cancel_pending_enqueues: whether steps that wait to add one fail.
        """
        with self._changed:
            self.closed = True
            if cancel_pending_enqueues:
                for turn in self._adding:
                    turn.cancelled = f"{self.kind} '{self.name}': Enqueue operation was cancelled"
            self._changed.notify_all()

    def cancel(self) -> None:
        """Makes every step that waits fail, since its session is closed."""
        with self._changed:
            for turns, what in ((self._adding, "Enqueue"), (self._taking, "Dequeue")):
                for turn in turns:
                    turn.cancelled = f"{self.kind} '{self.name}': {what} operation was cancelled"
            self._changed.notify_all()

    def _check(self, components: Sequence[np.ndarray], skipped: int) -> None:
        if len(components) != len(self.component_types):
            raise ValueError(
                f"Wrong number of components in tuple. Expected {len(self.component_types)}, got {len(components)}"
            )
        for index, (array, shape) in enumerate(zip(components, self.shapes)):
            if array.ndim < skipped or not shape.is_compatible_with(array.shape[skipped:]):
                expected = f"[?,{str(shape.as_list())[1:]}" if skipped else str(shape.as_list())
                raise ValueError(
                    f"Shape mismatch in tuple component {index}. Expected {expected}, got {list(array.shape)}"
                )

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name!r} with {len(self._elements)} elements>"


class _Turn:
    """A step's place in the line of those that add, or those that take. Entered and used under the queue's lock."""

    __slots__ = ("_line", "_changed", "cancelled")

    def __init__(self, line: deque, changed: threading.Condition):
        self._line, self._changed = line, changed
        self.cancelled = ""

    def __enter__(self) -> _Turn:
        self._line.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        self._line.remove(self)
        self._changed.notify_all()

    def wait_until(self, ready: Any) -> None:
        """Waits until this is the first in line and `ready()` holds.

        Raises:
          CancelledError: somebody has cancelled it.
        """
        while True:
            if self.cancelled:
                raise errors.CancelledError(None, None, self.cancelled)
            if self._line[0] is self and ready():
                return
            self._changed.wait()


def _row(array: np.ndarray, index: int) -> np.ndarray:
    """A slice along the first axis, as an array even where it is a scalar string."""
    return array[index : index + 1].reshape(array.shape[1:])


def _batch(arrays: list[np.ndarray], dtype: DType, shape: TensorShape) -> np.ndarray:
    dims = arrays[0].shape if arrays else tuple(dim or 0 for dim in shape.as_list())
    batch = np.empty((len(arrays), *dims), arrays[0].dtype if arrays else dtype.as_numpy_dtype)
    for index, array in enumerate(arrays):
        batch[index, ...] = array
    return batch


class PaddingQueueState(QueueState):
    """A first-in, first-out queue whose components may have unknown sizes: elements taken together are padded."""

    kind = "PaddingFIFOQueue"

    def _together(self, elements: list[Element]) -> list[np.ndarray]:
        return [
            _padded([element[index] for element in elements], kind, shape)
            for index, (kind, shape) in enumerate(zip(self.component_types, self.shapes))
        ]


def _padded(arrays: list[np.ndarray], dtype: DType, shape: TensorShape) -> np.ndarray:
    if not arrays or shape.is_fully_defined():
        return _batch(arrays, dtype, shape)
    dims = [max(sizes) for sizes in zip(*(array.shape for array in arrays))]
    batch = np.empty((len(arrays), *dims), arrays[0].dtype)
    batch.fill(b"" if batch.dtype == object else batch.dtype.type(0))
    for place, array in zip(batch, arrays):
        place[tuple(slice(size) for size in array.shape)] = array
    return batch


class PriorityQueueState(QueueState):
    """A queue that gives the element with the smallest first component, an int64 scalar, first."""

    kind = "PriorityQueue"

    def _make_store(self) -> None:
        self._elements: list = []  # type: ignore[assignment]
        self._arrivals = itertools.count()

    def _push(self, element: Element) -> None:
        heapq.heappush(self._elements, (int(element[0]), next(self._arrivals), element))  # type: ignore[arg-type]

    def _pop(self) -> Element:
        return heapq.heappop(self._elements)[2]  # type: ignore[arg-type]

    def _put_back(self, taken: list[Element]) -> None:
        for element in taken:
            self._push(element)


class ShuffleQueueState(QueueState):
    """A queue that gives elements at random, and keeps `min_after_dequeue` of them while it is open."""

    kind = "RandomShuffleQueue"

    def __init__(self, *args: Any, min_after_dequeue: int = 0, seed: int = 0, seed2: int = 0):
        self._least = min_after_dequeue
        self._numbers = _numbers(seed, seed2)
        super().__init__(*args)

    def _make_store(self) -> None:
        self._elements: list[Element] = []  # type: ignore[assignment]

    def _pop(self) -> Element:
        elements = self._elements
        index = next(self._numbers) % len(elements)
        found, elements[index] = elements[index], elements[-1]
        elements.pop()
        return found

    def _put_back(self, taken: list[Element]) -> None:
        self._elements.extend(taken)

    def _available(self) -> int:
        return len(self._elements) - (0 if self.closed else self._least)


def _numbers(seed: int, seed2: int) -> Any:
    """32-bit random numbers from two seeds; others each time where both are zero."""
    if seed == 0 and seed2 == 0:
        seed, seed2 = (int(each) for each in np.random.SeedSequence().generate_state(2, np.uint32))
    stream = philox.from_seeds(seed, seed2)
    for start in itertools.count():
        yield from (int(word[0]) for word in stream.block(np, np.array([start], np.uint64)))
