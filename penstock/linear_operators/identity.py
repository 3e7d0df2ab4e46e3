"""`LinearOperatorIdentity`: the identity matrix, known by its size."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.graph.scopes import control_dependencies
from penstock.linear_operators.matrices import adjoint_if, given
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.assert_values import assert_equal
from penstock.ops.concatenation import concat, stack
from penstock.ops.creation import ones, zeros
from penstock.ops.grouping import no_op
from penstock.ops.identity import identity as same
from penstock.ops.linalg.diagonals import diag_part, set_diag
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.variables.variable import Variable
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def size_argument(value: Any, name: str, rank: int) -> Tensor:
    """An argument that is a number of rows, or a batch shape.

    Raises:
      TypeError: it is a variable, or no integer.
      ValueError: it is negative, or has another rank than `rank`.
    """
    if isinstance(value, Variable):
        raise TypeError(f"Argument {name} cannot be reference type. Found: {type(value)}.")
    if isinstance(value, TensorShape):
        value = value.as_list()
    size = convert_to_tensor(value, dtypes.int32 if isinstance(value, (list, tuple)) and not value else None)
    if not size.dtype.is_integer:
        raise TypeError(f"Argument {name} must be integer type.  Found: {size}")
    known = constant_value(size)
    if size.shape.rank not in (None, rank):
        raise ValueError(f"Argument {name} must be a {rank}-D Tensor.  Found: {size}")
    if known is not None and (known < 0).any():
        raise ValueError(f"Argument {name} must be non-negative.  Found: {known}")
    return size


def static_sizes(size: Tensor | None) -> list[int | None] | None:
    """The sizes in a vector, or the one size as a list; None for each that is not known; None for an unknown rank."""
    if size is None:
        return []
    known = constant_value(size)
    if known is not None:
        return known.reshape(-1).tolist()
    return [None] if size.shape.rank == 0 else None if size.shape[0] is None else [None] * size.shape[0]


class SizedOperator(LinearOperator):
    """An operator that is known by numbers of rows and columns, and a batch shape (None for no batch)."""

    _num_rows: Tensor
    _num_columns: Tensor
    _batch_shape: Tensor | None = None
    _assert_proper_shapes = False

    def _shape(self) -> TensorShape:
        rows, columns = (static_sizes(each) or [None] for each in (self._num_rows, self._num_columns))
        return TensorShape(static_sizes(self._batch_shape)).concatenate([rows[0], columns[0]])

    def _shape_tensor(self) -> Tensor:
        matrix = stack([self._num_rows, self._num_columns])
        return matrix if self._batch_shape is None else concat([self._batch_shape, matrix], 0)

    def _in_batch(self, x: Tensor) -> Tensor:
        """`x` with the operator's batch dimensions, where it lacks them."""
        if self._batch_shape is None:
            return x
        if x.shape.rank is not None and x.shape[:-2] == self.batch_shape:
            return x
        return x + zeros(concat([self.batch_shape_tensor(), [1, 1]], 0), self.dtype)

    def _checked(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        """The argument of a product; with `assert_proper_shapes` its size is checked when it runs."""
        x = adjoint_if(adjoint_arg, x)
        if not self._assert_proper_shapes:
            return x
        own = self.range_dimension_tensor() if adjoint else self.domain_dimension_tensor()
        check = assert_equal(shape_of(x)[-2], own, message="Dimensions are not compatible.")
        with control_dependencies([] if check is None else [check]):
            return same(x)

    def _filled(self, make: Any) -> Tensor:
        """A number for each matrix of the batch."""
        return make(self._batch(), self.dtype)

    def _diagonal_shape(self) -> Any:
        shape = self.shape
        if shape.is_fully_defined():
            return [*shape.as_list()[:-2], min(shape.as_list()[-2:])]
        return self.shape_tensor()[:-1]


@export("linalg.LinearOperatorIdentity")
class LinearOperatorIdentity(SizedOperator):
    """The identity.

    Args:
      num_rows: the size.
      batch_shape: the batch shape; none by default.
      dtype: the dtype; float32 by default.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`; all are True.
      assert_proper_shapes: checks the sizes of arguments when ops run.

    Raises:
      ValueError: a hint is False, or a size negative.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.LinearOperatorIdentity(num_rows=2).matmul([[1.0], [2.0]]).numpy().ravel()
      array([1., 2.], dtype=float32)
    """

    _composite_tensor_fields = ("num_rows", "batch_shape", "dtype", "assert_proper_shapes")

    def __init__(
        self,
        num_rows: Any,
        batch_shape: Any = None,
        dtype: Any = None,
        is_non_singular: bool | None = True,
        is_self_adjoint: bool | None = True,
        is_positive_definite: bool | None = True,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorIdentity",
    ):
        parameters = given(locals())
        for hint in ("is_self_adjoint", "is_non_singular", "is_positive_definite", "is_square"):
            if not parameters[hint]:
                raise ValueError(
                    f"An identity operator always has the property {hint}, got {parameters[hint]}."
                )
        super().__init__(
            as_dtype(dtype or dtypes.float32), None, is_non_singular, is_self_adjoint, is_positive_definite, is_square,
            name, parameters,
        )  # fmt: skip
        self._assert_proper_shapes = assert_proper_shapes
        self._num_rows = self._num_columns = size_argument(num_rows, "num_rows", 0)
        self._batch_shape = None if batch_shape is None else size_argument(batch_shape, "batch_shape", 1)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._in_batch(self._checked(x, adjoint, adjoint_arg))

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._matmul(rhs, adjoint_arg=adjoint_arg)

    def _linop_adjoint(self) -> LinearOperator:
        return self

    _linop_inverse = _linop_cholesky = _linop_adjoint

    def _assert_non_singular(self) -> Any:
        return no_op()

    _assert_positive_definite = _assert_self_adjoint = _assert_non_singular

    def _determinant(self) -> Tensor:
        return self._filled(ones)

    def _log_abs_determinant(self) -> Tensor:
        return self._filled(zeros)

    def _trace(self) -> Tensor:
        return self._filled(ones) * self._cast_scalar(self.domain_dimension_tensor())

    def _diag_part(self) -> Tensor:
        return ones(self._diagonal_shape(), self.dtype)

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        return set_diag(x, diag_part(x) + self._cast_scalar(1))

    def _eigvals(self) -> Tensor:
        return self._diag_part()

    def _cond(self) -> Tensor:
        return self._filled(ones)

    def __getitem__(self, slices: Any) -> LinearOperator:
        batch = shape_of(ones(self._batch())[slices])
        return LinearOperatorIdentity(**{**self.parameters, "batch_shape": batch})
