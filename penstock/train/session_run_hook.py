"""Hooks: what is called before and after each step of a monitored session, and what it is told."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.engine.export import export


@export(v1=["train.SessionRunHook"])
class SessionRunHook:
    """The base of hooks; a subclass defines those methods that it needs.

    Example:
      >>> import penstock as tf
      >>> class Count(tf.compat.v1.train.SessionRunHook):
      ...     def begin(self):
      ...         self.steps = 0
      ...     def after_run(self, run_context, run_values):
      ...         self.steps += 1
      >>> count = Count()
      >>> with tf.Graph().as_default():
      ...     x = tf.constant(1.0)
      ...     with tf.compat.v1.train.SingularMonitoredSession(hooks=[count]) as session:
      ...         _ = session.run(x), session.run(x)
      >>> count.steps
      2
    """

    def begin(self) -> None:
        """Called once before the session is made; the graph may still be added to."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Called when a session has been made, or made again."""

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Called before each step; what it returns is fetched and fed in that step too."""

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Called after each step, with what `before_run` asked for; not after a step that failed."""

    def end(self, session: Any) -> None:
        """Called at the end of a session without an error (or with the end of the input)."""


@export(v1=["train.SessionRunArgs"])
class SessionRunArgs(NamedTuple("SessionRunArgs", [("fetches", Any), ("feed_dict", Any), ("options", Any)])):
    """What a hook adds to a step.

    Attributes:
      fetches: tensors, operations or a nest of them.
      feed_dict: tensor -> value.
      options: a `RunOptions` message.
    """

    __slots__ = ()

    def __new__(cls, fetches: Any, feed_dict: Any = None, options: Any = None) -> SessionRunArgs:
        return super().__new__(cls, fetches, feed_dict, options)


@export(v1=["train.SessionRunValues"])
class SessionRunValues(NamedTuple):
    """What a hook is told of a step.

    Attributes:
      results: the values of the hook's fetches.
      options, run_metadata: those of the step.
    """

    results: Any
    options: Any
    run_metadata: Any


@export(v1=["train.SessionRunContext"])
class SessionRunContext:
    """What a hook knows of the step, and how it asks for the end.

    Attributes:
      original_args: the `SessionRunArgs` of the program.
      session: the session.
      stop_requested: whether a hook asked for the end.
    """

    def __init__(self, original_args: SessionRunArgs, session: Any):
        self.original_args, self.session = original_args, session
        self.stop_requested = False

    def request_stop(self) -> None:
        """Asks for the end: `should_stop()` of the session becomes true."""
        self.stop_requested = True
