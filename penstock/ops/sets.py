"""`tf.sets`: operations on the sets that the last dimension of a tensor, dense or sparse, holds in each row."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.sparse.conversion import check_sparse, convert_to_tensor_or_sparse_tensor, is_sparse, parts
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor

_DTYPES = frozenset(
    (
        dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64, dtypes.uint8, dtypes.uint16, dtypes.string,
    )
)  # fmt: skip

_OPERATIONS = {
    "a-b": lambda a, b: a - b,
    "b-a": lambda a, b: b - a,
    "intersection": lambda a, b: a & b,
    "union": lambda a, b: a | b,
}

_Rows = dict[tuple[int, ...], set]


def _rows_of_dense(values: np.ndarray) -> tuple[_Rows, tuple[int, ...]]:
    if np.ndim(values) < 2:
        raise ValueError(f"Shape {list(np.shape(values))} has rank {np.ndim(values)} < 2")
    shape = values.shape[:-1]
    return {place: set(values[place].tolist()) for place in np.ndindex(*shape)}, shape


def _rows_of_sparse(
    indices: np.ndarray, values: np.ndarray, shape: np.ndarray, validate: bool
) -> tuple[_Rows, tuple]:
    if len(shape) < 2:
        raise ValueError(f"Shape {list(shape)} has rank {len(shape)} < 2")
    if validate:
        check_sparse(indices, shape, ordered=True)  # type: ignore[arg-type]
    rows: _Rows = {}
    for place, value in zip(indices[:, :-1].tolist(), values.tolist()):
        rows.setdefault(tuple(place), set()).add(value)
    return rows, tuple(int(size) for size in shape[:-1])


def _combine(
    a: tuple[_Rows, tuple], b: tuple[_Rows, tuple], operation: Any, dtype: Any
) -> tuple[Any, Any, Any]:
    (a_rows, a_shape), (b_rows, b_shape) = a, b
    if a_shape != b_shape:
        raise ValueError(f"Mismatched shapes {list(a_shape)} vs {list(b_shape)}")
    function = _OPERATIONS[operation.decode() if isinstance(operation, bytes) else operation]
    indices: list[tuple] = []
    values: list[Any] = []
    longest = 0
    for place in sorted({*a_rows, *b_rows}):
        found = sorted(function(a_rows.get(place, set()), b_rows.get(place, set())))
        indices.extend((*place, position) for position in range(len(found)))
        values.extend(found)
        longest = max(longest, len(found))
    rank = len(a_shape) + 1
    array = np.empty(len(values), dtype)
    array[:] = values
    return np.array(indices, np.int64).reshape(-1, rank), array, np.array([*a_shape, longest], np.int64)


def _dense_dense(a: Any, b: Any, *, set_operation: Any, validate_indices: bool) -> tuple[Any, Any, Any]:
    return _combine(_rows_of_dense(a), _rows_of_dense(b), set_operation, a.dtype)


def _dense_sparse(
    a: Any, indices: Any, values: Any, shape: Any, *, set_operation: Any, validate_indices: bool
) -> tuple[Any, Any, Any]:
    b = _rows_of_sparse(indices, values, shape, validate_indices)
    return _combine(_rows_of_dense(a), b, set_operation, a.dtype)


def _sparse_sparse(
    a_indices: Any, a_values: Any, a_shape: Any, b_indices: Any, b_values: Any, b_shape: Any, *,
    set_operation: Any, validate_indices: bool,
) -> tuple[Any, Any, Any]:  # fmt: skip
    a = _rows_of_sparse(a_indices, a_values, a_shape, validate_indices)
    b = _rows_of_sparse(b_indices, b_values, b_shape, validate_indices)
    return _combine(a, b, set_operation, a_values.dtype)


def _result_shapes(call: ShapeCall) -> list[TensorShape]:
    first = call.shape(0)
    rank = first.rank if len(call.inputs) in (2, 4) else call.shape(2)[0] if call.shape(2).rank else None
    return [TensorShape([None, rank]), TensorShape([None]), TensorShape([rank])]


def _size(indices: Any, values: Any, shape: Any, *, validate_indices: bool) -> np.ndarray:
    rows, groups = _rows_of_sparse(indices, values, shape, validate_indices)
    sizes = np.zeros(groups, np.int32)
    for place, found in rows.items():
        sizes[place] = len(found)
    return sizes


_RESULT = "(result_indices: int64, result_values: T, result_shape: int64)"
_ATTRS = "set_operation, validate_indices=True"
op(
    f"DenseToDenseSetOperation(set1: T, set2: T; {_ATTRS}) -> {_RESULT}",
    numpy=_dense_dense,
    shape=_result_shapes,
    gradient=stops,
)
op(
    f"DenseToSparseSetOperation(set1: T, set2_indices: int64, set2_values: T, set2_shape: int64; {_ATTRS})"
    f" -> {_RESULT}",
    numpy=_dense_sparse,
    shape=_result_shapes,
    gradient=stops,
)
op(
    "SparseToSparseSetOperation(set1_indices: int64, set1_values: T, set1_shape: int64, set2_indices: int64,"
    f" set2_values: T, set2_shape: int64; {_ATTRS}) -> {_RESULT}",
    numpy=_sparse_sparse,
    shape=_result_shapes,
    gradient=stops,
)
op(
    "SetSize(set_indices: int64, set_values: T, set_shape: int64; validate_indices=True) -> size: int32",
    numpy=_size,
    shape=lambda call: call.shape_from(2)[:-1],
    gradient=stops,
)


def _both(a: Any, b: Any) -> tuple[Any, Any, bool]:
    """Both sets as tensors, a dense one first, and whether they were exchanged for that."""
    a, b = convert_to_tensor_or_sparse_tensor(a), convert_to_tensor_or_sparse_tensor(b)
    for each, name in ((a, "a"), (b, "b")):
        if each.dtype.base_dtype not in _DTYPES:
            raise TypeError(
                f"'{name}' has invalid dtype `{each.dtype!r}` not in supported dtypes: `{set(_DTYPES)}`."
            )
    if a.dtype.base_dtype is not b.dtype.base_dtype:
        raise TypeError(f"Types don't match, {a.dtype!r} vs {b.dtype!r}.")
    return (b, a, True) if is_sparse(a) and not is_sparse(b) else (a, b, False)


def _operate(a: Any, b: Any, operation: str, validate_indices: bool) -> SparseTensor:
    a, b, exchanged = _both(a, b)
    if exchanged and operation in ("a-b", "b-a"):
        operation = "b-a" if operation == "a-b" else "a-b"
    attrs = {"set_operation": operation, "validate_indices": validate_indices}
    if is_sparse(a):
        return SparseTensor(*execute("SparseToSparseSetOperation", (*parts(a), *parts(b)), attrs))
    if is_sparse(b):
        return SparseTensor(*execute("DenseToSparseSetOperation", (a, *parts(b)), attrs))
    return SparseTensor(*execute("DenseToDenseSetOperation", (a, b), attrs))


@export("sets.size", v1=["sets.size", "sets.set_size"])
def set_size(a: Any, validate_indices: bool = True) -> Tensor:
    """The number of different elements in each row of a sparse tensor.

    Example:
      >>> import penstock as tf
      >>> tf.sets.size(tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [5, 6, 5], [3, 2])).numpy().tolist()
      [2, 1, 0]
    """
    a = convert_to_tensor_or_sparse_tensor(a)
    if not isinstance(a, SparseTensor):
        raise TypeError(f"Expected `SparseTensor`, got {a}.")
    return execute("SetSize", parts(a), {"validate_indices": validate_indices})


@export("sets.intersection", v1=["sets.intersection", "sets.set_intersection"])
def set_intersection(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """The elements that each row of `a` and the same row of `b` have in common, sorted.

    Args:
      a, b: tensors or sparse tensors of integers or strings that agree in all dimensions but the last.
      validate_indices: whether to check the order and range of sparse indices.

    Example:
      >>> import penstock as tf
      >>> tf.sets.intersection([[1, 2, 3]], [[3, 1, 7]]).values.numpy().tolist()
      [1, 3]
    """
    return _operate(a, b, "intersection", validate_indices)


@export("sets.difference", v1=["sets.difference", "sets.set_difference"])
def set_difference(a: Any, b: Any, aminusb: bool = True, validate_indices: bool = True) -> SparseTensor:
    """The elements of each row of `a` that are not in the same row of `b`; the other way round without `aminusb`."""
    return _operate(a, b, "a-b" if aminusb else "b-a", validate_indices)


@export("sets.union", v1=["sets.union", "sets.set_union"])
def set_union(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """The elements of each row of `a` and of the same row of `b`, sorted."""
    return _operate(a, b, "union", validate_indices)
