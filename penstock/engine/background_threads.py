"""Daemon threads that end before the interpreter does.

A thread that is inside of a compiled program while the interpreter is torn down crashes the process: it asks for the
interpreter's lock, and is ended in the middle of C++. So threads that compute beside the program say how they are told
to stop; when the program ends, all are told, and waited for.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable

_LONGEST = 5.0  # seconds to wait for all of them
_stops: weakref.WeakKeyDictionary[threading.Thread, Callable[[], None]] = weakref.WeakKeyDictionary()


def stop_at_exit(thread: threading.Thread, stop: Callable[[], None]) -> None:
    """Has a daemon thread told to stop by `stop()`, and waited for, before the interpreter ends."""
    _stops[thread] = stop


def end_all() -> None:
    """Ends the threads that run; called when the program ends, before XLA is taken down."""
    running = [(thread, stop) for thread, stop in list(_stops.items()) if thread.is_alive()]
    for _, stop in running:
        stop()
    deadline = time.monotonic() + _LONGEST
    for thread, _ in running:
        thread.join(max(0.0, deadline - time.monotonic()))
