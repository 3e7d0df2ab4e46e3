"""Strings one by one: `tf.strings.lower`, `upper`, `strip`, `length`, `substr`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, unchanged
from penstock.ops.arguments import matching
from penstock.ops.dtype_sets import INDICES
from penstock.ops.strings.kernels import (
    Joined,
    lengths_of,
    map_strings,
    map_to,
    one_of,
    starts_character,
    string_array,
    text_attr,
)
from penstock.types import dtypes
from penstock.types.shapes import TensorShape, broadcast_shape
from penstock.types.tensors import Tensor

_UNITS = ("BYTE", "UTF8_CHAR")


def _convert_case(change: str) -> Callable:
    of_bytes: Callable[[bytes], bytes] = getattr(bytes, change)  # changes ASCII letters only
    of_text: Callable[[str], str] = getattr(str, change)

    def kernel(input: Any, *, encoding: Any) -> np.ndarray:
        name = text_attr(encoding)
        if name == "":
            return map_strings(of_bytes, input)
        if name.lower() != "utf-8":
            raise ValueError(f"only utf-8 or '' (no encoding) is supported, received {name}")
        return map_strings(lambda each: of_text(each.decode("utf-8", "replace")).encode(), input)

    return kernel


for _type, _change in (("StringLower", "lower"), ("StringUpper", "upper")):
    op(
        f"{_type}(input: string; encoding='') -> output: string",
        numpy=_convert_case(_change),
        shape=unchanged,
        gradient=stops,
    )

op(
    "StringStrip(input: string) -> output: string",
    numpy=lambda input: map_strings(bytes.strip, input),
    shape=unchanged,
    gradient=stops,
)


def _length(input: Any, *, unit: Any) -> np.ndarray:
    if one_of(text_attr(unit), "unit", _UNITS) == "BYTE":
        return map_to(np.int32, len, input)
    strings = np.asarray(input, object)
    joined = Joined.of(strings.reshape(-1).tolist())
    return np.diff(joined.characters_before()[joined.splits]).astype(np.int32).reshape(strings.shape)


op(
    "StringLength(input: string; unit='BYTE') -> output: int32",
    numpy=_length,
    shape=unchanged,
    gradient=stops,
)


def _part(text: bytes, position: int, length: int, size: int) -> slice:
    """The part of a sequence of `size` units; a negative position counts from its end."""
    if not -size <= position <= size:
        raise _outside(text, position)
    start = position + size if position < 0 else position
    return slice(start, size if length < 0 else min(start + length, size))


def _outside(text: bytes, position: int) -> ValueError:
    return ValueError(f"pos {position} out of range for string {text!r}")


def _bytes_parts(texts: list[bytes], positions: np.ndarray, lengths: np.ndarray) -> list[bytes]:
    sizes = lengths_of(texts)
    outside = (positions < -sizes) | (positions > sizes)
    if outside.any():
        first = int(outside.argmax())
        raise _outside(texts[first], int(positions[first]))
    starts = np.where(positions < 0, positions + sizes, positions)
    stops = np.where(lengths < 0, sizes, starts + np.minimum(lengths, sizes))
    return [text[start:stop] for text, start, stop in zip(texts, starts.tolist(), stops.tolist())]


def _same_part(texts: list[bytes], position: int, length: int) -> list[bytes]:
    """The same part of each string: one slice for all, once it is known to start inside of the shortest."""
    shortest = min(map(len, texts), default=abs(position))
    if not -shortest <= position <= shortest:
        raise _outside(next(each for each in texts if not -len(each) <= position <= len(each)), position)
    to_end = length < 0 or position < 0 <= position + length
    return list(map(operator.itemgetter(slice(position, None if to_end else position + length)), texts))


def _characters_part(text: bytes, position: int, length: int) -> bytes:
    starts = [index for index, byte in enumerate(text) if starts_character(byte)]
    part = _part(text, position, length, len(starts))
    edges = [*starts, len(text)]
    return text[edges[part.start] : edges[part.stop]]


def _substr(input: Any, pos: Any, len: Any, *, unit: Any) -> np.ndarray:
    of_characters = one_of(text_attr(unit), "unit", _UNITS) == "UTF8_CHAR"
    if np.shape(pos) != np.shape(len):
        raise ValueError(
            f"pos and len should have the same shape, got: {list(np.shape(pos))} vs. {list(np.shape(len))}"
        )
    arrays = np.broadcast_arrays(np.asarray(input, object), pos, len)
    strings, positions, lengths = (each.reshape(-1) for each in arrays)
    texts = strings.tolist()
    if of_characters and not b"".join(texts).isascii():
        parts = list(map(_characters_part, texts, positions.tolist(), lengths.tolist()))
    elif np.ndim(pos) == 0:
        parts = _same_part(texts, int(pos), int(len))
    else:
        parts = _bytes_parts(texts, positions, lengths)
    return string_array(parts, arrays[0].shape)


def _substr_shape(call: ShapeCall) -> TensorShape:
    try:
        return broadcast_shape(call.shape(0), call.shape(1).merge_with(call.shape(2)))
    except ValueError:
        raise call.error("pos and len should have the same shape, and broadcast with the input") from None


op(
    "Substr(input: string, pos: T, len: T; unit='BYTE') -> output: string",
    numpy=_substr,
    shape=_substr_shape,
    gradient=stops,
    types={"T": INDICES},
)


# Public functions.


def _strings(value: Any) -> Tensor:
    return convert_to_tensor(value, dtypes.string)


@export("strings.lower")
def lower(input: Any, encoding: str = "", name: str | None = None) -> Tensor:
    r"""Lower-case strings.

    Args:
      input: a string tensor.
      encoding: "" changes ASCII letters only, "utf-8" all.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the encoding is another one.

    Example:
      >>> import penstock as tf
      >>> tf.strings.lower(["ABC", "Ä"]).numpy().tolist()
      [b'abc', b'\xc3\x84']
      >>> tf.strings.lower("Ä", encoding="utf-8").numpy().decode()
      'ä'
    """
    return execute("StringLower", (_strings(input),), {"encoding": encoding}, name)


@export("strings.upper")
def upper(input: Any, encoding: str = "", name: str | None = None) -> Tensor:
    """Upper-case strings; arguments as for `tf.strings.lower`.

    Example:
      >>> import penstock as tf
      >>> tf.strings.upper("straße", encoding="utf-8").numpy()
      b'STRASSE'
    """
    return execute("StringUpper", (_strings(input),), {"encoding": encoding}, name)


@export("strings.strip", v1=["strings.strip", "string_strip"])
def strip(input: Any, name: str | None = None) -> Tensor:
    r"""Strings without ASCII whitespace at both ends.

    Example:
      >>> import penstock as tf
      >>> tf.strings.strip(["  a b ", "\tc\n"]).numpy().tolist()
      [b'a b', b'c']
    """
    return execute("StringStrip", (_strings(input),), None, name)


@export("strings.length", v1=[])
def length(input: Any, unit: str = "BYTE", name: str | None = None) -> Tensor:
    """The length of each string, int32.

    Args:
      input: a string tensor.
      unit: "BYTE", or "UTF8_CHAR" for characters.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: the unit is another one.

    Example:
      >>> import penstock as tf
      >>> tf.strings.length("größe").numpy(), tf.strings.length("größe", unit="UTF8_CHAR").numpy()
      (np.int32(7), np.int32(5))
    """
    return execute("StringLength", (_strings(input),), {"unit": unit}, name)


@export(v1=["strings.length"])
def length_v1(input: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """TF 1's order of arguments of `tf.strings.length`."""
    return length(input, unit, name)


@export("strings.substr", v1=[])
def substr(input: Any, pos: Any, len: Any, unit: str = "BYTE", name: str | None = None) -> Tensor:
    """Parts of strings.

    Args:
      input: a string tensor.
      pos: where each part starts, counted from the end where negative; int32 or int64.
      len: its length, of the shape and dtype of `pos`; both broadcast with `input`.
      unit: "BYTE", or "UTF8_CHAR" for characters.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: a position is outside of its string, the shapes do not fit, or the unit is another one.

    Example:
      >>> import penstock as tf
      >>> tf.strings.substr(["hello", "world"], [1, -3], [3, 2]).numpy().tolist()
      [b'ell', b'rl']
    """
    pos, len = matching(pos, len)
    return execute("Substr", (_strings(input), pos, len), {"unit": unit}, name)


@export(v1=["strings.substr", "substr"])
def substr_v1(input: Any, pos: Any, len: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """TF 1's order of arguments of `tf.strings.substr`."""
    return substr(input, pos, len, unit, name)
