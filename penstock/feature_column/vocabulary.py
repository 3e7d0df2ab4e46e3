"""Categories by a vocabulary, in a list or in a file."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.feature_column.categorical import OneFeatureColumn
from penstock.feature_column.columns import check_ids, check_key, graph_key
from penstock.graph.lifting import init_scope
from penstock.io.records import read_records
from penstock.ops.casting import cast
from penstock.ops.gfile import GFile, exists
from penstock.ops.lookup.initializers import KeyValueTensorInitializer, TextFileIdTableInitializer
from penstock.ops.lookup.tables import StaticHashTable, StaticVocabularyTable
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.sparse_tensor import SparseTensor


class VocabularyColumn(OneFeatureColumn):
    """A column that looks its values up in a table, which is made once in each graph."""

    default_value: int
    num_oov_buckets: int

    def _initializer(self, key_dtype: DType) -> Any:
        raise NotImplementedError

    def _table(self) -> Any:
        with init_scope():  # a function that is traced uses the table of the program around it
            tables = _tables.setdefault(graph_key(), {})
            if self not in tables:
                initializer = self._initializer(dtypes.int64 if self.dtype.is_integer else dtypes.string)
                if self.num_oov_buckets:
                    tables[self] = StaticVocabularyTable(initializer, self.num_oov_buckets)
                else:
                    tables[self] = StaticHashTable(initializer, self.default_value)
            return tables[self]

    def _ids(self, values: SparseTensor) -> SparseTensor:
        self._check_values(values)
        if values.dtype.is_integer:
            values = values.with_values(cast(values.values, dtypes.int64))
        return self._table().lookup(values)


# Graph -> column -> its table. Columns are values: equal ones share their tables.
_tables: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class _VocabularyFileFields(NamedTuple):
    key: str
    vocabulary_file: str
    vocabulary_size: int
    num_oov_buckets: int
    dtype: DType
    default_value: int
    file_format: str | None


class VocabularyFileCategoricalColumn(VocabularyColumn, _VocabularyFileFields):
    """See `categorical_column_with_vocabulary_file`."""

    def _initializer(self, key_dtype: DType) -> Any:
        if self.file_format == "tfrecord_gzip":
            words = _words_of_records(self.vocabulary_file)[: self.vocabulary_size]
            return KeyValueTensorInitializer(words, np.arange(len(words)), dtypes.string, dtypes.int64)
        return TextFileIdTableInitializer(
            self.vocabulary_file, vocab_size=self.vocabulary_size, key_dtype=key_dtype
        )

    @property
    def num_buckets(self) -> int:
        """The words, and the buckets of those that are none."""
        return self.vocabulary_size + self.num_oov_buckets


def _words_of_records(path: str) -> list[bytes]:
    return list(read_records(path, "GZIP"))


def _check_unknown(key: str, default_value: Any, none: Any, num_oov_buckets: int) -> None:
    if num_oov_buckets:
        if default_value != none:
            raise ValueError(f"Can't specify both num_oov_buckets and default_value in {key}.")
        if num_oov_buckets < 0:
            raise ValueError(f"Invalid num_oov_buckets {num_oov_buckets} in {key}.")


@export("feature_column.categorical_column_with_vocabulary_file", v1=[])
def categorical_column_with_vocabulary_file(
    key: str,
    vocabulary_file: str,
    vocabulary_size: int | None = None,
    dtype: Any = dtypes.string,
    default_value: int | None = None,
    num_oov_buckets: int = 0,
    file_format: str | None = None,
) -> VocabularyFileCategoricalColumn:
    """Strings or integers, by the number of their line in a file.

    Args:
      key: the name of the feature.
      vocabulary_file: a file with one word in each line.
      vocabulary_size: how many of its lines count; all by default.
      dtype: string or an integer dtype.
      default_value: the id of words that are not in the file; by default -1, which models leave out.
      num_oov_buckets: or else: the number of buckets into which these are hashed.
      file_format: "tfrecord_gzip" for a compressed file of records; None for text.

    Raises:
      ValueError: there is no such file, it has no words, or the other arguments contradict each other.
    """
    if not vocabulary_file:
        raise ValueError(f"Missing vocabulary_file in {key}.")
    if file_format is None and vocabulary_file.endswith("tfrecord.gz"):
        file_format = "tfrecord_gzip"
    if vocabulary_size is None:
        if not exists(vocabulary_file):
            raise ValueError(f"vocabulary_file in {key} does not exist.")
        if file_format == "tfrecord_gzip":
            vocabulary_size = len(_words_of_records(vocabulary_file))
        else:
            with GFile(vocabulary_file, "rb") as lines:
                vocabulary_size = sum(1 for _ in lines)
    if vocabulary_size < 1:
        raise ValueError(f"Invalid vocabulary_size in {key}.")
    _check_unknown(key, default_value, None, num_oov_buckets)
    check_ids(as_dtype(dtype), f"column_name: {key}")
    check_key(key)
    return VocabularyFileCategoricalColumn(
        key, vocabulary_file, vocabulary_size, num_oov_buckets or 0, as_dtype(dtype),
        -1 if default_value is None else default_value, file_format,
    )  # fmt: skip


@export(v1=["feature_column.categorical_column_with_vocabulary_file"])
def categorical_column_with_vocabulary_file_v1(
    key: str,
    vocabulary_file: str,
    vocabulary_size: int | None = None,
    num_oov_buckets: int = 0,
    default_value: int | None = None,
    dtype: Any = dtypes.string,
) -> VocabularyFileCategoricalColumn:
    """TF 1's order of the arguments of `tf.feature_column.categorical_column_with_vocabulary_file`."""
    return categorical_column_with_vocabulary_file(
        key, vocabulary_file, vocabulary_size, dtype, default_value, num_oov_buckets
    )


class _VocabularyListFields(NamedTuple):
    key: str
    vocabulary_list: tuple
    dtype: DType
    default_value: int
    num_oov_buckets: int


class VocabularyListCategoricalColumn(VocabularyColumn, _VocabularyListFields):
    """See `categorical_column_with_vocabulary_list`."""

    def _initializer(self, key_dtype: DType) -> Any:
        ids = np.arange(len(self.vocabulary_list))
        words = convert_to_tensor(list(self.vocabulary_list), key_dtype)
        return KeyValueTensorInitializer(words, ids, key_dtype, dtypes.int64)

    @property
    def num_buckets(self) -> int:
        """The words, and the buckets of those that are none."""
        return len(self.vocabulary_list) + self.num_oov_buckets


@export("feature_column.categorical_column_with_vocabulary_list")
def categorical_column_with_vocabulary_list(
    key: str,
    vocabulary_list: Sequence[Any],
    dtype: Any = None,
    default_value: int = -1,
    num_oov_buckets: int = 0,
) -> VocabularyListCategoricalColumn:
    """Strings or integers, by their place in a list.

    Args:
      key: the name of the feature.
      vocabulary_list: the words, each once.
      dtype: string or an integer dtype; that of the words by default.
      default_value: the id of other words; by default -1, which models leave out.
      num_oov_buckets: or else: the number of buckets into which these are hashed.

    Raises:
      ValueError: the list is empty, has a word twice, or does not have the dtype.

    Example:
      >>> import penstock as tf
      >>> color = tf.feature_column.categorical_column_with_vocabulary_list("color", ["red", "blue"])
      >>> tf.compat.v1.feature_column.input_layer(
      ...     {"color": [["blue"], ["green"]]}, [tf.feature_column.indicator_column(color)]).numpy()
      array([[0., 1.],
             [0., 0.]], dtype=float32)
    """
    if vocabulary_list is None or len(vocabulary_list) < 1:
        raise ValueError(f"vocabulary_list {vocabulary_list} must be non-empty, column_name: {key}")
    if len(set(vocabulary_list)) != len(vocabulary_list):
        raise ValueError(f"Duplicate keys in vocabulary_list {vocabulary_list}, column_name: {key}")
    _check_unknown(key, default_value, -1, num_oov_buckets)
    own = as_dtype(np.array(vocabulary_list).dtype)
    check_ids(own, f"column_name: {key} vocabulary")
    dtype = own if dtype is None else as_dtype(dtype)
    if dtype.is_integer != own.is_integer:
        raise ValueError(f"dtype {dtype} and vocabulary dtype {own} do not match, column_name: {key}")
    check_ids(dtype, f"column_name: {key}")
    check_key(key)
    return VocabularyListCategoricalColumn(key, tuple(vocabulary_list), dtype, default_value, num_oov_buckets)
