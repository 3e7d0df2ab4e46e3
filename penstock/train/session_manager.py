"""`tf.compat.v1.train.SessionManager`: makes sessions that are ready to train, from a checkpoint or from scratch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import penstock as tf
from penstock.engine.export import export
from penstock.graph.graph import Graph, current_graph
from penstock.platform import tf_logging as logging
from penstock.runtime.session import Session
from penstock.types import errors


@export(v1=["train.SessionManager"])
class SessionManager:
    """Makes sessions, and restores or initializes the variables in them.

    Args:
      local_init_op: initializes local variables and tables.
      ready_op: gives the names of variables that have no value.
      ready_for_local_init_op: the same, before `local_init_op` runs.
      graph: the graph of the sessions.
      recovery_wait_secs: the time between looks at a model that is not ready.
      local_init_run_options: accepted.
      local_init_feed_dict: is fed to `local_init_op`.

    Raises:
      ValueError: there is a `ready_for_local_init_op` and no `local_init_op`.
    """

    def __init__(
        self,
        local_init_op: Any = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        graph: Graph | None = None,
        recovery_wait_secs: float = 30,
        local_init_run_options: Any = None,
        local_init_feed_dict: dict | None = None,
    ):
        if ready_for_local_init_op is not None and local_init_op is None:
            raise ValueError(
                "If you pass a ready_for_local_init_op you must also pass a local_init_op , ready_for_local_init_op "
                f"[{ready_for_local_init_op}]"
            )
        self._local_init_op, self._local_init_feeds = local_init_op, local_init_feed_dict
        self._ready_op, self._ready_for_local_init_op = ready_op, ready_for_local_init_op
        self._graph = current_graph() if graph is None else graph
        self._wait_secs = recovery_wait_secs

    def _restored(
        self,
        master: str,
        saver: Any,
        checkpoint_dir: str | None,
        checkpoint_filename_with_path: str | None,
        wait_for_checkpoint: bool,
        max_wait_secs: float,
        config: Any,
    ) -> tuple[Session, bool]:
        """A new session, and whether its variables were restored."""
        if checkpoint_dir and checkpoint_filename_with_path:
            raise ValueError("Can not provide both checkpoint_dir and checkpoint_filename_with_path.")
        session = Session(master, graph=self._graph, config=config)
        if not saver or not (checkpoint_dir or checkpoint_filename_with_path):
            return session, False
        if checkpoint_filename_with_path:
            saver.restore(session, checkpoint_filename_with_path)
            return session, True
        deadline = time.monotonic() + max_wait_secs
        while True:
            state = tf.train.get_checkpoint_state(checkpoint_dir)
            if state is not None and state.model_checkpoint_path:
                break
            if not wait_for_checkpoint or time.monotonic() >= deadline:
                return session, False
            logging.info("Waiting for checkpoint to be available.")
            time.sleep(self._wait_secs)
        saver.restore(session, state.model_checkpoint_path)
        saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        return session, True

    def prepare_session(
        self,
        master: str,
        init_op: Any = None,
        saver: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
        init_feed_dict: dict | None = None,
        init_fn: Callable | None = None,
    ) -> Session:
        """A session that is ready: restored from a checkpoint where there is one, else initialized.

        Args:
          master: the target of the session, as that of a server in this process.
          init_op, init_feed_dict: initialize the variables.
          saver, checkpoint_dir, checkpoint_filename_with_path: restore them.
          wait_for_checkpoint, max_wait_secs: whether, and how long, a checkpoint is waited for.
          config: a `ConfigProto` message.
          init_fn: called with the session after `init_op`.

        Raises:
          RuntimeError: there is nothing to initialize with, or a variable has no value at the end.
        """
        session, restored = self._restored(
            master, saver, checkpoint_dir, checkpoint_filename_with_path, wait_for_checkpoint, max_wait_secs, config
        )  # fmt: skip
        if not restored:
            if init_op is None and not init_fn and self._local_init_op is None:
                raise RuntimeError(
                    "Model is not initialized and no init_op or init_fn or local_init_op was given"
                )
            if init_op is not None:
                session.run(init_op, feed_dict=init_feed_dict)
            if init_fn:
                init_fn(session)
        given = f"Init op: {_name(init_op)}, init fn: {init_fn}"
        problem = self._initialize_locally(session)
        if problem:
            raise RuntimeError(
                f"Init operations did not make model ready for local_init.  {given}, error: {problem}"
            )
        problem = _missing(self._ready_op, session, "Model not ready")
        if problem:
            raise RuntimeError(
                f"Init operations did not make model ready.  {given}, local_init_op: {_name(self._local_init_op)}, "
                f"error: {problem}"
            )
        return session

    def recover_session(
        self,
        master: str,
        saver: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
    ) -> tuple[Session, bool]:
        """A session, and whether a checkpoint made it ready. The arguments are those of `prepare_session`."""
        session, restored = self._restored(
            master, saver, checkpoint_dir, checkpoint_filename_with_path, wait_for_checkpoint, max_wait_secs, config
        )  # fmt: skip
        problem = self._initialize_locally(session)
        if not restored:
            return session, False
        place = checkpoint_dir or checkpoint_filename_with_path
        if problem:
            logging.info(
                "Restoring model from %s did not make model ready for local init: %s", place, problem
            )
            return session, False
        problem = _missing(self._ready_op, session, "Model not ready")
        if problem:
            logging.info("Restoring model from %s did not make model ready: %s", place, problem)
            return session, False
        logging.info("Restored model from %s", place)
        return session, True

    def wait_for_session(
        self, master: str, config: Any = None, max_wait_secs: float | None = float("inf")
    ) -> Session:
        """A session whose model somebody else makes ready.

        Raises:
          DeadlineExceededError: it is not ready after `max_wait_secs`.
        """
        limit = float("inf") if max_wait_secs is None else max_wait_secs
        deadline = time.monotonic() + limit
        while True:
            session = Session(master, graph=self._graph, config=config)
            problem = self._initialize_locally(session) or _missing(
                self._ready_op, session, "Model not ready"
            )
            if not problem:
                return session
            session.close()
            if time.monotonic() + self._wait_secs > deadline:
                raise errors.DeadlineExceededError(
                    None, None, f"Session was not ready after waiting {limit} secs."
                )
            logging.info("Waiting for model to be ready: %s", problem)
            time.sleep(self._wait_secs)

    def _initialize_locally(self, session: Session) -> str | None:
        """Runs the local initializer, if the model is ready for it; returns what is missing if it is not."""
        if self._local_init_op is None:
            return None
        problem = _missing(self._ready_for_local_init_op, session, "Model not ready for local init")
        if problem is None:
            logging.info("Running local_init_op.")
            session.run(self._local_init_op, feed_dict=self._local_init_feeds)
            logging.info("Done running local_init_op.")
        return problem


def _name(operation: Any) -> str:
    return getattr(operation, "name", str(operation))


def _missing(ready_op: Any, session: Session, what: str) -> str | None:
    """What is missing according to an operation that gives names of variables; None where nothing is."""
    if ready_op is None:
        return None
    try:
        names = session.run(ready_op)
    except errors.FailedPreconditionError as error:
        if "uninitialized" not in str(error):
            logging.warning("%s : error [%s]", what, error)
            raise
        return str(error)
    names = np.asarray([] if names is None else names)
    if names.dtype == np.int32 or not names.size:
        return None
    return "Variables not initialized: " + ", ".join(each.decode() for each in names.reshape(-1))
