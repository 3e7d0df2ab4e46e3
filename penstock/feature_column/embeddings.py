"""Categories as vectors: one-hot (`indicator_column`), or rows of a table that is trained (`embedding_column`, shared ones)."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from penstock.engine.context import thread
from penstock.engine.export import EXPORTS, export
from penstock.feature_column.categorical import WeightedCategoricalColumn
from penstock.feature_column.columns import (
    CategoricalColumn,
    DenseColumn,
    FeatureTransformationCache,
    IdWeightPair,
    SequenceDenseColumn,
    TensorSequenceLengthPair,
    graph_key,
)
from penstock.feature_column.sequences import SequenceCategoricalColumn, sequence_lengths
from penstock.graph.lifting import init_scope
from penstock.ops.nn.embedding_sparse import embedding_lookup_sparse, safe_embedding_lookup_sparse
from penstock.ops.ranges import one_hot
from penstock.ops.reduce_functions import reduce_sum
from penstock.ops.sparse.conversion import to_dense
from penstock.ops.variables.initializers_v1 import TruncatedNormalV1
from penstock.ops.variables.scope import get_variable
from penstock.ops.variables.variable import Variable
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor


class OfCategories(DenseColumn, SequenceDenseColumn):
    """A dense column made of a categorical one, or of a sequence of categories; a subclass defines `_vectors`."""

    categorical_column: CategoricalColumn
    _kind: str

    def _vectors(self, pair: IdWeightPair, state_manager: Any) -> Tensor:
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The name of the categorical column, and what became of it."""
        return f"{self.categorical_column.name}_{self._kind}"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """That of the categorical column."""
        return self.categorical_column.parse_example_spec

    @property
    def parents(self) -> list[Any]:
        """The categorical column."""
        return [self.categorical_column]

    def transform_feature(self, transformation_cache: FeatureTransformationCache, state_manager: Any) -> Any:
        """What the categorical column makes."""
        return transformation_cache.get(self.categorical_column, state_manager)

    def _of(self, transformation_cache: FeatureTransformationCache, state_manager: Any) -> tuple[Tensor, Any]:
        pair = self.categorical_column.get_sparse_tensors(transformation_cache, state_manager)
        return self._vectors(pair, state_manager), pair.id_tensor

    def get_dense_tensor(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> Tensor:
        """One vector for each Example."""
        if isinstance(self.categorical_column, SequenceCategoricalColumn):
            raise ValueError(
                f"In {self._kind}_column: {self.name}. categorical_column must not be of type "
                "SequenceCategoricalColumn: use a categorical_column_with_* that is no sequence, or a layer for "
                f"sequences. Given: {self.categorical_column}"
            )
        return self._of(transformation_cache, state_manager)[0]

    def get_sequence_dense_tensor(
        self, transformation_cache: FeatureTransformationCache, state_manager: Any
    ) -> TensorSequenceLengthPair:
        """One vector for each step."""
        if not isinstance(self.categorical_column, SequenceCategoricalColumn):
            raise ValueError(
                f"In {self._kind}_column: {self.name}. categorical_column must be of type SequenceCategoricalColumn "
                f"to use it as a sequence: use one of sequence_categorical_column_with_*. Given: {self.categorical_column}"
            )
        vectors, ids = self._of(transformation_cache, state_manager)
        return TensorSequenceLengthPair(vectors, sequence_lengths(ids))


class _IndicatorFields(NamedTuple):
    categorical_column: CategoricalColumn


class IndicatorColumn(OfCategories, _IndicatorFields):
    """See `indicator_column`."""

    _kind = "indicator"

    @property
    def variable_shape(self) -> TensorShape:
        """A number for each category."""
        return TensorShape([1, self.categorical_column.num_buckets])

    def _vectors(self, pair: IdWeightPair, state_manager: Any) -> Tensor:
        size, ids = self.categorical_column.num_buckets, pair.id_tensor
        if pair.weight_tensor is None:
            return reduce_sum(one_hot(to_dense(ids, default_value=-1), size), -2)
        dense_ids = to_dense(ids, default_value=-1)
        weights = to_dense(SparseTensor(ids.indices, pair.weight_tensor.values, ids.dense_shape))
        return reduce_sum(one_hot(dense_ids, size) * weights[..., None], -2)


@export("feature_column.indicator_column")
def indicator_column(categorical_column: CategoricalColumn) -> IndicatorColumn:
    """Categories as a vector that counts how often an Example has each.

    Raises:
      ValueError: the argument is no categorical column.

    Example:
      >>> import penstock as tf
      >>> ids = tf.feature_column.categorical_column_with_identity("id", 3)
      >>> tf.compat.v1.feature_column.input_layer(
      ...     {"id": [[0, 2], [2, 2]]}, [tf.feature_column.indicator_column(ids)]).numpy()
      array([[1., 0., 1.],
             [0., 0., 2.]], dtype=float32)
    """
    if not isinstance(categorical_column, CategoricalColumn):
        raise ValueError(
            f"Unsupported input type. Input must be a CategoricalColumn. Given: {categorical_column}"
        )
    return IndicatorColumn(categorical_column)


def _looked_up(weights: Any, pair: IdWeightPair, combiner: str, max_norm: Any, safe: bool) -> Tensor:
    """The combined rows of a table for the ids of each Example (or step)."""
    ids, id_weights = pair
    rank = ids.shape.rank
    if safe or rank is None or rank > 2:
        return safe_embedding_lookup_sparse(weights, ids, id_weights, combiner=combiner, max_norm=max_norm)
    return embedding_lookup_sparse(weights, ids, id_weights, combiner=combiner, max_norm=max_norm)


def _restored(variable: Any, checkpoint: str | None, name: str | None) -> Any:
    """The variable, which takes its first value from a checkpoint."""
    if checkpoint is not None:
        EXPORTS["v1"]["train.init_from_checkpoint"](checkpoint, {name: variable})
    return variable


class _EmbeddingFields(NamedTuple):
    categorical_column: CategoricalColumn
    dimension: int
    combiner: str
    initializer: Callable
    ckpt_to_load_from: str | None
    tensor_name_in_ckpt: str | None
    max_norm: float | None
    trainable: bool
    use_safe_embedding_lookup: bool = True


class EmbeddingColumn(OfCategories, _EmbeddingFields):
    """See `embedding_column`."""

    _kind = "embedding"

    @property
    def variable_shape(self) -> TensorShape:
        """A row of the table."""
        return TensorShape([self.dimension])

    def create_state(self, state_manager: Any) -> None:
        """Makes the table, `embedding_weights`."""
        variable = state_manager.create_variable(
            self, name="embedding_weights", shape=(self.categorical_column.num_buckets, self.dimension),
            dtype=dtypes.float32, trainable=self.trainable, use_resource=True, initializer=self.initializer,
        )  # fmt: skip
        _restored(variable, self.ckpt_to_load_from, self.tensor_name_in_ckpt)

    def _vectors(self, pair: IdWeightPair, state_manager: Any) -> Tensor:
        weights = state_manager.get_variable(self, name="embedding_weights")
        return _looked_up(weights, pair, self.combiner, self.max_norm, self.use_safe_embedding_lookup)


def _checked_initializer(
    dimension: int, checkpoint: Any, tensor_name: Any, initializer: Any, name: str = ""
) -> Callable:
    if dimension is None or dimension < 1:
        raise ValueError(f"Invalid dimension {dimension}.")
    if (checkpoint is None) != (tensor_name is None):
        raise ValueError("Must specify both `ckpt_to_load_from` and `tensor_name_in_ckpt` or none of them.")
    if initializer is not None and not callable(initializer):
        raise ValueError(f"initializer must be callable if specified. Embedding of column_name: {name}")
    return initializer or TruncatedNormalV1(mean=0.0, stddev=1 / math.sqrt(dimension))


@export("feature_column.embedding_column")
def embedding_column(
    categorical_column: CategoricalColumn,
    dimension: int,
    combiner: str = "mean",
    initializer: Callable | None = None,
    ckpt_to_load_from: str | None = None,
    tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None,
    trainable: bool = True,
    use_safe_embedding_lookup: bool = True,
) -> EmbeddingColumn:
    """Categories as rows of a table that is trained.

    Args:
      categorical_column: the categories.
      dimension: the length of a row.
      combiner: how the rows of an Example with several categories become one: "mean", "sqrtn" or "sum".
      initializer: the first value of the table; truncated normal with deviation `1 / sqrt(dimension)` by default.
      ckpt_to_load_from, tensor_name_in_ckpt: a checkpoint, and the name of the tensor in it that is the first value.
      max_norm: rows longer than this are scaled down.
      trainable: whether the table is trained.
      use_safe_embedding_lookup: copes with Examples that have no category, and with ids below 0.

    Raises:
      ValueError: the dimension is not positive, or one of the two checkpoint arguments is missing.

    Example:
      >>> import penstock as tf
      >>> word = tf.feature_column.categorical_column_with_hash_bucket("word", 100)
      >>> tf.feature_column.embedding_column(word, 8).variable_shape
      TensorShape([8])
    """
    initializer = _checked_initializer(
        dimension, ckpt_to_load_from, tensor_name_in_ckpt, initializer, categorical_column.name
    )
    return EmbeddingColumn(
        categorical_column, dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt, max_norm, trainable,
        use_safe_embedding_lookup,
    )  # fmt: skip


class SharedTable:
    """The table of several columns: made once in each graph, and once where programs run eagerly.

    Attributes:
      name: its name. dimension: the length of a row.
      scope: TF 1's columns have the table inside a variable scope of its name; None: the table itself has the name.
    """

    def __init__(self, name: str, shape: tuple[int, int], scope: str | None, options: dict[str, Any]):
        self.name, self.shape, self.scope = name, shape, scope
        self.dimension = shape[1]
        self._options = options  # those of `embedding_column`
        self._weights: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

    def weights(self, state_manager: Any = None) -> Any:
        """The variable."""
        with init_scope():  # a function that is traced uses the table of the program around it
            key = graph_key()
            if key not in self._weights:
                options = self._options
                variable = self._made(options["initializer"], options["trainable"], state_manager)
                self._weights[key] = _restored(
                    variable, options["ckpt_to_load_from"], options["tensor_name_in_ckpt"]
                )
            return self._weights[key]

    @property
    def embedding_weights(self) -> Any:
        """The variable."""
        return self.weights()

    def _made(self, initializer: Callable, trainable: bool, state_manager: Any) -> Any:
        if thread.graph is None:
            return Variable(
                initializer(self.shape, dtype=dtypes.float32), trainable=trainable, name=self.name
            )
        name = self.name if self.scope is None else "embedding_weights"
        collections = getattr(state_manager, "collections", None)
        return get_variable(
            name, self.shape, dtypes.float32, initializer, trainable=trainable, collections=collections
        )


class _SharedFields(NamedTuple):
    categorical_column: CategoricalColumn
    shared_embedding_column_creator: SharedTable
    combiner: str
    max_norm: float | None
    use_safe_embedding_lookup: bool = True


class SharedEmbeddingColumn(OfCategories, _SharedFields):
    """See `shared_embeddings`."""

    _kind = "shared_embedding"

    @property
    def _var_scope_name(self) -> str:
        return self.shared_embedding_column_creator.scope or self.name

    @property
    def variable_shape(self) -> TensorShape:
        """A row of the table."""
        return TensorShape([self.shared_embedding_column_creator.dimension])

    def _vectors(self, pair: IdWeightPair, state_manager: Any) -> Tensor:
        weights = self.shared_embedding_column_creator.weights(state_manager)
        return _looked_up(weights, pair, self.combiner, self.max_norm, self.use_safe_embedding_lookup)


def _kind_of(column: Any) -> type:
    while isinstance(column, (WeightedCategoricalColumn, SequenceCategoricalColumn)):
        column = column.categorical_column
    return type(column)


@export("feature_column.shared_embeddings", v1=[])
def shared_embeddings(
    categorical_columns: Sequence[CategoricalColumn],
    dimension: int,
    combiner: str = "mean",
    initializer: Callable | None = None,
    shared_embedding_collection_name: str | None = None,
    ckpt_to_load_from: str | None = None,
    tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None,
    trainable: bool = True,
    use_safe_embedding_lookup: bool = True,
) -> list[SharedEmbeddingColumn]:
    """Embedding columns that have one table, for features with the same categories.

    Args:
      categorical_columns: columns of one kind, with one number of buckets.
      shared_embedding_collection_name: the name of the table; made of the columns' names by default.
      dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt, max_norm, trainable,
        use_safe_embedding_lookup: see `embedding_column`.

    Returns:
      A column for each, in their order.

    Raises:
      ValueError: the columns are of several kinds, or have several numbers of buckets.

    Example:
      >>> import penstock as tf
      >>> seen, bought = (tf.feature_column.categorical_column_with_identity(name, 10) for name in ("seen", "bought"))
      >>> [column.name for column in tf.feature_column.shared_embeddings([seen, bought], 4)]
      ['seen_shared_embedding', 'bought_shared_embedding']
    """
    options = {
        "initializer": _checked_initializer(dimension, ckpt_to_load_from, tensor_name_in_ckpt, initializer),
        "ckpt_to_load_from": ckpt_to_load_from, "tensor_name_in_ckpt": tensor_name_in_ckpt, "trainable": trainable,
    }  # fmt: skip
    name = shared_embedding_collection_name or _shared_name(categorical_columns)
    table = SharedTable(name, (_common_buckets(categorical_columns), dimension), None, options)
    return [
        SharedEmbeddingColumn(column, table, combiner, max_norm, use_safe_embedding_lookup)
        for column in categorical_columns
    ]


@export(v1=["feature_column.shared_embedding_columns"])
def shared_embedding_columns(*args: Any, **kwargs: Any) -> list[SharedEmbeddingColumn]:
    """TF 1's `tf.feature_column.shared_embeddings`: the table is `embedding_weights` in a variable scope of its name."""
    columns = shared_embeddings(*args, **kwargs)
    table = columns[0].shared_embedding_column_creator
    table.scope = table.name
    return columns


def _shared_name(columns: Sequence[CategoricalColumn]) -> str:
    return "_".join(sorted(column.name for column in columns)) + "_shared_embedding"


def _common_buckets(columns: Sequence[CategoricalColumn]) -> int:
    """The number of buckets of all columns, which must be of one kind."""
    first = min(columns, key=lambda column: column.name)
    for column in columns:
        if not isinstance(column, CategoricalColumn):
            raise ValueError(
                f"All categorical_columns must be subclasses of CategoricalColumn. Given: {column}, of type: {type(column)}"
            )
        if _kind_of(column) is not _kind_of(first):
            raise ValueError(
                "To use shared_embedding_column, all categorical_columns must have the same type, or be weighted or "
                f"sequence columns of the same type. {first} and {column} differ."
            )
        if column.num_buckets != first.num_buckets:
            raise ValueError(
                "To use shared_embedding_column, all categorical_columns must have the same number of buckets. "
                f"{first} has {first.num_buckets}, and {column} {column.num_buckets}."
            )
    return first.num_buckets
