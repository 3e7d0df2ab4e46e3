"""What the linear operators share: batches of matrices that broadcast, hints of two operators combined, and checks."""

from __future__ import annotations

from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.ops.assert_values import assert_equal, assert_less
from penstock.ops.complex_numbers import imag, real
from penstock.ops.concatenation import concat
from penstock.ops.elementwise import abs_
from penstock.ops.linalg.linear_solvers import solve as dense_solve
from penstock.ops.replication import broadcast_to
from penstock.ops.reshaping import adjoint as matrix_adjoint
from penstock.ops.shapes_of_tensors import broadcast_dynamic_shape, broadcast_static_shape
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.variables.variable import Variable
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

HINTS = ("is_non_singular", "is_self_adjoint", "is_positive_definite", "is_square")


def given(names: dict) -> dict[str, Any]:
    """The arguments of an `__init__`, from its `locals()`."""
    return {name: value for name, value in names.items() if name not in ("self", "__class__")}


def held(value: Any, dtype: DType | None = None) -> Any:
    """What an operator keeps of an argument: variables stay variables, other values become tensors."""
    if value is None or isinstance(value, Variable):
        return value
    return convert_to_tensor(value, dtype)


def number(value: Any, like: Tensor | DType) -> Tensor:
    """A number in the dtype of a tensor."""
    return convert_to_tensor(value, like if isinstance(like, DType) else like.dtype)


def adjoint_if(wanted: bool, x: Tensor) -> Tensor:
    """The conjugate transpose of `x`, or `x` itself."""
    return matrix_adjoint(x) if wanted else x


def common_batch_shape(*shapes: TensorShape) -> TensorShape:
    """The shape that batch shapes broadcast to."""
    common = shapes[0]
    for each in shapes[1:]:
        common = broadcast_static_shape(common, each)
    return common


def common_batch_tensor(*shapes: Any) -> Tensor:
    """As `common_batch_shape`, of shape vectors."""
    common = shapes[0]
    for each in shapes[1:]:
        common = broadcast_dynamic_shape(common, each)
    return common


def with_common_batch(*matrices: Tensor) -> list[Tensor]:
    """Matrices whose batch dimensions broadcast, all with the same batch dimensions."""
    static = [each.shape[:-2] for each in matrices]
    if all(shape.is_fully_defined() and shape == static[0] for shape in static):
        return list(matrices)
    batch = common_batch_tensor(*(shape_of(each)[:-2] for each in matrices))
    return [broadcast_to(each, concat([batch, shape_of(each)[-2:]], 0)) for each in matrices]


def solve(matrix: Tensor, rhs: Tensor, adjoint: bool = False) -> Tensor:
    """The solution of dense systems, whose batch dimensions broadcast."""
    matrix, rhs = with_common_batch(matrix, rhs)
    return dense_solve(matrix, rhs, adjoint=adjoint)


# Checks.


def assert_no_zero(x: Any, message: str) -> Any:
    """Raises InvalidArgumentError, when it runs, where an element is 0."""
    size = abs_(convert_to_tensor(x))
    return assert_less(number(0, size), size, message=message)


def assert_real(x: Any, message: str) -> Any:
    """Raises InvalidArgumentError, when it runs, where an imaginary part is not 0."""
    x = convert_to_tensor(x)
    part = imag(x) if x.dtype.is_complex else real(x) * number(0, x)
    return assert_equal(number(0, part), part, message=message)


# Hints: what is known of a product of two operators.


def hints(operator: Any, **known: bool | None) -> dict[str, Any]:
    """The hints of an operator, as arguments for a related one; `known` replaces some."""
    return {name: getattr(operator, name) for name in HINTS} | known


def product_non_singular(left: Any, right: Any) -> bool | None:
    """Non-singular if both are, singular if one is."""
    if left.is_non_singular is False or right.is_non_singular is False:
        return False
    return left.is_non_singular and right.is_non_singular


def commuting_self_adjoint(left: Any, right: Any) -> bool | None:
    """Of operators that commute: self-adjoint if both are, not if just one is."""
    known = {left.is_self_adjoint, right.is_self_adjoint}
    if known == {True}:
        return True
    return False if known == {True, False} else None


def commuting_positive_definite(left: Any, right: Any) -> bool | None:
    """Of operators that commute: positive definite if both are, and self-adjoint."""
    both = (left, right)
    return all(each.is_positive_definite and each.is_self_adjoint for each in both) or None


def product_square(left: Any, right: Any) -> bool | None:
    """Whether the product is square, as far as the hints say."""
    if left.is_square and right.is_square:
        return True
    if left.is_square is False and right.is_square is False:
        rows, columns = left.range_dimension.value, right.domain_dimension.value
        return None if rows is None or columns is None else rows == columns
    return None if left.is_square is None or right.is_square is None else False


def commuting_hints(left: Any, right: Any) -> dict[str, Any]:
    """The hints of the product of two square operators that commute."""
    return {
        "is_non_singular": product_non_singular(left, right),
        "is_self_adjoint": commuting_self_adjoint(left, right),
        "is_positive_definite": commuting_positive_definite(left, right),
        "is_square": True,
    }


def require_hint(operator_hints: dict, name: str, value: bool, why: str) -> None:
    """Sets a hint that follows from the kind of operator.

    Raises:
      ValueError: the caller said the opposite.
    """
    if operator_hints[name] is (not value):
        raise ValueError(f"{why} Expected `{name}` to be {value} or None, got {operator_hints[name]}.")
    operator_hints[name] = value
