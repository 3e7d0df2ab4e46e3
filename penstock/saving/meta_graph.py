"""MetaGraphDefs: a graph together with its collections and its saver, written and read."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from typing import Any

from penstock.engine.export import EXPORTS, export
from penstock.graph.graph import Graph, current_graph
from penstock.graph.graph_def_import import import_graph_def
from penstock.graph.operation import Operation
from penstock.ops.graph_collections import GraphKeys
from penstock.release import TENSORFLOW_VERSION
from penstock.saving.saver import Saver
from penstock.saving.variable_protos import variable_def, variable_of
from penstock.types.tensors import SymbolicTensor

_logger = logging.getLogger("tensorflow")
_VARIABLE_COLLECTIONS = frozenset(GraphKeys._VARIABLE_COLLECTIONS) | {GraphKeys.GLOBAL_STEP}
_CONTEXTS = ("cond_context", "while_context")  # of TF 1's control flow, which is functional here


def meta_graph_class() -> Any:
    """The class of MetaGraphDef messages."""
    from tensorboard.compat.proto import meta_graph_pb2

    return meta_graph_pb2.MetaGraphDef


# Writing.


@export(v1=["train.export_meta_graph"])
def export_meta_graph(
    filename: Any = None,
    meta_info_def: Any = None,
    graph_def: Any = None,
    saver_def: Any = None,
    collection_list: Sequence[str] | None = None,
    as_text: bool = False,
    graph: Graph | None = None,
    export_scope: str | None = None,
    clear_devices: bool = False,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
    save_debug_info: bool = False,
    **kwargs: Any,
) -> Any:
    """A graph with its collections as a MetaGraphDef, which is also written to a file where a name is given.

    Args:
      filename: the file. as_text: whether it is text.
      meta_info_def, graph_def, saver_def: parts of the message that are given instead of made.
      collection_list: the collections to keep; all by default.
      graph: the graph; the current one by default.
      export_scope: only nodes in this scope, whose name is left out.
      clear_devices: whether nodes forget their devices.
      clear_extraneous_savers: whether only `saver_def` is kept, not the savers of the collection.

    Returns:
      The MetaGraphDef.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     v = tf.Variable(1.0, name="v")
      ...     meta = tf.compat.v1.train.export_meta_graph()
      >>> sorted(meta.collection_def)
      ['trainable_variables', 'variables']
    """
    graph = graph or current_graph()
    scope = (export_scope or "").rstrip("/")
    message = meta_graph_class()()
    if meta_info_def is not None:
        message.meta_info_def.CopyFrom(meta_info_def)
    message.meta_info_def.tensorflow_version = TENSORFLOW_VERSION
    message.graph_def.CopyFrom(graph.as_graph_def(add_shapes=True) if graph_def is None else graph_def)
    if scope:
        _keep_scope(message.graph_def, scope)
    if clear_devices:
        for node in message.graph_def.node:
            node.device = ""
    for key in graph.get_all_collection_keys() if collection_list is None else collection_list:
        if key == GraphKeys.SAVERS and clear_extraneous_savers:
            continue
        _add_collection(message, key, graph.get_collection(key), scope)
    if saver_def is not None:
        message.saver_def.CopyFrom(saver_def)
    if filename is not None:
        write_message(message, os.fspath(filename), as_text)
    return message


def _keep_scope(graph_def: Any, scope: str) -> None:
    """Leaves only the nodes of a scope, named without it."""
    prefix = f"{scope}/"
    nodes = [node for node in graph_def.node if node.name.startswith(prefix)]
    del graph_def.node[:]
    for node in nodes:
        copy = graph_def.node.add()
        copy.CopyFrom(node)
        copy.name = node.name.removeprefix(prefix)
        for index, each in enumerate(node.input):
            mark, plain = ("^", each[1:]) if each.startswith("^") else ("", each)
            if not plain.startswith(prefix):
                raise ValueError(
                    f"The node {node.name!r} of the scope {scope!r} takes {plain!r}, which lies outside of it."
                )
            copy.input[index] = mark + plain.removeprefix(prefix)


def _add_collection(message: Any, key: Any, items: Sequence[Any], scope: str) -> None:
    if not isinstance(key, str) or not items:
        return
    found = message_of_collection(key, items, scope)
    if found is not None:
        message.collection_def[key].CopyFrom(found)


def message_of_collection(key: str, items: Sequence[Any], scope: str = "") -> Any:
    """The items of a collection as a CollectionDef; None where there is no form for them."""
    from tensorboard.compat.proto import meta_graph_pb2

    definition = meta_graph_pb2.CollectionDef()
    for item in items:
        if hasattr(item, "_initializer_op") and hasattr(item, "handle"):
            made = variable_def(item, scope) if getattr(item, "_in_graph_mode", False) else None
            if made is not None:
                definition.bytes_list.value.append(made.SerializeToString())
        elif isinstance(item, (SymbolicTensor, Operation)):
            if not scope or item.name.startswith(f"{scope}/"):
                definition.node_list.value.append(item.name.removeprefix(f"{scope}/") if scope else item.name)
        elif hasattr(item, "to_proto") or hasattr(item, "SerializeToString"):
            made = item.to_proto(export_scope=scope or None) if hasattr(item, "to_proto") else item
            if made is not None:
                definition.bytes_list.value.append(made.SerializeToString())
        elif isinstance(item, (bool, int)):
            definition.int64_list.value.append(int(item))
        elif isinstance(item, float):
            definition.float_list.value.append(item)
        elif isinstance(item, (str, bytes)):
            definition.bytes_list.value.append(item.encode() if isinstance(item, str) else item)
        else:
            _logger.warning(
                "The collection %r is not exported: it holds %r, which has no message.", key, item
            )
            return None
    if len(definition.ListFields()) > 1 or definition.WhichOneof("kind") is None:
        return None
    return definition


def write_message(message: Any, path: str, as_text: bool) -> None:
    """Writes a message to a file, which appears whole or not at all."""
    from google.protobuf import text_format

    data = (
        text_format.MessageToString(message).encode()
        if as_text
        else message.SerializeToString(deterministic=True)
    )
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    temporary = f"{path}.tmp{os.getpid()}"
    with open(temporary, "wb") as file:
        file.write(data)
    os.replace(temporary, path)


# Reading.


def read_meta_graph(path: str) -> Any:
    """The MetaGraphDef of a file, binary or text.

    Raises:
      OSError: there is no such file, or it is damaged.
    """
    from google.protobuf import message as protobuf
    from google.protobuf import text_format

    if not os.path.exists(path):
        raise OSError(f"File {path} does not exist.")
    with open(path, "rb") as file:
        data = file.read()
    message = meta_graph_class()()
    try:
        message.ParseFromString(data)
        return message
    except protobuf.DecodeError:
        pass
    try:
        text_format.Parse(data.decode(), message)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise OSError(f"Cannot parse file {path}: {error}.") from None
    return message


@export(v1=["train.import_meta_graph"])
def import_meta_graph(
    meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None, **kwargs: Any
) -> Saver | tuple[Saver | None, list[Any]] | None:
    """Adds the graph and the collections of a MetaGraphDef to the current graph.

    Args:
      meta_graph_or_file: the message, or the path of a file with it (`model.ckpt.meta`).
      clear_devices: whether nodes forget their devices.
      import_scope: a prefix for all names.
      **kwargs: `input_map` and `return_elements`, as for `tf.graph_util.import_graph_def`; what is meant for `Saver`.

    Returns:
      The saver of the message, or one for its variables; None where it has neither. With `return_elements`, the pair
      of this and those.

    Raises:
      OSError: there is no such file, or it is damaged.

    Example:
      >>> import penstock as tf
      >>> with tf.Graph().as_default():
      ...     v = tf.Variable(1.0, name="v")
      ...     meta = tf.compat.v1.train.export_meta_graph()
      >>> with tf.Graph().as_default():
      ...     saver = tf.compat.v1.train.import_meta_graph(meta)
      ...     [each.name for each in tf.compat.v1.global_variables()]
      ['v:0']
    """
    message = meta_graph_or_file
    if isinstance(message, (str, os.PathLike)):
        message = read_meta_graph(os.fspath(message))
    input_map, elements = kwargs.pop("input_map", None), kwargs.pop("return_elements", None)
    found = add_meta_graph(message, clear_devices, import_scope, input_map, elements)
    scope = (import_scope or "").rstrip("/")
    saver: Saver | None = None
    if message.HasField("saver_def"):
        saver = Saver.from_proto(message.saver_def, scope or None)
    elif current_graph().get_collection(GraphKeys.GLOBAL_VARIABLES, scope or None):
        saver = Saver(**kwargs)
    return saver if elements is None else (saver, found)


def add_meta_graph(
    message: Any,
    clear_devices: bool = False,
    import_scope: str | None = None,
    input_map: dict | None = None,
    return_elements: Sequence[str] | None = None,
) -> list[Any] | None:
    """Adds the nodes and collections of a MetaGraphDef to the current graph; returns the elements asked for."""
    scope = (import_scope or "").rstrip("/")
    graph_def = message.graph_def
    if clear_devices:
        copied = type(graph_def)()
        copied.CopyFrom(graph_def)
        for node in copied.node:
            node.device = ""
        graph_def = copied
    producer = message.meta_info_def.stripped_op_list
    found = import_graph_def(
        graph_def, input_map, return_elements, scope, producer_op_list=producer if producer.op else None
    )
    graph = current_graph()
    variables: dict[str, Any] = {}  # a variable in several collections is one
    for key, definition in sorted(message.collection_def.items()):
        for item in _items(graph, key, definition, scope, variables):
            graph.add_to_collection(key, item)
    return found


def _items(graph: Graph, key: str, definition: Any, scope: str, variables: dict[str, Any]) -> Iterable[Any]:
    kind = definition.WhichOneof("kind")
    if kind is None or key in _CONTEXTS:
        return []
    values = getattr(definition, kind).value
    if kind == "node_list":
        names = [f"{scope}/{each}" if scope else each for each in values]
        return [each for each in (_element(graph, name) for name in names) if each is not None]
    if kind == "bytes_list":
        return [
            each
            for each in (_from_bytes(graph, key, data, scope, variables) for data in values)
            if each is not None
        ]
    return list(values)


def _element(graph: Graph, name: str) -> Any:
    try:
        return graph.as_graph_element(name)
    except (KeyError, ValueError):
        return None  # TF 1's control flow leaves names of nodes that are no longer there


def _from_bytes(graph: Graph, key: str, data: bytes, scope: str, variables: dict[str, Any]) -> Any:
    from tensorboard.compat.proto import saver_pb2, variable_pb2

    if key in _VARIABLE_COLLECTIONS:
        message = variable_pb2.VariableDef.FromString(data)
        if message.variable_name not in variables:
            variables[message.variable_name] = variable_of(message, graph, scope)
        return variables[message.variable_name]
    if key == GraphKeys.SAVERS:
        return Saver.from_proto(saver_pb2.SaverDef.FromString(data), scope or None)
    if key == GraphKeys.QUEUE_RUNNERS and "train.QueueRunner" in EXPORTS["v1"]:
        from penstock.train.queue_runner import queue_runner_def

        runner = EXPORTS["v1"]["train.QueueRunner"]
        return runner.from_proto(queue_runner_def().FromString(data), scope or None)
    return data
