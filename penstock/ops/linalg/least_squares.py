"""Least squares: `tf.linalg.lstsq`, over- and underdetermined."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops import creation
from penstock.ops.arguments import matching
from penstock.ops.linalg.linear_solvers import solve
from penstock.ops.linalg.matmul import matmul
from penstock.ops.linalg.matrix_shapes import MATRIX_TYPES, adjoint_of, matrix, widened
from penstock.types import dtypes
from penstock.types.shapes import TensorShape, unknown_shape
from penstock.types.tensors import Tensor


def _lstsq(xp: Any, a: Any, b: Any, l2_regularizer: Any, *, fast: bool) -> Any:
    if a.ndim < 2 or a.ndim != b.ndim or a.shape[:-1] != b.shape[:-1]:
        raise ValueError(
            f"matrix {list(a.shape)} and rhs {list(b.shape)} must agree in all dimensions but the last"
        )
    if np.ndim(l2_regularizer):
        raise ValueError("l2_regularizer must be a scalar")
    wide, right = widened(a), widened(b)
    rows, columns = a.shape[-2:]
    if 0 in (rows, columns):
        return xp.zeros((*a.shape[:-2], columns, b.shape[-1]), b.dtype)
    if not fast:
        return xp.matmul(xp.linalg.pinv(wide), right).astype(b.dtype)
    flipped = adjoint_of(xp, wide)
    ridge = xp.asarray(l2_regularizer).astype(wide.dtype) * np.eye(min(rows, columns), dtype=wide.dtype)
    if rows >= columns:
        normal = xp.linalg.solve(xp.matmul(flipped, wide) + ridge, xp.matmul(flipped, right))
    else:
        normal = xp.matmul(flipped, xp.linalg.solve(xp.matmul(wide, flipped) + ridge, right))
    return normal.astype(b.dtype)


def _lstsq_shape(call: ShapeCall) -> TensorShape:
    left, right = matrix(call, 0), matrix(call, 1)
    if left.rank is None or right.rank is None:
        return unknown_shape()
    try:
        lead = left[:-2].merge_with(right[:-2])
        left[-2:-1].merge_with(right[-2:-1])
    except ValueError:
        raise call.error("the batch dimensions, and the rows of matrix and rhs, must agree") from None
    return lead.concatenate(left[-1:]).concatenate(right[-1:])


def _lstsq_gradient(op: Any, dx: Any) -> list:
    """Through the normal equations; with z the solution for `dx`, their two forms give the two cases."""
    a, b, l2_regularizer = op.inputs
    if not op.attrs["fast"]:
        raise ValueError("Gradient not defined for fast=False")
    rows, columns = a.shape[-2:].as_list() if a.shape.rank is not None else (None, None)
    if rows is None or columns is None:
        raise ValueError("the gradient of lstsq needs matrices of known size")
    x, dx = op.outputs[0], convert_to_tensor(dx)
    ridge = creation.eye(min(rows, columns), dtype=a.dtype) * execute(
        "Cast", (l2_regularizer,), {"DstT": a.dtype}
    )
    if rows >= columns:
        z = solve(matmul(a, a, adjoint_a=True) + ridge, dx)
        through = matmul(a, z)
        of_a = matmul(b - matmul(a, x), z, adjoint_b=True) - matmul(through, x, adjoint_b=True)
        return [of_a, through, None]
    gram = matmul(a, a, adjoint_b=True) + ridge
    y, of_b = solve(gram, b), solve(gram, matmul(a, dx))
    of_a = matmul(y, dx - matmul(a, of_b, adjoint_a=True), adjoint_b=True) - matmul(of_b, x, adjoint_b=True)
    return [of_a, of_b, None]


op(
    "MatrixSolveLs(matrix: T, rhs: T, l2_regularizer: float64; fast=True) -> output: T",
    _lstsq,
    shape=_lstsq_shape,
    gradient=_lstsq_gradient,
    types={"T": MATRIX_TYPES},
)


@export("linalg.lstsq", v1=["linalg.lstsq", "matrix_solve_ls"])
def lstsq(
    matrix: Any, rhs: Any, l2_regularizer: Any = 0.0, fast: bool = True, name: str | None = None
) -> Tensor:
    """The x that makes `||matrix @ x - rhs||^2 + l2_regularizer * ||x||^2` least.

    Args:
      matrix: a tensor of shape [..., m, n].
      rhs: a tensor of shape [..., m, k].
      l2_regularizer: a scalar.
      fast: solve the normal equations. If False, use the pseudo-inverse, which is exact for matrices that do not have
        full rank, and does not regularize.

    Returns:
      A tensor of shape [..., n, k]; where there are many solutions, the one of least norm.

    Raises:
      InvalidArgumentError: the shapes do not fit, or the normal equations are singular.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.lstsq([[1.0], [1.0]], [[2.0], [4.0]]).numpy().tolist()
      [[3.0]]
    """
    inputs = (*matching(matrix, rhs), convert_to_tensor(l2_regularizer, dtypes.float64))
    return execute("MatrixSolveLs", inputs, {"fast": bool(fast)}, name)
