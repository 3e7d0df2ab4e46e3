"""`tf.compat.as_bytes` and its siblings, the tuples of types beside them, and the forward-compatibility clock."""

from __future__ import annotations

import codecs
import datetime
import numbers
import os
from typing import Any

import numpy as np

from penstock.engine.context import process
from penstock.engine.export import export


@export("compat.as_bytes")
def as_bytes(bytes_or_text: Any, encoding: str = "utf-8") -> bytes:
    """Text as bytes; bytes unchanged.

    Raises:
      TypeError: it is neither.

    Example:
      >>> import penstock as tf
      >>> tf.compat.as_bytes("abc")
      b'abc'
    """
    encoding = codecs.lookup(encoding).name
    if isinstance(bytes_or_text, bytearray):
        return bytes(bytes_or_text)
    if isinstance(bytes_or_text, str):
        return bytes_or_text.encode(encoding)
    if isinstance(bytes_or_text, bytes):
        return bytes_or_text
    raise TypeError(f"Expected binary or unicode string, got {bytes_or_text!r}")


@export("compat.as_text", "compat.as_str")
def as_text(bytes_or_text: Any, encoding: str = "utf-8") -> str:
    """Bytes as text; text unchanged.

    Raises:
      TypeError: it is neither.

    Example:
      >>> import penstock as tf
      >>> tf.compat.as_text(b"abc")
      'abc'
    """
    encoding = codecs.lookup(encoding).name
    if isinstance(bytes_or_text, str):
        return bytes_or_text
    if isinstance(bytes_or_text, bytes):
        return bytes_or_text.decode(encoding)
    raise TypeError(f"Expected binary or unicode string, got {bytes_or_text!r}")


as_str = as_text


@export("compat.as_str_any")
def as_str_any(value: Any, encoding: str = "utf-8") -> str:
    """`str(value)`, or the text that bytes hold."""
    return as_text(value, encoding) if isinstance(value, bytes) else str(value)


@export("compat.path_to_str")
def path_to_str(path: Any) -> Any:
    """A path object as text; text and bytes unchanged."""
    return as_str_any(os.fspath(path)) if isinstance(path, os.PathLike) else path


def path_to_bytes(path: Any) -> bytes:
    """A path as bytes."""
    return as_bytes(os.fspath(path) if isinstance(path, os.PathLike) else path)


bytes_or_text_types = (bytes, str)
integral_types = (numbers.Integral, np.integer)
real_types = (numbers.Real, np.integer, np.floating)
complex_types = (numbers.Complex, np.number)
for _name in ("bytes_or_text_types", "integral_types", "real_types", "complex_types"):
    export(f"compat.{_name}")(globals()[_name])


# TensorFlow lets old binaries read new graphs by not using new ops before a date. Everything is in use here.


@export("compat.forward_compatible")
def forward_compatible(year: int, month: int, day: int) -> bool:
    """Whether what appeared on a date may be used: always, unless `forward_compatibility_horizon` sets an earlier one."""
    horizon = process.registry.get("forward_compatibility_horizon") or datetime.date.today()
    return horizon > datetime.date(year, month, day)


@export("compat.forward_compatibility_horizon")
class forward_compatibility_horizon:  # noqa: N801 - a context manager
    """Sets the date that `tf.compat.forward_compatible` compares with, for a `with` block."""

    def __init__(self, year: int, month: int, day: int):
        self._date = datetime.date(year, month, day)

    def __enter__(self) -> None:
        self._outer = process.registry.get("forward_compatibility_horizon")
        process.registry["forward_compatibility_horizon"] = self._date

    def __exit__(self, *error: Any) -> None:
        process.registry["forward_compatibility_horizon"] = self._outer
