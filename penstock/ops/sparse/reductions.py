"""Reductions of sparse tensors along axes, and their product with a dense matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import constant_value, static, static_ints
from penstock.engine.xla import jnp
from penstock.ops.arguments import index_vector
from penstock.ops.gathering import gather, gather_nd
from penstock.ops.reductions import normalize_axes
from penstock.ops.reshaping import reshape
from penstock.ops.sparse.conversion import as_sparse, linear_index, parts
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensor
from penstock.types.tensors import Tensor

# Reductions: kind -> (NumPy's ufunc, the method of JAX's `.at[]`).
_KINDS: dict[str, tuple[np.ufunc, str]] = {"Sum": (np.add, "add"), "Max": (np.maximum, "max")}


def _lowest(dtype: Any) -> Any:
    return (
        -np.inf
        if dtype.kind == "f"
        else np.iinfo(dtype).min
        if dtype.kind in "iu"
        else np.asarray(-np.inf, dtype)
    )


def _reduce(kind: str, xp: Any, indices: Any, values: Any, shape: Any, axes: Any, keep_dims: bool) -> Any:
    sizes = static_ints(shape)
    reduced = normalize_axes(axes, len(sizes))
    kept = [axis for axis in range(len(sizes)) if axis not in reduced]
    out_shape = tuple(sizes[axis] for axis in kept)
    full_shape = (
        tuple(1 if axis in reduced else size for axis, size in enumerate(sizes)) if keep_dims else out_shape
    )
    columns = tuple(indices[:, axis] for axis in kept)
    function, method = _KINDS[kind]
    start = 0 if kind == "Sum" else _lowest(values.dtype)
    if xp is np:
        out = np.full(out_shape, start, values.dtype)
        function.at(out, columns, values if kept else function.reduce(values, initial=start))
        if kind == "Max":
            seen = np.zeros(out_shape, np.bool_)
            seen[columns] = bool(kept) or len(values) > 0
            out = np.where(seen, out, np.zeros((), values.dtype))
        return out.reshape(full_shape)
    if not kept:
        total = (
            xp.sum(values)
            if kind == "Sum"
            else xp.max(values, initial=start)
            if len(values)
            else xp.zeros((), values.dtype)
        )
        return total.astype(values.dtype).reshape(full_shape)
    out = getattr(jnp.full(out_shape, start, values.dtype).at[columns], method)(values)
    if kind == "Max":
        seen = jnp.zeros(out_shape, bool).at[columns].set(True)
        out = jnp.where(seen, out, jnp.zeros((), values.dtype))
    return out.reshape(full_shape)


def _reduce_shape(call: ShapeCall) -> TensorShape:
    given, axes = call.shape_from(2), call.value(3)
    if given.rank is None or axes is None:
        return TensorShape(None)
    reduced = normalize_axes(axes, given.rank)
    dims = given.as_list()
    if call.attrs["keep_dims"]:
        return TensorShape([1 if axis in reduced else dim for axis, dim in enumerate(dims)])
    return TensorShape([dim for axis, dim in enumerate(dims) if axis not in reduced])


def _sum_gradient(call: Any, dy: Any) -> list[Any]:
    indices, _, shape, axes = call.inputs
    rank = shape.shape[0]
    reduced = normalize_axes(constant_value(axes), rank)
    kept = convert_to_tensor([0 if axis in reduced else 1 for axis in range(rank)], dtypes.int64)
    kept_shape = execute("SelectV2", (execute("Equal", (kept, kept - kept)), kept * 0 + 1, shape))
    return [None, gather_nd(reshape(dy, kept_shape), indices * kept), None, None]


def _reduce_sparse(
    kind: str, indices: Any, values: Any, shape: Any, axes: Any, keep_dims: bool
) -> tuple[Any, Any, Any]:
    sizes = [int(each) for each in shape]
    reduced = normalize_axes(axes, len(sizes))
    kept = [axis for axis in range(len(sizes)) if axis not in reduced]
    kept_indices, kept_sizes = indices[:, kept], [sizes[axis] for axis in kept]
    _, first, group = np.unique(
        linear_index(np, kept_indices, kept_sizes), return_index=True, return_inverse=True
    )
    function, _ = _KINDS[kind]
    out = np.full(len(first), 0 if kind == "Sum" else _lowest(values.dtype), values.dtype)
    function.at(out, group.reshape(-1), values)
    out_indices = kept_indices[first]
    if keep_dims:
        out_indices = np.where([axis in reduced for axis in range(len(sizes))], 0, indices[first])
        kept_sizes = [1 if axis in reduced else size for axis, size in enumerate(sizes)]
    return out_indices.astype(np.int64), out, np.asarray(kept_sizes, np.int64)


def _define(kind: str) -> None:
    inputs = (
        "input_indices: int64, input_values: T, input_shape: int64, reduction_axes: int32; keep_dims=False"
    )

    def dense(xp: Any, indices: Any, values: Any, shape: Any, axes: Any, *, keep_dims: bool) -> Any:
        return _reduce(kind, xp, indices, values, shape, static(axes), keep_dims)

    def sparse(indices: Any, values: Any, shape: Any, axes: Any, *, keep_dims: bool) -> tuple[Any, Any, Any]:
        return _reduce_sparse(kind, indices, values, shape, axes, keep_dims)

    gradient = _sum_gradient if kind == "Sum" else None
    op(f"SparseReduce{kind}({inputs}) -> output: T", dense, shape=_reduce_shape, gradient=gradient)
    op(
        f"SparseReduce{kind}Sparse({inputs}) -> (output_indices: int64, output_values: T, output_shape: int64)",
        numpy=sparse,
        shape=lambda call: [TensorShape([None, None]), TensorShape([None]), TensorShape([None])],
    )


for _kind in _KINDS:
    _define(_kind)


def _axes_tensor(axis: Any, rank: int) -> Tensor:
    if axis is None:
        return index_vector(list(range(rank)))
    axes = convert_to_tensor(axis, dtypes.int32)
    return reshape(axes, [1]) if axes.shape.rank == 0 else axes


def _call(
    kind: str, sp_input: Any, axis: Any, keepdims: Any, output_is_sparse: bool, name: str | None
) -> Any:
    sp_input = as_sparse(sp_input)
    if sp_input.shape.rank is None:
        raise ValueError(f"reduce_{kind.lower()}: the rank of a sparse tensor must be known")
    axes = _axes_tensor(axis, sp_input.shape.rank)
    op_type = f"SparseReduce{kind}Sparse" if output_is_sparse else f"SparseReduce{kind}"
    result = execute(op_type, (*parts(sp_input), axes), {"keep_dims": bool(keepdims)}, name)
    return SparseTensor(*result) if output_is_sparse else result


@export("sparse.reduce_sum", v1=[])
def reduce_sum(
    sp_input: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    output_is_sparse: bool = False,
    name: str | None = None,
) -> Any:
    """The sum along axes (all by default), dense or sparse.

    Example:
      >>> import penstock as tf
      >>> tf.sparse.reduce_sum(tf.SparseTensor([[0, 0], [0, 2]], [1, 2], [2, 3]), 1).numpy().tolist()
      [3, 0]
    """
    return _call("Sum", sp_input, axis, keepdims, output_is_sparse, name)


@export("sparse.reduce_max", v1=[])
def reduce_max(
    sp_input: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    output_is_sparse: bool = False,
    name: str | None = None,
) -> Any:
    """The maximum of the given elements along axes (all by default); zero where there is none."""
    return _call("Max", sp_input, axis, keepdims, output_is_sparse, name)


def _v1(kind: str, sparse: bool, *names: str) -> None:
    def function(
        sp_input: Any,
        axis: Any = None,
        keepdims: Any = None,
        reduction_axes: Any = None,
        keep_dims: Any = None,
    ) -> Any:
        axis = reduction_axes if axis is None else axis
        return _call(kind, sp_input, axis, keep_dims if keepdims is None else keepdims, sparse, None)

    function.__name__ = function.__qualname__ = names[0].rpartition(".")[2]
    form = "as a SparseTensor" if sparse else "as a tensor"
    function.__doc__ = f"The {kind.lower()} along axes {form}; TF 1's form, with its older argument names."
    export(v1=names)(function)


_v1("Sum", False, "sparse.reduce_sum", "sparse_reduce_sum")
_v1("Sum", True, "sparse.reduce_sum_sparse", "sparse_reduce_sum_sparse")
_v1("Max", False, "sparse.reduce_max", "sparse_reduce_max")
_v1("Max", True, "sparse.reduce_max_sparse", "sparse_reduce_max_sparse")

# The product with a matrix.


def _adjoint(xp: Any, matrix: Any) -> Any:
    return xp.conj(xp.swapaxes(matrix, -1, -2))


def _matmul(
    xp: Any, indices: Any, values: Any, shape: Any, b: Any, *, adjoint_a: bool, adjoint_b: bool
) -> Any:
    sizes = static_ints(shape)
    if adjoint_b:
        b = _adjoint(xp, b)
    rows, columns = (indices[:, 1], indices[:, 0]) if adjoint_a else (indices[:, 0], indices[:, 1])
    inner, count = (sizes[0], sizes[1]) if adjoint_a else (sizes[1], sizes[0])
    if np.shape(b)[0] != inner:
        raise ValueError(
            f"Cannot multiply A and B because inner dimension does not match: {inner} vs. {np.shape(b)[0]}"
        )
    terms = (xp.conj(values) if adjoint_a else values)[:, None] * b[columns]
    if xp is not np:
        return jnp.zeros((count, np.shape(b)[1]), terms.dtype).at[rows].add(terms)
    out = np.zeros((count, b.shape[1]), terms.dtype)
    if len(rows):
        order = np.argsort(rows, kind="stable")
        sorted_rows = np.asarray(rows)[order]
        starts = np.flatnonzero(np.concatenate([[True], sorted_rows[1:] != sorted_rows[:-1]]))
        out[sorted_rows[starts]] = np.add.reduceat(terms[order], starts, axis=0)
    return out


def _matmul_shape(call: ShapeCall) -> TensorShape:
    a, b = call.shape_from(2), call.shape(3)
    rows = None if a.rank is None else a.as_list()[1 if call.attrs["adjoint_a"] else 0]
    columns = None if b.rank is None else b.as_list()[0 if call.attrs["adjoint_b"] else 1]
    return TensorShape([rows, columns])


def _matmul_gradient(call: Any, dy: Any) -> list[Any]:
    indices, values, shape, b = call.inputs
    adjoint_a, adjoint_b = call.attrs["adjoint_a"], call.attrs["adjoint_b"]
    db = execute("SparseTensorDenseMatMul", (indices, values, shape, dy), {"adjoint_a": not adjoint_a})
    rows, columns = indices[:, 0], indices[:, 1]
    if adjoint_b:
        db, b = _transposed(db), _transposed(b)
    mine = gather(dy, columns if adjoint_a else rows)
    other = gather(b, rows if adjoint_a else columns)
    if values.dtype.is_complex:
        other = execute("Conj", (other,))
    d_values = execute("Sum", (mine * other, index_vector([1])))
    return [
        None,
        execute("Conj", (d_values,)) if adjoint_a and values.dtype.is_complex else d_values,
        None,
        db,
    ]


def _transposed(matrix: Tensor) -> Tensor:
    swapped = execute("Transpose", (matrix, index_vector([1, 0])))
    return execute("Conj", (swapped,)) if matrix.dtype.is_complex else swapped


op(
    "SparseTensorDenseMatMul(a_indices: Tindices, a_values: T, a_shape: int64, b: T; adjoint_a=False, adjoint_b=False)"
    " -> product: T",
    _matmul,
    shape=_matmul_shape,
    gradient=_matmul_gradient,
    large=1 << 14,
)


@export(
    "sparse.sparse_dense_matmul",
    v1=["sparse.sparse_dense_matmul", "sparse.matmul", "sparse_tensor_dense_matmul"],
)
def sparse_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None
) -> Tensor:
    """The product of a sparse and a dense matrix, in either order.

    Args:
      adjoint_a, adjoint_b: whether a matrix is conjugated and transposed first.

    Example:
      >>> import penstock as tf
      >>> a = tf.SparseTensor([[0, 1]], [2.0], [2, 2])
      >>> tf.sparse.sparse_dense_matmul(a, [[1.0], [3.0]]).numpy().tolist()
      [[6.0], [0.0]]
    """
    if isinstance(b, SparseTensor) and not isinstance(sp_a, SparseTensor):
        # (A B)^H = B^H A^H
        product = sparse_dense_matmul(b, sp_a, not adjoint_b, not adjoint_a)
        return _transposed(product)
    sp_a = as_sparse(sp_a)
    dense = convert_to_tensor(b, sp_a.dtype)
    attrs = {"adjoint_a": adjoint_a, "adjoint_b": adjoint_b}
    return execute("SparseTensorDenseMatMul", (*parts(sp_a), dense), attrs, name)


@export("sparse.sampled_addmm", v1=[])
def sampled_addmm(
    indices: Any,
    values: Any,
    dense_shape: Any,
    mat1: Any,
    mat2: Any,
    beta: float = 1.0,
    alpha: float = 1.0,
    output_type: Any = dtypes.float32,
) -> tuple[Tensor, Tensor, Tensor]:
    """`alpha * (mat1 @ mat2) + beta * values`, only at the indices of a sparse matrix (or batch of them).

    Returns:
      The indices, the new values, and the dense shape.
    """
    indices = convert_to_tensor(indices)
    values = convert_to_tensor(values, output_type)
    mat1, mat2 = convert_to_tensor(mat1, output_type), convert_to_tensor(mat2, output_type)
    rank = mat2.shape.rank
    swapped = execute("Transpose", (mat2, index_vector([*range(rank - 2), rank - 1, rank - 2])))
    columns = execute("ConcatV2", ([indices[..., :-2], indices[..., -1:]], index_vector(-1)))
    products = gather_nd(mat1, indices[..., :-1]) * gather_nd(swapped, columns)
    sampled = execute("Sum", (products, index_vector([-1])))
    return indices, sampled * alpha + values * beta, convert_to_tensor(dense_shape)
