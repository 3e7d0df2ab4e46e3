"""`input_layer` and `linear_model`, TF 1's models of feature columns; `features_to_tensor`, which both generations share."""

from __future__ import annotations

import re
from typing import Any

from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.feature_column.columns import (
    CategoricalColumn,
    DenseColumn,
    FeatureColumn,
    FeatureTransformationCache,
    StateManager,
    normalized,
)
from penstock.ops.concatenation import concat
from penstock.ops.graph_collections import GraphKeys
from penstock.ops.linalg.matmul import matmul
from penstock.ops.nn.bias import bias_add
from penstock.ops.nn.embedding_sparse import safe_embedding_lookup_sparse
from penstock.ops.reshaping import reshape
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.sparse.conversion import reshape as sparse_reshape
from penstock.ops.variables.initializers_v1 import ZerosV1
from penstock.ops.variables.scope import get_variable, variable_scope
from penstock.types.dtypes import DType
from penstock.types.tensors import Tensor


class ScopedState(StateManager):
    """Weights that are variables of the current variable scope."""

    def __init__(self, collections: Any, trainable: bool):
        super().__init__()
        own = [GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES]
        self.collections = [*(collections or []), *(key for key in own if key not in (collections or []))]
        self._trainable = trainable

    def _make(
        self, column: Any, name: str, shape: Any, dtype: DType, trainable: bool, initializer: Any
    ) -> Any:
        return get_variable(
            name,
            shape,
            dtype,
            initializer,
            trainable=trainable and self._trainable,
            collections=self.collections,
        )

    def weights(self, name: str, shape: Any) -> Any:
        """Weights that begin as zeros."""
        return get_variable(
            name,
            shape,
            initializer=ZerosV1(),
            trainable=self._trainable,
            collections=self.collections,
        )

    def made_for(self, column: Any) -> list[Any]:
        """The variables of a column."""
        return [variable for (owner, _), variable in self._variables.items() if owner is column]


def _scope_name(column: FeatureColumn) -> str:
    """The column's name, without what a scope's name may not hold."""
    return re.sub(r"[^A-Za-z0-9_.\\/>-]", "_", column._var_scope_name)


def flat_tensor(column: DenseColumn, cache: FeatureTransformationCache, state: Any) -> Tensor:
    """One vector for each Example."""
    tensor = column.get_dense_tensor(cache, state)
    return reshape(tensor, [shape_of(tensor)[0], column.variable_shape.num_elements()])


@export(v1=["feature_column.input_layer"])
def input_layer(
    features: dict[str, Any],
    feature_columns: Any,
    weight_collections: Any = None,
    trainable: bool = True,
    cols_to_vars: dict | None = None,
    cols_to_output_tensors: dict | None = None,
) -> Tensor:
    """The dense columns of a batch, one after the other, in the order of their names.

    Args:
      features: name -> tensor or SparseTensor `[batch, ...]`.
      feature_columns: dense columns.
      weight_collections: graph collections that weights join, beside `GLOBAL_VARIABLES` and `MODEL_VARIABLES`.
      trainable: whether weights are trained.
      cols_to_vars: a dictionary that gets the variables of each column.
      cols_to_output_tensors: a dictionary that gets the tensor of each column.

    Returns:
      `[batch, width]`, float32.

    Raises:
      ValueError: a column is not dense, two have one name, or a feature is missing.

    Example:
      >>> import penstock as tf
      >>> a, b = tf.feature_column.numeric_column("a"), tf.feature_column.numeric_column("b", shape=2)
      >>> tf.compat.v1.feature_column.input_layer({"a": [[1.0]], "b": [[2, 3]]}, [b, a]).numpy()
      array([[1., 2., 3.]], dtype=float32)
    """
    columns = normalized(feature_columns)
    for column in columns:
        if not isinstance(column, DenseColumn):
            raise ValueError(
                "Items of feature_columns must be a DenseColumn. You can wrap a categorical column with an "
                f"embedding_column or indicator_column. Given: {column}"
            )
    cache, tensors = FeatureTransformationCache(features), []
    state = ScopedState(weight_collections, trainable)
    with variable_scope(None, default_name="input_layer"):
        for column in columns:
            with variable_scope(None, default_name=_scope_name(column)):
                tensor = flat_tensor(column, cache, state)  # type: ignore[arg-type]
            tensors.append(tensor)
            if cols_to_vars is not None:
                cols_to_vars[column] = state.made_for(column)
            if cols_to_output_tensors is not None:
                cols_to_output_tensors[column] = tensor
    return concat(tensors, 1)


@export(v1=["feature_column.linear_model"])
def linear_model(
    features: dict[str, Any],
    feature_columns: Any,
    units: int = 1,
    sparse_combiner: str = "sum",
    weight_collections: Any = None,
    trainable: bool = True,
    cols_to_vars: dict | None = None,
) -> Tensor:
    """A weighted sum of all columns, and a bias; the weights begin as zeros.

    Args:
      features: name -> tensor or SparseTensor `[batch, ...]`.
      feature_columns: dense and categorical columns.
      units: the number of outputs.
      sparse_combiner: how several categories of an Example combine: "sum", "mean" or "sqrtn".
      weight_collections: graph collections that weights join, beside `GLOBAL_VARIABLES` and `MODEL_VARIABLES`.
      trainable: whether weights are trained.
      cols_to_vars: a dictionary that gets the variables of each column, and those of "bias".

    Returns:
      `[batch, units]`, float32.

    Raises:
      ValueError: a column is neither dense nor categorical, two have one name, or a feature is missing.
    """
    columns = normalized(feature_columns)
    for column in columns:
        if not isinstance(column, (DenseColumn, CategoricalColumn)):
            raise ValueError(
                f"Items of feature_columns must be either a DenseColumn or CategoricalColumn. Given: {column}"
            )
    cache, sums = FeatureTransformationCache(features), []
    state = ScopedState(weight_collections, trainable)
    with variable_scope(None, default_name="linear_model"):
        for column in columns:
            with variable_scope(None, default_name=_scope_name(column)):
                found, weights = _weighted_sum(column, cache, state, units, sparse_combiner)
            sums.append(found)
            if cols_to_vars is not None:
                cols_to_vars[column] = [*state.made_for(column), weights]
        bias = state.weights("bias_weights", [units])
    if cols_to_vars is not None:
        cols_to_vars["bias"] = [bias]
    return bias_add(execute("AddN", (sums,)), bias)


def _weighted_sum(
    column: Any, cache: FeatureTransformationCache, state: ScopedState, units: int, combiner: str
) -> tuple[Tensor, Any]:
    """A column's part of a linear model, and its weights. A column of both kinds counts as categorical."""
    if not isinstance(column, CategoricalColumn):
        tensor = flat_tensor(column, cache, state)
        weights = state.weights("weights", [column.variable_shape.num_elements(), units])
        return matmul(tensor, weights), weights
    ids, id_weights = column.get_sparse_tensors(cache, state)
    weights = state.weights("weights", [column.num_buckets, units])
    rows = [ids.dense_shape[0], -1]
    flat = sparse_reshape(ids, rows)
    flat_weights = None if id_weights is None else sparse_reshape(id_weights, rows)
    return safe_embedding_lookup_sparse(weights, flat, flat_weights, combiner=combiner), weights
