"""`ImmutableDict`: the mapping that the `Mapping` fields of extension types are stored as."""

from __future__ import annotations

import collections.abc
from collections.abc import Iterator
from typing import Any


class ImmutableDict(collections.abc.Mapping):
    """A mapping that cannot be changed after it is made.

    >>> from penstock.types.immutable_dict import ImmutableDict
    >>> ImmutableDict({"a": 1})["a"]
    1
    """

    __slots__ = ("_dict",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._dict = dict(*args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._dict[key]

    def __contains__(self, key: object) -> bool:
        return key in self._dict

    def __iter__(self) -> Iterator[Any]:
        return iter(self._dict)

    def __len__(self) -> int:
        return len(self._dict)

    def __repr__(self) -> str:
        return f"ImmutableDict({self._dict})"
