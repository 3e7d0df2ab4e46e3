"""What operators made of several operators share: checks of the list, hints that all parts have, and sums over parts."""

from __future__ import annotations

import functools
import operator as arithmetic
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from penstock.linear_operators.matrices import common_batch_shape, common_batch_tensor, require_hint
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.grouping import group
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def checked(operators: Iterable[LinearOperator]) -> list[LinearOperator]:
    """The operators as a list.

    Raises:
      ValueError: there are none.
      TypeError: it is no list or tuple, or their dtypes differ.
    """
    if not isinstance(operators, (list, tuple)):
        raise TypeError(f"operators must be a list of operators, got {operators!r}")
    found = list(operators)
    if not found:
        raise ValueError("operators must be a non-empty list of operators, got an empty one.")
    if len({each.dtype for each in found}) > 1:
        names = ", ".join(f"{each.name}: {each.dtype.name}" for each in found)
        raise TypeError(f"Expected all operators to have the same dtype.  Found {names}")
    return found


def hints_of_all(
    operators: Sequence[LinearOperator], said: dict[str, Any], hints: Iterable[str], what: str
) -> None:
    """Sets the hints that a combination has if all its parts have them."""
    for hint in hints:
        if all(getattr(each, hint) for each in operators):
            prop = hint.removeprefix("is_").replace("_", "-")
            require_hint(said, hint, True, f"The {what} of {prop} operators is always {prop}.")


def dtype_of(operators: Sequence[LinearOperator]) -> DType:
    """The dtype of all."""
    return operators[0].dtype


def batch_shape(operators: Sequence[LinearOperator]) -> TensorShape:
    """The shape that the batch shapes broadcast to."""
    return common_batch_shape(*(each.batch_shape for each in operators))


def batch_shape_tensor(operators: Sequence[LinearOperator]) -> Tensor:
    """As `batch_shape`, when the graph runs."""
    return common_batch_tensor(*(each.batch_shape_tensor() for each in operators))


def total(parts: Iterable[Any]) -> Any:
    """The sum."""
    return functools.reduce(arithmetic.add, parts)


def multiplied(parts: Iterable[Any]) -> Any:
    """The product."""
    return functools.reduce(arithmetic.mul, parts)


def assert_each(operators: Sequence[LinearOperator], check: Callable[[LinearOperator], Any]) -> Any:
    """All the checks as one op."""
    return group(*[found for each in operators if (found := check(each)) is not None])
