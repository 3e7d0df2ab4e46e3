"""FuncGraphs as bytes, for another process: the library of a GraphDef, whose first function is the graph.

Resources that the graph uses are among its inputs; whoever calls it there brings their own.
"""

from __future__ import annotations

import types
from collections.abc import Sequence

from penstock.engine.resources import HandleData
from penstock.graph.func_graph import FuncGraph
from penstock.graph.graph_def import FunctionLibrary
from penstock.graph.graph_def_import import GraphReader


def function_to_bytes(graph: FuncGraph) -> bytes:
    """A FuncGraph as bytes, with the functions that it holds.

    Raises:
      TypeError: an operation has a Python object for an attribute, as `tf.py_function` has.
    """
    from tensorboard.compat.proto import function_pb2

    library = FunctionLibrary()
    library.name(graph)
    return function_pb2.FunctionDefLibrary(function=library.messages()).SerializeToString(deterministic=True)


def function_from_bytes(data: bytes, handles: Sequence[HandleData | None] = ()) -> FuncGraph:
    """The FuncGraph that `function_to_bytes` wrote.

    Args:
      data: the bytes.
      handles: for each input what is known of the value behind it, where it is a variable; shapes follow from it.
    """
    from tensorboard.compat.proto import function_pb2

    library = function_pb2.FunctionDefLibrary.FromString(data)
    like = [types.SimpleNamespace(handle_data=each) for each in handles]
    graph = GraphReader(library).function(library.function[0].signature.name, like)
    for operation in graph.get_operations():
        operation.line = None  # the program's lines are in the process that wrote the bytes
    return graph
