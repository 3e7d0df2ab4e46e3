"""`LinearOperatorBlockLowerTriangular`: operators on and below the diagonal of a block matrix."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.engine.export import export
from penstock.linear_operators import several
from penstock.linear_operators.blocks import BlockOperator
from penstock.linear_operators.full_matrix import LinearOperatorFullMatrix
from penstock.linear_operators.matrices import HINTS, given, hints, require_hint, with_common_batch
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.concatenation import concat
from penstock.ops.creation import zeros
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types.tensors import Tensor


@export("linalg.LinearOperatorBlockLowerTriangular")
class LinearOperatorBlockLowerTriangular(BlockOperator):
    """A block matrix that is zero above the diagonal; systems are solved one block row after the other.

    Args:
      operators: the rows of blocks: one operator in the first, two in the second, ... The blocks on the diagonal are
        square.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`.

    Raises:
      ValueError: the rows have other lengths, the sizes do not fit, or a hint contradicts those of the blocks.
      TypeError: the dtypes differ.

    Example:
      >>> import penstock as tf
      >>> one, two = (tf.linalg.LinearOperatorFullMatrix([[x]]) for x in (1.0, 2.0))
      >>> operator = tf.linalg.LinearOperatorBlockLowerTriangular([[two], [one, two]])
      >>> operator.solvevec([2.0, 5.0]).numpy()
      array([1., 2.], dtype=float32)
    """

    _composite_tensor_fields = ("operators",)

    def __init__(
        self,
        operators: Sequence[Sequence[LinearOperator]],
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorBlockLowerTriangular",
    ):
        parameters = given(locals())
        rows = [list(row) for row in operators]
        several.checked([each for row in rows for each in row])
        _check_blocks(rows)
        known = {hint: parameters[hint] for hint in HINTS}
        diagonal = [row[-1] for row in rows]
        several.hints_of_all(diagonal, known, ["is_non_singular"], "triangle")
        if any(each.is_non_singular is False for each in diagonal):
            require_hint(
                known, "is_non_singular", False, "A triangle with a singular diagonal block is singular."
            )
        require_hint(known, "is_square", True, "A block triangle is square.")
        self._operators, self._diagonal_operators = rows, diagonal
        super().__init__(diagonal[0].dtype, name=name, parameters=parameters, **known)

    @property
    def operators(self) -> list[list[LinearOperator]]:
        """The rows of blocks."""
        return [list(row) for row in self._operators]

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> dict:  # type: ignore[override]
        return {"operators": [[0] * len(row) for row in self._operators]}

    def _all_operators(self) -> Sequence[LinearOperator]:
        return [each for row in self._operators for each in row]

    def _block_matmul(self, blocks: list[Tensor], adjoint: bool) -> list[Tensor]:
        rows = self._operators
        if adjoint:
            return [
                several.total(rows[i][j].matmul(blocks[i], adjoint=True) for i in range(j, len(rows)))
                for j in range(len(rows))
            ]
        return [
            several.total(each.matmul(x) for each, x in zip(row, blocks[: len(row)], strict=True))
            for row in rows
        ]

    def _block_solve(self, blocks: list[Tensor], adjoint: bool) -> list[Tensor]:
        rows, found = self._operators, dict[int, Tensor]()
        order = range(len(rows))
        for i in reversed(order) if adjoint else order:
            rest = blocks[i]
            for j, known in found.items():
                block = rows[j][i] if adjoint else rows[i][j]
                rest = rest - block.matmul(known, adjoint=adjoint)
            found[i] = self._diagonal_operators[i].solve(rest, adjoint=adjoint)
        return [found[i] for i in order]

    def _linop_inverse(self) -> LinearOperator:
        """Row by row: `[[A, 0], [B, C]]^-1 = [[A^-1, 0], [-C^-1 B A^-1, C^-1]]`."""
        *above, bottom = self._operators
        corner = bottom[-1].inverse()
        if not above:
            return LinearOperatorBlockLowerTriangular([[corner]], **hints(self))
        upper = LinearOperatorBlockLowerTriangular(above).inverse().operators  # type: ignore[attr-defined]
        row: list[LinearOperator] = []
        for i in range(len(above)):
            product = several.total(bottom[j].matmul(upper[j][i].to_dense()) for j in range(i, len(above)))
            row.append(LinearOperatorFullMatrix(-corner.matmul(product)))
        return LinearOperatorBlockLowerTriangular([*upper, [*row, corner]], **hints(self))

    def _to_dense(self) -> Tensor:
        dense = iter(with_common_batch(*(each.to_dense() for each in self._all_operators())))
        grid = [[next(dense) for _ in row] for row in self._operators]
        widths = [shape_of(row[-1])[-1] for row in grid]
        rows = []
        for row in grid:
            missing = [
                zeros(concat([shape_of(row[0])[:-1], [width]], 0), self.dtype) for width in widths[len(row) :]
            ]
            rows.append(concat([*row, *missing], -1))
        return concat(rows, -2)


def _check_blocks(rows: list[list[LinearOperator]]) -> None:
    for i, row in enumerate(rows):
        if len(row) != i + 1:
            raise ValueError(
                f"Argument `operators[{i}]` must contain `{i + 1}` blocks. Received: {len(row)} blocks."
            )
        if row[-1].is_square is False:
            raise ValueError(f"The block `operators[{i}][-1]` on the diagonal must be square.")
        for j, each in enumerate(row[:-1]):
            if (each.domain_dimension != rows[i - 1][j].domain_dimension) is True:
                raise ValueError(
                    f"`operators[{i}][{j}]` has {each.domain_dimension} columns, and the block above it "
                    f"{rows[i - 1][j].domain_dimension}: they must be the same."
                )
            if (each.range_dimension != row[j + 1].range_dimension) is True:
                raise ValueError(
                    f"`operators[{i}][{j}]` has {each.range_dimension} rows, and the block beside it "
                    f"{row[j + 1].range_dimension}: they must be the same."
                )
