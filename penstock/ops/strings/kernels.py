"""What kernels on strings share: a string tensor is an object array of `bytes`.

Python handles one at a time: a kernel is fast where its loop is a C function mapped over the list of the strings
(`map(bytes.strip, ...)`), or where it looks at all bytes at once as one NumPy array (`Joined`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np


def string_array(values: Iterable[Any], shape: tuple[int, ...]) -> np.ndarray:
    """An object array of the given shape from its elements in order."""
    return np.fromiter(values, object, math.prod(shape)).reshape(shape)


def lengths_of(strings: Sequence[Any]) -> np.ndarray:
    """The lengths of byte strings, or of other sequences, as an int64 vector."""
    return np.fromiter(map(len, strings), np.int64, len(strings))


class Joined(NamedTuple):
    """Strings behind each other.

    Attributes:
      data: all their bytes. codes: the same as a uint8 vector. splits: string i is `data[splits[i]:splits[i + 1]]`.
    """

    data: bytes
    codes: np.ndarray
    splits: np.ndarray

    @classmethod
    def of(cls, strings: Sequence[bytes]) -> Joined:
        """The strings of a list."""
        data = b"".join(strings)
        splits = np.zeros(len(strings) + 1, np.int64)
        np.cumsum(lengths_of(strings), out=splits[1:])
        return cls(data, np.frombuffer(data, np.uint8), splits)

    def characters_before(self) -> np.ndarray:
        """For each byte, and for the end, how many UTF-8 characters start before it."""
        before = np.zeros(len(self.codes) + 1, np.int64)
        np.cumsum(starts_character(self.codes), out=before[1:])
        return before


def starts_character(codes: Any) -> Any:
    """Whether a byte of UTF-8, or each of an array, is the first of a character."""
    return codes & 0xC0 != 0x80


def map_strings(function: Callable[[bytes], Any], strings: Any) -> np.ndarray:
    """The array of `function(s)` for each string, as strings."""
    strings = np.asarray(strings, object)
    return string_array(map(function, strings.reshape(-1).tolist()), strings.shape)


def map_to(dtype: Any, function: Callable[[bytes], Any], strings: Any) -> np.ndarray:
    """The array of `function(s)` for each string, as numbers of a dtype."""
    strings = np.asarray(strings, object)
    return np.fromiter(map(function, strings.reshape(-1).tolist()), dtype, strings.size).reshape(
        strings.shape
    )


def text_attr(value: Any) -> str:
    """An attribute that a GraphDef holds as bytes, as text."""
    return value.decode() if isinstance(value, bytes) else value


def bytes_attr(value: Any) -> bytes:
    """An attribute that programs give as text, as bytes."""
    return value.encode() if isinstance(value, str) else value


def one_of(value: str, name: str, allowed: tuple[str, ...]) -> str:
    """`value`, if it is allowed.

    Raises:
      ValueError: it is not.
    """
    if value not in allowed:
        listed = ", ".join(f'"{each}"' for each in allowed)
        raise ValueError(f'{name} is "{value}", which is not in the list of allowed values: {listed}')
    return value


def as_array(value: Any) -> np.ndarray:
    """The array of a kernel's argument; a scalar string may come as plain `bytes`, whose zeros must stay."""
    return np.asarray(value, object if isinstance(value, bytes) else None)
