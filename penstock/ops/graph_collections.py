"""Collections of a graph, by their public names: `GraphKeys`, `add_to_collection`, `get_collection`."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export
from penstock.graph.graph import current_graph


@export(v1=["GraphKeys"])
class GraphKeys:
    """The names of the collections that TensorFlow's own functions use."""

    GLOBAL_VARIABLES = "variables"
    VARIABLES = GLOBAL_VARIABLES
    LOCAL_VARIABLES = "local_variables"
    METRIC_VARIABLES = "metric_variables"
    MODEL_VARIABLES = "model_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    SUMMARIES = "summaries"
    QUEUE_RUNNERS = "queue_runners"
    TABLE_INITIALIZERS = "table_initializer"
    ASSET_FILEPATHS = "asset_filepaths"
    MOVING_AVERAGE_VARIABLES = "moving_average_variables"
    REGULARIZATION_LOSSES = "regularization_losses"
    CONCATENATED_VARIABLES = "concatenated_variables"
    SAVERS = "savers"
    WEIGHTS = "weights"
    BIASES = "biases"
    ACTIVATIONS = "activations"
    UPDATE_OPS = "update_ops"
    LOSSES = "losses"
    SAVEABLE_OBJECTS = "saveable_objects"
    RESOURCES = "resources"
    LOCAL_RESOURCES = "local_resources"
    TRAINABLE_RESOURCE_VARIABLES = "trainable_resource_variables"
    INIT_OP = "init_op"
    LOCAL_INIT_OP = "local_init_op"
    READY_OP = "ready_op"
    READY_FOR_LOCAL_INIT_OP = "ready_for_local_init_op"
    SUMMARY_OP = "summary_op"
    GLOBAL_STEP = "global_step"
    EVAL_STEP = "eval_step"
    TRAIN_OP = "train_op"
    COND_CONTEXT = "cond_context"
    WHILE_CONTEXT = "while_context"

    _SUMMARY_COLLECTION = "_SUMMARY_V2"
    _VARIABLE_COLLECTIONS = [
        GLOBAL_VARIABLES,
        LOCAL_VARIABLES,
        METRIC_VARIABLES,
        MODEL_VARIABLES,
        TRAINABLE_VARIABLES,
        MOVING_AVERAGE_VARIABLES,
        CONCATENATED_VARIABLES,
        TRAINABLE_RESOURCE_VARIABLES,
    ]


@export(v1=["add_to_collection"])
def add_to_collection(name: Any, value: Any) -> None:
    """Adds a value to a collection of the graph that is being built (or the default graph)."""
    current_graph().add_to_collection(name, value)


@export(v1=["add_to_collections"])
def add_to_collections(names: Any, value: Any) -> None:
    """Adds a value to several collections, once to each."""
    current_graph().add_to_collections(names, value)


@export(v1=["get_collection"])
def get_collection(key: Any, scope: str | None = None) -> list:
    """A copy of a collection.

    Args:
      key: its name.
      scope: a regular expression; only items whose name begins with a match are returned.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     tf.compat.v1.add_to_collection("losses", 1)
      ...     tf.compat.v1.get_collection("losses")
      [1]
    """
    return current_graph().get_collection(key, scope)


@export(v1=["get_collection_ref"])
def get_collection_ref(key: Any) -> list:
    """The collection itself: changing the list changes it."""
    return current_graph().get_collection_ref(key)
