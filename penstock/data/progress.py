"""Progress of long work (`save`, `cache`, `snapshot`) on a terminal; nothing where the output goes elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

_PATIENCE = 1.0  # seconds that work may take before anything is shown


class Progress:
    """Shows how many elements were written, and how fast.

    Args:
      what: the work, in a few words. total: how many there will be; negative where that is not known.
    """

    def __init__(self, what: str, total: int):
        self._what, self._total = what, total if total >= 0 else None
        self._started = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._count = 0
        self._shows = sys.stdout is not None and sys.stdout.isatty()

    def advance(self) -> None:
        """One element more."""
        self._count += 1
        if not self._shows or self._count % 16:
            return
        if self._bar is None:
            if time.monotonic() - self._started < _PATIENCE:
                return
            self._begin()
        self._bar.update(self._task, completed=self._count)

    def _begin(self) -> None:
        from rich import progress

        columns = [
            progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(), progress.TimeRemainingColumn(),
        ]  # fmt: skip
        self._bar = progress.Progress(*columns, transient=True)
        self._task = self._bar.add_task(self._what, total=self._total)
        self._bar.start()

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
