"""`LinearOperatorToeplitz`: a matrix with constant diagonals, multiplied as part of a circulant one."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.linear_operators.circulant import LinearOperatorCirculant, as_complex
from penstock.linear_operators.matrices import (
    adjoint_if,
    common_batch_shape,
    common_batch_tensor,
    given,
    held,
    require_hint,
)
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.assert_values import assert_equal
from penstock.ops.casting import cast
from penstock.ops.complex_numbers import conj
from penstock.ops.concatenation import concat
from penstock.ops.creation import ones, zeros_like
from penstock.ops.elementwise import call_op
from penstock.ops.gathering import gather
from penstock.ops.ranges import range_
from penstock.ops.replication import broadcast_to
from penstock.ops.reversal import reverse
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@export("linalg.LinearOperatorToeplitz")
class LinearOperatorToeplitz(LinearOperator):
    """A square matrix whose entries depend on row minus column only; products cost O(n log n).

    Args:
      col: its first column, `[*batch, n]`.
      row: its first row; the first entry is that of `col`.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`.

    Raises:
      ValueError: the sizes differ, or `is_square` is False.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.LinearOperatorToeplitz([1.0, 2.0, 3.0], [1.0, 7.0, 8.0]).to_dense().numpy()
      array([[1., 7., 8.],
             [2., 1., 7.],
             [3., 2., 1.]], dtype=float32)
    """

    _composite_tensor_fields = ("col", "row")
    _experimental_parameter_ndims_to_matrix_ndims = {"col": 1, "row": 1}

    def __init__(
        self,
        col: Any,
        row: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorToeplitz",
    ):
        parameters = given(locals())
        self._col, self._row = held(col), held(row)
        for what, vector in (("row", self._row), ("col", self._col)):
            if vector.shape.rank == 0:
                raise ValueError(f"Argument {what} must have at least 1 dimension.  Found: {vector}")
        if not self._row.shape[-1:].is_compatible_with(self._col.shape[-1:]):
            raise ValueError("Expected square matrix, got row and col with mismatched dimensions.")
        known = {"is_square": is_square}
        require_hint(known, "is_square", True, "Only square Toeplitz operators are supported.")
        super().__init__(
            self._row.dtype, None, is_non_singular, is_self_adjoint, is_positive_definite, name=name,
            parameters=parameters, **known,
        )  # fmt: skip

    @property
    def col(self) -> Any:
        """The first column."""
        return self._col

    @property
    def row(self) -> Any:
        """The first row."""
        return self._row

    def _shape(self) -> TensorShape:
        shape = common_batch_shape(self._row.shape, self._col.shape)
        return shape.concatenate(shape[-1:])

    def _shape_tensor(self) -> Tensor:
        shape = common_batch_tensor(shape_of(self._row), shape_of(self._col))
        return concat([shape, shape[-1:]], 0)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        """As the upper left part of a circulant matrix of twice the size."""
        x = adjoint_if(adjoint_arg, x)
        column, row = self._broadcast_vectors()
        first = concat([column, zeros_like(column[..., :1]), reverse(row[..., 1:], [-1])], -1)
        circulant = LinearOperatorCirculant(call_op("FFT", as_complex(first)), self.dtype)
        result = circulant.matmul(concat([x, zeros_like(x)], -2), adjoint=adjoint)
        return cast(result[..., : shape_of(x)[-2], :], self.dtype)

    def _broadcast_vectors(self) -> tuple[Tensor, Tensor]:
        column, row = convert_to_tensor(self._col), convert_to_tensor(self._row)
        shape = common_batch_tensor(shape_of(row), shape_of(column))
        return broadcast_to(column, shape), broadcast_to(row, shape)

    def _to_dense(self) -> Tensor:
        column, row = self._broadcast_vectors()
        size = shape_of(row)[-1]
        entries = concat([reverse(column, [-1]), row[..., 1:]], -1)
        return gather(entries, range_(size)[None, :] - range_(size)[:, None] + size - 1, axis=-1)

    def _diag_part(self) -> Tensor:
        entry = convert_to_tensor(self._col)[..., :1]
        return broadcast_to(entry, self.shape_tensor()[:-1]) * ones([1], self.dtype)

    def _trace(self) -> Tensor:
        return self._cast_scalar(self.domain_dimension_tensor()) * convert_to_tensor(self._col)[..., 0]

    def _assert_self_adjoint(self) -> Any:
        message = "row and col are not the same, and so this operator is not self-adjoint."
        return assert_equal(self._row, conj(self._col), message=message)
