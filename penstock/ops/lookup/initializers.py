"""What fills static lookup tables: keys and values in tensors, or in a text file."""

from __future__ import annotations

import uuid
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.graph.lifting import init_scope
from penstock.ops.arguments import name_scope
from penstock.ops.asset import Asset
from penstock.ops.graph_collections import GraphKeys
from penstock.ops.lookup.ops import LINE_NUMBER, WHOLE_LINE
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.trackable import Trackable


class TableInitializerBase(Trackable):
    """The base of table initializers: their dtypes, and `initialize(table)`."""

    def __init__(self, key_dtype: Any, value_dtype: Any):
        self._key_dtype, self._value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)

    @property
    def key_dtype(self) -> DType:
        """The dtype of keys."""
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        """The dtype of values."""
        return self._value_dtype

    @property
    def _shared_name(self) -> str:
        """The name under which a session keeps the table."""
        return f"hash_table_{uuid.uuid4()}"

    def initialize(self, table: Any) -> Any:
        """Fills a table; in a graph it returns the operation that does."""
        raise TypeError(f"{type(self).__name__} does not define initialize(table)")

    def _check(self, table: Any) -> None:
        if table.key_dtype.base_dtype != self.key_dtype.base_dtype:
            raise TypeError(
                f"Invalid key dtype for table, expected {self.key_dtype} but got {table.key_dtype}."
            )
        if table.value_dtype.base_dtype != self.value_dtype.base_dtype:
            raise TypeError(
                f"Invalid value dtype for table, expected {self.value_dtype} but got {table.value_dtype}."
            )

    def _run(self, op_type: str, inputs: tuple, attrs: dict | None, scope: str | None) -> Any:
        with name_scope(scope, "table_init"):
            operation = execute(op_type, inputs, attrs)
        if thread.graph is not None and not thread.graph.building_function:
            current_graph().add_to_collection(GraphKeys.TABLE_INITIALIZERS, operation)
        return operation


@export("lookup.KeyValueTensorInitializer")
class KeyValueTensorInitializer(TableInitializerBase):
    """Keys and values given as tensors.

    Args:
      keys: the keys, each once.
      values: a value for each.
      key_dtype, value_dtype: the dtypes; by default those of the tensors.
      name: the scope of the nodes in a graph.

    Example:
      >>> import penstock as tf
      >>> table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2]), -1)
      >>> table.lookup(tf.constant(["b", "c"])).numpy()
      array([ 2, -1], dtype=int32)
    """

    def __init__(
        self, keys: Any, values: Any, key_dtype: Any = None, value_dtype: Any = None, name: str | None = None
    ):
        with init_scope():
            self._keys = convert_to_tensor(
                keys, None if key_dtype is None else as_dtype(key_dtype), name="keys"
            )
            self._values = convert_to_tensor(
                values, None if value_dtype is None else as_dtype(value_dtype), name="values"
            )
        self._name = name or "key_value_init"
        super().__init__(self._keys.dtype, self._values.dtype)

    def initialize(self, table: Any) -> Any:
        """Fills a table; in a graph it returns the operation that does.

        Raises:
          TypeError: the table has other dtypes.
        """
        self._check(table)
        return self._run(
            "LookupTableImportV2", (table.resource_handle, self._keys, self._values), None, self._name
        )


@export("lookup.TextFileIndex")
class TextFileIndex:
    """What of a line is a key or a value, instead of one of its columns: the whole line, or its number from 0 on."""

    WHOLE_LINE = WHOLE_LINE
    LINE_NUMBER = LINE_NUMBER


@export("lookup.TextFileInitializer")
class TextFileInitializer(TableInitializerBase):
    r"""Keys and values from the lines of a text file.

    Args:
      filename: the file.
      key_dtype, value_dtype: the dtypes.
      key_index, value_index: the column of a line, from 0 on, or one of `TextFileIndex`.
      vocab_size: read so many lines; all by default.
      delimiter: what separates columns.
      name: the scope of the nodes in a graph.
      value_index_offset: what is added to line numbers.

    Raises:
      ValueError: an index goes with another dtype, or an argument is out of range.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> path = os.path.join(tempfile.mkdtemp(), "vocabulary.txt")
      >>> with open(path, "w") as file:
      ...     _ = file.write("emerson\nlake\npalmer\n")
      >>> index = tf.lookup.TextFileIndex
      >>> lines = tf.lookup.TextFileInitializer(path, tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER)
      >>> tf.lookup.StaticHashTable(lines, -1).lookup(tf.constant("palmer")).numpy()
      np.int64(2)
    """

    def __init__(
        self,
        filename: Any,
        key_dtype: Any,
        key_index: int,
        value_dtype: Any,
        value_index: int,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = None,
        value_index_offset: int = 0,
    ):
        if isinstance(filename, (str, bytes)) and not filename:
            raise ValueError("`filename` argument required for tf.lookup.TextFileInitializer")
        super().__init__(key_dtype, value_dtype)
        for role, dtype, index in (
            ("key", self.key_dtype, key_index),
            ("value", self.value_dtype, value_index),
        ):
            if index < WHOLE_LINE:
                raise ValueError(f"`{role}_index` should be >= {WHOLE_LINE}, received: {index}.")
            if index == LINE_NUMBER and dtype != dtypes.int64:
                raise ValueError(
                    f"`{role}_dtype` must be int64 if `{role}_index` is {LINE_NUMBER}, received: {dtype}"
                )
            if index == WHOLE_LINE and not (dtype.is_integer or dtype is dtypes.string):
                raise ValueError(
                    f"`{role}_dtype` should be either integer or string for `{role}_index` {WHOLE_LINE}, received: {dtype}"
                )
        if vocab_size is not None and vocab_size <= 0:
            raise ValueError(f"`vocab_size` should be > 0, received: {vocab_size}")
        self._filename, self._vocab_size, self._delimiter = filename, vocab_size, delimiter
        self._key_index, self._value_index, self._offset = key_index, value_index, value_index_offset
        self._name = name or "text_file_init"
        self._asset = self._track_trackable(Asset(filename), "_filename")

    @property
    def _shared_name(self) -> str:
        size = -1 if self._vocab_size is None else self._vocab_size
        parts = (self._filename, size, self._key_index, self._value_index, self._offset)
        return "hash_table_" + "_".join(map(str, parts))

    def initialize(self, table: Any) -> Any:
        """Fills a table; in a graph it returns the operation that does, and that reads the file.

        Raises:
          TypeError: the table has other dtypes.
          NotFoundError: there is no such file.
        """
        self._check(table)
        attrs = {
            "key_index": self._key_index, "value_index": self._value_index, "delimiter": self._delimiter,
            "vocab_size": -1 if self._vocab_size is None else self._vocab_size, "offset": self._offset,
        }  # fmt: skip
        filename = self._asset.asset_path
        if thread.graph is not None and not thread.graph.building_function:
            filename = convert_to_tensor(self._filename, dtypes.string, name="asset_filepath")
            current_graph().add_to_collection(GraphKeys.ASSET_FILEPATHS, filename)
        inputs = (table.resource_handle, filename)
        return self._run("InitializeTableFromTextFileV2", inputs, attrs, self._name)


class TextFileStringTableInitializer(TextFileInitializer):
    """Line numbers to lines (the columns can be chosen)."""

    def __init__(
        self,
        filename: Any,
        key_column_index: int = LINE_NUMBER,
        value_column_index: int = WHOLE_LINE,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str = "text_file_string_table_init",
    ):
        super().__init__(
            filename,
            dtypes.int64,
            key_column_index,
            dtypes.string,
            value_column_index,
            vocab_size,
            delimiter,
            name,
        )


class TextFileIdTableInitializer(TextFileInitializer):
    """Lines to line numbers (the columns can be chosen)."""

    def __init__(
        self,
        filename: Any,
        key_column_index: int = WHOLE_LINE,
        value_column_index: int = LINE_NUMBER,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str = "text_file_id_table_init",
        key_dtype: Any = dtypes.string,
    ):
        super().__init__(
            filename,
            key_dtype,
            key_column_index,
            dtypes.int64,
            value_column_index,
            vocab_size,
            delimiter,
            name,
        )
