"""`LinearOperatorDiag`: a diagonal matrix."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.linear_operators.matrices import (
    adjoint_if,
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
from penstock.ops.concatenation import concat
from penstock.ops.elementwise import abs_, call_op
from penstock.ops.linalg.diagonals import diag as diag_matrix
from penstock.ops.linalg.diagonals import diag_part, set_diag
from penstock.ops.reduce_functions import reduce, reduce_max, reduce_sum
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@export("linalg.LinearOperatorDiag")
class LinearOperatorDiag(LinearOperator):
    """A square matrix that is zero away from its diagonal; everything about it costs O(n).

    Args:
      diag: `[*batch, n]`.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`. A real one is
        self-adjoint.

    Raises:
      ValueError: `diag` has no dimension, or a hint is False that must be True.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.LinearOperatorDiag([1.0, -1.0]).matvec([3.0, 4.0]).numpy()
      array([ 3., -4.], dtype=float32)
    """

    _composite_tensor_fields = ("diag",)
    _experimental_parameter_ndims_to_matrix_ndims = {"diag": 1}

    def __init__(
        self,
        diag: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorDiag",
    ):
        parameters = given(locals())
        self._diag = held(diag)
        if self._diag.shape.rank == 0:
            raise ValueError(f"Argument diag must have at least 1 dimension.  Found: {self._diag}")
        known = {"is_self_adjoint": is_self_adjoint, "is_square": is_square}
        if not self._diag.dtype.is_complex:
            require_hint(known, "is_self_adjoint", True, "A real diagonal operator is always self adjoint.")
        require_hint(known, "is_square", True, "Only square diagonal operators are supported.")
        super().__init__(
            self._diag.dtype, is_non_singular=is_non_singular, is_positive_definite=is_positive_definite,
            name=name, parameters=parameters, **known,
        )  # fmt: skip

    @property
    def diag(self) -> Any:
        """The diagonal."""
        return self._diag

    def _shape(self) -> TensorShape:
        return self._diag.shape.concatenate(self._diag.shape[-1:])

    def _shape_tensor(self) -> Tensor:
        shape = shape_of(self._diag)
        return concat([shape, shape[-1:]], 0)

    def _entries(self, adjoint: bool = False) -> Tensor:
        entries = convert_to_tensor(self._diag)
        return conj(entries) if adjoint else entries

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._entries(adjoint)[..., None] * adjoint_if(adjoint_arg, x)

    def _matvec(self, x: Tensor, adjoint: bool = False) -> Tensor:
        return self._entries(adjoint) * x

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return adjoint_if(adjoint_arg, rhs) / self._entries(adjoint)[..., None]

    def _linop_adjoint(self) -> LinearOperator:
        return LinearOperatorDiag(self._entries(True), **hints(self))

    def _linop_inverse(self) -> LinearOperator:
        entries = self._entries()
        return LinearOperatorDiag(number(1, entries) / entries, **hints(self))

    def _linop_cholesky(self) -> LinearOperator:
        return LinearOperatorDiag(
            call_op("Sqrt", self._entries()),
            is_non_singular=True, is_self_adjoint=True, is_positive_definite=True, is_square=True,
        )  # fmt: skip

    def _assert_non_singular(self) -> Any:
        return assert_no_zero(self._diag, "Singular operator:  Diagonal contained zero values.")

    def _assert_positive_definite(self) -> Any:
        message = "Diagonal operator had diagonal entries with non-positive real part, thus was not positive definite."
        return assert_positive(real(self._entries()), message=message)

    def _assert_self_adjoint(self) -> Any:
        message = "This diagonal operator contained non-zero imaginary values.  Thus it was not self-adjoint."
        return assert_real(self._diag, message)

    def _determinant(self) -> Tensor:
        return reduce("Prod", self._diag, -1, False, None)

    def _log_abs_determinant(self) -> Tensor:
        return cast(reduce_sum(call_op("Log", abs_(self._entries())), -1), self.dtype)

    def _to_dense(self) -> Tensor:
        return diag_matrix(self._entries())

    def _diag_part(self) -> Tensor:
        return self._entries()

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        return set_diag(x, self._entries() + diag_part(x))

    def _eigvals(self) -> Tensor:
        return self._entries()

    def _cond(self) -> Tensor:
        sizes = abs_(self._entries())
        return reduce_max(sizes, -1) / -reduce_max(-sizes, -1)
