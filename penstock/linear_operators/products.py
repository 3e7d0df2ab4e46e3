"""What two operators make together: tables from pairs of classes to the operator of the product, or of the solution.

A pair that is not in a table makes a `LinearOperatorComposition`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.linear_operators.block_diag import LinearOperatorBlockDiag
from penstock.linear_operators.circulant import CirculantOperator
from penstock.linear_operators.composition import LinearOperatorComposition
from penstock.linear_operators.diag import LinearOperatorDiag
from penstock.linear_operators.identity import LinearOperatorIdentity
from penstock.linear_operators.inversion import LinearOperatorInversion
from penstock.linear_operators.lower_triangular import LinearOperatorLowerTriangular
from penstock.linear_operators.matrices import (
    commuting_hints,
    commuting_self_adjoint,
    product_non_singular,
    product_square,
)
from penstock.linear_operators.operator import LinearOperator
from penstock.linear_operators.scaled_identity import LinearOperatorScaledIdentity
from penstock.linear_operators.zeros import LinearOperatorZeros

_Rule = Callable[[Any, Any], LinearOperator]

_DIAGONALS = (LinearOperatorDiag, LinearOperatorScaledIdentity)


def _entries(operator: Any) -> Any:
    """What broadcasts with a diagonal: the diagonal, or the multiplier of the identity in a vector."""
    if isinstance(operator, LinearOperatorDiag):
        return convert_to_tensor(operator.diag)
    return convert_to_tensor(operator.multiplier)[..., None]


def _diagonal(combine: Callable[[Any, Any], Any]) -> _Rule:
    """Of diagonal matrices: entry by entry."""

    def rule(left: Any, right: Any) -> LinearOperator:
        known = commuting_hints(left, right)
        if isinstance(left, LinearOperatorScaledIdentity) and isinstance(right, LinearOperatorScaledIdentity):
            factor = combine(convert_to_tensor(left.multiplier), convert_to_tensor(right.multiplier))
            return LinearOperatorScaledIdentity(left.domain_dimension_tensor(), factor, **known)
        return LinearOperatorDiag(combine(_entries(left), _entries(right)), **known)

    return rule


def _triangle(tril: Callable[[Any, Any], Any]) -> _Rule:
    """Of a triangular and a diagonal matrix."""

    def rule(left: Any, right: Any) -> LinearOperator:
        known: dict[str, Any] = {
            "is_non_singular": product_non_singular(left, right),
            "is_self_adjoint": commuting_self_adjoint(left, right),
        }
        return LinearOperatorLowerTriangular(tril(left, right), is_square=True, **known)

    return rule


def _circulant(combine: Callable[[Any, Any], Any]) -> _Rule:
    """Of circulant matrices of one number of levels: the spectra, entry by entry."""

    def rule(left: Any, right: Any) -> LinearOperator:
        if type(left) is not type(right):
            return _composed(left, right)
        spectrum = combine(convert_to_tensor(left.spectrum), convert_to_tensor(right.spectrum))
        return type(left)(spectrum, left.dtype, **commuting_hints(left, right))

    return rule


def _blocks(method: str) -> _Rule:
    """Of block diagonal matrices: block by block."""

    def rule(left: Any, right: Any) -> LinearOperator:
        if len(left.operators) != len(right.operators):
            raise ValueError(
                f"Can not efficiently {method} two `LinearOperatorBlockDiag`s when number of blocks differ."
            )
        pairs = zip(left.operators, right.operators, strict=True)
        parts = [getattr(one, method)(other) for one, other in pairs]
        return LinearOperatorBlockDiag(parts, is_non_singular=product_non_singular(left, right))

    return rule


def _zeros(left: LinearOperator, right: LinearOperator) -> LinearOperator:
    if not left.is_square or not right.is_square:
        raise ValueError(
            "Matmul with non-square `LinearOperator`s or non-square `LinearOperatorZeros` is not supported."
        )
    return left if isinstance(left, LinearOperatorZeros) else right


def _composed(left: LinearOperator, right: LinearOperator) -> LinearOperator:
    square = product_square(left, right)
    known: dict[str, Any] = {"is_square": square}
    if square:
        known["is_non_singular"] = product_non_singular(left, right)
    elif square is False:
        known |= dict.fromkeys(("is_non_singular", "is_self_adjoint", "is_positive_definite"), False)
    return LinearOperatorComposition([left, right], **known)


# The first row that fits both operators holds.
_PRODUCTS: list[tuple[Any, Any, _Rule]] = [
    (LinearOperatorIdentity, LinearOperator, lambda left, right: right),
    (LinearOperator, LinearOperatorIdentity, lambda left, right: left),
    (LinearOperatorZeros, LinearOperator, _zeros),
    (LinearOperator, LinearOperatorZeros, _zeros),
    (_DIAGONALS, _DIAGONALS, _diagonal(lambda x, y: x * y)),
    (
        LinearOperatorDiag, LinearOperatorLowerTriangular,
        _triangle(lambda left, right: _entries(left)[..., None] * right.to_dense()),
    ),
    (
        LinearOperatorLowerTriangular, LinearOperatorDiag,
        _triangle(lambda left, right: left.to_dense() * _entries(right)[..., None, :]),
    ),
    (CirculantOperator, CirculantOperator, _circulant(lambda x, y: x * y)),
    (LinearOperatorBlockDiag, LinearOperatorBlockDiag, _blocks("matmul")),
    (LinearOperator, LinearOperator, _composed),
]  # fmt: skip

_SOLUTIONS: list[tuple[Any, Any, _Rule]] = [
    (LinearOperatorIdentity, LinearOperator, lambda left, right: right),
    (LinearOperator, LinearOperatorIdentity, lambda left, right: left.inverse()),
    (LinearOperatorInversion, LinearOperator, lambda left, right: left.operator.matmul(right)),
    (_DIAGONALS, _DIAGONALS, _diagonal(lambda x, y: y / x)),
    (
        LinearOperatorDiag, LinearOperatorLowerTriangular,
        _triangle(lambda left, right: right.to_dense() / _entries(left)[..., None]),
    ),
    (CirculantOperator, CirculantOperator, _circulant(lambda x, y: y / x)),
    (LinearOperatorBlockDiag, LinearOperatorBlockDiag, _blocks("solve")),
    (LinearOperator, LinearOperator, lambda left, right: _composed(LinearOperatorInversion(left), right)),
]  # fmt: skip


def _first(
    rules: list[tuple[Any, Any, _Rule]], left: LinearOperator, right: LinearOperator
) -> LinearOperator:
    for left_type, right_type, rule in rules:
        if isinstance(left, left_type) and isinstance(right, right_type):
            return rule(left, right)
    raise TypeError(f"expected two operators, got {left!r} and {right!r}")


def product(left: LinearOperator, right: LinearOperator) -> LinearOperator:
    """The operator `left @ right`."""
    return _first(_PRODUCTS, left, right)


def solution(left: LinearOperator, right: LinearOperator) -> LinearOperator:
    """The operator `left^-1 @ right`."""
    return _first(_SOLUTIONS, left, right)
