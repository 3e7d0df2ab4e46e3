"""The values of a tensor as text, in the two forms that TensorFlow's messages have.

`summary` is the one of `tf.print` and `tf.strings.format`: `[0 1 2 ... 7 8 9]`, each dimension shortened in its middle.
`leading_values` is the one of `tf.Assert` and of TF 1's `Print`: the first values only, `0 1 2...`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r", '"': '\\"', "'": "\\'", "\\": "\\\\"}
# Bytes from 128 on stand for themselves, so that UTF-8 stays readable.
_ESCAPED = {
    chr(code): _ESCAPES.get(chr(code), f"\\{code:03o}") for code in (*range(32), 127, *map(ord, _ESCAPES))
}
_ESCAPE_TABLE = str.maketrans(_ESCAPED)


def element_text(value: Any) -> str:
    """One element: numbers by the shortest of two fixed precisions that gives the value back, strings escaped."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape").translate(_ESCAPE_TABLE)
    if isinstance(value, str):
        return value.translate(_ESCAPE_TABLE)
    if isinstance(value, (bool, np.bool_)):
        return "1" if value else "0"
    if isinstance(value, (float, np.floating)) or getattr(getattr(value, "dtype", None), "kind", "") == "V":
        return _float_text(value)
    if isinstance(value, (complex, np.complexfloating)):
        real, imaginary = (element_text(part) for part in (np.real(value), np.imag(value)))
        return f"({real},{imaginary})"
    return str(value)


def _float_text(value: Any) -> str:
    if np.isnan(value):
        return "nan"
    double = isinstance(value, (np.float64, float))
    short, exact = (15, 17) if double else (6, 9)
    kind = np.float64 if double else np.float32
    value = kind(value)
    text = f"{value:.{short}g}"
    return text if kind(text) == value else f"{value:.{exact}g}"


def summary(array: Any, entries: int = 3) -> str:
    """An array with the first and last `entries` of each dimension; -1: all of them.

    >>> summary(np.arange(10))
    '[0 1 2 ... 7 8 9]'
    """
    array = np.asarray(array)
    if entries < 0 or entries > array.size:
        entries = array.size
    return _summary(array, entries, array.ndim, 0)


def _summary(array: Any, ends: int, rank: int, axis: int) -> str:
    if axis == rank:
        value = array[()] if isinstance(array, np.ndarray) else array
        return f'"{element_text(value)}"' if isinstance(value, (bytes, str)) else element_text(value)
    spacing = " " if axis == rank - 1 else "\n" * (rank - axis - 1) + " " * (axis + 1)
    count = len(array)
    first = [_summary(each, ends, rank, axis + 1) for each in array[: min(ends, count)]]
    last = [_summary(each, ends, rank, axis + 1) for each in array[max(ends, count - ends) :]]
    if count <= 2 * ends:
        return "[" + spacing.join([*first, *last]) + "]"
    return "[" + spacing.join([*first, "..." if first else f"{spacing}...", *last]) + "]"


def leading_values(array: Any, entries: int = 3) -> str:
    """The first `entries` values of an array; -1: all of them.

    >>> leading_values(np.arange(6).reshape(2, 3), 4)
    '[0 1 2][3...]...'
    """
    array = np.asarray(array)
    limit = array.size if entries < 0 else entries
    if not array.size:
        return ""
    if not array.ndim:
        return element_text(array[()]) if limit else "..."
    return _leading(array, limit, outermost=True) + ("..." if limit < array.size else "")


def _leading(array: np.ndarray, limit: int, outermost: bool = False) -> str:
    """The values of one dimension as long as fewer than `limit` have been written."""
    if array.ndim == 1:
        shown = " ".join(element_text(each) for each in array[:limit])
        return shown if outermost or limit >= array.size else shown + "..."
    parts = []
    for each in array:
        if limit <= 0:
            break
        parts.append(f"[{_leading(each, limit)}]")
        limit -= each.size
    return "".join(parts)
