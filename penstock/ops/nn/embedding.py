"""Embedding lookup: rows of one table, or of a table that is cut into several, for tensors of ids."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.arguments import index_vector
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _rows(table: Any, ids: Tensor, name: str | None = None) -> Tensor:
    """The rows of one table. A variable is read sparsely, so that its gradient is IndexedSlices."""
    if hasattr(table, "sparse_read"):
        return table.sparse_read(ids, name=name)
    return execute("GatherV2", (convert_to_tensor(table), ids, convert_to_tensor(0)), None, name)


def _clipped(rows: Tensor, ids: Tensor, max_norm: Any) -> Tensor:
    """Rows longer than `max_norm` are scaled down to that length."""
    if max_norm is None:
        return rows
    max_norm = convert_to_tensor(max_norm, rows.dtype)
    first = ids.shape.rank or 0
    axes = convert_to_tensor(list(range(first, rows.shape.rank or first + 1)), dtypes.int32)
    squares = execute("Sum", (execute("Square", (rows,)), axes), {"keep_dims": True})
    positive = execute("Greater", (squares, execute("ZerosLike", (squares,))))
    # The root of 0 has no gradient: zero rows are left out of it.
    safe = execute("SelectV2", (positive, squares, execute("OnesLike", (squares,))))
    norm = execute("SelectV2", (positive, execute("Sqrt", (safe,)), squares))
    return execute("RealDiv", (rows * max_norm, execute("Maximum", (norm, max_norm))))


def _shard_sizes(tables: list) -> list[Tensor]:
    return [_rows_of(table) for table in tables]


def _rows_of(table: Any) -> Tensor:
    shape = TensorShape(getattr(table, "shape", None))
    rows = shape[0] if shape.rank else None
    if rows is not None:  # a table need not be read for its size
        return convert_to_tensor(rows, dtypes.int64)
    return execute("Shape", (convert_to_tensor(table),), {"out_type": dtypes.int64})[0]


def _assign(ids: Tensor, tables: list, strategy: str) -> tuple[Tensor, Tensor]:
    """For each id the table that holds it, and its row there."""
    count = convert_to_tensor(len(tables), ids.dtype)
    if strategy == "mod":
        return execute("FloorMod", (ids, count)), execute("FloorDiv", (ids, count))
    if strategy != "div":
        raise ValueError(f"Unrecognized partition strategy: {strategy}. Must be one of 'mod' or 'div'.")
    # Contiguous runs of rows; the first `extras` tables hold one more than the others.
    total = sum(_shard_sizes(tables)[1:], _shard_sizes(tables)[0])
    total = execute("Cast", (total,), {"DstT": ids.dtype})
    each, extras = execute("FloorDiv", (total, count)), execute("FloorMod", (total, count))
    one = convert_to_tensor(1, ids.dtype)
    table = execute(
        "Maximum",
        (execute("FloorDiv", (ids, each + one)), execute("FloorDiv", (ids - extras, each))),
    )
    in_larger = execute("Less", (table, extras))
    row = execute(
        "SelectV2",
        (in_larger, execute("FloorMod", (ids, each + one)), execute("FloorMod", (ids - extras, each))),
    )
    return table, row


def lookup(params: Any, ids: Any, strategy: str, max_norm: Any, name: str | None) -> Tensor:
    """Rows of a table, or of several tables that together are one, cut by `strategy`.

    Raises:
      ValueError: `params` is None or empty, or `strategy` is unknown.
    """
    if params is None:
        raise ValueError("params must be specified")
    tables = list(params) if isinstance(params, (list, tuple)) else _partitions(params)
    if not tables:
        raise ValueError("Length of params is currently 0. Need length of params to be positive.")
    ids = index_vector(ids)
    if not ids.dtype.is_integer:
        ids = execute("Cast", (ids,), {"DstT": dtypes.int32})
    if len(tables) == 1:
        rows = _rows(tables[0], ids, None if max_norm is not None else name)
        return _clipped(rows, ids, max_norm)
    flat = execute("Reshape", (ids, convert_to_tensor([-1])))
    table, row = _assign(flat, tables, strategy)
    table = execute("Cast", (table,), {"DstT": dtypes.int32})
    attrs = {"num_partitions": len(tables)}
    rows_of = execute("DynamicPartition", (row, table), attrs)
    positions = execute("DynamicPartition", (_positions(flat), table), attrs)
    found = [_rows(each, its_rows) for each, its_rows in zip(tables, rows_of)]
    joined = execute("ParallelDynamicStitch", (list(positions), found))
    inner = convert_to_tensor(tables[0]).shape[1:]
    shape = execute(
        "ConcatV2", ([execute("Shape", (ids,)), convert_to_tensor(inner.as_list(), dtypes.int32)], _zero())
    )
    result = execute("Reshape", (joined, shape), None, name)
    result.set_shape(ids.shape.concatenate(inner))
    return _clipped(result, ids, max_norm)


def _partitions(params: Any) -> list:
    """The pieces of a partitioned variable; any other table is its only piece."""
    pieces = getattr(params, "_get_variable_list", None) or getattr(params, "variables", None)
    if type(params).__name__ == "PartitionedVariable" and pieces is not None:
        return list(pieces() if callable(pieces) else pieces)
    return [params]


def _zero() -> Tensor:
    return convert_to_tensor(0)


def _positions(flat: Tensor) -> Tensor:
    return execute("Range", (_zero(), execute("Size", (flat,)), convert_to_tensor(1)))


@export("nn.embedding_lookup", v1=[])
def embedding_lookup(params: Any, ids: Any, max_norm: Any = None, name: str | None = None) -> Tensor:
    """The rows of `params` that `ids` name.

    Args:
      params: `[rows, ...]`: a tensor or variable, or a list of them: one table cut into contiguous pieces.
      ids: int32 or int64 tensor of any shape.
      max_norm: rows longer than this are scaled down to that length; None for no limit.

    Returns:
      A tensor of shape `ids.shape + params.shape[1:]`.

    Raises:
      ValueError: `params` is empty.
      InvalidArgumentError: an id is out of range (on accelerators it gives zeros).

    Example:
      >>> import penstock as tf
      >>> tf.nn.embedding_lookup([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [2, 0]).numpy()
      array([[5., 6.],
             [1., 2.]], dtype=float32)
    """
    if isinstance(params, (list, tuple)) and params and not _is_table(params[0]):
        params = convert_to_tensor(params)
    return lookup(params, ids, "div", max_norm, name)


def _is_table(value: Any) -> bool:
    return getattr(getattr(value, "shape", None), "__len__", None) is not None


@export(v1=["nn.embedding_lookup"])
def embedding_lookup_v1(
    params: Any,
    ids: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    validate_indices: bool = True,
    max_norm: Any = None,
) -> Tensor:
    """TF 1's `nn.embedding_lookup`: a list of tables is by default one table whose rows are dealt out in turn."""
    if isinstance(params, (list, tuple)) and params and not _is_table(params[0]):
        params = convert_to_tensor(params)
    return lookup(params, ids, partition_strategy, max_norm, name)
