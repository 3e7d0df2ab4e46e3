"""Lines of comma-separated values (RFC 4180) to columns of numbers and strings, a whole batch of lines at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from penstock.types import dtypes
from penstock.types.dtypes import DType

_NAMES = {dtypes.float32: "float", dtypes.float64: "double", dtypes.int32: "int32", dtypes.int64: "int64"}
DTYPES = (dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64, dtypes.string)


@dataclasses.dataclass(frozen=True, slots=True)
class CsvColumn:
    """A column.

    Attributes:
      dtype: float32, float64, int32, int64 or string.
      default: what stands in for an empty field; None: it is required.
    """

    dtype: DType
    default: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class CsvFormat:
    """How lines are divided into fields.

    Attributes:
      delimiter: one byte between fields.
      quoting: whether a field may be in double quotes.
      missing: what stands, besides nothing, for a missing value.
      selected: the indices of the fields that are columns, increasing; all for ().
    """

    delimiter: bytes = b","
    quoting: bool = True
    missing: bytes = b""
    selected: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1:
            raise ValueError(f"field_delim should be only 1 char, got {self.delimiter!r}")


def parse_csv(
    lines: Sequence[bytes], columns: Sequence[CsvColumn], form: CsvFormat = CsvFormat()
) -> list[np.ndarray]:
    """The columns of some lines.

    Args:
      lines: without line ends.
      columns: the columns, in the order of the fields.
      form: how lines are divided.

    Returns:
      For each column a vector with an element for each line.

    Raises:
      ValueError: a line has another number of fields, a field is no number, or a required one is missing.

    Example:
      >>> import penstock as tf
      >>> from penstock.io.csv_records import CsvColumn, parse_csv
      >>> parse_csv([b"1,a", b",b"], [CsvColumn(tf.int32, 7), CsvColumn(tf.string)])
      [array([1, 7], dtype=int32), array([b'a', b'b'], dtype=object)]
    """
    count, text = len(columns), form.delimiter.join(lines)
    plain = not ((form.quoting and b'"' in text) or b"\n" in text or b"\r" in text)
    alike = {line.count(form.delimiter) for line in lines} == {count - 1} and all(lines)
    if plain and alike and not form.selected:
        all_fields = text.split(form.delimiter)
        fields: Iterable[Sequence[bytes]] = [all_fields[place::count] for place in range(count)]
    else:
        fields = _fields(lines, plain, count, form)
    return [column_values(place, *each, form.missing) for place, each in enumerate(zip(fields, columns))]


def _fields(lines: Sequence[bytes], plain: bool, count: int, form: CsvFormat) -> Iterable[Sequence[bytes]]:
    """The fields of each of `count` columns; `plain` ones have neither quotes nor ends of lines."""
    if plain:
        rows = [line.split(form.delimiter) if line else [] for line in lines]
    else:
        rows = [_split_carefully(index, line, form) for index, line in enumerate(lines)]
    if form.selected:
        rows = [[row[index] for index in form.selected if index < len(row)] for row in rows]
    for index, row in enumerate(rows):
        if len(row) != count:
            raise ValueError(f"Expect {count} fields but have {len(row)} in record {index}")
    return zip(*rows) if rows else [()] * count


def _split_carefully(index: int, line: bytes, form: CsvFormat) -> list[bytes]:
    try:
        return split_line(line, form) if line else []
    except ValueError as error:
        raise ValueError(f"{error}, in record {index}") from None


def split_line(line: bytes, form: CsvFormat) -> list[bytes]:
    """The fields of a line that may have quotes; of those behind the last selected one nothing is looked at.

    Raises:
      ValueError: a quote is where none may be, or an end of a line is outside of quotes.
    """
    wanted = form.selected[-1] + 1 if form.selected else len(line) + 1
    fields: list[bytes] = []
    at = 0
    while len(fields) < wanted and at <= len(line):
        if form.quoting and line[at : at + 1] == b'"':
            field, at = _quoted(line, at + 1, form.delimiter)
        else:
            stop = line.find(form.delimiter, at)
            stop = len(line) if stop < 0 else stop
            field, at = line[at:stop], stop + 1
            if (form.quoting and b'"' in field) or b"\n" in field or b"\r" in field:
                raise ValueError(
                    f"Unquoted fields cannot have quotes/CRLFs inside: field {len(fields)} is {field!r}"
                )
        fields.append(field)
    return fields


def _quoted(line: bytes, at: int, delimiter: bytes) -> tuple[bytes, int]:
    """The field whose first byte behind the quote is at `at`, and where the next field begins."""
    parts = []
    while True:
        close = line.find(b'"', at)
        if close < 0:
            raise ValueError("Quoted field has to end with quote followed by delim or end")
        parts.append(line[at:close])
        behind = line[close + 1 : close + 2]
        if behind in (b"", delimiter):
            return b'"'.join(parts), close + 2
        if behind != b'"':
            raise ValueError("Quote inside a string has to be escaped by another quote")
        at = close + 2


def column_values(
    place: int, fields: Sequence[bytes], column: CsvColumn, missing: bytes, first: int = 0
) -> np.ndarray:
    """A column of fields as an array.

    Args:
      place: the number of the column, for errors.
      missing: as in `CsvFormat`.
      first: the number of the first record, for errors.

    Raises:
      ValueError: a field is no number, or a required one is missing.
    """
    gaps: list[int] = []
    if b"" in fields or (missing and missing in fields):
        gaps = [index for index, field in enumerate(fields) if not field or field == missing]
        if column.default is None:
            raise ValueError(f"Field {place} is required but missing in record {first + gaps[0]}!")
        filler = column.default if column.dtype is dtypes.string else b"0"
        fields = [filler if not field or field == missing else field for field in fields]
    if column.dtype is dtypes.string:
        strings = np.empty(len(fields), object)
        strings[:] = fields
        return strings
    numbers = _numbers(place, fields, column.dtype, first)
    if gaps:
        numbers[gaps] = column.default
    return numbers


def _numbers(place: int, fields: Sequence[bytes], dtype: DType, first: int) -> np.ndarray:
    parse: Callable = float if dtype.is_floating else int
    try:
        if b"_" in b"".join(fields):  # Python's numbers may have it
            raise ValueError
        return np.fromiter(map(parse, fields), dtype.as_numpy_dtype, len(fields))
    except (ValueError, OverflowError):
        return np.array(
            [_number(place, record, field, dtype) for record, field in enumerate(fields, first)],
            dtype.as_numpy_dtype,
        )


def _number(place: int, record: int, field: bytes, dtype: DType) -> Any:
    """One number, also a hexadecimal one; the error names it."""
    try:
        if b"_" in field:
            raise ValueError
        if not dtype.is_floating:
            return np.array(int(field), dtype.as_numpy_dtype)
        if b"x" in field.lower():
            return float.fromhex(field.decode())
        return float(field)
    except (ValueError, OverflowError):
        shown = field.decode("utf-8", "replace")
        raise ValueError(
            f"Field {place} in record {record} is not a valid {_NAMES[dtype]}: {shown}"
        ) from None
