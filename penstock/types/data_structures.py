"""What lists, dicts and tuples become when they are assigned to an attribute of an `AutoTrackable`.

The wrappers are real lists, dicts and tuples that are also `Trackable`: an element that is trackable is a dependency,
named by its index or key. A list or dict stays shared with the one that was assigned: each sees the other's changes.
"""

from __future__ import annotations

import collections
import copy
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from penstock.types.trackable import Trackable


class NoDependency:
    """Holds a value that an attribute takes as it is, without wrapping or tracking it."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value


def wrap_or_unwrap(value: Any) -> Any:
    """A wrapper around a plain list, dict or tuple; the content of a `NoDependency`; anything else as it is."""
    if isinstance(value, NoDependency):
        return value.value
    if isinstance(value, Trackable):
        return value
    kind: Any = type(value)
    if kind is list:
        return ListWrapper(value)
    if kind is dict or kind is collections.OrderedDict:
        return _DictWrapper(value)
    if isinstance(value, tuple) and _holds_trackables(value):
        if kind is tuple:
            return _TupleWrapper(value)
        if hasattr(kind, "_fields"):
            return _namedtuple_wrapper(kind)(*(wrap_or_unwrap(each) for each in value))
    return value


def _holds_trackables(values: Iterable[Any]) -> bool:
    return any(isinstance(wrap_or_unwrap(each), Trackable) for each in values)


def sticky_attribute_assignment(trackable: Any, name: str, value: Any) -> Any:
    """Declares the dependency that assigning `value` to `trackable.name` means; returns what to store."""
    declares = not isinstance(value, NoDependency)
    value = wrap_or_unwrap(value)
    if declares and isinstance(value, Trackable):
        trackable._track_trackable(value, name=name, overwrite=True)
    return value


class TrackableDataStructure(Trackable):
    """A container whose trackable elements are its dependencies."""

    trainable = True

    def _elements(self) -> Iterable[tuple[str, Any]]:
        """The elements with the names of their dependencies."""
        raise NotImplementedError

    def _trackable_children(
        self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        children = super()._trackable_children(save_type, cache=cache, **kwargs)
        for name, value in self._elements():
            value = wrap_or_unwrap(value)
            if isinstance(value, Trackable):
                children[name] = value
        return children

    def _lookup_dependency(self, name: str, cached_dependencies: dict[str, Any] | None = None) -> Any:
        if cached_dependencies is not None:
            return cached_dependencies.get(name)
        return self._trackable_children().get(name)

    def _added(self, name: str, value: Any) -> Any:
        """What to store for a new element, after restoring what was waiting for it."""
        value = wrap_or_unwrap(value)
        if isinstance(value, Trackable):
            self._handle_deferred_dependencies(name, value)
        return value

    @property
    def _values(self) -> list[Any]:
        return [value for _, value in self._elements()]

    @property
    def layers(self) -> list[Any]:
        """The elements that have weights, through nested containers."""
        found: list[Any] = []
        for value in self._values:
            if isinstance(value, TrackableDataStructure):
                found.extend(value.layers)
            elif hasattr(value, "trainable_weights"):
                found.append(value)
        return found

    def _weights(self, attribute: str, keep: Callable[[Any], bool]) -> list[Any]:
        found: list[Any] = []
        for value in self._values:
            inner = getattr(value, attribute, None)
            if inner is not None and isinstance(inner, (list, tuple)):
                found.extend(inner)
            elif hasattr(value, "handle") and hasattr(value, "trainable") and keep(value):
                found.append(value)
        return list({id(each): each for each in found}.values())

    @property
    def trainable_weights(self) -> list[Any]:
        """The trainable variables in the container and in its layers."""
        return (
            self._weights("trainable_weights", lambda variable: variable.trainable) if self.trainable else []
        )

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The other variables."""
        if not self.trainable:
            return self.weights
        return self._weights("non_trainable_weights", lambda variable: not variable.trainable)

    @property
    def weights(self) -> list[Any]:
        """All variables."""
        return self._weights("weights", lambda variable: True)

    variables = weights
    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    def __hash__(self) -> int:
        return id(self)


class ListWrapper(TrackableDataStructure, list):
    """A list that tracks its elements."""

    def __init__(self, wrapped_list: Iterable[Any] = ()):
        self.__dict__["_storage"] = wrapped_list if type(wrapped_list) is list else list(wrapped_list)
        for index, value in enumerate(self._storage):
            self._storage[index] = self._added(str(index), value)
        list.__init__(self, self._storage)

    def _elements(self) -> Iterable[tuple[str, Any]]:
        return [(str(index), value) for index, value in enumerate(self._storage)]

    def _refresh(self) -> None:
        # C code that reads a list directly sees the base object.
        list.__init__(self, self._storage)

    def append(self, value: Any) -> None:
        value = self._added(str(len(self._storage)), value)
        self._storage.append(value)
        list.append(self, value)

    def extend(self, values: Iterable[Any]) -> None:
        for value in values:
            self.append(value)

    def __iadd__(self, values: Iterable[Any]) -> ListWrapper:
        self.extend(values)
        return self

    def __imul__(self, count: int) -> ListWrapper:
        self[:] = self._storage * count
        return self

    def insert(self, index: int, value: Any) -> None:
        self._storage.insert(index, wrap_or_unwrap(value))
        self._refresh()

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, slice):
            self._storage[key] = [wrap_or_unwrap(each) for each in value]
        else:
            position = key.__index__()
            self._storage[key] = self._added(
                str(position % len(self._storage) if self._storage else position), value
            )
        self._refresh()

    def __delitem__(self, key: Any) -> None:
        del self._storage[key]
        self._refresh()

    def pop(self, index: int = -1) -> Any:
        value = self._storage.pop(index)
        self._refresh()
        return value

    def remove(self, value: Any) -> None:
        self._storage.remove(value)
        self._refresh()

    def clear(self) -> None:
        self._storage.clear()
        self._refresh()

    def reverse(self) -> None:
        self._storage.reverse()
        self._refresh()

    def sort(self, *, key: Callable | None = None, reverse: bool = False) -> None:
        self._storage.sort(key=key, reverse=reverse)
        self._refresh()

    def __getitem__(self, key: Any) -> Any:
        return self._storage[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._storage)

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._storage)

    def __len__(self) -> int:
        return len(self._storage)

    def __contains__(self, value: Any) -> bool:
        return value in self._storage

    def index(self, *args: Any) -> int:
        return self._storage.index(*args)

    def count(self, value: Any) -> int:
        return self._storage.count(value)

    def copy(self) -> list:
        return list(self._storage)

    def __copy__(self) -> ListWrapper:
        return ListWrapper(list(self._storage))

    def __deepcopy__(self, memo: dict) -> ListWrapper:
        return ListWrapper(copy.deepcopy(self._storage, memo))

    def __reduce_ex__(self, protocol: int) -> Any:
        return (ListWrapper, (list(self._storage),))

    def __add__(self, other: Any) -> list:
        return self._storage + getattr(other, "_storage", other)

    def __radd__(self, other: Any) -> list:
        return other + self._storage

    def __mul__(self, count: int) -> list:
        return self._storage * count

    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        return self._storage == getattr(other, "_storage", other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: Any) -> bool:
        return self._storage < getattr(other, "_storage", other)

    def __gt__(self, other: Any) -> bool:
        return self._storage > getattr(other, "_storage", other)

    def __le__(self, other: Any) -> bool:
        return not self > other

    def __ge__(self, other: Any) -> bool:
        return not self < other

    __hash__ = TrackableDataStructure.__hash__

    def __repr__(self) -> str:
        return f"ListWrapper({self._storage!r})"


class _DictWrapper(TrackableDataStructure, dict):
    """A dict that tracks its values."""

    def __init__(self, wrapped_dict: Any = None, **kwargs: Any):
        storage = wrapped_dict if isinstance(wrapped_dict, dict) else dict(wrapped_dict or ())
        storage.update(kwargs)
        self.__dict__["_storage"] = storage
        for key in list(storage):
            storage[key] = self._added(self._name_of(key), storage[key])
        dict.__init__(self, storage)

    @staticmethod
    def _name_of(key: Any) -> str:
        return key if isinstance(key, str) else str(key)

    @property
    def __wrapped__(self) -> dict:
        """The dict that was assigned."""
        return self._storage

    def _elements(self) -> Iterable[tuple[str, Any]]:
        return [(self._name_of(key), value) for key, value in self._storage.items()]

    def _refresh(self) -> None:
        # C code that reads a dict directly sees the base object.
        dict.clear(self)
        dict.update(self, self._storage)

    def __setitem__(self, key: Any, value: Any) -> None:
        value = self._added(self._name_of(key), value)
        self._storage[key] = value
        dict.__setitem__(self, key, value)

    def __delitem__(self, key: Any) -> None:
        del self._storage[key]
        self._refresh()

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def __ior__(self, other: Any) -> _DictWrapper:
        self.update(other)
        return self

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self._storage:
            self[key] = default
        return self._storage[key]

    def pop(self, *args: Any) -> Any:
        value = self._storage.pop(*args)
        self._refresh()
        return value

    def popitem(self) -> tuple[Any, Any]:
        item = self._storage.popitem()
        self._refresh()
        return item

    def clear(self) -> None:
        self._storage.clear()
        self._refresh()

    def __getitem__(self, key: Any) -> Any:
        return self._storage[key]

    def get(self, key: Any, default: Any = None) -> Any:
        return self._storage.get(key, default)

    def keys(self) -> Any:
        return self._storage.keys()

    def values(self) -> Any:
        return self._storage.values()

    def items(self) -> Any:
        return self._storage.items()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._storage)

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._storage)

    def __len__(self) -> int:
        return len(self._storage)

    def __contains__(self, key: Any) -> bool:
        return key in self._storage

    def copy(self) -> dict:
        return self._storage.copy()

    def __copy__(self) -> _DictWrapper:
        return _DictWrapper(self._storage.copy())

    def __deepcopy__(self, memo: dict) -> _DictWrapper:
        return _DictWrapper(copy.deepcopy(self._storage, memo))

    def __reduce_ex__(self, protocol: int) -> Any:
        return (_DictWrapper, (self._storage,))

    def __or__(self, other: Any) -> dict:
        return dict(self._storage) | dict(other)

    def __ror__(self, other: Any) -> dict:
        return dict(other) | dict(self._storage)

    def __eq__(self, other: object) -> bool:
        return self._storage == getattr(other, "_storage", other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = TrackableDataStructure.__hash__

    def __repr__(self) -> str:
        return f"DictWrapper({self._storage!r})"


class _TupleWrapper(TrackableDataStructure, tuple):
    """A tuple that tracks its elements."""

    def __new__(cls, original_wrapped_tuple: Iterable[Any] = ()) -> _TupleWrapper:
        return tuple.__new__(cls, [wrap_or_unwrap(each) for each in original_wrapped_tuple])

    def _elements(self) -> Iterable[tuple[str, Any]]:
        return [(str(index), value) for index, value in enumerate(self)]

    def __reduce_ex__(self, protocol: int) -> Any:
        return (type(self), (tuple(self),))

    __hash__ = tuple.__hash__


@functools.cache
def _namedtuple_wrapper(kind: Any) -> type:
    """The wrapper class of a namedtuple class: made from its fields, as that is."""
    methods = {"_elements": _TupleWrapper._elements, "__hash__": tuple.__hash__}
    methods["__reduce_ex__"] = lambda self, protocol: (kind, tuple(self))
    return type(kind.__name__, (TrackableDataStructure, kind), methods)


class List(ListWrapper):
    """`tf.contrib`-style list of trackables, made from its elements: `List(a, b)`."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(list(args))


class Mapping(_DictWrapper):
    """A dict of trackables with string keys that are set once."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(dict(*args, **kwargs))
