"""Lookup tables filled from datasets: `DatasetInitializer`, `table_from_dataset`, `index_table_from_dataset`."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.data.dataset import Dataset
from penstock.data.element import as_array
from penstock.data.iteration import elements_of
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import REGISTRY, op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.lookup.initializers import TableInitializerBase
from penstock.ops.lookup.tables import StaticHashTableV1, StaticVocabularyTable
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.specs import TensorSpec


def _fill(table: Any, dataset: Dataset) -> None:
    columns = list(zip(*elements_of(dataset)))
    if not columns:
        return
    keys, values = (np.stack([np.asarray(as_array(each)) for each in column]) for column in columns)
    REGISTRY["InitializeTableV2"].numpy_body(table, keys, values)


op(
    "InitializeTableFromDataset(table_handle: resource, dataset: variant) -> ()",
    numpy=_fill,
    shape=lambda call: [],
    stateful=True,
)


@export("data.experimental.DatasetInitializer")
class DatasetInitializer(TableInitializerBase):
    """Fills a static table with the pairs (key, value) of a dataset.

    Raises:
      ValueError: the elements are not pairs of scalars.

    Example:
      >>> import penstock as tf
      >>> pairs = tf.data.Dataset.zip((tf.data.Dataset.from_tensor_slices(["a", "b"]), tf.data.Dataset.range(2)))
      >>> table = tf.lookup.StaticHashTable(tf.data.experimental.DatasetInitializer(pairs), -1)
      >>> table.lookup(tf.constant(["b", "c"])).numpy()
      array([ 1, -1])
    """

    def __init__(self, dataset: Dataset):
        spec = dataset.element_spec
        if (
            not isinstance(spec, tuple)
            or len(spec) != 2
            or not all(isinstance(each, TensorSpec) for each in spec)
        ):
            raise ValueError(
                f"DatasetInitializer takes a dataset of pairs (key, value), got elements {spec}."
            )
        super().__init__(spec[0].dtype, spec[1].dtype)
        self.dataset = dataset

    def initialize(self, table: Any) -> Any:
        """Fills a table; in a graph it returns the operation that does."""
        self._check(table)
        inputs = (table.resource_handle, self.dataset._variant_tensor)
        return self._run("InitializeTableFromDataset", inputs, None, None)


@export("data.experimental.table_from_dataset")
def table_from_dataset(
    dataset: Dataset | None = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: Any = None,
    hasher_spec: Any = None,
    key_dtype: Any = dtypes.string,
    name: str | None = None,
) -> Any:
    """A lookup table of the pairs (key, value) of a dataset.

    Args:
      num_oov_buckets: how many values unknown keys are hashed to (values must be ids then).
      vocab_size: how many pairs to take. default_value: for unknown keys, where there are no buckets.

    Raises:
      ValueError: both `num_oov_buckets` and `default_value`, or neither, are given; or the dtypes do not fit.
    """
    if dataset is None or not isinstance(dataset.element_spec, tuple) or len(dataset.element_spec) != 2:
        raise ValueError("`dataset` must be a dataset of pairs (key, value).")
    if default_value is None:
        default_value = -1
    if num_oov_buckets < 0:
        raise ValueError(f"`num_oov_buckets` must be greater than or equal to 0, got {num_oov_buckets}.")
    kind, keys = as_dtype(key_dtype), dataset.element_spec[0].dtype
    if kind is not keys and not (kind.is_integer and keys.is_integer):
        raise TypeError(
            f"Unmatched key dtype: key_dtype={kind.name}, and the keys of the dataset are {keys.name}."
        )
    if vocab_size is not None:
        dataset = dataset.take(vocab_size)
    initializer = DatasetInitializer(dataset)
    if num_oov_buckets == 0:
        return StaticHashTableV1(initializer, default_value, name=name)
    return StaticVocabularyTable(initializer, num_oov_buckets, lookup_key_dtype=kind, name=name)


@export("data.experimental.index_table_from_dataset")
def index_table_from_dataset(
    dataset: Dataset | None = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: int = -1,
    hasher_spec: Any = None,
    key_dtype: Any = dtypes.string,
    name: str | None = None,
) -> Any:
    """A lookup table from the elements of a dataset to their positions; see `table_from_dataset`."""
    if dataset is None:
        raise ValueError("`dataset` must be given.")

    def pair(position: Any, key: Any) -> tuple:
        key = convert_to_tensor(key)
        return (execute("Cast", (key,), {"DstT": dtypes.int64}) if key.dtype.is_integer else key), position

    pairs = dataset.enumerate().map(pair)
    return table_from_dataset(pairs, num_oov_buckets, vocab_size, default_value, hasher_spec, key_dtype, name)
