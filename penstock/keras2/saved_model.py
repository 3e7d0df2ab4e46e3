"""SavedModels that Keras 2 wrote, as Keras 3 models: the configuration that Keras 2 left beside the graph, with the weights.

What no configuration describes (a subclassed model) becomes a model that runs the saved functions. Used by `saving`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from penstock.io.proto_schema import message_classes
from penstock.saving.saved_model_files import MODEL_FILE, read_saved_model

METADATA_FILE = "keras_metadata.pb"
_SCHEMA = """
message SavedMetadata { repeated SavedObject nodes = 1; }
message SavedObject {
  int32 node_id = 2; string node_path = 3; string identifier = 4; string metadata = 5; VersionDef version = 6;
}
"""
_MODELS = ("_tf_keras_model", "_tf_keras_network", "_tf_keras_sequential")
_OF_KERAS = ("Functional", "Model", "Sequential")


def metadata_of(directory: str) -> dict[str, Any] | None:
    """What Keras 2 wrote of the model in a directory; None where it wrote no model there.

    Until TensorFlow 2.4 it is in the SavedModel's graph of objects, later in a file of its own.
    """
    path = os.path.join(directory, METADATA_FILE)
    if os.path.exists(path):
        classes = message_classes("keras_metadata", _SCHEMA, ("versions",))
        with open(path, "rb") as file:
            nodes = classes.SavedMetadata.FromString(file.read()).nodes
        roots = [node for node in nodes if node.node_path == "root"]
    elif os.path.exists(os.path.join(directory, MODEL_FILE)):
        objects = read_saved_model(directory).meta_graphs[0].object_graph_def.nodes
        roots = [each.user_object for each in objects[:1]]
    else:
        return None
    found = [root for root in roots if root.identifier in _MODELS]
    return json.loads(found[0].metadata, object_hook=_as_tuple) if found else None


def _as_tuple(entry: dict[str, Any]) -> Any:
    """Keras 2's form of tuples and shapes in JSON."""
    return tuple(entry["items"]) if entry.get("class_name") in ("__tuple__", "TensorShape") else entry


def load(
    directory: str, metadata: dict[str, Any], custom_objects: Any, compile_it: bool, losses: dict[str, Any]
) -> Any:
    """The model of a directory.

    Args:
      metadata: what `metadata_of` gave.
      custom_objects: name -> class or function, for what is not Keras's own.
      compile_it: whether to compile it as it was compiled; the optimizer begins anew.
      losses: short names of losses that Keras 3 does not find by itself.

    Raises:
      ValueError: the weights are not those of the configuration.
    """
    import keras
    import tensorflow as tf
    from keras.src.legacy.saving import saving_utils  # what reads models of Keras 2 from HDF5

    restored = tf.saved_model.load(directory)
    if metadata.get("class_name") not in _OF_KERAS or not metadata.get("config"):
        return _runs(restored, restored, metadata.get("name"))
    config = {"class_name": metadata["class_name"], "config": metadata["config"]}
    with keras.utils.custom_object_scope(custom_objects or {}):
        model = saving_utils.model_from_config(config)
        if not model.built:
            model.build(metadata["build_input_shape"])
        _assign(directory, model.trainable_weights, restored.trainable_variables)
        trained = {id(each) for each in restored.trainable_variables}
        others = [each for each in restored.variables if id(each) not in trained]
        _assign(directory, model.non_trainable_weights, others)
        training = metadata.get("training_config")
        if compile_it and training:
            # What names losses would take the names of metrics for losses.
            metrics = {name: _metrics(training.get(name)) for name in ("metrics", "weighted_metrics")}
            others = {**training, **dict.fromkeys(metrics)}
            known = {**losses, **(custom_objects or {})}
            arguments = saving_utils.compile_args_from_training_config(others, known)
            model.compile(**{**arguments, **metrics})
    return model


def _metrics(saved: Any) -> Any:
    """Metrics of a training configuration, in the structure that `compile` takes."""
    import keras

    if isinstance(saved, list | tuple):
        return [_metrics(each) for each in saved]
    if not isinstance(saved, dict):
        return saved
    if "class_name" not in saved:
        return {name: _metrics(each) for name, each in saved.items()}
    if saved["class_name"] == "MeanMetricWrapper":
        config = saved["config"]
        return keras.metrics.MeanMetricWrapper(keras.metrics.get(config["fn"]), name=config.get("name"))
    return keras.metrics.deserialize(saved)


def _assign(directory: str, weights: list[Any], variables: list[Any]) -> None:
    ours, theirs = ([tuple(each.shape) for each in side] for side in (weights, variables))
    if ours != theirs:
        raise ValueError(
            f"load_model: the model in {directory} has weights of shapes {theirs}, and its configuration {ours}"
        )
    for weight, variable in zip(weights, variables, strict=True):
        weight.assign(variable.numpy())


def load_functions(directory: str) -> Any:
    """The model of a directory that `model.export` wrote, as one that predicts by the saved function."""
    import tensorflow as tf

    restored = tf.saved_model.load(directory)
    return _runs(restored, lambda inputs, training: restored.serve(inputs), None)


def _runs(restored: Any, function: Callable, name: str | None) -> Any:
    """A model that calls what was saved of another one; it predicts, and has no weights to train.

    Args:
      restored: what was loaded, to keep.
      function: what to call with inputs and `training`.
    """
    import keras

    class SavedFunctions(keras.Model):
        """A model whose class is not known: its saved functions."""

        def __init__(self) -> None:
            super().__init__(name=name)
            self._functions = _Kept(restored, function)
            self.built = True

        def call(self, inputs: Any, training: bool = False) -> Any:
            return self._functions.call(inputs, training=bool(training))

    return SavedFunctions()


class _Kept:
    """Holds an object, which Keras then does not look into for weights."""

    def __init__(self, restored: Any, call: Callable):
        self.restored, self.call = restored, call
