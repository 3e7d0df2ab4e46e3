"""Graphs to GraphDef messages and back, without loss: the interchange format of TensorFlow graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import REGISTRY, REQUIRED, OpDef
from penstock.engine.export import export
from penstock.graph.copying import copy_operations
from penstock.graph.func_graph import FuncGraph
from penstock.graph.graph import Graph, current_graph
from penstock.graph.operation import Operation
from penstock.graph.tensor_proto import array_of_proto, shape_of_proto, shape_proto, tensor_proto
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import SymbolicTensor

# The GraphDef version of TensorFlow 2.21's producer.
_PRODUCER = 2434


# To messages.


def graph_def(graph: Graph, from_version: int | None = None, add_shapes: bool = False) -> Any:
    """A graph as a GraphDef; the functions that its nodes hold go into the library."""
    from tensorboard.compat.proto import graph_pb2

    message = graph_pb2.GraphDef()
    message.versions.producer = _PRODUCER
    functions = _FunctionNames()
    for operation in graph.get_operations()[from_version or 0 :]:
        node = message.node.add()
        _fill_node(node, operation, functions, [_input_name(each) for each in operation.inputs])
        if add_shapes:
            shapes = node.attr["_output_shapes"].list
            shapes.shape.extend(shape_proto(each.shape) for each in operation.outputs)
    while functions.pending:
        message.library.function.append(_function_def(functions.pending.pop(0), functions))
    return message


def node_def(operation: Operation) -> Any:
    """An operation as a NodeDef."""
    from tensorboard.compat.proto import node_def_pb2

    node = node_def_pb2.NodeDef()
    _fill_node(node, operation, _FunctionNames(), [_input_name(each) for each in operation.inputs])
    return node


def function_def(graph: FuncGraph) -> Any:
    """A FuncGraph as a FunctionDef (those that it holds are named, not included)."""
    return _function_def(graph, _FunctionNames())


class _FunctionNames:
    """Unique names of the FuncGraphs that nodes hold, and those still to be written."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self.pending: list[FuncGraph] = []

    def name(self, graph: FuncGraph) -> str:
        """The name of a graph in the library."""
        if id(graph) not in self._names:
            self._names[id(graph)] = f"__inference_{graph.name}_{len(self._names)}".replace("<", "").replace(
                ">", ""
            )
            self.pending.append(graph)
        return self._names[id(graph)]


def _input_name(tensor: SymbolicTensor) -> str:
    return tensor.op.name if tensor.value_index == 0 else f"{tensor.op.name}:{tensor.value_index}"


def _fill_node(node: Any, operation: Operation, functions: _FunctionNames, inputs: list[str]) -> None:
    node.name, node.op, node.device = operation.name, operation.type, operation.device
    node.input.extend(inputs)
    node.input.extend(f"^{each.name}" for each in operation.control_inputs)
    attrs = {**operation.definition.type_attrs(operation.inputs, operation.attrs), **operation.attrs}
    for name in sorted(attrs):
        if name.startswith("_") and not isinstance(attrs[name], (str, bytes, int, float)):
            continue
        value = TensorShape(attrs[name]) if name == "shape" else attrs[name]  # a list would be one of ints
        _set_attr(node.attr[name], value, operation.definition.signature.attrs.get(name), functions)


def _set_attr(attr: Any, value: Any, default: Any, functions: _FunctionNames) -> None:
    if isinstance(value, (list, tuple)):
        attr.list.SetInParent()
        for each in value:
            _append(attr.list, each, functions)
    elif isinstance(value, FuncGraph):
        attr.func.name = functions.name(value)
    elif isinstance(value, bool):
        attr.b = value
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
        from penstock.types.dtypes import dtype_of_array

        attr.tensor.CopyFrom(tensor_proto(value, dtype_of_array(np.asarray(value))))
    else:
        raise TypeError(
            f"an attribute of type {type(value).__name__} cannot be written to a GraphDef: {value!r}"
        )


def _append(target: Any, value: Any, functions: _FunctionNames) -> None:
    if isinstance(value, FuncGraph):
        target.func.add().name = functions.name(value)
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


def _function_def(graph: FuncGraph, functions: _FunctionNames) -> Any:
    from tensorboard.compat.proto import function_pb2

    message = function_pb2.FunctionDef()
    message.signature.name = functions.name(graph)
    names: dict[int, str] = {}
    for tensor in graph.inputs:
        argument = message.signature.input_arg.add()
        argument.name, argument.type = tensor.op.name.replace("/", "_"), tensor.dtype.as_datatype_enum
        names[id(tensor)] = argument.name
        position = len(message.signature.input_arg) - 1
        message.arg_attr[position].attr["_output_shapes"].list.shape.append(shape_proto(tensor.shape))
    inputs = {id(each.op) for each in graph.inputs}
    for operation in graph.get_operations():
        if id(operation) in inputs:
            continue
        for tensor, name in zip(operation.outputs, _output_names(operation)):
            names[id(tensor)] = name
        _fill_node(
            message.node_def.add(), operation, functions, [names[id(each)] for each in operation.inputs]
        )
    for index, tensor in enumerate(graph.outputs):
        result = message.signature.output_arg.add()
        result.name, result.type = f"output_{index}", tensor.dtype.as_datatype_enum
        message.ret[result.name] = names[id(tensor)]
    return message


def _output_names(operation: Operation) -> list[str]:
    """`node:argument:index` for each output: how functions name tensors."""
    attrs = {**operation.definition.type_attrs(operation.inputs, operation.attrs), **operation.attrs}
    names: list[str] = []
    for argument in operation.definition.signature.outputs:
        count = (
            1
            if argument.kind == "single"
            else attrs[argument.count]
            if argument.kind == "repeat"
            else len(attrs[argument.type])
        )
        names.extend(f"{operation.name}:{argument.name}:{i}" for i in range(count))
    return names


# From messages.


@export("graph_util.import_graph_def", "import_graph_def")
def import_graph_def(
    graph_def: Any,
    input_map: dict | None = None,
    return_elements: Sequence[str] | None = None,
    name: str | None = None,
    op_dict: Any = None,
    producer_op_list: Any = None,
) -> list[Any] | None:
    """Adds the nodes of a GraphDef to the graph that is being built.

    Args:
      graph_def: the message.
      input_map: name of a tensor of `graph_def` -> the tensor to use instead.
      return_elements: names of tensors and operations to return.
      name: the prefix of the names ("import" by default, "" for none).

    Returns:
      The tensors and operations named by `return_elements`.

    Raises:
      ValueError: a node's op is unknown, or an input or a name does not exist.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default() as graph:
      ...     _ = tf.constant(2.0, name="two")
      >>> with tf.Graph().as_default():
      ...     (two,) = tf.graph_util.import_graph_def(graph.as_graph_def(), return_elements=["two:0"], name="")
      >>> two.name
      'two:0'
    """
    target = current_graph()
    prefix = "import" if name is None else name
    library = {each.signature.name: each for each in graph_def.library.function}
    reader = _Reader(library)
    mapped = {str(key): convert_to_tensor(value) for key, value in (input_map or {}).items()}
    with (
        context.building(target),
        context.tapes_stopped(),
        target.name_scope(prefix) if prefix else _nothing(),
    ):
        operations = reader.add_nodes(target, list(graph_def.node), mapped, bool(prefix))
    if return_elements is None:
        return None
    found = []
    for element in return_elements:
        op_name, colon, index = element.partition(":")
        if op_name not in operations:
            raise ValueError(f"Requested return_element {element!r} not found in graph_def.")
        found.append(operations[op_name].outputs[int(index)] if colon else operations[op_name])
    return found


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()


class _Reader:
    """Makes operations of NodeDefs and FuncGraphs of FunctionDefs."""

    def __init__(self, library: dict[str, Any]):
        self._library = library
        self._functions: dict[str, FuncGraph] = {}

    def add_nodes(
        self, graph: Graph, nodes: list, mapped: dict[str, Any], prefixed: bool
    ) -> dict[str, Operation]:
        """Adds nodes in an order in which inputs come first; returns name in the message -> operation."""
        by_name = {node.name: node for node in nodes}
        done: dict[str, Operation] = {}
        for node in _ordered(nodes, by_name, mapped):
            inputs, controls = [], []
            for each in node.input:
                if each.startswith("^"):
                    controls.append(done[each[1:]])
                    continue
                key = each[:-2] if each.endswith(":0") else each
                if key in mapped or f"{key}:0" in mapped:
                    inputs.append(mapped.get(key, mapped.get(f"{key}:0")))
                    continue
                op_name, _, index = each.partition(":")
                inputs.append(done[op_name].outputs[int(index or 0)])
            with graph.control_dependencies(controls) if controls else _nothing():
                done[node.name] = self._add(graph, node, inputs, node.name if prefixed else f"{node.name}/")
        return done

    def _add(self, graph: Graph, node: Any, inputs: list, name: str) -> Operation:
        definition = REGISTRY.get(node.op)
        if definition is None:
            if node.op in self._library:
                return self._inline(graph, node, inputs, name)
            raise ValueError(f"NodeDef {node.name!r}: the op type {node.op!r} is not known.")
        attrs = self._attrs(node, definition)
        operation = graph.add_operation(definition, inputs, attrs, name)
        operation.device = node.device or operation.device
        return operation

    def _inline(self, graph: Graph, node: Any, inputs: list, name: str) -> Operation:
        body = self.function(node.op)
        values = {id(old): graph.as_input(new) for old, new in zip(body.inputs, inputs, strict=True)}
        with graph.name_scope(node.name):
            copy_operations(body, graph, values)
        return graph.add_operation(
            REGISTRY["IdentityN"],
            [values[id(each)] for each in body.outputs],
            {"T": [each.dtype for each in body.outputs]},
            name,
        )

    def _attrs(self, node: Any, definition: OpDef) -> dict:
        attrs = dict(definition.defaults)
        bound = {argument.type for argument in definition.signature.inputs if isinstance(argument.type, str)}
        for name, value in node.attr.items():
            if name in definition.signature.attrs or (name not in bound and not name.startswith("_")):
                attrs[name] = self._value(value)
            elif name in bound and value.WhichOneof("value") == "list":
                attrs[name] = self._value(value)
        for argument in definition.signature.inputs:
            if argument.count and argument.count in node.attr:
                attrs[argument.count] = node.attr[argument.count].i
        missing = [
            n for n, default in definition.signature.attrs.items() if default is REQUIRED and n not in attrs
        ]
        if missing:
            raise ValueError(f"NodeDef {node.name!r} ({node.op}) lacks the attributes {missing}.")
        return attrs

    def _value(self, attr: Any) -> Any:
        kind = attr.WhichOneof("value")
        if kind == "list":
            for field, _ in attr.list.ListFields():
                return [self._single(field.name, each) for each in getattr(attr.list, field.name)]
            return []
        return self._single(kind, getattr(attr, kind)) if kind else None

    def _single(self, kind: str, value: Any) -> Any:
        if kind == "s":
            try:
                return value.decode()
            except UnicodeDecodeError:
                return value
        if kind == "type":
            return as_dtype(value)
        if kind == "shape":
            return shape_of_proto(value)
        if kind == "tensor":
            return array_of_proto(value)
        if kind == "func":
            return self.function(value.name)
        return value

    def function(self, name: str) -> FuncGraph:
        """The FuncGraph of a function of the library."""
        if name in self._functions:
            return self._functions[name]
        message = self._library.get(name)
        if message is None:
            raise ValueError(f"The function {name!r} is not in the GraphDef's library.")
        graph = FuncGraph(name)
        graph.outer_graph = None
        with context.building(graph), context.tapes_stopped():
            values: dict[str, Any] = {}
            for index, argument in enumerate(message.signature.input_arg):
                shapes = (
                    message.arg_attr[index].attr["_output_shapes"].list.shape
                    if index in message.arg_attr
                    else []
                )
                shape = shape_of_proto(shapes[0]) if shapes else TensorShape(None)
                values[argument.name] = graph.add_input(as_dtype(argument.type), shape, argument.name)
            pending = list(message.node_def)
            done: dict[str, Operation] = {}
            while pending:
                waiting = []
                for node in pending:
                    data = [each for each in node.input if not each.startswith("^")]
                    controls = [each[1:] for each in node.input if each.startswith("^")]
                    if any(each not in values for each in data) or any(each not in done for each in controls):
                        waiting.append(node)
                        continue
                    with graph.control_dependencies([done[each] for each in controls]):
                        operation = self._add(graph, node, [values[each] for each in data], f"{node.name}/")
                    done[node.name] = operation
                    for tensor, tensor_name in zip(operation.outputs, _output_names(operation)):
                        values[tensor_name.replace(operation.name, node.name, 1)] = tensor
                if len(waiting) == len(pending):
                    raise ValueError(
                        f"The function {name!r} has inputs that nothing computes: {waiting[0].name}."
                    )
                pending = waiting
            graph.outputs = [values[message.ret[result.name]] for result in message.signature.output_arg]
            graph.structured_outputs = list(graph.outputs)
        self._functions[name] = graph
        return graph


def _ordered(nodes: list, by_name: dict[str, Any], mapped: dict[str, Any]) -> list:
    """Nodes so that inputs come before their users.

    Raises:
      ValueError: an input does not exist, or nodes depend on each other in a circle.
    """
    order: list = []
    state: dict[str, int] = {}
    for root in nodes:
        stack = [(root, False)]
        while stack:
            node, finished = stack.pop()
            if finished:
                state[node.name] = 2
                order.append(node)
                continue
            if state.get(node.name) == 2:
                continue
            if state.get(node.name) == 1:
                raise ValueError(f"Node {node.name!r} depends on itself.")
            state[node.name] = 1
            stack.append((node, True))
            for each in node.input:
                source = each.lstrip("^").partition(":")[0]
                if each in mapped or f"{each}:0" in mapped or (each.endswith(":0") and each[:-2] in mapped):
                    continue
                if source not in by_name:
                    raise ValueError(f"Node {node.name!r}: unknown input node {each!r}.")
                if state.get(source) != 2:
                    stack.append((by_name[source], False))
    return order
