"""`tf.data.experimental.get_model_proto`: what a running pipeline measures and tunes, as TensorFlow's message says it."""

from __future__ import annotations

import functools
import os
from typing import Any

from penstock.data.dataset import INFINITE, UNKNOWN
from penstock.data.iteration import Iteration
from penstock.data.iterator import NumpyIterator, OwnedIterator
from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.io.proto_schema import message_classes
from penstock.types import errors

_SCHEMA = """
enum NodeClass {
  UNKNOWN = 0;
  INTERLEAVE_MANY = 1;
  ASYNC_INTERLEAVE_MANY = 2;
  KNOWN_RATIO = 3;
  ASYNC_KNOWN_RATIO = 4;
  UNKNOWN_RATIO = 5;
  ASYNC_UNKNOWN_RATIO = 6;
}
enum AutotuneAlgorithm {
  DEFAULT = 0;
  HILL_CLIMB = 1;
  GRADIENT_DESCENT = 2;
  MAX_PARALLELISM = 3;
  STAGE_BASED = 4;
}
message ModelProto {
  message Node {
    message Parameter {
      string name = 1;
      double value = 2;
      double state_value = 3;
      double min = 4;
      double max = 5;
      bool tunable = 6;
    }
    int64 id = 1;
    string name = 2;
    bool autotune = 3;
    int64 buffered_bytes = 4;
    int64 buffered_elements = 5;
    int64 bytes_consumed = 6;
    int64 bytes_produced = 7;
    int64 num_elements = 8;
    int64 processing_time = 9;
    bool record_metrics = 10;
    repeated Parameter parameters = 11;
    double input_processing_time_sum = 12;
    int64 input_processing_time_count = 13;
    repeated int64 inputs = 14;
    NodeClass node_class = 15;
    double ratio = 16;
    double memory_ratio = 17;
  }
  message OptimizationParams {
    AutotuneAlgorithm algorithm = 1;
    int64 cpu_budget = 2;
    int64 ram_budget = 3;
    double model_input_time = 4;
  }
  string dataset_name = 7;
  map<int64, Node> nodes = 1;
  int64 output = 2;
  int64 id_counter = 3;
  OptimizationParams optimization_params = 5;
  repeated uint64 gap_times = 6;
}
"""
_NANOSECONDS = 1e9
_KNOWN_RATIO, _ASYNC_KNOWN_RATIO, _UNKNOWN_RATIO = 3, 4, 5


@functools.cache
def _classes() -> Any:
    return message_classes("data_model", _SCHEMA)


@export("data.experimental.get_model_proto")
def get_model_proto(iterator: OwnedIterator | NumpyIterator) -> Any:
    """What a pipeline has measured and tuned so far, as TensorFlow's message `ModelProto`.

    The nodes are those of the plan (see `Dataset.explain`), each with the number of its elements, the nanoseconds that it
    took itself, and what AUTOTUNE has chosen: `parallelism` of maps, `buffer_size` of prefetches. Nodes that cost less than
    looking at the clock are measured with their consumer, and have no elements of their own. Bytes are not counted.

    Args:
      iterator: of a dataset.

    Raises:
      ValueError: it is none, or a graph is being built. NotFoundError: the options of the dataset turn AUTOTUNE off.

    Example:
      >>> import penstock as tf
      >>> iterator = iter(tf.data.Dataset.range(10).map(lambda x: x * x).batch(5))
      >>> _ = next(iterator)
      >>> model = tf.data.experimental.get_model_proto(iterator)
      >>> model.nodes[model.output].num_elements
      1
    """
    if isinstance(iterator, NumpyIterator):
        iterator = iterator._iterator
    if not isinstance(iterator, OwnedIterator):
        raise ValueError("Only supports `tf.data.Iterator`-typed `iterator`.")
    if thread.graph is not None:
        raise ValueError("get_model_proto is not supported in graph mode.")
    run = iterator._state().iteration
    if run.options.autotune.enabled is False:
        raise errors.NotFoundError(
            None, None, "Cannot find this iterator's analytical model. Did you disable autotune for the dataset used to create "
            "this iterator?",
        )  # fmt: skip
    model = _classes().ModelProto()
    model.output = _add(model, run.node, run)
    model.id_counter = len(model.nodes) + 1
    model.optimization_params.cpu_budget = run.options.autotune.cpu_budget or os.cpu_count() or 1
    model.optimization_params.ram_budget = run.options.autotune.ram_budget or 0
    return model


def _add(model: Any, node: Any, at: Iteration | None) -> int:
    """Adds a node with those before it; returns its number."""
    number = len(model.nodes) + 1
    message = model.nodes[number]
    message.id, message.name = number, type(node).__name__
    message.autotune = message.record_metrics = True
    message.node_class = _UNKNOWN_RATIO if node._size() in (UNKNOWN, INFINITE) else _KNOWN_RATIO
    if at is not None:
        inside = sum(each.seconds for each in at.inputs.values())
        message.num_elements = at.count
        message.processing_time = int(max(at.seconds - inside - at.waited, 0.0) * _NANOSECONDS)
        for name, value in at.tuned.items():
            message.node_class = _ASYNC_KNOWN_RATIO
            message.parameters.add(name=name, value=value, state_value=value, tunable=True)
    for index, parent in enumerate(node._parents):
        message.inputs.append(_add(model, parent, None if at is None else at.inputs.get(index)))
    return number
