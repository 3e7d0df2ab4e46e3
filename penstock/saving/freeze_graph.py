"""`freeze_graph`: a graph and a checkpoint, from files, made one GraphDef of constants.

`tensorflow.python.tools.freeze_graph` resolves to this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.graph.graph import Graph
from penstock.graph.graph_def_import import import_graph_def
from penstock.io.filesystem import open_to_read
from penstock.runtime.graph_util import convert_variables_to_constants, with_constants
from penstock.runtime.session import Session
from penstock.saving.checkpoint_reader import load_checkpoint
from penstock.saving.meta_graph import read_meta_graph, write_message
from penstock.saving.saved_model_files import read_saved_model, variables_prefix


def freeze_graph(
    input_graph: str | None,
    input_saver: str,
    input_binary: bool,
    input_checkpoint: str | None,
    output_node_names: str,
    restore_op_name: str | None,
    filename_tensor_name: str | None,
    output_graph: str,
    clear_devices: bool,
    initializer_nodes: str,
    variable_names_whitelist: str = "",
    variable_names_denylist: str = "",
    input_meta_graph: str | bool | None = None,
    input_saved_model_dir: str | None = None,
    saved_model_tags: str = "serve",
    checkpoint_version: int = 2,
) -> Any:
    """Writes the part of a graph that some nodes depend on, with constants for variables.

    Args:
      input_graph: a file with a GraphDef.
      input_saver: a file with a SaverDef; nothing in it is needed, since checkpoints name variables.
      input_binary: whether `input_graph` is no text.
      input_checkpoint: the checkpoint's prefix.
      output_node_names: names of nodes, with commas between them.
      restore_op_name, filename_tensor_name: not used, as in TensorFlow.
      output_graph: the file to write; none is written where it is empty.
      clear_devices: whether nodes forget their devices.
      initializer_nodes: names of nodes to run first, instead of reading a checkpoint.
      variable_names_whitelist, variable_names_denylist: names of variables to convert, or not to.
      input_meta_graph: a file with a MetaGraphDef, binary or text, instead of `input_graph`.
      input_saved_model_dir: a SavedModel, instead of a graph and a checkpoint.
      saved_model_tags: the tags of its graph.
      checkpoint_version: that of the file shows itself.

    Returns:
      The GraphDef.

    Raises:
      ValueError: there is no graph, no checkpoint, or no output.
      NotFoundError: the checkpoint lacks a variable.
    """
    del input_saver, restore_op_name, filename_tensor_name, checkpoint_version
    if input_saved_model_dir:
        tags = set(saved_model_tags.replace(" ", "").split(","))
        graph_def = _graph_of(input_saved_model_dir, tags)
        input_checkpoint = variables_prefix(input_saved_model_dir)
    elif input_meta_graph:
        graph_def = read_meta_graph(str(input_meta_graph)).graph_def
    elif input_graph:
        graph_def = _read_graph(input_graph, input_binary)
    else:
        raise ValueError(
            "freeze_graph: give input_graph, input_meta_graph or input_saved_model_dir; all are empty"
        )
    outputs = _names(output_node_names)
    if not outputs:
        raise ValueError("You must supply the name of a node to --output_node_names.")
    if clear_devices:
        for node in graph_def.node:
            node.device = ""
    allowed, refused = _names(variable_names_whitelist) or None, _names(variable_names_denylist)
    if initializer_nodes:
        result = _initialized(graph_def, outputs, _names(initializer_nodes), allowed, refused)
    elif input_checkpoint:
        result = with_constants(graph_def, outputs, _Checkpoint(input_checkpoint), allowed, refused)
    else:
        raise ValueError("freeze_graph: give input_checkpoint or initializer_nodes; both are empty")
    if output_graph:
        write_message(result, output_graph, as_text=False)
    return result


class _Checkpoint:
    """The values of variables in a checkpoint."""

    def __init__(self, prefix: str):
        self._reader = load_checkpoint(prefix)

    def __call__(self, variables: list[Any]) -> dict[str, np.ndarray]:
        return {node.name: self._reader.get_tensor(node.name) for node in variables}


def _names(joined: str) -> list[str]:
    return [name for name in joined.replace(" ", "").split(",") if name]


def _initialized(
    graph_def: Any,
    outputs: Sequence[str],
    initializers: Sequence[str],
    allowed: Sequence[str] | None,
    refused: Sequence[str],
) -> Any:
    graph = Graph()
    with graph.as_default(), Session(graph=graph) as session:
        import_graph_def(graph_def, name="")
        session.run([graph.get_operation_by_name(name) for name in initializers])
        return convert_variables_to_constants(session, graph_def, outputs, allowed, refused)


def _graph_of(directory: str, tags: set[str]) -> Any:
    graphs = read_saved_model(directory).meta_graphs
    for each in graphs:
        if set(each.meta_info_def.tags) == tags:
            return each.graph_def
    held = [sorted(each.meta_info_def.tags) for each in graphs]
    raise RuntimeError(
        f"MetaGraphDef associated with tags {sorted(tags)} could not be found; there are {held}"
    )


def _read_graph(path: str, binary: bool) -> Any:
    from google.protobuf import text_format
    from tensorboard.compat.proto import graph_pb2

    with open_to_read(path) as file:
        data = file.read()
    if binary:
        return graph_pb2.GraphDef.FromString(data)
    return text_format.Parse(data.decode(), graph_pb2.GraphDef())
