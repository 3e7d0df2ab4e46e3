"""`tf.compat.v1.graph_util`: parts of a GraphDef, graphs without training nodes, graphs with constants for variables."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine.export import export
from penstock.graph.freezing import VARIABLE_OPS, drop_unused_functions, freeze
from penstock.graph.graph import current_graph
from penstock.graph.v1_control_flow import source_of
from penstock.runtime.session import Session
from penstock.types import dtypes, errors
from penstock.types.shapes import TensorShape


@export(v1=["graph_util.extract_sub_graph"])
def extract_sub_graph(graph_def: Any, dest_nodes: Sequence[str]) -> Any:
    """The part of a GraphDef that some nodes depend on.

    Args:
      dest_nodes: names of nodes.

    Returns:
      A new GraphDef, with all of the library.

    Raises:
      TypeError: `graph_def` is no GraphDef, or `dest_nodes` is one string.
      AssertionError: there is no node of a name.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default() as graph:
      ...     two = tf.constant(2.0, name="two")
      ...     _ = tf.sqrt(two, name="root"), tf.square(two, name="square")
      >>> part = tf.compat.v1.graph_util.extract_sub_graph(graph.as_graph_def(), ["root"])
      >>> [node.name for node in part.node]
      ['two', 'root']
    """
    _check_message(graph_def)
    if isinstance(dest_nodes, str):
        raise TypeError("Argument `dest_nodes` must be an iterable of strings; it is a string.")
    nodes = {node.name: node for node in graph_def.node}
    for name in dest_nodes:
        if name not in nodes:
            raise AssertionError(f"{name} is not in graph")
    needed: set[str] = set()
    stack = list(dest_nodes)
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            stack.extend(source_of(each) for each in nodes[name].input)
    result = type(graph_def)()
    result.node.extend(node for node in graph_def.node if node.name in needed)
    result.library.CopyFrom(graph_def.library)
    result.versions.CopyFrom(graph_def.versions)
    return result


@export(v1=["graph_util.remove_training_nodes"])
def remove_training_nodes(input_graph: Any, protected_nodes: Sequence[str] | None = None) -> Any:
    """A GraphDef without the nodes that only training needs: `CheckNumerics`, and `Identity` that only renames.

    Args:
      protected_nodes: names of nodes to keep.

    Returns:
      A new GraphDef in which their users take what went into them.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default() as graph:
      ...     _ = tf.sqrt(tf.identity(tf.constant(2.0, name="two")), name="root")
      >>> smaller = tf.compat.v1.graph_util.remove_training_nodes(graph.as_graph_def())
      >>> [(node.name, list(node.input)) for node in smaller.node]
      [('two', []), ('root', ['two'])]
    """
    _check_message(input_graph)
    kept = set(protected_nodes or ())
    waited_for = {
        each[1:] for node in input_graph.node for each in node.input if each.startswith("^")
    }  # a control input means the node itself
    replaced: dict[str, str] = {}
    for node in input_graph.node:
        removable = node.op in ("CheckNumerics", "Identity") and node.name not in kept | waited_for
        if removable and len(node.input) == 1 and not node.input[0].startswith("^"):
            replaced[node.name] = node.input[0]

    def resolve(name: str) -> str:
        while name.removesuffix(":0") in replaced:
            name = replaced[name.removesuffix(":0")]
        return name

    result = type(input_graph)()
    for node in input_graph.node:
        if node.name not in replaced:
            copy = result.node.add()
            copy.CopyFrom(node)
            del copy.input[:]
            copy.input.extend(resolve(each) for each in node.input)
    result.library.CopyFrom(input_graph.library)
    result.versions.CopyFrom(input_graph.versions)
    return result


@export(v1=["graph_util.must_run_on_cpu"])
def must_run_on_cpu(node: Any, pin_variables_on_cpu: bool = False) -> bool:
    """Whether a node (a NodeDef or an Operation) has no place on a GPU: strings, and variables if they are pinned.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     tf.compat.v1.graph_util.must_run_on_cpu(tf.constant("text").op)
      True
    """
    node_def = getattr(node, "node_def", node)
    if pin_variables_on_cpu and node_def.op in VARIABLE_OPS:
        return True
    attr, kinds = _ON_HOST.get(node_def.op, ("", ()))
    return node_def.attr[attr].type in [kind.as_datatype_enum for kind in kinds] if attr else False


# Op -> the attribute and its dtypes with which the op has no kernel on a GPU.
_ON_HOST = {
    "Const": ("dtype", (dtypes.string, dtypes.int32)),
    "Cast": ("SrcT", (dtypes.int32,)),
    "DynamicStitch": ("T", (dtypes.int32,)),
    "ParallelDynamicStitch": ("T", (dtypes.int32,)),
}


@export(v1=["graph_util.tensor_shape_from_node_def_name"])
def tensor_shape_from_node_def_name(graph: Any, input_name: str) -> TensorShape:
    """The shape of a tensor that is named as a node's input names it (`"x"` for `"x:0"`)."""
    name = input_name if ":" in input_name else f"{input_name}:0"
    return graph.get_tensor_by_name(name).shape


@export(v1=["graph_util.convert_variables_to_constants"])
def convert_variables_to_constants(
    sess: Any,
    input_graph_def: Any,
    output_node_names: Sequence[str],
    variable_names_whitelist: Sequence[str] | None = None,
    variable_names_blacklist: Sequence[str] | None = None,
) -> Any:
    """The part of a graph that some nodes depend on, with the values that its variables have in a session.

    Args:
      sess: the session; without one the variables get their initial values.
      input_graph_def: the graph.
      output_node_names: names of nodes. Those that change variables are left out.
      variable_names_whitelist, variable_names_blacklist: names of variables to convert, or not to.

    Returns:
      A new GraphDef.

    Raises:
      FailedPreconditionError: a variable has no value.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
      ...     v = tf.Variable(3.0, name="v")
      ...     _ = tf.square(v, name="square")
      ...     session.run(v.initializer)
      ...     frozen = tf.compat.v1.graph_util.convert_variables_to_constants(
      ...         session, graph.as_graph_def(), ["square"])
      >>> sorted({node.op for node in frozen.node})
      ['Const', 'Identity', 'Square']
    """
    return with_constants(
        input_graph_def,
        output_node_names,
        functools.partial(_values_of, sess),
        variable_names_whitelist,
        variable_names_blacklist,
    )


def with_constants(
    graph_def: Any,
    output_node_names: Sequence[str],
    values_of: Callable[[list[Any]], dict[str, np.ndarray]],
    allowed: Sequence[str] | None = None,
    refused: Sequence[str] | None = None,
) -> Any:
    """The part of a graph that some nodes depend on, with constants for variables.

    Args:
      values_of: from the NodeDefs of variables to their values by name.
      allowed, refused: names of variables to convert, or not to.
    """
    _check_message(graph_def)
    by_name = {node.name: node for node in graph_def.node}
    wanted = [name for name in output_node_names if not _only_sets_up(by_name, name)]
    part = extract_sub_graph(graph_def, wanted)
    chosen = [
        node
        for node in part.node
        if node.op in VARIABLE_OPS
        and (allowed is None or node.name in allowed)
        and node.name not in (refused or ())
    ]
    result = freeze(part, values_of(chosen))
    drop_unused_functions(result)
    return result


_ASSIGNING = ("Assign", "VarIsInitializedOp", "NoOp", "DestroyResourceOp", "IsVariableInitialized")


def _only_sets_up(nodes: dict[str, Any], name: str) -> bool:
    """Whether a node initializes variables or asks if they are: nothing that a frozen graph has a use for."""
    node = nodes.get(name)
    return node is not None and node.op.startswith(_ASSIGNING)


def _values_of(sess: Any, variables: Sequence[Any]) -> dict[str, np.ndarray]:
    """Node name -> value of variables in a session, or initial values where there is none."""
    if sess is None:
        graph = current_graph()
        with Session(graph=graph) as temporary:
            initializers = [
                each
                for each in graph.get_operations()
                if each.type == "AssignVariableOp" and _initializes(each)
            ]
            temporary.run(initializers)
            return _values_of(temporary, variables)
    values = {}
    operations = {each.name: each for each in sess.graph.get_operations()}
    for node in variables:
        shared = node.attr["shared_name"].s.decode() or node.name
        state = sess.resources.get(shared)
        operation = operations.get(node.name)
        if operation is not None and operation.type == "EagerResource":
            state = operation.attrs["_resource"]
        if state is None:
            raise errors.FailedPreconditionError(
                None,
                None,
                f"The variable {node.name!r} has no value in the session: run its initializer first.",
            )
        values[node.name] = np.asarray(state.read())
    return values


def _initializes(operation: Any) -> bool:
    """Whether an assignment is that of a variable's initial value."""
    handle = operation.inputs[0].op.name
    return operation.name == f"{handle}/Assign"


def _check_message(graph_def: Any) -> None:
    if type(graph_def).__name__ != "GraphDef":
        raise TypeError(f"Expected a GraphDef proto, got {type(graph_def)}.")


@export("io.write_graph", v1=["train.write_graph", "io.write_graph"])
def write_graph(graph_or_graph_def: Any, logdir: str, name: str, as_text: bool = True) -> str:
    """Writes a graph to a file, as text or as bytes, and returns its path.

    Args:
      graph_or_graph_def: a `tf.Graph` or a GraphDef.
      logdir: the directory, made where it does not exist. name: the file's name.

    Example:
      >>> import tempfile
      >>> import penstock as tf
      >>> with tf.Graph().as_default() as graph:
      ...     _ = tf.constant(2.0, name="two")
      >>> path = tf.io.write_graph(graph, tempfile.mkdtemp(), "graph.pbtxt")
      >>> 'name: "two"' in open(path).read()
      True
    """
    message = graph_or_graph_def
    if hasattr(message, "as_graph_def"):
        message = message.as_graph_def()
    if as_text:
        from google.protobuf import text_format

        data = text_format.MessageToString(message).encode()
    else:
        data = message.SerializeToString(deterministic=True)
    os.makedirs(logdir, exist_ok=True)
    path = os.path.join(logdir, name)
    temporary = f"{path}.tmp{os.getpid()}"
    with open(temporary, "wb") as file:
        file.write(data)
    os.replace(temporary, path)
    return path
