"""Hooks that write files: checkpoints, summaries, the speed of the training, profiles."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import penstock as tf
from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.ops import gfile
from penstock.ops.graph_collections import GraphKeys
from penstock.platform import tf_logging as logging
from penstock.profiler.timeline import Timeline
from penstock.summary.file_writer import FileWriterCache
from penstock.train.basic_hooks import global_step_for
from penstock.train.global_step import get_global_step
from penstock.train.hook_timer import SecondOrStepTimer
from penstock.train.session_run_hook import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)


@export(v1=["train.CheckpointSaverListener"])
class CheckpointSaverListener:
    """What is called around the saving of a checkpoint; a subclass defines those methods that it needs."""

    def begin(self) -> None:
        """Called once before the session is made."""

    def before_save(self, session: Any, global_step_value: int) -> None:
        """Called before each checkpoint."""

    def after_save(self, session: Any, global_step_value: int) -> bool | None:
        """Called after each checkpoint; where it returns True the training ends."""

    def end(self, session: Any, global_step_value: int) -> None:
        """Called at the end."""


@export(v1=["train.CheckpointSaverHook"])
class CheckpointSaverHook(SessionRunHook):
    """Saves checkpoints: at the start, every so often, and at the end.

    Args:
      checkpoint_dir: the directory.
      save_secs, save_steps: how often; one of them.
      saver, scaffold: what saves; by default the saver in the collection `SAVERS`.
      checkpoint_basename: how the files' names begin.
      listeners: called around each checkpoint.
      save_graph_def: whether the graph is saved too.

    Raises:
      ValueError: both saver and scaffold are given, or it is not clear how often.
    """

    def __init__(
        self,
        checkpoint_dir: str,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: Any = None,
        listeners: Sequence[CheckpointSaverListener] | None = None,
        save_graph_def: bool = True,
    ):
        logging.info("Create CheckpointSaverHook.")
        if saver is not None and scaffold is not None:
            raise ValueError("You cannot provide both saver and scaffold.")
        self._saver, self._scaffold = saver, scaffold
        self._folder = checkpoint_dir
        self._path = os.path.join(checkpoint_dir, checkpoint_basename)
        self._timer = SecondOrStepTimer(save_secs, save_steps)
        self._listeners = list(listeners or ())
        self._save_graph_def = save_graph_def

    def begin(self) -> None:
        """Finds the global step."""
        self._writer = FileWriterCache.get(self._folder)
        self._step = global_step_for("CheckpointSaverHook")
        for listener in self._listeners:
            listener.begin()

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Writes the graph, and the first checkpoint."""
        graph = current_graph()
        if self._save_graph_def:
            tf.io.write_graph(graph.as_graph_def(add_shapes=True), self._folder, "graph.pbtxt")
        self._writer.add_graph(graph)
        saver_def = getattr(self._found_saver(), "saver_def", None)
        self._writer.add_meta_graph(tf.compat.v1.train.export_meta_graph(graph=graph, saver_def=saver_def))
        step = session.run(self._step)
        self._save(session, step)
        self._timer.update_last_triggered_step(step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Saves, where it is time to."""
        step = run_context.session.run(self._step)
        if self._timer.should_trigger_for_step(step):
            self._timer.update_last_triggered_step(step)
            if self._save(run_context.session, step):
                run_context.request_stop()

    def end(self, session: Any) -> None:
        """Saves the last step."""
        step = session.run(self._step)
        if step != self._timer.last_triggered_step():
            self._save(session, step)
        for listener in self._listeners:
            listener.end(session, step)

    def _save(self, session: Any, step: int) -> bool:
        """Saves; returns whether a listener asks for the end."""
        for listener in self._listeners:
            listener.before_save(session, step)
        logging.info("Saving checkpoints for %d into %s.", step, self._path)
        saver = self._found_saver()
        saver.save(session, self._path, global_step=step, write_meta_graph=self._save_graph_def)
        log = tf.compat.v1.SessionLog
        self._writer.add_session_log(log(status=log.CHECKPOINT, checkpoint_path=self._path), step)
        asking = [listener for listener in self._listeners if listener.after_save(session, step)]
        for listener in asking:
            logging.info(
                "A CheckpointSaverListener requested that training be stopped. listener: %s", listener
            )
        return bool(asking)

    def _found_saver(self) -> Any:
        if self._saver is None and self._scaffold is not None:
            return self._scaffold.saver
        if self._saver is None:
            found = current_graph().get_collection(GraphKeys.SAVERS)
            if len(found) != 1:
                problem = "No items" if not found else "More than one item"
                raise RuntimeError(
                    f"{problem} in collection {GraphKeys.SAVERS}. Please provide a saver or scaffold."
                )
            self._saver = found[0]
        return self._saver


def _writer(writer: Any, output_dir: str | None) -> Any:
    return FileWriterCache.get(output_dir) if writer is None and output_dir else writer


@export(v1=["train.StepCounterHook"])
class StepCounterHook(SessionRunHook):
    """Logs how many steps there are in a second, and writes it as a summary.

    Args:
      every_n_steps, every_n_secs: how often; one of them.
      output_dir, summary_writer: where the summary goes.

    Raises:
      ValueError: not exactly one of the first two is given.
    """

    def __init__(
        self,
        every_n_steps: int | None = 100,
        every_n_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: Any = None,
    ):
        if (every_n_steps is None) == (every_n_secs is None):
            raise ValueError("exactly one of every_n_steps and every_n_secs should be provided.")
        self._timer = SecondOrStepTimer(every_n_secs, every_n_steps)
        self._writer, self._folder = summary_writer, output_dir
        self._last_step: int | None = None

    def begin(self) -> None:
        """Finds the global step."""
        self._writer = _writer(self._writer, self._folder)
        self._step = global_step_for("StepCounterHook")
        self._tag = get_global_step().name.partition(":")[0] + "/sec"

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Asks for the global step."""
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Counts."""
        step = run_context.session.run(self._step)
        if self._timer.should_trigger_for_step(step):
            seconds, steps = self._timer.update_last_triggered_step(step)
            if seconds:
                self._log_and_record(steps or 0, seconds, step)
        if step == self._last_step:
            logging.log_first_n(
                logging.WARN,
                "It seems that global step (tf.train.get_global_step) has not been increased. Current value (could be "
                "stable): %s vs previous value: %s. You could increase the global step by passing "
                "tf.train.get_global_step() to Optimizer.apply_gradients or Optimizer.minimize.",
                5,
                step,
                self._last_step,
            )
        self._last_step = step

    def _log_and_record(self, elapsed_steps: int, elapsed_time: float, global_step: int) -> None:
        rate = elapsed_steps / elapsed_time
        if self._writer is not None:
            summary = tf.compat.v1.Summary()
            summary.value.add(tag=self._tag, simple_value=rate)
            self._writer.add_summary(summary, global_step)
        logging.info("%s: %g", self._tag, rate)


@export(v1=["train.SummarySaverHook"])
class SummarySaverHook(SessionRunHook):
    """Writes summaries.

    Args:
      save_steps, save_secs: how often; one of them.
      output_dir, summary_writer: where they go.
      scaffold, summary_op: what is written: a string tensor, or a list of them; one of the two.

    Raises:
      ValueError: it is not clear what, or how often.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: Any = None,
        scaffold: Any = None,
        summary_op: Any = None,
    ):
        if (scaffold is None) == (summary_op is None):
            raise ValueError("Exactly one of scaffold or summary_op must be provided.")
        self._scaffold, self._op = scaffold, summary_op
        self._writer, self._folder = summary_writer, output_dir
        self._timer = SecondOrStepTimer(save_secs, save_steps)

    def begin(self) -> None:
        """Finds the global step."""
        self._writer = _writer(self._writer, self._folder)
        self._next_step: int | None = None
        self._step = global_step_for("SummarySaverHook")

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Asks for the summaries, in steps that are written."""
        self._due = self._next_step is None or self._timer.should_trigger_for_step(self._next_step)
        summaries = self._summaries() if self._due else []
        return SessionRunArgs(summaries) if summaries else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Writes."""
        if self._writer is None:
            return
        step = run_context.session.run(self._step)
        if self._next_step is None:
            log = tf.compat.v1.SessionLog
            self._writer.add_session_log(log(status=log.START), step)
        if self._due:
            self._timer.update_last_triggered_step(step)
            for summary in run_values.results or ():
                self._writer.add_summary(summary, step)
        self._next_step = step + 1

    def end(self, session: Any = None) -> None:
        """Flushes."""
        if self._writer is not None:
            self._writer.flush()

    def _summaries(self) -> list[Any]:
        found = self._scaffold.summary_op if self._op is None else self._op
        return [] if found is None else list(found) if isinstance(found, (list, tuple)) else [found]


@export(v1=["train.ProfilerHook"])
class ProfilerHook(SessionRunHook):
    """Writes the times of a step every so often, as `timeline-STEP.json` for Chrome's trace viewer.

    Args:
      save_steps, save_secs: how often; one of them.
      output_dir: where the files go; the times go to its event file too, as the run metadata `step_STEP`.
      show_dataflow, show_memory: accepted; a trace holds times only.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str = "",
        show_dataflow: bool = True,
        show_memory: bool = False,
    ):
        self._folder = output_dir
        self._timer = SecondOrStepTimer(save_secs, save_steps)

    def begin(self) -> None:
        """Finds the global step."""
        self._next_step: int | None = None
        self._writer = _writer(None, self._folder or None)
        self._step = global_step_for("ProfilerHook")

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Asks for the times of the step, where it is time to."""
        self._due = self._next_step is not None and self._timer.should_trigger_for_step(self._next_step)
        options = tf.compat.v1.RunOptions
        return SessionRunArgs(
            self._step, options=options(trace_level=options.FULL_TRACE) if self._due else None
        )

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Writes them."""
        step = run_context.session.run(self._step)
        if self._next_step is None or self._due:
            self._timer.update_last_triggered_step(step)
        if self._due:
            metadata = run_values.run_metadata
            with gfile.GFile(os.path.join(self._folder, f"timeline-{step}.json"), "w") as file:
                file.write(Timeline(metadata.step_stats).generate_chrome_trace_format())
            if self._writer is not None:
                self._writer.add_run_metadata(metadata, f"step_{step}")
        self._next_step = step + 1
