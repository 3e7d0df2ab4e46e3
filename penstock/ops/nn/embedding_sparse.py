"""Embedding lookups for bags of ids: `embedding_lookup_sparse`, and the form that copes with empty rows and bad ids."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.casting import cast
from penstock.ops.nn.embedding import lookup
from penstock.ops.sparse import conversion as sparse_conversion
from penstock.ops.sparse import slicing as sparse_slicing
from penstock.types import dtypes
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor

_COMBINERS = ("mean", "sqrtn", "sum")
_UNWEIGHTED = {"sum": "SparseSegmentSum", "mean": "SparseSegmentMean", "sqrtn": "SparseSegmentSqrtN"}


def _rows_and_values(bags: Any) -> tuple[Tensor, Tensor]:
    """The row and the value of each element of a sparse or ragged matrix."""
    if isinstance(bags, SparseTensor):
        return cast(bags.indices[:, 0], dtypes.int32), bags.values
    return cast(bags.value_rowids(), dtypes.int32), bags.flat_values


def _is_bags(value: Any) -> bool:
    return isinstance(value, SparseTensor) or hasattr(value, "value_rowids")


def _combined(
    table: Any, ids: Any, weights: Any, combiner: str | None, max_norm: Any, strategy: str
) -> Tensor:
    combiner = "mean" if combiner is None else combiner
    if combiner not in _COMBINERS:
        raise ValueError(f"combiner must be one of {_COMBINERS}, got {combiner}")
    if not _is_bags(ids):
        raise TypeError(f"sp_ids must be SparseTensor or RaggedTensor, got {type(ids)}")
    if weights is not None and type(weights) is not type(ids):
        raise TypeError(f"sp_weights must be either None or of the type of sp_ids, got {type(weights)}")
    rows, values = _rows_and_values(ids)
    if weights is None:
        different, places = execute("Unique", (values,), {"out_idx": dtypes.int32})
        vectors = lookup(table, different, strategy, max_norm, None)
        return execute(_UNWEIGHTED[combiner], (vectors, places, rows))
    vectors = lookup(table, values, strategy, max_norm, None)
    if vectors.dtype in (dtypes.float16, dtypes.bfloat16):
        vectors = cast(vectors, dtypes.float32)
    factors = cast(_rows_and_values(weights)[1], vectors.dtype)
    inner = [1] * ((vectors.shape.rank or 2) - 1)
    factors = execute("Reshape", (factors, convert_to_tensor([-1, *inner])))

    def per_row(x: Tensor) -> Tensor:
        return execute("SegmentSum", (x, rows))

    total = per_row(vectors * factors)
    if combiner == "sum":
        return total
    if combiner == "mean":
        return execute("DivNoNan", (total, per_row(factors)))
    return execute("DivNoNan", (total, execute("Sqrt", (per_row(execute("Square", (factors,))),))))


@export("nn.embedding_lookup_sparse", v1=[])
def embedding_lookup_sparse(
    params: Any,
    sp_ids: Any,
    sp_weights: Any,
    combiner: str | None = None,
    max_norm: Any = None,
    name: str | None = None,
    allow_fast_lookup: bool = False,
) -> Tensor:
    """For each row of ids the (weighted) sum or mean of their rows of a table.

    Args:
      params: `[rows, ...]`: a tensor or variable, or a list of them: one table cut into contiguous pieces.
      sp_ids: an integer SparseTensor (in row-major order, without empty rows) or RaggedTensor `[N, M]`.
      sp_weights: weights in the same form, or None for ones.
      combiner: "sum", "mean" (over the sum of the weights, the default) or "sqrtn" (over the root of the sum of their
        squares).
      max_norm: rows of the table longer than this are scaled down first.

    Returns:
      `[N] + params.shape[1:]`.

    Raises:
      TypeError: ids or weights are neither sparse nor ragged.
      ValueError: `combiner` is unknown.

    Example:
      >>> import penstock as tf
      >>> ids = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [0, 2, 1], [2, 2])
      >>> tf.nn.embedding_lookup_sparse([[1.0], [2.0], [5.0]], ids, None, combiner="sum").numpy()
      array([[6.],
             [2.]], dtype=float32)
    """
    if isinstance(params, (list, tuple)) and params and not hasattr(params[0], "shape"):
        params = convert_to_tensor(params)
    return _combined(params, sp_ids, sp_weights, combiner, max_norm, "div")


@export(v1=["nn.embedding_lookup_sparse"])
def embedding_lookup_sparse_v1(
    params: Any,
    sp_ids: Any,
    sp_weights: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    combiner: str | None = None,
    max_norm: Any = None,
    allow_fast_lookup: bool = False,
) -> Tensor:
    """TF 1's form: a list of tables is by default one table whose rows are dealt out in turn."""
    return _combined(params, sp_ids, sp_weights, combiner, max_norm, partition_strategy)


def _safe(
    tables: Any,
    ids: SparseTensor,
    weights: Any,
    combiner: str,
    default_id: int | None,
    max_norm: Any,
    strategy: str,
) -> Tensor:
    if tables is None or (isinstance(tables, (list, tuple)) and not tables):
        raise ValueError(f"Missing embedding_weights {tables}.")
    if not isinstance(ids, SparseTensor):
        return _safe_ragged(tables, ids, weights, combiner, default_id, max_norm, strategy)
    shape = ids.dense_shape
    rank = ids.indices.shape[1] or execute("Size", (shape,))
    leading = shape[: rank - 1]
    # All axes but the last become one.
    rows = execute("Reshape", (execute("Prod", (leading, convert_to_tensor([0]))), convert_to_tensor([1])))
    flat = execute("ConcatV2", ([rows, shape[rank - 1 :]], convert_to_tensor(0)))
    ids = sparse_conversion.reshape(ids, flat)
    if weights is not None:
        weights = SparseTensor(ids.indices, weights.values, ids.dense_shape)
    ids, weights = _pruned(ids, weights, combiner)
    ids, empty = sparse_slicing.fill_empty_rows(ids, default_id or 0)
    if weights is not None:
        weights, _ = sparse_slicing.fill_empty_rows(weights, 1.0)
    result = _combined(tables, ids, weights, combiner, max_norm, strategy)
    if default_id is None:
        empty = execute("Reshape", (empty, convert_to_tensor([-1] + [1] * ((result.shape.rank or 2) - 1))))
        result = execute("SelectV2", (empty, execute("ZerosLike", (result,)), result))
    inner = execute("Shape", (result,))[1:]
    target = execute("ConcatV2", ([cast(leading, dtypes.int32), inner], convert_to_tensor(0)))
    return execute("Reshape", (result, target))


def _pruned(ids: SparseTensor, weights: Any, combiner: str) -> tuple[SparseTensor, Any]:
    """Without negative ids, and where it matters without weights that are not positive."""
    valid = ids.values >= 0
    if weights is not None and combiner != "sum":
        valid = execute("LogicalAnd", (valid, weights.values > 0))
    kept = sparse_slicing.retain(ids, valid)
    return kept, None if weights is None else sparse_slicing.retain(weights, valid)


def _safe_ragged(
    tables: Any, ids: Any, weights: Any, combiner: str, default_id: int | None, max_norm: Any, strategy: str
) -> Tensor:
    sparse_weights = None if weights is None else weights.to_sparse()
    return _safe(tables, ids.to_sparse(), sparse_weights, combiner, default_id, max_norm, strategy)


@export("nn.safe_embedding_lookup_sparse", v1=[])
def safe_embedding_lookup_sparse(
    embedding_weights: Any,
    sparse_ids: Any,
    sparse_weights: Any = None,
    combiner: str = "mean",
    default_id: int | None = None,
    max_norm: Any = None,
    name: str | None = None,
    allow_fast_lookup: bool = False,
) -> Tensor:
    """`tf.nn.embedding_lookup_sparse` that leaves out negative ids, and fills rows without ids.

    Args:
      embedding_weights: the table, or a list of its pieces.
      sparse_ids: an integer SparseTensor of any rank, or a RaggedTensor: the last axis holds the bags.
      sparse_weights: weights in the same form, or None for ones. Ids with weights that are not positive are left out,
        except for "sum".
      combiner: "sum", "mean" or "sqrtn".
      default_id: the row that stands for an empty bag; None for zeros.
      max_norm: rows of the table longer than this are scaled down first.

    Returns:
      A tensor of the shape of `sparse_ids` without its last axis, plus that of a row.

    Raises:
      ValueError: `embedding_weights` is empty.

    Example:
      >>> import penstock as tf
      >>> ids = tf.SparseTensor([[0, 0], [0, 1], [2, 0]], [0, -1, 1], [3, 2])
      >>> tf.nn.safe_embedding_lookup_sparse(tf.constant([[1.0], [2.0]]), ids).numpy().ravel()
      array([1., 0., 2.], dtype=float32)
    """
    return _safe(embedding_weights, sparse_ids, sparse_weights, combiner, default_id, max_norm, "div")


@export(v1=["nn.safe_embedding_lookup_sparse"])
def safe_embedding_lookup_sparse_v1(
    embedding_weights: Any,
    sparse_ids: Any,
    sparse_weights: Any = None,
    combiner: str = "mean",
    default_id: int | None = None,
    name: str | None = None,
    partition_strategy: str = "div",
    max_norm: Any = None,
    allow_fast_lookup: bool = False,
) -> Tensor:
    """TF 1's form, with a choice of how a list of tables is cut."""
    return _safe(
        embedding_weights, sparse_ids, sparse_weights, combiner, default_id, max_norm, partition_strategy
    )
