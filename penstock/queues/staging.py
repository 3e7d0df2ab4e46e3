"""`StagingArea` and `MapStagingArea` of TF 1: places where one step leaves tensors for a later one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import no_outputs, scalar
from penstock.graph.graph import current_graph
from penstock.ops.strings.kernels import as_array
from penstock.queues.queue_ops import shared
from penstock.queues.queues import shape_list, type_list
from penstock.types import dtypes as types
from penstock.types import errors
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

Parts = dict[int, np.ndarray]  # position of a component -> its value


class StagingState:
    """Elements by key; those of a plain area are numbered in the order in which they come.

    Args:
      name: for messages.
      capacity: how many elements there may be, memory_limit: and of how many bytes; 0 for any number.
      components: how many components make an element complete.
      ordered: whether elements without a key are taken by the smallest key, or the oldest.
    """

    handle_data = None

    def __init__(self, name: str, capacity: int, memory_limit: int, components: int, ordered: bool):
        self.name, self._capacity, self._limit = name, capacity, memory_limit
        self._components, self._ordered = components, ordered
        self._complete: OrderedDict[int, Parts] = OrderedDict()
        self._incomplete: dict[int, Parts] = {}
        self._next = 0
        self._cancelled = False
        self._changed = threading.Condition()

    def _wait_until(self, ready: Any) -> None:
        while not ready():
            if self._cancelled:
                raise errors.CancelledError(None, None, f"Staging area {self.name!r}: the session was closed")
            self._changed.wait()

    def _bytes(self) -> int:
        return sum(each.nbytes for parts in self._complete.values() for each in parts.values())

    def put(self, key: int | None, parts: Parts) -> None:
        """Adds components of an element, which waits while the area is full; a new one where `key` is None."""
        size = sum(each.nbytes for each in parts.values())
        if self._limit and size > self._limit:
            raise errors.ResourceExhaustedError(
                None, None, f"Attempted to insert tensors with combined size of '{size}' bytes into Staging Area with a "
                f"memory limit of '{self._limit}'.",
            )  # fmt: skip
        with self._changed:
            self._wait_until(
                lambda: (
                    (not self._capacity or len(self._complete) < self._capacity)
                    and (not self._limit or self._bytes() + size <= self._limit)
                )
            )
            if key is None:
                key, self._next = self._next, self._next + 1
            if key in self._complete:
                raise ValueError(f"The map already contains a complete element with key {key}")
            known = self._incomplete.setdefault(key, {})
            repeated = set(known) & set(parts)
            if repeated:
                raise ValueError(
                    f"The tensor for index {min(repeated)} for key {key} was already initialized"
                )
            known.update(parts)
            if len(known) == self._components:
                self._complete[key] = self._incomplete.pop(key)
            self._changed.notify_all()

    def get(self, key: int | None, wanted: Sequence[int], remove: bool) -> tuple[int, list[np.ndarray]]:
        """Components of an element; waits until it is there.

        Args:
          key: which; None for the first one.
          wanted: the positions of the components; the element is gone once all were taken.
          remove: whether they are taken, or only looked at.
        """
        with self._changed:
            self._wait_until(lambda: bool(self._complete) if key is None else key in self._complete)
            if key is None:
                key = min(self._complete) if self._ordered else next(iter(self._complete))
            parts = self._complete[key]
            missing = [each for each in wanted if each not in parts]
            if missing:
                raise ValueError(f"Tensor at index '{missing[0]}' for key '{key}' has already been removed.")
            found = [parts[each] for each in wanted]
            if remove:
                for each in wanted:
                    del parts[each]
                if not parts:
                    del self._complete[key]
                self._changed.notify_all()
            return key, found

    def peek_at(self, index: int) -> list[np.ndarray]:
        """The element at a position; waits until there are so many."""
        with self._changed:
            self._wait_until(lambda: len(self._complete) > index)
            parts = list(self._complete.values())[index]
            return [parts[each] for each in sorted(parts)]

    def clear(self) -> None:
        """Drops all elements."""
        with self._changed:
            self._complete.clear()
            self._incomplete.clear()
            self._changed.notify_all()

    def cancel(self) -> None:
        """Makes every step that waits fail, since its session is closed."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    @property
    def sizes(self) -> tuple[int, int]:
        """How many elements are complete, and how many are not."""
        return len(self._complete), len(self._incomplete)


def _area(settings: dict, ordered: bool = False) -> StagingState:
    return shared(
        "staging_area",
        settings["container"],
        settings["shared_name"],
        lambda name: StagingState(
            name, settings["capacity"], settings["memory_limit"], len(settings["dtypes"]), ordered
        ),
    )


def _numbered(values: Sequence[Any]) -> Parts:
    return {index: as_array(each) for index, each in enumerate(values)}


_ATTRS = "capacity=0, memory_limit=0, dtypes, container='', shared_name=''"


def _shapes(call: Any) -> list[TensorShape]:
    return [TensorShape(None)] * len(call.attrs["dtypes"])


def _all(settings: dict) -> range:
    return range(len(settings["dtypes"]))


op(
    "Stage(values: *dtypes; capacity=0, memory_limit=0, container='', shared_name='') -> ()",
    numpy=lambda values, **settings: _area({**settings, "dtypes": values}).put(None, _numbered(values)),
    shape=no_outputs,
    stateful=True,
)
op(
    f"Unstage(; {_ATTRS}) -> values: *dtypes",
    numpy=lambda **settings: _area(settings).get(None, _all(settings), True)[1],
    shape=_shapes,
    gradient=lambda call, *dys: [],
    stateful=True,
)
op(
    f"StagePeek(index: int32; {_ATTRS}) -> values: *dtypes",
    numpy=lambda index, **settings: _area(settings).peek_at(int(index)),
    shape=_shapes,
    stateful=True,
)
op(
    f"StageSize(; {_ATTRS}) -> size: int32",
    numpy=lambda **settings: np.int32(_area(settings).sizes[0]),
    shape=scalar,
    stateful=True,
)
op(
    f"StageClear(; {_ATTRS}) -> ()",
    numpy=lambda **settings: _area(settings).clear(),
    shape=no_outputs,
    stateful=True,
)


def _define_map_ops(prefix: str, ordered: bool) -> None:
    def area(settings: dict) -> StagingState:
        return _area(settings, ordered)

    def put(key: Any, indices: Any, values: list, **settings: Any) -> None:
        area(settings).put(
            int(key), {int(i): as_array(each) for i, each in zip(np.asarray(indices).reshape(-1), values)}
        )

    def places(indices: Any) -> list[int]:
        return [int(each) for each in np.asarray(indices).reshape(-1)]

    def popped(indices: Any, **settings: Any) -> list[np.ndarray]:
        key, values = area(settings).get(None, places(indices), True)
        return [np.array(key, np.int64), *values]

    op(
        f"{prefix}Stage(key: int64, indices: int32, values: *fake_dtypes; {_ATTRS}) -> ()",
        numpy=put,
        shape=no_outputs,
        stateful=True,
    )
    for name, remove in (("Peek", False), ("Unstage", True)):
        op(
            f"{prefix}{name}(key: int64, indices: int32; {_ATTRS}) -> values: *dtypes",
            numpy=lambda key, indices, remove=remove, **settings: area(settings).get(
                int(key), places(indices), remove
            )[1],
            shape=_shapes,
            stateful=True,
        )
    op(
        f"{prefix}UnstageNoKey(indices: int32; {_ATTRS}) -> (key: int64, values: *dtypes)",
        numpy=popped,
        shape=lambda call: [TensorShape([]), *_shapes(call)],
        stateful=True,
    )
    for position, name in enumerate(("Size", "IncompleteSize")):
        op(
            f"{prefix}{name}(; {_ATTRS}) -> size: int32",
            numpy=lambda position=position, **settings: np.int32(area(settings).sizes[position]),
            shape=scalar,
            stateful=True,
        )
    op(
        f"{prefix}Clear(; {_ATTRS}) -> ()",
        numpy=lambda **settings: area(settings).clear(),
        shape=no_outputs,
        stateful=True,
    )


_define_map_ops("Map", ordered=False)
_define_map_ops("OrderedMap", ordered=True)


class _BaseStagingArea:
    """What both kinds of areas share: components, names, sizes."""

    _kind = "staging_area"
    _prefix = "Stage"

    def __init__(
        self,
        dtypes: Any,
        shapes: Any = None,
        names: Sequence[str] | None = None,
        shared_name: str | None = None,
        capacity: int = 0,
        memory_limit: int = 0,
    ):
        self._dtypes = type_list(dtypes)
        found = shape_list(shapes)
        for what, given in (("shapes", found), ("names", names)):
            if given is not None and len(given) != len(self._dtypes):
                raise ValueError(f"StagingArea {what} must be the same length as dtypes")
        if capacity < 0 or memory_limit < 0:
            raise ValueError(f"capacity and memory_limit must be >= 0, got {capacity} and {memory_limit}")
        self._shapes = found or [TensorShape(None)] * len(self._dtypes)
        self._names = None if names is None else list(names)
        self._capacity, self._memory_limit = capacity, memory_limit
        # Eagerly too there is one area, kept in this object; in a graph each session finds its own by this name.
        self._name = shared_name or current_graph().unique_name(self._kind)

    @property
    def name(self) -> str:
        """The name by which sessions find the area."""
        return self._name

    @property
    def dtypes(self) -> list[DType]:
        """The dtype of each component."""
        return self._dtypes

    @property
    def shapes(self) -> list[TensorShape]:
        """The shape of each component."""
        return self._shapes

    @property
    def names(self) -> list[str] | None:
        """The name of each component; None where they have none."""
        return self._names

    @property
    def capacity(self) -> int:
        """How many elements it holds at most; 0 for any number."""
        return self._capacity

    @property
    def memory_limit(self) -> int:
        """How many bytes it holds at most; 0 for any number."""
        return self._memory_limit

    def _attrs(self, with_dtypes: bool = True) -> dict:
        found = {
            "capacity": self._capacity,
            "memory_limit": self._memory_limit,
            "shared_name": self._name,
        }
        return {**found, "dtypes": self._dtypes} if with_dtypes else found

    def _call(self, name: str, inputs: tuple = (), attrs: dict | None = None) -> Any:
        if thread.graph is None:
            raise RuntimeError("Staging areas are not supported when eager execution is enabled.")
        return execute(f"{self._prefix}{name}", inputs, attrs or self._attrs())

    def _components(self, values: Any) -> tuple[list[int], list[Tensor]]:
        """Positions and tensors of a list, or of a dictionary with some of the components."""
        if isinstance(values, dict):
            if not self._names:
                raise ValueError("Staging areas must have names to enqueue a dictionary")
            unknown = set(values) - set(self._names)
            if unknown:
                raise ValueError(
                    f"Keys in dictionary to put do not match names of staging area. Dictionary: {sorted(values)}, "
                    f"Queue: {sorted(self._names)}"
                )
            places = [self._names.index(name) for name in self._names if name in values]
            values = [values[self._names[place]] for place in places]
        else:
            if self._names:
                raise ValueError("You must enqueue a dictionary in a staging area with names")
            values = list(values) if isinstance(values, (list, tuple)) else [values]
            places = list(range(len(values)))
        return places, [convert_to_tensor(each, self._dtypes[i]) for i, each in zip(places, values)]

    def _returned(self, tensors: list[Tensor], places: Sequence[int]) -> Any:
        for tensor, place in zip(tensors, places):
            tensor.set_shape(self._shapes[place])
        if self._names:
            return {self._names[place]: tensor for place, tensor in zip(places, tensors)}
        return tensors

    def size(self, name: str | None = None) -> Tensor:
        """How many elements are complete, an int32 scalar."""
        return self._call("Size")

    def clear(self, name: str | None = None) -> Any:
        """Drops all elements."""
        return self._call("Clear")


class StagingArea(_BaseStagingArea):
    """Gives elements in the order in which they were put.

    Args:
      dtypes, shapes, names: of the components; with names elements are dictionaries.
      shared_name: sessions find it under this name.
      capacity, memory_limit: how many elements, and bytes, it holds at most; `put` waits while it is full.

    Example:
      >>> import penstock as tf
      >>> from penstock.queues.staging import StagingArea
      >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
      ...     area = StagingArea([tf.float32])
      ...     put, get = area.put([tf.constant(2.0)]), area.get()
      ...     session.run(put)
      ...     session.run(get)
      [np.float32(2.0)]
    """

    def put(self, values: Any, name: str | None = None) -> Any:
        """Adds an element: a list of tensors, or a dictionary where they have names."""
        places, tensors = self._components(values)
        if len(places) != len(self._dtypes):
            raise ValueError(f"Unexpected number of inputs {len(places)} vs {len(self._dtypes)}")
        return self._call("", (tensors,), self._attrs(with_dtypes=False))

    def get(self, name: str | None = None) -> Any:
        """Takes an element; waits while there is none."""
        if thread.graph is None:
            raise RuntimeError("Staging areas are not supported when eager execution is enabled.")
        return self._returned(execute("Unstage", (), self._attrs(), name), range(len(self._dtypes)))

    def peek(self, index: Any, name: str | None = None) -> Any:
        """The element at a position, which stays; waits until there are so many."""
        found = self._call("Peek", (convert_to_tensor(index, types.int32),))
        return self._returned(found, range(len(self._dtypes)))


class MapStagingArea(_BaseStagingArea):
    """Gives elements by their keys, int64 scalars; components may be put and taken one by one.

    Args:
      dtypes, shapes, names, shared_name, capacity, memory_limit: as for `StagingArea`.
      ordered: whether elements that are taken without a key come by the smallest key.
    """

    _kind = "map_staging_area"

    def __init__(
        self,
        dtypes: Any,
        shapes: Any = None,
        names: Sequence[str] | None = None,
        shared_name: str | None = None,
        ordered: bool = False,
        capacity: int = 0,
        memory_limit: int = 0,
    ):
        super().__init__(dtypes, shapes, names, shared_name, capacity, memory_limit)
        self._prefix = "OrderedMap" if ordered else "Map"

    def put(self, key: Any, vals: Any, indices: Sequence[int] | None = None, name: str | None = None) -> Any:
        """Adds components to the element of a key; `indices` are their positions in the element."""
        places, tensors = self._components(vals)
        if indices is not None:
            places = list(indices)
        inputs = (convert_to_tensor(key, types.int64), convert_to_tensor(places, types.int32), tensors)
        return self._call("Stage", inputs)

    def _places(self, indices: Sequence[Any] | None) -> list[int]:
        if indices is None:
            return list(range(len(self._dtypes)))
        return [self._names.index(each) if isinstance(each, str) else int(each) for each in indices]  # type: ignore[union-attr]

    def _taken(self, op_name: str, inputs: tuple, places: list[int]) -> list[Tensor]:
        attrs = {**self._attrs(), "dtypes": [self._dtypes[place] for place in places]}
        return self._call(op_name, (*inputs, convert_to_tensor(places, types.int32)), attrs)

    def peek(self, key: Any, indices: Sequence[Any] | None = None, name: str | None = None) -> Any:
        """The element of a key, which stays; waits until it is complete."""
        places = self._places(indices)
        found = self._taken("Peek", (convert_to_tensor(key, types.int64),), places)
        return self._returned(found, places)

    def get(self, key: Any = None, indices: Sequence[Any] | None = None, name: str | None = None) -> Any:
        """Takes the element of a key, or any; waits until it is complete.

        Returns:
          (key, element).
        """
        places = self._places(indices)
        if key is None:
            found_key, *values = self._taken("UnstageNoKey", (), places)
            return found_key, self._returned(values, places)
        key = convert_to_tensor(key, types.int64)
        return key, self._returned(self._taken("Unstage", (key,), places), places)

    def incomplete_size(self, name: str | None = None) -> Tensor:
        """How many elements lack a component, an int32 scalar."""
        return self._call("IncompleteSize")
