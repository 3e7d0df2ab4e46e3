"""Which JAX device a TensorFlow device name means, and which name the device of a tensor has.

Programs run where JAX runs them: on the first accelerator, else on the CPU. `tf.device` asks for another device. What
NumPy computes beside an accelerator counts as being there: it goes there with the first program that uses it.
"""

from __future__ import annotations

import re
from typing import Any

from penstock.engine.context import process
from penstock.engine.export import export
from penstock.engine.xla import configure, is_loaded, jax, wide_types
from penstock.runtime import devices
from penstock.types import dtypes, errors, upcalls
from penstock.types.tensors import EagerTensor

_KNOWN = re.compile(
    r"(?:.*/)?(?:device:)?(?P<type>CPU|GPU|TPU|CUDA|ROCM)(?::(?P<index>\d+|\*))?$", re.IGNORECASE
)
_OTHER = re.compile(r"(?:.*/)?device:(?P<type>[A-Za-z_]\w*)(?::(?P<index>\d+|\*))?$")
# What TensorFlow keeps in the memory of the host.
_ON_HOST = (dtypes.int32, dtypes.string, dtypes.resource, dtypes.variant)


def parse_device(name: str) -> tuple[str, int]:
    """`"/GPU:0"`, `"/device:CPU:1"`, `"gpu"` ... as (type, index).

    Raises:
      ValueError: it is not a device's name.
    """
    name = name.strip()
    found = _KNOWN.match(name) or _OTHER.match(name)
    if found is None:
        raise ValueError(
            f"Unknown attribute is encountered while parsing the device spec: {name!r}: expected something like '/CPU:0' "
            "or '/device:GPU:1'."
        )
    kind, index = found["type"].upper(), found["index"]
    return devices.KINDS.get(kind.lower(), kind), int(index) if index and index != "*" else 0


def jax_device(name: str) -> Any:
    """The JAX device that a TensorFlow device name means.

    Raises:
      ValueError: there is none.
    """
    kind, index = parse_device(name)
    found = devices.visible(kind)
    if index >= len(found):
        raise ValueError(f"No matching devices found for {name!r}: {kind} devices: {len(found)}.")
    return found[index]


def _placed(name: str) -> Any:
    """The JAX device of a `tf.device` name; None where programs run there anyway.

    Raises:
      InvalidArgumentError: there is no such device, and soft placement is off.
    """
    kind, index = parse_device(name)
    if index == 0 and kind == "CPU" and not process.accelerator and process.home is None:
        return None
    try:
        device = jax_device(name)
    except ValueError as error:
        if devices.places_softly():
            return process.home  # None without one
        raise errors.InvalidArgumentError(
            None, None, f"Could not satisfy device specification {name!r}. {error}"
        ) from None
    return None if process.home is None and device == _default() else device


def _default() -> Any:
    return process.home or devices.of_kind(devices.accelerator_kind() or "CPU")[0]


process.device_of = _placed


def _name_of(tensor: EagerTensor) -> str:
    """The device of an eager tensor, such as `"GPU:0"`."""
    array = tensor._jax
    if array is None:
        if not is_loaded() and devices.may_have_accelerator():
            configure()
        kind = devices.accelerator_kind() if process.accelerator and tensor.dtype not in _ON_HOST else None
        return f"{kind or 'CPU'}:0"
    device = next(iter(array.devices()))
    for kind in ("CPU", "GPU", "TPU"):
        found = devices.visible(kind)
        if device in found:
            return f"{kind}:{found.index(device)}"
    return f"{devices.KINDS.get(device.platform, device.platform.upper())}:{device.id}"


upcalls.device_name = _name_of


def _copied_to(tensor: EagerTensor, name: str) -> EagerTensor:
    """A tensor with the same value on a device.

    Raises:
      RuntimeError: there is no such device.
    """
    try:
        device = jax_device(name)
    except ValueError:
        raise RuntimeError(f"{name} unknown device.") from None
    if tensor.dtype in _ON_HOST[1:] or not process.accelerator and device == _default():
        return tensor
    with wide_types(), jax.default_device(device):
        return EagerTensor.from_jax(jax.device_put(tensor.host()), tensor.dtype)


upcalls.copied_to = _copied_to


@export("test.gpu_device_name")
def gpu_device_name() -> str:
    """The name of the first GPU; empty where there is none."""
    return "/device:GPU:0" if devices.list_logical_devices("GPU") else ""
