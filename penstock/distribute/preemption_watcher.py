"""`tf.distribute.experimental.PreemptionWatcher`: notes that this process is about to be taken away."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from penstock.engine.export import export


@export("distribute.experimental.PreemptionWatcher", v1=[])
class PreemptionWatcher:
    """Notes the warning that this process gets before it is taken away, which is SIGTERM.

    From its construction on, SIGTERM does not end the process by itself: the program looks at `preemption_message`, saves
    what it has, and ends. A handler of the program's own is called too. (TensorFlow's watcher listens to the coordination
    service of its makers' TPU clusters, and to nothing elsewhere.) `PreemptionCheckpointHandler` saves by itself.

    Raises:
      ValueError: it is made outside of the main thread, where Python lets nobody listen to signals.

    Example:
      >>> import os, signal
      >>> import penstock as tf
      >>> watcher = tf.distribute.experimental.PreemptionWatcher()
      >>> watcher.preemption_message is None
      True
      >>> os.kill(os.getpid(), signal.SIGTERM)
      >>> watcher.preemption_message
      'SIGTERM'
    """

    def __init__(self) -> None:
        self._message: str | None = None
        self._before: Callable | int | None = signal.signal(signal.SIGTERM, self._note)

    @property
    def preemption_message(self) -> str | None:
        """What the process was warned by; None as long as it was not."""
        return self._message

    def block_until_worker_exit(self) -> None:
        """Returns at once, as TensorFlow's does where there is no TPU cluster."""

    def _note(self, number: int, frame: FrameType | None) -> Any:
        self._message = signal.Signals(number).name
        if callable(self._before):
            self._before(number, frame)
