"""`tf.compat.v1.train.MonitoredTrainingSession`: sessions with hooks, which initialize, recover and end cleanly."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import penstock as tf
from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.ops.graph_collections import GraphKeys
from penstock.platform import tf_logging as logging
from penstock.runtime.session import Session
from penstock.train.coordinator import Coordinator
from penstock.train.queue_runner import start_queue_runners
from penstock.train.scaffold import Scaffold
from penstock.train.session_manager import SessionManager
from penstock.train.session_run_hook import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)
from penstock.types import errors

USE_DEFAULT = object()

# Errors of a machine that goes away: the session is made again.
_PREEMPTION = (errors.AbortedError, errors.UnavailableError)


@export(v1=["train.SessionCreator"])
class SessionCreator:
    """The base of what makes sessions for `MonitoredSession`."""

    def create_session(self) -> Session:
        """A new session that is ready."""
        raise TypeError(f"{type(self).__name__} does not define create_session()")


@export(v1=["train.ChiefSessionCreator"])
class ChiefSessionCreator(SessionCreator):
    """Makes sessions, restored from a checkpoint where there is one, else initialized.

    Args:
      scaffold: the operations for that.
      master, config: as for `tf.compat.v1.Session`.
      checkpoint_dir, checkpoint_filename_with_path: the directory of checkpoints, or one of them.
    """

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
    ):
        self._scaffold = scaffold or Scaffold()
        self._master, self._config = master, config
        self._checkpoint_dir = checkpoint_dir
        self._checkpoint_filename_with_path = checkpoint_filename_with_path

    def create_session(self) -> Session:
        """A new session that is ready."""
        self._scaffold.finalize()
        return _manager(self._scaffold).prepare_session(
            self._master,
            saver=self._scaffold.saver,
            checkpoint_dir=self._checkpoint_dir,
            checkpoint_filename_with_path=self._checkpoint_filename_with_path,
            config=self._config,
            init_op=self._scaffold.init_op,
            init_feed_dict=self._scaffold.init_feed_dict,
            init_fn=self._scaffold.init_fn,
        )


@export(v1=["train.WorkerSessionCreator"])
class WorkerSessionCreator(SessionCreator):
    """Makes sessions whose model the chief makes ready.

    Args:
      scaffold, master, config: as for `ChiefSessionCreator`.
      max_wait_secs: how long the chief is waited for.
    """

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        max_wait_secs: float = 30 * 60,
    ):
        self._scaffold = scaffold or Scaffold()
        self._master, self._config, self._max_wait_secs = master, config, max_wait_secs

    def create_session(self) -> Session:
        """A new session that is ready."""
        self._scaffold.finalize()
        return _manager(self._scaffold).wait_for_session(
            self._master, config=self._config, max_wait_secs=self._max_wait_secs
        )


def _manager(scaffold: Scaffold) -> SessionManager:
    return SessionManager(
        local_init_op=scaffold.local_init_op,
        local_init_feed_dict=scaffold.local_init_feed_dict,
        ready_op=scaffold.ready_op,
        ready_for_local_init_op=scaffold.ready_for_local_init_op,
        graph=current_graph(),
    )


class StepContext:
    """What the function of `run_step_fn` gets.

    Attributes:
      session: the session, without hooks.
    """

    def __init__(self, session: Session, run_with_hooks: Callable):
        self.session = session
        self._run_with_hooks = run_with_hooks

    def run_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        """As `MonitoredSession.run`."""
        return self._run_with_hooks(*args, **kwargs)

    def request_stop(self) -> None:
        """Ends the loop: raises StopIteration, which leaves the `with` statement of the session."""
        raise StopIteration("step_fn has requested the iterations to stop.")


class _Running:
    """One session with its coordinator, whose threads fill the queues."""

    def __init__(self, creator: SessionCreator, hooks: Sequence[SessionRunHook], grace_secs: float):
        self.session = creator.create_session()
        self.coordinator = Coordinator(clean_stop_exception_types=())
        self._hooks, self._grace_secs = hooks, grace_secs
        self.stop_requested = False
        if self.session.graph.get_collection(GraphKeys.QUEUE_RUNNERS):
            start_queue_runners(self.session, self.coordinator)
        for hook in hooks:
            hook.after_create_session(self.session, self.coordinator)

    def should_stop(self) -> bool:
        self.coordinator.raise_requested_exception()
        return self.coordinator.should_stop() or self.stop_requested

    def run(self, fetches: Any, feed_dict: dict | None, options: Any, run_metadata: Any) -> Any:
        """One step with all hooks.

        Raises:
          RuntimeError: a hook has asked for the end.
        """
        try:
            return self._step(fetches, feed_dict, options, run_metadata)
        except _PREEMPTION:
            raise
        except Exception as error:
            # Where a thread has failed, its error tells more than that of a step which lacks its results.
            try:
                self.coordinator.raise_requested_exception()
            except _PREEMPTION:
                raise
            except Exception:
                raise error from None
            raise

    def _step(self, fetches: Any, feed_dict: dict | None, options: Any, run_metadata: Any) -> Any:
        if self.should_stop():
            raise RuntimeError("Run called even after should_stop requested.")
        options = tf.compat.v1.RunOptions() if options is None else options
        run_metadata = tf.compat.v1.RunMetadata() if run_metadata is None else run_metadata
        run_context = SessionRunContext(SessionRunArgs(fetches, feed_dict), self.session)
        wanted: list[Any] = []
        feeds: dict = {}
        for hook in self._hooks:
            request = hook.before_run(run_context)
            wanted.append(None if request is None else request.fetches)
            if request is None:
                continue
            _add_feeds(feeds, request.feed_dict, "Same tensor is fed by two hooks.")
            if request.options is not None:
                options.MergeFrom(request.options)
        _add_feeds(feeds, feed_dict, "Same tensor is fed by a SessionRunHook and user.")
        asked = [index for index, each in enumerate(wanted) if each is not None]
        values = self.session.run(
            [fetches, *(wanted[i] for i in asked)], feeds or None, options, run_metadata
        )
        results = dict(zip(asked, values[1:]))
        for index, hook in enumerate(self._hooks):
            hook.after_run(run_context, SessionRunValues(results.get(index), options, run_metadata))
        self.stop_requested = self.stop_requested or run_context.stop_requested
        return values[0]

    def close(self) -> None:
        """Stops the threads and closes the session; raises what a thread has reported."""
        self.coordinator.request_stop()
        try:
            self.coordinator.join(stop_grace_period_secs=self._grace_secs, ignore_live_threads=True)
        finally:
            self.session.close()


def _add_feeds(feeds: dict, more: dict | None, problem: str) -> None:
    for key, value in (more or {}).items():
        name = key.ref() if hasattr(key, "ref") else key
        if name in feeds:
            raise RuntimeError(f"{problem} Conflict(s): {key}")
        feeds[name] = value


class _Monitored:
    """What `MonitoredSession` and `SingularMonitoredSession` share; the first makes a lost session again."""

    _recovers = True

    def __init__(
        self,
        session_creator: SessionCreator | None = None,
        hooks: Sequence[SessionRunHook] | None = None,
        stop_grace_period_secs: float = 120,
    ):
        self._graph, self._runs_eagerly = current_graph(), thread.graph is None
        self._was_finalized = self._graph.finalized
        self._hooks = list(hooks or ())
        self._creator = session_creator
        self._grace_secs = stop_grace_period_secs
        with context.building(self._graph):
            for hook in self._hooks:
                hook.begin()
            self._creator = session_creator or ChiefSessionCreator()
        self._running: _Running | None = self._start()

    def _start(self) -> _Running:
        while True:
            try:
                # In a program that runs eagerly the saver takes its eager variables too.
                with context.building(None if self._runs_eagerly else self._graph):
                    return _Running(self._creator, self._hooks, self._grace_secs)  # type: ignore[arg-type]
            except _PREEMPTION as error:
                self._recover_from(error)

    def _recover_from(self, error: Exception) -> None:
        if not self._recovers:
            raise error
        logging.info("The session was lost, perhaps to preemption; a new one is made. Error: %s", error)

    def _with_recovery(self, use: Callable[[_Running], Any]) -> Any:
        while True:
            if self._running is None:
                raise RuntimeError("Session is already closed.")
            try:
                return use(self._running)
            except _PREEMPTION as error:
                self._recover_from(error)
                self._running.close()
                self._running = self._start()

    @property
    def graph(self) -> Any:
        """The graph; None once the session is closed."""
        return None if self._running is None else self._running.session.graph

    def run(
        self, fetches: Any, feed_dict: dict | None = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """As `Session.run`, with all hooks.

        Raises:
          RuntimeError: a hook has asked for the end, or the session is closed.
        """
        return self._with_recovery(lambda running: running.run(fetches, feed_dict, options, run_metadata))

    def run_step_fn(self, step_fn: Callable) -> Any:
        """Calls a function with a `StepContext`, by which it can run with and without hooks.

        Raises:
          ValueError: the function does not take exactly the argument `step_context` (besides `self`).
        """
        names = tuple(inspect.signature(step_fn).parameters)
        if names not in (("step_context",), ("self", "step_context")):
            raise ValueError(
                "`step_fn` may either have one `step_context` argument, or `self` and `step_context` arguments if it's "
                f"an instance method. Got {names} instead."
            )

        def call(running: _Running) -> Any:
            def run(
                fetches: Any, feed_dict: dict | None = None, options: Any = None, run_metadata: Any = None
            ) -> Any:
                return running.run(fetches, feed_dict, options, run_metadata)

            return step_fn(StepContext(running.session, run))

        return self._with_recovery(call)

    def should_stop(self) -> bool:
        """Whether the loop should end: a hook asked for it, or a thread has stopped."""
        if self._running is None:
            return True
        try:
            return self._running.should_stop()
        except _PREEMPTION as error:
            self._recover_from(error)
            self._running.close()
            self._running = self._start()
            return False
        except Exception:
            return True

    def close(self) -> None:
        """Ends hooks, threads and session."""
        self._close(failed=False)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        """Closes; the end of the input leaves the `with` statement as a normal end."""
        ended = kind is None or issubclass(kind, (errors.OutOfRangeError, StopIteration))
        self._close(failed=not ended)
        return ended

    def _close(self, failed: bool) -> None:
        running = self._running
        try:
            if not failed and running is not None:
                for hook in self._hooks:
                    hook.end(running.session)
        finally:
            self._running = None
            if not self._was_finalized:
                self._graph._unsafe_unfinalize()
            if running is None:
                raise RuntimeError("Session is already closed.")
            running.close()

    def _is_closed(self) -> bool:
        return self._running is None

    def _tf_sess(self) -> Session | None:
        return None if self._running is None else self._running.session


@export(v1=["train.MonitoredSession"])
class MonitoredSession(_Monitored):
    """A session with hooks, which is made again where a machine is lost.

    Args:
      session_creator: makes the sessions; a `ChiefSessionCreator` by default.
      hooks: called around each step.
      stop_grace_period_secs: how long threads may go on at the end.

    Raises (when closed):
      RuntimeError: it is closed already.
    """

    StepContext = StepContext


@export(v1=["train.SingularMonitoredSession"])
class SingularMonitoredSession(_Monitored):
    """A session with hooks, which ends where a machine is lost.

    Args:
      hooks, stop_grace_period_secs: as for `MonitoredSession`.
      scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path: as for `ChiefSessionCreator`.
    """

    _recovers = False
    StepContext = StepContext

    def __init__(
        self,
        hooks: Sequence[SessionRunHook] | None = None,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: str | None = None,
        stop_grace_period_secs: float = 120,
        checkpoint_filename_with_path: str | None = None,
    ):
        creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path)
        super().__init__(creator, hooks, stop_grace_period_secs)

    def raw_session(self) -> Session | None:
        """The session without hooks."""
        return self._tf_sess()


def _either(first: Any, second: Any, default: tuple) -> tuple:
    """Two settings of which one replaces the default of the other."""
    if first is USE_DEFAULT and second is USE_DEFAULT:
        return default
    return (None if first is USE_DEFAULT else first), (None if second is USE_DEFAULT else second)


@export(v1=["train.MonitoredTrainingSession"])
def MonitoredTrainingSession(
    master: str = "",
    is_chief: bool = True,
    checkpoint_dir: str | None = None,
    scaffold: Scaffold | None = None,
    hooks: Sequence[SessionRunHook] | None = None,
    chief_only_hooks: Sequence[SessionRunHook] | None = None,
    save_checkpoint_secs: Any = USE_DEFAULT,
    save_summaries_steps: Any = USE_DEFAULT,
    save_summaries_secs: Any = USE_DEFAULT,
    config: Any = None,
    stop_grace_period_secs: float = 120,
    log_step_count_steps: int | None = 100,
    max_wait_secs: float = 7200,
    save_checkpoint_steps: Any = USE_DEFAULT,
    summary_dir: str | None = None,
    save_graph_def: bool = True,
) -> MonitoredSession:
    """A `MonitoredSession` for training, with hooks that save checkpoints and summaries.

    Args:
      master, config: as for `tf.compat.v1.Session`.
      is_chief: whether this process initializes and saves; others wait for it.
      checkpoint_dir: where checkpoints are, to restore from and to save to.
      scaffold: the operations of the model.
      hooks, chief_only_hooks: called around each step; the latter only in the chief.
      save_checkpoint_secs, save_checkpoint_steps: how often a checkpoint is saved, every 600 seconds by default.
      save_summaries_steps, save_summaries_secs: how often summaries are written, every 100 steps by default.
      stop_grace_period_secs: how long threads may go on at the end.
      log_step_count_steps: how often the speed is written.
      max_wait_secs: how long a worker waits for the chief.
      summary_dir: where summaries are written, `checkpoint_dir` by default.
      save_graph_def: whether the graph is saved with the checkpoints.
    """
    train = tf.compat.v1.train
    save_summaries_steps, save_summaries_secs = _either(
        save_summaries_steps, save_summaries_secs, (100, None)
    )
    save_checkpoint_steps, save_checkpoint_secs = _either(
        save_checkpoint_steps, save_checkpoint_secs, (None, 600)
    )
    scaffold = scaffold or Scaffold()
    if not is_chief:
        creator: SessionCreator = WorkerSessionCreator(scaffold, master, config, max_wait_secs)
        return MonitoredSession(creator, hooks, stop_grace_period_secs)
    all_hooks = list(chief_only_hooks or ())
    summary_dir = summary_dir or checkpoint_dir
    if summary_dir:
        if log_step_count_steps and log_step_count_steps > 0:
            all_hooks.append(train.StepCounterHook(log_step_count_steps, output_dir=summary_dir))
        if (save_summaries_steps or 0) > 0 or (save_summaries_secs or 0) > 0:
            all_hooks.append(
                train.SummarySaverHook(
                    save_summaries_steps, save_summaries_secs, summary_dir, scaffold=scaffold
                )
            )
    if checkpoint_dir and ((save_checkpoint_secs or 0) > 0 or (save_checkpoint_steps or 0) > 0):
        all_hooks.append(
            train.CheckpointSaverHook(
                checkpoint_dir,
                save_checkpoint_secs,
                save_checkpoint_steps,
                scaffold=scaffold,
                save_graph_def=save_graph_def,
            )
        )
    all_hooks.extend(hooks or ())
    creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir)
    return MonitoredSession(creator, all_hooks, stop_grace_period_secs)
