"""`LinearOperatorPermutation`: a matrix that puts rows into another order."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.linear_operators.matrices import adjoint_if, common_batch_tensor, given, held, require_hint
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.casting import cast
from penstock.ops.concatenation import concat
from penstock.ops.creation import ones, zeros
from penstock.ops.elementwise import call_op
from penstock.ops.gathering import gather
from penstock.ops.grouping import no_op
from penstock.ops.ordering import argsort
from penstock.ops.ranges import range_
from penstock.ops.replication import broadcast_to
from penstock.ops.reshaping import reshape
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


@export("linalg.LinearOperatorPermutation")
class LinearOperatorPermutation(LinearOperator):
    """Row `i` of the product is row `perm[i]` of the argument.

    Args:
      perm: `[*batch, n]`, each row a permutation of 0, ..., n - 1.
      dtype: the dtype of the matrix.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`.

    Raises:
      TypeError: `perm` is not of an integer dtype.
      ValueError: `perm` is no permutation, or a hint contradicts what one is.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.LinearOperatorPermutation([2, 0, 1]).matvec([10.0, 20.0, 30.0]).numpy()
      array([30., 10., 20.], dtype=float32)
    """

    _composite_tensor_fields = ("perm", "dtype")
    _experimental_parameter_ndims_to_matrix_ndims = {"perm": 1}

    def __init__(
        self,
        perm: Any,
        dtype: Any = dtypes.float32,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorPermutation",
    ):
        parameters = given(locals())
        self._perm = held(perm)
        _check(self._perm)
        if is_non_singular is False:
            raise ValueError("A Permutation operator is always non-singular.")
        known = {"is_square": is_square}
        require_hint(known, "is_square", True, "A Permutation operator is always square.")
        super().__init__(
            dtype,
            None,
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            name=name,
            parameters=parameters,
            **known,
        )

    @property
    def perm(self) -> Any:
        """The permutation."""
        return self._perm

    def _shape(self) -> TensorShape:
        return self._perm.shape.concatenate(self._perm.shape[-1:])

    def _shape_tensor(self) -> Tensor:
        shape = shape_of(self._perm)
        return concat([shape, shape[-1:]], 0)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        order = convert_to_tensor(self._perm)
        if adjoint and not self.is_self_adjoint:
            order = argsort(order, axis=-1)
        x = adjoint_if(adjoint_arg, x)
        rows = common_batch_tensor(shape_of(x)[:-1], shape_of(order))
        whole = concat([rows, shape_of(x)[-1:]], 0)
        flat = reshape(broadcast_to(x, whole), concat([[-1], whole[-2:]], 0))
        orders = reshape(broadcast_to(order, rows), concat([[-1], rows[-1:]], 0))
        return reshape(gather(flat, orders, axis=-2, batch_dims=1), whole)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._matmul(rhs, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _assert_non_singular(self) -> Any:
        return no_op()

    def _determinant(self) -> Tensor:
        """The sign of the permutation: that of the number of pairs in the wrong order."""
        order = convert_to_tensor(self._perm)
        later = call_op("Greater", order[..., :, None], order[..., None, :])
        wrong = cast(later, dtypes.int32) * cast(call_op("Less", *_places(order)), dtypes.int32)
        count = call_op("Sum", wrong, convert_to_tensor([-2, -1]))
        return self._cast_scalar(1 - 2 * (count % 2))

    def _log_abs_determinant(self) -> Tensor:
        return zeros(self._batch(), self.dtype)

    def _to_dense(self) -> Tensor:
        order = convert_to_tensor(self._perm)
        columns = range_(shape_of(order)[-1])
        return cast(call_op("Equal", cast(columns, order.dtype), order[..., None]), self.dtype)

    def _diag_part(self) -> Tensor:
        order = convert_to_tensor(self._perm)
        return cast(call_op("Equal", cast(range_(shape_of(order)[-1]), order.dtype), order), self.dtype)

    def _cond(self) -> Tensor:
        return ones(self._batch(), self.dtype)


def _places(order: Tensor) -> tuple[Tensor, Tensor]:
    """The row and the column number of each entry of a matrix."""
    numbers = range_(shape_of(order)[-1])
    return numbers[:, None], numbers[None, :]


def _check(perm: Any) -> None:
    if perm.shape.rank == 0:
        raise ValueError(f"Argument `perm` must have at least 1 dimension. Received: {perm}.")
    if not perm.dtype.is_integer:
        raise TypeError(f"Argument `perm` must be integer dtype. Received: {perm}.")
    known = constant_value(perm) if isinstance(perm, Tensor) else None
    if known is not None and not np.array_equal(
        np.sort(known, -1), np.broadcast_to(np.arange(known.shape[-1]), known.shape)
    ):
        raise ValueError(f"Argument `perm` must be a vector of unique integers from 0. Received: {perm}.")
