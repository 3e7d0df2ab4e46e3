"""Functions of `tf.linalg` that take linear operators in the place of matrices: one row for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.linear_operators.operator import LinearOperator
from penstock.ops import dispatch
from penstock.ops.reshaping import adjoint as matrix_adjoint


def _inverse(bound: dict) -> LinearOperator:
    inverse = bound["input"].inverse()
    return inverse.adjoint() if bound.get("adjoint") else inverse


def _logdet(bound: dict) -> Any:
    matrix = bound["matrix"]
    if not (matrix.is_positive_definite and matrix.is_self_adjoint):
        raise ValueError("Expected matrix to be self-adjoint positive definite.")
    return matrix.log_abs_determinant()


def _matmul(bound: dict) -> Any:
    if bound.get("transpose_a") or bound.get("transpose_b"):
        raise ValueError("Linear operators are not transposed: ask for the adjoint.")
    if bound.get("a_is_sparse") or bound.get("b_is_sparse"):
        raise ValueError("Linear operators have no sparse products.")
    a, b = bound["a"], bound["b"]
    adjoint_a, adjoint_b = bound.get("adjoint_a", False), bound.get("adjoint_b", False)
    if isinstance(a, LinearOperator):
        return a.matmul(b, adjoint=adjoint_a, adjoint_arg=adjoint_b)
    return matrix_adjoint(b.matmul(a, adjoint=not adjoint_b, adjoint_arg=not adjoint_a))


def _solve(bound: dict) -> Any:
    if not isinstance(bound["matrix"], LinearOperator):
        raise ValueError("Passing in `matrix` as a Tensor and `rhs` as a LinearOperator is not supported.")
    return bound["matrix"].solve(bound["rhs"], adjoint=bound.get("adjoint", False))


# Public name -> the function of its bound arguments.
_FUNCTIONS: dict[str, Callable[[dict], Any]] = {
    "linalg.adjoint": lambda bound: bound["matrix"].adjoint(),
    "linalg.cholesky": lambda bound: bound["input"].cholesky(),
    "linalg.det": lambda bound: bound["input"].determinant(),
    "linalg.diag_part": lambda bound: bound["input"].diag_part(),
    "linalg.inv": _inverse,
    "linalg.logdet": _logdet,
    "linalg.matmul": _matmul,
    "linalg.solve": _solve,
    "linalg.trace": lambda bound: bound["x"].trace(),
}


def _holds_operator(bound: dict) -> bool:
    return any(isinstance(each, LinearOperator) for each in bound.values())


def _handler(function: Callable[[dict], Any]) -> Callable[[dispatch.Api], Callable]:
    def of(api: dispatch.Api) -> Callable:
        return lambda *args, **kwargs: function(dict(api.signature.bind(*args, **kwargs).arguments))

    return of


for _name, _function in _FUNCTIONS.items():
    dispatch.handle(_name, _holds_operator, _handler(_function))
