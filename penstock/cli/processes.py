"""Processes that belong together: their output with a name before each line, and one end for all."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

# Bright colours that are read on dark and light grounds alike.
_COLOURS = (36, 33, 35, 32, 34, 31)
# After one has failed, the others get this long to say so themselves, then as long again after SIGTERM.
_PATIENCE = 5.0


@dataclass(slots=True)
class Member:
    """One process.

    Attributes:
      name: what stands before its lines. command: what to run. environment: its variables, beside those of this process.
      serves: whether it runs until it is told to end, as a parameter server does.
    """

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    serves: bool = False


def run_together(members: Sequence[Member], signals_patience: float = 60.0) -> int:
    """Runs processes until all have ended, or those that are left only serve.

    The first one that fails ends the others. SIGINT and SIGTERM are passed on, and whoever has not ended after
    `signals_patience` seconds is killed.

    Returns:
      0, or the exit status of the first that failed (128 + n for signal n).
    """
    group = _Group(members)
    outer = {each: signal.signal(each, group.note) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        return group.run(signals_patience)
    finally:
        for each, handler in outer.items():
            signal.signal(each, handler)


class _Group:
    def __init__(self, members: Sequence[Member]):
        self._members = members
        self._processes: list[subprocess.Popen] = []
        self._readers: list[threading.Thread] = []
        self._signal = 0
        self._width = max(len(each.name) for each in members)

    def note(self, number: int, frame: Any) -> None:
        """Remembers a signal; the second one kills."""
        self._end(signal.SIGKILL if self._signal else number)
        self._signal = number

    def run(self, signals_patience: float) -> int:
        try:
            for place, member in enumerate(self._members):
                self._start(place, member)
            return self._wait(signals_patience)
        finally:
            self._end(signal.SIGKILL)
            for each in self._readers:
                each.join(5.0)

    def _start(self, place: int, member: Member) -> None:
        # A session of its own: the terminal's Ctrl-C reaches this process alone, which passes it on.
        process = subprocess.Popen(
            member.command,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **member.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._processes.append(process)
        for source, target in ((process.stdout, sys.stdout), (process.stderr, sys.stderr)):
            prefix = f"[{member.name}]".ljust(self._width + 2)
            if _takes_colours(target):
                prefix = f"\033[{_COLOURS[place % len(_COLOURS)]}m{prefix}\033[0m"
            reader = threading.Thread(target=_copy, args=(source, target, prefix), daemon=True)
            reader.start()
            self._readers.append(reader)

    def _wait(self, signals_patience: float) -> int:
        failed, deadline = 0, float("inf")
        while True:
            running = [i for i, each in enumerate(self._processes) if each.poll() is None]
            for i, each in enumerate(self._processes):
                if each.returncode and not failed and i not in running:
                    failed = each.returncode
                    if not self._signal:
                        _say(f"{self._members[i].name} ended with {_described(failed)}")
                        deadline = time.monotonic() + _PATIENCE
            if not running:
                break
            if self._signal and deadline == float("inf"):
                deadline = time.monotonic() + signals_patience
            if time.monotonic() > deadline:
                self._end_slowly(running)
                break
            if not failed and all(self._members[i].serves for i in running):
                self._end_slowly(running)  # nobody is left whom they could serve
                return 128 + self._signal if self._signal else 0
            time.sleep(0.05)
        if self._signal:
            return 128 + self._signal
        return 128 - failed if failed < 0 else failed

    def _end_slowly(self, running: list[int]) -> None:
        self._end(signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and any(self._processes[i].poll() is None for i in running):
            time.sleep(0.05)
        self._end(signal.SIGKILL)
        for i in running:
            self._processes[i].wait()

    def _end(self, number: int) -> None:
        for each in self._processes:
            if each.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(each.pid, number)


def _copy(source: IO[bytes], target: IO[str], prefix: str) -> None:
    for line in source:
        # Of a line that was written over, as progress bars are, what stands in the end.
        text = re.split("[\r\b]+", line.decode(errors="replace").rstrip("\r\n\b"))[-1]
        target.write(f"{prefix} {text}\n")
        target.flush()


def _takes_colours(target: Any) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or target.isatty()


def _say(text: str) -> None:
    print(f"penstock launch: {text}", file=sys.stderr, flush=True)


def _described(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
