"""Functions of matrices: the exponential, the logarithm, and the square root."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from penstock.engine.blas import on_one_thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.xla import jnp, lax
from penstock.ops import creation
from penstock.ops.dtype_sets import COMPLEX
from penstock.ops.linalg.linear_solvers import solve
from penstock.ops.linalg.matrix_shapes import MATRIX_TYPES, check_square, square, widened
from penstock.ops.reshaping import adjoint, reshape
from penstock.types.tensors import Tensor

# MatrixExponential: the Padé approximant of order 13 of a scaled matrix, squared again and again.
# Higham, "The Scaling and Squaring Method for the Matrix Exponential Revisited" (2005).

_PADE = (64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
         670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1)  # fmt: skip
_LARGEST_NORM = {np.dtype(np.float32): 3.925724783138660, np.dtype(np.float64): 5.371920351148152}


def _approximant(xp: Any, a: Any) -> Any:
    """The Padé approximant of exp(a)."""
    b = [coefficient / _PADE[0] for coefficient in _PADE]
    one = np.eye(a.shape[-1], dtype=a.dtype)
    a2 = xp.matmul(a, a)
    a4 = xp.matmul(a2, a2)
    a6 = xp.matmul(a4, a2)
    odd = xp.matmul(a6, b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * one
    even = xp.matmul(a6, b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * one
    u = xp.matmul(a, odd)
    return xp.linalg.solve(even - u, even + u)


def _scaled(xp: Any, a: Any) -> tuple[Any, Any]:
    """`a / 2**s`, and the s of each matrix that makes its norm small enough."""
    real = np.dtype(a.real.dtype)
    norm = xp.max(xp.sum(xp.abs(a), -2), -1) if a.shape[-1] else xp.zeros(a.shape[:-2], real)
    count = xp.ceil(xp.log2(xp.maximum(norm / _LARGEST_NORM[real], 1)))
    count = xp.where(xp.isfinite(count), count, 0)
    return a / xp.exp2(count)[..., None, None].astype(real), count


@on_one_thread
def _exponential(x: np.ndarray) -> np.ndarray:
    check_square(x)
    a, count = _scaled(np, widened(x))
    result = _approximant(np, a)
    for step in range(int(count.max(initial=0))):
        result = np.where((step < count)[..., None, None], np.matmul(result, result), result)
    return result.astype(x.dtype)


def _exponential_xla(x: Any) -> Any:
    check_square(x)
    a, count = _scaled(jnp, widened(x))
    most = jnp.max(count, initial=0)

    def square_again(state: tuple) -> tuple:
        step, result = state
        return step + 1, jnp.where((step < count)[..., None, None], jnp.matmul(result, result), result)

    start = (jnp.zeros((), count.dtype), _approximant(jnp, a))
    return lax.while_loop(lambda state: state[0] < most, square_again, start)[1].astype(x.dtype)


def _exponential_gradient(op: Any, dy: Any) -> Tensor:
    """The derivative of exp at x^H in direction dy: a corner of the exponential of the block matrix [x^H dy; 0 x^H]."""
    flipped, dy = adjoint(op.inputs[0]), convert_to_tensor(dy)
    size = flipped.shape[-1]
    last, before = convert_to_tensor(-1), convert_to_tensor(-2)
    upper = execute("ConcatV2", ([flipped, dy], last))
    lower = execute("ConcatV2", ([creation.zeros_like(flipped), flipped], last))
    blocks = execute("MatrixExponential", (execute("ConcatV2", ([upper, lower], before)),))
    if size is None:
        raise ValueError("the gradient of expm needs matrices of known size")
    return blocks[..., :size, size:]


op(
    "MatrixExponential(input: T) -> output: T",
    numpy=_exponential,
    xla=_exponential_xla,
    shape=square,
    gradient=_exponential_gradient,
    types={"T": MATRIX_TYPES},
)


@export("linalg.expm")
def expm(input: Any, name: str | None = None) -> Tensor:
    """The exponentials of square matrices: `I + A + A^2 / 2! + A^3 / 3! + ...`.

    Args:
      input: a tensor of shape [..., n, n].

    Raises:
      InvalidArgumentError: the matrices are not square.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.expm([[0.0, 1.0], [0.0, 0.0]]).numpy().tolist()
      [[1.0, 1.0], [0.0, 1.0]]
    """
    return execute("MatrixExponential", (convert_to_tensor(input),), None, name)


# MatrixLogarithm and MatrixSquareRoot, by Schur factors, on the host.


def _each_matrix(function: Any, x: np.ndarray) -> np.ndarray:
    check_square(x)
    out = np.empty(x.shape, x.dtype)
    for index in np.ndindex(*x.shape[:-2]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # SciPy's estimates of the precision
            found = function(x[index])
        if np.iscomplexobj(found) and x.dtype.kind != "c":  # there is no real result
            found = np.where(np.abs(found.imag) > 0, np.nan, found.real) if found.imag.any() else found.real
            found = np.full(x.shape[-2:], np.nan) if np.isnan(found).any() else found
        out[index] = found
    return out


@on_one_thread
def _logarithm(x: np.ndarray) -> np.ndarray:
    from scipy.linalg import logm

    return _each_matrix(logm, x)


@on_one_thread
def _square_root(x: np.ndarray) -> np.ndarray:
    from scipy.linalg import sqrtm

    return _each_matrix(sqrtm, widened(x)).astype(x.dtype)


def _square_root_gradient(op: Any, dy: Any) -> Tensor:
    """Solves `y^H g + g y^H = dy` as one system in the elements of g."""
    flipped, dy = adjoint(op.outputs[0]), convert_to_tensor(dy)
    size = flipped.shape[-1]
    if size is None:
        raise ValueError("the gradient of sqrtm needs matrices of known size")
    one = creation.eye(size, dtype=dy.dtype)
    left = execute("Einsum", ([flipped, one],), {"equation": "...ik,jl->...ijkl"})
    right = execute("Einsum", ([one, flipped],), {"equation": "ik,...lj->...ijkl"})
    shape = execute("Shape", (dy,), {"out_type": creation.dtypes.int32})
    lead = shape[:-2]
    system = reshape(left + right, _joined(lead, [size * size, size * size]))
    found = solve(system, reshape(dy, _joined(lead, [size * size, 1])))
    return reshape(found, shape)


def _joined(lead: Tensor, rest: list[int]) -> Tensor:
    return execute("ConcatV2", ([lead, convert_to_tensor(np.array(rest, np.int32))], convert_to_tensor(0)))


op("MatrixLogarithm(input: T) -> output: T", numpy=_logarithm, shape=square, types={"T": COMPLEX})
op(
    "MatrixSquareRoot(input: T) -> output: T",
    numpy=_square_root,
    shape=square,
    gradient=_square_root_gradient,
    types={"T": MATRIX_TYPES},
)


@export("linalg.logm")
def logm(input: Any, name: str | None = None) -> Tensor:
    """The principal logarithms of square matrices: the inverse of `tf.linalg.expm`.

    Args:
      input: a complex tensor of shape [..., n, n].

    Raises:
      InvalidArgumentError: the matrices are not square, or not complex.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.logm([[1 + 0j, 0j], [0j, 1 + 0j]]).numpy().real.tolist()
      [[0.0, 0.0], [0.0, 0.0]]
    """
    return execute("MatrixLogarithm", (convert_to_tensor(input),), None, name)


@export("linalg.sqrtm", "matrix_square_root")
def sqrtm(input: Any, name: str | None = None) -> Tensor:
    """The principal square roots of square matrices: `result @ result = input`.

    Args:
      input: a tensor of shape [..., n, n].

    Returns:
      A tensor of the same shape; NaN where a real matrix has no real square root.

    Raises:
      InvalidArgumentError: the matrices are not square.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.sqrtm([[4.0, 0.0], [0.0, 9.0]]).numpy().tolist()
      [[2.0, 0.0], [0.0, 3.0]]
    """
    return execute("MatrixSquareRoot", (convert_to_tensor(input),), None, name)
