"""`LinearOperatorBlockDiag`: operators along the diagonal, zeros elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.export import export
from penstock.linear_operators import several
from penstock.linear_operators.blocks import BlockOperator
from penstock.linear_operators.matrices import HINTS, given, hints, with_common_batch
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.concatenation import concat
from penstock.ops.creation import zeros
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types.tensors import Tensor


@export("linalg.LinearOperatorBlockDiag")
class LinearOperatorBlockDiag(BlockOperator):
    """The direct sum of operators.

    Args:
      operators: operators of one dtype, from the upper left to the lower right.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`.

    Raises:
      ValueError: there are no operators, or a hint contradicts theirs.
      TypeError: their dtypes differ.

    Example:
      >>> import penstock as tf
      >>> block = tf.linalg.LinearOperatorFullMatrix([[1.0, 2.0], [3.0, 4.0]])
      >>> one = tf.linalg.LinearOperatorIdentity(1)
      >>> tf.linalg.LinearOperatorBlockDiag([block, one]).to_dense().numpy()
      array([[1., 2., 0.],
             [3., 4., 0.],
             [0., 0., 1.]], dtype=float32)
    """

    _composite_tensor_fields = ("operators",)

    def __init__(
        self,
        operators: Sequence[LinearOperator],
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str | None = None,
    ):
        parameters = given(locals())
        parts = several.checked(operators)
        known = {hint: parameters[hint] for hint in HINTS}
        several.hints_of_all(
            parts, known, ["is_non_singular", "is_self_adjoint", "is_positive_definite"], "direct sum"
        )
        self._operators = self._diagonal_operators = parts
        super().__init__(
            parts[0].dtype,
            name=name or "_ds_".join(each.name for each in parts),
            parameters=parameters,
            **known,
        )

    @property
    def operators(self) -> list[LinearOperator]:
        """The blocks."""
        return list(self._operators)

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> dict:  # type: ignore[override]
        return {"operators": [0] * len(self._operators)}

    def _block_matmul(self, blocks: list[Tensor], adjoint: bool) -> list[Tensor]:
        return [each.matmul(x, adjoint=adjoint) for each, x in zip(self._operators, blocks, strict=True)]

    def _block_solve(self, blocks: list[Tensor], adjoint: bool) -> list[Tensor]:
        return [each.solve(x, adjoint=adjoint) for each, x in zip(self._operators, blocks, strict=True)]

    def _linop_adjoint(self) -> LinearOperator:
        return LinearOperatorBlockDiag([each.adjoint() for each in self._operators], **hints(self))

    def _linop_inverse(self) -> LinearOperator:
        return LinearOperatorBlockDiag([each.inverse() for each in self._operators], **hints(self))

    def _linop_cholesky(self) -> LinearOperator:
        return LinearOperatorBlockDiag([each.cholesky() for each in self._operators], is_non_singular=True)

    def _to_dense(self) -> Tensor:
        blocks = with_common_batch(*(each.to_dense() for each in self._operators))
        widths = [shape_of(block)[-1] for block in blocks]
        rows = []
        for i, block in enumerate(blocks):
            shape = shape_of(block)[:-1]
            padded = [
                block if i == j else zeros(concat([shape, [width]], 0), self.dtype)
                for j, width in enumerate(widths)
            ]
            rows.append(concat(padded, -1))
        return concat(rows, -2)

    def _assert_self_adjoint(self) -> Any:
        return several.assert_each(self._operators, lambda each: each.assert_self_adjoint())

    def _assert_positive_definite(self) -> Any:
        return several.assert_each(self._operators, lambda each: each.assert_positive_definite())
