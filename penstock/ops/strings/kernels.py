"""What kernels on strings share: a string tensor is an object array of `bytes`, and Python handles one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


def string_array(values: Iterable[Any], shape: tuple[int, ...]) -> np.ndarray:
    """An object array of the given shape from its elements in order."""
    array = np.empty(shape, object)
    flat = array.reshape(-1)
    for index, value in enumerate(values):
        flat[index] = value
    return array


def map_strings(function: Callable[[bytes], Any], strings: Any) -> np.ndarray:
    """The array of `function(s)` for each string, as strings."""
    strings = np.asarray(strings, object)
    return string_array(map(function, strings.reshape(-1)), strings.shape)


def map_to(dtype: Any, function: Callable[[bytes], Any], strings: Any) -> np.ndarray:
    """The array of `function(s)` for each string, as numbers of a dtype."""
    strings = np.asarray(strings, object)
    return np.fromiter(map(function, strings.reshape(-1)), dtype, strings.size).reshape(strings.shape)


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
