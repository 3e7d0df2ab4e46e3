"""`LinearOperatorAdjoint`: the conjugate transpose of another operator."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export
from penstock.linear_operators.matrices import HINTS, given
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.complex_numbers import conj
from penstock.ops.concatenation import concat
from penstock.ops.reshaping import adjoint as matrix_adjoint
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def inherited_hints(operator: LinearOperator, said: dict[str, Any], kind: str) -> dict[str, Any]:
    """The hints of an operator that has each property if and only if `operator` has it.

    Raises:
      ValueError: what was said contradicts what `operator` says.
    """
    found: dict[str, Any] = {}
    for hint in HINTS:
        own, other = said[hint], getattr(operator, hint)
        if own is not None and other is not None and own != other:
            what = hint.removeprefix("is_").replace("_", "-")
            raise ValueError(f"An operator is {what} if and only if its {kind} is {what}.")
        found[hint] = other if own is None else own
    return found


@export("linalg.LinearOperatorAdjoint")
class LinearOperatorAdjoint(LinearOperator):
    """The adjoint `A^H` of an operator `A`.

    Args:
      operator: the operator.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`.

    Raises:
      ValueError: a hint contradicts one of `operator`.

    Example:
      >>> import penstock as tf
      >>> operator = tf.linalg.LinearOperatorFullMatrix([[1.0, 2.0], [3.0, 4.0]])
      >>> tf.linalg.LinearOperatorAdjoint(operator).to_dense().numpy()
      array([[1., 3.],
             [2., 4.]], dtype=float32)
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
        self._operator = operator
        known = inherited_hints(operator, parameters, "adjoint")
        super().__init__(
            operator.dtype, name=name or f"{operator.name}_adjoint", parameters=parameters, **known
        )

    @property
    def operator(self) -> LinearOperator:
        """The operator that this is the adjoint of."""
        return self._operator

    def _shape(self) -> TensorShape:
        shape = self._operator.shape
        return shape if shape.rank is None else shape[:-2].concatenate([shape[-1], shape[-2]])

    def _shape_tensor(self) -> Tensor:
        shape = self._operator.shape_tensor()
        return concat([shape[:-2], shape[-1:], shape[-2:-1]], 0)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._operator.matmul(x, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _matvec(self, x: Tensor, adjoint: bool = False) -> Tensor:
        return self._operator.matvec(x, adjoint=not adjoint)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._operator.solve(rhs, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _solvevec(self, rhs: Tensor, adjoint: bool = False) -> Tensor:
        return self._operator.solvevec(rhs, adjoint=not adjoint)

    def _linop_adjoint(self) -> LinearOperator:
        return self._operator

    def _assert_non_singular(self) -> Any:
        return self._operator.assert_non_singular()

    def _assert_positive_definite(self) -> Any:
        return self._operator.assert_positive_definite()

    def _assert_self_adjoint(self) -> Any:
        return self._operator.assert_self_adjoint()

    def _determinant(self) -> Tensor:
        return conj(self._operator.determinant())

    def _log_abs_determinant(self) -> Tensor:
        return self._operator.log_abs_determinant()

    def _trace(self) -> Tensor:
        return conj(self._operator.trace())

    def _to_dense(self) -> Tensor:
        return matrix_adjoint(self._operator.to_dense())

    def _eigvals(self) -> Tensor:
        return conj(self._operator.eigvals())

    def _cond(self) -> Tensor:
        return self._operator.cond()
