"""Sequences as features: numbers or categories for each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.feature_column import categorical, vocabulary
from penstock.feature_column.columns import (
    CategoricalColumn,
    FeatureTransformationCache,
    IdWeightPair,
    SequenceDenseColumn,
    TensorSequenceLengthPair,
    checked_shape,
)
from penstock.ops.casting import cast
from penstock.ops.concatenation import concat
from penstock.ops.parsing.features import VarLenFeature
from penstock.ops.reshaping import reshape
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.sparse.conversion import reshape as sparse_reshape
from penstock.ops.sparse.conversion import to_dense
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor


def sequence_lengths(steps: SparseTensor, numbers_in_a_step: int = 1) -> Tensor:
    """The number of steps of each Example: where its last value stands, and one."""
    rows, columns = steps.indices[:, 0], steps.indices[:, 1]
    last = execute("UnsortedSegmentMax", (columns, rows, cast(steps.dense_shape[0], dtypes.int32)))
    # Examples without values have the smallest int64.
    lengths = execute("Maximum", (last, execute("OnesLike", (last,)) * -1)) + execute("OnesLike", (last,))
    if numbers_in_a_step == 1:
        return lengths
    size = cast(numbers_in_a_step, dtypes.int64)
    return execute("FloorDiv", (lengths + size - cast(1, dtypes.int64), size))


class _SequenceCategoricalFields(NamedTuple):
    categorical_column: CategoricalColumn


class SequenceCategoricalColumn(CategoricalColumn, _SequenceCategoricalFields):
    """Categories for each step: those of another column, with an axis for the steps."""

    @property
    def name(self) -> str:
        """That of the column."""
        return self.categorical_column.name

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """That of the column."""
        return self.categorical_column.parse_example_spec

    @property
    def parents(self) -> list[Any]:
        """The column."""
        return [self.categorical_column]

    @property
    def num_buckets(self) -> int:
        """That of the column."""
        return self.categorical_column.num_buckets

    def transform_feature(self, transformation_cache: FeatureTransformationCache, state_manager: Any) -> Any:
        """What the column makes."""
        return self.categorical_column.transform_feature(transformation_cache, state_manager)

    def get_sparse_tensors(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> IdWeightPair:
        """Ids and weights `[batch, steps, 1]`."""
        ids, weights = self.categorical_column.get_sparse_tensors(transformation_cache, state_manager)
        steps = concat([cast(shape_of(ids), dtypes.int64)[:2], cast([-1], dtypes.int64)], 0)
        return IdWeightPair(
            sparse_reshape(ids, steps), None if weights is None else sparse_reshape(weights, steps)
        )


_DOC = """A sequence of {what}; the arguments are those of `tf.feature_column.{name}`.

    `tf.feature_column.embedding_column` and `indicator_column` turn it into vectors for each step.
    """


def _sequence_of(what: str, name: str, function: Callable) -> Callable:
    def column(*args: Any, **kwargs: Any) -> SequenceCategoricalColumn:
        return SequenceCategoricalColumn(function(*args, **kwargs))

    column.__name__ = column.__qualname__ = f"sequence_{name}"
    column.__doc__ = _DOC.format(what=what, name=name)
    return export(f"feature_column.sequence_{name}")(column)


sequence_categorical_column_with_identity = _sequence_of(
    "ids", "categorical_column_with_identity", categorical.categorical_column_with_identity
)
sequence_categorical_column_with_hash_bucket = _sequence_of(
    "hashed values", "categorical_column_with_hash_bucket", categorical.categorical_column_with_hash_bucket
)
sequence_categorical_column_with_vocabulary_list = _sequence_of(
    "words of a list",
    "categorical_column_with_vocabulary_list",
    vocabulary.categorical_column_with_vocabulary_list,
)
# The order of the arguments is that of TF 1 in both generations.
sequence_categorical_column_with_vocabulary_file = _sequence_of(
    "words of a file",
    "categorical_column_with_vocabulary_file",
    vocabulary.categorical_column_with_vocabulary_file_v1,
)


class _SequenceNumericFields(NamedTuple):
    key: str
    shape: tuple[int, ...]
    default_value: float
    dtype: DType
    normalizer_fn: Callable | None


class SequenceNumericColumn(SequenceDenseColumn, _SequenceNumericFields):
    """See `sequence_numeric_column`."""

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

    @property
    def variable_shape(self) -> TensorShape:
        """The shape of a step."""
        return TensorShape(self.shape)

    def transform_feature(self, transformation_cache: FeatureTransformationCache, state_manager: Any) -> Any:
        """The feature, normalized."""
        value = transformation_cache.get(self.key, state_manager)
        return value if self.normalizer_fn is None else self.normalizer_fn(value)

    def get_sequence_dense_tensor(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> TensorSequenceLengthPair:
        """`[batch, steps] + shape`, missing values filled with the default."""
        steps = transformation_cache.get(self, state_manager)
        dense = to_dense(steps, default_value=self.default_value)
        shape: Sequence[Any] = [shape_of(dense)[:1], [-1], list(self.shape)]
        numbers = self.variable_shape.num_elements() if steps.shape.rank == 2 else 1
        return TensorSequenceLengthPair(
            reshape(dense, concat(shape, 0)), sequence_lengths(steps, numbers or 1)
        )


@export("feature_column.sequence_numeric_column")
def sequence_numeric_column(
    key: str,
    shape: Any = (1,),
    default_value: float = 0.0,
    dtype: Any = dtypes.float32,
    normalizer_fn: Callable | None = None,
) -> SequenceNumericColumn:
    """A sequence of numbers, or of tensors of them.

    Args:
      key: the name of the feature, a SparseTensor.
      shape: the shape of one step.
      default_value: what fills shorter sequences.
      dtype: an integer or floating dtype.
      normalizer_fn: a function that is applied to the SparseTensor first.

    Raises:
      ValueError: another dtype.
      TypeError: `normalizer_fn` cannot be called.

    Example:
      >>> import penstock as tf
      >>> tf.feature_column.sequence_numeric_column("temperature").name
      'temperature'
    """
    dims, dtype = checked_shape(shape, key), as_dtype(dtype)
    if not (dtype.is_integer or dtype.is_floating):
        raise ValueError(f"dtype must be convertible to float. dtype: {dtype}, key: {key}")
    if normalizer_fn is not None and not callable(normalizer_fn):
        raise TypeError(f"normalizer_fn must be a callable. Given: {normalizer_fn}")
    return SequenceNumericColumn(key, dims, default_value, dtype, normalizer_fn)
