"""`contrib.slim.learning`: a training loop around a `Supervisor`, which saves models and writes summaries beside it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from penstock.engine.export import export
from penstock.profiler.timeline import Timeline
from penstock.types import errors
from penstock.v1.api import tf

_DEFAULT: Any = object()


def _names(name: str) -> list[str]:
    return [f"contrib.slim.learning.{name}"]


@export(v1=_names("train_step"))
def train_step(
    sess: Any, train_op: Any, global_step: Any, train_step_kwargs: dict[str, Any]
) -> tuple[Any, bool]:
    """One step: what `train` does where it gets no function of its own.

    Args:
      sess: the session. train_op: an operation that returns the loss. global_step: the variable.
      train_step_kwargs: operations that say whether the loss is logged, "should_log", whether this was the last step,
        "should_stop", and whether the step is traced, "should_trace"; and "logdir", where traces are written.

    Returns:
      The loss, and whether to stop.
    """
    asked = {
        name: op
        for name, op in train_step_kwargs.items()
        if name in ("should_log", "should_stop", "should_trace")
    }
    start, options, metadata = time.monotonic(), None, None
    if "should_trace" in asked and sess.run(asked["should_trace"]):
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        metadata = tf.RunMetadata()
    loss, step = sess.run([train_op, global_step], options=options, run_metadata=metadata)
    seconds = time.monotonic() - start
    if metadata is not None and "logdir" in train_step_kwargs:
        path = os.path.join(train_step_kwargs["logdir"], f"tf_trace-{step}.json")
        with tf.gfile.Open(path, "w") as file:
            file.write(Timeline(metadata.step_stats).generate_chrome_trace_format(show_memory=True))
    if "should_log" in asked and sess.run(asked["should_log"]):
        tf.logging.info("global step %d: loss = %.4f (%.3f sec/step)", step, loss, seconds)
    return loss, bool(sess.run(asked["should_stop"])) if "should_stop" in asked else False


def _step_arguments(
    step: Any, log_every: int, number_of_steps: int | None, trace_every: int | None, logdir: str | None
) -> dict[str, Any]:
    with tf.name_scope("train_step"):
        made: dict[str, Any] = {"should_log": tf.equal(tf.mod(step, log_every), 0)} if log_every else {}
        if number_of_steps:
            made["should_stop"] = tf.greater_equal(step, number_of_steps)
        if trace_every is not None:
            made["should_trace"] = tf.equal(tf.mod(step, trace_every), 0)
        return made if logdir is None else made | {"logdir": logdir}


@export(v1=_names("train"))
def train(
    train_op: Any,
    logdir: str | None,
    train_step_fn: Callable = train_step,
    train_step_kwargs: dict[str, Any] | None = _DEFAULT,
    log_every_n_steps: int = 1,
    graph: Any = None,
    master: str = "",
    is_chief: bool = True,
    global_step: Any = None,
    number_of_steps: int | None = None,
    init_op: Any = _DEFAULT,
    init_feed_dict: dict[Any, Any] | None = None,
    local_init_op: Any = _DEFAULT,
    init_fn: Callable | None = None,
    ready_op: Any = _DEFAULT,
    summary_op: Any = _DEFAULT,
    save_summaries_secs: int = 600,
    summary_writer: Any = _DEFAULT,
    startup_delay_steps: int = 0,
    saver: Any = None,
    save_interval_secs: int = 600,
    sync_optimizer: Any = None,
    session_config: Any = None,
    session_wrapper: Callable | None = None,
    trace_every_n_steps: int | None = None,
    ignore_live_threads: bool = False,
) -> float | None:
    """Runs a training operation, from the last model in `logdir` on where there is one, and saves the model at the end.

    Args:
      train_op: an operation that returns the loss; see `create_train_op`.
      logdir: where models and summaries go; None: nowhere.
      train_step_fn: a function of session, `train_op`, global step and `train_step_kwargs` that returns the loss and whether
        to stop; see `train_step`, which also says what `train_step_kwargs` are by default.
      log_every_n_steps: how often the loss is logged. trace_every_n_steps: how often a step is traced; None: never.
      number_of_steps: up to which global step; None: to the end of the input.
      save_summaries_secs, save_interval_secs: how often summaries and models are written; 0: models at the end only.
      init_fn: a function of the session, called where there is no model to go on from.
      graph, master, is_chief, global_step, init_op, init_feed_dict, local_init_op, ready_op, summary_op, summary_writer,
        saver: see `tf.train.Supervisor`. session_config: of the session. session_wrapper: makes another one of it.
      startup_delay_steps: a worker that is not the chief waits for this global step.
      sync_optimizer: None. ignore_live_threads: whether threads may outlive the training.

    Returns:
      The last loss.

    Raises:
      ValueError: there is no `train_op`, a setting does not fit the others, or `sync_optimizer` is given.
    """
    if train_op is None:
        raise ValueError("train_op cannot be None.")
    if logdir is None and (
        summary_op not in (None, _DEFAULT) or saver is not None or trace_every_n_steps is not None
    ):
        raise ValueError("Cannot provide summary_op, saver or trace_every_n_steps because logdir=None")
    if sync_optimizer is not None:
        raise ValueError(
            "slim.learning.train: with a SyncReplicasOptimizer use tf.train.MonitoredTrainingSession and its hook"
        )
    if number_of_steps is not None and number_of_steps <= 0:
        raise ValueError("`number_of_steps` must be either None or a positive number.")
    graph = graph or tf.get_default_graph()
    with graph.as_default():
        step = global_step if global_step is not None else tf.train.get_or_create_global_step()
        if train_step_kwargs is _DEFAULT:
            train_step_kwargs = _step_arguments(
                step, log_every_n_steps, number_of_steps, trace_every_n_steps, logdir
            )
        given = {
            "init_op": init_op, "local_init_op": local_init_op, "ready_op": ready_op, "summary_op": summary_op,
            "summary_writer": summary_writer,
        }  # fmt: skip
        if logdir is None:  # nothing is written
            given |= {"summary_op": None, "summary_writer": None}
        supervisor = tf.train.Supervisor(
            graph=graph, is_chief=is_chief, logdir=logdir, init_feed_dict=init_feed_dict, global_step=step,
            saver=saver or tf.train.Saver(), save_summaries_secs=save_summaries_secs, save_model_secs=save_interval_secs,
            init_fn=init_fn, **{name: value for name, value in given.items() if value is not _DEFAULT},
        )  # fmt: skip
    loss: Any = None
    with supervisor.managed_session(master, start_standard_services=False, config=session_config) as session:
        session = session_wrapper(session) if session_wrapper is not None else session
        if is_chief and logdir is not None:
            supervisor.start_standard_services(session)
        while not is_chief and session.run(step) < startup_delay_steps:
            time.sleep(1)
        threads = supervisor.start_queue_runners(session)
        tf.logging.info("Starting Queues.")
        try:
            while not supervisor.should_stop():
                loss, should_stop = train_step_fn(session, train_op, step, train_step_kwargs)
                if should_stop:
                    break
        except errors.OutOfRangeError:
            tf.logging.info("Caught OutOfRangeError. Stopping Training.")
        if logdir is not None and is_chief:
            tf.logging.info("Finished training! Saving model to disk.")
            supervisor.saver.save(session, supervisor.save_path, global_step=supervisor.global_step)
        supervisor.stop(threads, close_summary_writer=False, ignore_live_threads=ignore_live_threads)
    return None if loss is None else float(loss)
