"""Numbers as features: `numeric_column` as they are, `bucketized_column` by the interval that they lie in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.feature_column.columns import (
    CategoricalColumn,
    DenseColumn,
    FeatureTransformationCache,
    IdWeightPair,
    check_key,
    checked_shape,
)
from penstock.ops.casting import cast
from penstock.ops.concatenation import stack
from penstock.ops.parsing.features import FixedLenFeature
from penstock.ops.ranges import one_hot, range_
from penstock.ops.replication import repeat, tile
from penstock.ops.reshaping import reshape
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor


class _NumericFields(NamedTuple):
    key: str
    shape: tuple[int, ...]
    default_value: Any
    dtype: DType
    normalizer_fn: Callable | None


class NumericColumn(DenseColumn, _NumericFields):
    """See `numeric_column`."""

    @property
    def name(self) -> str:
        """The name of the feature."""
        return self.key

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """A feature of the column's shape."""
        return {self.key: FixedLenFeature(self.shape, self.dtype, self.default_value)}

    @property
    def parents(self) -> list[Any]:
        """The feature."""
        return [self.key]

    def transform_feature(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> Tensor:
        """The feature, normalized, in float32."""
        value = transformation_cache.get(self.key, state_manager)
        if isinstance(value, SparseTensor):
            raise ValueError(
                "The corresponding Tensor of numerical column must be a Tensor. SparseTensor is not supported. "
                f"key: {self.key}"
            )
        return cast(value if self.normalizer_fn is None else self.normalizer_fn(value), dtypes.float32)

    @property
    def variable_shape(self) -> TensorShape:
        """The column's shape."""
        return TensorShape(self.shape)

    def get_dense_tensor(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> Tensor:
        """The transformed feature."""
        return transformation_cache.get(self, state_manager)


@export("feature_column.numeric_column")
def numeric_column(
    key: str,
    shape: Any = (1,),
    default_value: Any = None,
    dtype: Any = dtypes.float32,
    normalizer_fn: Callable | None = None,
) -> NumericColumn:
    """A feature that is used as the numbers that it holds.

    Args:
      key: the name of the feature.
      shape: the shape of one Example's value.
      default_value: what stands in for a missing value: a number, or numbers of the shape.
      dtype: the dtype of the feature: an integer or floating one. The column's is float32.
      normalizer_fn: a function that is applied to the tensor first.

    Raises:
      ValueError: `key` is no string, the dtype is not of numbers, or the default does not have the shape.
      TypeError: the shape or the default is not of the right type, or `normalizer_fn` cannot be called.

    Example:
      >>> import penstock as tf
      >>> tf.feature_column.numeric_column("price", normalizer_fn=lambda x: x / 10).name
      'price'
    """
    dims = checked_shape(shape, key)
    dtype = as_dtype(dtype)
    if not (dtype.is_integer or dtype.is_floating):
        raise ValueError(f"dtype must be convertible to float. dtype: {dtype}, key: {key}")
    default_value = _checked_default(dims, default_value, dtype, key)
    if normalizer_fn is not None and not callable(normalizer_fn):
        raise TypeError(f"normalizer_fn must be a callable. Given: {normalizer_fn}")
    check_key(key)
    return NumericColumn(key, dims, default_value, dtype, normalizer_fn)


def _checked_default(shape: tuple[int, ...], value: Any, dtype: DType, key: str) -> Any:
    """The default as nested tuples of the shape."""
    if value is None:
        return None
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or (dtype.is_integer and not np.all(array == np.round(array))):
        raise TypeError(
            f"default_value must be compatible with dtype. default_value: {value}, dtype: {dtype}, key: {key}"
        )
    if array.ndim and array.shape != shape:
        raise ValueError(
            f"The shape of default_value must be equal to given shape. default_value: {value}, shape: {shape}, key: {key}"
        )
    filled = np.broadcast_to(array, shape)

    def as_tuples(x: Any) -> Any:
        if isinstance(x, list):
            return tuple(map(as_tuples, x))
        return int(x) if dtype.is_integer else float(x)

    return as_tuples(filled.tolist())


class _BucketizedFields(NamedTuple):
    source_column: NumericColumn
    boundaries: tuple[float, ...]


class BucketizedColumn(DenseColumn, CategoricalColumn, _BucketizedFields):
    """See `bucketized_column`: dense as one-hot vectors, categorical as the number of the bucket."""

    @property
    def name(self) -> str:
        """The name of the feature, and what became of it."""
        return f"{self.source_column.name}_bucketized"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """That of the source."""
        return self.source_column.parse_example_spec

    @property
    def parents(self) -> list[Any]:
        """The source."""
        return [self.source_column]

    def transform_feature(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> Tensor:
        """The bucket of each number."""
        source = transformation_cache.get(self.source_column, state_manager)
        return execute("Bucketize", (source,), {"boundaries": [float(each) for each in self.boundaries]})

    @property
    def _width(self) -> int:
        return len(self.boundaries) + 1

    @property
    def variable_shape(self) -> TensorShape:
        """That of the source, and a one-hot vector for each number."""
        return TensorShape((*self.source_column.shape, self._width))

    def get_dense_tensor(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> Tensor:
        """One-hot vectors of the buckets."""
        return one_hot(cast(transformation_cache.get(self, state_manager), dtypes.int64), self._width)

    @property
    def num_buckets(self) -> int:
        """Buckets of their own for each of the source's numbers."""
        return self._width * self.source_column.shape[0]

    def get_sparse_tensors(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> IdWeightPair:
        """The ids of all numbers of an Example; the buckets of the second follow those of the first."""
        buckets = transformation_cache.get(self, state_manager)
        batch, width = shape_of(buckets)[0], self.source_column.shape[0]
        places = tile(range_(width), [batch])
        ids = reshape(buckets, [-1]) + self._width * places
        indices = stack([repeat(range_(batch), width), places], 1)
        shape = cast(stack([batch, width]), dtypes.int64)
        return IdWeightPair(SparseTensor(cast(indices, dtypes.int64), ids, shape), None)


@export("feature_column.bucketized_column")
def bucketized_column(source_column: NumericColumn, boundaries: Sequence[float]) -> BucketizedColumn:
    """A number as the interval that it lies in: below the first boundary, between two of them, ...

    Args:
      source_column: a numeric column whose shape has one dimension.
      boundaries: rising numbers; a boundary belongs to the interval above it.

    Raises:
      ValueError: the source is no such column, or the boundaries do not rise.

    Example:
      >>> import penstock as tf
      >>> age = tf.feature_column.numeric_column("age")
      >>> tf.feature_column.bucketized_column(age, [18, 65]).num_buckets
      3
    """
    if not isinstance(source_column, NumericColumn):
        raise ValueError(
            f"source_column must be a column generated with numeric_column(). Given: {source_column}"
        )
    if len(source_column.shape) > 1:
        raise ValueError(f"source_column must be one-dimensional column. Given: {source_column}")
    if not boundaries:
        raise ValueError("boundaries must not be empty.")
    if not isinstance(boundaries, (list, tuple)) or any(a >= b for a, b in itertools.pairwise(boundaries)):
        raise ValueError("boundaries must be a sorted list.")
    return BucketizedColumn(source_column, tuple(boundaries))
