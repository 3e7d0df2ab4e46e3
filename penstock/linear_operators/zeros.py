"""`LinearOperatorZeros`: the zero matrix, known by its size."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export
from penstock.linear_operators.identity import SizedOperator, size_argument, static_sizes
from penstock.linear_operators.matrices import given
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.concatenation import concat
from penstock.ops.creation import ones, zeros
from penstock.ops.grouping import no_op
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.errors import InvalidArgumentError
from penstock.types.tensors import Tensor


@export("linalg.LinearOperatorZeros")
class LinearOperatorZeros(SizedOperator):
    """A matrix of zeros.

    Args:
      num_rows: the number of rows.
      num_columns: the number of columns; that of the rows by default.
      batch_shape: the batch shape; none by default.
      dtype: the dtype; float32 by default.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`.
      assert_proper_shapes: checks the sizes of arguments when ops run.

    Raises:
      ValueError: a hint says what no zero matrix is.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.LinearOperatorZeros(2).matvec([1.0, 2.0]).numpy()
      array([0., 0.], dtype=float32)
    """

    _composite_tensor_fields = ("num_rows", "num_columns", "batch_shape", "dtype", "assert_proper_shapes")

    def __init__(
        self,
        num_rows: Any,
        num_columns: Any = None,
        batch_shape: Any = None,
        dtype: Any = None,
        is_non_singular: bool | None = False,
        is_self_adjoint: bool | None = True,
        is_positive_definite: bool | None = False,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorZeros",
    ):
        parameters = given(locals())
        if not is_self_adjoint and is_square:
            raise ValueError("A zero operator is always self adjoint.")
        if is_non_singular:
            raise ValueError("A zero operator is always singular.")
        if is_positive_definite:
            raise ValueError("A zero operator is always not positive-definite.")
        super().__init__(
            as_dtype(dtype or dtypes.float32), None, is_non_singular, is_self_adjoint, is_positive_definite, is_square,
            name, parameters,
        )  # fmt: skip
        self._assert_proper_shapes = assert_proper_shapes
        self._num_rows = size_argument(num_rows, "num_rows", 0)
        self._num_columns = (
            self._num_rows if num_columns is None else size_argument(num_columns, "num_columns", 0)
        )
        self._batch_shape = None if batch_shape is None else size_argument(batch_shape, "batch_shape", 1)
        rows, columns = static_sizes(self._num_rows), static_sizes(self._num_columns)
        if is_square and None not in (rows or [None]) + (columns or [None]) and rows != columns:
            raise ValueError(
                f"LinearOperatorZeros initialized as is_square=True, but got num_rows({rows}) != num_columns({columns})"
            )

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        x = self._checked(x, adjoint, adjoint_arg)
        rows = self.domain_dimension_tensor() if adjoint else self.range_dimension_tensor()
        shape = shape_of(x)
        return self._in_batch(zeros(concat([shape[:-2], [rows], shape[-1:]], 0), x.dtype))

    def _assert_non_singular(self) -> Any:
        raise InvalidArgumentError(None, None, "Zero operators are always non-invertible.")

    def _assert_positive_definite(self) -> Any:
        raise InvalidArgumentError(None, None, "Zero operators are always non-positive definite.")

    def _assert_self_adjoint(self) -> Any:
        return no_op()

    def _determinant(self) -> Tensor:
        return self._filled(zeros)

    def _trace(self) -> Tensor:
        return self._filled(zeros)

    def _diag_part(self) -> Tensor:
        return zeros(self._diagonal_shape(), self.dtype)

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        return self._in_batch(x)

    def _eigvals(self) -> Tensor:
        return self._diag_part()

    def __getitem__(self, slices: Any) -> LinearOperator:
        batch = shape_of(ones(self._batch())[slices])
        return LinearOperatorZeros(**{**self.parameters, "batch_shape": batch})
