"""Devices: `tf.config`'s lists of physical and logical devices, and `DeviceSpec`s as TensorFlow writes them."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from penstock.engine.context import process
from penstock.engine.export import export
from penstock.engine.xla import backend_options, configure, is_loaded, jax, restart, use_accelerator

KINDS = {"cpu": "CPU", "gpu": "GPU", "cuda": "GPU", "rocm": "GPU", "tpu": "TPU"}

_PLUGINS = {
    "GPU": ("jax_cuda13_plugin", "jax_cuda12_plugin", "jax_rocm60_plugin", "jax_rocm7_plugin"),
    "TPU": ("libtpu",),
}


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


def of_kind(device_type: str) -> list[Any]:
    """JAX's devices of a type."""
    try:
        return jax.local_devices(backend=device_type.lower())
    except RuntimeError:
        return []


def visible(device_type: str) -> list[Any]:
    """For each logical device of a type the JAX device that it is on."""
    found = of_kind(device_type)
    if device_type == "CPU" or not found:
        return found
    chosen = []
    for physical in get_visible_devices(device_type):
        parts = len(config.logical.get(physical.name, [None]))
        chosen += [found[_index(physical)]] * parts
    return chosen


def _index(device: PhysicalDevice) -> int:
    return int(device.name.rsplit(":", 1)[1])


def accelerator_kind() -> str | None:
    """The type of accelerator that programs run on, "GPU" or "TPU"; None where it is the CPU."""
    if not process.accelerator:
        return None
    return next((kind for kind in ("TPU", "GPU") if visible(kind)), None)


def places_softly() -> bool:
    """Whether what asks for a device that is not there runs elsewhere."""
    return _settings["soft_device_placement"]


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
        if device_type in (None, kind) and (is_loaded() or _has_plugin(kind)):
            found += [PhysicalDevice(f"/physical_device:{kind}:{i}", kind) for i in range(len(of_kind(kind)))]
    return [each for each in found if device_type in (None, each.device_type)]


@functools.cache
def _has_plugin(kind: str) -> bool:
    """Whether JAX's plugin for a kind of accelerator is installed: only then is it worth loading JAX to ask for them."""
    return any(find_spec(name) for name in _PLUGINS[kind])


def may_have_accelerator() -> bool:
    """Whether an accelerator may be found when JAX is loaded."""
    return any(map(_has_plugin, _PLUGINS))


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
    """Splits a device into logical ones, so that distributed programs run on one machine; limits the memory of a GPU.

    The logical devices of a GPU share it, and the sum of their limits is what XLA takes of its memory.

    Raises:
      ValueError: there is no such device, or a CPU's memory should be limited.
      RuntimeError: the backend has started; configure devices first.
    """
    logical_devices = list(logical_devices)
    _check(device)
    if config.logical.get(device.name) == logical_devices:
        return
    limits = [each.memory_limit for each in logical_devices]
    if device.device_type == "CPU" and any(limits):
        raise ValueError("Setting memory limit on CPU virtual devices is currently not supported")
    if any(limits):
        _limit_memory(device, sum(limit or 0 for limit in limits))
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
    """How a device is split; None where it is not.

    Raises:
      ValueError: there is no such device.
    """
    _check(device)
    return config.logical.get(device.name)


@export("config.set_visible_devices", "config.experimental.set_visible_devices")
def set_visible_devices(devices: Any, device_type: str | None = None) -> None:
    """Hides all devices (of a type) but the given ones from programs.

    Programs of JAX's own, in the same process, still see all of them.

    Raises:
      ValueError: there is no such device, or it has another type.
    """
    chosen = list(devices) if isinstance(devices, (list, tuple)) else [devices] if devices else []
    for each in chosen:
        _check(each)
        if device_type is not None and each.device_type != device_type:
            raise ValueError(f"Unrecognized device: {each!r}")
    for kind in (device_type,) if device_type else ("CPU", "GPU", "TPU"):
        config.visible[kind] = [each for each in chosen if each.device_type == kind]
    if is_loaded() or may_have_accelerator():
        configure()
        _choose_home()


def _check(device: PhysicalDevice) -> None:
    if device not in list_physical_devices():
        raise ValueError(f"Unrecognized device: {device!r}")


def _choose_home() -> None:
    """Has programs run on the first device that is visible."""
    kind = KINDS[jax.default_backend()]
    if kind == "CPU":
        return
    left = visible(kind)
    home = left[0] if left else of_kind("CPU")[0]
    if home != (process.home or of_kind(kind)[0]):
        process.home = None if home == of_kind(kind)[0] else home
        use_accelerator(bool(left))


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
      RuntimeError: there are arrays on it already.
    """
    if device.device_type == "CPU":
        raise ValueError("Cannot set memory growth on non-GPU and non-Pluggable devices")
    _check(device)
    config.memory_growth[device.name] = enable
    _set_before_start("XLA_PYTHON_CLIENT_PREALLOCATE", "false" if enable else "true")


def _limit_memory(device: PhysicalDevice, megabytes: int) -> None:
    """Has XLA take so much memory of a GPU and no more."""
    statistics = of_kind(device.device_type)[_index(device)].memory_stats()
    if not statistics or "bytes_limit" not in statistics:
        raise ValueError(f"The allocator of {device.name} has no limit.")
    taken = float(os.environ.get("XLA_PYTHON_CLIENT_MEM_FRACTION", 0.75))
    fraction = taken * (megabytes << 20) / statistics["bytes_limit"]
    _set_before_start("XLA_PYTHON_CLIENT_MEM_FRACTION", f"{min(fraction, 1.0):.6f}")


def _set_before_start(name: str, value: str) -> None:
    """Sets a variable of the environment that XLA reads when it starts; it starts anew where it was only asked for devices.

    Raises:
      RuntimeError: there are arrays on its devices already.
    """
    if os.environ.get(name) == value:
        return
    if is_loaded():
        if jax.live_arrays():
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        restart()
    os.environ[name] = value
    if config.visible:
        process.home = None
        configure()
        _choose_home()


@export("config.experimental.get_memory_growth")
def get_memory_growth(device: PhysicalDevice) -> bool | None:
    """What `set_memory_growth` set.

    Raises:
      ValueError: there is no such device.
    """
    _check(device)
    return config.memory_growth.get(device.name)


@export("config.experimental.get_device_details")
def get_device_details(device: PhysicalDevice) -> dict[str, Any]:
    """What is known of a device: its name, and the compute capability of an NVIDIA GPU.

    Raises:
      ValueError: there is no such device.
    """
    _check(device)
    if device.device_type == "CPU":
        return {}
    found = of_kind(device.device_type)[_index(device)]
    details: dict[str, Any] = {"device_name": found.device_kind}
    if capability := getattr(found, "compute_capability", None):
        details["compute_capability"] = tuple(map(int, str(capability).split(".")))
    return details


# Settings of TensorFlow's runtime that XLA decides by itself: kept, given back, without further effect.
_settings: dict[str, Any] = {
    "inter_op_parallelism_threads": 0,
    "intra_op_parallelism_threads": 0,
    "soft_device_placement": True,
    "optimizer_jit": "",
    "optimizer_options": {},
}


def _get(name: str) -> Any:
    return lambda: _settings[name]


def _set(name: str) -> Any:
    def setter(value: Any) -> None:
        _settings[name] = value

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


@export("config.experimental.enable_tensor_float_32_execution")
def enable_tensor_float_32_execution(enabled: bool) -> None:
    """Whether GPU matrix products of float32 may round their inputs to TensorFloat-32."""
    jax.config.update("jax_default_matmul_precision", None if enabled else "highest")


@export("config.experimental.tensor_float_32_execution_enabled")
def tensor_float_32_execution_enabled() -> bool:
    """Whether GPU matrix products of float32 may round their inputs to TensorFloat-32."""
    return jax.config.jax_default_matmul_precision != "highest"


@export("test.is_gpu_available")
def is_gpu_available(*args: Any, **kwargs: Any) -> bool:
    """Whether there is a GPU."""
    return bool(list_logical_devices("GPU"))


@export("test.is_built_with_cuda", "test.is_built_with_gpu_support")
def is_built_with_cuda() -> bool:
    """Whether a GPU that there is would be used: JAX's plugin for GPUs is installed."""
    return _has_plugin("GPU")


@export("sysconfig.get_build_info")
def get_build_info() -> dict[str, Any]:
    """How the backend was built."""
    return {
        "is_cuda_build": _has_plugin("GPU"),
        "is_rocm_build": False,
        "is_tensorrt_build": False,
    }
