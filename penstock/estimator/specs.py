"""What a model function returns, `EstimatorSpec`, and what training and evaluation are asked to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from penstock.engine.export import export
from penstock.v1.api import tf


@export("estimator.ModeKeys", v1=["estimator.ModeKeys", "contrib.learn.ModeKeys"])
class ModeKeys:
    """What a model function is called for."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"
    INFER = "infer"


class _Spec(NamedTuple):
    mode: str
    predictions: Any
    loss: Any
    train_op: Any
    eval_metric_ops: dict[str, Any]
    export_outputs: dict[str, Any] | None
    training_chief_hooks: tuple
    training_hooks: tuple
    scaffold: Any
    evaluation_hooks: tuple
    prediction_hooks: tuple


@export("estimator.EstimatorSpec")
class EstimatorSpec(_Spec):
    """What a model function returns.

    Args:
      mode: a `ModeKeys`.
      predictions: a tensor, or a dictionary of tensors by name.
      loss: a scalar, needed for training and evaluation.
      train_op: an operation that does one step of training.
      eval_metric_ops: by name pairs (value, update), as `tf.compat.v1.metrics` gives them.
      export_outputs: by name an output of `tf.estimator.export`, for the signatures of a SavedModel.
      training_chief_hooks, training_hooks, evaluation_hooks, prediction_hooks: `SessionRunHook`s.
      scaffold: a `tf.compat.v1.train.Scaffold`.

    Raises:
      ValueError: what the mode needs is missing.
      TypeError: a metric is no pair.
    """

    def __new__(
        cls,
        mode: str,
        predictions: Any = None,
        loss: Any = None,
        train_op: Any = None,
        eval_metric_ops: dict[str, Any] | None = None,
        export_outputs: dict[str, Any] | None = None,
        training_chief_hooks: Iterable[Any] | None = None,
        training_hooks: Iterable[Any] | None = None,
        scaffold: Any = None,
        evaluation_hooks: Iterable[Any] | None = None,
        prediction_hooks: Iterable[Any] | None = None,
    ) -> EstimatorSpec:
        if mode not in (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT):
            raise ValueError(f"EstimatorSpec: mode is {mode!r}: one of ModeKeys was expected")
        if mode == ModeKeys.TRAIN and train_op is None:
            raise ValueError("Missing train_op.")
        if mode != ModeKeys.PREDICT and loss is None:
            raise ValueError("Missing loss.")
        if mode == ModeKeys.PREDICT and predictions is None:
            raise ValueError("Missing predictions.")
        metrics = dict(eval_metric_ops or {})
        for name, pair in metrics.items():
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(
                    f"Values of eval_metric_ops must be (metric_value, update_op) tuples, given: {pair} for key: {name}"
                )
        return super().__new__(
            cls, mode, {} if predictions is None else predictions, None if loss is None else _scalar(loss), train_op, metrics,
            export_outputs,
            tuple(training_chief_hooks or ()), tuple(training_hooks or ()), scaffold, tuple(evaluation_hooks or ()),
            tuple(prediction_hooks or ()),
        )  # fmt: skip


def _scalar(loss: Any) -> Any:
    loss = tf.convert_to_tensor(loss)
    if loss.shape.num_elements() not in (None, 1):
        raise ValueError(f"Loss must be scalar, given: {loss}")
    return loss if loss.shape.rank in (None, 0) else tf.reshape(loss, [])


class _TrainSpec(NamedTuple):
    input_fn: Callable
    max_steps: int | None
    hooks: tuple
    saving_listeners: tuple


@export("estimator.TrainSpec")
class TrainSpec(_TrainSpec):
    """How `train_and_evaluate` trains.

    Args:
      input_fn: see `Estimator.train`.
      max_steps: up to which global step; None: to the end of the input.
      hooks, saving_listeners: of the training.
    """

    def __new__(
        cls,
        input_fn: Callable,
        max_steps: int | None = None,
        hooks: Sequence[Any] | None = None,
        saving_listeners: Sequence[Any] | None = None,
    ) -> TrainSpec:
        if max_steps is not None and max_steps <= 0:
            raise ValueError(f"Must specify max_steps > 0, given: {max_steps}")
        return super().__new__(cls, input_fn, max_steps, tuple(hooks or ()), tuple(saving_listeners or ()))


class _EvalSpec(NamedTuple):
    input_fn: Callable
    steps: int | None
    name: str | None
    hooks: tuple
    exporters: tuple
    start_delay_secs: float
    throttle_secs: float


@export("estimator.EvalSpec")
class EvalSpec(_EvalSpec):
    """How `train_and_evaluate` evaluates.

    Args:
      input_fn: see `Estimator.train`.
      steps: how many batches; None: to the end of the input.
      name: of this evaluation, where there are several.
      hooks: of the evaluation.
      exporters: an exporter or several: they write SavedModels after evaluations.
      start_delay_secs: of clusters; here the first evaluation follows a checkpoint.
      throttle_secs: the least time between two evaluations.
    """

    def __new__(
        cls,
        input_fn: Callable,
        steps: int | None = 100,
        name: str | None = None,
        hooks: Sequence[Any] | None = None,
        exporters: Any = None,
        start_delay_secs: float = 120,
        throttle_secs: float = 600,
    ) -> EvalSpec:
        if steps is not None and steps <= 0:
            raise ValueError(f"Must specify steps > 0, given: {steps}")
        exporters = [exporters] if hasattr(exporters, "export") else exporters
        return super().__new__(
            cls,
            input_fn,
            steps,
            name,
            tuple(hooks or ()),
            tuple(exporters or ()),
            start_delay_secs,
            throttle_secs,
        )


@export("estimator.WarmStartSettings")
class WarmStartSettings(NamedTuple):
    """From where variables start: the arguments of `tf.compat.v1.train.warm_start`."""

    ckpt_to_initialize_from: str
    vars_to_warm_start: Any = ".*"
    var_name_to_vocab_info: dict[str, Any] | None = None
    var_name_to_prev_var_name: dict[str, str] | None = None
