"""The global step of TF 1: an integer variable of a graph that counts training steps."""

from __future__ import annotations

from typing import Any

import penstock as tf
from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.graph.graph import Graph, current_graph
from penstock.ops.graph_collections import GraphKeys


def _graph(graph: Any) -> Graph:
    return current_graph() if graph is None else graph


@export(v1=["train.get_global_step"])
def get_global_step(graph: Graph | None = None) -> Any:
    """The global step of a graph (by default the current one): the only item of the collection `GLOBAL_STEP`.

    Returns:
      The variable (or a tensor named `global_step:0`); None where there is none.

    Raises:
      TypeError: it is no scalar integer variable.
    """
    graph = _graph(graph)
    found = graph.get_collection(GraphKeys.GLOBAL_STEP)
    if len(found) == 1:
        step = found[0]
    elif not found:
        try:
            step = graph.get_tensor_by_name("global_step:0")
        except KeyError:
            return None
    else:
        tf.compat.v1.logging.error("Multiple tensors in global_step collection.")
        return None
    assert_global_step(step)
    return step


@export(v1=["train.create_global_step"])
def create_global_step(graph: Graph | None = None) -> Any:
    """Makes the global step of a graph: an int64 variable named `global_step`, zero at first.

    Raises:
      ValueError: there is one.
    """
    graph = _graph(graph)
    if get_global_step(graph) is not None:
        raise ValueError('"global_step" already exists.')
    building = context.building(graph if thread.graph is not None or graph is not current_graph() else None)
    with building, graph.name_scope(None):
        if thread.graph is None:
            # Outside of a graph it is an eager variable; sessions of the default graph see it too.
            step = tf.Variable(0, trainable=False, name="global_step", dtype=tf.int64)
            graph.add_to_collection(GraphKeys.GLOBAL_STEP, step)
            return step
        return tf.compat.v1.get_variable(
            GraphKeys.GLOBAL_STEP,
            shape=[],
            dtype=tf.int64,
            initializer=tf.compat.v1.zeros_initializer(),
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP],
        )


@export(v1=["train.get_or_create_global_step"])
def get_or_create_global_step(graph: Graph | None = None) -> Any:
    """The global step of a graph, made where there is none.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     tf.compat.v1.train.get_or_create_global_step().name
      'global_step:0'
    """
    graph = _graph(graph)
    found = get_global_step(graph)
    return create_global_step(graph) if found is None else found


@export(v1=["train.assert_global_step"])
def assert_global_step(global_step_tensor: Any) -> None:
    """Checks that something can be a global step.

    Raises:
      TypeError: it is no variable or tensor, or no scalar integer.
    """
    if not hasattr(global_step_tensor, "dtype") or not hasattr(global_step_tensor, "shape"):
        raise TypeError(f"Existing 'global_step' must be a Variable or Tensor: {global_step_tensor}.")
    if not global_step_tensor.dtype.base_dtype.is_integer:
        raise TypeError(f"Existing 'global_step' does not have integer type: {global_step_tensor.dtype}")
    if global_step_tensor.shape.rank not in (0, None):
        raise TypeError(f"Existing 'global_step' is not scalar: {global_step_tensor.shape}")


@export(v1=["train.global_step"])
def global_step(sess: Any, global_step_tensor: Any) -> int:
    """The value of a global step in a session, an int."""
    return int(sess.run(global_step_tensor))


def step_to_read(graph: Graph | None = None) -> Any:
    """A tensor with the value of the global step, made once in each graph; None where there is no global step."""
    graph = _graph(graph)
    key = "global_step_read_op_cache"
    known = graph.get_collection(key)
    if known:
        return known[0]
    step = get_global_step(graph)
    if step is None:
        return None
    with context.building(graph), graph.name_scope(None), graph.control_dependencies(None):
        read = tf.identity(convert_to_tensor(step), name="global_step/read")
    graph.add_to_collection(key, read)
    return read
