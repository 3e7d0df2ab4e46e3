"""Operators made of blocks: their arguments may be whole, or lists with one tensor for each block, and so are the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.linear_operators import several
from penstock.linear_operators.matrices import adjoint_if, with_common_batch
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.concatenation import concat, split, stack
from penstock.ops.reshaping import squeeze
from penstock.types.shapes import Dimension, TensorShape
from penstock.types.tensors import Tensor


class BlockOperator(LinearOperator):
    """An operator with `_diagonal_operators`, whose sizes are those of the blocks of arguments and results.

    A subclass defines `_block_matmul` and `_block_solve`, which take and give lists of matrices.
    """

    _diagonal_operators: list[LinearOperator]

    def _block_matmul(self, blocks: list[Tensor], adjoint: bool) -> list[Tensor]:
        raise NotImplementedError

    def _block_solve(self, blocks: list[Tensor], adjoint: bool) -> list[Tensor]:
        raise NotImplementedError

    def _block_range_dimensions(self) -> list[Dimension]:
        return [each.range_dimension for each in self._diagonal_operators]

    def _block_domain_dimensions(self) -> list[Dimension]:
        return [each.domain_dimension for each in self._diagonal_operators]

    def _all_operators(self) -> Sequence[LinearOperator]:
        return self._diagonal_operators

    def _shape(self) -> TensorShape:
        rows, columns = (
            several.total(dims) for dims in (self._block_range_dimensions(), self._block_domain_dimensions())
        )
        return several.batch_shape(self._all_operators()).concatenate(TensorShape([rows, columns]))

    def _shape_tensor(self) -> Tensor:
        rows = several.total(each.range_dimension_tensor() for each in self._diagonal_operators)
        columns = several.total(each.domain_dimension_tensor() for each in self._diagonal_operators)
        return concat([several.batch_shape_tensor(self._all_operators()), stack([rows, columns])], 0)

    def _applied(self, x: Any, adjoint: bool, adjoint_arg: bool, solving: bool) -> Any:
        """The product, or the solution; blockwise where the argument is."""
        of_rows = adjoint != solving  # the argument has the sizes of this operator's rows, not of its columns
        dims = self._block_range_dimensions() if of_rows else self._block_domain_dimensions()
        axis = -1 if adjoint_arg else -2
        apply = self._block_solve if solving else self._block_matmul
        if is_blockwise(dims, x, axis):
            blocks = [self._argument(each, dim, axis) for each, dim in zip(x, dims, strict=True)]
            return apply([adjoint_if(adjoint_arg, each) for each in blocks], adjoint)
        x = adjoint_if(adjoint_arg, self._argument(x, several.total(dims), axis))
        results = apply(split(x, self._block_sizes(of_rows), axis=-2), adjoint)
        return concat(with_common_batch(*results), -2)

    def _block_sizes(self, of_rows: bool) -> Any:
        sizes = [
            each.range_dimension_tensor() if of_rows else each.domain_dimension_tensor()
            for each in self._diagonal_operators
        ]
        known = [
            (each.range_dimension if of_rows else each.domain_dimension).value
            for each in self._diagonal_operators
        ]
        return stack(sizes) if None in known else known

    def matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "matmul") -> Any:
        """The product with a matrix, an operator, or a list with a matrix for each block.

        Args:
          x: `[*batch, columns, n]`, a LinearOperator, or a list of matrices, one for each block.
          adjoint: takes the adjoint of this operator.
          adjoint_arg: takes the adjoint of `x`, or of each matrix in the list.
          name: the name scope of the ops.

        Returns:
          A tensor, an operator, or a list, as `x` is.
        """
        if isinstance(x, LinearOperator):
            return super().matmul(x, adjoint, adjoint_arg, name)
        with self._name_scope(name):
            return self._applied(x, adjoint, adjoint_arg, solving=False)

    def solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "solve") -> Any:
        """The `x` with `self @ x = rhs`; of a list with a matrix for each block, a list."""
        if isinstance(rhs, LinearOperator):
            return super().solve(rhs, adjoint, adjoint_arg, name)
        self._check_solvable()
        with self._name_scope(name):
            return self._applied(rhs, adjoint, adjoint_arg, solving=True)

    def _of_vectors(self, x: Any, adjoint: bool, solving: bool) -> Any:
        dims = self._block_range_dimensions() if adjoint != solving else self._block_domain_dimensions()
        if not is_blockwise(dims, x, -1):
            return squeeze(self._applied(convert_to_tensor(x)[..., None], adjoint, False, solving), -1)
        columns = [convert_to_tensor(each)[..., None] for each in x]
        return [squeeze(each, -1) for each in self._applied(columns, adjoint, False, solving)]

    def matvec(self, x: Any, adjoint: bool = False, name: str = "matvec") -> Any:
        """The product with a vector, or with a list with a vector for each block."""
        with self._name_scope(name):
            return self._of_vectors(x, adjoint, solving=False)

    def solvevec(self, rhs: Any, adjoint: bool = False, name: str = "solve") -> Any:
        """As `solve`, of a vector, or of a list with a vector for each block."""
        self._check_solvable()
        with self._name_scope(name):
            return self._of_vectors(rhs, adjoint, solving=True)

    def _determinant(self) -> Tensor:
        return several.multiplied(each.determinant() for each in self._diagonal_operators)

    def _log_abs_determinant(self) -> Tensor:
        return several.total(each.log_abs_determinant() for each in self._diagonal_operators)

    def _joined(self, what: str, vectors: Any) -> Tensor:
        """Vectors of the diagonal blocks, one after the other."""
        if not all(each.is_square for each in self._diagonal_operators):
            raise NotImplementedError(
                f"`{what}` not implemented for an operator whose blocks are not square."
            )
        columns = [vectors(each)[..., None] for each in self._diagonal_operators]
        return squeeze(concat(with_common_batch(*columns), -2), -1)

    def _diag_part(self) -> Tensor:
        return self._joined("diag_part", lambda each: each.diag_part())

    def _eigvals(self) -> Tensor:
        return self._joined("eigvals", lambda each: each.eigvals())

    def _trace(self) -> Tensor:
        if not all(each.is_square for each in self._diagonal_operators):
            raise NotImplementedError("`trace` not implemented for an operator whose blocks are not square.")
        return several.total(each.trace() for each in self._diagonal_operators)

    def _assert_non_singular(self) -> Any:
        return several.assert_each(self._diagonal_operators, lambda each: each.assert_non_singular())


def is_blockwise(dims: Sequence[Dimension], x: Any, axis: int) -> bool:
    """Whether an argument is a list with a tensor for each block; a nested list may also be one tensor.

    Raises:
      ValueError: the sizes in a list fit neither way.
    """
    if not isinstance(x, (list, tuple)) or len(x) != len(dims):
        return False
    if not any(isinstance(each, (list, tuple)) for each in x):
        return not all(isinstance(each, (int, float, complex)) for each in x)
    found = [convert_to_tensor(each).shape for each in x]
    if any(shape.rank is None or shape.rank < -axis for shape in found):
        return False
    sizes, own = [shape[axis] for shape in found], [dim.value for dim in dims]
    if all(mine is None or mine == size for mine, size in zip(own, sizes, strict=True)):
        return True
    if len(set(sizes)) == 1:
        return False
    raise ValueError(f"Input dimension does not match operator dimension: {sizes} for blocks of {own}.")
