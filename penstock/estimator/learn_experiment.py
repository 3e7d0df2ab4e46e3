"""`contrib.learn`'s experiments and monitors: an estimator with the data that it is trained and judged on."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine.export import export
from penstock.estimator.learn_estimator import learn_names
from penstock.train.session_run_hook import SessionRunArgs, SessionRunHook
from penstock.v1.api import tf


@export(v1=[*learn_names("Experiment"), "contrib.learn.python.learn.experiment.Experiment"])
class Experiment:
    """An estimator, and how it is trained and evaluated.

    Args:
      estimator: one of `contrib.learn` or `tf.estimator`. train_input_fn, eval_input_fn: its data.
      eval_metrics: more metrics, of an estimator of `contrib.learn`; see its `evaluate`.
      train_steps, eval_steps: how many; None: to the end of the data.
      train_monitors, eval_hooks: hooks of the sessions.
      min_eval_frequency: `train_and_evaluate` evaluates after so many steps of training; None: at the end.
      export_strategies: none, or functions (estimator, folder) that are called after the last evaluation.
      eval_delay_secs, continuous_eval_throttle_secs, local_eval_frequency: of clusters; nothing depends on them here.
    """

    def __init__(
        self, estimator: Any, train_input_fn: Callable, eval_input_fn: Callable, eval_metrics: Any = None,
        train_steps: int | None = None, eval_steps: int | None = 100, train_monitors: Sequence[Any] | None = None,
        eval_hooks: Sequence[Any] | None = None, local_eval_frequency: int | None = None, eval_delay_secs: float = 120,
        continuous_eval_throttle_secs: float = 60, min_eval_frequency: int | None = None,
        export_strategies: Any = None,
    ):  # fmt: skip
        if eval_metrics is not None and not hasattr(estimator, "fit"):
            raise ValueError(
                "`eval_metrics` must be None with `tf.estimator.Estimator`; its model function has metrics"
            )
        self._estimator, self._train_input, self._eval_input = estimator, train_input_fn, eval_input_fn
        self._metrics, self._train_steps, self._eval_steps = eval_metrics, train_steps, eval_steps
        self._monitors, self._eval_hooks = list(train_monitors or ()), list(eval_hooks or ())
        self._frequency = min_eval_frequency
        strategies = export_strategies or ()
        self._exports = list(strategies) if isinstance(strategies, (list, tuple)) else [strategies]

    estimator = property(lambda self: self._estimator, doc="The estimator.")
    train_steps = property(lambda self: self._train_steps, doc="How many steps it is trained.")
    eval_steps = property(lambda self: self._eval_steps, doc="How many batches it is evaluated on.")

    def extend_train_hooks(self, additional_hooks: Sequence[Any]) -> None:
        """Adds hooks to the training."""
        self._monitors.extend(additional_hooks)

    def train(self, delay_secs: float | None = None) -> Any:
        """Trains up to `train_steps`."""
        return self._train(self._train_steps)

    def _train(self, max_steps: int | None) -> Any:
        if hasattr(self._estimator, "fit"):
            return self._estimator.fit(
                input_fn=self._train_input, max_steps=max_steps, monitors=self._monitors
            )
        return self._estimator.train(self._train_input, self._monitors, max_steps=max_steps)

    def evaluate(self, delay_secs: float | None = None, name: str | None = None) -> dict[str, Any]:
        """The metrics of the latest checkpoint."""
        more = {"metrics": self._metrics} if self._metrics is not None else {}
        return self._estimator.evaluate(
            input_fn=self._eval_input, steps=self._eval_steps, name=name, hooks=self._eval_hooks, **more
        )

    continuous_eval = evaluate

    def train_and_evaluate(self) -> tuple[dict[str, Any], list[Any]]:
        """Trains with evaluations between, and evaluates at the end.

        Returns:
          The last metrics, and what the export strategies returned.
        """
        if self._frequency and self._train_steps:
            for steps in range(self._frequency, self._train_steps, self._frequency):
                self._train(steps)
                self.evaluate()
        self.train()
        results = self.evaluate()
        folder = os.path.join(self._estimator.model_dir, "export")
        return results, [each(self._estimator, folder) for each in self._exports]

    local_run = train_and_evaluate

    def test(self) -> dict[str, Any]:
        """Trains for one step and evaluates one, to see that both work."""
        self._train(1)
        return self._estimator.evaluate(input_fn=self._eval_input, steps=1)


def _runner_names(name: str) -> list[str]:
    return [f"contrib.learn.learn_runner.{name}", f"contrib.learn.python.learn.learn_runner.{name}"]


@export(v1=_runner_names("run"))
def run(
    experiment_fn: Callable, output_dir: str | None = None, schedule: str | None = None, run_config: Any = None,
    hparams: Any = None,
) -> Any:  # fmt: skip
    """Makes an experiment and runs it.

    Args:
      experiment_fn: (output_dir) -> an `Experiment`, or (run_config, hparams) -> one.
      output_dir: where it goes, or (of the second kind) run_config and hparams.
      schedule: the name of a method; "train_and_evaluate" by default.

    Returns:
      What the method returns.

    Raises:
      ValueError: both or none of `output_dir` and `run_config` are given, or there is no such method.
    """
    if (output_dir is None) == (run_config is None):
        raise ValueError("Must specify one of output_dir and run_config, and not both.")
    if output_dir is not None:
        experiment = experiment_fn(output_dir)
    else:
        given = {"run_config": run_config, "hparams": hparams}
        names = list(inspect.signature(experiment_fn).parameters)
        experiment = (
            experiment_fn(**given) if set(names) == set(given) else experiment_fn(run_config, hparams)
        )
    if not isinstance(experiment, Experiment):
        raise TypeError(
            f"Experiment builder did not return an Experiment instance, got {experiment!r} instead."
        )
    method = getattr(experiment, schedule or "train_and_evaluate", None)
    if not callable(method):
        raise ValueError(f"Schedule references non-existent task {schedule}")
    return method()


def _monitor_names(name: str) -> list[str]:
    return [f"contrib.learn.monitors.{name}", f"contrib.learn.python.learn.monitors.{name}"]


@export(v1=_monitor_names("ValidationMonitor"))
class ValidationMonitor:
    """Evaluates an estimator while it trains, and stops it where it does not get better any more.

    What is evaluated is the latest checkpoint: `save_checkpoints_steps` says how often there is a new one.

    Args:
      x, y, input_fn, batch_size, eval_steps, metrics, hooks, name: see the estimator's `evaluate`.
      every_n_steps: how often. check_interval_secs: nothing depends on it.
      early_stopping_rounds: the training stops where the metric is not better than its best for so many steps.
      early_stopping_metric: its name. early_stopping_metric_minimize: whether less is better.
    """

    def __init__(
        self, x: Any = None, y: Any = None, input_fn: Callable | None = None, batch_size: int | None = None,
        eval_steps: int | None = None, every_n_steps: int = 100, metrics: Any = None, hooks: Any = None,
        early_stopping_rounds: int | None = None, early_stopping_metric: str = "loss",
        early_stopping_metric_minimize: bool = True, name: str | None = None, check_interval_secs: float = 5,
    ):  # fmt: skip
        if x is None and input_fn is None:
            raise ValueError("Either x or input_fn should be provided.")
        self._arguments = {
            "x": x, "y": y, "input_fn": input_fn, "batch_size": batch_size, "steps": eval_steps, "metrics": metrics,
            "hooks": hooks, "name": name,
        }  # fmt: skip
        self.every_n_steps, self.early_stopping_rounds = every_n_steps, early_stopping_rounds
        self.early_stopping_metric, self._minimizes = early_stopping_metric, early_stopping_metric_minimize
        self.best_step: int | None = None
        self.best_value: float | None = None
        self.best_metrics: dict[str, Any] | None = None
        self.early_stopped = False
        self._estimator: Any = None

    def as_hook(self, estimator: Any) -> SessionRunHook:
        """The hook that does it for an estimator."""
        self._estimator = estimator
        return _Validation(self)

    def look(self, step: int) -> bool:
        """Evaluates at a step; whether the training is to go on."""
        if self._estimator._core.latest_checkpoint() is None:
            return True
        results = self._estimator.evaluate(**self._arguments)
        value = results[self.early_stopping_metric]
        best = self.best_value
        if best is None or (value < best if self._minimizes else value > best):
            self.best_value, self.best_metrics, self.best_step = value, results, step
        if self.early_stopping_rounds is None or self.best_step is None:
            return True
        self.early_stopped = step - self.best_step >= self.early_stopping_rounds
        return not self.early_stopped


class _Validation(SessionRunHook):
    def __init__(self, monitor: ValidationMonitor):
        self._monitor, self._last = monitor, 0

    def begin(self) -> None:
        """Finds the step."""
        self._step = tf.train.get_global_step()

    def before_run(self, run_context: Any) -> Any:
        """Asks for the step."""
        return SessionRunArgs(self._step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Looks where it is time to."""
        step = int(run_values.results)
        if step - self._last >= self._monitor.every_n_steps:
            self._last = step
            if not self._monitor.look(step):
                tf.logging.info(
                    "Stopping. Best step: %s with %s.", self._monitor.best_step, self._monitor.best_metrics
                )
                run_context.request_stop()
