"""What libraries import from `tensorflow.python.util.object_identity`: containers whose keys are the objects themselves.

Two tensors that hold the same numbers are equal, or have no hash at all; here each object is a key of its own.
"""

from __future__ import annotations

import collections.abc
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from penstock.types.tensors import Reference

_ObjectIdentityWrapper = Reference


class WeakReference(Reference):
    """A reference that does not keep its object alive: `deref()` gives None once that is gone."""

    __slots__ = ("_identity",)

    def __init__(self, wrapped: Any):
        super().__init__(weakref.ref(wrapped))
        self._identity = id(wrapped)

    def deref(self) -> Any:
        """The object, or None."""
        return self._wrapped()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WeakReference) and self._identity == other._identity

    def __hash__(self) -> int:
        return self._identity


class ObjectIdentityDictionary(collections.abc.MutableMapping):
    """A dict whose keys are the objects themselves."""

    _reference: type[Reference] = Reference

    def __init__(self, *args: Any, **kwargs: Any):
        self._values: dict[Reference, Any] = {}
        self.update(*args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._values[self._reference(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._values[self._reference(key)] = value

    def __delitem__(self, key: Any) -> None:
        del self._values[self._reference(key)]

    def __iter__(self) -> Iterator[Any]:
        return (key.deref() for key in self._values)

    def __len__(self) -> int:
        return len(self._values)


class ObjectIdentityWeakKeyDictionary(ObjectIdentityDictionary):
    """The same, which does not keep its keys alive."""

    _reference = WeakReference

    def __iter__(self) -> Iterator[Any]:
        for reference in list(self._values):
            key = reference.deref()
            if key is None:
                del self._values[reference]
            else:
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)


class ObjectIdentitySet(collections.abc.MutableSet):
    """A set of the objects themselves, in the order in which they were added."""

    _kind: type[ObjectIdentityDictionary] = ObjectIdentityDictionary

    def __init__(self, elements: Iterable[Any] = ()):
        self._elements = self._kind((element, None) for element in elements)

    def __contains__(self, element: Any) -> bool:
        return element in self._elements

    def __iter__(self) -> Iterator[Any]:
        return iter(self._elements)

    def __len__(self) -> int:
        return len(self._elements)

    def add(self, value: Any) -> None:
        """Adds an object."""
        self._elements[value] = None

    def discard(self, value: Any) -> None:
        """Takes an object out, where it is there."""
        self._elements.pop(value, None)

    def update(self, elements: Iterable[Any]) -> None:
        """Adds several objects."""
        for element in elements:
            self.add(element)

    def union(self, elements: Iterable[Any]) -> ObjectIdentitySet:
        """A set of these objects and others."""
        return type(self)([*self, *elements])

    def difference(self, elements: Iterable[Any]) -> ObjectIdentitySet:
        """A set of these objects without others."""
        others = ObjectIdentitySet(elements)
        return type(self)(each for each in self if each not in others)

    def intersection(self, elements: Iterable[Any]) -> ObjectIdentitySet:
        """A set of these objects that are among others."""
        others = ObjectIdentitySet(elements)
        return type(self)(each for each in self if each in others)

    def clear(self) -> None:
        """Takes all objects out."""
        self._elements.clear()


class ObjectIdentityWeakSet(ObjectIdentitySet):
    """The same, which does not keep its elements alive."""

    _kind = ObjectIdentityWeakKeyDictionary
