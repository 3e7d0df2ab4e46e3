"""`tf.compat.v1.train.SecondOrStepTimer`: decides in which steps a hook does its work."""

from __future__ import annotations

import time

from penstock.engine.export import export


@export(v1=["train.SecondOrStepTimer"])
class SecondOrStepTimer:
    """A timer that triggers every so many seconds, or every so many steps; the first time at once.

    Args:
      every_secs, every_steps: one of them.

    Raises:
      ValueError: both or none is given.

    Example:
      >>> import penstock as tf
      >>> timer = tf.compat.v1.train.SecondOrStepTimer(every_steps=2)
      >>> _ = timer.update_last_triggered_step(5)
      >>> timer.should_trigger_for_step(6), timer.should_trigger_for_step(7)
      (False, True)
    """

    def __init__(self, every_secs: float | None = None, every_steps: int | None = None):
        if every_secs is None and every_steps is None:
            raise ValueError("Either every_secs or every_steps should be provided.")
        if every_secs is not None and every_steps is not None:
            raise ValueError("Can not provide both every_secs and every_steps.")
        self._every_secs, self._every_steps = every_secs, every_steps
        self.reset()

    def reset(self) -> None:
        """Begins anew."""
        self._step: int | None = None
        self._time = 0.0

    def should_trigger_for_step(self, step: int) -> bool:
        """Whether it triggers at a step; not twice at the same one."""
        if self._step is None:
            return True
        if self._step == step:
            return False
        if self._every_secs is not None:
            return time.monotonic() >= self._time + self._every_secs
        return step >= self._step + self._every_steps  # type: ignore[operator]

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """Notes that it triggered at a step.

        Returns:
          (seconds, steps) since the time before; (None, None) at the first time.
        """
        now = time.monotonic()
        since = (None, None) if self._step is None else (now - self._time, step - self._step)
        self._time, self._step = now, step
        return since

    def last_triggered_step(self) -> int | None:
        """The step at which it triggered last; None before the first time."""
        return self._step
