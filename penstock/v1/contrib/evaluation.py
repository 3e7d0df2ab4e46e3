"""`contrib.training.evaluate_once`, `contrib.slim.evaluation`: the metrics of a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
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
    own: list[Any] = [StopAfterNEvalsHook(num_evals)]
    summary_op = tf.summary.merge_all() if summary_op is _MERGED else summary_op
    if summary_op is not None:
        own.append(SummaryAtEndHook(logdir, summary_op=summary_op, feed_dict=summary_op_feed_dict))
    saver = None if variables_to_restore is None else tf.train.Saver(variables_to_restore)
    if initial_op is not None:
        own.append(_InitialOp(initial_op, initial_op_feed_dict))
    scaffold = tf.train.Scaffold(saver=saver)
    return evaluate_once(
        checkpoint_path, master, scaffold, eval_op, eval_op_feed_dict, final_op, final_op_feed_dict,
        [*own, *(hooks or ())], session_config,
    )  # fmt: skip
