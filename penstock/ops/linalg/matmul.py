"""Products of matrices: matmul in all its forms, and matvec."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.blas import one_thread
from penstock.engine.context import process
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.arguments import index_vector, matching
from penstock.ops.broadcasting import sum_to_operands
from penstock.ops.dtype_sets import COMPLEX, FLOATS, UNSIGNED
from penstock.ops.linalg import native_products
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape, broadcast_shape, unknown_shape
from penstock.types.tensors import EagerTensor, Tensor

# Multiplications and additions. OpenBLAS takes one thread by itself for less than the first, where one side is a vector,
# and than the second, for two matrices; a product of these that has the third is worth several.
_LEAST_SHARED, _LEAST_SHARED_BY_MATRICES, _WORTH_THREADS = 2e4, 5e5, 2e8


def product(xp: Any, a: Any, b: Any) -> Any:
    """`a @ b`; NumPy has fast products of float32 and wider only, so narrow floats are widened for it."""
    if xp is not np:
        return xp.matmul(a, b)
    if a.dtype.itemsize == 2 and a.dtype.kind in "fV":
        return product(np, a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)
    work = 2.0 * a.size * b.shape[-1] if b.ndim else 0.0
    if a.ndim == b.ndim == 2 and min(a.shape) > 1 < b.shape[1]:
        as_it_is = work < _LEAST_SHARED_BY_MATRICES or work > _WORTH_THREADS
    else:
        as_it_is = work < _LEAST_SHARED
    if as_it_is:
        return np.matmul(a, b)
    with one_thread():
        return np.matmul(a, b)


def _swap(xp: Any, x: Any) -> Any:
    return x.T if x.ndim == 2 else xp.swapaxes(x, -1, -2)


def _adjoint(xp: Any, x: Any) -> Any:
    x = _swap(xp, x)
    return xp.conj(x) if x.dtype.kind == "c" else x


# MatMul, of two matrices.


def _mat_mul(
    xp: Any,
    a: Any,
    b: Any,
    *,
    transpose_a: bool,
    transpose_b: bool,
    grad_a: bool = False,
    grad_b: bool = False,
) -> Any:
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError(f"In[{int(a.ndim == 2)}] ndims must be >= 2")

    def body(a: Any, b: Any) -> Any:
        if xp is not np and a.shape[int(transpose_a)] == 1 and not transpose_b and _is_beyond_caches(b):
            return _row_times_matrix(a.reshape(-1), b)
        return product(xp, a.T if transpose_a else a, b.T if transpose_b else b)

    found = None
    if xp is not np:
        found = native_products.vector_product(a, b, transpose_a, transpose_b, body)
        if found is None:
            found = native_products.matrix_product(a, b, transpose_a, transpose_b, body)
    return body(a, b) if found is None else found


_CACHED_BYTES = 8 << 20
_MOST_PARTS = 512


def _is_beyond_caches(matrix: Any) -> bool:
    return matrix.dtype == np.float32 and matrix.size * 4 > _CACHED_BYTES and not process.accelerator


def _row_times_matrix(row: Any, matrix: Any) -> Any:
    """One row times a large matrix, as when a network with a wide layer gets one example.

    It takes the time of reading the matrix once; XLA's product on the CPU needs two or three times that. So it is written
    as a weighted sum of the rows, of parts of them first, which go to different threads and keep rounding errors small.
    """
    rows, columns = matrix.shape
    parts = math.gcd(rows, _MOST_PARTS)
    weighted = matrix.reshape(parts, rows // parts, columns) * row.reshape(parts, rows // parts, 1)
    return weighted.sum(1).sum(0).reshape(1, columns)


def _mat_mul_shape(call: ShapeCall) -> TensorShape:
    for i in range(2):
        if call.shape(i).rank not in (None, 2):
            raise call.error(f"In[{i}] ndims must be >= 2")
    a, b = (call.shape(i).with_rank(2).as_list() for i in range(2))
    if call.attrs["transpose_a"]:
        a.reverse()
    if call.attrs["transpose_b"]:
        b.reverse()
    if a[1] != b[0] and None not in (a[1], b[0]):
        raise call.error(f"the inner sizes {a[1]} and {b[0]} must match{_advice(call, a, b)}")
    return TensorShape([a[0], b[1]])


def _advice(call: ShapeCall, a: list, b: list) -> str:
    """What would make the inner sizes agree."""
    if a[0] == b[0]:
        return f" (transpose_a={not call.attrs['transpose_a']} would make them agree)"
    if a[1] == b[1]:
        return f" (transpose_b={not call.attrs['transpose_b']} would make them agree)"
    return ""


def _conj(x: Tensor) -> Tensor:
    return execute("Conj", (x,)) if x.dtype.is_complex else x


def _mat_mul_gradient(op: Any, dy: Any) -> list:
    return _of_operands(op, op.inputs, convert_to_tensor(dy))


def _of_operands(op: Any, operands: Sequence[Tensor], dy: Tensor) -> list[Tensor]:
    a, b = (_conj(each) for each in operands)
    swap_a, swap_b = op.attrs["transpose_a"], op.attrs["transpose_b"]

    def times(x: Tensor, y: Tensor, transpose_x: bool, transpose_y: bool) -> Tensor:
        return execute("MatMul", (x, y), {"transpose_a": transpose_x, "transpose_b": transpose_y})

    of_a = times(b, dy, swap_b, True) if swap_a else times(dy, b, False, not swap_b)
    of_b = times(dy, a, True, swap_a) if swap_b else times(a, dy, not swap_a, False)
    return [of_a, of_b]


_MATMUL_TYPES = FLOATS | COMPLEX | UNSIGNED | {dtypes.int32, dtypes.int64}

op(
    "MatMul(a: T, b: T; transpose_a=False, transpose_b=False, grad_a=False, grad_b=False) -> product: T",
    _mat_mul,
    shape=_mat_mul_shape,
    gradient=_mat_mul_gradient,
    types={"T": _MATMUL_TYPES},
    large=1 << 19,
)


def _sparse_mat_mul(
    xp: Any, a: Any, b: Any, *, transpose_a: bool, transpose_b: bool, a_is_sparse: bool, b_is_sparse: bool
) -> Any:
    a, b = a.astype(np.float32), b.astype(np.float32)
    return _mat_mul(xp, a, b, transpose_a=transpose_a, transpose_b=transpose_b)


def _sparse_mat_mul_gradient(op: Any, dy: Any) -> list:
    wide = [_cast(each, dtypes.float32) for each in op.inputs]
    gradients = _of_operands(op, wide, convert_to_tensor(dy))
    return [_cast(each, x.dtype) for each, x in zip(gradients, op.inputs, strict=True)]


def _cast(x: Tensor, dtype: DType) -> Tensor:
    return x if x.dtype == dtype else execute("Cast", (x,), {"DstT": dtype})


op(
    "SparseMatMul(a: Ta, b: Tb; transpose_a=False, transpose_b=False, a_is_sparse=False, b_is_sparse=False) "
    "-> product: float32",
    _sparse_mat_mul,
    shape=_mat_mul_shape,
    gradient=_sparse_mat_mul_gradient,
)


# BatchMatMul and its versions, of the last two dimensions; V2 broadcasts the others, V3 also mixes dtypes.


def _batch_mat_mul(xp: Any, x: Any, y: Any, *, adj_x: bool, adj_y: bool, grad_x: bool, grad_y: bool) -> Any:
    if x.ndim < 2 or y.ndim < 2:
        raise ValueError(f"In[{int(x.ndim >= 2)}] ndims must be >= 2")

    def body(x: Any, y: Any) -> Any:
        y = _adjoint(xp, y) if adj_y else y
        if xp is np and y.ndim == 2 < x.ndim and not adj_x and x.size:
            return product(np, x.reshape(-1, x.shape[-1]), y).reshape((*x.shape[:-1], y.shape[-1]))
        return product(xp, _adjoint(xp, x) if adj_x else x, y)

    found = None if xp is np else native_products.matrix_product(x, y, adj_x, adj_y, body)
    return body(x, y) if found is None else found


def _batch_mat_mul_v3(xp: Any, x: Any, y: Any, *, Tout: DType, **attrs: bool) -> Any:
    kind = Tout.np_dtype
    return _batch_mat_mul(xp, x.astype(kind), y.astype(kind), **attrs)


def _batch_mat_mul_shape(call: ShapeCall) -> TensorShape:
    x, y = call.shape(0), call.shape(1)
    for i, shape in enumerate((x, y)):
        if shape.rank is not None and shape.rank < 2:
            raise call.error(f"In[{i}] ndims must be >= 2")
    a, b = (shape[-2:].as_list() if shape.rank is not None else [None, None] for shape in (x, y))
    if call.attrs["adj_x"]:
        a.reverse()
    if call.attrs["adj_y"]:
        b.reverse()
    if a[1] != b[0] and None not in (a[1], b[0]):
        raise call.error(f"the inner sizes {a[1]} and {b[0]} must match")
    if x.rank is None or y.rank is None:
        return unknown_shape()
    try:
        lead = broadcast_shape(x[:-2], y[:-2])
    except ValueError:
        raise call.error("the batch dimensions must be compatible: equal, or 1") from None
    return lead.concatenate([a[0], b[1]])


def _batch_mat_mul_gradient(op: Any, dy: Any) -> list:
    x, y = op.inputs
    dy = convert_to_tensor(dy)
    adj_x, adj_y = op.attrs["adj_x"], op.attrs["adj_y"]

    def times(a: Tensor, b: Tensor, adj_a: bool, adj_b: bool) -> Tensor:
        operands = (_cast(a, dy.dtype), _cast(b, dy.dtype))
        return execute("BatchMatMulV2", operands, {"adj_x": adj_a, "adj_y": adj_b})

    # The adjoint of the whole product, where one operand enters as its own adjoint.
    of_x = times(y, dy, adj_y, True) if adj_x else times(dy, y, False, not adj_y)
    if _shares_matrix(x, y) and not adj_x:
        of_y = _of_shared(_cast(x, dy.dtype), dy, adj_y)
    else:
        of_y = times(dy, x, True, adj_x) if adj_y else times(x, dy, not adj_x, False)
    return [_cast(_like_batch(x, of_x), x.dtype), _cast(_like_batch(y, of_y), y.dtype)]


def _shares_matrix(x: Tensor, y: Tensor) -> bool:
    """Whether `y` is one matrix for a batch `x`; empty matrices go the usual way."""
    return y.shape.rank == 2 and x.shape.rank is not None and x.shape.rank > 2 and 0 not in y.shape.as_list()


def _of_shared(x: Tensor, dy: Tensor, adj_y: bool) -> Tensor:
    """The gradient of one matrix that multiplies a whole batch: one product of all rows, not a sum over the batch."""
    pair = (_conj(_rows(dy)), _rows(x)) if adj_y else (_conj(_rows(x)), _rows(dy))
    return execute("MatMul", pair, {"transpose_a": True, "transpose_b": False})


def _rows(x: Tensor) -> Tensor:
    """The rows of all matrices of a batch, in one matrix."""
    columns = x.shape[-1]
    if columns is not None:
        return execute("Reshape", (x, index_vector([-1, columns])))
    shape = execute("Shape", (x,), {"out_type": dtypes.int32})
    last = execute("Slice", (shape, index_vector([x.shape.rank - 1]), index_vector([1])))
    return execute("Reshape", (x, execute("ConcatV2", ([index_vector([-1]), last], convert_to_tensor(0)))))


def _like_batch(x: Tensor, gradient: Tensor) -> Tensor:
    """Sums over the batch dimensions along which `x` was repeated."""
    return sum_to_operands(x, gradient, gradient, None)[0]


_BATCH_ATTRS = "adj_x=False, adj_y=False, grad_x=False, grad_y=False"

for _version, _types in (("", _MATMUL_TYPES), ("V2", _MATMUL_TYPES | {dtypes.int16})):
    op(
        f"BatchMatMul{_version}(x: T, y: T; {_BATCH_ATTRS}) -> output: T",
        _batch_mat_mul,
        shape=_batch_mat_mul_shape,
        gradient=_batch_mat_mul_gradient,
        types={"T": frozenset(_types)},
    )
op(
    f"BatchMatMulV3(x: Ta, y: Tb; Tout, {_BATCH_ATTRS}) -> output: Tout",
    _batch_mat_mul_v3,
    shape=_batch_mat_mul_shape,
    gradient=_batch_mat_mul_gradient,
)


@export("matmul", "linalg.matmul")
def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    output_type: Any = None,
    grad_a: bool = False,
    grad_b: bool = False,
    name: str | None = None,
) -> Tensor:
    """The product of two matrices, `a @ b`, or of batches of them.

    Args:
      a: a tensor of rank 2 or more; the last two dimensions are the matrix, the others broadcast.
      b: a tensor of rank 2 or more and the same dtype.
      transpose_a, transpose_b: take the transpose of that operand.
      adjoint_a, adjoint_b: take the conjugate transpose.
      a_is_sparse, b_is_sparse: hints that an operand has many zeros.
      output_type: the dtype of the result, for integers that would overflow their own.
      grad_a, grad_b: mark the operand as a gradient; not used.
      name: the node's name in a graph.

    Returns:
      A tensor of shape `[..., rows of a, columns of b]`.

    Raises:
      ValueError: an operand is asked to be both transposed and adjoint.
      InvalidArgumentError: the shapes do not fit, or the dtypes differ.

    Example:
      >>> import penstock as tf
      >>> tf.matmul([[1, 2], [3, 4]], [[5], [6]]).numpy().tolist()
      [[17], [39]]
    """
    if type(a) is not EagerTensor or type(b) is not EagerTensor:
        a, b = matching(a, b) if output_type is None else (convert_to_tensor(a), convert_to_tensor(b))
    if not (
        transpose_a or transpose_b or adjoint_a or adjoint_b or a_is_sparse or b_is_sparse or output_type
    ):
        return execute("MatMul" if _are_matrices(a, b) else "BatchMatMulV2", (a, b), None, name)
    if transpose_a and adjoint_a:
        raise ValueError(
            f"Only one of `transpose_a` and `adjoint_a` can be True. Received {transpose_a=}, {adjoint_a=}."
        )
    if transpose_b and adjoint_b:
        raise ValueError(
            f"Only one of `transpose_b` and `adjoint_b` can be True. Received {transpose_b=}, {adjoint_b=}."
        )
    if output_type is None and _are_matrices(a, b):
        if (a_is_sparse or b_is_sparse) and {a.dtype, b.dtype} <= {dtypes.float32, dtypes.bfloat16}:
            attrs = {"transpose_a": transpose_a or adjoint_a, "transpose_b": transpose_b or adjoint_b}
            attrs |= {"a_is_sparse": a_is_sparse, "b_is_sparse": b_is_sparse}
            found = execute("SparseMatMul", (a, b), attrs, name)
            return (
                found
                if a.dtype == b.dtype == dtypes.float32
                else execute("Cast", (found,), {"DstT": a.dtype})
            )
        a, b = _conj(a) if adjoint_a else a, _conj(b) if adjoint_b else b
        attrs = {"transpose_a": bool(transpose_a or adjoint_a), "transpose_b": bool(transpose_b or adjoint_b)}
        return execute("MatMul", (a, b), attrs, name)
    # The batched ops only know adjoints: a transpose is the adjoint of the conjugate.
    a, b = _conj(a) if transpose_a else a, _conj(b) if transpose_b else b
    attrs = {"adj_x": bool(transpose_a or adjoint_a), "adj_y": bool(transpose_b or adjoint_b)}
    if output_type is not None and not a.dtype == b.dtype == as_dtype(output_type):
        return execute("BatchMatMulV3", (a, b), {**attrs, "Tout": as_dtype(output_type)}, name)
    return execute("BatchMatMulV2", (a, b), attrs, name)


def _are_matrices(a: Tensor, b: Tensor) -> bool:
    """Whether the two can be multiplied by the plain op: neither has, or may have, batch dimensions."""
    for each in (a, b):
        rank = each.shape.rank if (value := getattr(each, "_np", None)) is None else value.ndim
        if rank is None or rank > 2:
            return False
    return True


@export("linalg.matvec")
def matvec(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    adjoint_a: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """The product of a matrix and a vector, or of batches of them.

    Args:
      a: a tensor of shape [..., m, n]; with the flags as in `tf.matmul`.
      b: a tensor of shape [..., n].

    Returns:
      A tensor of shape [..., m].

    Raises:
      InvalidArgumentError: the shapes do not fit, or the dtypes differ.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.matvec([[1, 2], [3, 4]], [5, 6]).numpy().tolist()
      [17, 39]
    """
    a, b = matching(a, b)
    column = execute("ExpandDims", (b, convert_to_tensor(-1)))
    found = matmul(a, column, transpose_a, False, adjoint_a, False, a_is_sparse, b_is_sparse)
    return execute("Squeeze", (found,), {"squeeze_dims": [-1]}, name)
