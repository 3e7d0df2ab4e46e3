"""What programs import from `tensorflow.python.eager.context`: how this thread executes.

TensorFlow keeps caches and queues in this context; here `engine.context` holds the state, and there is nothing to
clear: a compiled single-op program is worth more than the memory it takes.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from penstock.engine import context as engine_context
from penstock.engine import xla
from penstock.runtime.devices import list_logical_devices


class Context:
    """The process's eager context."""

    def executing_eagerly(self) -> bool:
        """True where ops run at once."""
        return engine_context.executing_eagerly()

    def clear_kernel_cache(self) -> None:
        """Nothing is held for this thread that could be cleared."""

    def num_gpus(self) -> int:
        """How many GPUs this process has."""
        return len(list_logical_devices("GPU"))

    def ensure_initialized(self) -> None:
        """Starts XLA."""
        xla.configure()

    def async_wait(self) -> None:
        """Waits until what was sent to the devices has been done."""
        async_wait()


_context = Context()


def context() -> Context:
    """The process's eager context."""
    return _context


def _reset_context() -> None:
    """Forgets the configuration of logical devices, so that it can be set anew. XLA keeps the devices it has."""
    from penstock.runtime.devices import config

    config.logical.clear()
    config.may_change = True


def async_wait() -> None:
    """Waits until what was sent to the devices, and to the workers of a coordinator in scope, has been done."""
    for wait in engine_context.process.registry.get("async_waits", ()):
        wait()
    if xla.is_loaded():
        xla.jax.effects_barrier()


def eager_mode() -> AbstractContextManager[Any]:
    """Ops called inside run at once."""
    return engine_context.building(None)


def graph_mode() -> AbstractContextManager[Any]:
    """Ops called inside become nodes of the default graph."""
    return engine_context.building(engine_context.default_graph())


def get_config() -> Any:
    """The configuration of this process as a ConfigProto: the default one."""
    import penstock

    return penstock.compat.v1.ConfigProto()
