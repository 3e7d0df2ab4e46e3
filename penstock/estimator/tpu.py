"""`contrib.tpu`'s estimator: the one that BERT and programs of its kind use on any device, with `use_tpu=False` too.

It runs on the devices that there are. Of what it says about TPUs, the number of shards and of steps between two looks at
the host change nothing here: one program does one step for the whole batch.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from penstock.engine.export import export, export_on_demand
from penstock.estimator.estimator import Estimator
from penstock.estimator.inputs import call_with_known
from penstock.estimator.run_config import RunConfig
from penstock.estimator.specs import EstimatorSpec, ModeKeys
from penstock.train.optimizer_v1 import Optimizer
from penstock.train.session_run_hook import SessionRunArgs, SessionRunHook
from penstock.v1.api import tf


def _names(name: str) -> list[str]:
    homes = ("contrib.tpu", "estimator.tpu", "contrib.tpu.python.tpu.tpu_estimator", "contrib.tpu.python.tpu.tpu_config",
             "contrib.tpu.python.tpu.tpu_optimizer")  # fmt: skip
    return [f"{home}.{name}" for home in homes]


@export(v1=_names("InputPipelineConfig"))
class InputPipelineConfig(enum.IntEnum):
    """Where input functions are called. Here that is once, whatever is asked for."""

    PER_SHARD_V1 = 1
    PER_HOST_V1 = 2
    PER_HOST_V2 = 3
    BROADCAST = 4
    SLICED = 5


@export(v1=_names("TPUConfig"))
class TPUConfig(NamedTuple):
    """What a TPU would be asked to do; nothing depends on it here but what `RunConfig` shows of it."""

    iterations_per_loop: int = 2
    num_shards: int | None = None
    num_cores_per_replica: int | None = None
    per_host_input_for_training: Any = True
    tpu_job_name: str | None = None
    initial_infeed_sleep_secs: float | None = None
    input_partition_dims: Any = None
    eval_training_input_configuration: Any = InputPipelineConfig.PER_HOST_V1
    experimental_host_call_every_n_steps: int = 1


@export(v1=_names("RunConfig"))
class TPURunConfig(RunConfig):
    """A `RunConfig` that has a `TPUConfig` beside.

    Args:
      tpu_config: a `TPUConfig`. cluster: a resolver of TPUs. master, evaluation_master: the address of a session. They
        change nothing: the estimator runs in this process. The other arguments: see `tf.estimator.RunConfig`.
    """

    def __init__(
        self, tpu_config: TPUConfig | None = None, evaluation_master: str | None = None, master: str | None = None,
        cluster: Any = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self._settings |= {
            "tpu_config": tpu_config or TPUConfig(), "evaluation_master": evaluation_master, "master": master,
            "cluster": cluster,
        }  # fmt: skip


class _Spec(NamedTuple):
    mode: str
    predictions: Any = None
    loss: Any = None
    train_op: Any = None
    eval_metrics: Any = None
    export_outputs: Any = None
    scaffold_fn: Callable | None = None
    host_call: Any = None
    training_hooks: Any = None
    evaluation_hooks: Any = None
    prediction_hooks: Any = None


@export(v1=_names("TPUEstimatorSpec"))
class TPUEstimatorSpec(_Spec):
    """What a model function returns.

    Args:
      mode, predictions, loss, train_op, export_outputs, training_hooks, evaluation_hooks, prediction_hooks: see
        `tf.estimator.EstimatorSpec`.
      eval_metrics: a function and its arguments, a list or dictionary of tensors; it returns the metrics by name.
      scaffold_fn: a function that returns a Scaffold.
      host_call: a function and its tensors; what it returns runs with every step of training.

    Raises:
      ValueError: a pair is none, or its second part is neither a list nor a dictionary.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> TPUEstimatorSpec:
        spec = super().__new__(cls, *args, **kwargs)
        for name in ("eval_metrics", "host_call"):
            pair = getattr(spec, name)
            if pair is not None and not (
                isinstance(pair, (tuple, list)) and len(pair) == 2 and callable(pair[0])
                and isinstance(pair[1], (tuple, list, dict))
            ):  # fmt: skip
                raise ValueError(
                    f"{name} should be a tuple of a function and a list or dict of tensors, got {pair!r}"
                )
        return spec

    def as_estimator_spec(self) -> EstimatorSpec:
        """The same as an `EstimatorSpec`."""
        hooks = list(self.training_hooks or ())
        if self.host_call is not None and self.mode == ModeKeys.TRAIN:
            hooks.append(_HostCall(_called(self.host_call)))
        metrics = (
            _called(self.eval_metrics)
            if self.eval_metrics is not None and self.mode == ModeKeys.EVAL
            else None
        )
        return EstimatorSpec(
            self.mode, self.predictions, self.loss, self.train_op, metrics, self.export_outputs,
            training_hooks=hooks, scaffold=self.scaffold_fn() if self.scaffold_fn else None,
            evaluation_hooks=self.evaluation_hooks, prediction_hooks=self.prediction_hooks,
        )  # fmt: skip


def _called(pair: Any) -> Any:
    function, arguments = pair
    return function(**arguments) if isinstance(arguments, dict) else function(*arguments)


class _HostCall(SessionRunHook):
    """Runs operations with every step."""

    def __init__(self, operations: Any):
        self._operations = operations

    def before_run(self, run_context: Any) -> Any:
        """Asks for the operations."""
        return SessionRunArgs(self._operations)


@export(v1=_names("TPUEstimator"))
class TPUEstimator(Estimator):
    """An `Estimator` that says to its input functions, in `params["batch_size"]`, how large batches are.

    Args:
      model_fn: see `tf.estimator.Estimator`; may return a `TPUEstimatorSpec`, and gets `params["batch_size"]` too.
      model_dir, params, warm_start_from: see `tf.estimator.Estimator`. config: a `contrib.tpu.RunConfig`.
      use_tpu, eval_on_tpu, export_to_tpu, batch_axis: change nothing here.
      train_batch_size, eval_batch_size, predict_batch_size: the size of batches; each is needed where it is used.

    Raises:
      ValueError: `params` has a "batch_size" of its own.

    Example:
      >>> import penstock as tf
      >>> v1 = tf.compat.v1
      >>> def model_fn(features, labels, mode, params):
      ...     w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
      ...     loss = tf.reduce_mean((w * features - labels) ** 2)
      ...     optimizer = v1.contrib.tpu.CrossShardOptimizer(v1.train.GradientDescentOptimizer(0.1))
      ...     train_op = optimizer.minimize(loss, v1.train.get_global_step())
      ...     return v1.contrib.tpu.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)
      >>> def input_fn(params):
      ...     x = tf.range(4.0)
      ...     return tf.data.Dataset.from_tensor_slices((x, 3.0 * x)).repeat().batch(params["batch_size"])
      >>> estimator = v1.contrib.tpu.TPUEstimator(model_fn, use_tpu=False, train_batch_size=4)
      >>> round(float(estimator.train(input_fn, steps=20).get_variable_value("w")), 3)
      3.0
    """

    def __init__(
        self,
        model_fn: Callable,
        model_dir: str | None = None,
        config: RunConfig | None = None,
        params: dict[str, Any] | None = None,
        use_tpu: bool = True,
        train_batch_size: int | None = None,
        eval_batch_size: int | None = None,
        predict_batch_size: int | None = None,
        batch_axis: Sequence[int] | None = None,
        eval_on_tpu: bool = True,
        export_to_tpu: bool = True,
        warm_start_from: Any = None,
    ):
        if "batch_size" in (params or {}):
            raise ValueError("batch_size are reserved keys but existed in params; TPUEstimator gives it")
        super().__init__(model_fn, model_dir, config or TPURunConfig(), params, warm_start_from)
        self._sizes = {
            ModeKeys.TRAIN: train_batch_size, ModeKeys.EVAL: eval_batch_size, ModeKeys.PREDICT: predict_batch_size
        }  # fmt: skip

    def _params_for(self, mode: str) -> dict[str, Any]:
        size = self._sizes[mode]
        return self.params if size is None else {**self.params, "batch_size": size}

    def _call_input_fn(self, input_fn: Callable, mode: str) -> Any:
        return call_with_known(input_fn, mode=mode, params=self._params_for(mode), config=self._config)

    def _call_model_fn(self, features: Any, labels: Any, mode: str) -> EstimatorSpec:
        known = {"labels": labels, "mode": mode, "params": self._params_for(mode), "config": self._config}
        spec = call_with_known(self._model_fn, features, **known)
        if isinstance(spec, TPUEstimatorSpec):
            spec = spec.as_estimator_spec()
        if not isinstance(spec, EstimatorSpec):
            raise ValueError(f"model_fn should return a TPUEstimatorSpec or an EstimatorSpec, got {spec!r}")
        return spec


@export(v1=[*_names("CrossShardOptimizer"), "tpu.CrossShardOptimizer"])
class CrossShardOptimizer(Optimizer):
    """An optimizer for which the gradients of all shards would be reduced first; there is one shard.

    Args:
      opt: the optimizer. reduction: a `tf.losses.Reduction`: its mean or its sum; of one shard both are the same.
      name: of the optimizer. group_assignment: which shards belong together; changes nothing.

    Raises:
      ValueError: the reduction is another one.
    """

    def __init__(
        self,
        opt: Any,
        reduction: str = "weighted_mean",
        name: str = "CrossShardOptimizer",
        group_assignment: Any = None,
    ):
        if reduction not in ("weighted_sum", "weighted_mean"):
            raise ValueError(f"Unsupported reduction: {reduction}.")
        super().__init__(False, name)
        self._opt = opt

    def compute_gradients(self, *args: Any, **kwargs: Any) -> list[tuple[Any, Any]]:
        """Those of the optimizer."""
        return self._opt.compute_gradients(*args, **kwargs)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """Applied by the optimizer."""
        return self._opt.apply_gradients(grads_and_vars, global_step, name)

    def get_slot(self, *args: Any, **kwargs: Any) -> Any:
        """A slot of the optimizer."""
        return self._opt.get_slot(*args, **kwargs)

    def get_slot_names(self, *args: Any, **kwargs: Any) -> Any:
        """The slots of the optimizer."""
        return self._opt.get_slot_names(*args, **kwargs)

    def variables(self) -> list[Any]:
        """The variables of the optimizer."""
        return self._opt.variables()


for _name in ("contrib.cluster_resolver.TPUClusterResolver", "contrib.tpu.TPUClusterResolver"):
    export_on_demand(v1=[_name])(lambda: tf.distribute.cluster_resolver.TPUClusterResolver)
