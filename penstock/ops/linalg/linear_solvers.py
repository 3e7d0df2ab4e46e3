"""Systems of linear equations: solve, triangular_solve, least squares, and solvers that take a decomposition."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.blas import on_one_thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.xla import jnp, lax
from penstock.ops import creation, gathering
from penstock.ops.arguments import matching
from penstock.ops.broadcasting import sum_to_operands
from penstock.ops.linalg.band_part import band_part
from penstock.ops.linalg.diagonals import Band, diag_part, place, set_diag
from penstock.ops.linalg.matmul import matmul
from penstock.ops.linalg.matrix_shapes import (
    MATRIX_TYPES,
    adjoint_of,
    broadcast_solution,
    check_square,
    matrix,
    solution,
    widened,
)
from penstock.ops.ordering import argsort
from penstock.types import dtypes
from penstock.types.shapes import TensorShape, broadcast_shape, unknown_shape
from penstock.types.tensors import Tensor

_TYPES = {"T": MATRIX_TYPES}

# MatrixSolve.


def _check_solve(a: Any, b: Any) -> None:
    check_square(a)
    if a.ndim != b.ndim:
        raise ValueError("All input tensors must have the same rank.")
    if a.shape[:-1] != b.shape[:-1]:
        raise ValueError(
            f"matrix {list(a.shape)} and rhs {list(b.shape)} must agree in all dimensions but the last"
        )


@on_one_thread
def _solve(a: np.ndarray, b: np.ndarray, *, adjoint: bool) -> np.ndarray:
    _check_solve(a, b)
    if a.size == 0 or b.size == 0:
        return np.zeros_like(b)
    try:
        return np.linalg.solve(widened(adjoint_of(np, a) if adjoint else a), widened(b)).astype(b.dtype)
    except np.linalg.LinAlgError:
        raise ValueError("Input matrix is not invertible.") from None


def _solve_xla(a: Any, b: Any, *, adjoint: bool) -> Any:
    _check_solve(a, b)
    if b.size == 0:
        return jnp.zeros_like(b)
    return jnp.linalg.solve(widened(adjoint_of(jnp, a) if adjoint else a), widened(b)).astype(b.dtype)


def _solve_gradient(op: Any, dx: Any) -> list:
    matrix_, x, flipped = op.inputs[0], op.outputs[0], op.attrs["adjoint"]
    of_rhs = execute("MatrixSolve", (matrix_, convert_to_tensor(dx)), {"adjoint": not flipped})
    return [-_outer(of_rhs, x, flipped), of_rhs]


def _outer(of_rhs: Tensor, x: Tensor, flipped: bool) -> Tensor:
    """The negative gradient of the matrix, from that of the right-hand side."""
    return matmul(x, of_rhs, adjoint_b=True) if flipped else matmul(of_rhs, x, adjoint_b=True)


op(
    "MatrixSolve(matrix: T, rhs: T; adjoint=False) -> output: T",
    numpy=_solve,
    xla=_solve_xla,
    shape=solution,
    gradient=_solve_gradient,
    types=_TYPES,
)


@export("linalg.solve", v1=["linalg.solve", "matrix_solve"])
def solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """The x with `matrix @ x = rhs`.

    Args:
      matrix: a tensor of shape [..., n, n].
      rhs: a tensor of shape [..., n, k].
      adjoint: solve with the conjugate transpose of the matrices.

    Returns:
      A tensor of shape [..., n, k].

    Raises:
      InvalidArgumentError: a matrix is not invertible, or the shapes do not fit.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.solve([[2.0, 0.0], [0.0, 4.0]], [[2.0], [2.0]]).numpy().tolist()
      [[1.0], [0.5]]
    """
    return execute("MatrixSolve", tuple(matching(matrix, rhs)), {"adjoint": bool(adjoint)}, name)


# MatrixTriangularSolve.


def _substitute(a: np.ndarray, b: np.ndarray, lower: bool) -> np.ndarray:
    """Solves by BLAS; row by row where a zero on the diagonal gives infinities, which BLAS does not promise."""
    if a.ndim != 2 or b.ndim != 2 or not np.diagonal(a).all():
        return _substitute_rows(a, b, lower)
    from scipy.linalg.blas import get_blas_funcs

    # BLAS reads columns: rows are those of the transposed matrices, x' a' = b', and nothing is copied.
    (solve_triangle,) = get_blas_funcs(("trsm",), (a, b))
    return solve_triangle(1.0, a.T, b.T, side=1, lower=not lower).T


def _substitute_rows(a: np.ndarray, b: np.ndarray, lower: bool) -> np.ndarray:
    rows = a.shape[-1]
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.zeros((*lead, *b.shape[-2:]), b.dtype)
    for row in range(rows) if lower else range(rows - 1, -1, -1):
        known = slice(0, row) if lower else slice(row + 1, rows)
        rest = b[..., row, :] - np.einsum("...j,...jk->...k", a[..., row, known], x[..., known, :])
        x[..., row, :] = rest / a[..., row, row, None]
    return x


@on_one_thread
def _triangular_solve(a: np.ndarray, b: np.ndarray, *, lower: bool, adjoint: bool) -> np.ndarray:
    check_square(a)
    if b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matrix {list(a.shape)} and rhs {list(b.shape)} must have the same number of rows")
    wide = widened(adjoint_of(np, a) if adjoint else a)
    return _substitute(wide, widened(b), lower != adjoint).astype(b.dtype)


def _triangular_solve_xla(a: Any, b: Any, *, lower: bool, adjoint: bool) -> Any:
    check_square(a)
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    left = jnp.broadcast_to(widened(a), (*lead, *a.shape[-2:]))
    right = jnp.broadcast_to(widened(b), (*lead, *b.shape[-2:]))
    if adjoint:
        left, lower = adjoint_of(jnp, left), not lower
    # LAPACK reads columns: rows are those of the transposed matrices, x' a' = b', and nothing is copied.
    x = lax.linalg.triangular_solve(left.mT, right.mT, left_side=False, lower=not lower).mT
    return x.astype(b.dtype)


def _triangular_solve_gradient(op: Any, dx: Any) -> list:
    a, b, x = op.inputs[0], op.inputs[1], op.outputs[0]
    lower, flipped = op.attrs["lower"], op.attrs["adjoint"]
    attrs = {"lower": lower, "adjoint": not flipped}
    of_rhs = execute("MatrixTriangularSolve", (a, convert_to_tensor(dx)), attrs)
    of_matrix = band_part(-_outer(of_rhs, x, flipped), *((-1, 0) if lower else (0, -1)))
    return [_unbroadcast(a, of_matrix), _unbroadcast(b, of_rhs)]


def _unbroadcast(x: Tensor, gradient: Tensor) -> Tensor:
    return sum_to_operands(x, gradient, gradient, None)[0]


op(
    "MatrixTriangularSolve(matrix: T, rhs: T; lower=True, adjoint=False) -> output: T",
    numpy=_triangular_solve,
    xla=_triangular_solve_xla,
    shape=broadcast_solution,
    gradient=_triangular_solve_gradient,
    types={"T": MATRIX_TYPES | {dtypes.bfloat16}},
)


@export("linalg.triangular_solve", v1=["linalg.triangular_solve", "matrix_triangular_solve"])
def triangular_solve(
    matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Tensor:
    """The x with `matrix @ x = rhs`, where only one triangle of the matrices is read.

    Args:
      matrix: a tensor of shape [..., n, n].
      rhs: a tensor of shape [..., n, k]; the batch dimensions broadcast.
      lower: whether the lower triangle counts, or the upper one.
      adjoint: solve with the conjugate transpose of the matrices.

    Returns:
      A tensor of shape [..., n, k]; infinities where there is a zero on the diagonal.

    Raises:
      InvalidArgumentError: the shapes do not fit.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.triangular_solve([[2.0, 9.0], [1.0, 1.0]], [[2.0], [2.0]]).numpy().tolist()
      [[1.0], [1.0]]
    """
    attrs = {"lower": bool(lower), "adjoint": bool(adjoint)}
    return execute("MatrixTriangularSolve", tuple(matching(matrix, rhs)), attrs, name)


# BandedTriangularSolve: row i of the bands is the i-th diagonal from the main one (lower), or to it (upper).


def _dense(xp: Any, bands: Any, lower: bool) -> Any:
    count, size = bands.shape[-2:]
    band = Band(size, size, 1 - count if lower else 0, 0 if lower else count - 1, "LEFT_RIGHT")
    return place(xp, bands, bands.shape[:-2], band, xp.zeros((), bands.dtype))


def _banded_shape(call: ShapeCall) -> TensorShape:
    bands, rhs = matrix(call, 0), matrix(call, 1)
    if bands.rank is None or rhs.rank is None:
        return unknown_shape()
    if not bands[-1:].is_compatible_with(rhs[-2:-1]):
        raise call.error("the last dimension of the bands must be the number of rows of rhs")
    count, size = bands[-2:].as_list()
    if count is not None and size is not None and not 1 <= count <= size:
        raise call.error(f"there must be between 1 and {size} bands")
    try:
        lead = broadcast_shape(bands[:-2], rhs[:-2])
    except ValueError:
        raise call.error("the batch dimensions must broadcast") from None
    return lead.concatenate(bands[-1:].merge_with(rhs[-2:-1])).concatenate(rhs[-1:])


def _banded_gradient(op: Any, dx: Any) -> list:
    bands, rhs, x = op.inputs[0], op.inputs[1], op.outputs[0]
    lower, flipped = op.attrs["lower"], op.attrs["adjoint"]
    attrs = {"lower": lower, "adjoint": not flipped}
    of_rhs = execute("BandedTriangularSolve", (bands, convert_to_tensor(dx)), attrs)
    count = bands.shape[-2]
    if count is None:
        raise ValueError("the gradient of banded_triangular_solve needs a known number of bands")
    k = (1 - count, 0) if lower else (0, count - 1)
    of_bands = diag_part(-_outer(of_rhs, x, flipped), k=k, align="LEFT_RIGHT")
    if count == 1:
        of_bands = execute("ExpandDims", (of_bands, convert_to_tensor(-2)))
    return [_unbroadcast(bands, of_bands), _unbroadcast(rhs, of_rhs)]


op(
    "BandedTriangularSolve(matrix: T, rhs: T; lower=True, adjoint=False) -> output: T",
    numpy=lambda bands, rhs, *, lower, adjoint: _triangular_solve(
        _dense(np, bands, lower), rhs, lower=lower, adjoint=adjoint
    ),
    xla=lambda bands, rhs, *, lower, adjoint: _triangular_solve_xla(
        _dense(jnp, bands, lower), rhs, lower=lower, adjoint=adjoint
    ),
    shape=_banded_shape,
    gradient=_banded_gradient,
    types=_TYPES,
)


@export("linalg.banded_triangular_solve", v1=[])
def banded_triangular_solve(
    bands: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Tensor:
    """The x with `matrix @ x = rhs` for triangular matrices that are given by their diagonals.

    Args:
      bands: a tensor of shape [..., k, n]. Lower: the main diagonal, then the ones below it, whose first entries are
        not read. Upper: the highest diagonal first, whose last entries are not read, and the main one last.
      rhs: a tensor of shape [..., n, m]; the batch dimensions broadcast.
      lower: whether the matrices are lower triangular.
      adjoint: solve with the conjugate transpose.

    Raises:
      InvalidArgumentError: the shapes do not fit.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.banded_triangular_solve([[2.0, 2.0], [0.0, 1.0]], [[2.0], [5.0]]).numpy().tolist()
      [[1.0], [2.0]]
    """
    attrs = {"lower": bool(lower), "adjoint": bool(adjoint)}
    return execute("BandedTriangularSolve", tuple(matching(bands, rhs)), attrs, name)


# Solvers that take a decomposition.


@export("linalg.cholesky_solve", v1=["linalg.cholesky_solve", "cholesky_solve"])
def cholesky_solve(chol: Any, rhs: Any, name: str | None = None) -> Tensor:
    """The x with `A @ x = rhs`, given the Cholesky factor of A.

    Args:
      chol: a tensor of shape [..., n, n], as `tf.linalg.cholesky` gives it.
      rhs: a tensor of shape [..., n, k].

    Example:
      >>> import penstock as tf
      >>> tf.linalg.cholesky_solve([[2.0, 0.0], [0.0, 1.0]], [[4.0], [3.0]]).numpy().tolist()
      [[1.0], [3.0]]
    """
    chol, rhs = matching(chol, rhs)
    return triangular_solve(chol, triangular_solve(chol, rhs), adjoint=True, name=name)


@export("linalg.lu_solve")
def lu_solve(
    lower_upper: Any, perm: Any, rhs: Any, validate_args: bool = False, name: str | None = None
) -> Tensor:
    """The x with `A @ x = rhs`, given the LU decomposition of A.

    Args:
      lower_upper, perm: what `tf.linalg.lu` gives.
      rhs: a tensor of shape [..., n, k].
      validate_args: not used: shapes are always checked.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.lu_solve(*tf.linalg.lu([[2.0, 0.0], [0.0, 4.0]]), rhs=[[2.0], [8.0]]).numpy().tolist()
      [[1.0], [2.0]]
    """
    factors, rhs = matching(lower_upper, rhs)
    ones = creation.ones_like(diag_part(factors))
    permuted = _take_rows(rhs, convert_to_tensor(perm, dtype_hint=dtypes.int32))
    below = triangular_solve(set_diag(band_part(factors, -1, 0), ones), permuted)
    return triangular_solve(factors, below, lower=False, name=name)


def _take_rows(x: Tensor, order: Tensor) -> Tensor:
    """The rows of each matrix of a batch in the order of its own permutation."""
    if order.shape.rank == 1:
        return gathering.gather(x, order, axis=-2)
    rank = order.shape.rank
    if rank is None or x.shape.rank is None:
        raise ValueError("the ranks of the permutation and of the matrices must be known")
    if x.shape.rank == rank + 1:
        return gathering.gather(x, order, axis=rank - 1, batch_dims=rank - 1)
    lead = execute("Shape", (order,), {"out_type": dtypes.int32})[:-1]
    target = execute(
        "ConcatV2", ([lead, execute("Shape", (x,), {"out_type": dtypes.int32})[-2:]], convert_to_tensor(0))
    )
    return gathering.gather(execute("BroadcastTo", (x, target)), order, axis=rank - 1, batch_dims=rank - 1)


@export("linalg.lu_reconstruct")
def lu_reconstruct(
    lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None
) -> Tensor:
    """The matrices whose LU decomposition is given.

    Args:
      lower_upper, perm: what `tf.linalg.lu` gives.
      validate_args: not used: shapes are always checked.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.lu_reconstruct(*tf.linalg.lu([[1.0, 2.0], [2.0, 3.0]])).numpy().tolist()
      [[1.0, 2.0], [2.0, 3.0]]
    """
    factors = convert_to_tensor(lower_upper)
    lower = set_diag(band_part(factors, -1, 0), creation.ones_like(diag_part(factors)))
    permuted = matmul(lower, band_part(factors, 0, -1))
    return _take_rows(permuted, argsort(convert_to_tensor(perm, dtype_hint=dtypes.int32)))


@export("linalg.lu_matrix_inverse")
def lu_matrix_inverse(
    lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None
) -> Tensor:
    """The inverse of the matrices whose LU decomposition is given.

    Args:
      lower_upper, perm: what `tf.linalg.lu` gives.
      validate_args: not used: shapes are always checked.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.lu_matrix_inverse(*tf.linalg.lu([[2.0, 0.0], [0.0, 4.0]])).numpy().tolist()
      [[0.5, 0.0], [0.0, 0.25]]
    """
    factors = convert_to_tensor(lower_upper)
    size = factors.shape[-1]
    rows = execute("Shape", (factors,), {"out_type": dtypes.int32})[-1] if size is None else size
    return lu_solve(factors, perm, creation.eye(rows, dtype=factors.dtype), name=name)
