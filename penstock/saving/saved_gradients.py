"""Gradients that users gave (`tf.custom_gradient`), as functions of a SavedModel.

A node with such a gradient names it in an attribute; the library says which function it is: from the gradients of the
node's outputs to those of its inputs. What that function uses of the graph around the node is bound by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from penstock.autodiff.backprop import dense
from penstock.engine import context
from penstock.graph.func_graph import FuncGraph
from penstock.graph.program_order import nested_graphs
from penstock.tracing.concrete_function import ConcreteFunction
from penstock.types.specs import TensorSpec


class CapturedTensor(NamedTuple):
    """A tensor of a saved function that a gradient function uses.

    Attributes:
      name: its name in that function's graph. function: the name of the function.
    """

    name: str
    function: str


def operations_with_gradients(graph: FuncGraph) -> Iterator[tuple[Any, bool]]:
    """(operation, whether it is in a branch or loop) for the operations of a graph that have a gradient of their own."""
    for operation in graph.get_operations():
        if callable(operation.attrs.get("_gradient")):
            yield operation, False
        for inner in nested_graphs(operation):
            for found, _ in operations_with_gradients(inner):
                yield found, True


def gradient_function(operation: Any) -> ConcreteFunction:
    """The gradient of an operation as a function of the gradients of its outputs; its captures are of its graph."""
    graph = FuncGraph("internal_grad_fn", operation.graph)
    with context.building(graph), context.tapes_stopped():
        arrived = [
            graph.add_input(each.dtype, each.shape, f"result_grads_{index}")
            for index, each in enumerate(operation.outputs)
        ]
        for placeholder in arrived:
            placeholder.op._user_name = placeholder.op.name
        found = operation.attrs["_gradient"](operation, *arrived)
        results = [None if each is None else graph.as_input(dense(each)) for each in found]
    graph.structured_outputs = results
    graph.outputs = [each for each in results if each is not None]
    specs = tuple(TensorSpec(each.shape, each.dtype, each.op.name) for each in arrived)
    graph.structured_input_signature = (specs, {})
    return ConcreteFunction(graph)
