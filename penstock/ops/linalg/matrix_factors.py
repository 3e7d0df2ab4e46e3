"""Factors of matrices: Cholesky, QR and LU."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from penstock.engine.blas import on_one_thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.xla import jnp, lax
from penstock.ops.linalg.band_part import band_part
from penstock.ops.linalg.diagonals import diag_part, set_diag
from penstock.ops.linalg.linear_solvers import triangular_solve
from penstock.ops.linalg.matmul import matmul
from penstock.ops.linalg.matrix_shapes import MATRIX_TYPES, check_square, matrix, square, widened
from penstock.ops.reshaping import adjoint
from penstock.types import dtypes
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_TYPES = {"T": MATRIX_TYPES}

# Cholesky, which reads the lower triangle only.


@on_one_thread
def _cholesky(x: np.ndarray) -> np.ndarray:
    check_square(x)
    if x.size == 0:
        return np.zeros_like(x)
    wide = widened(x)
    try:
        return np.linalg.cholesky(wide).astype(x.dtype)
    except np.linalg.LinAlgError:  # at least one of the matrices has no factor
        out = np.empty_like(wide)
        for index in np.ndindex(*wide.shape[:-2]):
            try:
                out[index] = np.linalg.cholesky(wide[index])
            except np.linalg.LinAlgError:
                out[index] = np.tril(np.full(wide.shape[-2:], np.nan, wide.dtype))
        return out.astype(x.dtype)


def _cholesky_xla(x: Any) -> Any:
    check_square(x)
    return jnp.tril(lax.linalg.cholesky(widened(x), symmetrize_input=False)).astype(x.dtype)


def _cholesky_gradient(op: Any, dl: Any) -> Tensor:
    """With P the lower triangle, its diagonal halved: the Hermitian part of `L^-H P(L^H dL) L^-1`."""
    factor = op.outputs[0]
    middle = matmul(factor, convert_to_tensor(dl), adjoint_a=True)
    middle = band_part(set_diag(middle, diag_part(middle) / 2), -1, 0)
    left = triangular_solve(factor, middle, adjoint=True)
    both = triangular_solve(factor, adjoint(left), adjoint=True)
    return (both + adjoint(both)) / 2


op(
    "Cholesky(input: T) -> output: T",
    numpy=_cholesky,
    xla=_cholesky_xla,
    shape=square,
    gradient=_cholesky_gradient,
    types=_TYPES,
)


@export("linalg.cholesky", v1=["linalg.cholesky", "cholesky"])
def cholesky(input: Any, name: str | None = None) -> Tensor:
    """The Cholesky factor of Hermitian positive definite matrices: the lower triangular L with `L @ L^H = input`.

    Args:
      input: a tensor of shape [..., n, n], of which the lower triangle is read.

    Returns:
      A tensor of the same shape; NaN in the lower triangle where a matrix is not positive definite.

    Raises:
      InvalidArgumentError: the matrices are not square.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.cholesky([[4.0, 2.0], [2.0, 5.0]]).numpy().tolist()
      [[2.0, 0.0], [1.0, 2.0]]
    """
    return execute("Cholesky", (convert_to_tensor(input),), None, name)


# Qr.


@on_one_thread
def _qr(x: np.ndarray, *, full_matrices: bool) -> list[np.ndarray]:
    if x.ndim < 2:
        raise ValueError(f"Input tensor must have rank >= 2, got shape {list(x.shape)}")
    q, r = np.linalg.qr(widened(x), mode="complete" if full_matrices else "reduced")
    return [q.astype(x.dtype), r.astype(x.dtype)]


def _qr_xla(x: Any, *, full_matrices: bool) -> list:
    if x.ndim < 2:
        raise ValueError(f"Input tensor must have rank >= 2, got shape {list(x.shape)}")
    q, r = lax.linalg.qr(widened(x), full_matrices=full_matrices)
    return [q.astype(x.dtype), r.astype(x.dtype)]


def _qr_shape(call: ShapeCall) -> list[TensorShape]:
    shape = matrix(call)
    if shape.rank is None:
        return [shape, shape]
    lead = shape[:-2]
    rows, columns = shape[-2:].as_list()
    if call.attrs["full_matrices"]:
        return [lead.concatenate([rows, rows]), lead.concatenate([rows, columns])]
    least = smaller(rows, columns)
    return [lead.concatenate([rows, least]), lead.concatenate([least, columns])]


def smaller(rows: int | None, columns: int | None) -> int | None:
    """min(rows, columns) where it is known."""
    return None if None in (rows, columns) else min(rows, columns)


def _qr_gradient(op: Any, dq: Any, dr: Any) -> Tensor:
    """Roberts and Roberts, "QR and LQ decomposition matrix backpropagation algorithms" (2020)."""
    x, (q, r) = op.inputs[0], op.outputs
    rows, columns = x.shape[-2:].as_list() if x.shape.rank is not None else (None, None)
    if rows is None or columns is None:
        raise NotImplementedError("QrGrad not implemented with dynamic shapes.")
    if rows > columns and op.attrs["full_matrices"]:
        raise NotImplementedError(
            "QrGrad not implemented when nrows > ncols and full_matrices is true. "
            f"Received r.shape={r.shape} with nrows={rows}, and ncols={columns}"
        )
    dq, dr = convert_to_tensor(dq), convert_to_tensor(dr)
    if rows >= columns:
        return _tall_qr_gradient(q, r, dq, dr)
    # Wide: A = [X | Y], R = [U | V] with X = Q U and V = Q^H Y.
    du, dv, y = dr[..., :rows], dr[..., rows:], x[..., rows:]
    of_x = _tall_qr_gradient(q, r[..., :rows], dq + matmul(y, dv, adjoint_b=True), du)
    return execute("ConcatV2", ([of_x, matmul(q, dv)], convert_to_tensor(-1)))


def _tall_qr_gradient(q: Tensor, r: Tensor, dq: Tensor, dr: Tensor) -> Tensor:
    m = matmul(r, dr, adjoint_b=True) - matmul(dq, q, adjoint_a=True)
    lower = set_diag(band_part(m, -1, 0), execute("ZerosLike", (diag_part(m),)))
    diagonal = diag_part(m + adjoint(m)) / 2  # its real part
    hermitian = set_diag(lower + adjoint(lower), diagonal)
    numerator = dq + matmul(q, hermitian)
    return adjoint(triangular_solve(r, adjoint(numerator), lower=False))


op(
    "Qr(input: T; full_matrices=False) -> (q: T, r: T)",
    numpy=_qr,
    xla=_qr_xla,
    shape=_qr_shape,
    gradient=_qr_gradient,
    types=_TYPES,
)

Qr = collections.namedtuple("Qr", ["q", "r"])


@export("linalg.qr", v1=["linalg.qr", "qr"])
def qr(input: Any, full_matrices: bool = False, name: str | None = None) -> Qr:
    """The QR decomposition of matrices: `input = q @ r` with orthonormal columns in q and upper triangular r.

    Args:
      input: a tensor of shape [..., m, n].
      full_matrices: whether q is square.

    Returns:
      `(q, r)` of shapes [..., m, k] and [..., k, n], where k is m if `full_matrices`, else the smaller of m and n.

    Example:
      >>> import penstock as tf
      >>> q, r = tf.linalg.qr([[3.0, 1.0], [4.0, 2.0]])
      >>> tf.round(q @ r).numpy().tolist()
      [[3.0, 1.0], [4.0, 2.0]]
    """
    return Qr(*execute("Qr", (convert_to_tensor(input),), {"full_matrices": bool(full_matrices)}, name))


# Lu.


@on_one_thread
def _lu(x: np.ndarray, *, output_idx_type: DType) -> list[np.ndarray]:
    check_square(x)
    factors = widened(x).copy()
    order = np.empty(x.shape[:-1], output_idx_type.np_dtype)
    for index in np.ndindex(*x.shape[:-2]):
        order[index] = _eliminate(factors[index])
    return [factors.astype(x.dtype), order]


def _eliminate(a: np.ndarray) -> np.ndarray:
    """Overwrites a matrix with its LU factors; returns the order of its rows."""
    order = np.arange(len(a))
    for k in range(len(a)):
        best = k + int(np.argmax(np.abs(a[k:, k])))
        if a[best, k] == 0:
            raise ValueError("Input is not invertible.")
        if best != k:
            a[[k, best]], order[[k, best]] = a[[best, k]], order[[best, k]]
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return order


def _lu_xla(x: Any, *, output_idx_type: DType) -> list:
    check_square(x)
    lu, _, permutation = lax.linalg.lu(widened(x))
    return [lu.astype(x.dtype), permutation.astype(output_idx_type.np_dtype)]


def _lu_shape(call: ShapeCall) -> list[TensorShape]:
    shape = square(call)
    return [shape, shape[:-1] if shape.rank is not None else shape]


op(
    "Lu(input: T; output_idx_type=int32) -> (lu: T, p: output_idx_type)",
    numpy=_lu,
    xla=_lu_xla,
    shape=_lu_shape,
    gradient=stops,
    types=_TYPES,
)

Lu = collections.namedtuple("Lu", ["lu", "p"])


@export("linalg.lu")
def lu(input: Any, output_idx_type: Any = dtypes.int32, name: str | None = None) -> Lu:
    """The LU decomposition of matrices, with rows exchanged: `L @ U` is `input` with its rows in the order p.

    Args:
      input: a tensor of shape [..., n, n].
      output_idx_type: int32 or int64, the dtype of p.

    Returns:
      `(lu, p)`: both factors in one tensor (the diagonal of L is 1 and not stored), and the order of the rows.

    Raises:
      InvalidArgumentError: the matrices are not square, or not invertible.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.lu([[1.0, 2.0], [2.0, 3.0]]).p.numpy().tolist()
      [1, 0]
    """
    attrs = {"output_idx_type": as_dtype(output_idx_type)}
    return Lu(*execute("Lu", (convert_to_tensor(input),), attrs, name))
