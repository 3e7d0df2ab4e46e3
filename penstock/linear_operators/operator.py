"""`LinearOperator`, the base of all: hints, shapes, and every public method, by way of a dense matrix where no better is known.

A subclass defines `_shape`, `_shape_tensor` and `_matmul`, and whichever of the other methods with an underscore it can
do better. What two operators make together is in `products`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.graph.scopes import name_scope
from penstock.linear_operators.matrices import adjoint_if, hints, solve
from penstock.linear_operators.spec import operator_spec, sliced
from penstock.ops.assert_values import assert_equal, assert_less, assert_positive
from penstock.ops.casting import cast
from penstock.ops.creation import eye
from penstock.ops.elementwise import abs_, call_op
from penstock.ops.linalg.diagonals import diag_part
from penstock.ops.linalg.eigenvalues import eigvalsh, svd
from penstock.ops.linalg.linear_solvers import cholesky_solve
from penstock.ops.linalg.matrix_factors import cholesky
from penstock.ops.linalg.matrix_inverses import det, slogdet
from penstock.ops.reduce_functions import reduce_max, reduce_sum
from penstock.ops.reshaping import adjoint as matrix_adjoint
from penstock.ops.reshaping import expand_dims, squeeze
from penstock.ops.shapes_of_tensors import size as size_of
from penstock.tracing.module import Module
from penstock.types import dtypes
from penstock.types.composite import CompositeTensor
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import Dimension, TensorShape
from penstock.types.tensors import Tensor


def _smallest(x: Tensor) -> Tensor:
    return -reduce_max(-x, -1)


@export("linalg.LinearOperator")
class LinearOperator(Module, CompositeTensor):
    """A matrix, or a batch of them, that is known by what it does and not by its entries.

    Args:
      dtype: the dtype of the matrix, and of what it is multiplied with.
      graph_parents: not used.
      is_non_singular: hint: True or False is a promise, None says nothing.
      is_self_adjoint: hint: the matrix is its conjugate transpose.
      is_positive_definite: hint: `x^H A x` has a positive real part for all `x` but 0.
      is_square: hint.
      name: the name; by default that of the class.
      parameters: the arguments of the subclass's `__init__`.

    Raises:
      ValueError: the hints contradict each other.
    """

    # The arguments that make up the value, and how many dimensions each has without those of the batch.
    _composite_tensor_fields: Any = ()
    _experimental_parameter_ndims_to_matrix_ndims: Any = {}

    def __init__(
        self,
        dtype: Any,
        graph_parents: Any = None,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
        parameters: dict[str, Any] | None = None,
    ):
        if is_positive_definite:
            if is_non_singular is False:
                raise ValueError("A positive definite matrix is always non-singular.")
            is_non_singular = True
        for known, what in ((is_non_singular, "non-singular"), (is_self_adjoint, "self-adjoint")):
            if known:
                if is_square is False:
                    raise ValueError(f"A {what} matrix is always square.")
                is_square = True
        self._dtype = as_dtype(dtype).base_dtype if dtype else dtype
        self._is_non_singular = is_non_singular
        self._is_self_adjoint = is_self_adjoint
        self._is_positive_definite = is_positive_definite
        self._is_square = is_square
        self._graph_parents = list(graph_parents or [])
        self._parameters = self._no_dependency(parameters or {})
        self._name = name or type(self).__name__

    @contextlib.contextmanager
    def _name_scope(self, name: str | None = None) -> Iterator[str]:  # type: ignore[override]
        with name_scope(self._name if name is None else f"{self._name}/{name}") as scope:
            yield scope

    # -- what it is --------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments that the operator was made with."""
        return dict(self._parameters)

    @property
    def dtype(self) -> DType:
        """The dtype of the matrix."""
        return self._dtype

    @property
    def name(self) -> str:
        """The name that ops of the operator begin with."""
        return self._name

    @property
    def graph_parents(self) -> list:
        """What was given as `graph_parents`."""
        return list(self._graph_parents)

    @property
    def is_non_singular(self) -> bool | None:
        """The hint; None where nothing is promised."""
        return self._is_non_singular

    @property
    def is_self_adjoint(self) -> bool | None:
        """The hint; None where nothing is promised."""
        return self._is_self_adjoint

    @property
    def is_positive_definite(self) -> bool | None:
        """The hint; None where nothing is promised."""
        return self._is_positive_definite

    @property
    def is_square(self) -> bool | None:
        """The hint, or else what the shape says; ValueError where they contradict each other."""
        rows, columns = self.range_dimension.value, self.domain_dimension.value
        by_shape = None if rows is None or columns is None else rows == columns
        if self._is_square is False and by_shape:
            raise ValueError("User set is_square hint to False, but the operator was square.")
        return by_shape if self._is_square is None else self._is_square

    # -- shapes ------------------------------------------------------------------------------------------------

    def _shape(self) -> TensorShape:
        raise NotImplementedError(f"{type(self).__name__} does not define _shape.")

    def _shape_tensor(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define _shape_tensor.")

    @property
    def shape(self) -> TensorShape:
        """The shape `[*batch, rows, columns]`, as far as it is known."""
        return self._shape()

    def shape_tensor(self, name: str = "shape_tensor") -> Tensor:
        """The shape as a tensor."""
        with self._name_scope(name):
            known = self.shape
            return convert_to_tensor(known.as_list()) if known.is_fully_defined() else self._shape_tensor()

    @property
    def batch_shape(self) -> TensorShape:
        """The shape without rows and columns."""
        return self.shape[:-2]

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Tensor:
        """The batch shape as a tensor."""
        with self._name_scope(name):
            known = self.batch_shape
            if known.is_fully_defined():
                return convert_to_tensor(known.as_list(), dtypes.int32)
            return self.shape_tensor()[:-2]

    def _batch(self) -> Any:
        """The batch shape, as a list where it is known."""
        known = self.batch_shape
        return known.as_list() if known.is_fully_defined() else self.batch_shape_tensor()

    @property
    def tensor_rank(self) -> int | None:
        """The number of dimensions, those of the batch included."""
        return self.shape.rank

    def tensor_rank_tensor(self, name: str = "tensor_rank_tensor") -> Tensor:
        """The number of dimensions as a tensor."""
        with self._name_scope(name):
            return (
                size_of(self.shape_tensor())
                if self.tensor_rank is None
                else convert_to_tensor(self.tensor_rank)
            )

    @property
    def domain_dimension(self) -> Dimension:
        """The number of columns."""
        return self.shape.dims[-1] if self.shape.rank else Dimension(None)

    @property
    def range_dimension(self) -> Dimension:
        """The number of rows."""
        return self.shape.dims[-2] if self.shape.rank else Dimension(None)

    def domain_dimension_tensor(self, name: str = "domain_dimension_tensor") -> Tensor:
        """The number of columns as a tensor."""
        with self._name_scope(name):
            known = self.domain_dimension.value
            return self.shape_tensor()[-1] if known is None else convert_to_tensor(known)

    def range_dimension_tensor(self, name: str = "range_dimension_tensor") -> Tensor:
        """The number of rows as a tensor."""
        with self._name_scope(name):
            known = self.range_dimension.value
            return self.shape_tensor()[-2] if known is None else convert_to_tensor(known)

    # -- checks ------------------------------------------------------------------------------------------------

    def _assert_non_singular(self) -> Any:
        if self._can_use_cholesky():
            return self.assert_positive_definite()
        values = svd(self.to_dense(), compute_uv=False)
        largest = max(100, self.range_dimension.value or 0, self.domain_dimension.value or 0)
        limit = 1 / (largest * np.finfo(self.dtype.as_numpy_dtype).eps)
        return assert_less(
            reduce_max(values, -1) / _smallest(values),
            convert_to_tensor(limit, values.dtype),
            message="Singular matrix up to precision epsilon.",
        )

    def assert_non_singular(self, name: str = "assert_non_singular") -> Any:
        """Raises InvalidArgumentError, when it runs, unless the matrix can be inverted."""
        with self._name_scope(name):
            return self._assert_non_singular()

    def _assert_positive_definite(self) -> Any:
        if not self.is_self_adjoint:
            raise NotImplementedError(
                "assert_positive_definite is only implemented for self-adjoint operators."
            )
        return assert_positive(
            diag_part(cholesky(self.to_dense())), message="Matrix was not positive definite."
        )

    def assert_positive_definite(self, name: str = "assert_positive_definite") -> Any:
        """Raises InvalidArgumentError, when it runs, unless the matrix is positive definite."""
        with self._name_scope(name):
            return self._assert_positive_definite()

    def _assert_self_adjoint(self) -> Any:
        dense = self.to_dense()
        return assert_equal(dense, matrix_adjoint(dense), message="Matrix was not equal to its adjoint.")

    def assert_self_adjoint(self, name: str = "assert_self_adjoint") -> Any:
        """Raises InvalidArgumentError, when it runs, unless the matrix is its conjugate transpose."""
        with self._name_scope(name):
            return self._assert_self_adjoint()

    def _argument(self, x: Any, own: Dimension, axis: int) -> Tensor:
        """An argument as a tensor, its dtype and size checked."""
        tensor = convert_to_tensor(x)
        self._check_input_dtype(tensor)
        if tensor.shape.rank is not None:
            own.assert_is_compatible_with(tensor.shape[axis])
        return tensor

    def _check_input_dtype(self, arg: Any) -> None:
        if arg.dtype.base_dtype != self.dtype:
            raise TypeError(
                f"Expected argument to have dtype {self.dtype}.  Found: {arg.dtype} in tensor {arg}"
            )

    def _check_operator(self, left: LinearOperator, right: LinearOperator) -> None:
        columns, rows = left.domain_dimension.value, right.range_dimension.value
        if columns is not None and rows is not None and columns != rows:
            raise ValueError(
                f"Operators are incompatible. Expected the argument to have dimension {columns} but got {rows}."
            )

    # -- products ----------------------------------------------------------------------------------------------

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define _matmul.")

    def matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "matmul") -> Any:
        """The product with a matrix, or with another operator.

        Args:
          x: `[*batch, columns, n]` of the operator's dtype, or a LinearOperator.
          adjoint: takes the adjoint of this operator.
          adjoint_arg: takes the adjoint of `x`.
          name: the name scope of the ops.

        Returns:
          A tensor `[*batch, rows, n]`; for an operator an operator.
        """
        with self._name_scope(name):
            if isinstance(x, LinearOperator):
                left, right = self.adjoint() if adjoint else self, x.adjoint() if adjoint_arg else x
                self._check_operator(left, right)
                return self._linop_matmul(left, right)
            own = self.range_dimension if adjoint else self.domain_dimension
            x = self._argument(x, own, -1 if adjoint_arg else -2)
            return self._matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def __matmul__(self, other: Any) -> Any:
        return self.matmul(other)

    def _linop_matmul(self, left_operator: LinearOperator, right_operator: LinearOperator) -> LinearOperator:
        from penstock.linear_operators.products import product

        return product(left_operator, right_operator)

    def _matvec(self, x: Tensor, adjoint: bool = False) -> Tensor:
        return squeeze(self.matmul(expand_dims(x, -1), adjoint=adjoint), -1)

    def matvec(self, x: Any, adjoint: bool = False, name: str = "matvec") -> Any:
        """The product with a vector `[*batch, columns]`."""
        with self._name_scope(name):
            own = self.range_dimension if adjoint else self.domain_dimension
            return self._matvec(self._argument(x, own, -1), adjoint=adjoint)

    # -- systems -----------------------------------------------------------------------------------------------

    def _dense_solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        rhs = adjoint_if(adjoint_arg, rhs)
        if self._can_use_cholesky():
            return cholesky_solve(cholesky(self.to_dense()), rhs)
        return solve(self.to_dense(), rhs, adjoint)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._dense_solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _check_solvable(self) -> None:
        if self.is_non_singular is False:
            raise NotImplementedError(
                "Exact solve not implemented for an operator that is expected to be singular."
            )
        if self.is_square is False:
            raise NotImplementedError(
                "Exact solve not implemented for an operator that is expected to not be square."
            )

    def solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "solve") -> Any:
        """The `x` with `self @ x = rhs`.

        Args:
          rhs: `[*batch, rows, n]` of the operator's dtype, or a LinearOperator.
          adjoint: takes the adjoint of this operator.
          adjoint_arg: takes the adjoint of `rhs`.
          name: the name scope of the ops.

        Raises:
          NotImplementedError: the hints say that the operator is singular or not square.
        """
        self._check_solvable()
        with self._name_scope(name):
            if isinstance(rhs, LinearOperator):
                left, right = self.adjoint() if adjoint else self, rhs.adjoint() if adjoint_arg else rhs
                self._check_operator(left, right)
                return self._linop_solve(left, right)
            own = self.domain_dimension if adjoint else self.range_dimension
            rhs = self._argument(rhs, own, -1 if adjoint_arg else -2)
            return self._solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _linop_solve(self, left_operator: LinearOperator, right_operator: LinearOperator) -> LinearOperator:
        from penstock.linear_operators.products import solution

        return solution(left_operator, right_operator)

    def _solvevec(self, rhs: Tensor, adjoint: bool = False) -> Tensor:
        return squeeze(self.solve(expand_dims(rhs, -1), adjoint=adjoint), -1)

    def solvevec(self, rhs: Any, adjoint: bool = False, name: str = "solve") -> Any:
        """As `solve`, of a vector `[*batch, rows]`."""
        with self._name_scope(name):
            own = self.domain_dimension if adjoint else self.range_dimension
            return self._solvevec(self._argument(rhs, own, -1), adjoint=adjoint)

    # -- related operators -------------------------------------------------------------------------------------

    def adjoint(self, name: str = "adjoint") -> LinearOperator:
        """The conjugate transpose, as an operator."""
        if self.is_self_adjoint is True:
            return self
        with self._name_scope(name):
            return self._linop_adjoint()

    H = property(adjoint)

    def _linop_adjoint(self) -> LinearOperator:
        from penstock.linear_operators.adjoint import LinearOperatorAdjoint

        return LinearOperatorAdjoint(self, **hints(self))

    def inverse(self, name: str = "inverse") -> LinearOperator:
        """The inverse, as an operator; ValueError where the hints say that there is none."""
        if self.is_square is False:
            raise ValueError("Cannot take the Inverse: This operator represents a non square matrix.")
        if self.is_non_singular is False:
            raise ValueError("Cannot take the Inverse: This operator represents a singular matrix.")
        with self._name_scope(name):
            return self._linop_inverse()

    def _linop_inverse(self) -> LinearOperator:
        from penstock.linear_operators.inversion import LinearOperatorInversion

        return LinearOperatorInversion(self, **hints(self))

    def _can_use_cholesky(self) -> bool | None:
        return self.is_self_adjoint and self.is_positive_definite

    def cholesky(self, name: str = "cholesky") -> LinearOperator:
        """The lower triangular `L` with `L L^H = self`, as an operator.

        Raises:
          ValueError: the hints do not promise that the matrix is self-adjoint and positive definite.
        """
        if not self._can_use_cholesky():
            raise ValueError(
                "Cannot take the Cholesky decomposition: Not a positive definite self adjoint matrix."
            )
        with self._name_scope(name):
            return self._linop_cholesky()

    def _linop_cholesky(self) -> LinearOperator:
        from penstock.linear_operators.lower_triangular import LinearOperatorLowerTriangular

        return LinearOperatorLowerTriangular(
            cholesky(self.to_dense()), is_non_singular=True, is_self_adjoint=False, is_square=True
        )

    # -- numbers -----------------------------------------------------------------------------------------------

    def _check_square(self) -> None:
        if self.is_square is False:
            raise NotImplementedError(
                "Determinant not implemented for an operator that is expected to not be square."
            )

    def _determinant(self) -> Tensor:
        if self._can_use_cholesky():
            return call_op("Exp", self.log_abs_determinant())
        return det(self.to_dense())

    def determinant(self, name: str = "det") -> Tensor:
        """The determinant of each matrix of the batch."""
        self._check_square()
        with self._name_scope(name):
            return self._determinant()

    def _log_abs_determinant(self) -> Tensor:
        if self._can_use_cholesky():
            roots = call_op("Log", diag_part(cholesky(self.to_dense())))
            return convert_to_tensor(2, self.dtype) * reduce_sum(roots, -1)
        return slogdet(self.to_dense())[1]

    def log_abs_determinant(self, name: str = "log_abs_det") -> Tensor:
        """The logarithm of the absolute value of the determinant."""
        self._check_square()
        with self._name_scope(name):
            return self._log_abs_determinant()

    def _to_dense(self) -> Tensor:
        columns = self.domain_dimension.value
        columns = self.domain_dimension_tensor() if columns is None else columns
        return self.matmul(eye(columns, batch_shape=self._batch(), dtype=self.dtype))

    def to_dense(self, name: str = "to_dense") -> Tensor:
        """The matrix as a tensor."""
        with self._name_scope(name):
            return self._to_dense()

    def _diag_part(self) -> Tensor:
        return diag_part(self.to_dense())

    def diag_part(self, name: str = "diag_part") -> Tensor:
        """The diagonal."""
        with self._name_scope(name):
            return self._diag_part()

    def _trace(self) -> Tensor:
        return reduce_sum(self.diag_part(), -1)

    def trace(self, name: str = "trace") -> Tensor:
        """The sum of the diagonal."""
        with self._name_scope(name):
            return self._trace()

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        return self.to_dense() + x

    def add_to_tensor(self, x: Any, name: str = "add_to_tensor") -> Tensor:
        """The sum of the matrix and a tensor."""
        with self._name_scope(name):
            x = convert_to_tensor(x)
            self._check_input_dtype(x)
            return self._add_to_tensor(x)

    def _eigvals(self) -> Tensor:
        return eigvalsh(self.to_dense())

    def eigvals(self, name: str = "eigvals") -> Tensor:
        """The eigenvalues; NotImplementedError unless the operator is known to be self-adjoint."""
        if not self.is_self_adjoint:
            raise NotImplementedError("Only self-adjoint matrices are supported.")
        with self._name_scope(name):
            return self._eigvals()

    def _cond(self) -> Tensor:
        values = abs_(self._eigvals()) if self.is_self_adjoint else svd(self.to_dense(), compute_uv=False)
        return reduce_max(values, -1) / _smallest(values)

    def cond(self, name: str = "cond") -> Tensor:
        """The largest singular value over the smallest."""
        with self._name_scope(name):
            return self._cond()

    # -- as a composite of tensors -----------------------------------------------------------------------------

    @property
    def _type_spec(self) -> Any:
        return operator_spec(self)

    def __getitem__(self, slices: Any) -> LinearOperator:
        return sliced(self, slices)

    def _cast_scalar(self, value: Any) -> Tensor:
        """A number, or an integer tensor, in the operator's dtype."""
        return cast(convert_to_tensor(value), self.dtype)
