"""`tf.estimator.Estimator`: trains, evaluates and runs a model function, each in a graph and a session of its own."""

from __future__ import annotations

import os
import re
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from penstock.engine.export import export
from penstock.estimator.inputs import call_with_known, features_and_labels
from penstock.estimator.run_config import RunConfig
from penstock.estimator.specs import EstimatorSpec, ModeKeys, WarmStartSettings
from penstock.graph.graph import Graph
from penstock.ops.graph_collections import GraphKeys
from penstock.types import errors, nest
from penstock.v1.api import tf
from penstock.v1.contrib.evaluation import StopAfterNEvalsHook, evaluate_once


@export("estimator.Estimator", v1=["estimator.Estimator"])
class Estimator:
    """A model as a function from features to predictions, loss and training.

    Args:
      model_fn: a function of `features` and `labels` and, as far as it has such arguments, `mode`, `params` and `config`;
        returns an `EstimatorSpec`.
      model_dir: where checkpoints and summaries go; by default the configuration's, else a new temporary directory.
      config: a `RunConfig`.
      params: what `model_fn` gets as `params`.
      warm_start_from: the path of a checkpoint, or a `WarmStartSettings`, from which variables start.

    Raises:
      ValueError: two directories are given, or `model_fn` does not take `params`.

    Example:
      >>> import numpy as np
      >>> import penstock as tf
      >>> v1 = tf.compat.v1
      >>> def model_fn(features, labels, mode):
      ...     w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
      ...     predictions = w * features["x"]
      ...     if mode == tf.estimator.ModeKeys.PREDICT:
      ...         return tf.estimator.EstimatorSpec(mode, predictions)
      ...     loss = tf.reduce_mean((predictions - labels) ** 2)
      ...     optimizer = v1.train.GradientDescentOptimizer(0.05)
      ...     train_op = optimizer.minimize(loss, v1.train.get_global_step())
      ...     return tf.estimator.EstimatorSpec(mode, predictions, loss, train_op)
      >>> x = np.arange(4, dtype=np.float32)
      >>> data = lambda epochs: tf.estimator.inputs.numpy_input_fn({"x": x}, 2 * x, 4, epochs, shuffle=False)
      >>> estimator = tf.estimator.Estimator(model_fn).train(data(None), steps=20)
      >>> round(float(estimator.get_variable_value("w")), 3)
      2.0
    """

    def __init__(
        self,
        model_fn: Callable[..., EstimatorSpec],
        model_dir: str | None = None,
        config: RunConfig | None = None,
        params: Any = None,
        warm_start_from: Any = None,
    ):
        config = config or RunConfig()
        if model_dir and config.model_dir and model_dir != config.model_dir:
            raise ValueError(
                f"`model_dir` are set both in constructor and `RunConfig`, but with different values: {model_dir!r} and "
                f"{config.model_dir!r}"
            )
        directory = model_dir or config.model_dir
        if directory is None:
            directory = tempfile.mkdtemp()
            tf.logging.warning("Using temporary folder as model directory: %s", directory)
        self._config = config.replace(model_dir=os.fspath(directory))
        self._model_fn = model_fn
        self._params = params if params is not None else {}
        if isinstance(warm_start_from, (str, os.PathLike)):
            warm_start_from = WarmStartSettings(os.fspath(warm_start_from))
        self._warm_start = warm_start_from

    @property
    def model_dir(self) -> str:
        """Where checkpoints and summaries go."""
        return self._config.model_dir

    @property
    def config(self) -> RunConfig:
        """The configuration."""
        return self._config

    @property
    def params(self) -> Any:
        """A copy of what the model function gets as `params`."""
        return dict(self._params) if isinstance(self._params, dict) else self._params

    @property
    def model_fn(self) -> Callable[..., EstimatorSpec]:
        """The model function, as a function of features, labels, mode and config."""
        return lambda features, labels, mode, config: self._call_model_fn(features, labels, mode)

    def latest_checkpoint(self) -> str | None:
        """The name of the latest checkpoint; None where there is none."""
        return tf.train.latest_checkpoint(self.model_dir)

    def get_variable_names(self) -> list[str]:
        """The names of the variables of the latest checkpoint."""
        return [name for name, _ in tf.train.list_variables(self.model_dir)]

    def get_variable_value(self, name: str) -> np.ndarray:
        """The value of a variable in the latest checkpoint."""
        return tf.train.load_variable(self.model_dir, name)

    def eval_dir(self, name: str | None = None) -> str:
        """Where the summaries of an evaluation go."""
        return os.path.join(self.model_dir, f"eval_{name}" if name else "eval")

    # Training.

    def train(
        self,
        input_fn: Callable,
        hooks: Sequence[Any] | None = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Sequence[Any] | None = None,
    ) -> Estimator:
        """Trains, from the latest checkpoint on where there is one.

        Args:
          input_fn: a function that returns a dataset of (features, labels), or such tensors; gets `mode`, `params` and
            `config` as far as it has such arguments.
          hooks: of the session.
          steps: how many steps are done. max_steps: up to which global step. Neither: to the end of the input.
          saving_listeners: `CheckpointSaverListener`s.

        Returns:
          The estimator.

        Raises:
          ValueError: both of `steps` and `max_steps` are given, or one is not positive.
        """
        for name, value in (("steps", steps), ("max_steps", max_steps)):
            if value is not None and value <= 0:
                raise ValueError(f"Must specify {name} > 0, given: {value}")
        if steps is not None and max_steps is not None:
            raise ValueError("Can not provide both steps and max_steps.")
        latest = self.latest_checkpoint()
        if max_steps is not None and latest is not None:
            if int(tf.train.load_variable(latest, GraphKeys.GLOBAL_STEP)) >= max_steps:
                tf.logging.info("Skipping training since max_steps has already saved.")
                return self
        with self._graph():
            step = tf.train.create_global_step()
            features, labels = features_and_labels(self._call_input_fn(input_fn, ModeKeys.TRAIN))
            spec = self._call_model_fn(features, labels, ModeKeys.TRAIN)
            if self._warm_start is not None and latest is None:
                tf.train.warm_start(*self._warm_start)
            loss = self._run_training(spec, step, list(hooks or ()), steps, max_steps, saving_listeners)
        tf.logging.info("Loss for final step: %s.", loss)
        return self

    def _run_training(
        self, spec: EstimatorSpec, step: Any, hooks: list[Any], steps: int | None, max_steps: int | None, listeners: Any,
    ) -> Any:  # fmt: skip
        config, train = self._config, tf.train
        if not any(
            each.op.name.rpartition("/")[2] == "loss" for each in tf.get_collection(GraphKeys.SUMMARIES)
        ):
            tf.summary.scalar("loss", spec.loss)
        if steps is not None or max_steps is not None:
            hooks.append(train.StopAtStepHook(steps, max_steps))
        hooks.append(train.NanTensorHook(spec.loss))
        if config.log_step_count_steps:
            hooks.append(
                train.LoggingTensorHook({"loss": spec.loss, "step": step}, config.log_step_count_steps)
            )
        hooks.extend(spec.training_hooks)
        scaffold = self._scaffold(spec)
        chief_hooks = list(spec.training_chief_hooks)
        saves = config.save_checkpoints_secs or config.save_checkpoints_steps
        savers = [each for each in hooks + chief_hooks if isinstance(each, train.CheckpointSaverHook)]
        if saves and not savers:
            savers = [
                train.CheckpointSaverHook(
                    self.model_dir, config.save_checkpoints_secs, config.save_checkpoints_steps, scaffold=scaffold,
                    listeners=list(listeners or ()), save_graph_def=config.checkpoint_save_graph_def,
                )
            ]  # fmt: skip
            chief_hooks += savers
        elif listeners:
            if not savers:
                raise ValueError("There should be a CheckpointSaverHook to use saving_listeners.")
            savers[0]._listeners.extend(listeners)
        loss = None
        with train.MonitoredTrainingSession(
            checkpoint_dir=self.model_dir, scaffold=scaffold, hooks=hooks, chief_only_hooks=chief_hooks, save_checkpoint_secs=0,
            save_summaries_steps=config.save_summary_steps, config=config.session_config,
            log_step_count_steps=config.log_step_count_steps, max_wait_secs=config.session_creation_timeout_secs,
        ) as session:  # fmt: skip
            while not session.should_stop():
                _, loss = session.run([spec.train_op, spec.loss])
        return loss

    # Evaluation.

    def evaluate(
        self,
        input_fn: Callable,
        steps: int | None = None,
        hooks: Sequence[Any] | None = None,
        checkpoint_path: str | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """The metrics of a checkpoint; they are also written as summaries.

        Args:
          input_fn: see `train`.
          steps: how many batches; None: to the end of the input.
          hooks: of the session.
          checkpoint_path: the checkpoint; by default the latest. Where there is none, variables have their initial values.
          name: of the evaluation, where there are several.

        Returns:
          By name the metrics of the model, and "loss" (the mean over batches) and "global_step".
        """
        if steps is not None and steps <= 0:
            raise ValueError(f"Must specify steps > 0, given: {steps}")
        checkpoint = self._checkpoint(checkpoint_path, "evaluate")
        with self._graph():
            step = tf.train.create_global_step()
            features, labels = features_and_labels(self._call_input_fn(input_fn, ModeKeys.EVAL))
            spec = self._call_model_fn(features, labels, ModeKeys.EVAL)
            pairs = {**spec.eval_metric_ops}
            pairs.setdefault("loss", tf.metrics.mean(spec.loss))
            values = {metric: value for metric, (value, _) in pairs.items()}
            values.setdefault("global_step", step)
            own = [*(hooks or ()), *spec.evaluation_hooks, StopAfterNEvalsHook(steps)]
            found = evaluate_once(
                checkpoint, scaffold=self._scaffold(spec), eval_ops=tf.group(*(update for _, update in pairs.values())),
                final_ops=values, hooks=own, config=self._config.session_config,
            )  # fmt: skip
        results = {metric: found[metric] for metric in sorted(found)}
        text = ", ".join(f"{metric} = {value}" for metric, value in results.items())
        tf.logging.info("Saving dict for global step %d: %s", results["global_step"], text)
        self._write_summary(self.eval_dir(name), results)
        return results

    def _write_summary(self, directory: str, results: dict[str, Any]) -> None:
        summary = tf.Summary()
        for name, value in results.items():
            if (
                np.ndim(value) == 0
                and np.issubdtype(np.asarray(value).dtype, np.number)
                and name != "global_step"
            ):
                summary.value.add(tag=name, simple_value=float(value))
        writer = tf.summary.FileWriterCache.get(directory)
        writer.add_summary(summary, int(results["global_step"]))
        writer.flush()

    # Prediction.

    def predict(
        self,
        input_fn: Callable,
        predict_keys: Any = None,
        hooks: Sequence[Any] | None = None,
        checkpoint_path: str | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """The predictions of a checkpoint, one Example at a time.

        Args:
          input_fn: see `train`; it may return features alone, and labels are not looked at.
          predict_keys: the names of the predictions; by default all.
          hooks: of the session.
          checkpoint_path: the checkpoint; by default the latest. Where there is none, variables have their initial values.
          yield_single_examples: whether batches are taken apart.

        Yields:
          Predictions as the model gives them, a tensor's value or a dictionary of values.

        Raises:
          ValueError: no prediction has a name in `predict_keys`, or the batches of two predictions differ in size.
        """
        checkpoint = self._checkpoint(checkpoint_path, "predict")
        with self._graph():
            tf.train.create_global_step()
            result = self._call_input_fn(input_fn, ModeKeys.PREDICT)
            features, _ = result if _is_pair(result) else features_and_labels(_without_labels(result))
            spec = self._call_model_fn(features, None, ModeKeys.PREDICT)
            predictions = _chosen(spec.predictions, predict_keys)
            creator = tf.train.ChiefSessionCreator(
                self._scaffold(spec),
                config=self._config.session_config,
                checkpoint_filename_with_path=checkpoint,
            )
            session = tf.train.MonitoredSession(creator, [*(hooks or ()), *spec.prediction_hooks])
        # Called when the program ends, if its caller has left Examples: not later, when modules are gone.
        end = weakref.finalize(creator, session.close)
        # The graph is not the default one while the caller has an Example.
        try:
            while not session.should_stop():
                try:
                    batch = session.run(predictions)
                except errors.OutOfRangeError:
                    break
                yield from _examples(batch) if yield_single_examples else [batch]
        finally:
            end()

    # Export.

    def export_saved_model(
        self,
        export_dir_base: str,
        serving_input_receiver_fn: Callable,
        assets_extra: dict[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        experimental_mode: str = ModeKeys.PREDICT,
    ) -> bytes:
        """Writes a checkpoint as a SavedModel, with a signature for each of the model's `export_outputs`.

        Args:
          export_dir_base: where a directory is made, which is called after the time.
          serving_input_receiver_fn: a function that returns a `ServingInputReceiver`.
          assets_extra: files to add, by their paths in `assets.extra`.
          as_text: whether the model is written as text.
          checkpoint_path: the checkpoint; by default the latest.
          experimental_mode: for what the model function is called.

        Returns:
          The directory, as bytes.

        Raises:
          ValueError: there is no checkpoint, or the model has no `export_outputs`.
        """
        from penstock.estimator.export import signatures

        checkpoint = checkpoint_path or self.latest_checkpoint()
        if checkpoint is None:
            raise ValueError(f"Couldn't find trained model at {self.model_dir}.")
        directory = _new_directory(os.fspath(export_dir_base))
        # Whoever waits for models, a server say, looks for names that are numbers: there it appears whole.
        aside = os.path.join(os.path.dirname(directory), f"temp-{os.path.basename(directory)}")
        with self._graph():
            tf.train.create_global_step()
            receiver = serving_input_receiver_fn()
            spec = self._call_model_fn(
                receiver.features, getattr(receiver, "labels", None), experimental_mode
            )
            if not spec.export_outputs:
                raise ValueError(
                    "export_outputs must be a dict and not empty: EstimatorSpec(export_outputs=...)"
                )
            with tf.Session(config=self._config.session_config) as session:
                saver = (spec.scaffold and spec.scaffold.saver) or tf.train.Saver(sharded=True)
                saver.restore(session, checkpoint)
                builder = tf.saved_model.Builder(aside)
                builder.add_meta_graph_and_variables(
                    session, ["serve"], signatures(receiver, spec.export_outputs),
                    assets_collection=tf.get_collection(GraphKeys.ASSET_FILEPATHS),
                    main_op=tf.group(tf.local_variables_initializer(), tf.tables_initializer()),
                )  # fmt: skip
                builder.save(as_text)
        for path, source in (assets_extra or {}).items():
            target = os.path.join(aside, "assets.extra", path)
            tf.gfile.MakeDirs(os.path.dirname(target))
            tf.gfile.Copy(source, target)
        tf.gfile.Rename(aside, directory)
        return directory.encode()

    def export_savedmodel(
        self,
        export_dir_base: str,
        serving_input_receiver_fn: Callable,
        assets_extra: dict[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        strip_default_attrs: bool = False,
    ) -> bytes:
        """The older name of `export_saved_model`; attributes with their default values are written in any case."""
        return self.export_saved_model(
            export_dir_base, serving_input_receiver_fn, assets_extra, as_text, checkpoint_path
        )

    # What all have in common.

    def _graph(self) -> Any:
        return _Building(self._config)

    def _call_input_fn(self, input_fn: Callable, mode: str) -> Any:
        return call_with_known(input_fn, mode=mode, params=self.params, config=self._config)

    def _call_model_fn(self, features: Any, labels: Any, mode: str) -> EstimatorSpec:
        known = {"labels": labels, "mode": mode, "params": self.params, "config": self._config}
        spec = call_with_known(self._model_fn, features, **known)
        if not isinstance(spec, EstimatorSpec):
            raise ValueError(f"model_fn should return an EstimatorSpec, got {spec!r}")
        return spec

    def _scaffold(self, spec: EstimatorSpec) -> Any:
        scaffold = spec.scaffold or tf.train.Scaffold()
        if not (scaffold.saver or tf.get_collection(GraphKeys.SAVERS)):
            tf.add_to_collection(
                GraphKeys.SAVERS,
                tf.train.Saver(
                    sharded=True,
                    max_to_keep=self._config.keep_checkpoint_max,
                    keep_checkpoint_every_n_hours=self._config.keep_checkpoint_every_n_hours,
                    defer_build=True,
                    save_relative_paths=True,
                ),
            )
        return scaffold

    def _checkpoint(self, path: str | None, purpose: str) -> str | None:
        found = path or self.latest_checkpoint()
        if found is None:
            tf.logging.info(
                "Could not find trained model in model_dir: %s, running initialization to %s.",
                self.model_dir,
                purpose,
            )
        return found


class _Building:
    """A new graph, with the seed and the devices of a configuration, as the default."""

    def __init__(self, config: RunConfig):
        self._config = config

    def __enter__(self) -> Any:
        graph = Graph()
        self._contexts = [graph.as_default()]
        self._contexts[0].__enter__()
        tf.set_random_seed(self._config.tf_random_seed)
        if self._config.device_fn is not None:
            self._contexts.append(graph.device(self._config.device_fn))
            self._contexts[1].__enter__()
        return graph

    def __exit__(self, *error: Any) -> None:
        for each in reversed(self._contexts):
            each.__exit__(*error)


def _is_pair(result: Any) -> bool:
    return isinstance(result, (list, tuple)) and len(result) == 2


def _without_labels(result: Any) -> Any:
    return result[0] if isinstance(result, (list, tuple)) and result else result


def _chosen(predictions: Any, keys: Any) -> Any:
    if not keys:
        return predictions
    if not isinstance(predictions, dict):
        raise ValueError("predict_keys argument is not valid in case of non-dict predictions.")
    keys = [keys] if isinstance(keys, str) else list(keys)
    found = {name: value for name, value in predictions.items() if name in keys}
    if not found:
        raise ValueError(f"Expected to run at least one output from {sorted(predictions)}, provided {keys}.")
    return found


def _examples(batch: Any) -> Iterator[Any]:
    sizes = {len(each) for each in nest.flatten(batch)}
    if len(sizes) != 1:
        raise ValueError("Batch length of predictions should be same.")
    for i in range(sizes.pop()):
        yield nest.map_structure(lambda value: value[i], batch)


def _new_directory(base: str) -> str:
    """A directory in `base`, called after the time in seconds, that neither exists nor was begun."""
    names = os.listdir(base) if os.path.isdir(base) else ()
    taken = [int(found[1]) for found in (re.fullmatch(r"(?:temp-)?(\d+)", name) for name in names) if found]
    return os.path.join(base, str(max([int(time.time()), *(each + 1 for each in taken)])))
