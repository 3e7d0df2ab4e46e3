"""`import_graph_def`: the nodes of a GraphDef as operations, and the functions of its library as FuncGraphs.

Calls of functions are inlined, as calls of traced functions are. Control flow and variables of TF 1 become functional
ops and resources (`graph.v1_control_flow`, `graph.v1_ops`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine import context
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import REGISTRY, REQUIRED, OpDef
from penstock.engine.export import export
from penstock.graph.func_graph import FuncGraph
from penstock.graph.graph import Graph, current_graph
from penstock.graph.graph_def import TRANSLATED_OPS, output_names
from penstock.graph.operation import Operation
from penstock.graph.tensor_proto import array_of_proto, shape_of_proto
from penstock.graph.v1_control_flow import CONTROL_FLOW_OPS, functionalize, ordered
from penstock.graph.v1_ops import TRANSLATIONS, WITH_ARRAYS, Reference
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape

# TensorFlow's ops -> ours, where one op serves both, and attribute names there -> here.
_OURS: dict[str, tuple[str, dict[str, str]]] = {
    theirs: (ours, {new: old for old, new in renamed.items()})
    for ours, (theirs, renamed) in TRANSLATED_OPS.items()
} | {f"Stateless{name}": (name, {}) for name in ("If", "While", "Case")}

# Ops that call a function; `f` names it.
_CALLS = {"PartitionedCall", "StatefulPartitionedCall", "TPUPartitionedCall", "RemoteCall"}


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
      input_map: name of a tensor of `graph_def` -> the tensor to use instead; `^node` -> an operation.
      return_elements: names of tensors and operations to return.
      name: the prefix of the names ("import" by default, "" for none).
      op_dict: TF 1's; unused.
      producer_op_list: an OpList with the ops of the program that wrote the graph: attributes that are unknown here
        and have the default that they have there are dropped.

    Returns:
      The tensors and operations named by `return_elements`.

    Raises:
      TypeError: `graph_def` is no GraphDef, or `return_elements` are no strings.
      ValueError: a node's op or attribute is unknown, or an input or a name does not exist.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default() as graph:
      ...     _ = tf.constant(2.0, name="two")
      >>> with tf.Graph().as_default():
      ...     (two,) = tf.graph_util.import_graph_def(graph.as_graph_def(), return_elements=["two:0"], name="")
      >>> two.name
      'two:0'
    """
    graph_def = _as_graph_def(graph_def)
    target = current_graph()
    prefix = "import" if name is None else name.rstrip("/")
    elements = [str(each) if isinstance(each, (str, bytes)) else each for each in return_elements or ()]
    if not all(isinstance(each, str) for each in elements):
        raise TypeError("Argument `return_elements` must be a list of strings.")
    reader = GraphReader(graph_def.library, producer_op_list)
    with context.building(target), context.tapes_stopped():
        mapped = {_tensor_name(str(key)): value for key, value in (input_map or {}).items()}
        mapped = {
            key: value if key.startswith("^") else convert_to_tensor(value) for key, value in mapped.items()
        }
        with target.name_scope(prefix) if prefix else contextlib.nullcontext():
            added = reader.add_nodes(target, list(graph_def.node), mapped, prefixed=bool(prefix))
    unused = set(mapped) - added.used
    if unused and not all(_exists(key, added) for key in unused):
        missing = sorted(key for key in unused if not _exists(key, added))
        raise ValueError(f"Attempted to map inputs that were not found in graph_def: [{', '.join(missing)}]")
    if return_elements is None:
        return None
    return [added.element(each) for each in elements]


def _as_graph_def(message: Any) -> Any:
    """A GraphDef of our classes: one of TensorFlow's own classes is copied by its bytes."""
    from tensorboard.compat.proto import graph_pb2

    if isinstance(message, graph_pb2.GraphDef):
        return message
    if not hasattr(message, "SerializeToString") or type(message).__name__ != "GraphDef":
        raise TypeError(f"Argument `graph_def` must be a GraphDef proto. Received type {type(message)}.")
    return graph_pb2.GraphDef.FromString(message.SerializeToString())


def _tensor_name(name: str) -> str:
    return name[:-2] if name.endswith(":0") else name


def _exists(key: str, added: Added) -> bool:
    return key.lstrip("^").partition(":")[0] in added.controls


class Added:
    """What the nodes of a message became.

    Attributes:
      values: name of a tensor in the message -> tensor. controls: name of a node -> the operations it stands for.
      operations: name of a node -> its operation. used: the keys of an input map that were looked up.
    """

    def __init__(self, mapped: dict[str, Any] | None = None):
        self.values: dict[str, Any] = {}
        self.controls: dict[str, list[Operation]] = {}
        self.operations: dict[str, Operation] = {}
        self.mapped = mapped or {}
        self.used: set[str] = set()

    def note(
        self, name: str, outputs: Sequence[Any], names: Sequence[str], controls: list[Operation]
    ) -> None:
        """A node has become `outputs`; `names` is how functions call these."""
        self.controls[name] = controls
        for index, tensor in enumerate(outputs):
            self.values[f"{name}:{index}" if index else name] = tensor
        self.values.update(zip(names, outputs))

    def tensor(self, name: str) -> Any:
        """The tensor that an input names."""
        key = _tensor_name(name)
        if key in self.mapped:
            self.used.add(key)
            return self.mapped[key]
        return self.values[key if key in self.values else name]

    def control(self, name: str) -> list[Operation]:
        """The operations that a control input names."""
        if f"^{name}" in self.mapped:
            self.used.add(f"^{name}")
            return [self.mapped[f"^{name}"]]
        return self.controls.get(name, [])

    def element(self, name: str) -> Any:
        """The tensor or operation of a return element."""
        op_name, colon, _ = name.partition(":")
        if op_name not in self.controls:
            raise ValueError(f"Requested return_element {name!r} not found in graph_def.")
        if not colon:
            found = self.operations.get(op_name) or (self.controls[op_name] or [None])[-1]
        else:
            found = self.values.get(_tensor_name(name))
        if found is None:
            raise ValueError(f"Requested return_element {name!r} not found in graph_def.")
        return found.value() if isinstance(found, Reference) else found


class GraphReader:
    """Makes operations of NodeDefs and FuncGraphs of FunctionDefs.

    Args:
      library: a FunctionDefLibrary.
      producer_op_list: the ops of the writing program.
      custom_gradients: value of an attribute `_gradient_op_type` -> what makes the gradient rule of such a node, from
        what the nodes around it became.
    """

    def __init__(
        self, library: Any, producer_op_list: Any = None, custom_gradients: dict[str, Callable] | None = None
    ):
        self._library = {each.signature.name: each for each in library.function}
        self._gradients = {each.function_name: each.gradient_func for each in library.gradient}
        self._producer_ops = {each.name: each for each in getattr(producer_op_list, "op", ())}
        self._custom_gradients = custom_gradients or {}
        self.depth = 0  # of calls: names of nodes outside of functions must be found in the graph
        self._translations = TRANSLATIONS

    def add_nodes(self, graph: Graph, nodes: list, mapped: dict[str, Any], prefixed: bool) -> Added:
        """Adds nodes in an order in which inputs come first."""
        added = Added(mapped)
        taken = [node.name for node in nodes if not prefixed and node.name in graph._by_name]
        if taken:
            raise ValueError(f"Node name {taken[0]!r} already exists in the Graph.")
        if any(node.op == "TensorArrayGradV3" for node in nodes):
            self._translations = WITH_ARRAYS
        if any(node.op in CONTROL_FLOW_OPS for node in nodes):
            functionalize(self, graph, nodes, added, prefixed)
            return added
        for node in ordered(nodes, mapped):
            self.add(graph, node, added, node.name if prefixed else f"{node.name}/")
        return added

    def add(self, graph: Graph, node: Any, added: Added, name: str) -> None:
        """Adds one node whose inputs have been added."""
        inputs = [added.tensor(each) for each in node.input if not each.startswith("^")]
        controls = [each for text in node.input if text.startswith("^") for each in added.control(text[1:])]
        with graph.control_dependencies(controls) if controls else contextlib.nullcontext():
            self.add_with_inputs(graph, node, inputs, added, name)

    def add_with_inputs(self, graph: Graph, node: Any, inputs: list, added: Added, name: str) -> None:
        """Adds one node with given inputs."""
        op_type, renamed = _OURS.get(node.op, (node.op, {}))
        translation = self._translations.get(node.op)
        if translation is not None:
            attrs = {key: self._value(value, inputs) for key, value in node.attr.items()}
            outputs, controls = translation(graph, node, inputs, attrs, name)
            added.note(node.name, outputs, [], controls)
            return
        inputs = [each.value() if isinstance(each, Reference) else each for each in inputs]
        definition = REGISTRY.get(op_type)
        if definition is None:
            self._add_call(graph, node, inputs, added, name)
            return
        attrs = self._attrs(node, definition, renamed, inputs)
        shapes = node.attr["_output_shapes"].list.shape if "_output_shapes" in node.attr else ()
        rule = self._custom_gradient(node, added)
        if rule is not None:
            attrs["_gradient"] = rule
        operation = graph.add_operation(definition, inputs, attrs, name)
        operation.device = node.device or operation.device
        for tensor, shape in zip(operation.outputs, shapes):
            known = shape_of_proto(shape)
            if tensor.shape.is_compatible_with(known):
                tensor.set_shape(known)
        _pass_handle_data(operation)
        names = [each.replace(operation.name, node.name, 1) for each in output_names(operation)]
        added.operations[node.name] = operation
        added.note(node.name, operation.outputs, names, [operation])

    # Calls.

    def _add_call(self, graph: Graph, node: Any, inputs: list, added: Added, name: str) -> None:
        if node.op in _CALLS:
            function, names = node.attr["f"].func.name, None
        elif node.op in self._library:
            function = node.op
            names = [f"{node.name}:{each.name}:0" for each in self.message(function).signature.output_arg]
        else:
            raise ValueError(f"NodeDef {node.name!r}: the op type {node.op!r} is not known.")
        first = len(graph.get_operations())
        with graph.name_scope(node.name if self.depth else name):
            outputs = self.call(graph, function, inputs)
        effects = [each for each in graph.get_operations()[first:] if each.definition.stateful]
        if not self.depth and outputs:  # the node's own name must be found in the graph
            operation = graph.add_operation(
                REGISTRY["IdentityN"], outputs, {"T": [each.dtype for each in outputs]}, name
            )
            for old, new in zip(outputs, operation.outputs):
                new.handle_data = old.handle_data
            outputs = operation.outputs
            added.operations[node.name] = operation
        names = names or [f"{node.name}:output:{i}" for i in range(len(outputs))]
        controls = effects + [each.op for each in outputs]
        added.note(node.name, outputs, names, controls)

    def call(self, graph: Graph, function: str, inputs: Sequence[Any]) -> list[Any]:
        """Inlines a call of a function of the library, and returns its outputs."""
        inputs = [graph.as_input(each) for each in inputs]
        outputs = self._instantiate(graph, self.message(function), inputs)
        if function not in self._gradients or not outputs:
            return outputs
        rule = self._gradient_rule(function, len(outputs))
        count = len(outputs)
        kinds = [each.dtype for each in (*outputs, *inputs)]
        passed = graph.add_operation(
            REGISTRY["IdentityN"],
            [*outputs, *inputs],
            {"T": kinds, "_gradient": rule},
            "IdentityN",
        )
        return passed.outputs[:count]

    def _gradient_rule(self, function: str, count: int) -> Callable:
        """The rule of a function that the library gives a gradient function."""

        def rule(call: Any, *gradients: Any) -> list[Any]:
            from penstock.autodiff.backprop import dense, zeros_like

            arrived = [
                zeros_like(call.outputs[i]) if each is None else dense(each)
                for i, each in enumerate(gradients[:count])
            ]
            arguments = [*call.inputs[count:], *arrived]
            target = current_graph()
            found = self.call(target, self._gradients[function], arguments)
            return [None] * count + list(found)

        rule.accepts_none = True  # type: ignore[attr-defined]
        return rule

    def _custom_gradient(self, node: Any, added: Added) -> Callable | None:
        kind = node.attr["_gradient_op_type"].s.decode() if "_gradient_op_type" in node.attr else ""
        make = self._custom_gradients.get(kind)
        if make is not None:
            return make(added)
        if not kind.startswith("CustomGradient"):
            return None

        def missing(call: Any, *gradients: Any) -> Any:
            raise LookupError(
                f"The custom gradient {kind!r} of {node.name!r} was not saved with the graph. Save the model with "
                "tf.saved_model.SaveOptions(experimental_custom_gradients=True)."
            )

        return missing

    # Functions.

    def message(self, name: str) -> Any:
        """The FunctionDef of a function.

        Raises:
          ValueError: the library lacks it.
        """
        found = self._library.get(name)
        if found is None:
            raise ValueError(f"The function {name!r} is not in the GraphDef's library.")
        return found

    def function(
        self, name: str, like: Sequence[Any] = (), shapes: Sequence[Any] = (), loop: bool = False
    ) -> FuncGraph:
        """A new FuncGraph of a function of the library.

        Args:
          like: tensors that it will be called with: what is known of the values behind handles comes from them.
          shapes: the shapes of its arguments, where its own message says nothing.
          loop: whether it is the body of a loop, whose unchanged variables are told from the others.
        """
        message = self.message(name)
        graph = FuncGraph(name)
        graph.outer_graph = None
        with context.building(graph), context.tapes_stopped():
            placeholders = []
            for index, argument in enumerate(message.signature.input_arg):
                known = message.arg_attr[index].attr if index in message.arg_attr else {}
                said = known["_output_shapes"].list.shape if "_output_shapes" in known else ()
                shape = shape_of_proto(said[0]) if said else TensorShape(None)
                if shape.rank is None and index < len(shapes):
                    shape = TensorShape(shapes[index])
                placeholder = graph.add_input(as_dtype(argument.type), shape, argument.name)
                placeholder.op._user_name = argument.name
                if index < len(like):
                    placeholder.handle_data = getattr(like[index], "handle_data", None)
                placeholders.append(placeholder)
            outputs = self._instantiate(graph, message, placeholders)
            if loop:
                outputs = [_unwrapped(each, own) for each, own in zip(outputs, placeholders, strict=True)]
            graph.outputs = list(outputs)
            graph.structured_outputs = list(outputs)
        return graph

    def _instantiate(self, graph: Graph, message: Any, inputs: Sequence[Any]) -> list[Any]:
        """Adds the nodes of a function to `graph` for given inputs, and returns its outputs."""
        added = Added()
        arguments = message.signature.input_arg
        if len(arguments) != len(inputs):
            raise ValueError(
                f"The function {message.signature.name!r} takes {len(arguments)} arguments, got {len(inputs)}."
            )
        for argument, tensor in zip(arguments, inputs):
            added.note(argument.name, [tensor], [], [])
        self.depth += 1
        try:
            self._add_body(graph, message, added)
        finally:
            self.depth -= 1
        return [
            graph.as_input(_read(added.tensor(message.ret[each.name])))
            for each in message.signature.output_arg
        ]

    def _add_body(self, graph: Graph, message: Any, added: Added) -> None:
        """Adds the nodes of a function whose arguments `added` knows."""
        if any(node.op in CONTROL_FLOW_OPS for node in message.node_def):
            functionalize(self, graph, list(message.node_def), added, prefixed=True)
            return
        arguments = {each.name for each in message.signature.input_arg}
        for node in ordered(list(message.node_def), {}, arguments):
            self.add(graph, node, added, node.name)

    # Attributes.

    def _attrs(self, node: Any, definition: OpDef, renamed: dict[str, str], inputs: list) -> dict:
        attrs = dict(definition.defaults)
        signature = definition.signature
        bound = {each.type for each in signature.inputs} | {each.count for each in signature.inputs}
        for key, value in node.attr.items():
            name = renamed.get(key, key)
            if name in signature.attrs:
                attrs[name] = self._value(value, inputs, definition, name)
            elif name in bound:
                if value.WhichOneof("value") in ("list", "i"):
                    attrs[name] = self._value(value, inputs)
            elif name.startswith("_"):
                if value.WhichOneof("value") in ("s", "i", "f", "b"):
                    attrs[name] = self._value(value, inputs)
            elif definition.type not in _OURS_WITH_MORE and not self._is_default(node.op, key, value):
                raise ValueError(
                    f"NodeDef {node.name!r} ({node.op}) has the attribute {key!r}, which the op does not have."
                )
        missing = [n for n, default in signature.attrs.items() if default is REQUIRED and n not in attrs]
        if missing:
            raise ValueError(f"NodeDef {node.name!r} ({node.op}) lacks the attributes {missing}.")
        if "shared_name" in attrs and not attrs["shared_name"] and definition.stateful:
            attrs["shared_name"] = node.name
        return attrs

    def _is_default(self, op_type: str, name: str, value: Any) -> bool:
        producer = self._producer_ops.get(op_type)
        return producer is not None and any(
            each.name == name and each.default_value == value for each in producer.attr
        )

    def _value(self, attr: Any, inputs: list, definition: OpDef | None = None, name: str = "") -> Any:
        kind = attr.WhichOneof("value")
        if kind == "func":
            return self._nested(attr.func.name, inputs, definition, name)
        if kind == "list":
            for field, values in attr.list.ListFields():
                if field.name == "func":
                    return [self._nested(each.name, inputs, definition, name) for each in values]
                return [_single(field.name, each) for each in values]
            return []
        return _single(kind, getattr(attr, kind)) if kind else None

    def _nested(self, function: str, inputs: list, definition: OpDef | None, name: str) -> FuncGraph:
        """The FuncGraph of a branch, a loop's body, and the like."""
        if definition is not None and definition.type in ("If", "Case"):
            return self.function(function, inputs[1:], [each.shape for each in inputs[1:]])
        if definition is not None and definition.type == "While":
            return self.function(function, inputs, loop=name == "body")
        return self.function(function)


# Ops that keep less of TensorFlow's attributes than TensorFlow writes.
_OURS_WITH_MORE = {"VectorizedMap"}


def _single(kind: str, value: Any) -> Any:
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
    return value


def _read(tensor: Any) -> Any:
    return tensor.value() if isinstance(tensor, Reference) else tensor


def _unwrapped(tensor: Any, own_input: Any) -> Any:
    """A loop variable that its body passes on unchanged, without the Identity ops around it."""
    source = tensor
    while source.op.type == "Identity" and not source.op.control_inputs:
        source = source.op.inputs[0]
    return source if source is own_input else tensor


def _pass_handle_data(operation: Operation) -> None:
    """What is known of the value behind a handle is known behind its copies."""
    if operation.type in ("Identity", "IdentityN", "While"):
        for tensor, source in zip(operation.outputs, operation.inputs):
            if tensor.dtype in (dtypes.resource, dtypes.variant):
                tensor.handle_data = source.handle_data
