"""`tf.linalg.experimental.conjugate_gradient`: solves a linear system by products with its matrix only."""

from __future__ import annotations

import collections
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops import creation
from penstock.ops.while_loop import while_loop
from penstock.types.tensors import Tensor

CGState = collections.namedtuple("CGState", ["i", "x", "r", "p", "gamma"])


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """The inner product along the last dimension, which is kept."""
    x = execute("Conj", (x,)) if x.dtype.is_complex else x
    return execute("Sum", (x * y, convert_to_tensor([-1])), {"keep_dims": True})


@export("linalg.experimental.conjugate_gradient")
def conjugate_gradient(
    operator: Any,
    rhs: Any,
    preconditioner: Any = None,
    x: Any = None,
    tol: float = 1e-5,
    max_iter: int = 20,
    name: str = "conjugate_gradient",
) -> CGState:
    """Solves `A x = rhs` for a Hermitian positive definite A.

    Args:
      operator: A: an object with `matvec`, `shape`, `dtype`, such as a LinearOperator, that says of itself
        `is_self_adjoint` and `is_positive_definite`.
      rhs: a tensor of shape [..., n].
      preconditioner: an operator of the same kind that approximates the inverse of A.
      x: where to start; zeros by default.
      tol: stop when the residual is at most `tol` times as long as `rhs`.
      max_iter: stop after so many steps.

    Returns:
      The last state: `i` steps were taken, `x` is the solution, `r` the residual, `p` the direction, `gamma` the inner
      product of the residual with itself, preconditioned.

    Raises:
      ValueError: the operator is not known to be Hermitian and positive definite.
    """
    if not (operator.is_self_adjoint and operator.is_positive_definite):
        raise ValueError("Expected a self-adjoint, positive definite operator.")
    rhs = convert_to_tensor(rhs)
    most = convert_to_tensor(max_iter)
    limit = convert_to_tensor(tol, rhs.dtype.real_dtype) * _length(rhs)

    def goes_on(state: CGState) -> Tensor:
        long = execute("Greater", (_length(state.r), limit))
        every = execute("Range", (convert_to_tensor(0), execute("Rank", (long,)), convert_to_tensor(1)))
        return execute("LogicalAnd", (state.i < most, execute("Any", (long, every), {"keep_dims": False})))

    def step(state: CGState) -> list[CGState]:
        image = operator.matvec(state.p)
        alpha = state.gamma / _dot(state.p, image)
        solution, residual = state.x + alpha * state.p, state.r - alpha * image
        direction = residual if preconditioner is None else preconditioner.matvec(residual)
        gamma = _dot(residual, direction)
        return [CGState(state.i + 1, solution, residual, direction + gamma / state.gamma * state.p, gamma)]

    start = creation.zeros_like(rhs) if x is None else convert_to_tensor(x)
    residual = rhs if x is None else rhs - operator.matvec(start)
    direction = residual if preconditioner is None else preconditioner.matvec(residual)
    first = CGState(convert_to_tensor(0), start, residual, direction, _dot(residual, direction))
    last = while_loop(goes_on, step, [first], name=name)[0]
    return CGState(last.i, last.x, last.r, last.p, execute("Squeeze", (last.gamma,), {"squeeze_dims": [-1]}))


def _length(x: Tensor) -> Tensor:
    square = _dot(x, x)
    if square.dtype.is_complex:
        square = execute("Real", (square,), {"Tout": square.dtype.real_dtype})
    return execute("Sqrt", (square,))
