"""Categories as ids: by hash, as they are, crossed with others, or with weights. Vocabularies are in `vocabulary`."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.feature_column.columns import (
    CategoricalColumn,
    FeatureTransformationCache,
    IdWeightPair,
    as_sparse,
    as_tensor,
    check_ids,
    check_key,
)
from penstock.ops.casting import cast
from penstock.ops.feature_crosses import sparse_cross_hashed
from penstock.ops.parsing.features import VarLenFeature
from penstock.ops.selection import where
from penstock.ops.strings.hashing import to_hash_bucket_fast
from penstock.ops.strings.numbers import as_string
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.sparse_tensor import SparseTensor


class OneFeatureColumn(CategoricalColumn):
    """A categorical column that reads one feature of the same name; a subclass defines `_ids`."""

    key: str
    dtype: DType

    @property
    def name(self) -> str:
        """The name of the feature."""
        return self.key

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """A feature of any number of values."""
        return {self.key: VarLenFeature(self.dtype)}

    @property
    def parents(self) -> list[Any]:
        """The feature."""
        return [self.key]

    def _ids(self, values: SparseTensor) -> SparseTensor:
        raise NotImplementedError

    def transform_feature(self, transformation_cache: FeatureTransformationCache, state_manager: Any) -> Any:
        """The ids; in a dense feature "" and -1 count as missing."""
        return self._ids(as_sparse(transformation_cache.get(self.key, state_manager)))

    def get_sparse_tensors(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> IdWeightPair:
        """The ids, without weights."""
        return IdWeightPair(transformation_cache.get(self, state_manager), None)

    def _check_values(self, values: SparseTensor) -> None:
        check_ids(values.dtype, f"column_name: {self.key} input_tensor")
        if self.dtype.is_integer != values.dtype.is_integer:
            raise ValueError(
                "Column dtype and SparseTensors dtype must be compatible. "
                f"key: {self.key}, column dtype: {self.dtype}, tensor dtype: {values.dtype}"
            )


class _HashedFields(NamedTuple):
    key: str
    hash_bucket_size: int
    dtype: DType


class HashedCategoricalColumn(OneFeatureColumn, _HashedFields):
    """See `categorical_column_with_hash_bucket`."""

    def _ids(self, values: SparseTensor) -> SparseTensor:
        self._check_values(values)
        text = values.values if self.dtype is dtypes.string else as_string(values.values)
        return values.with_values(to_hash_bucket_fast(text, self.hash_bucket_size))

    @property
    def num_buckets(self) -> int:
        """The number of hash buckets."""
        return self.hash_bucket_size


@export("feature_column.categorical_column_with_hash_bucket")
def categorical_column_with_hash_bucket(
    key: str, hash_bucket_size: int, dtype: Any = dtypes.string
) -> HashedCategoricalColumn:
    """Strings or integers, hashed into a number of buckets: for values that are not known beforehand.

    Args:
      key: the name of the feature.
      hash_bucket_size: the number of buckets.
      dtype: string or an integer dtype.

    Raises:
      ValueError: there are no buckets, `key` is no string, or the dtype is another one.

    Example:
      >>> import penstock as tf
      >>> tf.feature_column.categorical_column_with_hash_bucket("word", 100).num_buckets
      100
    """
    if hash_bucket_size is None:
        raise ValueError(f"hash_bucket_size must be set. key: {key}")
    if hash_bucket_size < 1:
        raise ValueError(
            f"hash_bucket_size must be at least 1. hash_bucket_size: {hash_bucket_size}, key: {key}"
        )
    check_key(key)
    check_ids(as_dtype(dtype), f"column_name: {key}")
    return HashedCategoricalColumn(key, hash_bucket_size, as_dtype(dtype))


class _IdentityFields(NamedTuple):
    key: str
    number_buckets: int
    default_value: int | None


class IdentityCategoricalColumn(OneFeatureColumn, _IdentityFields):
    """See `categorical_column_with_identity`."""

    dtype = dtypes.int64

    def _ids(self, values: SparseTensor) -> SparseTensor:
        if not values.dtype.is_integer:
            raise ValueError(f"Invalid input, not integer. key: {self.key} dtype: {values.dtype}")
        ids = cast(values.values, dtypes.int64)
        if self.default_value is not None:
            zero, most, other = (
                convert_to_tensor(each, dtypes.int64) for each in (0, self.number_buckets, self.default_value)
            )
            ids = where((ids < zero) | (ids >= most), other, ids)
        return values.with_values(ids)

    @property
    def num_buckets(self) -> int:
        """The number of ids."""
        return self.number_buckets


@export("feature_column.categorical_column_with_identity")
def categorical_column_with_identity(
    key: str, num_buckets: int, default_value: int | None = None
) -> IdentityCategoricalColumn:
    """Integers that are ids already.

    Args:
      key: the name of the feature.
      num_buckets: the ids are below it.
      default_value: what stands in for ids that are out of range; None leaves them, and the model fails or drops them.

    Raises:
      ValueError: there are no ids, or the default is none of them.

    Example:
      >>> import penstock as tf
      >>> tf.feature_column.categorical_column_with_identity("id", 4).num_buckets
      4
    """
    if num_buckets < 1:
        raise ValueError(f"num_buckets {num_buckets} < 1, column_name {key}")
    if default_value is not None and not 0 <= default_value < num_buckets:
        raise ValueError(f"default_value {default_value} not in range [0, {num_buckets}), column_name {key}")
    check_key(key)
    return IdentityCategoricalColumn(key, num_buckets, default_value)


class _WeightedFields(NamedTuple):
    categorical_column: CategoricalColumn
    weight_feature_key: str
    dtype: DType


class WeightedCategoricalColumn(CategoricalColumn, _WeightedFields):
    """See `weighted_categorical_column`."""

    @property
    def name(self) -> str:
        """The names of both."""
        return f"{self.categorical_column.name}_weighted_by_{self.weight_feature_key}"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """What the column needs, and the weights."""
        found = dict(self.categorical_column.parse_example_spec)
        if self.weight_feature_key in found:
            raise ValueError(
                f"Parse config {found[self.weight_feature_key]} already exists for {self.weight_feature_key}."
            )
        return found | {self.weight_feature_key: VarLenFeature(self.dtype)}

    @property
    def parents(self) -> list[Any]:
        """The column and the feature of the weights."""
        return [self.categorical_column, self.weight_feature_key]

    @property
    def num_buckets(self) -> int:
        """That of the column."""
        return self.categorical_column.num_buckets

    def transform_feature(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> tuple:
        """Ids and weights; in a dense feature a weight of 0 counts as missing."""
        weights = as_tensor(transformation_cache.get(self.weight_feature_key, state_manager))
        if weights.dtype != self.dtype:
            raise ValueError(f"Bad dtype, expected {self.dtype}, but got {weights.dtype}.")
        weights = as_sparse(weights, ignored=0)
        if not weights.dtype.is_floating:
            weights = weights.with_values(cast(weights.values, dtypes.float32))
        ids = as_sparse(transformation_cache.get(self.categorical_column, state_manager))
        return ids, weights

    def get_sparse_tensors(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> IdWeightPair:
        """Ids and weights."""
        return IdWeightPair(*transformation_cache.get(self, state_manager))


@export("feature_column.weighted_categorical_column")
def weighted_categorical_column(
    categorical_column: CategoricalColumn, weight_feature_key: str, dtype: Any = dtypes.float32
) -> WeightedCategoricalColumn:
    """Categories, each with a weight that another feature holds.

    Args:
      categorical_column: the categories.
      weight_feature_key: the name of the feature with a weight for each.
      dtype: the dtype of the weights: an integer or floating one.

    Raises:
      ValueError: another dtype.
    """
    if dtype is None or not (as_dtype(dtype).is_integer or as_dtype(dtype).is_floating):
        raise ValueError(f"dtype {dtype} is not convertible to float.")
    return WeightedCategoricalColumn(categorical_column, weight_feature_key, as_dtype(dtype))


class _CrossedFields(NamedTuple):
    keys: tuple
    hash_bucket_size: int
    hash_key: int | None


class CrossedColumn(CategoricalColumn, _CrossedFields):
    """See `crossed_column`."""

    def _leaves(self) -> list[Any]:
        """The features and columns that are crossed; of a cross, its own."""
        return [
            leaf for key in self.keys for leaf in (key._leaves() if isinstance(key, CrossedColumn) else [key])
        ]

    @property
    def name(self) -> str:
        """The names of all."""
        return "_X_".join(sorted(leaf if isinstance(leaf, str) else leaf.name for leaf in self._leaves()))

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """What all of them need."""
        found: dict[str, Any] = {}
        for key in self.keys:
            found |= {key: VarLenFeature(dtypes.string)} if isinstance(key, str) else key.parse_example_spec
        return found

    @property
    def parents(self) -> list[Any]:
        """The features and columns that are crossed."""
        return list(self.keys)

    def transform_feature(self, transformation_cache: FeatureTransformationCache, state_manager: Any) -> Any:
        """The hashed combinations."""
        tensors = []
        for leaf in self._leaves():
            if isinstance(leaf, str):
                tensors.append(transformation_cache.get(leaf, state_manager))
                continue
            pair = leaf.get_sparse_tensors(transformation_cache, state_manager)
            if pair.weight_tensor is not None:
                raise ValueError(
                    "crossed_column does not support weight_tensor, but the given column populates weight_tensor. "
                    f"Given column: {leaf.name}"
                )
            tensors.append(pair.id_tensor)
        return sparse_cross_hashed(tensors, self.hash_bucket_size, self.hash_key)

    @property
    def num_buckets(self) -> int:
        """The number of hash buckets."""
        return self.hash_bucket_size

    def get_sparse_tensors(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> IdWeightPair:
        """The ids, without weights."""
        return IdWeightPair(transformation_cache.get(self, state_manager), None)


@export("feature_column.crossed_column")
def crossed_column(keys: Any, hash_bucket_size: int, hash_key: int | None = None) -> CrossedColumn:
    """Every combination of one value from each of some features, hashed into a number of buckets.

    Args:
      keys: names of string features, and categorical columns other than hashed ones.
      hash_bucket_size: the number of buckets.
      hash_key: where the hash starts.

    Raises:
      ValueError: there are fewer than two keys, one is not of these kinds, or there are no buckets.

    Example:
      >>> import penstock as tf
      >>> tf.feature_column.crossed_column(["word", "language"], 1000).name
      'language_X_word'
    """
    if not hash_bucket_size or hash_bucket_size < 1:
        raise ValueError(f"hash_bucket_size must be > 1. hash_bucket_size: {hash_bucket_size}")
    if not keys or len(keys) < 2:
        raise ValueError(f"keys must be a list with length > 1. Given: {keys}")
    for key in keys:
        if not isinstance(key, (str, CategoricalColumn)):
            raise ValueError(
                "Unsupported key type. All keys must be either string, or categorical column except "
                f"HashedCategoricalColumn. Given: {key}"
            )
        if isinstance(key, HashedCategoricalColumn):
            raise ValueError(
                "categorical_column_with_hash_bucket is not supported for crossing: values that are hashed twice "
                f"collide more often. Use the feature name as a string. Given: {key}"
            )
    return CrossedColumn(tuple(keys), hash_bucket_size, hash_key)
