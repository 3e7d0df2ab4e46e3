"""Hooks that stop, log and check: `StopAtStepHook`, `LoggingTensorHook`, `NanTensorHook`, `FinalOpsHook`, ..."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.platform import tf_logging as logging
from penstock.train.global_step import step_to_read
from penstock.train.hook_timer import SecondOrStepTimer
from penstock.train.session_run_hook import (
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
)
from penstock.types import errors


def global_step_for(hook: str) -> Any:
    """The tensor by which a hook reads the global step.

    Raises:
      RuntimeError: the graph has none.
    """
    step = step_to_read()
    if step is None:
        raise RuntimeError(f"Global step should be created to use {hook}.")
    return step


@export(v1=["train.StopAtStepHook"])
class StopAtStepHook(SessionRunHook):
    """Asks for the end at a step.

    Args:
      num_steps: after so many steps.
      last_step: at this value of the global step.

    Raises:
      ValueError: not exactly one of them is given.
    """

    def __init__(self, num_steps: int | None = None, last_step: int | None = None):
        if num_steps is None and last_step is None:
            raise ValueError("One of num_steps or last_step must be specified.")
        if num_steps is not None and last_step is not None:
            raise ValueError("Only one of num_steps or last_step can be specified.")
        self._num_steps, self._last_step = num_steps, last_step

    def begin(self) -> None:
        """Finds the global step."""
        self._step = global_step_for("StopAtStepHook")

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Finds the last step."""
        if self._last_step is None:
            self._last_step = session.run(self._step) + self._num_steps

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Asks for the end."""
        if run_context.session.run(self._step) >= self._last_step:
            run_context.request_stop()


def _element(thing: Any) -> Any:
    """A tensor, or a name, as a tensor of the current graph."""
    graph = current_graph()
    if not isinstance(thing, str):
        if getattr(thing, "graph", None) is not graph:
            raise ValueError(
                f"Passed {thing} should have graph attribute that is equal to current graph {graph}."
            )
        return thing
    if ":" in thing:
        return graph.as_graph_element(thing)
    operation = graph.get_operation_by_name(thing)
    if len(operation.outputs) > 1:
        raise ValueError(f"Name {thing} is ambiguous, as this `Operation` has multiple outputs (at least 2).")
    return graph.as_graph_element(f"{thing}:0")


@export(v1=["train.LoggingTensorHook"])
class LoggingTensorHook(SessionRunHook):
    """Logs the values of tensors.

    Args:
      tensors: a list of tensors or their names, or a dictionary from tags to these.
      every_n_iter, every_n_secs: how often; one of them.
      at_end: whether they are logged at the end.
      formatter: makes the line of a dictionary from tags to values.

    Raises:
      ValueError: it is not clear how often.
    """

    def __init__(
        self,
        tensors: Any,
        every_n_iter: int | None = None,
        every_n_secs: float | None = None,
        at_end: bool = False,
        formatter: Callable[[dict], str] | None = None,
    ):
        never = at_end and every_n_iter is None and every_n_secs is None
        if not never and (every_n_iter is None) == (every_n_secs is None):
            raise ValueError(
                "either at_end and/or exactly one of every_n_iter and every_n_secs must be provided."
            )
        if every_n_iter is not None and every_n_iter <= 0:
            raise ValueError(f"invalid every_n_iter={every_n_iter}.")
        self._order = sorted(tensors) if isinstance(tensors, dict) else list(tensors)
        named = tensors if isinstance(tensors, dict) else {_key(each): each for each in tensors}
        self._tags = [_key(each) for each in self._order]
        self._named, self._labels = named, dict(zip(self._tags, self._order))
        self._formatter, self._at_end = formatter, at_end
        self._timer = None if never else SecondOrStepTimer(every_n_secs, every_n_iter)

    def begin(self) -> None:
        """Finds the tensors."""
        if self._timer is not None:
            self._timer.reset()
        self._count = 0
        self._tensors = {tag: _element(each) for tag, each in self._named.items()}

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Asks for the tensors, in steps that are logged."""
        self._due = self._timer is not None and self._timer.should_trigger_for_step(self._count)
        return SessionRunArgs(self._tensors) if self._due else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Logs."""
        if self._due:
            self._log(run_values.results)
        self._count += 1

    def end(self, session: Any) -> None:
        """Logs, if it shall at the end."""
        if self._at_end:
            self._log(session.run(self._tensors))

    def _log(self, values: dict) -> None:
        seconds = None if self._timer is None else self._timer.update_last_triggered_step(self._count)[0]
        if self._formatter is not None:
            logging.info(self._formatter({_label(self._labels[tag]): value for tag, value in values.items()}))
            return
        with np.printoptions(suppress=True):
            line = ", ".join(f"{self._labels[tag]} = {values[tag]}" for tag in self._tags)
        if seconds is None:
            logging.info("%s", line)
        else:
            logging.info("%s (%.3f sec)", line, seconds)


def _label(thing: Any) -> Any:
    """A tag as a key: a tensor where tensors can be keys, as in TF 1, else its reference."""
    try:
        hash(thing)
    except TypeError:
        return _key(thing)
    return thing


def _key(thing: Any) -> Any:
    return thing.ref() if hasattr(thing, "ref") else thing


@export(v1=["train.NanLossDuringTrainingError"])
class NanLossDuringTrainingError(RuntimeError):
    """The loss is no number."""

    def __str__(self) -> str:
        return "NaN loss during training."


@export(v1=["train.NanTensorHook"])
class NanTensorHook(SessionRunHook):
    """Looks whether the loss is still a number.

    Args:
      loss_tensor: the loss, a scalar.
      fail_on_nan_loss: whether to raise NanLossDuringTrainingError, or to ask for the end.
    """

    def __init__(self, loss_tensor: Any, fail_on_nan_loss: bool = True):
        self._loss, self._fails = loss_tensor, fail_on_nan_loss

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Asks for the loss."""
        return SessionRunArgs(self._loss)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Looks at it."""
        if not np.isnan(run_values.results):
            return
        if self._fails:
            logging.error("Model diverged with loss = NaN.")
            raise NanLossDuringTrainingError
        logging.warning("Model diverged with loss = NaN.")
        run_context.request_stop()


@export(v1=["train.GlobalStepWaiterHook"])
class GlobalStepWaiterHook(SessionRunHook):
    """Waits with the first step until the others have brought the global step so far.

    Args:
      wait_until_step: how far.
    """

    _LOOK_EVERY = 0.5  # seconds

    def __init__(self, wait_until_step: int):
        self._until, self._started = wait_until_step, wait_until_step <= 0

    def begin(self) -> None:
        """Finds the global step."""
        self._step = global_step_for("GlobalStepWaiterHook")

    def before_run(self, run_context: SessionRunContext) -> None:
        """Waits."""
        if not self._started:
            logging.info("Waiting for global step %d before starting training.", self._until)
            while run_context.session.run(self._step) < self._until:
                time.sleep(self._LOOK_EVERY)
            self._started = True


@export(v1=["train.FinalOpsHook"])
class FinalOpsHook(SessionRunHook):
    """Evaluates tensors at the end.

    Args:
      final_ops: a tensor, or a nest of them.
      final_ops_feed_dict: is fed.

    Attributes:
      final_ops_values: the values, once the session has ended.
    """

    def __init__(self, final_ops: Any, final_ops_feed_dict: dict | None = None):
        self._ops, self._feeds = final_ops, final_ops_feed_dict
        self.final_ops_values: Any = None

    def end(self, session: Any) -> None:
        """Evaluates."""
        if self._ops is None:
            return
        try:
            self.final_ops_values = session.run(self._ops, feed_dict=self._feeds)
        except (errors.OutOfRangeError, StopIteration):
            logging.warning(
                "The final operations of FinalOpsHook depend on an input that has ended: they should read variables only."
            )
            raise


@export(v1=["train.FeedFnHook"])
class FeedFnHook(SessionRunHook):
    """Feeds what a function returns.

    Args:
      feed_fn: takes nothing and returns a dictionary from tensors to values.
    """

    def __init__(self, feed_fn: Callable[[], dict]):
        self.feed_fn = feed_fn

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Feeds."""
        return SessionRunArgs(None, self.feed_fn())
