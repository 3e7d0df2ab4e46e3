"""`LinearOperatorTridiag`: a matrix with three diagonals, whose systems cost O(n)."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.linear_operators.matrices import (
    adjoint_if,
    assert_real,
    common_batch_shape,
    common_batch_tensor,
    given,
    held,
    number,
)
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.assert_values import assert_equal
from penstock.ops.complex_numbers import conj
from penstock.ops.concatenation import concat, stack, unstack
from penstock.ops.grouping import group
from penstock.ops.linalg.diagonals import diag_part
from penstock.ops.linalg.tridiagonal import tridiagonal_matmul, tridiagonal_solve
from penstock.ops.replication import broadcast_to
from penstock.ops.reshaping import adjoint as matrix_adjoint
from penstock.ops.reversal import roll
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_FORMATS = ("compact", "matrix", "sequence")


@export("linalg.LinearOperatorTridiag")
class LinearOperatorTridiag(LinearOperator):
    """A square matrix that is zero but for the diagonal, the one above it and the one below it.

    Args:
      diagonals: the three, from the upper to the lower: `[*batch, 3, n]`, a list of three `[*batch, n]`, or the matrix.
        The last entry of the upper one and the first of the lower one are not looked at.
      diagonals_format: "compact", "sequence" or "matrix", for the three forms.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`.

    Raises:
      ValueError: another format.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.LinearOperatorTridiag([[3.0, 4.0, 0.0], [1.0, 1.0, 1.0], [0.0, 5.0, 6.0]]).to_dense().numpy()
      array([[1., 3., 0.],
             [5., 1., 4.],
             [0., 6., 1.]], dtype=float32)
    """

    _composite_tensor_fields = ("diagonals", "diagonals_format")

    def __init__(
        self,
        diagonals: Any,
        diagonals_format: str = "compact",
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorTridiag",
    ):
        parameters = given(locals())
        if diagonals_format not in _FORMATS:
            raise ValueError(
                f"Argument `diagonals_format` must be one of {', '.join(_FORMATS)}. Received: {diagonals_format}."
            )
        self._diagonals_format = diagonals_format
        self._diagonals = (
            [held(each) for each in diagonals] if diagonals_format == "sequence" else held(diagonals)
        )
        dtype = self._diagonals[0].dtype if diagonals_format == "sequence" else self._diagonals.dtype
        super().__init__(
            dtype, None, is_non_singular, is_self_adjoint, is_positive_definite, is_square, name, parameters
        )

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> dict:  # type: ignore[override]
        return {"diagonals": [1, 1, 1] if self._diagonals_format == "sequence" else 2}

    @property
    def diagonals(self) -> Any:
        """The diagonals as given."""
        return self._diagonals

    @property
    def diagonals_format(self) -> str:
        """The form of `diagonals`."""
        return self._diagonals_format

    def _shape(self) -> TensorShape:
        if self._diagonals_format == "matrix":
            return self._diagonals.shape
        if self._diagonals_format == "compact":
            shape = self._diagonals.shape
            size = shape[-1] if shape.rank else None
            return shape[:-2].concatenate([size, size])
        upper, middle, lower = (each.shape for each in self._diagonals)
        size = middle[-1] if middle.rank else None
        return common_batch_shape(upper[:-1], middle[:-1], lower[:-1]).concatenate([size, size])

    def _shape_tensor(self) -> Tensor:
        if self._diagonals_format == "matrix":
            return shape_of(self._diagonals)
        if self._diagonals_format == "compact":
            shape = shape_of(self._diagonals)
            return concat([shape[:-2], shape[-1:], shape[-1:]], 0)
        shapes = [shape_of(each) for each in self._diagonals]
        size = shapes[1][-1:]
        return concat([common_batch_tensor(*(each[:-1] for each in shapes)), size, size], 0)

    def _three(self) -> list[Tensor]:
        """The upper, middle and lower diagonal, as vectors of one batch shape."""
        if self._diagonals_format == "matrix":
            matrix = convert_to_tensor(self._diagonals)
            upper, lower = (diag_part(matrix, k=k) for k in (1, -1))
            none = number(0, matrix) * matrix[..., 0, :1]
            return [concat([upper, none], -1), diag_part(matrix), concat([none, lower], -1)]
        if self._diagonals_format == "compact":
            return unstack(convert_to_tensor(self._diagonals), 3, axis=-2)
        shape = self.shape_tensor()[:-1]
        return [broadcast_to(convert_to_tensor(each), shape) for each in self._diagonals]

    def _compact(self, adjoint: bool = False) -> Tensor:
        upper, middle, lower = self._three()
        if adjoint:
            upper, middle, lower = roll(conj(lower), -1, -1), conj(middle), roll(conj(upper), 1, -1)
        return stack([upper, middle, lower], -2)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        x, diagonals = self._in_common_batch(adjoint_if(adjoint_arg, x), adjoint)
        return tridiagonal_matmul(diagonals, x, diagonals_format="compact")

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        rhs, diagonals = self._in_common_batch(adjoint_if(adjoint_arg, rhs), adjoint)
        return tridiagonal_solve(diagonals, rhs, diagonals_format="compact")

    def _in_common_batch(self, x: Tensor, adjoint: bool) -> tuple[Tensor, Tensor]:
        diagonals = self._compact(adjoint)
        batch = common_batch_tensor(shape_of(x)[:-2], shape_of(diagonals)[:-2])
        x, diagonals = (
            broadcast_to(each, concat([batch, shape_of(each)[-2:]], 0)) for each in (x, diagonals)
        )
        return x, diagonals

    def _diag_part(self) -> Tensor:
        return self._three()[1]

    def _to_dense(self) -> Tensor:
        if self._diagonals_format == "matrix":
            return convert_to_tensor(self._diagonals)
        everything = (convert_to_tensor([-1, 1]), convert_to_tensor(-1), convert_to_tensor(-1))
        inputs = (self._compact(), *everything, self._cast_scalar(0))
        return execute("MatrixDiagV3", inputs, {"align": "LEFT_RIGHT"})

    def _assert_self_adjoint(self) -> Any:
        if self._diagonals_format == "matrix":
            matrix = convert_to_tensor(self._diagonals)
            return assert_equal(
                matrix, matrix_adjoint(matrix), message="Matrix was not equal to its adjoint."
            )
        upper, middle, lower = self._three()
        checks = [
            assert_real(
                middle, "This tridiagonal operator contained non-zero imaginary values on the diagonal."
            ),
            assert_equal(
                conj(lower)[..., 1:], upper[..., :-1],
                message="This tridiagonal operator has non-conjugate subdiagonal and superdiagonal.",
            ),
        ]  # fmt: skip
        return group(*[check for check in checks if check is not None])
