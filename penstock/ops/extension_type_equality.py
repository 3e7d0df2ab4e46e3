"""`==` of extension types: one bool tensor that says whether all their tensors are equal."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.types import upcalls
from penstock.types.tensors import Tensor


def all_equal(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """Returns a scalar bool tensor: whether each tensor of `a` equals the one of `b` beside it in all elements.

    Args:
      a: Tensors.
      b: As many tensors, of the same dtypes; tensors of other shapes are unequal.
    """
    result = convert_to_tensor(True)
    for x, y in zip(a, b, strict=True):
        equal = execute("Equal", (x, y), {"incompatible_shape_error": False})
        flat = execute("Reshape", (equal, convert_to_tensor([-1])))
        same = execute("All", (flat, convert_to_tensor([0])), {"keep_dims": False})
        result = execute("LogicalAnd", (result, same))
    return result


upcalls.all_equal = all_equal
