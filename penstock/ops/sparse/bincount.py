"""Counting with sparse and ragged tensors: `tf.sparse.bincount`, and `tf.math.bincount` of such."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.arguments import name_scope
from penstock.ops.dtype_sets import INDICES, WIDE_FLOATS
from penstock.ops.ragged.tensor import is_ragged
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor

# The ops that return only the counts that are not zero: how many there are is only known from the data.


def _count(
    rows: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    batch: list[int],
    minlength: int,
    maxlength: int,
    binary_output: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices, counts and dense shape of a sparse matrix of counts, or vector where `batch` is empty."""
    if values.size and values.min() < 0:
        raise ValueError("Input values must all be non-negative")
    if weights.size and weights.shape != values.shape:
        raise ValueError(
            f"Weights and values must have the same shape, got {weights.shape} and {values.shape}"
        )
    width = max(int(values.max()) + 1 if values.size else 0, minlength)
    if maxlength >= 0:
        width = min(width, maxlength)
    inside = values < width
    rows, values = rows[inside], values[inside]
    places, first = np.unique(np.stack([rows, values], 1), axis=0, return_inverse=True)
    if binary_output:
        counts = np.ones(len(places), weights.dtype)
    else:
        counts = np.zeros(len(places), weights.dtype)
        np.add.at(counts, first.reshape(-1), weights[inside] if weights.size else weights.dtype.type(1))
    indices = places if batch else places[:, 1:]
    return indices.astype(np.int64), counts, np.array([*batch, width], np.int64)


def _dense(values: np.ndarray, weights: np.ndarray, **attrs: Any) -> Any:
    if values.ndim not in (1, 2):
        raise ValueError(f"Input must be a 1 or 2-dimensional tensor. Got: {values.ndim}")
    rows = (
        np.repeat(np.arange(len(values)), values.shape[1]) if values.ndim == 2 else np.zeros(len(values), int)
    )
    return _count(rows, values.reshape(-1), weights.reshape(-1), list(values.shape[:-1]), **attrs)


def _sparse(
    indices: np.ndarray, values: np.ndarray, shape: np.ndarray, weights: np.ndarray, **attrs: Any
) -> Any:
    one_row = len(shape) == 1
    rows = np.zeros(len(values), int) if one_row else indices[:, 0]
    return _count(rows, values, weights, [] if one_row else [int(shape[0])], **attrs)


def _ragged(splits: np.ndarray, values: np.ndarray, weights: np.ndarray, **attrs: Any) -> Any:
    rows = np.repeat(np.arange(len(splits) - 1), np.diff(splits))
    return _count(rows, values, weights, [len(splits) - 1], **attrs)


def _shape(call: ShapeCall) -> list[TensorShape]:
    rank = {"DenseCountSparseOutput": call.shape(0).rank, "RaggedCountSparseOutput": 2}.get(
        call.definition.type
    )
    return [TensorShape([None, rank]), TensorShape([None]), TensorShape([rank])]


for _type, _inputs, _body in (
    ("DenseCountSparseOutput", "values: T", _dense),
    ("SparseCountSparseOutput", "indices: int64, values: T, dense_shape: int64", _sparse),
    ("RaggedCountSparseOutput", "splits: int64, values: T", _ragged),
):
    op(
        f"{_type}({_inputs}, weights: output_type; binary_output, minlength=-1, maxlength=-1) "
        "-> (output_indices: int64, output_values: output_type, output_dense_shape: int64)",
        numpy=_body,
        shape=_shape,
        gradient=stops,
        types={"T": INDICES, "output_type": INDICES | WIDE_FLOATS},
    )


def weights_of(values: Any, weights: Any) -> Tensor:
    """The flat weights that belong to the values of a sparse or ragged tensor.

    Raises:
      ValueError: the weights are of another kind.
    """
    if weights is None:
        return convert_to_tensor(np.zeros(0, np.int32))
    if isinstance(values, SparseTensor):
        if not isinstance(weights, SparseTensor):
            raise ValueError(
                f"Argument `weights` must be a SparseTensor if `values` is a SparseTensor: got {weights!r}"
            )
        return weights.values
    if is_ragged(values):
        if not is_ragged(weights):
            raise ValueError(
                f"`weights` must be a RaggedTensor if `values` is a RaggedTensor: got {weights!r}"
            )
        return weights.flat_values
    return convert_to_tensor(weights)


def flat_values(value: Any) -> Tensor:
    """All elements as a vector."""
    if isinstance(value, SparseTensor):
        return value.values
    if is_ragged(value):
        return value.flat_values
    return execute("Reshape", (convert_to_tensor(value), convert_to_tensor([-1])))


def integers(value: Tensor) -> Tensor:
    """Integers as the counting ops take them: int32 or int64."""
    return value if value.dtype.base_dtype in INDICES else execute("Cast", (value,), {"DstT": dtypes.int32})


@export("sparse.bincount")
def sparse_bincount(
    values: Any,
    weights: Any = None,
    axis: int | None = 0,
    minlength: int | None = None,
    maxlength: int | None = None,
    binary_output: bool = False,
    name: str | None = None,
) -> SparseTensor:
    """How often each integer occurs, as a `SparseTensor` of the counts that are not zero.

    Args:
      values: non-negative integers: a tensor, `SparseTensor` or `RaggedTensor`.
      weights: what each occurrence counts, of the same kind as `values`; 1 by default.
      axis: 0 or None counts all elements together, -1 each row by itself.
      minlength: the result has at least so many columns.
      maxlength: integers from here on are not counted.
      binary_output: 1 where an integer occurs, however often.
      name: the node's name in a graph.

    Raises:
      ValueError: `axis` is something else, or `weights` is of another kind than `values`.
      InvalidArgumentError: an integer is negative.

    Example:
      >>> import penstock as tf
      >>> tf.sparse.to_dense(tf.sparse.bincount([[1, 1, 3], [0, 0, 0]], axis=-1)).numpy()
      array([[0, 2, 0, 1],
             [3, 0, 0, 0]], dtype=int32)
    """
    if axis not in (None, 0, -1):
        raise ValueError(
            f"Unsupported value for argument axis={axis}. Only 0 and -1 are currently supported."
        )
    attrs = {
        "minlength": -1 if minlength is None else int(minlength),
        "maxlength": -1 if maxlength is None else int(maxlength),
        "binary_output": bool(binary_output),
    }
    with name_scope(name, "count"):
        counted = weights_of(values, weights)
        if axis in (None, 0):
            values, counted = flat_values(values), flat_values(counted)
        if isinstance(values, SparseTensor):
            inputs = (values.indices, integers(values.values), values.dense_shape, counted)
            found = execute("SparseCountSparseOutput", inputs, attrs)
        elif is_ragged(values):
            inputs = (_long(values.row_splits), integers(values.values), counted)
            found = execute("RaggedCountSparseOutput", inputs, attrs)
        else:
            found = execute("DenseCountSparseOutput", (integers(convert_to_tensor(values)), counted), attrs)
        return SparseTensor(*found)


def _long(splits: Tensor) -> Tensor:
    return execute("Cast", (splits,), {"DstT": dtypes.int64})


def bincount_by_row(values: Any, size: Tensor, weights: Tensor, binary_output: bool) -> Tensor:
    """The counts of each row of a sparse or ragged tensor, as a dense matrix."""
    attrs = {"binary_output": binary_output}
    if isinstance(values, SparseTensor):
        inputs = (values.indices, integers(values.values), values.dense_shape, size, weights)
        return execute("SparseBincount", inputs, attrs)
    return execute(
        "RaggedBincount", (_long(values.row_splits), integers(values.values), size, weights), attrs
    )
