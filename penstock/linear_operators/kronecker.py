"""`LinearOperatorKronecker`: the Kronecker product of operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.linear_operators import several
from penstock.linear_operators.matrices import HINTS, given, hints, with_common_batch
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.casting import cast
from penstock.ops.complex_numbers import conj
from penstock.ops.concatenation import concat, stack
from penstock.ops.elementwise import call_op
from penstock.ops.reshaping import matrix_transpose, reshape
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types.errors import InvalidArgumentError
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@export("linalg.LinearOperatorKronecker")
class LinearOperatorKronecker(LinearOperator):
    """`operators[0] x operators[1] x ...`: each entry of one factor times the whole next factor.

    A product costs as much as a product with each factor, on as many columns as make up for the others.

    Args:
      operators: operators of one dtype.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`.

    Raises:
      ValueError: there are no operators, or a hint contradicts theirs.
      TypeError: their dtypes differ.

    Example:
      >>> import penstock as tf
      >>> diagonal = tf.linalg.LinearOperatorDiag([1.0, 2.0])
      >>> tf.linalg.LinearOperatorKronecker([diagonal, diagonal]).diag_part().numpy()
      array([1., 2., 2., 4.], dtype=float32)
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
        several.hints_of_all(
            parts, known, ["is_non_singular", "is_self_adjoint", "is_positive_definite"], "Kronecker product"
        )
        self._operators = parts
        super().__init__(
            parts[0].dtype,
            name=name or "_x_".join(each.name for each in parts),
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
        rows = several.multiplied(each.range_dimension for each in self._operators)
        columns = several.multiplied(each.domain_dimension for each in self._operators)
        return several.batch_shape(self._operators).concatenate(TensorShape([rows, columns]))

    def _shape_tensor(self) -> Tensor:
        rows = several.multiplied(each.range_dimension_tensor() for each in self._operators)
        columns = several.multiplied(each.domain_dimension_tensor() for each in self._operators)
        return concat([several.batch_shape_tensor(self._operators), stack([rows, columns])], 0)

    def _each_in_turn(
        self, x: Tensor, apply: Callable[[LinearOperator, Tensor], Tensor], adjoint: bool, adjoint_arg: bool
    ) -> Tensor:
        """Applies the factors from the last to the first, each to its own axis of the argument.

        (A x B) vec(X) = vec(A X B^T): the rows of `x` are unfolded; each step transposes, so that the next factor's
        axis comes last.
        """
        columns = shape_of(x)[-2 if adjoint_arg else -1]
        output = conj(x) if adjoint_arg else matrix_transpose(x)
        for each in self.operators[::-1]:
            size = each.range_dimension_tensor() if adjoint else each.domain_dimension_tensor()
            output = reshape(output, concat([shape_of(output)[:-2], stack([-1, size])], 0))
            output = apply(each, matrix_transpose(output))
        rows = self.domain_dimension_tensor() if adjoint else self.range_dimension_tensor()
        output = reshape(output, concat([shape_of(output)[:-2], stack([rows, columns])], 0))
        return output

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._each_in_turn(
            x, lambda each, part: each.matmul(part, adjoint=adjoint), adjoint, adjoint_arg
        )

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._each_in_turn(
            rhs, lambda each, part: each.solve(part, adjoint=adjoint), adjoint, adjoint_arg
        )

    def _linop_adjoint(self) -> LinearOperator:
        return LinearOperatorKronecker([each.adjoint() for each in self._operators], **hints(self))

    def _linop_inverse(self) -> LinearOperator:
        return LinearOperatorKronecker([each.inverse() for each in self._operators], **hints(self))

    def _linop_cholesky(self) -> LinearOperator:
        factors = [each.cholesky() for each in self._operators]
        return LinearOperatorKronecker(factors, is_non_singular=True, is_square=True)

    def _power(self, each: LinearOperator) -> Tensor:
        """How many times the determinant of a factor is one of the whole's."""
        return cast(self.domain_dimension_tensor() // each.domain_dimension_tensor(), self.dtype)

    def _determinant(self) -> Tensor:
        return several.multiplied(
            call_op("Pow", each.determinant(), self._power(each)) for each in self._operators
        )

    def _log_abs_determinant(self) -> Tensor:
        found = [each.log_abs_determinant() for each in self._operators]
        return several.total(
            value * cast(self._power(each), value.dtype)
            for each, value in zip(self._operators, found, strict=True)
        )

    def _trace(self) -> Tensor:
        return several.multiplied(each.trace() for each in self._operators)

    def _of_pairs(self, vectors: Sequence[Tensor]) -> Tensor:
        """The products of all combinations of entries, one of each vector."""
        result = vectors[0]
        for each in vectors[1:]:
            grid = result[..., :, None] * each[..., None, :]
            result = reshape(grid, concat([shape_of(grid)[:-2], [-1]], 0))
        return result

    def _diag_part(self) -> Tensor:
        if all(each.is_square for each in self._operators):
            return self._of_pairs([each.diag_part() for each in self._operators])
        return super()._diag_part()

    def _eigvals(self) -> Tensor:
        return self._of_pairs([each.eigvals() for each in self._operators])

    def _to_dense(self) -> Tensor:
        result, *others = with_common_batch(*(each.to_dense() for each in self._operators))
        for each in others:
            grid = result[..., :, None, :, None] * each[..., None, :, None, :]
            sizes = shape_of(grid)
            result = reshape(grid, concat([sizes[:-4], [sizes[-4] * sizes[-3], sizes[-2] * sizes[-1]]], 0))
        return result

    def _check_square_factors(self) -> None:
        if not all(each.is_square for each in self._operators):
            raise InvalidArgumentError(
                None, None, "All Kronecker factors must be square for the product to be invertible."
            )

    def _assert_non_singular(self) -> Any:
        self._check_square_factors()
        return several.assert_each(self._operators, lambda each: each.assert_non_singular())

    def _assert_self_adjoint(self) -> Any:
        self._check_square_factors()
        return several.assert_each(self._operators, lambda each: each.assert_self_adjoint())
