"""Inverses, determinants and ranks of matrices."""

from __future__ import annotations

import collections
import functools
from typing import Any

import numpy as np

from penstock.engine.blas import on_one_thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.xla import jnp
from penstock.ops import creation
from penstock.ops.linalg.diagonals import diag_part
from penstock.ops.linalg.eigenvalues import svd
from penstock.ops.linalg.matmul import matmul
from penstock.ops.linalg.matrix_factors import cholesky
from penstock.ops.linalg.matrix_shapes import MATRIX_TYPES, adjoint_of, check_square, square, widened
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_TYPES = {"T": MATRIX_TYPES}

# MatrixInverse.


@on_one_thread
def _inverse(x: np.ndarray, *, adjoint: bool) -> np.ndarray:
    check_square(x)
    try:
        found = np.linalg.inv(widened(x))
    except np.linalg.LinAlgError:
        raise ValueError("Input is not invertible.") from None
    return (adjoint_of(np, found) if adjoint else found).astype(x.dtype)


def _inverse_xla(x: Any, *, adjoint: bool) -> Any:
    check_square(x)
    found = jnp.linalg.inv(widened(x))
    return (adjoint_of(jnp, found) if adjoint else found).astype(x.dtype)


def _inverse_gradient(op: Any, dy: Any) -> Tensor:
    y, dy = op.outputs[0], convert_to_tensor(dy)
    if op.attrs["adjoint"]:  # y = x^-H, so that the roles of dy and its adjoint change
        return -matmul(y, matmul(dy, y, adjoint_a=True))
    return -matmul(y, matmul(dy, y, adjoint_b=True), adjoint_a=True)


op(
    "MatrixInverse(input: T; adjoint=False) -> output: T",
    numpy=_inverse,
    xla=_inverse_xla,
    shape=square,
    gradient=_inverse_gradient,
    types=_TYPES,
)


@export("linalg.inv", v1=["linalg.inv", "matrix_inverse"])
def inv(input: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """The inverses of square matrices.

    Args:
      input: a tensor of shape [..., n, n].
      adjoint: give the conjugate transpose of the inverses.

    Raises:
      InvalidArgumentError: a matrix is not invertible, or not square.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.inv([[2.0, 0.0], [0.0, 4.0]]).numpy().tolist()
      [[0.5, 0.0], [0.0, 0.25]]
    """
    return execute("MatrixInverse", (convert_to_tensor(input),), {"adjoint": bool(adjoint)}, name)


# MatrixDeterminant and LogMatrixDeterminant.


def _determinant(xp: Any, x: Any) -> Any:
    check_square(x)
    return xp.asarray(xp.linalg.det(widened(x))).astype(x.dtype)


def _log_determinant(xp: Any, x: Any) -> list:
    check_square(x)
    sign, logarithm = xp.linalg.slogdet(widened(x))
    return [xp.asarray(each).astype(x.dtype) for each in (sign, logarithm)]


def _lead(call: ShapeCall) -> TensorShape:
    shape = square(call)
    return shape if shape.rank is None else shape[:-2]


def _scaled_inverse(x: Tensor, factor: Tensor) -> Tensor:
    """`factor * x^-H`, one factor for each matrix."""
    for _ in range(2):
        factor = execute("ExpandDims", (factor, convert_to_tensor(-1)))
    return factor * inv(x, adjoint=True)


def _determinant_gradient(op: Any, dy: Any) -> Tensor:
    y = op.outputs[0]
    conjugate = execute("Conj", (y,)) if y.dtype.is_complex else y
    return _scaled_inverse(op.inputs[0], convert_to_tensor(dy) * conjugate)


def _log_determinant_gradient(op: Any, dsign: Any, dlog: Any) -> Tensor:
    """d log|det x| = Re tr(x^-1 dx); the sign of a complex determinant turns with the imaginary part."""
    x, sign = op.inputs[0], op.outputs[0]
    factor = convert_to_tensor(dlog)
    if x.dtype.is_complex:
        real = x.dtype.real_dtype
        factor = execute("Cast", (execute("Real", (factor,), {"Tout": real}),), {"DstT": x.dtype})
        turned = convert_to_tensor(dsign) * execute("Conj", (sign,))
        part = execute("Imag", (turned,), {"Tout": real})
        factor = factor + execute("Complex", (creation.zeros_like(part), part), {"Tout": x.dtype})
    return _scaled_inverse(x, factor)


op(
    "MatrixDeterminant(input: T) -> output: T",
    _determinant,
    numpy=on_one_thread(functools.partial(_determinant, np)),
    shape=_lead,
    gradient=_determinant_gradient,
    types=_TYPES,
)
op(
    "LogMatrixDeterminant(input: T) -> (sign: T, log_abs_determinant: T)",
    _log_determinant,
    numpy=on_one_thread(functools.partial(_log_determinant, np)),
    shape=_lead,
    gradient=_log_determinant_gradient,
    types=_TYPES,
)


@export("linalg.det", v1=["linalg.det", "matrix_determinant"])
def det(input: Any, name: str | None = None) -> Tensor:
    """The determinants of square matrices.

    Args:
      input: a tensor of shape [..., n, n].

    Returns:
      A tensor of shape [...].

    Raises:
      InvalidArgumentError: the matrices are not square.

    Example:
      >>> import penstock as tf
      >>> float(tf.linalg.det([[2.0, 0.0], [0.0, 4.0]]))
      8.0
    """
    return execute("MatrixDeterminant", (convert_to_tensor(input),), None, name)


LogMatrixDeterminant = collections.namedtuple("LogMatrixDeterminant", ["sign", "log_abs_determinant"])


@export("linalg.slogdet")
def slogdet(input: Any, name: str | None = None) -> LogMatrixDeterminant:
    """The sign and the logarithm of the absolute value of determinants.

    Args:
      input: a tensor of shape [..., n, n].

    Returns:
      `(sign, log_abs_determinant)`, each of shape [...].

    Raises:
      InvalidArgumentError: the matrices are not square.

    Example:
      >>> import penstock as tf
      >>> float(tf.linalg.slogdet([[0.0, 1.0], [1.0, 0.0]]).sign)
      -1.0
    """
    return LogMatrixDeterminant(*execute("LogMatrixDeterminant", (convert_to_tensor(input),), None, name))


@export("linalg.logdet")
def logdet(matrix: Any, name: str | None = None) -> Tensor:
    """The logarithms of the determinants of Hermitian positive definite matrices, by their Cholesky factors.

    Args:
      matrix: a tensor of shape [..., n, n].

    Returns:
      A tensor of shape [...]; NaN for a matrix that is not positive definite.

    Example:
      >>> import penstock as tf
      >>> float(tf.linalg.logdet([[1.0, 0.0], [0.0, 1.0]]))
      0.0
    """
    diagonal = diag_part(cholesky(matrix))
    if diagonal.dtype.is_complex:
        diagonal = execute("Real", (diagonal,), {"Tout": diagonal.dtype.real_dtype})
    logarithms = execute("Log", (diagonal,))
    return 2 * execute("Sum", (logarithms, convert_to_tensor([-1])), {"keep_dims": False}, name)


# pinv and matrix_rank, by singular values.


def _tolerance(matrix: Tensor, relative: float) -> Any:
    """`relative * max(rows, columns) * eps`, where the size is known or not."""
    eps = float(np.finfo(matrix.dtype.real_dtype.np_dtype).eps) * relative
    rows, columns = matrix.shape[-2:].as_list() if matrix.shape.rank is not None else (None, None)
    if rows is not None and columns is not None:
        return convert_to_tensor(eps * max(rows, columns), matrix.dtype.real_dtype)
    sizes = execute("Shape", (matrix,), {"out_type": dtypes.int32})[-2:]
    largest = execute("Max", (sizes, convert_to_tensor([0])), {"keep_dims": False})
    return execute("Cast", (largest,), {"DstT": matrix.dtype.real_dtype}) * eps


def _largest(values: Tensor) -> Tensor:
    return execute("Max", (values, convert_to_tensor([-1])), {"keep_dims": True})


@export("linalg.matrix_rank")
def matrix_rank(a: Any, tol: Any = None, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The ranks of matrices: how many singular values are greater than a tolerance.

    Args:
      a: a tensor of shape [..., m, n].
      tol: the tolerance; by default `max(m, n) * eps` times the greatest singular value.
      validate_args: not used: shapes are always checked.

    Returns:
      An int32 tensor of shape [...].

    Example:
      >>> import penstock as tf
      >>> int(tf.linalg.matrix_rank([[1.0, 1.0], [1.0, 1.0]]))
      1
    """
    a = convert_to_tensor(a, dtype_hint=dtypes.float32)
    values = svd(a, compute_uv=False)
    if tol is None:
        tol = _tolerance(a, 1.0) * _largest(values)
    counted = execute("Cast", (values > tol,), {"DstT": dtypes.int32})
    return execute("Sum", (counted, convert_to_tensor([-1])), {"keep_dims": False}, name)


@export("linalg.pinv")
def pinv(a: Any, rcond: Any = None, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The Moore-Penrose pseudo-inverses of matrices.

    Args:
      a: a tensor of shape [..., m, n].
      rcond: singular values up to `rcond` times the greatest count as 0; by default `10 * max(m, n) * eps`.
      validate_args: not used: shapes are always checked.

    Returns:
      A tensor of shape [..., n, m].

    Raises:
      TypeError: `a` is not floating.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.pinv([[2.0, 0.0], [0.0, 0.0]]).numpy().tolist()
      [[0.5, 0.0], [0.0, 0.0]]
    """
    a = convert_to_tensor(a)
    if not (a.dtype.is_floating or a.dtype.is_complex):
        raise TypeError(f"Input `a` must have `float`-like `dtype`. Received: a.dtype={a.dtype.name}")
    values, u, v = svd(a)
    limit = _tolerance(a, 10.0) if rcond is None else convert_to_tensor(rcond, values.dtype)
    if limit.shape.rank:
        limit = execute("ExpandDims", (limit, convert_to_tensor(-1)))
    kept = values > limit * _largest(values)
    infinity = convert_to_tensor(np.inf, values.dtype)
    inverse = execute("Reciprocal", (execute("SelectV2", (kept, values, infinity)),))
    if inverse.dtype != a.dtype:
        inverse = execute("Cast", (inverse,), {"DstT": a.dtype})
    scaled = v * execute("ExpandDims", (inverse, convert_to_tensor(-2)))
    return matmul(scaled, u, adjoint_b=True, name=name)
