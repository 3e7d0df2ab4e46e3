"""`make_csv_dataset`: batches of the records of CSV files as features, with names and dtypes found in the files."""

from __future__ import annotations

import csv
import itertools
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from penstock.data.csv_records import CsvDataset, opened_text
from penstock.data.dataset import AUTOTUNE, Dataset
from penstock.data.sources import patterns_of
from penstock.engine.export import export
from penstock.io.compressed import checked_kind
from penstock.ops.gfile import matching
from penstock.types import dtypes


@export("data.experimental.make_csv_dataset")
def make_csv_dataset(
    file_pattern: Any,
    batch_size: Any,
    column_names: Sequence[str] | None = None,
    column_defaults: Sequence[Any] | None = None,
    label_name: str | None = None,
    select_columns: Sequence[Any] | None = None,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    header: bool = True,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int = 10000,
    shuffle_seed: Any = None,
    prefetch_buffer_size: Any = None,
    num_parallel_reads: Any = None,
    sloppy: bool = False,
    num_rows_for_inference: int | None = 100,
    compression_type: str | None = None,
    ignore_errors: bool = False,
    encoding: str = "utf-8",
) -> Dataset:
    """Batches of the records of CSV files: dictionaries of columns, or pairs (dictionary, labels).

    Args:
      file_pattern: glob patterns.
      column_names: from the first line of the first file where not given (with `header`).
      column_defaults: as `record_defaults` of `CsvDataset`; found out from the first `num_rows_for_inference` rows where
        not given.
      label_name: the column that becomes the label.
      select_columns: names or indices of the columns to take.
      num_epochs: None to go on without end. shuffle, shuffle_buffer_size, shuffle_seed: as `Dataset.shuffle`.
      num_parallel_reads: how many files are read in turns.
      ignore_errors: whether records that cannot be read are left out.
      sloppy: allows another order, of which there is no use: the order is kept.

    Raises:
      ValueError: names are missing, or appear twice, or the label is none of them.
    """
    found = matching(patterns_of(file_pattern))
    if not found:
        raise ValueError(f"Found no files for the pattern {file_pattern!r}.")
    dialect = {
        "delimiter": field_delim,
        "quoting": csv.QUOTE_MINIMAL if use_quote_delim else csv.QUOTE_NONE,
    }
    if column_names is None:
        if not header:
            raise ValueError("Expected `column_names` or `header` arguments. Neither was provided.")
        column_names = next(_first_rows(found[0], dialect, compression_type, encoding, False))
    if len(set(column_names)) != len(column_names):
        raise ValueError("Cannot have duplicate column names.")
    selected = _selected(select_columns, list(column_names))
    if column_defaults is None:
        column_defaults = _inferred(
            found, dialect, compression_type, encoding, header, na_value, selected, num_rows_for_inference
        )
    elif select_columns is not None and len(column_defaults) > len(selected):
        column_defaults = [column_defaults[index] for index in selected]
    names = [column_names[index] for index in selected]
    if label_name is not None and label_name not in names:
        raise ValueError(f"`label_name` provided must be one of the columns, got {label_name!r} and {names}.")

    def of_file(name: Any) -> Dataset:
        dataset: Dataset = CsvDataset(
            name, column_defaults, compression_type, None, header, field_delim, use_quote_delim, na_value, selected
        )  # fmt: skip
        return dataset.ignore_errors() if ignore_errors else dataset

    dataset = Dataset.from_tensor_slices(found)
    if shuffle:
        dataset = dataset.shuffle(len(found), shuffle_seed)
    dataset = dataset.interleave(of_file, cycle_length=num_parallel_reads or 1)
    if shuffle:
        dataset = dataset.shuffle(shuffle_buffer_size, shuffle_seed)
    if num_epochs != 1:
        dataset = dataset.repeat(num_epochs)

    def features(*columns: Any) -> Any:
        found = OrderedDict(zip(names, columns))
        if label_name is None:
            return found
        label = found.pop(label_name)
        return found, label

    dataset = dataset.batch(batch_size, drop_remainder=num_epochs is None).map(features)
    return dataset.prefetch(AUTOTUNE if prefetch_buffer_size is None else prefetch_buffer_size)


def _first_rows(
    name: str, dialect: dict, compression: str | None, encoding: str, header: bool
) -> Iterator[list[str]]:
    with opened_text(name, checked_kind(compression or ""), encoding) as text:
        yield from itertools.islice(csv.reader(text, **dialect), int(header), None)


def _selected(columns: Sequence[Any] | None, names: list[str]) -> list[int]:
    if columns is None:
        return list(range(len(names)))
    indices = [names.index(each) if isinstance(each, str) and each in names else each for each in columns]
    for each in indices:
        if isinstance(each, str):
            raise ValueError(f"Value {each!r} in `select_columns` is not a column name.")
    return sorted(indices)


# What a column may be, from the narrowest to the widest.
def _is_int32(text: str) -> bool:
    return _is(int, text) and -(2**31) <= int(text) < 2**31


def _is(kind: Any, text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


_KINDS = (
    (dtypes.int32, _is_int32),
    (dtypes.int64, lambda text: _is(int, text) and -(2**63) <= int(text) < 2**63),
    (dtypes.float32, lambda text: _is(float, text) and abs(float(text)) <= np.finfo(np.float32).max),
    (dtypes.float64, lambda text: _is(float, text)),
    (dtypes.string, lambda text: True),
)


def _inferred(
    files: list[str],
    dialect: dict,
    compression: str | None,
    encoding: str,
    header: bool,
    na_value: str,
    columns: list[int],
    most: int | None,
) -> list:
    """Defaults of columns that fit the first rows: zero or the empty string, of the narrowest dtype that holds them all."""
    rows = itertools.chain.from_iterable(
        _first_rows(name, dialect, compression, encoding, header) for name in files
    )
    widest = [0] * len(columns)
    seen = [False] * len(columns)
    for row in itertools.islice(rows, most):
        for place, index in enumerate(columns):
            text = row[index]
            if text in ("", na_value):
                continue
            seen[place] = True
            while not _KINDS[widest[place]][1](text):
                widest[place] += 1
    kinds = [_KINDS[width][0] if known else dtypes.string for width, known in zip(widest, seen)]
    return [
        np.array([b""], object) if kind is dtypes.string else np.zeros([1], kind.as_numpy_dtype)
        for kind in kinds
    ]
