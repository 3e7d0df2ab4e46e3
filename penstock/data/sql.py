"""`SqlDataset`: the rows that a query gives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.data.dataset import UNKNOWN, Dataset
from penstock.data.iteration import Iteration
from penstock.engine.export import export
from penstock.types import dtypes, errors
from penstock.types.dtypes import as_dtype
from penstock.types.specs import TensorSpec
from penstock.types.tensors import Tensor


@export("data.experimental.SqlDataset")
class SqlDataset(Dataset):
    """The rows that a query gives, as tuples of scalars.

    Args:
      driver_name: "sqlite". data_source_name: the file. query: in SQL.
      output_types: a dtype for each column of the result.

    Raises:
      InvalidArgumentError: there is no such driver (when made), or a value does not fit its dtype (when iterated).
    """

    def __init__(self, driver_name: Any, data_source_name: Any, query: Any, output_types: Any):
        types = [
            as_dtype(each)
            for each in (output_types if isinstance(output_types, (tuple, list)) else [output_types])
        ]
        super().__init__(tuple(TensorSpec([], each) for each in types))
        if _text(driver_name) != "sqlite":
            raise errors.InvalidArgumentError(
                None, None, f"The database driver {_text(driver_name)!r} is not supported; "
                "only sqlite is."
            )  # fmt: skip
        self._source, self._query = self._parameter(data_source_name), self._parameter(query)

    def _elements(self, at: Iteration) -> Iterator[list]:
        import sqlite3

        given = at.kept.get("given", 0)
        at.keep(lambda: {"given": given})
        source, query = _text(at.value(self._source)), _text(at.value(self._query))
        try:
            connection = sqlite3.connect(
                f"file:{source}?mode=ro" if source != ":memory:" else source, uri=True
            )
            connection.text_factory = bytes
            try:
                rows = connection.execute(query)
                for row in itertools.islice(rows, given, None):
                    given += 1
                    yield self._converted(row)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise errors.InvalidArgumentError(None, None, f"{source}: {error}") from error

    def _converted(self, row: tuple) -> list:
        if len(row) != len(self._layout.dtypes):
            raise errors.InvalidArgumentError(
                None,
                None,
                f"The query gives {len(row)} columns, and output_types has {len(self._layout.dtypes)}.",
            )
        return [_value(each, dtype) for each, dtype in zip(row, self._layout.dtypes)]

    def _size(self) -> int:
        return UNKNOWN


def _value(value: Any, dtype: Any) -> Any:
    if dtype is dtypes.string:
        return b"" if value is None else value if isinstance(value, bytes) else str(value).encode()
    try:
        if value is None:
            return np.zeros((), dtype.as_numpy_dtype)[()]
        return np.asarray(value).astype(dtype.as_numpy_dtype)[()]
    except (ValueError, OverflowError):
        raise errors.InvalidArgumentError(None, None, f"{value!r} is no {dtype.name}.") from None


def _text(value: Any) -> Any:
    if isinstance(value, Tensor):
        value = value.numpy()
    value = value.item() if hasattr(value, "item") else value
    return value.decode() if isinstance(value, bytes) else value
