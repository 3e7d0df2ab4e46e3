"""`LinearOperatorInversion`: the inverse of another operator, which multiplies by solving."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export
from penstock.linear_operators.adjoint import inherited_hints
from penstock.linear_operators.matrices import given, number
from penstock.linear_operators.operator import LinearOperator
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@export("linalg.LinearOperatorInversion")
class LinearOperatorInversion(LinearOperator):
    """The inverse of an operator; it is never formed: a product solves a system.

    Args:
      operator: the operator.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`.

    Raises:
      ValueError: a hint says that there is no inverse, or contradicts one of `operator`.

    Example:
      >>> import penstock as tf
      >>> operator = tf.linalg.LinearOperatorFullMatrix([[2.0, 0.0], [0.0, 4.0]])
      >>> tf.linalg.LinearOperatorInversion(operator).matvec([2.0, 2.0]).numpy()
      array([1. , 0.5], dtype=float32)
    """

    _composite_tensor_fields = ("operator",)
    _experimental_parameter_ndims_to_matrix_ndims = {"operator": 0}

    def __init__(
        self,
        operator: LinearOperator,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ):
        parameters = given(locals())
        for hint in ("is_non_singular", "is_square"):
            if parameters[hint] is False or getattr(operator, hint) is False:
                raise ValueError(f"An operator with `{hint}` equal to False has no inverse: {operator.name}.")
        self._operator = operator
        known = inherited_hints(operator, parameters, "inverse")
        super().__init__(operator.dtype, name=name or f"{operator.name}_inv", parameters=parameters, **known)

    @property
    def operator(self) -> LinearOperator:
        """The operator that this is the inverse of."""
        return self._operator

    def _shape(self) -> TensorShape:
        return self._operator.shape

    def _shape_tensor(self) -> Tensor:
        return self._operator.shape_tensor()

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._operator.solve(x, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._operator.matmul(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _linop_inverse(self) -> LinearOperator:
        return self._operator

    def _assert_non_singular(self) -> Any:
        return self._operator.assert_non_singular()

    def _assert_positive_definite(self) -> Any:
        return self._operator.assert_positive_definite()

    def _assert_self_adjoint(self) -> Any:
        return self._operator.assert_self_adjoint()

    def _determinant(self) -> Tensor:
        found = self._operator.determinant()
        return number(1, found) / found

    def _log_abs_determinant(self) -> Tensor:
        return -self._operator.log_abs_determinant()

    def _eigvals(self) -> Tensor:
        values = self._operator.eigvals()
        return number(1, values) / values

    def _cond(self) -> Tensor:
        return self._operator.cond()
