"""`contrib.lookup`: hash tables and vocabularies under their first names."""

from __future__ import annotations

from typing import Any

import penstock.ops.lookup.tables as tables
from penstock.engine.export import EXPORTS, export
from penstock.ops.lookup.initializers import (
    KeyValueTensorInitializer,
    TextFileIdTableInitializer,
    TextFileStringTableInitializer,
)
from penstock.types import dtypes
from penstock.v1.api import tf

for _name, _thing in {
    "FastHashSpec": tables.FastHashSpec,
    "HashTable": tables.StaticHashTableV1,
    "IdTableWithHashBuckets": tables.IdTableWithHashBuckets,
    "LookupInterface": tables.LookupInterface,
    "MutableDenseHashTable": EXPORTS["v1"]["lookup.experimental.DenseHashTable"],
    "MutableHashTable": EXPORTS["v1"]["lookup.experimental.MutableHashTable"],
    "StrongHashSpec": tables.StrongHashSpec,
    "TextFileIdTableInitializer": TextFileIdTableInitializer,
    "TextFileStringTableInitializer": TextFileStringTableInitializer,
}.items():
    export(v1=[f"contrib.lookup.{_name}"])(_thing)


def _ids(initializer: Any, key_dtype: Any, buckets: int, default: int, hashing: Any, name: str) -> Any:
    """A table of ids, with buckets for other keys."""
    with tf.name_scope(name):
        if not buckets:
            return tables.StaticHashTableV1(initializer, default, name="hash_table")
        table = tables.StaticHashTableV1(initializer, -1, name="hash_table")
        return tables.IdTableWithHashBuckets(table, buckets, hashing, name, key_dtype)


@export(v1=["contrib.lookup.index_table_from_tensor"])
def index_table_from_tensor(
    mapping: Any,
    num_oov_buckets: int = 0,
    default_value: int = -1,
    hasher_spec: Any = tables.FastHashSpec,
    dtype: Any = dtypes.string,
    name: str | None = None,
) -> Any:
    """A table from the elements of a vector to their places in it.

    Args:
      mapping: a vector of strings or integers.
      num_oov_buckets: how many ids after those of the vector are for other keys, by hash.
      default_value: what other keys are without buckets.
      hasher_spec: how other keys are hashed.
      dtype: of the keys.

    Raises:
      ValueError: there is no vector, or a negative number of buckets.

    Example:
      >>> import penstock as tf
      >>> table = tf.compat.v1.contrib.lookup.index_table_from_tensor(["lake", "river"])
      >>> table.lookup(tf.constant(["river", "sea"])).numpy()
      array([ 1, -1])
    """
    if mapping is None:
        raise ValueError("mapping must be specified.")
    if num_oov_buckets < 0:
        raise ValueError(f"num_oov_buckets must be greater or equal than 0, got {num_oov_buckets}.")
    keys = tf.convert_to_tensor(mapping)
    if not (keys.dtype.is_integer or keys.dtype == tf.string):
        raise TypeError("Expected either integer or string.")
    wide = tf.cast(keys, tf.int64) if keys.dtype.is_integer else keys
    ids = tf.range(tf.size(keys, out_type=tf.int64), dtype=tf.int64)
    return _ids(
        KeyValueTensorInitializer(wide, ids, wide.dtype, tf.int64), dtype, num_oov_buckets, default_value,
        hasher_spec, name or "string_to_index",
    )  # fmt: skip


@export(v1=["contrib.lookup.string_to_index_table_from_tensor"])
def string_to_index_table_from_tensor(
    mapping: Any,
    num_oov_buckets: int = 0,
    default_value: int = -1,
    hasher_spec: Any = tables.FastHashSpec,
    name: str | None = None,
) -> Any:
    """`index_table_from_tensor` of strings, under its first name."""
    return index_table_from_tensor(mapping, num_oov_buckets, default_value, hasher_spec, tf.string, name)


@export(v1=["contrib.lookup.index_table_from_file", "contrib.lookup.string_to_index_table_from_file"])
def index_table_from_file(
    vocabulary_file: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: int = -1,
    hasher_spec: Any = tables.FastHashSpec,
    key_dtype: Any = dtypes.string,
    name: str | None = None,
) -> Any:
    """A table from the lines of a file to their numbers.

    Args:
      vocabulary_file: the path.
      vocab_size: how many lines there are, if it is known.
      key_dtype: string, or int64 for lines that are numbers.
      num_oov_buckets, default_value, hasher_spec: as for `index_table_from_tensor`.

    Raises:
      ValueError: there is no path, or a negative number of buckets or lines.
    """
    if not vocabulary_file:
        raise ValueError("vocabulary_file must be specified and must not be empty.")
    if num_oov_buckets < 0:
        raise ValueError(f"num_oov_buckets must be greater or equal than 0, got {num_oov_buckets}.")
    if vocab_size is not None and vocab_size < 1:
        raise ValueError(f"vocab_size must be greater than 0, got {vocab_size}.")
    kind = tf.as_dtype(key_dtype)
    initializer = TextFileIdTableInitializer(
        vocabulary_file, vocab_size=vocab_size, key_dtype=tf.int64 if kind.is_integer else kind
    )
    return _ids(
        initializer, key_dtype, num_oov_buckets, default_value, hasher_spec, name or "string_to_index"
    )


@export(v1=["contrib.lookup.index_to_string_table_from_tensor"])
def index_to_string_table_from_tensor(
    mapping: Any, default_value: str = "UNK", name: str | None = None
) -> Any:
    """A table from places in a vector of strings to the strings; `default_value` for other numbers.

    Raises:
      ValueError: there is no vector.
    """
    if mapping is None:
        raise ValueError("mapping must be specified.")
    with tf.name_scope(name or "index_to_string"):
        values = tf.convert_to_tensor(mapping, tf.string)
        ids = tf.range(tf.size(values, out_type=tf.int64), dtype=tf.int64)
        initializer = KeyValueTensorInitializer(ids, values, tf.int64, tf.string)
        return tables.StaticHashTableV1(initializer, default_value, name="hash_table")


@export(v1=["contrib.lookup.index_to_string_table_from_file"])
def index_to_string_table_from_file(
    vocabulary_file: Any,
    vocab_size: int | None = None,
    default_value: str = "UNK",
    name: str | None = None,
) -> Any:
    """A table from numbers of lines to the lines of a file; `default_value` for other numbers.

    Raises:
      ValueError: there is no path.
    """
    if not vocabulary_file:
        raise ValueError("vocabulary_file must be specified.")
    with tf.name_scope(name or "index_to_string"):
        initializer = TextFileStringTableInitializer(vocabulary_file, vocab_size=vocab_size)
        return tables.StaticHashTableV1(initializer, default_value, name="hash_table")
