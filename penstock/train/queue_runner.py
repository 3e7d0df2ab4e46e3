"""`tf.compat.v1.train.QueueRunner`: the threads that keep a queue filled."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Sequence
from typing import Any

from penstock.engine import context
from penstock.engine.background_threads import stop_at_exit
from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.io.proto_schema import message_classes
from penstock.ops.graph_collections import GraphKeys
from penstock.platform import tf_logging as logging
from penstock.runtime.session import BaseSession, get_default_session
from penstock.train.coordinator import Coordinator
from penstock.types import errors

_SCHEMA = """
message QueueRunnerDef {
  string queue_name = 1;
  repeated string enqueue_op_name = 2;
  string close_op_name = 3;
  string cancel_op_name = 4;
  repeated int32 queue_closed_exception_types = 5;
}
"""


def queue_runner_def() -> Any:
    """The message class of a queue runner in a MetaGraphDef."""
    return message_classes("queue_runner", _SCHEMA).QueueRunnerDef


@export(v1=["train.QueueRunner", "train.queue_runner.QueueRunner"])
class QueueRunner:
    """Runs the operations that fill a queue, each in a thread of its own.

    A thread ends when its operation raises one of `queue_closed_exception_types`; the last one closes the queue.

    Args:
      queue: the queue.
      enqueue_ops: operations that add to it; one may be there several times.
      close_op, cancel_op: operations that close it, the second one with `cancel_pending_enqueues`.
      queue_closed_exception_types: errors that mean the end of the input; `tf.errors.OutOfRangeError` by default.
      queue_runner_def: a message that names all of these in the current graph, instead of them.
      import_scope: the scope that the names in the message lie in.

    Raises:
      ValueError: the arguments do not go together.
      TypeError: `queue_closed_exception_types` holds something else.
    """

    def __init__(
        self,
        queue: Any = None,
        enqueue_ops: Sequence[Any] | None = None,
        close_op: Any = None,
        cancel_op: Any = None,
        queue_closed_exception_types: tuple | None = None,
        queue_runner_def: Any = None,
        import_scope: str | None = None,
    ):
        if queue_runner_def is not None:
            if queue or enqueue_ops:
                raise ValueError("queue_runner_def and queue are mutually exclusive.")
            graph, prefix = current_graph(), f"{import_scope}/" if import_scope else ""

            def element(name: str) -> Any:
                return graph.as_graph_element(prefix + name)

            self._queue = element(queue_runner_def.queue_name)
            self._enqueue_ops = [element(name) for name in queue_runner_def.enqueue_op_name]
            self._close_op = element(queue_runner_def.close_op_name)
            self._cancel_op = element(queue_runner_def.cancel_op_name)
            codes = queue_runner_def.queue_closed_exception_types
            ends = tuple(errors.exception_type_from_error_code(code) for code in codes)
        else:
            if not queue or not enqueue_ops:
                raise ValueError("Must provide queue and enqueue_ops.")
            self._queue, self._enqueue_ops = queue, list(enqueue_ops)
            self._close_op = queue.close() if close_op is None else close_op
            self._cancel_op = queue.close(cancel_pending_enqueues=True) if cancel_op is None else cancel_op
            ends = _checked(queue_closed_exception_types)
        self._ends = ends or (errors.OutOfRangeError,)
        self._lock = threading.Lock()
        self._running: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._exceptions_raised: list[Exception] = []

    @property
    def queue(self) -> Any:
        """The queue."""
        return self._queue

    @property
    def enqueue_ops(self) -> list[Any]:
        """The operations that fill it."""
        return self._enqueue_ops

    @property
    def close_op(self) -> Any:
        """The operation that closes it."""
        return self._close_op

    @property
    def cancel_op(self) -> Any:
        """The operation that closes it and cancels steps that wait to add."""
        return self._cancel_op

    @property
    def queue_closed_exception_types(self) -> tuple:
        """Errors that mean the end of the input."""
        return self._ends

    @property
    def exceptions_raised(self) -> list[Exception]:
        """The errors of threads that had no coordinator to report them to."""
        return self._exceptions_raised

    @property
    def name(self) -> str:
        """The name of the queue."""
        return self._queue.name

    def _fill(self, session: Any, enqueue_op: Any, coord: Coordinator | None) -> None:
        """What a thread does."""
        try:
            while coord is None or not coord.should_stop():
                session.run(enqueue_op)
        except self._ends:
            if self._ended(session):
                self._run_quietly(session, self._close_op)
            return
        except Exception as error:
            if coord is not None:
                coord.request_stop(error)
            else:
                logging.error("Exception in QueueRunner: %s", error)
                with self._lock:
                    self._exceptions_raised.append(error)
        self._ended(session)

    def _ended(self, session: Any) -> bool:
        """Notes that a thread ends; returns whether it was the last one."""
        with self._lock:
            self._running[session] -= 1
            return self._running[session] == 0

    @staticmethod
    def _run_quietly(session: Any, operation: Any) -> None:
        try:
            session.run(operation)
        except Exception as error:  # the session is closed, perhaps
            logging.vlog(1, "Ignored exception: %s", error)

    def _close_on_stop(self, session: Any, cancel_op: Any, coord: Coordinator) -> None:
        coord.wait_for_stop()
        self._run_quietly(session, cancel_op)

    def create_threads(
        self, sess: Any, coord: Coordinator | None = None, daemon: bool = False, start: bool = False
    ) -> list[threading.Thread]:
        """Makes the threads for a session; none where they run already.

        Args:
          sess: the session.
          coord: errors are reported to it, and when it stops the queue is closed.
          daemon: whether the threads end with the program.
          start: whether they are started.
        """
        with self._lock:
            if self._running.get(sess, 0) > 0:
                return []
            self._running[sess] = len(self._enqueue_ops)
            self._exceptions_raised = []
        threads = [
            threading.Thread(
                target=self._fill, args=(sess, each, coord), name=f"QueueRunnerThread-{self.name}-{each.name}"
            )
            for each in self._enqueue_ops
        ]
        if coord is not None:
            threads.append(
                threading.Thread(
                    target=self._close_on_stop,
                    args=(sess, self._cancel_op, coord),
                    name=f"QueueRunnerThread-{self.name}-close_on_stop",
                )
            )
        cancel = functools.partial(self._run_quietly, sess, self._cancel_op)
        for each in threads:
            if coord is not None:
                coord.register_thread(each)
            each.daemon = daemon
            if daemon:
                stop_at_exit(each, cancel if coord is None else coord.request_stop)
            if start:
                each.start()
        return threads

    def to_proto(self, export_scope: str | None = None) -> Any:
        """A `QueueRunnerDef` message; None where the queue lies outside of `export_scope`."""
        queue = self.queue.queue_ref.op.name if hasattr(self.queue, "queue_ref") else self.queue.name
        if export_scope is not None and not queue.startswith(export_scope):
            return None

        def inside(name: str) -> str:
            return name.removeprefix(f"{export_scope}/") if export_scope else name

        return queue_runner_def()(
            queue_name=inside(queue),
            enqueue_op_name=[inside(each.name) for each in self.enqueue_ops],
            close_op_name=inside(self.close_op.name),
            cancel_op_name=inside(self.cancel_op.name),
            queue_closed_exception_types=[errors.error_code_from_exception_type(each) for each in self._ends],
        )

    @staticmethod
    def from_proto(queue_runner_def: Any, import_scope: str | None = None) -> QueueRunner:
        """The queue runner of a message, in the current graph."""
        return QueueRunner(queue_runner_def=queue_runner_def, import_scope=import_scope)


def _checked(kinds: Any) -> tuple:
    if kinds is None:
        return ()
    if (
        not isinstance(kinds, tuple)
        or not kinds
        or not all(issubclass(each, errors.OpError) for each in kinds)
    ):
        raise TypeError(
            f"queue_closed_exception_types, when provided, must be a tuple of tf.error types, but saw: {kinds}"
        )
    return kinds


@export(v1=["train.add_queue_runner", "train.queue_runner.add_queue_runner"])
def add_queue_runner(qr: QueueRunner, collection: Any = GraphKeys.QUEUE_RUNNERS) -> None:
    """Adds a queue runner to a collection, where `start_queue_runners` finds it."""
    current_graph().add_to_collection(collection, qr)


@export(v1=["train.start_queue_runners", "train.queue_runner.start_queue_runners"])
def start_queue_runners(
    sess: Any = None,
    coord: Coordinator | None = None,
    daemon: bool = True,
    start: bool = True,
    collection: Any = GraphKeys.QUEUE_RUNNERS,
) -> list[threading.Thread]:
    """Starts the threads of all queue runners of the graph.

    Args:
      sess: the session, by default the default one. A monitored session has started them itself.
      coord: the coordinator of the threads.
      daemon: whether the threads end with the program.
      start: whether they are started, or only made.
      collection: where the queue runners are.

    Returns:
      The threads.

    Raises:
      ValueError: there is no session.
      TypeError: `sess` is no session.
    """
    sess = get_default_session() if sess is None else sess
    if sess is None:
        raise ValueError(
            "Cannot start queue runners: No default session is registered. Use `with sess.as_default()` or pass an "
            "explicit session to tf.start_queue_runners(sess=sess)"
        )
    if not isinstance(sess, BaseSession):
        if type(sess).__name__ in ("MonitoredSession", "SingularMonitoredSession"):
            return []
        raise TypeError(f"sess must be a `tf.Session` object. Given class: {type(sess)}")
    with context.building(sess.graph):
        runners = sess.graph.get_collection(collection)
        return [
            each
            for runner in runners
            for each in runner.create_threads(sess, coord, daemon=daemon, start=start)
        ]
