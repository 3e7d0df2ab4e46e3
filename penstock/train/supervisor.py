"""`tf.compat.v1.train.Supervisor`: initializes, saves and summarizes a training that runs in its own loop."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import penstock as tf
from penstock.engine import context
from penstock.engine.export import export
from penstock.graph.graph import Graph, current_graph
from penstock.ops.graph_collections import GraphKeys
from penstock.platform import tf_logging as logging
from penstock.runtime.session import Session
from penstock.summary.file_writer import FileWriter
from penstock.train.coordinator import Coordinator, LooperThread
from penstock.train.global_step import get_global_step, global_step
from penstock.train.session_manager import SessionManager
from penstock.types import errors


def _first(key: Any, make: Callable[[], Any]) -> Any:
    """The first item of a collection; where there is none, a new one, which is added to it."""
    found = current_graph().get_collection(key)
    if found:
        return found[0]
    made = make()
    if made is not None:
        current_graph().add_to_collection(key, made)
    return made


def _default_saver() -> Any:
    return tf.compat.v1.train.Saver() if tf.compat.v1.global_variables() else None


@export(v1=["train.Supervisor"])
class Supervisor:
    """Makes a session ready, and runs threads that save checkpoints and summaries while the program trains.

    What is `USE_DEFAULT` is taken from the graph's collections, or made; None means to do without.

    Args:
      graph: the graph, which becomes read-only.
      ready_op, ready_for_local_init_op: give the names of variables that have no value.
      is_chief: whether this process initializes and saves.
      init_op, init_feed_dict, init_fn, local_init_op: initialize the variables.
      logdir: where checkpoints and summaries go.
      summary_op, saver, global_step: what is written, what saves, what counts.
      save_summaries_secs, save_model_secs: how often; 0 for never.
      recovery_wait_secs, stop_grace_secs: how long the chief, and the threads at the end, are waited for.
      checkpoint_basename: how the checkpoints' names begin.
      session_manager: makes the sessions.
      summary_writer: writes the summaries.
      local_init_run_options: accepted.

    Example:
      >>> import tempfile
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     step = tf.compat.v1.train.get_or_create_global_step()
      ...     advance = step.assign_add(1)
      ...     supervisor = tf.compat.v1.train.Supervisor(logdir=None, saver=None)
      ...     with supervisor.managed_session() as session:
      ...         while not supervisor.should_stop():
      ...             if session.run(advance) >= 3:
      ...                 supervisor.request_stop()
    """

    USE_DEFAULT = 0

    def __init__(
        self,
        graph: Graph | None = None,
        ready_op: Any = USE_DEFAULT,
        ready_for_local_init_op: Any = USE_DEFAULT,
        is_chief: bool = True,
        init_op: Any = USE_DEFAULT,
        init_feed_dict: dict | None = None,
        local_init_op: Any = USE_DEFAULT,
        logdir: str | None = None,
        summary_op: Any = USE_DEFAULT,
        saver: Any = USE_DEFAULT,
        global_step: Any = USE_DEFAULT,
        save_summaries_secs: float = 120,
        save_model_secs: float = 600,
        recovery_wait_secs: float = 30,
        stop_grace_secs: float = 120,
        checkpoint_basename: str = "model.ckpt",
        session_manager: SessionManager | None = None,
        summary_writer: Any = USE_DEFAULT,
        init_fn: Callable | None = None,
        local_init_run_options: Any = None,
    ):
        v1, default = tf.compat.v1, Supervisor.USE_DEFAULT
        graph = current_graph() if graph is None else graph

        def chosen(given: Any, key: Any, make: Callable[[], Any]) -> Any:
            return _first(key, make) if given is default else given

        with context.building(graph):
            self.ready_op = chosen(ready_op, GraphKeys.READY_OP, v1.report_uninitialized_variables)
            self.ready_for_local_init_op = chosen(
                ready_for_local_init_op, GraphKeys.READY_FOR_LOCAL_INIT_OP, lambda: None
            )
            self.init_op = chosen(init_op, GraphKeys.INIT_OP, v1.global_variables_initializer)
            self.local_init_op = chosen(
                local_init_op,
                GraphKeys.LOCAL_INIT_OP,
                lambda: tf.group(v1.local_variables_initializer(), v1.tables_initializer()),
            )
            self.saver = chosen(saver, GraphKeys.SAVERS, _default_saver)
            self.summary_op = chosen(summary_op, GraphKeys.SUMMARY_OP, v1.summary.merge_all)
            self.global_step = get_global_step(graph) if global_step is default else global_step
        self.is_chief, self.init_feed_dict = is_chief, init_feed_dict
        self.coord = Coordinator()
        self._graph, self._init_fn, self._grace_secs = graph, init_fn, stop_grace_secs
        self._logdir = logdir if is_chief else None
        self.save_summaries_secs = save_summaries_secs if is_chief else None
        self.save_model_secs = save_model_secs if is_chief else None
        self.save_path = os.path.join(self._logdir, checkpoint_basename) if self._logdir else None
        self.summary_writer = None
        if is_chief:
            made = FileWriter(self._logdir) if self._logdir and summary_writer is default else None
            self.summary_writer = made if summary_writer is default else summary_writer
        self._graph_written = False
        self.session_manager = session_manager or SessionManager(
            local_init_op=self.local_init_op,
            ready_op=self.ready_op,
            ready_for_local_init_op=self.ready_for_local_init_op,
            graph=graph,
            recovery_wait_secs=recovery_wait_secs,
        )
        graph.finalize()

    def _write_graph(self) -> None:
        if self._logdir:
            tf.io.write_graph(self._graph.as_graph_def(add_shapes=True), self._logdir, "graph.pbtxt")
        if self.summary_writer is not None and not self._graph_written:
            self.summary_writer.add_graph(self._graph)
            saver_def = getattr(self.saver, "saver_def", None)
            meta_graph = tf.compat.v1.train.export_meta_graph(graph=self._graph, saver_def=saver_def)
            self.summary_writer.add_meta_graph(meta_graph)
            self._graph_written = True

    def start_standard_services(self, sess: Session) -> list[LooperThread] | None:
        """Starts the threads that save checkpoints and summaries; they need a `logdir`.

        Raises:
          RuntimeError: this is not the chief.
        """
        if not self.is_chief:
            raise RuntimeError(
                "Only chief supervisor can start standard services. Because only chief supervisors can write events."
            )
        if not self._logdir:
            logging.warning("Standard services need a 'logdir' passed to the SessionManager")
            return None
        if self.global_step is not None and self.summary_writer is not None:
            log = tf.compat.v1.SessionLog
            self.summary_writer.add_session_log(log(status=log.START), global_step(sess, self.global_step))
        threads: list[LooperThread] = []
        if self.save_summaries_secs and self.summary_writer is not None:
            if self.summary_op is not None:
                threads.append(_SummaryThread(self, sess))
            if self.global_step is not None:
                threads.append(_StepCounterThread(self, sess))
        if self.saver is not None and self.save_model_secs:
            threads.append(_CheckpointThread(self, sess))
        for each in threads:
            each.start()
        return threads

    def prepare_or_wait_for_session(
        self,
        master: str = "",
        config: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        start_standard_services: bool = True,
    ) -> Session:
        """A session that is ready, with all threads started.

        Args:
          master, config: as for `tf.compat.v1.Session`.
          wait_for_checkpoint, max_wait_secs: as for `SessionManager.prepare_session`.
          start_standard_services: whether the threads are started.
        """
        self.coord.clear_stop()
        if self.summary_writer is not None:
            self.summary_writer.reopen()
        if self.is_chief:
            session = self.session_manager.prepare_session(
                master,
                init_op=self.init_op,
                saver=self.saver,
                checkpoint_dir=self._logdir,
                wait_for_checkpoint=wait_for_checkpoint,
                max_wait_secs=max_wait_secs,
                config=config,
                init_feed_dict=self.init_feed_dict,
                init_fn=self._init_fn,
            )
            self._write_graph()
            if start_standard_services:
                self.start_standard_services(session)
        else:
            session = self.session_manager.wait_for_session(master, config, max_wait_secs)
        if start_standard_services:
            self.start_queue_runners(session)
        return session

    def start_queue_runners(
        self, sess: Session, queue_runners: Sequence[Any] | None = None
    ) -> list[threading.Thread]:
        """Starts the threads that fill queues, by default all of the graph."""
        if queue_runners is None:
            queue_runners = self._graph.get_collection(GraphKeys.QUEUE_RUNNERS)
        return [
            thread
            for runner in queue_runners
            for thread in runner.create_threads(sess, self.coord, daemon=True, start=True)
        ]

    def loop(
        self,
        timer_interval_secs: float | None,
        target: Callable,
        args: Sequence | None = None,
        kwargs: dict | None = None,
    ) -> LooperThread:
        """Starts a thread that calls a function again and again until the end."""
        return LooperThread.loop(self.coord, timer_interval_secs, target, args, kwargs)

    Loop = loop

    def stop(
        self,
        threads: Sequence[threading.Thread] | None = None,
        close_summary_writer: bool = True,
        ignore_live_threads: bool = False,
    ) -> None:
        """Ends all threads.

        Raises: as `Coordinator.join`.
        """
        self.coord.request_stop()
        try:
            self.coord.join(threads, self._grace_secs, ignore_live_threads)
        finally:
            if close_summary_writer and self.summary_writer is not None:
                log = tf.compat.v1.SessionLog
                self.summary_writer.add_session_log(log(status=log.STOP))
                self.summary_writer.close()
                self._graph_written = False

    Stop = stop

    def request_stop(self, ex: Any = None) -> None:
        """As `Coordinator.request_stop`."""
        self.coord.request_stop(ex)

    RequestStop = request_stop

    def should_stop(self) -> bool:
        """As `Coordinator.should_stop`."""
        return self.coord.should_stop()

    ShouldStop = should_stop

    def stop_on_exception(self) -> Any:
        """As `Coordinator.stop_on_exception`."""
        return self.coord.stop_on_exception()

    StopOnException = stop_on_exception

    def wait_for_stop(self) -> None:
        """As `Coordinator.wait_for_stop`."""
        self.coord.wait_for_stop()

    def summary_computed(self, sess: Session, summary: Any, global_step: int | None = None) -> None:
        """Writes a summary.

        Raises:
          RuntimeError: there is no writer.
        """
        if self.summary_writer is None:
            raise RuntimeError("Writing a summary requires a summary writer.")
        if global_step is None and self.global_step is not None:
            global_step = tf.compat.v1.train.global_step(sess, self.global_step)
        self.summary_writer.add_summary(summary, global_step)

    SummaryComputed = summary_computed
    PrepareSession = prepare_or_wait_for_session
    StartQueueRunners = start_queue_runners
    StartStandardServices = start_standard_services

    @contextlib.contextmanager
    def managed_session(
        self,
        master: str = "",
        config: Any = None,
        start_standard_services: bool = True,
        close_summary_writer: bool = True,
    ) -> Iterator[Session]:
        """A context with a session; at its end all threads are ended, and an error of one of them is raised."""
        session: Session | None = None
        try:
            session = self.prepare_or_wait_for_session(
                master, config, start_standard_services=start_standard_services
            )
            yield session
        except Exception as error:
            self.request_stop(error)
        finally:
            try:
                self.stop(close_summary_writer=close_summary_writer)
            finally:
                if session is not None:
                    session.close()


class _SummaryThread(LooperThread):
    """Writes summaries every `save_summaries_secs`."""

    def __init__(self, supervisor: Supervisor, session: Session):
        super().__init__(supervisor.coord, supervisor.save_summaries_secs)
        self._supervisor, self._session = supervisor, session

    def run_loop(self) -> None:
        summary = self._session.run(self._supervisor.summary_op)
        self._supervisor.summary_computed(self._session, summary)


class _StepCounterThread(LooperThread):
    """Writes how many steps there are in a second, every `save_summaries_secs`."""

    def __init__(self, supervisor: Supervisor, session: Session):
        super().__init__(supervisor.coord, supervisor.save_summaries_secs)
        self._supervisor, self._session = supervisor, session

    def start_loop(self) -> None:
        self._time, self._step = time.monotonic(), global_step(self._session, self._supervisor.global_step)

    def run_loop(self) -> None:
        now, step = time.monotonic(), global_step(self._session, self._supervisor.global_step)
        rate = (step - self._step) / (now - self._time) if now > self._time else float("inf")
        self._time, self._step = now, step
        summary = tf.compat.v1.Summary()
        summary.value.add(tag=self._supervisor.global_step.name.partition(":")[0] + "/sec", simple_value=rate)
        if self._supervisor.summary_writer is not None:
            self._supervisor.summary_writer.add_summary(summary, step)
        logging.info("global_step/sec: %g", rate)


class _CheckpointThread(LooperThread):
    """Saves a checkpoint every `save_model_secs`."""

    def __init__(self, supervisor: Supervisor, session: Session):
        super().__init__(supervisor.coord, supervisor.save_model_secs)
        self._supervisor, self._session = supervisor, session

    def run_loop(self) -> None:
        supervisor = self._supervisor
        supervisor.saver.save(self._session, supervisor.save_path, global_step=supervisor.global_step)
        if supervisor.summary_writer is not None and supervisor.global_step is not None:
            log = tf.compat.v1.SessionLog
            supervisor.summary_writer.add_session_log(
                log(status=log.CHECKPOINT, checkpoint_path=supervisor.save_path),
                global_step(self._session, supervisor.global_step),
            )


@export(v1=["train.basic_train_loop"])
def basic_train_loop(
    supervisor: Supervisor,
    train_step_fn: Callable,
    args: Sequence | None = None,
    kwargs: dict | None = None,
    master: str = "",
) -> None:
    """Calls `train_step_fn(session, *args, **kwargs)` until the supervisor should stop.

    After an AbortedError it begins with a new session.
    """
    while True:
        try:
            with supervisor.managed_session(master) as session:
                while not supervisor.should_stop():
                    train_step_fn(session, *(args or ()), **(kwargs or {}))
            return
        except errors.AbortedError:
            continue
