"""`LinearOperatorHouseholder`: reflection at the hyperplane that is orthogonal to a vector."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.linear_operators.matrices import adjoint_if, given, held, number, require_hint
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.casting import cast
from penstock.ops.complex_numbers import conj, real
from penstock.ops.concatenation import concat
from penstock.ops.creation import ones, zeros
from penstock.ops.elementwise import call_op
from penstock.ops.grouping import no_op
from penstock.ops.linalg.matmul import matmul
from penstock.ops.reduce_functions import reduce
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types.errors import InvalidArgumentError
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@export("linalg.LinearOperatorHouseholder")
class LinearOperatorHouseholder(LinearOperator):
    """`I - 2 v v^H`, where `v` is `reflection_axis` scaled to length 1.

    Args:
      reflection_axis: `[*batch, n]`.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`. It is self-adjoint
        and its own inverse.

    Raises:
      ValueError: `reflection_axis` has no dimension, or a hint contradicts what a reflection is.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.LinearOperatorHouseholder([0.0, 2.0]).matvec([3.0, 4.0]).numpy()
      array([ 3., -4.], dtype=float32)
    """

    _composite_tensor_fields = ("reflection_axis",)
    _experimental_parameter_ndims_to_matrix_ndims = {"reflection_axis": 1}

    def __init__(
        self,
        reflection_axis: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorHouseholder",
    ):
        parameters = given(locals())
        self._reflection_axis = held(reflection_axis)
        if self._reflection_axis.shape.rank == 0:
            raise ValueError(
                f"Argument reflection_axis must have at least 1 dimension.  Found: {self._reflection_axis}"
            )
        known = {
            "is_self_adjoint": is_self_adjoint,
            "is_positive_definite": is_positive_definite,
            "is_square": is_square,
        }
        require_hint(known, "is_self_adjoint", True, "A Householder operator is always self adjoint.")
        require_hint(
            known, "is_positive_definite", False, "A Householder operator is always non-positive definite."
        )
        require_hint(known, "is_square", True, "A Householder operator is always square.")
        super().__init__(
            self._reflection_axis.dtype,
            is_non_singular=is_non_singular,
            name=name,
            parameters=parameters,
            **known,
        )

    @property
    def reflection_axis(self) -> Any:
        """The vector as given."""
        return self._reflection_axis

    def _shape(self) -> TensorShape:
        return self._reflection_axis.shape.concatenate(self._reflection_axis.shape[-1:])

    def _shape_tensor(self) -> Tensor:
        shape = shape_of(self._reflection_axis)
        return concat([shape, shape[-1:]], 0)

    def _axis(self) -> Tensor:
        """The vector, scaled to length 1."""
        axis = convert_to_tensor(self._reflection_axis)
        squares = reduce("Sum", real(axis * conj(axis)), -1, True, None)
        tiny = call_op("Maximum", squares, number(1e-12, squares))
        return axis * cast(call_op("Rsqrt", tiny), axis.dtype)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        x, column = adjoint_if(adjoint_arg, x), self._axis()[..., None]
        return x - number(2, x) * column * matmul(column, x, adjoint_a=True)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._matmul(rhs, adjoint, adjoint_arg)

    def _linop_adjoint(self) -> LinearOperator:
        return self

    _linop_inverse = _linop_adjoint

    def _assert_non_singular(self) -> Any:
        return no_op()

    _assert_self_adjoint = _assert_non_singular

    def _assert_positive_definite(self) -> Any:
        raise InvalidArgumentError(None, None, "Householder operators are always non-positive definite.")

    def _determinant(self) -> Tensor:
        return -ones(self._batch(), self.dtype)

    def _log_abs_determinant(self) -> Tensor:
        return zeros(self._batch(), self.dtype)

    def _trace(self) -> Tensor:
        return ones(self._batch(), self.dtype) * self._cast_scalar(self.domain_dimension_tensor() - 2)

    def _diag_part(self) -> Tensor:
        axis = self._axis()
        return number(1, axis) - number(2, axis) * axis * conj(axis)

    def _eigvals(self) -> Tensor:
        shape = shape_of(self._reflection_axis)
        one = -ones(concat([shape[:-1], [1]], 0), self.dtype)
        return concat([one, ones(concat([shape[:-1], shape[-1:] - 1], 0), self.dtype)], -1)

    def _cond(self) -> Tensor:
        return ones(self._batch(), self.dtype)
