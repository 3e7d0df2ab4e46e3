"""`CsvDataset`: the records of CSV files, with columns as scalars."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from penstock.data.dataset import UNKNOWN, Dataset
from penstock.data.element import to_structure
from penstock.data.iteration import Iteration
from penstock.data.readers import as_text, file_names
from penstock.engine.export import export
from penstock.io.compressed import Decompressed, checked_kind
from penstock.io.csv_records import DTYPES, CsvColumn, column_values
from penstock.io.filesystem import open_to_read, os_errors
from penstock.types import errors
from penstock.types.dtypes import DType, as_dtype
from penstock.types.specs import TensorSpec

_TOGETHER = 128  # records whose columns are made at once
# Bytes pass through the csv module as the characters of the same numbers.
_BYTES = "latin-1"


def _column(default: Any) -> CsvColumn:
    """How a column is read.

    Args:
      default: a value, or a dtype (or no value) where no field may be empty.
    """
    filler: Any = None
    if isinstance(default, DType) or (isinstance(default, type) and issubclass(default, np.generic)):
        dtype = as_dtype(default)
    else:
        value = to_structure(default)
        dtype, values = value.dtype, np.ravel(np.asarray(value.numpy()))
        filler = values[0] if values.size else None
    if dtype not in DTYPES:
        raise TypeError(f"record_defaults: a column cannot be {dtype.name}.")
    return CsvColumn(dtype, filler)


@export("data.experimental.CsvDataset")
class CsvDataset(Dataset):
    """The records of CSV files: tuples of scalars, one for each column.

    Args:
      filenames: names, or a dataset of names.
      record_defaults: for each selected column a value that stands for an empty field, or a dtype where the field must be
        there. Columns are float32, float64, int32, int64 or string.
      header: whether the first line of each file is left out.
      field_delim, use_quote_delim, na_value: how a line is split, and one more text for "nothing there".
      select_cols: indices, in rising order, of the columns to take. exclude_cols: of those to leave out.

    Raises (when iterated):
      InvalidArgumentError: a field is missing or no such value; the message names the file and the record.
    """

    def __init__(
        self,
        filenames: Any,
        record_defaults: Any,
        compression_type: str | None = None,
        buffer_size: Any = None,
        header: bool = False,
        field_delim: str = ",",
        use_quote_delim: bool = True,
        na_value: str = "",
        select_cols: Sequence[int] | None = None,
        exclude_cols: Sequence[int] | None = None,
    ):
        if select_cols is not None and exclude_cols is not None:
            raise ValueError("select_cols and exclude_cols cannot both be given.")
        names = file_names(filenames)
        self._columns = [_column(each) for each in record_defaults]
        super().__init__(tuple(TensorSpec([], each.dtype) for each in self._columns), (names,))
        self._compression = checked_kind(compression_type or "")
        self._header, self._na_value = bool(header), na_value.encode()
        quoting = csv.QUOTE_MINIMAL if use_quote_delim else csv.QUOTE_NONE
        self._dialect: dict[str, Any] = {
            "delimiter": field_delim,
            "quoting": quoting,
            "strict": bool(use_quote_delim),
        }
        self._select = None if select_cols is None else [int(each) for each in select_cols]
        self._exclude = set(exclude_cols or ())
        if self._select is not None and len(self._select) != len(self._columns):
            raise ValueError("select_cols and record_defaults must have the same length.")

    def _elements(self, at: Iteration) -> Iterator[list]:
        name, given = at.kept.get("name"), at.kept.get("given", 0)
        at.keep(lambda: {"name": name, "given": given})
        names = at.input()
        while True:
            if name is None:
                element = next(names, None)
                if element is None:
                    return
                name, given = as_text(element[0]), 0
            try:
                for rows in _several(self._rows(name, given)):
                    for element in self._converted(rows, name, given + 1):
                        given += 1
                        yield element
            except errors.InvalidArgumentError:
                given += 1  # who goes on after it goes on with the next record
                raise
            name = None

    def _rows(self, name: str, skip: int) -> Iterator[list[str]]:
        with opened_text(name, self._compression, _BYTES) as text:
            rows = csv.reader(text, **self._dialect)
            records = filter(None, rows)
            for _ in range(skip + self._header):
                with contextlib.suppress(csv.Error):  # it has been reported
                    next(records, None)
            try:
                yield from records
            except csv.Error as error:
                raise errors.InvalidArgumentError(
                    None, None, f"{name}: line {rows.line_num}: {error}"
                ) from None

    def _converted(self, rows: list[list[str]], name: str, number: int) -> Iterator[list]:
        """The elements of some records, of which the first has this number."""
        try:
            columns = self._columns_of(rows, number)
        except ValueError as error:
            if len(rows) == 1:
                raise errors.InvalidArgumentError(None, None, f"{name}: {error}") from None
            for index, row in enumerate(rows):  # those before the one that is wrong are good
                yield from self._converted([row], name, number + index)
            return
        yield from map(list, zip(*columns))

    def _columns_of(self, rows: list[list[str]], number: int) -> list[np.ndarray]:
        rows = [self._chosen(row, number + index) for index, row in enumerate(rows)]
        return [
            column_values(place, [field.encode(_BYTES) for field in fields], column, self._na_value, number)
            for place, (fields, column) in enumerate(zip(zip(*rows), self._columns))
        ]

    def _chosen(self, row: list[str], number: int) -> list[str]:
        """The fields of the columns."""
        if self._select is not None:
            if self._select and self._select[-1] >= len(row):
                raise ValueError(
                    f"record {number} has {len(row)} fields, and column {self._select[-1]} was selected."
                )
            row = [row[index] for index in self._select]
        elif self._exclude:
            row = [field for index, field in enumerate(row) if index not in self._exclude]
        if len(row) != len(self._columns):
            raise ValueError(f"Expect {len(self._columns)} fields but have {len(row)} in record {number}")
        return row

    def _size(self) -> int:
        return UNKNOWN


def _several(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    """The rows, some at a time; an error comes after all rows before it."""
    while True:
        some: list[list[str]] = []
        try:
            some.extend(itertools.islice(rows, _TOGETHER))
        except errors.OpError:
            if some:
                yield some
            raise
        if not some:
            return
        yield some


class _Raw(io.RawIOBase):
    """A decompressed stream in the form that the io module reads."""

    def __init__(self, stream: Decompressed):
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def opened_text(name: str, compression: str, encoding: str) -> io.TextIOWrapper:
    """A file, perhaps compressed, as text for the csv module."""
    with os_errors(name):
        raw: Any = open_to_read(name)
    if compression:
        raw = _Raw(Decompressed(raw, compression, name))
    return io.TextIOWrapper(io.BufferedReader(raw), encoding, newline="")
