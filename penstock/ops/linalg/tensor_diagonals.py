"""Diag and DiagPart: a tensor of rank r on the diagonal of one of rank 2r."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _tensor_diag(xp: Any, x: Any) -> Any:
    size = int(np.size(x)) if xp is np else x.size
    eye = np.eye(size, dtype=bool)
    flat = xp.reshape(x, (1, size))
    return xp.reshape(xp.where(eye, flat, xp.zeros((), x.dtype)), np.shape(x) * 2)


def _tensor_diag_part(xp: Any, x: Any) -> Any:
    rank, shape = np.ndim(x), np.shape(x)
    if rank % 2 or not rank:
        raise ValueError(f"The rank of the tensor should be even and positive, got shape {list(shape)}")
    half = shape[: rank // 2]
    for i, size in enumerate(half):
        if shape[i + rank // 2] != size:
            raise ValueError(
                f"Invalid shape {str(list(shape)).replace(' ', '')}: dimensions {i} and {i + rank // 2} do not match."
            )
    count = int(np.prod(half, dtype=np.int64))
    return xp.reshape(xp.diagonal(xp.reshape(x, (count, count))), half)


def _tensor_diag_part_shape(call: ShapeCall) -> TensorShape:
    given = call.shape(0)
    if given.rank is None:
        return given
    if given.rank % 2 or not given.rank:
        raise call.error("the rank must be even and positive")
    half = given.rank // 2
    try:
        return given[:half].merge_with(given[half:])
    except ValueError:
        raise call.error("the first and the second half of the dimensions must agree") from None


op(
    "Diag(diagonal: T) -> output: T",
    _tensor_diag,
    shape=lambda call: call.shape(0).concatenate(call.shape(0)),
    gradient=lambda op, dy: execute("DiagPart", (convert_to_tensor(dy),)),
)
op(
    "DiagPart(input: T) -> diagonal: T",
    _tensor_diag_part,
    shape=_tensor_diag_part_shape,
    gradient=lambda op, dy: execute("Diag", (convert_to_tensor(dy),)),
)


@export("linalg.tensor_diag", v1=["linalg.tensor_diag", "diag"])
def tensor_diag(diagonal: Any, name: str | None = None) -> Tensor:
    """A tensor of twice the rank that has the given elements on its diagonal, and zeros elsewhere.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.tensor_diag([1, 2]).numpy().tolist()
      [[1, 0], [0, 2]]
    """
    return execute("Diag", (convert_to_tensor(diagonal),), None, name)


@export("linalg.tensor_diag_part", v1=["linalg.tensor_diag_part", "diag_part"])
def tensor_diag_part(input: Any, name: str | None = None) -> Tensor:
    """The diagonal of a tensor of even rank: the inverse of `tensor_diag`.

    Raises:
      InvalidArgumentError: the rank is odd, or the two halves of the shape differ.

    Example:
      >>> import penstock as tf
      >>> tf.linalg.tensor_diag_part([[1, 2], [3, 4]]).numpy().tolist()
      [1, 4]
    """
    return execute("DiagPart", (convert_to_tensor(input),), None, name)
