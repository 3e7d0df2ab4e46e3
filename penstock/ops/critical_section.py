"""`tf.CriticalSection`: functions that run one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.graph.scopes import name_scope


@export("CriticalSection")
class CriticalSection:
    """Runs functions so that no two of them run at the same time.

    In a graph, what the functions do to variables keeps the order of the program, which has the same effect.

    Args:
      name: a name for the operations inside.

    Example:
      >>> import penstock as tf
      >>> section, v = tf.CriticalSection(), tf.Variable(0.0)
      >>> float(section.execute(lambda: v.assign_add(1.0).read_value()))
      1.0
    """

    def __init__(
        self,
        name: str | None = None,
        shared_name: str | None = None,
        critical_section_def: Any = None,
        import_scope: str | None = None,
    ):
        self._name = name or "critical_section"
        self._lock = threading.RLock()

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    def execute(self, fn: Callable, exclusive_resource_access: bool = True, name: str | None = None) -> Any:
        """Calls `fn()` while no other function of this section runs, and returns what it returns."""
        if thread.graph is not None:
            with name_scope(name or self._name):
                return fn()
        with self._lock:
            return fn()
