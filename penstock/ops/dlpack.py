"""Tensors to and from DLPack: arrays of other libraries without a copy."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.engine.xla import jax, wide_types
from penstock.types.tensors import EagerTensor

_ON_CPU = 1  # kDLCPU


class _Capsule:
    """A bare DLPack capsule as the object that the array API's `from_dlpack` takes."""

    def __init__(self, capsule: Any):
        self._capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        """The kind and number of the device: after the address of the data in the structure that the capsule holds."""
        find = ctypes.pythonapi.PyCapsule_GetPointer
        find.restype, find.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        address = find(self._capsule, b"dltensor") + ctypes.sizeof(ctypes.c_void_p)
        kind, number = (ctypes.c_int32 * 2).from_address(address)
        return kind, number


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
    if source.__dlpack_device__()[0] == _ON_CPU:
        return EagerTensor(np.from_dlpack(source))
    with wide_types():
        return EagerTensor.from_jax(jax.dlpack.from_dlpack(source))
