"""`LinearOperatorFullMatrix`: a matrix that is a tensor, for use where an operator is wanted."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export
from penstock.linear_operators.matrices import given, held
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.linalg.matmul import matmul
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_DTYPES = (dtypes.float16, dtypes.float32, dtypes.float64, dtypes.complex64, dtypes.complex128)


@export("linalg.LinearOperatorFullMatrix")
class LinearOperatorFullMatrix(LinearOperator):
    """A dense matrix.

    Args:
      matrix: `[*batch, rows, columns]` of a floating or complex dtype.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`.

    Raises:
      TypeError: another dtype.
      ValueError: fewer than two dimensions.

    Example:
      >>> import penstock as tf
      >>> operator = tf.linalg.LinearOperatorFullMatrix([[1.0, -2.0], [-3.0, 4.0]])
      >>> operator.solve(operator.matmul([[1.0], [2.0]])).numpy().round(4)
      array([[1.],
             [2.]], dtype=float32)
    """

    _composite_tensor_fields = ("matrix",)
    _experimental_parameter_ndims_to_matrix_ndims = {"matrix": 2}

    def __init__(
        self,
        matrix: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorFullMatrix",
    ):
        parameters = given(locals())
        self._matrix = held(matrix)
        if self._matrix.dtype not in _DTYPES:
            raise TypeError(
                f"Argument `matrix` must have dtype in {_DTYPES}. Received: {self._matrix.dtype}."
            )
        if self._matrix.shape.rank is not None and self._matrix.shape.rank < 2:
            raise ValueError(f"Argument `matrix` must have at least 2 dimensions. Received: {self._matrix}.")
        super().__init__(
            self._matrix.dtype, None, is_non_singular, is_self_adjoint, is_positive_definite, is_square, name,
            parameters,
        )  # fmt: skip

    @property
    def matrix(self) -> Any:
        """The matrix."""
        return self._matrix

    def _shape(self) -> TensorShape:
        return self._matrix.shape

    def _shape_tensor(self) -> Tensor:
        return shape_of(self._matrix)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return matmul(self._matrix, x, adjoint_a=adjoint, adjoint_b=adjoint_arg)

    def _to_dense(self) -> Tensor:
        return held(self._matrix) if isinstance(self._matrix, Tensor) else self._matrix.read_value()
