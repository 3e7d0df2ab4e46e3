"""`tf.estimator.train_and_evaluate`, and the exporters that it calls after evaluations."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from penstock.engine.export import export
from penstock.estimator.estimator import Estimator
from penstock.estimator.specs import EvalSpec, TrainSpec
from penstock.train.saving_hooks import CheckpointSaverListener
from penstock.v1.api import tf


class _Evaluator(CheckpointSaverListener):
    """Evaluates after a checkpoint, but for the first one, where the last evaluation is long enough ago."""

    def __init__(self, estimator: Estimator, spec: EvalSpec, max_steps: int | None):
        self._estimator, self._spec, self._max_steps = estimator, spec, max_steps
        self._first, self._last = True, 0.0
        self.evaluated: str | None = None  # the checkpoint of the last evaluation
        self.result: tuple[Any, list] = (None, [])

    def after_save(self, session: Any, global_step_value: int) -> None:
        """Evaluates."""
        if self._first:
            self._first = False
        elif time.monotonic() - self._last >= self._spec.throttle_secs:
            self.evaluate(is_final=self._max_steps is not None and global_step_value >= self._max_steps)

    def evaluate(self, is_final: bool) -> None:
        """Evaluates the latest checkpoint, and exports it."""
        spec, estimator = self._spec, self._estimator
        self.evaluated, self._last = estimator.latest_checkpoint(), time.monotonic()
        metrics = estimator.evaluate(spec.input_fn, spec.steps, spec.hooks, self.evaluated, spec.name)
        exports = [
            exporter.export(
                estimator,
                os.path.join(estimator.model_dir, "export", exporter.name),
                self.evaluated,
                metrics,
                is_final,
            )
            for exporter in spec.exporters
        ]
        self.result = metrics, exports


@export("estimator.train_and_evaluate")
def train_and_evaluate(estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec) -> tuple[Any, list]:
    """Trains, evaluates checkpoints meanwhile, and the last one at the end.

    Args:
      estimator: an `Estimator`.
      train_spec: how to train. eval_spec: how to evaluate.

    Returns:
      The metrics of the last evaluation, and what the exporters returned.

    Raises:
      TypeError: an argument has another type.
    """
    for argument, kind in ((estimator, Estimator), (train_spec, TrainSpec), (eval_spec, EvalSpec)):
        if not isinstance(argument, kind):
            raise TypeError(f"train_and_evaluate: expected a {kind.__name__}, got {type(argument)}")
    evaluator = _Evaluator(estimator, eval_spec, train_spec.max_steps)
    listeners = [*train_spec.saving_listeners, evaluator]
    estimator.train(
        train_spec.input_fn, train_spec.hooks, max_steps=train_spec.max_steps, saving_listeners=listeners
    )
    if evaluator.evaluated is None or evaluator.evaluated != estimator.latest_checkpoint():
        evaluator.evaluate(is_final=True)
    return evaluator.result


@export("estimator.Exporter")
class Exporter:
    """Writes a model after an evaluation; a subclass has a `name` and overrides `export`."""

    name = "exporter"

    def export(
        self, estimator: Estimator, export_path: str, checkpoint_path: str | None, eval_result: Any, is_the_final_export: bool
    ) -> Any:  # fmt: skip
        """Writes the checkpoint to the directory; returns where it is, or None where nothing was written."""
        raise TypeError(f"{type(self).__name__} has no method export")


class _Writing(Exporter):
    """An exporter of SavedModels.

    Args:
      name: the directory's name.
      serving_input_receiver_fn, assets_extra, as_text: see `Estimator.export_saved_model`.
      exports_to_keep: how many models are kept; None for all.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable,
        assets_extra: dict[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = None,
    ):
        if exports_to_keep is not None and exports_to_keep <= 0:
            raise ValueError(
                f"`exports_to_keep`, if provided, must be a positive number. Got {exports_to_keep}"
            )
        self.name, self._keep = name, exports_to_keep
        self._arguments = (serving_input_receiver_fn, assets_extra, as_text)

    def _write(self, estimator: Estimator, export_path: str, checkpoint_path: str | None) -> bytes:
        written = estimator.export_saved_model(export_path, *self._arguments, checkpoint_path)
        if self._keep is not None:
            kept = sorted((name for name in os.listdir(export_path) if name.isdigit()), key=int)
            for name in kept[: -self._keep]:
                tf.gfile.DeleteRecursively(os.path.join(export_path, name))
        return written


@export("estimator.LatestExporter")
class LatestExporter(_Writing):
    """Writes the model after each evaluation.

    Args:
      name, serving_input_receiver_fn, assets_extra, as_text: see `FinalExporter`.
      exports_to_keep: how many models are kept, by default 5; None for all.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable,
        assets_extra: dict[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ):
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text, exports_to_keep)

    def export(
        self, estimator: Estimator, export_path: str, checkpoint_path: str | None, eval_result: Any, is_the_final_export: bool
    ) -> Any:  # fmt: skip
        """Writes."""
        return self._write(estimator, export_path, checkpoint_path)


@export("estimator.FinalExporter")
class FinalExporter(_Writing):
    """Writes the model after the last evaluation.

    Args:
      name: the name of the directory in `model_dir/export`.
      serving_input_receiver_fn, assets_extra, as_text: see `Estimator.export_saved_model`.
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable,
        assets_extra: dict[str, str] | None = None,
        as_text: bool = False,
    ):
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text)

    def export(
        self, estimator: Estimator, export_path: str, checkpoint_path: str | None, eval_result: Any, is_the_final_export: bool
    ) -> Any:  # fmt: skip
        """Writes, at the end."""
        return self._write(estimator, export_path, checkpoint_path) if is_the_final_export else None


def _loss_smaller(best_eval_result: dict[str, Any], current_eval_result: dict[str, Any]) -> bool:
    """Whether the current loss is smaller than the best."""
    return best_eval_result["loss"] > current_eval_result["loss"]


@export("estimator.BestExporter")
class BestExporter(_Writing):
    """Writes the model after each evaluation that is better than those before.

    Args:
      name, serving_input_receiver_fn, assets_extra, as_text: see `FinalExporter`.
      event_file_pattern: None; evaluations of earlier runs are not looked at.
      compare_fn: a function of `best_eval_result` and `current_eval_result` that says whether the current one is better;
        by default the loss decides.
      exports_to_keep: how many models are kept, by default 5; None for all.
    """

    def __init__(
        self,
        name: str = "best_exporter",
        serving_input_receiver_fn: Callable | None = None,
        event_file_pattern: str | None = None,
        compare_fn: Callable[[Any, Any], bool] = _loss_smaller,
        assets_extra: dict[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ):
        if serving_input_receiver_fn is None:
            raise ValueError("BestExporter needs a serving_input_receiver_fn.")
        if event_file_pattern is not None:
            raise ValueError(
                "BestExporter: event_file_pattern is not supported: evaluations of earlier runs are not looked at"
            )
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text, exports_to_keep)
        self._compare, self._best = compare_fn, None

    def export(
        self, estimator: Estimator, export_path: str, checkpoint_path: str | None, eval_result: Any, is_the_final_export: bool
    ) -> Any:  # fmt: skip
        """Writes, where the result is the best so far."""
        if self._best is not None and not self._compare(
            best_eval_result=self._best, current_eval_result=eval_result
        ):
            return None
        self._best = eval_result
        return self._write(estimator, export_path, checkpoint_path)
