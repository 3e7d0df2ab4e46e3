"""Processes of a cluster that tell in lines of JSON how far they are, and who watches them."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any

STARTS_WITHIN = 300.0  # seconds


class Worker:
    """One process, and what it has told so far.

    Args:
      command: what to run. environment: its variables, beside those of this process.

    Attributes:
      told: the facts of its lines of JSON, the latest of each name. errors: what it wrote to stderr, when it has ended.
    """

    def __init__(self, command: Sequence[str], **environment: str):
        limits = {"PENSTOCK_START_TIMEOUT": str(STARTS_WITHIN)}
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **limits, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.told: dict[str, Any] = {}
        self.errors = ""
        self._readers = [threading.Thread(target=work, daemon=True) for work in (self._listen, self._keep)]
        for each in self._readers:
            each.start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            if line.startswith("{"):
                self.told.update(json.loads(line))

    def _keep(self) -> None:
        self.errors = self.process.stderr.read()

    def end(self, seconds: float) -> int | None:
        """The exit status; None where the process has not ended in time."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        for each in self._readers:
            each.join(10.0)
        return status


def end_all(cluster: list[Worker]) -> None:
    """Kills what still runs."""
    for each in cluster:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def wait_for_step(cluster: list[Worker], step: int) -> None:
    """Returns when the chief has done a step.

    Raises:
      RuntimeError: it does not come that far.
    """
    deadline = time.monotonic() + STARTS_WITHIN
    while cluster[0].told.get("step", 0) < step:
        if time.monotonic() > deadline or any(each.process.poll() is not None for each in cluster):
            told = "\n".join(each.errors for each in cluster)
            raise RuntimeError(f"the cluster did not come to step {step}: {cluster[0].told}\n{told}")
        time.sleep(0.001)
