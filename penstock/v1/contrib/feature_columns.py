"""`contrib.layers`' feature columns: the first names of what is `tf.feature_column`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.ops.variables.scope import variable_scope
from penstock.types import dtypes
from penstock.v1.api import tf


def _names(name: str) -> list[str]:
    homes = ("contrib.layers", "contrib.layers.python.layers.feature_column", "contrib.layers.feature_column")
    return [f"{home}.{name}" for home in homes]


@export(v1=_names("real_valued_column"))
def real_valued_column(
    column_name: str, dimension: int = 1, default_value: Any = None, dtype: Any = dtypes.float32,
    normalizer: Callable | None = None,
) -> Any:  # fmt: skip
    """`numeric_column` of `dimension` numbers."""
    return tf.feature_column.numeric_column(column_name, (dimension,), default_value, dtype, normalizer)


def _only(combiner: str | None, *allowed: str | None) -> None:
    if combiner not in allowed:
        raise ValueError(
            f"combiner is {combiner!r}; a category counts once for each time that it occurs: 'sum' was expected. Where it "
            "is embedded, the embedding column says how several combine."
        )


@export(v1=_names("sparse_column_with_hash_bucket"))
def sparse_column_with_hash_bucket(
    column_name: str, hash_bucket_size: int, combiner: str = "sum", dtype: Any = dtypes.string
) -> Any:
    """`categorical_column_with_hash_bucket`."""
    _only(combiner, "sum")
    return tf.feature_column.categorical_column_with_hash_bucket(column_name, hash_bucket_size, dtype)


@export(v1=_names("sparse_column_with_keys"))
def sparse_column_with_keys(
    column_name: str, keys: Sequence[Any], default_value: int = -1, combiner: str = "sum", dtype: Any = dtypes.string
) -> Any:  # fmt: skip
    """`categorical_column_with_vocabulary_list`."""
    _only(combiner, "sum")
    return tf.feature_column.categorical_column_with_vocabulary_list(column_name, keys, dtype, default_value)


@export(v1=_names("sparse_column_with_vocabulary_file"))
def sparse_column_with_vocabulary_file(
    column_name: str, vocabulary_file: str, num_oov_buckets: int = 0, vocab_size: int | None = None,
    default_value: int = -1, combiner: str = "sum", dtype: Any = dtypes.string,
) -> Any:  # fmt: skip
    """`categorical_column_with_vocabulary_file`."""
    _only(combiner, "sum")
    return tf.feature_column.categorical_column_with_vocabulary_file(
        column_name,
        vocabulary_file,
        vocab_size,
        num_oov_buckets,
        None if num_oov_buckets else default_value,
        dtype,
    )


@export(v1=_names("sparse_column_with_integerized_feature"))
def sparse_column_with_integerized_feature(
    column_name: str, bucket_size: int, combiner: str = "sum", dtype: Any = dtypes.int64
) -> Any:
    """`categorical_column_with_identity`."""
    _only(combiner, "sum")
    if not dtypes.as_dtype(dtype).is_integer:
        raise ValueError(f"dtype must be an integer. dtype: {dtype}, column_name: {column_name}")
    return tf.feature_column.categorical_column_with_identity(column_name, bucket_size)


@export(v1=_names("weighted_sparse_column"))
def weighted_sparse_column(
    sparse_id_column: Any, weight_column_name: str, dtype: Any = dtypes.float32
) -> Any:
    """`weighted_categorical_column`."""
    return tf.feature_column.weighted_categorical_column(sparse_id_column, weight_column_name, dtype)


@export(v1=_names("one_hot_column"))
def one_hot_column(sparse_id_column: Any) -> Any:
    """`indicator_column`."""
    return tf.feature_column.indicator_column(sparse_id_column)


@export(v1=_names("embedding_column"))
def embedding_column(
    sparse_id_column: Any, dimension: int, combiner: str = "mean", initializer: Any = None,
    ckpt_to_load_from: str | None = None, tensor_name_in_ckpt: str | None = None, max_norm: float | None = None,
    trainable: bool = True,
) -> Any:  # fmt: skip
    """`tf.feature_column.embedding_column`."""
    return tf.feature_column.embedding_column(
        sparse_id_column,
        dimension,
        combiner,
        initializer,
        ckpt_to_load_from,
        tensor_name_in_ckpt,
        max_norm,
        trainable,
    )


@export(v1=_names("shared_embedding_columns"))
def shared_embedding_columns(
    sparse_id_columns: Sequence[Any], dimension: int, combiner: str = "mean",
    shared_embedding_name: str | None = None, initializer: Any = None, ckpt_to_load_from: str | None = None,
    tensor_name_in_ckpt: str | None = None, max_norm: float | None = None, trainable: bool = True,
) -> Any:  # fmt: skip
    """`tf.feature_column.shared_embedding_columns`."""
    return tf.feature_column.shared_embedding_columns(
        sparse_id_columns, dimension, combiner, initializer, shared_embedding_name, ckpt_to_load_from,
        tensor_name_in_ckpt, max_norm, trainable,
    )  # fmt: skip


@export(v1=_names("bucketized_column"))
def bucketized_column(source_column: Any, boundaries: Sequence[float]) -> Any:
    """`tf.feature_column.bucketized_column`."""
    return tf.feature_column.bucketized_column(source_column, list(boundaries))


@export(v1=_names("crossed_column"))
def crossed_column(
    columns: Iterable[Any], hash_bucket_size: int, combiner: str = "sum", hash_key: int | None = None
) -> Any:
    """`tf.feature_column.crossed_column`; what comes as a hashed column is crossed before it is hashed."""
    _only(combiner, "sum")
    keys = [
        each.key if hasattr(each, "hash_bucket_size") and hasattr(each, "key") else each for each in columns
    ]
    return tf.feature_column.crossed_column(keys, hash_bucket_size, hash_key)


@export(v1=_names("create_feature_spec_for_parsing"))
def create_feature_spec_for_parsing(feature_columns: Iterable[Any]) -> dict[str, Any]:
    """`make_parse_example_spec`: what `tf.parse_example` needs to read the features of columns."""
    return tf.feature_column.make_parse_example_spec(list(feature_columns))


def _inputs_names(name: str) -> list[str]:
    return [*_names(name), f"contrib.layers.python.layers.feature_column_ops.{name}"]


@export(v1=_inputs_names("parse_feature_columns_from_examples"))
def parse_feature_columns_from_examples(
    serialized: Any, feature_columns: Iterable[Any], name: str | None = None, example_names: Any = None
) -> dict[str, Any]:
    """The features of columns, from a batch of serialized Examples."""
    return tf.parse_example(serialized, create_feature_spec_for_parsing(feature_columns), name, example_names)


@export(v1=_inputs_names("input_from_feature_columns"))
def input_from_feature_columns(
    columns_to_tensors: dict[str, Any], feature_columns: Iterable[Any], weight_collections: Any = None,
    trainable: bool = True, scope: Any = None,
) -> Any:  # fmt: skip
    """`tf.feature_column.input_layer`: the columns side by side, in the order of their names."""
    with variable_scope(scope, "input_from_feature_columns"):
        return tf.feature_column.input_layer(
            columns_to_tensors, list(feature_columns), weight_collections, trainable
        )


@export(v1=_inputs_names("weighted_sum_from_feature_columns"))
def weighted_sum_from_feature_columns(
    columns_to_tensors: dict[str, Any], feature_columns: Iterable[Any], num_outputs: int,
    weight_collections: Any = None, trainable: bool = True, scope: Any = None,
) -> tuple[Any, dict[Any, list[Any]], Any]:  # fmt: skip
    """`tf.feature_column.linear_model`.

    Returns:
      The sums, the variables of each column, and the bias.
    """
    variables: dict[Any, list[Any]] = {}
    with variable_scope(scope, "weighted_sum_from_feature_columns"):
        sums = tf.feature_column.linear_model(
            columns_to_tensors,
            list(feature_columns),
            num_outputs,
            "sum",
            weight_collections,
            trainable,
            variables,
        )
    (bias,) = variables.pop("bias")
    return sums, variables, bias
