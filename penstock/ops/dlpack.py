"""Tensors to and from DLPack: arrays of other libraries without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.types.tensors import EagerTensor


class _Capsule:
    """A bare DLPack capsule as the object that the array API's `from_dlpack` takes; on the CPU."""

    def __init__(self, capsule: Any):
        self._capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


@export("experimental.dlpack.to_dlpack")
def to_dlpack(tf_tensor: Any) -> Any:
    """The tensor as a DLPack capsule.

    Example:
      >>> import penstock as tf
      >>> capsule = tf.experimental.dlpack.to_dlpack(tf.constant([1.0, 2.0]))
      >>> tf.experimental.dlpack.from_dlpack(capsule).numpy()
      array([1., 2.], dtype=float32)
    """
    return convert_to_tensor(tf_tensor).__dlpack__()


@export("experimental.dlpack.from_dlpack")
def from_dlpack(dlcapsule: Any) -> EagerTensor:
    """A tensor that shares the memory of a DLPack capsule, or of an array with `__dlpack__`."""
    source = dlcapsule if hasattr(dlcapsule, "__dlpack__") else _Capsule(dlcapsule)
    return EagerTensor(np.from_dlpack(source))
