"""`tf.fingerprint`: a hash of each row of a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.strings.farmhash import fingerprints64
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


def _fingerprint(data: np.ndarray, method: Any) -> np.ndarray:
    name = np.asarray(method, object).reshape(-1)[0]
    if name != b"farmhash64":
        raise ValueError(f"Unsupported fingerprint method: {name.decode()}")
    if np.ndim(data) < 1:
        raise ValueError("`data` should have at least one dimension")
    rows = data.reshape(len(data), -1)
    if data.dtype == object:
        rows = fingerprints64(rows)
    if data.dtype != object or rows.shape[1] != 1:
        contents = np.empty(len(data), object)
        contents[:] = [row.tobytes() for row in np.ascontiguousarray(rows)]
        rows = fingerprints64(contents)
    return rows.astype("<u8").view(np.uint8).reshape(len(data), 8)


op(
    "Fingerprint(data: T, method: string) -> fingerprint: uint8",
    numpy=_fingerprint,
    shape=lambda call: TensorShape([call.shape(0)[0], 8]),
    gradient=stops,
)


@export("fingerprint")
def fingerprint(data: Any, method: str = "farmhash64", name: str | None = None) -> Tensor:
    """A hash of 8 bytes for each row of a tensor, the same on every machine.

    Args:
      data: a tensor of rank 1 or more; its first dimension is the batch.
      method: "farmhash64", the only one.

    Returns:
      A uint8 tensor of shape [rows, 8].

    Raises:
      InvalidArgumentError: the method is unknown, or `data` is a scalar.

    Example:
      >>> import penstock as tf
      >>> tf.fingerprint(["abc"]).numpy().tolist()
      [[105, 243, 231, 116, 160, 179, 165, 36]]
    """
    return execute(
        "Fingerprint", (convert_to_tensor(data), convert_to_tensor(method, dtypes.string)), None, name
    )
