"""`LinearOperatorComposition`: the product of operators, which is never formed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.export import export
from penstock.linear_operators import several
from penstock.linear_operators.adjoint import LinearOperatorAdjoint
from penstock.linear_operators.lower_triangular import LinearOperatorLowerTriangular
from penstock.linear_operators.matrices import HINTS, given, require_hint
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.concatenation import concat, stack
from penstock.ops.elementwise import call_op
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _adjoint_pair(x: LinearOperator, y: LinearOperator) -> bool:
    """Whether one is known to be the adjoint of the other."""
    if x is y:
        return bool(x.is_self_adjoint)
    return any(
        isinstance(one, LinearOperatorAdjoint) and one.operator is other for one, other in ((x, y), (y, x))
    )


def is_symmetric_form(operators: Sequence[LinearOperator]) -> bool:
    """Whether the operators read backwards are the adjoints of those read forwards, as in `A B B^H A^H`."""
    half = len(operators) // 2
    return len(operators) % 2 == 0 and all(
        _adjoint_pair(operators[i], operators[-1 - i]) for i in range(half)
    )


@export("linalg.LinearOperatorComposition")
class LinearOperatorComposition(LinearOperator):
    """`operators[0] @ operators[1] @ ...`.

    Args:
      operators: operators of one dtype, whose shapes fit.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`.

    Raises:
      ValueError: there are no operators, or a hint contradicts theirs.
      TypeError: their dtypes differ.

    Example:
      >>> import penstock as tf
      >>> double = tf.linalg.LinearOperatorScaledIdentity(2, 2.0)
      >>> matrix = tf.linalg.LinearOperatorFullMatrix([[1.0, 2.0], [3.0, 4.0]])
      >>> tf.linalg.LinearOperatorComposition([matrix, double]).to_dense().numpy()
      array([[2., 4.],
             [6., 8.]], dtype=float32)
    """

    _composite_tensor_fields = ("operators",)

    def __init__(
        self,
        operators: Sequence[LinearOperator],
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ):
        parameters = given(locals())
        parts = several.checked(operators)
        known = {hint: parameters[hint] for hint in HINTS}
        several.hints_of_all(parts, known, ["is_non_singular"], "composition")
        symmetric = is_symmetric_form(parts)
        if symmetric or (len(parts) == 1 and parts[0].is_self_adjoint):
            require_hint(known, "is_self_adjoint", True, "The composition was determined to be self-adjoint.")
        if symmetric:
            require_hint(known, "is_square", True, "The composition has the form A @ A.H, so it is square.")
            if known["is_non_singular"]:
                why = "The composition is non-singular and has the form A @ A.H, so it is positive definite."
                require_hint(known, "is_positive_definite", True, why)
        self._operators = parts
        super().__init__(
            parts[0].dtype,
            name=name or "_o_".join(each.name for each in parts),
            parameters=parameters,
            **known,
        )

    @property
    def operators(self) -> list[LinearOperator]:
        """The factors."""
        return list(self._operators)

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> dict:  # type: ignore[override]
        return {"operators": [0] * len(self._operators)}

    def _shape(self) -> TensorShape:
        for left, right in zip(self.operators, self.operators[1:]):
            left.domain_dimension.assert_is_compatible_with(right.range_dimension)
        matrix = [self._operators[0].range_dimension, self._operators[-1].domain_dimension]
        return several.batch_shape(self._operators).concatenate(TensorShape(matrix))

    def _shape_tensor(self) -> Tensor:
        first, last = self._operators[0], self._operators[-1]
        matrix = stack([first.range_dimension_tensor(), last.domain_dimension_tensor()])
        return concat([several.batch_shape_tensor(self._operators), matrix], 0)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        order = self.operators if adjoint else self.operators[::-1]
        result = order[0].matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg)
        for each in order[1:]:
            result = each.matmul(result, adjoint=adjoint)
        return result

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        order = self.operators[::-1] if adjoint else self.operators
        result = order[0].solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)
        for each in order[1:]:
            result = each.solve(result, adjoint=adjoint)
        return result

    def _linop_cholesky(self) -> LinearOperator:
        left = self._operators[0]
        if (
            len(self._operators) != 2
            or not is_symmetric_form(self._operators)
            or not isinstance(left, LinearOperatorLowerTriangular)
        ):
            return super()._linop_cholesky()
        if left.is_positive_definite:
            return left
        # L S and L have the same product with their adjoints, for signs S.
        signs = call_op("Sign", left.diag_part())[..., None, :]
        return LinearOperatorLowerTriangular(
            left.to_dense() / signs, left.is_non_singular, left.is_self_adjoint, is_square=True
        )

    def _determinant(self) -> Tensor:
        return several.multiplied(each.determinant() for each in self._operators)

    def _log_abs_determinant(self) -> Tensor:
        return several.total(each.log_abs_determinant() for each in self._operators)

    def _assert_non_singular(self) -> Any:
        if all(each.is_square for each in self._operators):
            return several.assert_each(self._operators, lambda each: each.assert_non_singular())
        return super()._assert_non_singular()
