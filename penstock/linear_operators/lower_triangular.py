"""`LinearOperatorLowerTriangular`: the lower triangle of a square matrix."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.linear_operators.matrices import (
    adjoint_if,
    assert_no_zero,
    given,
    held,
    require_hint,
    with_common_batch,
)
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.elementwise import abs_, call_op
from penstock.ops.linalg.band_part import band_part
from penstock.ops.linalg.diagonals import diag_part
from penstock.ops.linalg.linear_solvers import triangular_solve
from penstock.ops.linalg.matmul import matmul
from penstock.ops.reduce_functions import reduce, reduce_sum
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@export("linalg.LinearOperatorLowerTriangular")
class LinearOperatorLowerTriangular(LinearOperator):
    """A square matrix that is zero above its diagonal; it solves systems in O(n^2).

    Args:
      tril: `[*batch, n, n]`; what is above the diagonal is not looked at.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`.

    Raises:
      ValueError: `tril` has fewer than two dimensions, or `is_square` is False.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.LinearOperatorLowerTriangular([[2.0, 9.0], [1.0, 1.0]]).solvevec([2.0, 3.0]).numpy()
      array([1., 2.], dtype=float32)
    """

    _composite_tensor_fields = ("tril",)
    _experimental_parameter_ndims_to_matrix_ndims = {"tril": 2}

    def __init__(
        self,
        tril: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorLowerTriangular",
    ):
        parameters = given(locals())
        known = {"is_square": is_square}
        require_hint(known, "is_square", True, "Only square lower triangular operators are supported.")
        self._tril = held(tril)
        if self._tril.shape.rank is not None and self._tril.shape.rank < 2:
            raise ValueError(f"Argument tril must have at least 2 dimensions.  Found: {self._tril}")
        super().__init__(
            self._tril.dtype, None, is_non_singular, is_self_adjoint, is_positive_definite, name=name,
            parameters=parameters, **known,
        )  # fmt: skip

    @property
    def tril(self) -> Any:
        """The matrix as given."""
        return self._tril

    def _shape(self) -> TensorShape:
        return self._tril.shape

    def _shape_tensor(self) -> Tensor:
        return shape_of(self._tril)

    def _to_dense(self) -> Tensor:
        return band_part(self._tril, -1, 0)

    def _diag_part(self) -> Tensor:
        return diag_part(convert_to_tensor(self._tril))

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return matmul(self._to_dense(), x, adjoint_a=adjoint, adjoint_b=adjoint_arg)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        matrix, rhs = with_common_batch(self._to_dense(), adjoint_if(adjoint_arg, rhs))
        return triangular_solve(matrix, rhs, lower=True, adjoint=adjoint)

    def _assert_non_singular(self) -> Any:
        return assert_no_zero(self._diag_part(), "Singular operator:  Diagonal contained zero values.")

    def _determinant(self) -> Tensor:
        return reduce("Prod", self._diag_part(), -1, False, None)

    def _log_abs_determinant(self) -> Tensor:
        return reduce_sum(call_op("Log", abs_(self._diag_part())), -1)

    def _eigvals(self) -> Tensor:
        return self._diag_part()
