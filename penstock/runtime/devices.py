"""Devices: `tf.config`'s lists of physical and logical devices, and `DeviceSpec`s as TensorFlow writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from penstock.engine.context import process
from penstock.engine.export import export
from penstock.engine.xla import backend_options, is_loaded, jax
from penstock.types import errors

_PLATFORMS = {"cpu": "CPU", "gpu": "GPU", "cuda": "GPU", "rocm": "GPU", "tpu": "TPU"}


@export("config.PhysicalDevice")
class PhysicalDevice(NamedTuple):
    """A device of the machine."""

    name: str
    device_type: str


@export("config.LogicalDevice")
class LogicalDevice(NamedTuple):
    """A device that programs see."""

    name: str
    device_type: str


@export(
    "config.LogicalDeviceConfiguration",
    "config.experimental.VirtualDeviceConfiguration",
)
class LogicalDeviceConfiguration(NamedTuple):
    """How a logical device is cut from a physical one (memory in MB; XLA shares memory between logical CPUs)."""

    memory_limit: int | None = None
    experimental_priority: int | None = None
    experimental_device_ordinal: int | None = None


class _Config:
    """What programs have asked of the devices; applied when the backend starts."""

    def __init__(self) -> None:
        self.logical: dict[str, list[LogicalDeviceConfiguration]] = {}
        self.visible: dict[str, list[PhysicalDevice]] = {}
        self.memory_growth: dict[str, bool] = {}
        self.may_change = False  # after the context was reset: logical CPUs may then outnumber those of XLA


config = _Config()


def _platform(device_type: str) -> list[Any]:
    try:
        return jax.local_devices(backend={"GPU": "gpu", "TPU": "tpu"}.get(device_type, "cpu"))
    except RuntimeError:
        return []


@export("config.list_physical_devices", "config.experimental.list_physical_devices")
def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The machine's devices.

    Args:
      device_type: `"CPU"`, `"GPU"` or `"TPU"`; all by default.

    Example:
      >>> import penstock as tf
      >>> tf.config.list_physical_devices("CPU")
      [PhysicalDevice(name='/physical_device:CPU:0', device_type='CPU')]
    """
    found = [PhysicalDevice("/physical_device:CPU:0", "CPU")]
    for kind in ("GPU", "TPU"):
        if device_type in (None, kind) and _may_have(kind):
            found += [
                PhysicalDevice(f"/physical_device:{kind}:{i}", kind) for i in range(len(_platform(kind)))
            ]
    return [each for each in found if device_type in (None, each.device_type)]


def _may_have(kind: str) -> bool:
    """Whether asking JAX for accelerators is worth loading it: its plugin for them is installed."""
    if is_loaded():
        return True
    from importlib.util import find_spec

    names = ("jax_cuda13_plugin", "jax_cuda12_plugin", "jax_rocm60_plugin", "jax_rocm7_plugin")
    return any(find_spec(name) for name in (names if kind == "GPU" else ("libtpu",)))


@export("config.list_logical_devices", "config.experimental.list_logical_devices")
def list_logical_devices(device_type: str | None = None) -> list[LogicalDevice]:
    """The devices that programs see: logical CPUs as configured, and the visible accelerators."""
    found: list[LogicalDevice] = []
    for physical in list_physical_devices(device_type):
        visible = config.visible.get(physical.device_type)
        if visible is not None and physical not in visible:
            continue
        index = sum(each.device_type == physical.device_type for each in found)
        for offset in range(len(config.logical.get(physical.name, [None]))):
            found.append(
                LogicalDevice(f"/device:{physical.device_type}:{index + offset}", physical.device_type)
            )
    return found


@export("config.set_logical_device_configuration", "config.experimental.set_virtual_device_configuration")
def set_logical_device_configuration(
    device: PhysicalDevice, logical_devices: Sequence[LogicalDeviceConfiguration]
) -> None:
    """Splits a CPU into several logical devices, so that distributed programs run on one machine.

    Raises:
      RuntimeError: the backend has started; configure devices first.
    """
    logical_devices = list(logical_devices)
    if config.logical.get(device.name) == logical_devices:
        return
    if (
        is_loaded()
        and not config.may_change
        and device.device_type == "CPU"
        and len(jax.local_devices(backend="cpu")) != len(logical_devices)
    ):
        raise RuntimeError("Virtual devices cannot be modified after being initialized")
    config.logical[device.name] = logical_devices
    if device.device_type == "CPU":
        backend_options["num_cpu_devices"] = len(logical_devices)


@export("config.get_logical_device_configuration", "config.experimental.get_virtual_device_configuration")
def get_logical_device_configuration(device: PhysicalDevice) -> list[LogicalDeviceConfiguration] | None:
    """How a device is split; None where it is not."""
    return config.logical.get(device.name)


@export("config.set_visible_devices", "config.experimental.set_visible_devices")
def set_visible_devices(devices: Any, device_type: str | None = None) -> None:
    """Hides all devices (of a type) but the given ones from programs."""
    chosen = list(devices) if isinstance(devices, list) else [devices] if devices else []
    for kind in {device_type} if device_type else {"CPU", "GPU", "TPU"}:
        config.visible[kind] = [each for each in chosen if each.device_type == kind]


@export("config.get_visible_devices", "config.experimental.get_visible_devices")
def get_visible_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The devices that are not hidden."""
    return [
        each
        for each in list_physical_devices(device_type)
        if config.visible.get(each.device_type) is None or each in config.visible[each.device_type]
    ]


@export("config.experimental.set_memory_growth")
def set_memory_growth(device: PhysicalDevice, enable: bool) -> None:
    """Whether memory of a GPU is taken as needed (JAX's preallocation off).

    Raises:
      ValueError: the device is not a GPU.
    """
    import os

    if device.device_type == "CPU":
        raise ValueError("Cannot set memory growth on non-GPU and non-Pluggable devices")
    config.memory_growth[device.name] = enable
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false" if enable else "true"


@export("config.experimental.get_memory_growth")
def get_memory_growth(device: PhysicalDevice) -> bool | None:
    """What `set_memory_growth` set."""
    return config.memory_growth.get(device.name)


@export("config.experimental.get_device_details")
def get_device_details(device: PhysicalDevice) -> dict[str, Any]:
    """What is known of a device: its name."""
    if device.device_type == "CPU":
        return {}
    index = int(device.name.rsplit(":", 1)[1])
    return {"device_name": _platform(device.device_type)[index].device_kind}


@export("config.experimental.get_memory_info")
def get_memory_info(device: str) -> dict[str, int]:
    """Bytes in use now and at most, on an accelerator.

    Raises:
      ValueError: the device does not tell.
    """
    statistics = jax_device(device).memory_stats()
    if not statistics:
        raise ValueError(f"The allocator of device {device!r} does not give statistics.")
    return {"current": statistics["bytes_in_use"], "peak": statistics["peak_bytes_in_use"]}


_DEVICE = re.compile(r"(?:.*/)?(?:device:)?(?P<type>[A-Za-z]+)(?::(?P<index>\d+|\*))?$")


def parse_device(name: str) -> tuple[str, int]:
    """`"/GPU:0"`, `"/device:CPU:1"`, `"gpu"` ... as (type, index).

    Raises:
      ValueError: it is not a device's name.
    """
    found = _DEVICE.match(name.strip())
    kind = _PLATFORMS.get(found["type"].lower()) if found else None
    if kind is None:
        raise ValueError(f"Unknown device {name!r}: expected something like '/CPU:0' or '/device:GPU:1'.")
    index = found["index"]
    return kind, int(index) if index and index != "*" else 0


def jax_device(name: str) -> Any:
    """The JAX device that a TensorFlow device name means."""
    kind, index = parse_device(name)
    devices = _platform(kind)
    if index >= len(devices):
        raise ValueError(f"There is no device {name!r}: {kind} devices: {len(devices)}.")
    return devices[index]


def _placed(name: str) -> Any:
    """The JAX device of a `tf.device` name; None where it is the default one.

    Raises:
      InvalidArgumentError: there is no such device, and soft placement is off.
    """
    kind, index = parse_device(name)
    if index == 0 and kind == ("CPU" if not process.accelerator else "GPU"):
        return None
    try:
        return jax_device(name)
    except ValueError as error:
        if _settings["soft_device_placement"].value:
            return None
        raise errors.InvalidArgumentError(None, None, str(error)) from None


process.device_of = _placed


class _Setting:
    """A setting of TensorFlow's runtime that XLA decides by itself: kept, given back, without further effect."""

    def __init__(self, value: Any):
        self.value = value


_settings: dict[str, _Setting] = {
    "inter_op_parallelism_threads": _Setting(0),
    "intra_op_parallelism_threads": _Setting(0),
    "soft_device_placement": _Setting(True),
    "optimizer_jit": _Setting(""),
    "optimizer_options": _Setting({}),
    "op_determinism": _Setting(False),
}


def _get(name: str) -> Any:
    return lambda: _settings[name].value


def _set(name: str) -> Any:
    def setter(value: Any) -> None:
        _settings[name].value = value

    setter.__doc__ = f"Keeps the setting {name}, which XLA decides by itself."
    return setter


for _name, _public in (
    ("inter_op_parallelism_threads", "config.threading.{}_inter_op_parallelism_threads"),
    ("intra_op_parallelism_threads", "config.threading.{}_intra_op_parallelism_threads"),
    ("soft_device_placement", "config.{}_soft_device_placement"),
    ("optimizer_jit", "config.optimizer.{}_jit"),
    ("optimizer_options", "config.optimizer.{}_experimental_options"),
):
    export(_public.format("get"))(_get(_name))
    export(_public.format("set"))(_set(_name))


@export("config.experimental.enable_op_determinism")
def enable_op_determinism() -> None:
    """Keeps the wish for determinism; XLA's CPU programs are deterministic, and random ops need a seed then."""
    _settings["op_determinism"].value = True


@export("config.experimental.enable_tensor_float_32_execution")
def enable_tensor_float_32_execution(enabled: bool) -> None:
    """Whether GPU matrix products of float32 may round their inputs to TensorFloat-32."""
    jax.config.update("jax_default_matmul_precision", None if enabled else "highest")


@export("config.experimental.tensor_float_32_execution_enabled")
def tensor_float_32_execution_enabled() -> bool:
    """Whether GPU matrix products of float32 may round their inputs to TensorFloat-32."""
    return jax.config.jax_default_matmul_precision != "highest"


@export("test.is_gpu_available", "test.is_built_with_gpu_support", "test.is_built_with_cuda")
def is_gpu_available(*args: Any, **kwargs: Any) -> bool:
    """Whether there is a GPU."""
    return bool(list_physical_devices("GPU"))


@export("test.gpu_device_name")
def gpu_device_name() -> str:
    """The name of the first GPU; empty where there is none."""
    return "/device:GPU:0" if is_gpu_available() else ""


@export("sysconfig.get_build_info")
def get_build_info() -> dict[str, Any]:
    """How the backend was built."""
    return {
        "is_cuda_build": bool(list_physical_devices("GPU")),
        "is_rocm_build": False,
        "is_tensorrt_build": False,
    }
