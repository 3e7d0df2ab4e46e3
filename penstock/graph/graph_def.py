"""Graphs as GraphDef messages, and FuncGraphs as the FunctionDefs of their library: what TensorFlow reads.

`graph.graph_def_import` is the way back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from penstock.engine.build_information import GRAPH_DEF_VERSION
from penstock.graph.func_graph import FuncGraph
from penstock.graph.graph import Graph
from penstock.graph.operation import Operation
from penstock.graph.program_order import control_edges, has_effects
from penstock.graph.tensor_proto import shape_proto, tensor_proto
from penstock.types.dtypes import DType, dtype_of_array
from penstock.types.shapes import TensorShape
from penstock.types.tensors import SymbolicTensor

MIN_CONSUMER = 12  # the oldest reader that written graphs are meant for

# Ops of ours -> (TensorFlow's op, attribute names there) where that is the same op under other names.
TRANSLATED_OPS: dict[str, tuple[str, dict[str, str]]] = {
    "VectorizedMap": ("MapDefun", {"Te": "Targuments", "Tc": "Tcaptured", "Tout": "output_types"}),
}

# Ops for which TensorFlow has no kernel -> what composes a FuncGraph of others that compute the same; None where it
# cannot. `ops/expansions.py` fills it. They are written as calls.
EXPANSIONS: dict[str, Callable[[Operation], FuncGraph | None]] = {}

# Ops that TensorFlow does not have under any name, nor composed: a graph with one of them runs here only.
OWN_OPS = {
    "CTCLossDense", "MakeDatasetIterator", "RaggedBroadcast", "ReduceDatasetOnHost", "TensorListAdd", "TensorListAddItem",
    "TensorListItemGradient", "TensorListZerosLike",
}  # fmt: skip


def graph_def(graph: Graph, from_version: int | None = None, add_shapes: bool = False) -> Any:
    """A graph as a GraphDef; the functions that its nodes hold go into the library."""
    from tensorboard.compat.proto import graph_pb2

    message = graph_pb2.GraphDef()
    message.versions.producer, message.versions.min_consumer = GRAPH_DEF_VERSION, MIN_CONSUMER
    library = FunctionLibrary(expand=True)
    for operation in graph.get_operations()[from_version or 0 :]:
        node = message.node.add()
        fill_node(node, operation, library, [_input_name(each) for each in operation.inputs])
        if add_shapes:
            shapes = node.attr["_output_shapes"].list
            shapes.shape.extend(shape_proto(each.shape) for each in operation.outputs)
    message.library.function.extend(library.messages())
    return message


def node_def(operation: Operation) -> Any:
    """An operation as a NodeDef."""
    from tensorboard.compat.proto import node_def_pb2

    node = node_def_pb2.NodeDef()
    fill_node(node, operation, FunctionLibrary(), [_input_name(each) for each in operation.inputs])
    return node


def function_def(graph: FuncGraph) -> Any:
    """A FuncGraph as a FunctionDef (those that it holds are named, not included)."""
    library = FunctionLibrary()
    library.name(graph)
    return next(library.messages())


class FunctionLibrary:
    """The FuncGraphs that a GraphDef holds: gives them unique names, and writes each once.

    Args:
      expand: whether ops for which TensorFlow has no kernel become calls of what computes the same.

    Attributes:
      custom_gradients: id(operation) -> the name of its gradient, for operations that have one of their own.
    """

    def __init__(self, expand: bool = False) -> None:
        self.custom_gradients: dict[int, str] = {}
        self._expands = expand
        self._expansions: dict[int, tuple[Operation, FuncGraph | None]] = {}
        self._names: dict[int, str] = {}
        self._taken: set[str] = set()
        self._pending: list[FuncGraph] = []
        self._kept: list[FuncGraph] = []  # ids stay theirs

    def name(self, graph: FuncGraph, wanted: str | None = None) -> str:
        """The name of a graph in the library; `wanted` where it is new and that name is free."""
        found = self._names.get(id(graph))
        if found is None:
            plain = re.sub(r"[^A-Za-z0-9_.]", "", graph.name)
            found = wanted or f"__inference_{plain}_{len(self._names)}"
            while found in self._taken:
                found += "_"
            self._names[id(graph)] = found
            self._taken.add(found)
            self._pending.append(graph)
            self._kept.append(graph)
        return found

    def expansion(self, operation: Operation) -> FuncGraph | None:
        """What stands for an operation that TensorFlow cannot run; None for all others."""
        if not self._expands or operation.type not in EXPANSIONS:
            return None
        if id(operation) not in self._expansions:
            self._expansions[id(operation)] = (operation, EXPANSIONS[operation.type](operation))
        return self._expansions[id(operation)][1]

    def messages(self) -> Iterator[Any]:
        """FunctionDefs of the graphs named since the last call, and of those that they hold."""
        while self._pending:
            yield _function_def(self._pending.pop(0), self)


# Nodes.


def _input_name(tensor: SymbolicTensor) -> str:
    return tensor.op.name if tensor.value_index == 0 else f"{tensor.op.name}:{tensor.value_index}"


def _all_attrs(operation: Operation) -> dict[str, Any]:
    return {**operation.definition.type_attrs(operation.inputs, operation.attrs), **operation.attrs}


def fill_node(
    node: Any,
    operation: Operation,
    library: FunctionLibrary,
    inputs: Iterable[str],
    controls: Iterable[Operation] | None = None,
) -> None:
    """Fills a NodeDef from an operation; `inputs` are the names of its input tensors."""
    op_type, renamed = TRANSLATED_OPS.get(operation.type, (operation.type, {}))
    node.name, node.op, node.device = operation.name, op_type, operation.device
    node.input.extend(inputs)
    waits_for = operation.control_inputs if controls is None else controls
    node.input.extend(dict.fromkeys(f"^{each.name}" for each in waits_for))
    expansion = library.expansion(operation)
    if expansion is not None:
        _fill_call(node, operation, library.name(expansion))
        return
    attrs = _all_attrs(operation)
    if operation.type == "EagerResource" and getattr(operation.attrs["_resource"], "handle_data", None):
        _fill_variable_handle(node, operation.attrs["_resource"])
        return
    if "output_shapes" in operation.definition.signature.attrs or op_type == "MapDefun":
        shapes = [each.shape for each in operation.outputs]
        attrs["output_shapes"] = [each[1:] for each in shapes] if op_type == "MapDefun" else shapes
    if id(operation) in library.custom_gradients:
        attrs["_gradient_op_type"] = library.custom_gradients[id(operation)]
    for name in sorted(attrs):
        value = attrs[name]
        if name.startswith("_") and not isinstance(value, (str, bytes, int, float)):
            continue
        default = operation.definition.signature.attrs.get(name)
        _set_attr(node.attr[renamed.get(name, name)], _typed(name, value), default, library)


def _fill_call(node: Any, operation: Operation, function: str) -> None:
    node.op = "StatefulPartitionedCall"
    node.attr["f"].func.name = function
    node.attr["Tin"].list.type.extend(each.dtype.as_datatype_enum for each in operation.inputs)
    node.attr["Tout"].list.type.extend(each.dtype.as_datatype_enum for each in operation.outputs)


def _fill_variable_handle(node: Any, state: Any) -> None:
    """An eager variable that a graph uses: outside of this process it is a variable of that name."""
    node.op = "VarHandleOp"
    node.attr["shared_name"].s = state.name.encode()
    node.attr["dtype"].type = state.handle_data.dtype.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(shape_proto(state.handle_data.shape))


def _typed(name: str, value: Any) -> Any:
    """An attribute in the type that its name says: shapes may be lists of integers."""
    if name.endswith("shape") and not isinstance(value, (bool, int, str, DType)):
        return TensorShape(value)
    if name.endswith("shapes") and isinstance(value, (list, tuple)):
        return [TensorShape(each) for each in value]
    return value


def _set_attr(attr: Any, value: Any, default: Any, library: FunctionLibrary) -> None:
    if isinstance(value, (list, tuple)):
        attr.list.SetInParent()
        for each in value:
            _append(attr.list, each, library)
    elif isinstance(value, FuncGraph):
        attr.func.name = library.name(value)
    elif isinstance(value, (bool, np.bool_)):
        attr.b = bool(value)
    elif isinstance(value, DType):
        attr.type = value.as_datatype_enum
    elif isinstance(value, float) or (isinstance(default, float) and isinstance(value, int)):
        attr.f = value
    elif isinstance(value, (int, np.integer)):
        attr.i = int(value)
    elif isinstance(value, (str, bytes)):
        attr.s = value.encode() if isinstance(value, str) else value
    elif isinstance(value, TensorShape) or value is None:
        attr.shape.CopyFrom(shape_proto(value))
    elif isinstance(value, (np.ndarray, np.generic)):
        attr.tensor.CopyFrom(tensor_proto(value, dtype_of_array(np.asarray(value))))
    else:
        raise TypeError(
            f"an attribute of type {type(value).__name__} cannot be written to a GraphDef: {value!r}"
        )


def _append(target: Any, value: Any, library: FunctionLibrary) -> None:
    if isinstance(value, FuncGraph):
        target.func.add().name = library.name(value)
    elif isinstance(value, bool):
        target.b.append(value)
    elif isinstance(value, DType):
        target.type.append(value.as_datatype_enum)
    elif isinstance(value, float):
        target.f.append(value)
    elif isinstance(value, (int, np.integer)):
        target.i.append(int(value))
    elif isinstance(value, (str, bytes)):
        target.s.append(value.encode() if isinstance(value, str) else value)
    else:
        target.shape.add().CopyFrom(shape_proto(value))


# Functions.


def _function_def(graph: FuncGraph, library: FunctionLibrary) -> Any:
    from tensorboard.compat.proto import function_pb2

    message = function_pb2.FunctionDef()
    message.signature.name = library.name(graph)
    inputs = {id(each.op) for each in graph.inputs}
    operations = [each for each in graph.get_operations() if id(each) not in inputs]
    taken = {each.name for each in operations}
    names: dict[int, str] = {}  # id(tensor) -> how the function names it
    for position, tensor in enumerate(graph.inputs):
        argument = message.signature.input_arg.add()
        argument.name = _argument_name(tensor.op.name, taken)
        argument.type = tensor.dtype.as_datatype_enum
        names[id(tensor)] = argument.name
        message.arg_attr[position].attr["_output_shapes"].list.shape.append(shape_proto(tensor.shape))
    edges = control_edges(operations)
    inside = {id(each) for each in operations}
    for operation in operations:
        own_names = output_names(operation)
        if library.expansion(operation) is not None:
            own_names = [f"{operation.name}:output:{i}" for i in range(len(own_names))]
        names.update((id(tensor), name) for tensor, name in zip(operation.outputs, own_names))
        controls = [each for each in operation.control_inputs if id(each) in inside]
        fill_node(
            message.node_def.add(),
            operation,
            library,
            [names[id(each)] for each in operation.inputs],
            controls + edges[id(operation)],
        )
        if has_effects(operation):
            message.signature.is_stateful = True
            message.signature.control_output.append(operation.name)
            message.control_ret[operation.name] = operation.name
    for index, tensor in enumerate(graph.outputs):
        result = message.signature.output_arg.add()
        result.name, result.type = f"output_{index}", tensor.dtype.as_datatype_enum
        message.ret[result.name] = names[id(tensor)]
    if any(each.definition.stateful or each.definition.nested for each in operations):
        message.signature.is_stateful = True
    return message


def plain_name(name: str) -> str:
    """A name that an argument of a function may have."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _argument_name(wanted: str, taken: set[str]) -> str:
    """A name for an argument that no other argument or node of the function has."""
    plain = plain_name(wanted)
    name, count = plain, 0
    while name in taken:
        count += 1
        name = f"{plain}_{count}"
    taken.add(name)
    return name


def output_names(operation: Operation) -> list[str]:
    """`node:argument:index` for each output: how functions name tensors."""
    attrs: dict = _all_attrs(operation)
    names: list[str] = []
    for argument in operation.definition.signature.outputs:
        if argument.kind == "single":
            count = 1
        else:
            count = attrs[argument.count] if argument.kind == "repeat" else len(attrs[argument.type])
        names.extend(f"{operation.name}:{argument.name}:{i}" for i in range(count))
    return names
