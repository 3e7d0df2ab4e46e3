"""`tf.train.Coordinator`: threads that stop together, and `LooperThread`, which runs something again and again."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from penstock.engine.background_threads import stop_at_exit
from penstock.engine.export import export
from penstock.platform import tf_logging as logging
from penstock.types import errors

_LOOK_EVERY = 0.02  # seconds between looks at threads that may end without a request to stop


@export("train.Coordinator")
class Coordinator:
    """Lets threads of a program tell each other to stop, and reports the first error of one of them.

    Args:
      clean_stop_exception_types: errors that mean a normal end; `tf.errors.OutOfRangeError` by default.

    Example:
      >>> import threading
      >>> import penstock as tf
      >>> coordinator = tf.train.Coordinator()
      >>> def work():
      ...     with coordinator.stop_on_exception():
      ...         raise ValueError("broken")
      >>> thread = threading.Thread(target=work)
      >>> thread.start()
      >>> coordinator.join([thread])
      Traceback (most recent call last):
      ValueError: broken
    """

    def __init__(self, clean_stop_exception_types: tuple[type[BaseException], ...] | None = None):
        self._clean = tuple(clean_stop_exception_types or (errors.OutOfRangeError,))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._joined = False
        self._threads: set[threading.Thread] = set()

    def _reported(self, ex: Any) -> BaseException | None:
        """The error that a request to stop reports; None for a clean end."""
        error = ex[1] if isinstance(ex, tuple) and len(ex) == 3 else ex
        if error is None or isinstance(error, self._clean):
            return None
        if not isinstance(error, BaseException):
            return ValueError(f"ex must be a tuple or an exception: {ex!r}")
        return error

    def request_stop(self, ex: Any = None) -> None:
        """Asks all threads to stop.

        Args:
          ex: the reason, an exception or what `sys.exc_info()` gives. The first one is raised by `join`; after `join` it
            is raised here.
        """
        error = self._reported(ex)
        with self._lock:
            if self._joined:
                if error is not None:
                    raise error
                return
            if not self._stop.is_set():
                if error is not None:
                    logging.info("Error reported to Coordinator: %s, %s", type(error), error)
                    self._error = error
                self._stop.set()

    def clear_stop(self) -> None:
        """Forgets that a stop was requested, so that threads can be started again."""
        with self._lock:
            self._joined, self._error = False, None
            self._stop.clear()

    def should_stop(self) -> bool:
        """Whether a stop was requested."""
        return self._stop.is_set()

    @contextlib.contextmanager
    def stop_on_exception(self) -> Iterator[None]:
        """An error inside is reported by `request_stop` instead of being raised."""
        try:
            yield
        except BaseException:
            self.request_stop(sys.exc_info())

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Waits until a stop is requested, or `timeout` seconds are over; returns whether it was."""
        return self._stop.wait(timeout)

    def register_thread(self, thread: threading.Thread) -> None:
        """Adds a thread to those that `join` waits for."""
        with self._lock:
            self._threads.add(thread)

    def join(
        self,
        threads: Iterable[threading.Thread] | None = None,
        stop_grace_period_secs: float = 120,
        ignore_live_threads: bool = False,
    ) -> None:
        """Waits until all threads have ended.

        Args:
          threads: these are waited for besides the registered ones.
          stop_grace_period_secs: how long they may go on after a request to stop.
          ignore_live_threads: whether threads that go on longer are no error.

        Raises:
          RuntimeError: a thread goes on longer.
          The first error that was reported.
        """
        with self._lock:
            waited_for = list(self._threads.union(threads or ()))
        while not self._stop.is_set():
            alive = [each for each in waited_for if each.is_alive()]
            if not alive:
                break
            self._stop.wait(_LOOK_EVERY)
        deadline = time.monotonic() + stop_grace_period_secs
        for each in waited_for:
            if each.is_alive():
                each.join(max(0.0, deadline - time.monotonic()))
        stragglers = " ".join(each.name for each in waited_for if each.is_alive())
        with self._lock:
            self._joined = True
            self._threads = set()
            if self._error is not None:
                raise self._error
        if stragglers and not ignore_live_threads:
            raise RuntimeError(f"Coordinator stopped with threads still running: {stragglers}")
        if stragglers:
            logging.info("Coordinator stopped with threads still running: %s", stragglers)

    @property
    def joined(self) -> bool:
        """Whether `join` has ended."""
        return self._joined

    def raise_requested_exception(self) -> None:
        """Raises the error that was reported, if there is one."""
        with self._lock:
            if self._error is not None:
                raise self._error


@export(v1=["train.LooperThread"])
class LooperThread(threading.Thread):
    """A thread that runs something again and again until its coordinator stops.

    Args:
      coord: the coordinator.
      timer_interval_secs: the time from one run to the next; None to run without a pause.
      target: what is run; by default a subclass's `run_loop`.
      args, kwargs: its arguments.

    Raises:
      ValueError: `coord` is no coordinator, or there are arguments without a target.
    """

    def __init__(
        self,
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable | None = None,
        args: Sequence | None = None,
        kwargs: dict | None = None,
    ):
        if not isinstance(coord, Coordinator):
            raise ValueError(f"'coord' argument must be a Coordinator: {coord}")
        if target is None and (args or kwargs):
            raise ValueError("'args' and 'kwargs' argument require that you also pass 'target'")
        super().__init__(daemon=True)
        self._coord, self._interval = coord, timer_interval_secs
        self._run_target = target
        self._target_args, self._target_kwargs = tuple(args or ()), dict(kwargs or {})
        coord.register_thread(self)
        stop_at_exit(self, coord.request_stop)

    @staticmethod
    def loop(
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable,
        args: Sequence | None = None,
        kwargs: dict | None = None,
    ) -> LooperThread:
        """Makes and starts a thread that calls `target`."""
        looper = LooperThread(coord, timer_interval_secs, target, args, kwargs)
        looper.start()
        return looper

    def run(self) -> None:
        """Runs until the coordinator stops; an error stops it."""
        with self._coord.stop_on_exception():
            self.start_loop()
            due = time.monotonic()
            while not self._coord.wait_for_stop(max(0.0, due - time.monotonic())):
                due += self._interval or 0.0
                self.run_loop()
            self.stop_loop()

    def start_loop(self) -> None:
        """Called once, before the first run."""

    def stop_loop(self) -> None:
        """Called once, after the last run."""

    def run_loop(self) -> None:
        """What is run again and again."""
        if self._run_target is not None:
            self._run_target(*self._target_args, **self._target_kwargs)
