"""`contrib.learn`: estimators as programs of 2016 and 2017 know them, with `fit`, arrays for inputs, and metrics by spec.

Each is made of a `tf.estimator.Estimator`, which does the work. `ModelFnOps` is what a model function returned then;
`MetricSpec` says which prediction and which label a metric is of; `SKCompat` has the signatures of scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.export import export
from penstock.estimator.estimator import Estimator as CoreEstimator
from penstock.estimator.inputs import call_with_known
from penstock.estimator.run_config import RunConfig
from penstock.estimator.specs import EstimatorSpec, ModeKeys
from penstock.v1.api import tf


def learn_names(name: str) -> list[str]:
    """The public names of what `contrib.learn` has."""
    return [f"contrib.learn.{name}"]


@export(v1=learn_names("PredictionKey"))
class PredictionKey:
    """Names of predictions."""

    CLASSES = "classes"
    PROBABILITIES = "probabilities"
    LOGITS = "logits"
    LOGISTIC = "logistic"
    SCORES = "scores"
    TOP_K = "top_k"
    GENERIC = "output"


@export(v1=learn_names("RunConfig"))
class LearnRunConfig(RunConfig):
    """A `tf.estimator.RunConfig` with the settings of sessions among its arguments.

    Args:
      master: the address of a session; "" for this process, which it must be.
      log_device_placement, gpu_memory_fraction: see ConfigProto. num_cores: the threads of an operation; 0: as many as fit.
      evaluation_master: "". The others: see `tf.estimator.RunConfig`.

    Raises:
      ValueError: a master is given.
    """

    def __init__(
        self, master: str | None = None, num_cores: int = 0, log_device_placement: bool = False,
        gpu_memory_fraction: float = 1, tf_random_seed: int | None = None, evaluation_master: str = "", **kwargs: Any,
    ):  # fmt: skip
        if master or evaluation_master:
            raise ValueError(
                f"RunConfig: master is {master or evaluation_master!r}; an estimator runs in its own process"
            )
        given = kwargs.pop("session_config", None)
        if given is None:
            given = tf.ConfigProto(
                log_device_placement=log_device_placement, intra_op_parallelism_threads=num_cores,
                inter_op_parallelism_threads=num_cores,
                gpu_options=tf.GPUOptions(per_process_gpu_memory_fraction=gpu_memory_fraction),
            )  # fmt: skip
        super().__init__(tf_random_seed=tf_random_seed, session_config=given, **kwargs)


class _Ops(NamedTuple):
    mode: str
    predictions: Any = None
    loss: Any = None
    train_op: Any = None
    eval_metric_ops: dict[str, Any] | None = None
    output_alternatives: Any = None
    training_chief_hooks: Sequence[Any] = ()
    training_hooks: Sequence[Any] = ()
    scaffold: Any = None


@export(v1=learn_names("ModelFnOps"))
class ModelFnOps(_Ops):
    """What a model function returns.

    Args:
      mode: a `ModeKeys`. predictions: a tensor, or tensors by name. loss, train_op: as their names say.
      eval_metric_ops: by name a metric: a pair (value, update), or a tensor.
      output_alternatives: by name (problem type, predictions): what a SavedModel gives.
      training_chief_hooks, training_hooks, scaffold: of the training.
    """

    def as_estimator_spec(self) -> EstimatorSpec:
        """The same as an `EstimatorSpec`."""
        outputs = {
            name: tf.estimator.export.PredictOutput(tensors)
            for name, (_, tensors) in (self.output_alternatives or {}).items()
        }
        if self.predictions is not None and not outputs:
            outputs["serving_default"] = tf.estimator.export.PredictOutput(_named(self.predictions))
        metrics = {name: _metric(each) for name, each in (self.eval_metric_ops or {}).items()}
        return EstimatorSpec(
            self.mode, self.predictions, self.loss, self.train_op, metrics, outputs,
            training_chief_hooks=self.training_chief_hooks, training_hooks=self.training_hooks, scaffold=self.scaffold,
        )  # fmt: skip


def _named(predictions: Any) -> dict[str, Any]:
    return predictions if isinstance(predictions, dict) else {"output": predictions}


def _metric(metric: Any) -> tuple[Any, Any]:
    """A metric as value and update; of a tensor, its value in the last batch."""
    return tuple(metric) if isinstance(metric, (tuple, list)) else tf.metrics.mean(metric)


@export(v1=learn_names("MetricSpec"))
class MetricSpec:
    """Which prediction, label and weight a metric is of.

    Args:
      metric_fn: (predictions, labels, weights) -> a metric, as those of `contrib.metrics`; other names of the arguments
        are `predictions`, `prediction`, `labels`, `targets`, `weights`.
      prediction_key, label_key, weight_key: the names, where there are several.
    """

    def __init__(
        self, metric_fn: Callable, prediction_key: Any = None, label_key: Any = None, weight_key: Any = None
    ):
        self.metric_fn, self.prediction_key = metric_fn, prediction_key
        self.label_key, self.weight_key = label_key, weight_key

    def create_metric_ops(self, inputs: Any, labels: Any, predictions: Any) -> Any:
        """The metric of features, labels and predictions."""
        chosen = _picked(predictions, self.prediction_key, "prediction")
        label = _picked(labels, self.label_key, "label")
        weights = None if self.weight_key is None else _picked(inputs, self.weight_key, "weight")
        if weights is None:
            return self.metric_fn(chosen, label)
        return self.metric_fn(chosen, label, weights=weights)


def _picked(tensors: Any, key: Any, what: str) -> Any:
    if key is None:
        if not isinstance(tensors, dict):
            return tensors
        if len(tensors) == 1:
            return next(iter(tensors.values()))
        raise ValueError(
            f"MetricSpec without specified {what}_key requires one {what}, got {sorted(tensors)}"
        )
    if not isinstance(tensors, dict):
        raise ValueError(f"MetricSpec with {what}_key {key!r} requires a dict of {what}s, got {tensors!r}")
    if key not in tensors:
        raise KeyError(f"MetricSpec: {what}_key {key!r} is not one of {sorted(tensors)}")
    return tensors[key]


def _spec_of(name: Any, metric: Any) -> tuple[str, MetricSpec]:
    if isinstance(metric, MetricSpec):
        return name, metric
    return (name[0], MetricSpec(metric, name[1])) if isinstance(name, tuple) else (name, MetricSpec(metric))


def as_array(values: Any) -> Any:
    """Data as programs gave it, in the dtypes that models had: float32 and int64."""
    if isinstance(values, dict):
        return {name: as_array(each) for name, each in values.items()}
    array = np.asarray(values)
    kind = {"f": np.float32, "i": np.int64, "u": np.int64}.get(array.dtype.kind)
    return array if kind is None else array.astype(kind)


def input_fn_of(x: Any, y: Any, input_fn: Any, batch_size: int | None, training: bool) -> Callable:
    """The input function: the given one, or one over arrays, in an order of chance and without end where it trains."""
    if input_fn is not None:
        if x is not None or y is not None:
            raise ValueError("Only one of (x, y) and input_fn may be provided.")
        return input_fn
    if x is None:
        raise ValueError("Either x or input_fn must be provided.")
    data = as_array(x) if y is None else (as_array(x), as_array(y))
    size = len(next(iter(x.values())) if isinstance(x, dict) else x)

    def arrays() -> Any:
        dataset = tf.data.Dataset.from_tensor_slices(data)
        if training:
            dataset = dataset.shuffle(size).repeat()
        return dataset.batch(batch_size or size)

    return arrays


class Learner:
    """The methods of all estimators; `_core` is the `tf.estimator.Estimator` that does the work."""

    _core: CoreEstimator
    _metrics: dict[Any, Any] | None = None  # of the evaluation that runs

    model_dir = property(lambda self: self._core.model_dir, doc="Where checkpoints and summaries go.")
    config = property(lambda self: self._core.config, doc="The configuration.")
    params = property(lambda self: self._core.params, doc="What the model function gets as `params`.")

    def get_variablelearn_names(self) -> list[str]:
        """The names of the variables of the latest checkpoint."""
        return self._core.get_variablelearn_names()

    def get_variable_value(self, name: str) -> np.ndarray:
        """The value of a variable in the latest checkpoint."""
        return self._core.get_variable_value(name)

    def fit(
        self, x: Any = None, y: Any = None, input_fn: Callable | None = None, steps: int | None = None,
        batch_size: int | None = None, monitors: Sequence[Any] | None = None, max_steps: int | None = None,
    ) -> Any:  # fmt: skip
        """Trains, from the latest checkpoint on where there is one.

        Args:
          x, y: features and labels, as arrays or arrays by name; or input_fn: see `tf.estimator.Estimator.train`.
          steps: how many steps are done. max_steps: up to which global step. One of them where arrays are given.
          batch_size: of arrays; by default all at once. monitors: session hooks, or monitors of `contrib.learn.monitors`.

        Returns:
          The estimator.
        """
        if input_fn is None and steps is None and max_steps is None:
            raise ValueError(
                "fit: steps or max_steps must be given with arrays, which are repeated without end"
            )
        hooks = [each.as_hook(self) if hasattr(each, "as_hook") else each for each in monitors or ()]
        self._core.train(input_fn_of(x, y, input_fn, batch_size, True), hooks, steps, max_steps)
        return self

    partial_fit = fit

    def evaluate(
        self, x: Any = None, y: Any = None, input_fn: Callable | None = None, batch_size: int | None = None,
        steps: int | None = None, metrics: dict[Any, Any] | None = None, name: str | None = None,
        checkpoint_path: str | None = None, hooks: Sequence[Any] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """The metrics of a checkpoint.

        Args:
          x, y, input_fn, batch_size: see `fit`; arrays are gone through once.
          metrics: more metrics: by name a `MetricSpec` or a function of predictions and labels, or such a function under
            (name, name of the prediction).
          steps, name, checkpoint_path, hooks: see `tf.estimator.Estimator.evaluate`.
        """
        self._metrics = metrics
        try:
            return self._core.evaluate(
                input_fn_of(x, y, input_fn, batch_size, False), steps, hooks, checkpoint_path, name
            )
        finally:
            self._metrics = None

    def predict(
        self, x: Any = None, input_fn: Callable | None = None, batch_size: int | None = None, outputs: Any = None,
        as_iterable: bool = True,
    ) -> Any:  # fmt: skip
        """The predictions for examples: one at a time, or (not `as_iterable`) all as arrays. `outputs` are their names."""
        found = self._core.predict(input_fn_of(x, None, input_fn, batch_size, False), outputs)
        return found if as_iterable else collected(found)

    def predict_all(self, x: Any, batch_size: int | None, outputs: Any) -> Any:
        """All predictions for arrays, by their names where there are several."""
        return self.predict(x, None, batch_size, outputs, as_iterable=False)

    def export_savedmodel(self, export_dir_base: str, serving_input_fn: Callable, **kwargs: Any) -> bytes:
        """See `tf.estimator.Estimator.export_savedmodel`; an `InputFnOps` is taken for the receiver too."""

        def receiver() -> Any:
            made = serving_input_fn()
            if hasattr(made, "receiver_tensors"):
                return made
            return tf.estimator.export.ServingInputReceiver(made.features, made.default_inputs)

        return self._core.export_savedmodel(export_dir_base, receiver, **kwargs)

    def with_metrics(
        self, spec: EstimatorSpec, features: Any, labels: Any, predictions: Any
    ) -> EstimatorSpec:
        """The spec with the metrics that the evaluation asks for."""
        if spec.mode != ModeKeys.EVAL or not self._metrics:
            return spec
        asked = dict(_spec_of(*each) for each in self._metrics.items())
        made = {
            name: _metric(each.create_metric_ops(features, labels, predictions))
            for name, each in asked.items()
        }
        return spec._replace(eval_metric_ops={**spec.eval_metric_ops, **made})


def collected(predictions: Iterator[Any]) -> Any:
    """The predictions for single examples as arrays: one, or several by name."""
    found = list(predictions)
    if found and isinstance(found[0], dict):
        return {name: np.array([each[name] for each in found]) for name in found[0]}
    return np.array(found)


@export(v1=learn_names("Estimator"))
class Estimator(Learner):
    """A model as a function from features to predictions, loss and training.

    Args:
      model_fn: a function of `features` and `labels` (or `targets`) and, as far as it has such arguments, `mode`, `params`,
        `config` and `model_dir`; returns `ModelFnOps`, an `EstimatorSpec`, or (predictions, loss, train_op).
      model_dir, config, params: see `tf.estimator.Estimator`.
      feature_engineering_fn: (features, labels) -> those that the model gets.

    Example:
      >>> import numpy as np
      >>> import penstock as tf
      >>> learn = tf.compat.v1.contrib.learn
      >>> def model(features, targets, mode):
      ...     predictions = tf.compat.v1.layers.dense(features, 1)
      ...     if mode == learn.ModeKeys.INFER:
      ...         return predictions, None, None
      ...     loss = tf.compat.v1.losses.mean_squared_error(targets, predictions)
      ...     step = tf.compat.v1.train.get_global_step()
      ...     return predictions, loss, tf.compat.v1.train.GradientDescentOptimizer(0.2).minimize(loss, step)
      >>> x = np.linspace(-1, 1, 16)[:, None]
      >>> estimator = learn.Estimator(model).fit(x, 2 * x, steps=100)
      >>> round(float(next(estimator.predict(np.ones([1, 1])))[0]), 2)
      2.0
    """

    def __init__(
        self, model_fn: Callable, model_dir: str | None = None, config: RunConfig | None = None, params: Any = None,
        feature_engineering_fn: Callable | None = None,
    ):  # fmt: skip
        def model(features: Any, labels: Any, mode: str, params: Any, config: Any) -> EstimatorSpec:
            if feature_engineering_fn is not None:
                features, labels = feature_engineering_fn(features, labels)
            known = {
                "labels": labels, "targets": labels, "mode": mode, "params": params, "config": config,
                "model_dir": config.model_dir,
            }  # fmt: skip
            spec = _spec(call_with_known(model_fn, features, **known), mode)
            return self.with_metrics(spec, features, labels, spec.predictions)

        self._core = CoreEstimator(model, model_dir, config or LearnRunConfig(), params)


def _spec(result: Any, mode: str) -> EstimatorSpec:
    if isinstance(result, EstimatorSpec):
        return result
    if isinstance(result, ModelFnOps):
        return result.as_estimator_spec()
    if isinstance(result, tuple) and len(result) == 3:
        return ModelFnOps(mode, *result).as_estimator_spec()
    raise ValueError(f"model_fn should return ModelFnOps, or predictions, loss and train_op, got {result!r}")


@export(v1=learn_names("SKCompat"))
class SKCompat:
    """An estimator with the signatures of scikit-learn."""

    def __init__(self, estimator: Any):
        self._estimator = estimator

    def fit(
        self, x: Any, y: Any, batch_size: int = 128, steps: int | None = None, max_steps: int | None = None,
        monitors: Sequence[Any] | None = None,
    ) -> SKCompat:  # fmt: skip
        """Trains; see `Estimator.fit`."""
        self._estimator.fit(x, y, None, steps, batch_size, monitors, max_steps)
        return self

    def score(
        self, x: Any, y: Any, batch_size: int = 128, steps: int | None = None, metrics: Any = None,
        name: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """The metrics of the latest checkpoint."""
        return self._estimator.evaluate(x, y, None, batch_size, steps, metrics, name)

    def predict(self, x: Any, batch_size: int = 128, outputs: Any = None) -> Any:
        """All predictions, as arrays: by name, of an estimator that has several."""
        return self._estimator.predict_all(x, batch_size, outputs)
