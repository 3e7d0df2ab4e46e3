"""`LinearOperatorLowRankUpdate`: an operator plus a product of thin matrices, solved by the Woodbury identity."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.linear_operators.diag import LinearOperatorDiag
from penstock.linear_operators.identity import LinearOperatorIdentity
from penstock.linear_operators.matrices import (
    HINTS,
    common_batch_shape,
    common_batch_tensor,
    given,
    held,
    require_hint,
    solve,
    with_common_batch,
)
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.casting import cast
from penstock.ops.complex_numbers import conj
from penstock.ops.concatenation import concat
from penstock.ops.elementwise import abs_, call_op
from penstock.ops.linalg.diagonals import diag_part
from penstock.ops.linalg.linear_solvers import cholesky_solve
from penstock.ops.linalg.matmul import matmul
from penstock.ops.linalg.matrix_factors import cholesky
from penstock.ops.linalg.matrix_inverses import det
from penstock.ops.reduce_functions import reduce_sum
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@export("linalg.LinearOperatorLowRankUpdate")
class LinearOperatorLowRankUpdate(LinearOperator):
    """`L + U D V^H`, where `U` and `V` have few columns.

    With r columns, a system costs one of `L`, one with r columns, and a dense one of size r.

    Args:
      base_operator: `L`.
      u: `U`, `[*batch, rows, r]`.
      diag_update: the diagonal of `D`, `[*batch, r]`; ones by default.
      v: `V`; `U` by default.
      is_diag_update_positive: hint: all of `diag_update` is positive.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`.

    Raises:
      ValueError: a hint contradicts another, or the shapes do not fit.

    Example:
      >>> import penstock as tf
      >>> base = tf.linalg.LinearOperatorDiag([1.0, 1.0], is_positive_definite=True)
      >>> tf.linalg.LinearOperatorLowRankUpdate(base, [[1.0], [2.0]]).to_dense().numpy()
      array([[2., 2.],
             [2., 5.]], dtype=float32)
    """

    _composite_tensor_fields = ("base_operator", "u", "diag_update", "v", "is_diag_update_positive")
    _experimental_parameter_ndims_to_matrix_ndims = {"base_operator": 0, "u": 2, "diag_update": 1, "v": 2}

    def __init__(
        self,
        base_operator: LinearOperator,
        u: Any,
        diag_update: Any = None,
        v: Any = None,
        is_diag_update_positive: bool | None = None,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorLowRankUpdate",
    ):
        parameters = given(locals())
        known = {hint: parameters[hint] for hint in (*HINTS, "is_diag_update_positive")}
        if diag_update is None:
            require_hint(known, "is_diag_update_positive", True, "The default diagonal is the identity.")
        positive = known.pop("is_diag_update_positive")
        self._use_cholesky = bool(
            base_operator.is_positive_definite and base_operator.is_self_adjoint and positive and v is None
        )
        if base_operator.is_self_adjoint and v is None and not base_operator.dtype.is_complex:
            require_hint(known, "is_self_adjoint", True, "L and U D U^H are self-adjoint.")
        if self._use_cholesky:
            for hint in ("is_self_adjoint", "is_positive_definite", "is_non_singular"):
                require_hint(
                    known, hint, True, "Arguments imply this is self-adjoint positive-definite operator."
                )
        super().__init__(base_operator.dtype, name=name, parameters=parameters, **known)
        self._base_operator, self._is_diag_update_positive = base_operator, positive
        self._u, self._diag_update = held(u), held(diag_update)
        self._v = self._u if v is None else held(v)
        columns = self._u.shape[-1] if self._u.shape.rank else None
        columns = shape_of(self._u)[-1] if columns is None else columns
        self._diag_operator: LinearOperator = (
            LinearOperatorIdentity(columns, dtype=self.dtype)
            if self._diag_update is None
            else LinearOperatorDiag(self._diag_update, is_positive_definite=positive)
        )
        self._check_shapes()

    def _check_shapes(self) -> None:
        rows = common_batch_shape(self._u.shape, self._v.shape)
        if rows.rank is None:
            return
        self._base_operator.domain_dimension.assert_is_compatible_with(rows[-2])
        if self._diag_update is not None and self._diag_update.shape.rank is not None:
            rows.dims[-1].assert_is_compatible_with(self._diag_update.shape[-1])
        self._shape()

    @property
    def u(self) -> Any:
        """`U`."""
        return self._u

    @property
    def v(self) -> Any:
        """`V`."""
        return self._v

    @property
    def is_diag_update_positive(self) -> bool | None:
        """The hint about `diag_update`."""
        return self._is_diag_update_positive

    @property
    def diag_update(self) -> Any:
        """The diagonal of `D`; None for the identity."""
        return self._diag_update

    @property
    def diag_operator(self) -> LinearOperator:
        """`D`."""
        return self._diag_operator

    @property
    def base_operator(self) -> LinearOperator:
        """`L`."""
        return self._base_operator

    def _shape(self) -> TensorShape:
        batches = (self._base_operator.batch_shape, self._diag_operator.batch_shape)
        batch = common_batch_shape(*batches, self._u.shape[:-2], self._v.shape[:-2])
        return batch.concatenate(self._base_operator.shape[-2:])

    def _shape_tensor(self) -> Tensor:
        batches = (self._base_operator.batch_shape_tensor(), self._diag_operator.batch_shape_tensor())
        batch = common_batch_tensor(*batches, shape_of(self._u)[:-2], shape_of(self._v)[:-2])
        return concat([batch, self._base_operator.shape_tensor()[-2:]], 0)

    def _thin(self, adjoint: bool = False) -> tuple[Tensor, Tensor]:
        """`U` and `V`, or the other way round for the adjoint."""
        u, v = convert_to_tensor(self._u), convert_to_tensor(self._v)
        return (v, u) if adjoint else (u, v)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        u, v = self._thin(adjoint)
        small = self._diag_operator.matmul(
            matmul(v, x, adjoint_a=True, adjoint_b=adjoint_arg), adjoint=adjoint
        )
        return self._base_operator.matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg) + matmul(u, small)

    def _capacitance(self, adjoint: bool = False) -> Tensor:
        """`D^-1 + V^H L^-1 U`, the small matrix that stands for the update."""
        u, v = self._thin(adjoint)
        small = matmul(v, self._base_operator.solve(u, adjoint=adjoint), adjoint_a=True)
        inverse = self._diag_operator.inverse()
        return (inverse.adjoint() if adjoint else inverse).add_to_tensor(small)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        """`(L + U D V^H)^-1 = L^-1 - L^-1 U C^-1 V^H L^-1`, where C is the capacitance."""
        base = self._base_operator
        if base.is_non_singular is False:
            raise ValueError(
                "Solve not implemented unless this is a perturbation of a non-singular LinearOperator."
            )
        u, v = self._thin(adjoint)
        first = base.solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)
        small, capacitance = matmul(v, first, adjoint_a=True), self._capacitance(adjoint)
        if self._use_cholesky:
            factor, small = with_common_batch(cholesky(capacitance), small)
            small = cholesky_solve(factor, small)
        else:
            small = solve(capacitance, small)
        return first - base.solve(matmul(u, small), adjoint=adjoint)

    def _determinant(self) -> Tensor:
        if self.is_positive_definite and self._use_cholesky:
            return call_op("Exp", self.log_abs_determinant())
        return (
            det(self._capacitance()) * self._diag_operator.determinant() * self._base_operator.determinant()
        )

    def _log_abs_determinant(self) -> Tensor:
        if self._use_cholesky:
            logs = call_op("Log", diag_part(cholesky(self._capacitance())))
            small = reduce_sum(logs + logs, -1)
        else:
            small = cast(call_op("Log", abs_(det(self._capacitance()))), self.dtype)
        return small + self._diag_operator.log_abs_determinant() + self._base_operator.log_abs_determinant()

    def _diag_part(self) -> Tensor:
        u, v = self._thin()
        product = u * conj(v)
        if self._diag_update is not None:
            product *= convert_to_tensor(self._diag_update)[..., None, :]
        return reduce_sum(product, -1) + self._base_operator.diag_part()

    def _assert_self_adjoint(self) -> Any:
        if self._u is self._v and self._diag_update is None:
            return self._base_operator.assert_self_adjoint()
        return super()._assert_self_adjoint()
