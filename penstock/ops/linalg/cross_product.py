"""The cross product of 3-vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import merged
from penstock.ops.arguments import matching
from penstock.ops.dtype_sets import REAL
from penstock.types import errors
from penstock.types.tensors import Tensor


def _cross(xp: Any, a: Any, b: Any) -> Any:
    if np.shape(a) != np.shape(b):
        raise ValueError(f"Both inputs must be of same shape: {list(np.shape(a))} vs. {list(np.shape(b))}")
    if np.ndim(a) < 1 or a.shape[-1] != 3:
        raise errors.FailedPreconditionError(
            None,
            None,
            f"Cross: Cross-products are only defined for 3-element vectors, got shape {list(np.shape(a))}",
        )
    (a0, a1, a2), (b0, b1, b2) = ([each[..., i] for i in range(3)] for each in (a, b))
    return xp.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], -1)


op(
    "Cross(a: T, b: T) -> product: T",
    _cross,
    shape=merged,
    gradient=lambda call, dz: [
        execute("Cross", (call.inputs[1], dz)),
        execute("Cross", (dz, call.inputs[0])),
    ],
    types={"T": REAL},
)


@export("linalg.cross", v1=["linalg.cross", "cross"])
def cross(a: Any, b: Any, name: str | None = None) -> Tensor:
    """The cross products of 3-vectors in the last dimension.

    Raises:
      FailedPreconditionError: the last dimension is not 3.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.cross([1, 0, 0], [0, 1, 0]).numpy()
      array([0, 0, 1], dtype=int32)
    """
    return execute("Cross", matching(a, b), None, name)
