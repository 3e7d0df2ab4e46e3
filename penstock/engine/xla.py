"""JAX, imported on first use.

`import penstock` must not pay for loading XLA: eager CPU arithmetic is NumPy. Every module that needs JAX takes the
lazy proxies from here, and the first attribute access imports JAX and configures it (the on-disk compile cache, the
number of logical CPU devices). What is called at top level, outside any traced function, is called through `jit` or
under `wide_types`: JAX has 64-bit types there, and the caller's own JAX code keeps JAX's defaults.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from penstock.engine import background_threads
from penstock.engine.context import LARGE, LARGE_FOR_ACCELERATORS, process, thread
from penstock.engine.garbage import importing
from penstock.engine.memory import keep_freed_memory

_configure_lock = threading.RLock()
_configured = False

# What `tf.config` may set before the backend starts; read once by `configure`.
backend_options: dict[str, Any] = {"num_cpu_devices": None}


def cache_folder() -> str | None:
    """The folder of compiled programs; None where `PENSTOCK_CACHE=0` turns the cache off."""
    chosen = os.environ.get("PENSTOCK_CACHE")
    if chosen == "0":
        return None
    if chosen:
        return chosen
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "penstock")


def configure() -> None:
    """Imports and configures JAX once per process."""
    global _configured
    if _configured:
        return
    with _configure_lock:
        if _configured:
            return
        with importing():
            import jax as module

        # After JAX has registered itself, so that this runs before.
        atexit.unregister(background_threads.end_all)
        atexit.register(background_threads.end_all)
        folder = cache_folder()
        if folder is not None and not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
            module.config.update("jax_compilation_cache_dir", folder)
            module.config.update("jax_persistent_cache_min_compile_time_secs", 0.03)
        if backend_options["num_cpu_devices"]:
            module.config.update("jax_num_cpu_devices", backend_options["num_cpu_devices"])
        _configured = True
        use_accelerator(module.default_backend() != "cpu")


def use_accelerator(used: bool) -> None:
    """Says whether data lives on an accelerator."""
    process.accelerator = used
    process.large = LARGE_FOR_ACCELERATORS if used else LARGE
    if not used:
        keep_freed_memory()


def is_loaded() -> bool:
    """True once something has needed XLA in this process."""
    return _configured


def restart() -> None:
    """Takes XLA's backends down; the next use starts them. Nothing may live on their devices."""
    global _configured
    with _configure_lock:
        import jax.extend.backend

        jax.extend.backend.clear_backends()
        _configured = False


def wide_types() -> Any:
    """The context in which JAX has int64, float64 and complex128, as TensorFlow has; for this thread alone."""
    if process.home is None or thread.device:
        return jax.enable_x64(True)
    return _at_home()


@contextlib.contextmanager
def _at_home() -> Iterator[None]:
    with jax.enable_x64(True), jax.default_device(process.home):
        yield


def jit(function: Callable, **options: Any) -> Callable:
    """`jax.jit` of a function that is traced and called with 64-bit types, on the devices that `tf.config` leaves visible."""
    program, enable = jax.jit(function, **options), jax.enable_x64

    def call(*arguments: Any, **named: Any) -> Any:
        with enable(True) if process.home is None else wide_types():
            return program(*arguments, **named)

    call.program = program
    return call


def compile_for(program: Callable, *arguments: Any) -> int:
    """Compiles what `jit` gave for a call with such arguments; returns how much temporary memory the call takes, in bytes.

    The call itself then finds the program compiled. 0 where XLA does not say.
    """
    with wide_types():
        compiled = program.program.lower(*arguments).compile()
    found = compiled.memory_analysis()
    return 0 if found is None else found.temp_size_in_bytes


def on_device(tensor: Any) -> Any:
    """The value of an eager tensor for a compiled program.

    A large one goes to the accelerator once, and stays there for the next program: where nobody asked for another device.
    """
    if tensor._jax is not None:
        return tensor._jax
    value = tensor._np
    if not process.accelerator or thread.device or type(value) is not np.ndarray:
        return value
    if value.size >= process.large and value.dtype.kind not in "OSU":
        with wide_types():
            tensor._jax = value = jax.device_put(value)
    return value


class _LazyModule:
    """Stands for a module; each attribute is looked up once and then kept on the instance."""

    def __init__(self, name: str):
        self.__dict__["_name"] = name

    def __getattr__(self, attribute: str) -> Any:
        configure()
        value = getattr(importlib.import_module(self._name), attribute)
        self.__dict__[attribute] = value
        return value


jax: Any = _LazyModule("jax")
jnp: Any = _LazyModule("jax.numpy")
lax: Any = _LazyModule("jax.lax")
