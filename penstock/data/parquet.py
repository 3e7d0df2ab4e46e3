"""`ParquetDataset`: the rows of Parquet files, read through pyarrow (`pip install penstock[parquet]`)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from penstock.data.dataset import UNKNOWN, Dataset
from penstock.data.iteration import Iteration
from penstock.data.readers import as_text, file_names
from penstock.engine.export import export
from penstock.io.filesystem import local_path, os_errors
from penstock.types import dtypes, errors
from penstock.types.dtypes import DType, as_dtype
from penstock.types.specs import TensorSpec

_ROWS_AT_A_TIME = 4096


@export("data.experimental.ParquetDataset", v1=[])
class ParquetDataset(Dataset):
    """The rows of Parquet files: dictionaries with a value for each column, a scalar, or a vector where the column holds lists.

    TensorFlow has this in tensorflow-io.

    Files are read in pieces, so memory does not grow with them. `batch` after it costs little: columns stay columns.

    Args:
      filenames: names of files with the same columns.
      columns: names of the columns to read; None for all.

    Raises:
      ImportError: pyarrow is not installed.
      TypeError: a column holds neither numbers nor text, nor lists of them.
      InvalidArgumentError (when iterated): a value is missing, or a file is no Parquet file.
    """

    def __init__(self, filenames: Any, columns: Sequence[str] | None = None):
        names = file_names(filenames)
        first = next(iter(names), None)
        if first is None:
            raise ValueError("ParquetDataset needs at least one file, whose columns it looks at.")
        schema = _open(first.numpy().decode()).schema_arrow
        self._columns = list(schema.names if columns is None else columns)
        missing = [each for each in self._columns if each not in schema.names]
        if missing:
            raise ValueError(f"There are no columns {missing}; there are {schema.names}.")
        spec = {each: _spec(each, schema.field(each).type) for each in self._columns}
        super().__init__(spec, (names,))

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
            for row in itertools.islice(self._rows(name), given, None):
                given += 1
                yield row
            name = None

    def _rows(self, name: str) -> Iterator[list]:
        order = sorted(self._columns)
        with _open(name) as file:
            for batch in file.iter_batches(_ROWS_AT_A_TIME, columns=self._columns):
                columns = [self._array(name, each, batch.column(each)) for each in order]
                yield from map(list, zip(*columns))

    def _array(self, name: str, column: str, values: Any) -> np.ndarray | list[np.ndarray]:
        """The values of a column: an array, or a list of vectors."""
        spec = self._element_spec[column]
        if values.null_count:
            raise errors.InvalidArgumentError(None, None, f"{name}: column {column!r} has missing values.")
        if spec.shape.rank:
            ends = np.cumsum(values.value_lengths().to_numpy()).tolist()
            flat = self._flat(name, column, values.flatten(), spec.dtype)
            return [flat[start:end] for start, end in zip([0, *ends], ends)]
        return self._flat(name, column, values, spec.dtype)

    @staticmethod
    def _flat(name: str, column: str, values: Any, dtype: DType) -> np.ndarray:
        if values.null_count:
            raise errors.InvalidArgumentError(
                None, None, f"{name}: column {column!r} has missing values in its lists."
            )
        if dtype is dtypes.string:
            texts = np.empty(len(values), object)
            texts[:] = [each.encode() if isinstance(each, str) else each for each in values.to_pylist()]
            return texts
        return values.to_numpy(zero_copy_only=False).astype(dtype.as_numpy_dtype, copy=False)

    def _size(self) -> int:
        return UNKNOWN

    def _describe(self) -> str:
        return ", ".join(self._columns)


def _open(name: str) -> Any:
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ImportError("ParquetDataset needs pyarrow: pip install penstock[parquet]") from error
    with os_errors(name):
        try:
            return ParquetFile(local_path(name))
        except ArrowInvalid as error:
            raise errors.InvalidArgumentError(None, None, f"{name}: {error}") from error


def _spec(name: str, kind: Any) -> TensorSpec:
    """The spec of a column's values."""
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind):
        return TensorSpec([None], _dtype(name, kind.value_type, kind))
    if types.is_fixed_size_list(kind):
        return TensorSpec([kind.list_size], _dtype(name, kind.value_type, kind))
    return TensorSpec([], _dtype(name, kind, kind))


def _dtype(name: str, kind: Any, column: Any) -> DType:
    """The dtype of scalars of a kind, which a column holds, or lists of them."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return _dtype(name, kind.value_type, column)
    if any(
        is_text(kind)
        for is_text in (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    ):
        return dtypes.string
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        return as_dtype(kind.to_pandas_dtype())
    raise TypeError(f"Column {name!r} is {column}; columns must hold numbers, text, or lists of them.")
