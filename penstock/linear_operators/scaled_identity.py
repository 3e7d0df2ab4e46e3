"""`LinearOperatorScaledIdentity`: a multiple of the identity."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.linear_operators.identity import SizedOperator, size_argument, static_sizes
from penstock.linear_operators.matrices import (
    assert_no_zero,
    assert_real,
    given,
    held,
    hints,
    number,
    require_hint,
)
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.assert_values import assert_positive
from penstock.ops.casting import cast
from penstock.ops.complex_numbers import conj, real
from penstock.ops.concatenation import concat, stack
from penstock.ops.creation import ones
from penstock.ops.elementwise import abs_, call_op
from penstock.ops.linalg.diagonals import diag_part, set_diag
from penstock.ops.selection import where
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@export("linalg.LinearOperatorScaledIdentity")
class LinearOperatorScaledIdentity(SizedOperator):
    """`multiplier` times the identity.

    Args:
      num_rows: the size.
      multiplier: `[*batch]`, a number for each matrix.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`. A real one is
        self-adjoint.
      assert_proper_shapes: checks the sizes of arguments when ops run.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.LinearOperatorScaledIdentity(2, 3.0).to_dense().numpy()
      array([[3., 0.],
             [0., 3.]], dtype=float32)
    """

    _composite_tensor_fields = ("num_rows", "multiplier", "assert_proper_shapes")
    _experimental_parameter_ndims_to_matrix_ndims = {"multiplier": 0}

    def __init__(
        self,
        num_rows: Any,
        multiplier: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorScaledIdentity",
    ):
        parameters = given(locals())
        self._multiplier = held(multiplier)
        known = {"is_self_adjoint": is_self_adjoint, "is_square": is_square or False}
        if not self._multiplier.dtype.is_complex:
            require_hint(known, "is_self_adjoint", True, "A real diagonal operator is always self adjoint.")
        require_hint(known, "is_square", True, "A ScaledIdentity operator is always square.")
        super().__init__(
            self._multiplier.dtype, is_non_singular=is_non_singular, is_positive_definite=is_positive_definite,
            name=name, parameters=parameters, **known,
        )  # fmt: skip
        self._assert_proper_shapes = assert_proper_shapes
        self._num_rows = self._num_columns = size_argument(num_rows, "num_rows", 0)

    @property
    def multiplier(self) -> Any:
        """The factor of the identity."""
        return self._multiplier

    def _shape(self) -> TensorShape:
        rows = static_sizes(self._num_rows) or [None]
        return self._multiplier.shape.concatenate([rows[0], rows[0]])

    def _shape_tensor(self) -> Tensor:
        return concat([shape_of(self._multiplier), stack([self._num_rows, self._num_rows])], 0)

    def _factor(self, adjoint: bool = False) -> Tensor:
        factor = convert_to_tensor(self._multiplier)
        return conj(factor) if adjoint else factor

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._checked(x, adjoint, adjoint_arg) * self._factor(adjoint)[..., None, None]

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._checked(rhs, adjoint, adjoint_arg) / self._factor(adjoint)[..., None, None]

    def _linop_adjoint(self) -> LinearOperator:
        return LinearOperatorScaledIdentity(self._num_rows, self._factor(True), **hints(self))

    def _linop_inverse(self) -> LinearOperator:
        factor = self._factor()
        return LinearOperatorScaledIdentity(self._num_rows, number(1, factor) / factor, **hints(self))

    def _linop_cholesky(self) -> LinearOperator:
        return LinearOperatorScaledIdentity(
            self._num_rows, call_op("Sqrt", self._factor()),
            is_non_singular=True, is_self_adjoint=True, is_positive_definite=True,
        )  # fmt: skip

    def _assert_non_singular(self) -> Any:
        return assert_no_zero(self._multiplier, "LinearOperator was singular")

    def _assert_positive_definite(self) -> Any:
        return assert_positive(real(self._factor()), message="LinearOperator was not positive definite.")

    def _assert_self_adjoint(self) -> Any:
        return assert_real(self._multiplier, "LinearOperator was not self-adjoint")

    def _determinant(self) -> Tensor:
        return call_op("Pow", self._factor(), self._cast_scalar(self._num_rows))

    def _log_abs_determinant(self) -> Tensor:
        size = abs_(self._factor())
        return cast(self._num_rows, size.dtype) * call_op("Log", size)

    def _trace(self) -> Tensor:
        return self._factor() * self._cast_scalar(self._num_rows)

    def _diag_part(self) -> Tensor:
        return ones(self._diagonal_shape(), self.dtype) * self._factor()[..., None]

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        return set_diag(x, diag_part(x) + self._factor()[..., None])

    def _eigvals(self) -> Tensor:
        return self._diag_part()

    def _cond(self) -> Tensor:
        zero = call_op("Equal", self._factor(), self._cast_scalar(0))
        return where(zero, self._cast_scalar(np.nan), self._cast_scalar(1))
