"""Settings of TensorFlow's eager runtime: they are kept and checked, and most change nothing in what a program computes.

Ops run in the order of the program, on whichever device their data is, and XLA compiles what can be compiled.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

from penstock.engine.context import process
from penstock.engine.export import export
from penstock.runtime.placement import jax_device

_POLICIES = ("silent", "explicit", "warn", "silent_for_int32")
_EXECUTORS = ("", "DEFAULT", "SINGLE_THREADED_EXECUTOR")
_SETTINGS = "execution_settings"


def _settings() -> dict:
    return process.registry.setdefault(_SETTINGS, {"policy": "silent", "synchronous": True})


@export("config.experimental.get_device_policy")
def get_device_policy() -> str:
    """What happens where an op and its inputs are on two devices; "silent" copies.

    Example:
      >>> import penstock as tf
      >>> tf.config.experimental.get_device_policy()
      'silent'
    """
    return _settings()["policy"]


@export("config.experimental.set_device_policy")
def set_device_policy(device_policy: str | None) -> None:
    """Sets the policy: "silent" (the default, also for None), "explicit", "warn" or "silent_for_int32".

    XLA moves data to where a program runs, so that all of them copy.

    Raises:
      ValueError: another policy.
    """
    if device_policy is not None and device_policy not in _POLICIES:
        raise ValueError(f"Invalid argument `device_policy`: {device_policy!r}. It is one of {_POLICIES}.")
    _settings()["policy"] = device_policy or "silent"


@export("config.experimental.get_synchronous_execution")
def get_synchronous_execution() -> bool:
    """Whether ops are said to be done when they return."""
    return _settings()["synchronous"]


@export("config.experimental.set_synchronous_execution")
def set_synchronous_execution(enable: bool) -> None:
    """Says whether ops must be done when they return.

    Compiled programs always run while Python goes on, and a value is waited for when it is looked at; errors are raised
    by the call that made them in either mode.
    """
    _settings()["synchronous"] = True if enable is None else bool(enable)


@export("experimental.async_scope")
@contextlib.contextmanager
def async_scope() -> Iterator[None]:
    """Inside, ops may return before they are done; at the end all of them are.

    Example:
      >>> import penstock as tf
      >>> with tf.experimental.async_scope():
      ...     total = tf.add(1, 2)
      >>> total.numpy()
      np.int32(3)
    """
    before = get_synchronous_execution()
    set_synchronous_execution(False)
    try:
        yield
    finally:
        set_synchronous_execution(before)


@export("experimental.async_clear_error")
def async_clear_error() -> None:
    """Forgets errors that have not been raised yet: there are none, since each is raised where it is found."""


@export("experimental.function_executor_type")
@contextlib.contextmanager
def function_executor_type(executor_type: str | None) -> Iterator[None]:
    """Inside, functions run with an executor of TensorFlow: "" or "DEFAULT", or "SINGLE_THREADED_EXECUTOR".

    All run as compiled programs here, in the order of the program.

    Raises:
      ValueError: there is no such executor.
    """
    if executor_type is not None and executor_type not in _EXECUTORS:
        raise ValueError(f"executor_type must be one of {_EXECUTORS}, got {executor_type!r}")
    yield


@export("experimental.enable_strict_mode")
def enable_strict_mode() -> None:
    """Makes errors of all warnings that something is deprecated."""
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
        warnings.filterwarnings("error", category=category, module="penstock")
    process.registry["strict_mode"] = True


@export("config.experimental.enable_mlir_bridge")
def enable_mlir_bridge() -> None:
    """Chooses between TensorFlow's two ways to XLA; programs are lowered through MLIR in any case."""
    _settings()["mlir_bridge"] = True


@export("config.experimental.disable_mlir_bridge")
def disable_mlir_bridge() -> None:
    """See `enable_mlir_bridge`."""
    _settings()["mlir_bridge"] = False


@export("config.experimental.get_memory_info")
def get_memory_info(device: str) -> dict[str, int]:
    """Bytes in use now and at most on a device; 0 for a CPU, whose allocator does not count.

    Raises:
      ValueError: there is no such device.
    """
    statistics = jax_device(device).memory_stats() or {}
    return {
        "current": int(statistics.get("bytes_in_use", 0)),
        "peak": int(statistics.get("peak_bytes_in_use", 0)),
    }


@export("config.experimental.get_memory_usage")
def get_memory_usage(device: str) -> int:
    """Bytes in use on a device now; 0 for a CPU, whose allocator does not count.

    Raises:
      ValueError: there is no such device.
    """
    statistics = jax_device(device).memory_stats() or {}
    return int(statistics.get("bytes_in_use", 0))


@export("config.experimental.reset_memory_stats")
def reset_memory_stats(device: str) -> None:
    """Begins to count a device's peak of memory anew.

    XLA's allocator has no such call: `get_memory_info` gives the peak since the process began.

    Raises:
      ValueError: there is no such device.
    """
    if jax_device(device).platform != "cpu":
        warnings.warn(
            f"The peak of {device}'s memory cannot be reset: get_memory_info counts from the start.",
            stacklevel=2,
        )
