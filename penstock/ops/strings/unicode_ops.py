"""The ops behind `tf.strings.unicode_*`: strings to code points and back, and from one encoding to another."""

from __future__ import annotations

import codecs
import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.definition import op, stops
from penstock.engine.shape_rules import ShapeCall, unchanged
from penstock.ops.dtype_sets import INDICES
from penstock.ops.strings.kernels import (
    Joined,
    map_strings,
    one_of,
    starts_character,
    string_array,
    text_attr,
)
from penstock.ops.strings.unicode_scripts import script_codes
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape

_ERRORS = ("strict", "replace", "ignore")
_OUTPUT_ENCODINGS = ("UTF-8", "UTF-16-BE", "UTF-32-BE")
_PYTHON_NAMES = {
    "UTF-16-BE": "utf-16-be",
    "UTF-32-BE": "utf-32-be",
    "UTF-16-LE": "utf-16-le",
    "UTF-32-LE": "utf-32-le",
}


class Decoding(NamedTuple):
    """How strings become code points.

    Attributes:
      encoding: Python's name of the encoding. errors: "strict", "replace" or "ignore".
      replacement: the code point for what is no valid text; None leaves it out.
      control: whether control characters (below 32) are replaced, or left out, as well.
    """

    encoding: str
    errors: str
    replacement: int | None
    control: bool


def _decoding(
    input_encoding: Any, errors: Any, replacement_char: int, replace_control_characters: bool
) -> Decoding:
    name = text_attr(input_encoding)
    policy = one_of(text_attr(errors), "errors", _ERRORS)
    _check_replacement(replacement_char)
    encoding = _PYTHON_NAMES.get(name.upper(), name)
    if name.upper() in ("UTF-16", "UTF-32"):  # a byte order mark decides; big endian without one
        encoding = name.lower()
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ValueError(f"Could not create converter for input encoding: {name}") from None
    return Decoding(
        encoding, policy, None if policy == "ignore" else replacement_char, replace_control_characters
    )


def _check_replacement(character: int) -> None:
    if not 0 <= character <= 0x10FFFF:
        raise ValueError("replacement_char out of unicode codepoint range")


def _pieces(data: bytes, encoding: str) -> Iterator[tuple[str | None, int, int]]:
    """(text, start, end) of the valid parts of a byte string, and (None, start, end) of what is invalid."""
    start = 0
    if encoding in ("utf-16", "utf-32"):
        mark = {"utf-16": codecs.BOM_UTF16_LE, "utf-32": codecs.BOM_UTF32_LE}[encoding]
        big = mark[::-1]
        start = len(mark) if data.startswith((mark, big)) else 0
        encoding += "-le" if data.startswith(mark) else "-be"
    while start < len(data):
        try:
            yield data[start:].decode(encoding), start, len(data)
            return
        except UnicodeDecodeError as error:
            if error.start:
                yield data[start : start + error.start].decode(encoding), start, start + error.start
            yield None, start + error.start, start + error.end
            start += error.end


def _characters(data: bytes, how: Decoding) -> tuple[list[int], list[int]]:
    """The code points of a byte string, and where each one begins."""
    points: list[int] = []
    starts: list[int] = []
    for text, start, end in _pieces(data, how.encoding):
        if text is None:
            if how.errors == "strict":
                raise ValueError("Invalid formatting on input string")
            if how.replacement is not None:
                points.append(how.replacement)
                starts.append(start)
            continue
        codes = list(map(ord, text))
        places = range(start, end) if len(text) == end - start else _places(text, start, how.encoding)
        if how.control and min(codes) < 32:
            kept = [
                (code, place)
                for code, place in zip(codes, places)
                if code >= 32 or how.replacement is not None
            ]
            codes = [code if code >= 32 else how.replacement for code, _ in kept]  # type: ignore[misc]
            places = [place for _, place in kept]
        points += codes
        starts += places
    return points, starts


def _places(text: str, start: int, encoding: str) -> list[int]:
    width: Callable[[str], int] = lambda each: len(each.encode(encoding.removesuffix("-sig")))  # noqa: E731
    if encoding in ("utf-16", "utf-32"):
        width = lambda each: len(each.encode(f"{encoding}-be"))  # noqa: E731
    places = []
    for each in text:
        places.append(start)
        start += width(each)
    return places


def _flat(input: Any) -> np.ndarray:
    return np.asarray(input, object).reshape(-1)


def _decode(
    input: Any,
    *,
    input_encoding: Any,
    errors: Any,
    replacement_char: int,
    replace_control_characters: bool,
    Tsplits: Any,
) -> tuple:
    how = _decoding(input_encoding, errors, replacement_char, replace_control_characters)
    strings = _flat(input).tolist()
    splits, points, starts = _decode_valid(strings, how) or _decode_each(strings, how)
    return splits.astype(as_dtype(Tsplits).as_numpy_dtype), points, starts


def _decode_each(strings: list[bytes], how: Decoding) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = [_characters(each, how) for each in strings]
    splits = np.cumsum([0, *(len(points) for points, _ in rows)])
    points = np.array([point for points, _ in rows for point in points], np.int32)
    starts = np.array([start for _, starts in rows for start in starts], np.int64)
    return splits, points, starts


def _decode_valid(strings: list[bytes], how: Decoding) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """`_decode_each` of all strings at once; None where they are no UTF-8, or hold control characters to replace."""
    if codecs.lookup(how.encoding).name != "utf-8":
        return None
    joined = Joined.of(strings)
    first = starts_character(joined.codes)
    # Where no string begins inside of a character, all are valid if the joined one is.
    begins = joined.splits[:-1]
    if not first[begins[begins < len(first)]].all():
        return None
    try:
        points = np.frombuffer(joined.data.decode("utf-8").encode("utf-32-le"), "<u4").astype(np.int32)
    except UnicodeDecodeError:
        return None
    if how.control and (points < 32).any():
        return None
    splits = joined.characters_before()[joined.splits]
    starts = np.flatnonzero(first) - np.repeat(begins, np.diff(splits))
    return splits, points, starts


def _splits_shape(call: ShapeCall) -> TensorShape:
    count = call.shape(0).num_elements()
    return TensorShape([None if count is None else count + 1])


_DECODE_ATTRS = "input_encoding, errors='replace', replacement_char=65533, replace_control_characters=False, Tsplits=int64"
op(
    f"UnicodeDecode(input: string; {_DECODE_ATTRS}) -> (row_splits: Tsplits, char_values: int32)",
    numpy=lambda input, **attrs: _decode(input, **attrs)[:2],
    shape=lambda call: [_splits_shape(call), TensorShape([None])],
    gradient=stops,
)
op(
    f"UnicodeDecodeWithOffsets(input: string; {_DECODE_ATTRS})"
    " -> (row_splits: Tsplits, char_values: int32, char_to_byte_starts: int64)",
    numpy=_decode,
    shape=lambda call: [_splits_shape(call), TensorShape([None]), TensorShape([None])],
    gradient=stops,
)


def _encoder(output_encoding: Any) -> str:
    return _PYTHON_NAMES.get(
        one_of(text_attr(output_encoding), "output_encoding", _OUTPUT_ENCODINGS), "utf-8"
    )


def _encode(
    input_values: Any, input_splits: Any, *, errors: Any, output_encoding: Any, replacement_char: int
) -> np.ndarray:
    encoding = _encoder(output_encoding)
    policy = one_of(text_attr(errors), "errors", _ERRORS)
    _check_replacement(replacement_char)
    points = np.asarray(input_values)
    splits = np.asarray(input_splits)
    if splits.size and (splits[0] != 0 or splits[-1] != points.size or (np.diff(splits) < 0).any()):
        raise ValueError(
            f"Values in input_splits must be increasing from 0 to {points.size}: {splits.tolist()}"
        )
    wrong = (points < 0) | (points > 0x10FFFF) | ((points >= 0xD800) & (points <= 0xDFFF))
    if wrong.any():
        if policy == "strict":
            raise ValueError("Code point is out of range for Unicode, or is a surrogate.")
        if policy == "ignore":
            splits = np.concatenate([[0], np.cumsum(~wrong)])[splits]
            points = points[~wrong]
        else:
            points = np.where(wrong, replacement_char, points)
    # The replacement may be a surrogate: it passes here, and the encoder refuses it.
    text = points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    rows = (text[start:end].encode(encoding) for start, end in itertools.pairwise(splits.tolist()))
    return string_array(rows, (max(splits.size - 1, 0),))


def _rows_shape(call: ShapeCall) -> TensorShape:
    count = call.shape(1)[0] if call.shape(1).rank == 1 else None
    return TensorShape([None if count is None else count - 1])


op(
    "UnicodeEncode(input_values: int32, input_splits: Tsplits; errors='replace', output_encoding, replacement_char=65533)"
    " -> output: string",
    numpy=_encode,
    shape=_rows_shape,
    gradient=stops,
    types={"Tsplits": INDICES},
)


def _transcode(
    input: Any,
    *,
    input_encoding: Any,
    output_encoding: Any,
    errors: Any,
    replacement_char: int,
    replace_control_characters: bool,
) -> np.ndarray:
    how = _decoding(input_encoding, errors, replacement_char, replace_control_characters)
    encoding = _encoder(output_encoding)
    return map_strings(lambda each: _text(each, how).encode(encoding), input)


def _text(data: bytes, how: Decoding) -> str:
    if not how.control and how.encoding not in ("utf-16", "utf-32"):  # whose byte order may need a look
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode(how.encoding)
    return "".join(map(chr, _characters(data, how)[0]))


op(
    "UnicodeTranscode(input: string; input_encoding, output_encoding, errors='replace', replacement_char=65533,"
    " replace_control_characters=False) -> output: string",
    numpy=_transcode,
    shape=unchanged,
    gradient=stops,
)
op(
    "UnicodeScript(input: int32) -> output: int32",
    numpy=lambda input: script_codes(np.asarray(input)),
    shape=unchanged,
    gradient=stops,
)
