"""`tf.profiler.experimental`: profiles by JAX's profiler, in the files that TensorBoard's profile plugin reads.

One profile runs at a time in a process. It is recorded into a temporary directory, so that `stop(save=False)` leaves
nothing behind.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import namedtuple
from typing import Any, NamedTuple

from penstock.engine.context import process
from penstock.engine.export import export
from penstock.engine.xla import jax
from penstock.io.filesystem import local_path
from penstock.types import errors


@export("profiler.experimental.ProfilerOptions", v1=[])
class ProfilerOptions(
    namedtuple(
        "ProfilerOptions", ["host_tracer_level", "python_tracer_level", "device_tracer_level", "delay_ms"]
    )
):
    """What a profile records.

    Attributes:
      host_tracer_level: 0 none, 1 what the program annotates, 2 also costly operations, 3 all.
      python_tracer_level: 1 for calls of Python functions, 0 for none.
      device_tracer_level: 1 for what runs on devices, 0 for none.
      delay_ms: accepted.
    """

    __slots__ = ()

    def __new__(
        cls,
        host_tracer_level: int = 2,
        python_tracer_level: int = 0,
        device_tracer_level: int = 1,
        delay_ms: int | None = None,
    ) -> ProfilerOptions:
        return super().__new__(cls, host_tracer_level, python_tracer_level, device_tracer_level, delay_ms)


class _Running(NamedTuple):
    """The profile that runs: where it shall go, and where it is recorded."""

    logdir: str
    folder: str


_KEY = "profile"


@export("profiler.experimental.start", v1=[])
def start(logdir: Any, options: ProfilerOptions | None = None) -> None:
    """Begins a profile.

    Args:
      logdir: where `stop` puts it.
      options: what is recorded.

    Raises:
      AlreadyExistsError: another profile runs.
    """
    with process.lock:
        if process.registry.get(_KEY) is not None:
            raise errors.AlreadyExistsError(None, None, "Another profiler is running.")
        running = _Running(local_path(logdir), tempfile.mkdtemp(prefix="profile-"))
        try:
            jax.profiler.start_trace(running.folder, profiler_options=_jax_options(options))
        except BaseException:
            shutil.rmtree(running.folder, ignore_errors=True)
            raise
        process.registry[_KEY] = running


def _jax_options(options: ProfilerOptions | None) -> Any:
    options = options or ProfilerOptions()
    found = jax.profiler.ProfileOptions()
    found.host_tracer_level = options.host_tracer_level
    found.python_tracer_level = options.python_tracer_level
    found.device_tracer_level = options.device_tracer_level
    return found


@export("profiler.experimental.stop", v1=[])
def stop(save: bool = True) -> None:
    """Ends the profile.

    Args:
      save: whether to write it to `plugins/profile/<time>/` in the directory that `start` was given.

    Raises:
      UnavailableError: none runs.
    """
    with process.lock:
        running = process.registry.pop(_KEY, None)
        if running is None:
            raise errors.UnavailableError(
                None, None, "Cannot export profiling results. No profiler is running."
            )
        try:
            jax.profiler.stop_trace()
            if save:
                os.makedirs(running.logdir, exist_ok=True)
                shutil.copytree(running.folder, running.logdir, dirs_exist_ok=True)
        finally:
            shutil.rmtree(running.folder, ignore_errors=True)


@export("profiler.experimental.Profile", v1=[])
class Profile:
    """A context manager that profiles what runs inside.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> folder = tempfile.mkdtemp()
      >>> with tf.profiler.experimental.Profile(folder):
      ...     _ = tf.ones([10]) * 2.0
      >>> os.listdir(folder)
      ['plugins']
    """

    def __init__(self, logdir: Any, options: ProfilerOptions | None = None):
        self._logdir, self._options = logdir, options

    def __enter__(self) -> None:
        start(self._logdir, self._options)

    def __exit__(self, *error: Any) -> None:
        stop()


@export("profiler.experimental.Trace", v1=[])
class Trace:
    """A context manager that names a stretch of the program in a profile.

    Args:
      name: the name that the profile shows.
      kwargs: what else it shows; with `step_num` the stretch is a training step.
    """

    def __init__(self, name: str, **kwargs: Any):
        self._name, self._shown = name, kwargs
        self._annotation: Any = None

    def __enter__(self) -> Trace:
        if process.registry.get(_KEY) is not None:
            kind = (
                jax.profiler.StepTraceAnnotation
                if "step_num" in self._shown
                else jax.profiler.TraceAnnotation
            )
            self._annotation = kind(self._name, **self._shown)
            self._annotation.__enter__()
        return self

    def set_metadata(self, **kwargs: Any) -> None:
        """Adds to what the profile shows."""
        if self._annotation is not None:
            self._annotation.set_metadata(**kwargs)

    def __exit__(self, *error: Any) -> None:
        if self._annotation is not None:
            self._annotation.__exit__(*error)
            self._annotation = None


@export("profiler.experimental.server.start", v1=[])
def start_server(port: int) -> None:
    """Lets TensorBoard take profiles of this process by that port.

    Args:
      port: a free port.
    """
    process.registry["profile_server"] = jax.profiler.start_server(port)
