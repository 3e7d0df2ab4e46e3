"""`convert_variables_to_constants_v2` and functions made of GraphDefs: `function_from_graph_def`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.graph.freezing import drop_unused_functions, freeze
from penstock.graph.func_graph import FuncGraph
from penstock.graph.graph_def import graph_def
from penstock.graph.graph_def_import import import_graph_def
from penstock.tracing.concrete_function import ConcreteFunction
from penstock.types import dtypes
from penstock.types.specs import TensorSpec


def function_from_graph_def(
    message: Any, inputs: Sequence[str] | str, outputs: Sequence[str] | str, name: str = "imported"
) -> ConcreteFunction:
    """A function from some tensors of a GraphDef to others.

    Args:
      inputs, outputs: names of tensors (`"x:0"`); a list of outputs gives a list of results.

    Example:
      >>> import penstock as tf
      >>> from penstock.tracing.freezing import function_from_graph_def
      >>> with tf.Graph().as_default() as graph:
      ...     x = tf.compat.v1.placeholder(tf.float32, [], name="x")
      ...     _ = tf.square(x, name="y")
      >>> function_from_graph_def(graph.as_graph_def(), "x:0", "y:0")(tf.constant(3.0)).numpy()
      np.float32(9.0)
    """
    single = isinstance(inputs, str)
    input_names = [inputs] if single else list(inputs)
    output_names = [outputs] if isinstance(outputs, str) else list(outputs)
    graph = FuncGraph(name)
    graph.outer_graph = None
    with context.building(graph):
        import_graph_def(message, name="")
        graph.inputs = [graph.as_graph_element(each, allow_operation=False) for each in input_names]
        for each in graph.inputs:
            each.op._user_name = each.op.name
        found = [graph.as_graph_element(each, allow_operation=False) for each in output_names]
    graph.outputs = found
    graph.structured_outputs = found[0] if isinstance(outputs, str) else found
    specs = [TensorSpec(each.shape, each.dtype, name=each.op.name) for each in graph.inputs]
    graph.structured_input_signature = (tuple(specs), {})
    return ConcreteFunction(graph)


def convert_variables_to_constants_v2(
    func: Any, lower_control_flow: bool = True, aggressive_inlining: bool = False
) -> ConcreteFunction:
    """A concrete function with the present values of its variables as constants.

    TensorFlow has it at `tensorflow.python.framework.convert_to_constants`. Control flow stays functional, and calls
    are inlined already, so the two switches change nothing.

    Args:
      func: a concrete function.

    Returns:
      A concrete function of the same arguments that returns a flat list, as TensorFlow's does; its
      `graph.as_graph_def()` is the frozen graph.

    Raises:
      ValueError: the function changes a variable.

    Example:
      >>> import penstock as tf
      >>> from penstock.tracing.freezing import convert_variables_to_constants_v2
      >>> v = tf.Variable(3.0)
      >>> scaled = tf.function(lambda x: x * v).get_concrete_function(tf.TensorSpec([], tf.float32))
      >>> frozen = convert_variables_to_constants_v2(scaled)
      >>> v.assign(0.0).numpy(), frozen(tf.constant(2.0))[0].numpy(), len(frozen.captured_inputs)
      (np.float32(0.0), np.float32(6.0), 0)
    """
    graph = func.graph
    values: dict[str, np.ndarray] = {}
    for outside, placeholder in graph.captures:
        if placeholder.dtype is dtypes.resource:
            state = outside.host()
            if not hasattr(state, "read"):
                continue  # a table: it stays a capture
            values[placeholder.op.name] = np.asarray(state.read())
        elif placeholder.dtype is not dtypes.variant:
            values[placeholder.op.name] = np.asarray(outside.host())
    message = freeze(graph_def(graph), values)
    drop_unused_functions(message)
    kept = [each for each in graph.captures if each[1].op.name not in values]
    tensors = [*graph.arguments, *(inside for _, inside in kept)]
    frozen = function_from_graph_def(
        message, [each.name for each in tensors], [each.name for each in graph.outputs], func.name
    )
    new = frozen.graph
    for (outside, _), inside in zip(kept, new.inputs[len(graph.arguments) :]):
        inside.handle_data = getattr(outside.host(), "handle_data", None)
        new._captures[id(outside)] = (outside, inside)
    for old, made in zip(graph.inputs, new.inputs):
        made.op._user_name = getattr(old.op, "_user_name", old.op.name)
    new.structured_input_signature = graph.structured_input_signature
    return frozen
