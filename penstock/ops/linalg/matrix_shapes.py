"""Shape rules and casts that the ops on matrices share; a matrix is the last two dimensions of a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.shape_rules import ShapeCall
from penstock.ops.dtype_sets import COMPLEX
from penstock.types import dtypes
from penstock.types.shapes import TensorShape, broadcast_shape, unknown_shape

# What linear algebra works on.
MATRIX_TYPES = COMPLEX | {dtypes.float16, dtypes.float32, dtypes.float64}


def matrix(call: ShapeCall, index: int = 0) -> TensorShape:
    """The shape of input `index`, which must have rank 2 or more."""
    shape = call.shape(index)
    if shape.rank is not None and shape.rank < 2:
        raise call.error(f"input #{index} must have rank at least 2")
    return shape


def square(call: ShapeCall, index: int = 0) -> TensorShape:
    """The shape of input `index`, which must be square matrices: what one dimension knows, the other knows too."""
    shape = matrix(call, index)
    if shape.rank is None:
        return shape
    rows, columns = shape[-2:].as_list()
    if rows != columns and None not in (rows, columns):
        raise call.error("Input matrix must be square.")
    size = columns if rows is None else rows
    return shape[:-2].concatenate([size, size])


def solution(call: ShapeCall) -> TensorShape:
    """The shape of x in `matrix @ x = rhs`, with equal batch dimensions."""
    left, right = square(call, 0), matrix(call, 1)
    if left.rank is None or right.rank is None:
        return unknown_shape() if right.rank is None else right
    if left.rank != right.rank:
        raise call.error("All input tensors must have the same rank.")
    try:
        lead = left[:-2].merge_with(right[:-2])
        rows = left[-1:].merge_with(right[-2:-1])
    except ValueError:
        raise call.error("the batch dimensions, and the rows of matrix and rhs, must agree") from None
    return lead.concatenate(rows).concatenate(right[-1:])


def broadcast_solution(call: ShapeCall) -> TensorShape:
    """The shape of x in `matrix @ x = rhs`, where the batch dimensions broadcast."""
    left, right = square(call, 0), matrix(call, 1)
    if left.rank is None or right.rank is None:
        return unknown_shape()
    try:
        lead = broadcast_shape(left[:-2], right[:-2])
        rows = left[-1:].merge_with(right[-2:-1])
    except ValueError:
        raise call.error(
            "the batch dimensions must broadcast, and the rows of matrix and rhs agree"
        ) from None
    return lead.concatenate(rows).concatenate(right[-1:])


def check_square(x: Any) -> None:
    """Refuses what is no batch of square matrices."""
    if np.ndim(x) < 2:
        raise ValueError(f"Input tensor must have rank >= 2, got shape {list(np.shape(x))}")
    if x.shape[-1] != x.shape[-2]:
        raise ValueError("Input matrix must be square.")


def widened(x: Any) -> Any:
    """float16 as float32, which is the narrowest that LAPACK knows."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


def adjoint_of(xp: Any, x: Any) -> Any:
    """The conjugate transpose of an array."""
    x = xp.swapaxes(x, -1, -2)
    return xp.conj(x) if x.dtype.kind == "c" else x
