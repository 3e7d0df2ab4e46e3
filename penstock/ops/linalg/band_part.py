"""The band of a matrix around its main diagonal, and the sum of the main diagonal: band_part, trace."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.arguments import matching
from penstock.ops.linalg.diagonals import diag_part
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _band_part(xp: Any, x: Any, num_lower: Any, num_upper: Any) -> Any:
    if np.ndim(x) < 2:
        raise ValueError(f"input must be at least 2-dim, received shape: {list(np.shape(x))}")
    rows, columns = np.shape(x)[-2:]
    if xp is np:
        for name, count, size, what in (
            ("num_lower", num_lower, rows, "rows"),
            ("num_upper", num_upper, columns, "columns"),
        ):
            if count > size:
                raise ValueError(
                    f"{name} must be negative or less or equal to number of {what} ({size}) got: {count}"
                )
        kept = _band(rows, columns, int(num_lower), int(num_upper))
    else:
        below = xp.arange(rows)[:, None] - xp.arange(columns)
        kept = ((num_lower < 0) | (below <= num_lower)) & ((num_upper < 0) | (-below <= num_upper))
    return xp.where(kept, x, xp.zeros((), x.dtype))


def _band(rows: int, columns: int, num_lower: int, num_upper: int) -> np.ndarray:
    """Where a matrix has its band; `numpy.tri` compares small integers, once for each side."""
    kept = np.tri(rows, columns, columns if num_upper < 0 else num_upper, dtype=bool)
    if num_lower >= 0:
        kept &= ~np.tri(rows, columns, -num_lower - 1, dtype=bool)
    return kept


def _band_part_shape(call: ShapeCall) -> TensorShape:
    if call.shape(0).rank is not None and call.shape(0).rank < 2:
        raise call.error("input must be at least 2-dim")
    return call.shape(0)


op(
    "MatrixBandPart(input: T, num_lower: Tindex, num_upper: Tindex) -> band: T",
    _band_part,
    shape=_band_part_shape,
    gradient=lambda op, dy: [execute("MatrixBandPart", (convert_to_tensor(dy), *op.inputs[1:])), None, None],
)


@export("linalg.band_part", v1=["linalg.band_part", "matrix_band_part"])
def band_part(input: Any, num_lower: Any, num_upper: Any, name: str | None = None) -> Tensor:
    """Matrices with everything outside a band around the main diagonal set to zero.

    Args:
      input: a tensor of shape [..., rows, columns].
      num_lower: how many diagonals below the main one to keep; negative for all.
      num_upper: how many above it; negative for all.

    Raises:
      InvalidArgumentError: the matrix has not that many diagonals.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.band_part([[1, 2], [3, 4]], -1, 0).numpy().tolist()
      [[1, 0], [3, 4]]
    """
    lower, upper = matching(num_lower, num_upper)
    return execute("MatrixBandPart", (convert_to_tensor(input), lower, upper), None, name)


@export("linalg.trace", v1=["linalg.trace", "trace"])
def trace(x: Any, name: str | None = None) -> Tensor:
    """The sum of the main diagonal of matrices.

    Args:
      x: a tensor of shape [..., rows, columns].

    Returns:
      A tensor of shape [...].

    Example:
      >>> import penstock as tf
      >>> int(tf.linalg.trace([[1, 2], [3, 4]]))
      5
    """
    return execute("Sum", (diag_part(x), convert_to_tensor([-1])), {"keep_dims": False}, name or "Trace")
