"""`contrib.training.evaluate_once`, `contrib.slim.evaluation`: the metrics of a checkpoint."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.train.session_run_hook import SessionRunHook
from penstock.v1.api import tf

_MERGED: Any = object()  # all summaries of the graph


@export(v1=["contrib.training.StopAfterNEvalsHook"])
class StopAfterNEvalsHook(SessionRunHook):
    """Stops a session after a number of runs.

    Args:
      num_evals: how many; None: never.
      log_progress: accepted.
    """

    def __init__(self, num_evals: int | None, log_progress: bool = True):
        self._num_evals, self._runs = num_evals, 0

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Begins to count: a hook may serve one session after the other."""
        self._runs = 0

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Counts."""
        self._runs += 1
        if self._num_evals is not None and self._runs >= self._num_evals:
            run_context.request_stop()


@export(v1=["contrib.training.SummaryAtEndHook"])
class SummaryAtEndHook(SessionRunHook):
    """Writes summaries when a session ends.

    Args:
      log_dir, summary_writer: where to; one of them.
      summary_op: the summaries, one serialized message; by default all of the graph.
      feed_dict: is fed.

    Raises:
      ValueError: there is neither a directory nor a writer.
    """

    def __init__(
        self,
        log_dir: str | None = None,
        summary_writer: Any = None,
        summary_op: Any = None,
        feed_dict: dict | None = None,
    ):
        if log_dir is None and summary_writer is None:
            raise ValueError("SummaryAtEndHook needs a log_dir or a summary_writer.")
        self._log_dir, self._writer, self._summary, self._feeds = (
            log_dir,
            summary_writer,
            summary_op,
            feed_dict,
        )

    def begin(self) -> None:
        """Finds the summaries and the step."""
        if self._summary is None:
            self._summary = tf.summary.merge_all()
        self._step = tf.train.get_or_create_global_step()

    def end(self, session: Any) -> None:
        """Writes."""
        if self._summary is None:
            return
        writer = self._writer or tf.summary.FileWriterCache.get(self._log_dir)
        summary, step = session.run((self._summary, self._step), self._feeds)
        writer.add_summary(summary, int(step))
        writer.flush()


@export(v1=["contrib.training.evaluate_once"])
def evaluate_once(
    checkpoint_path: str,
    master: str = "",
    scaffold: Any = None,
    eval_ops: Any = None,
    feed_dict: dict | None = None,
    final_ops: Any = None,
    final_ops_feed_dict: dict | None = None,
    hooks: Sequence[Any] | None = None,
    config: Any = None,
) -> Any:
    """Restores a checkpoint, runs `eval_ops` until a hook says stop, and then `final_ops` once.

    Args:
      checkpoint_path: the checkpoint's name, as of `tf.train.latest_checkpoint`.
      master, scaffold, config: those of the session.
      eval_ops: an operation or a nest of them; None: nothing is run before `final_ops`.
      feed_dict, final_ops_feed_dict: are fed.
      final_ops: tensors or a nest of them.
      hooks: of the session; one of them has to stop it, as `StopAfterNEvalsHook` does, or the input has to end.

    Returns:
      The values of `final_ops`.
    """
    final = tf.train.FinalOpsHook(final_ops, final_ops_feed_dict)
    creator = tf.train.ChiefSessionCreator(
        scaffold, checkpoint_filename_with_path=checkpoint_path, master=master, config=config
    )
    with tf.train.MonitoredSession(creator, [*(hooks or ()), final]) as session:
        while eval_ops is not None and not session.should_stop():
            session.run(eval_ops, feed_dict)
    return final.final_ops_values


class _InitialOp(SessionRunHook):
    """Runs an operation in the new session."""

    def __init__(self, operation: Any, feed_dict: dict | None):
        self._operation, self._feeds = operation, feed_dict

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Runs it."""
        session.run(self._operation, self._feeds)


@export(v1=["contrib.slim.evaluation.evaluate_once"])
def slim_evaluate_once(
    master: str,
    checkpoint_path: str,
    logdir: str,
    num_evals: int = 1,
    initial_op: Any = None,
    initial_op_feed_dict: dict | None = None,
    eval_op: Any = None,
    eval_op_feed_dict: dict | None = None,
    final_op: Any = None,
    final_op_feed_dict: dict | None = None,
    summary_op: Any = _MERGED,
    summary_op_feed_dict: dict | None = None,
    variables_to_restore: Any = None,
    session_config: Any = None,
    hooks: Sequence[Any] | None = None,
) -> Any:
    """Evaluates a checkpoint: `num_evals` runs of `eval_op`, then `final_op`, and summaries into `logdir`.

    Args:
      master, session_config, hooks: those of the session.
      checkpoint_path: the checkpoint's name.
      logdir: where summaries go.
      num_evals: how often `eval_op` runs.
      initial_op: an operation that runs once, when the checkpoint is restored.
      eval_op, final_op: operations, tensors, or a nest of them.
      summary_op: the summaries; by default all of the graph; None: none.
      variables_to_restore: a list, or a dictionary from names in the checkpoint; by default all variables.
      initial_op_feed_dict, eval_op_feed_dict, final_op_feed_dict, summary_op_feed_dict: what is fed to each.

    Returns:
      The values of `final_op`.
    """
    scaffold, own = _slim_session(
        logdir,
        num_evals,
        initial_op,
        initial_op_feed_dict,
        summary_op,
        summary_op_feed_dict,
        variables_to_restore,
    )
    return evaluate_once(
        checkpoint_path, master, scaffold, eval_op, eval_op_feed_dict, final_op, final_op_feed_dict,
        [*own, *(hooks or ())], session_config,
    )  # fmt: skip


def _slim_session(
    logdir: str, num_evals: int, initial_op: Any, initial_op_feed_dict: Any, summary_op: Any, summary_op_feed_dict: Any,
    variables_to_restore: Any,
) -> tuple[Any, list[Any]]:  # fmt: skip
    """The scaffold and the hooks of slim's evaluations."""
    own: list[Any] = [StopAfterNEvalsHook(num_evals)]
    summary_op = tf.summary.merge_all() if summary_op is _MERGED else summary_op
    if summary_op is not None:
        own.append(SummaryAtEndHook(logdir, summary_op=summary_op, feed_dict=summary_op_feed_dict))
    saver = None if variables_to_restore is None else tf.train.Saver(variables_to_restore)
    if initial_op is not None:
        own.append(_InitialOp(initial_op, initial_op_feed_dict))
    return tf.train.Scaffold(saver=saver), own


@export(v1=["contrib.training.evaluate_repeatedly"])
def evaluate_repeatedly(
    checkpoint_dir: str,
    master: str = "",
    scaffold: Any = None,
    eval_ops: Any = None,
    feed_dict: dict | None = None,
    final_ops: Any = None,
    final_ops_feed_dict: dict | None = None,
    eval_interval_secs: float = 60,
    hooks: Sequence[Any] | None = None,
    config: Any = None,
    max_number_of_evaluations: int | None = None,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Any:
    """`evaluate_once` for each new checkpoint of a directory.

    Args:
      checkpoint_dir: the directory.
      eval_interval_secs: the least time between the beginnings of two evaluations.
      max_number_of_evaluations: after how many it ends; None: never.
      timeout: after how many seconds without a new checkpoint it ends; None: never.
      timeout_fn: is asked then whether it is to end.
      master, scaffold, eval_ops, feed_dict, final_ops, final_ops_feed_dict, hooks, config: see `evaluate_once`.

    Returns:
      The last values of `final_ops`; None where there was no checkpoint.

    Raises:
      ValueError: `max_number_of_evaluations` is not positive.
    """
    if max_number_of_evaluations is not None and max_number_of_evaluations <= 0:
        raise ValueError("`max_number_of_evaluations` must be either None or a positive number.")
    scaffold = scaffold or tf.train.Scaffold()  # one for all: sessions finalize the graph
    checkpoints = tf.train.checkpoints_iterator(checkpoint_dir, eval_interval_secs, timeout, timeout_fn)
    values = None
    for path in itertools.islice(checkpoints, max_number_of_evaluations):
        values = evaluate_once(
            path, master, scaffold, eval_ops, feed_dict, final_ops, final_ops_feed_dict, hooks, config
        )
    return values


@export(v1=["contrib.slim.evaluation.evaluation_loop"])
def evaluation_loop(
    master: str,
    checkpoint_dir: str,
    logdir: str,
    num_evals: int = 1,
    initial_op: Any = None,
    initial_op_feed_dict: dict | None = None,
    init_fn: Callable | None = None,
    eval_op: Any = None,
    eval_op_feed_dict: dict | None = None,
    final_op: Any = None,
    final_op_feed_dict: dict | None = None,
    summary_op: Any = _MERGED,
    summary_op_feed_dict: dict | None = None,
    variables_to_restore: Any = None,
    eval_interval_secs: float = 60,
    max_number_of_evaluations: int | None = None,
    session_config: Any = None,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
    hooks: Sequence[Any] | None = None,
) -> Any:
    """Evaluates each new checkpoint of a directory: `num_evals` runs of `eval_op`, then `final_op`, and summaries.

    Args:
      checkpoint_dir: the directory of the checkpoints.
      init_fn: a function of the scaffold and the session, called after initialization where there is no checkpoint to restore.
      eval_interval_secs, max_number_of_evaluations, timeout, timeout_fn: see `tf.contrib.training.evaluate_repeatedly`.
      master, logdir, num_evals, ...: see `evaluate_once`.

    Returns:
      The last values of `final_op`.
    """
    scaffold, own = _slim_session(
        logdir,
        num_evals,
        initial_op,
        initial_op_feed_dict,
        summary_op,
        summary_op_feed_dict,
        variables_to_restore,
    )
    if init_fn is not None:
        scaffold = tf.train.Scaffold(init_fn=init_fn, copy_from_scaffold=scaffold)
    return evaluate_repeatedly(
        checkpoint_dir, master, scaffold, eval_op, eval_op_feed_dict, final_op, final_op_feed_dict, eval_interval_secs,
        [*own, *(hooks or ())], session_config, max_number_of_evaluations, timeout, timeout_fn,
    )  # fmt: skip
