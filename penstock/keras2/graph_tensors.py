"""Symbolic tensors of Keras's models in sessions: fetched, fed, differentiated, and given to TensorFlow 1's functions.

In Keras 2 `model.output` was a tensor of the default graph. Here a Keras tensor has a node in a graph from the moment
that something of TensorFlow 1 asks for it: inputs become placeholders, and the layers between are called in the graph.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import penstock as tf
from penstock.engine.context import thread
from penstock.engine.export import EXPORTS
from penstock.keras2.graph_calls import LearningPhase, eager_variables, phase_tensor
from penstock.ops.dispatch import place
from penstock.ops.variables.mixed import building_as_eagerly
from penstock.types.tensors import SymbolicTensor

# Functions of TensorFlow 1 that build parts of a graph: a Keras tensor among their arguments is its node there.
GRAPH_FUNCTIONS = (
    "gradients",
    "hessians",
    "losses.",
    "metrics.",
    "summary.",
    "layers.",
    "nn.dynamic_rnn",
    "add_check_numerics_ops",
)


def graph_tensor(tensor: Any) -> Any:
    """The node of a Keras tensor in the default graph."""
    graph = tf.compat.v1.get_default_graph()
    held = graph.get_collection_ref(("__keras_tensors",))
    if not held:
        held.append({})
    nodes = held[0]  # id -> (Keras tensor, tensor of the graph)
    if id(tensor) in nodes:
        return nodes[id(tensor)][1]
    with building_as_eagerly(graph) if thread.graph is None else graph.as_default(), eager_variables():
        waiting = [tensor]
        while waiting:
            each = waiting[-1]
            node = _node(each)
            missing = [needed for needed in node.input_tensors if id(needed) not in nodes]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            if id(each) not in nodes:
                made = _placeholders(node) if node.is_input else _called(node, nodes)
                nodes.update((id(key), (key, value)) for key, value in zip(node.outputs, made, strict=True))
    return nodes[id(tensor)][1]


def _node(tensor: Any) -> Any:
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def _placeholders(node: Any) -> list:
    return [
        tf.compat.v1.placeholder(each.dtype, each.shape, name=node.operation.name) for each in node.outputs
    ]


def _called(node: Any, nodes: dict[int, Any]) -> list:
    import keras

    values = {id(each): nodes[id(each)][1] for each in node.input_tensors}
    args, kwargs = node.arguments.fill_in(values)
    return keras.tree.flatten(node.operation(*args, **kwargs))


def node_of(loss: Any) -> Any:
    """The tensor of a plain graph that a loss is; None for any other."""
    import keras

    if isinstance(loss, keras.KerasTensor):
        return graph_tensor(loss)
    return loss if isinstance(loss, SymbolicTensor) and not loss.graph.building_function else None


def minimize_in_graph(optimizer: Any, loss: Any, variables: Any, grad_loss: Any = None) -> Any:
    """An operation that makes a step of a Keras optimizer on a loss of a plain graph."""
    variables = list(variables() if callable(variables) else variables)
    if not optimizer.built:
        optimizer.build(variables)
    graph = loss.graph
    with building_as_eagerly(graph) if thread.graph is None else graph.as_default(), eager_variables():
        gradients = tf.gradients(loss, in_graph(variables), grad_loss)
        first_new = len(graph.get_operations())
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        made = [each for each in graph.get_operations()[first_new:] if not each.outputs]
        return tf.group(*made, name="train")


def in_graph(structure: Any) -> Any:
    """A structure with Keras tensors replaced by their nodes, and Keras's variables by those that they hold."""
    import keras

    def replaced(leaf: Any) -> Any:
        if isinstance(leaf, keras.KerasTensor):
            return graph_tensor(leaf)
        return leaf.value if isinstance(leaf, keras.Variable) else leaf

    return keras.tree.map_structure(replaced, structure)


def run_in_sessions(keras: ModuleType) -> None:
    """Lets sessions fetch and feed Keras tensors and the learning phase, and TensorFlow 1's functions take them."""
    register = tf.compat.v1.register_session_run_conversion_functions
    register(
        keras.KerasTensor,
        lambda tensor: ([graph_tensor(tensor)], lambda values: values[0]),
        lambda tensor, value: [(graph_tensor(tensor), value)],
    )
    register(
        LearningPhase,
        lambda phase: ([phase_tensor()], lambda values: values[0]),
        lambda phase, value: [(phase_tensor(), bool(value))],
    )
    functions = {
        function
        for version in ("v1", "v2")
        for name, function in EXPORTS[version].items()
        if isinstance(function, FunctionType)
        and any(name == each or each.endswith(".") and name.startswith(each) for each in GRAPH_FUNCTIONS)
    }
    place({function: _taking_keras_tensors(function) for function in functions})
    optimizer = tf.compat.v1.train.Optimizer
    for name in ("compute_gradients", "minimize"):
        setattr(optimizer, name, _taking_keras_tensors(getattr(optimizer, name)))
    apply_gradients = _taking_keras_tensors(optimizer.apply_gradients)

    @functools.wraps(apply_gradients)
    def apply(self: Any, grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
        return apply_gradients(self, list(grads_and_vars), *args, **kwargs)

    optimizer.apply_gradients = apply


def _taking_keras_tensors(function: Callable) -> Callable:
    import keras

    known = (keras.KerasTensor, keras.Variable)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(leaf, known) for leaf in keras.tree.flatten((args, kwargs))):
            args, kwargs = in_graph((args, kwargs))
        return function(*args, **kwargs)

    return call
