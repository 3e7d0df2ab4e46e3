"""TF 1's SavedModels: `Builder`, `simple_save`, `loader.load`, and `tf.saved_model.load` of what they wrote.

Each holds one or more graphs with tags; a session restores the variables and runs the initializing operation.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.engine.resources import State
from penstock.engine.static_value import constant_value
from penstock.graph.graph import Graph, current_graph
from penstock.ops.graph_collections import GraphKeys
from penstock.ops.grouping import group
from penstock.ops.variables.variable import Variable
from penstock.ops.variables.variable_initializers import (
    global_variables_initializer,
    local_variables_initializer,
    tables_initializer,
)
from penstock.runtime.graph_util import convert_variables_to_constants
from penstock.runtime.session import Session
from penstock.saving.meta_graph import add_meta_graph, export_meta_graph, write_message
from penstock.saving.saved_model_files import (
    ASSETS_KEY,
    INIT_OP_SIGNATURE,
    LEGACY_INIT_OP_KEY,
    MAIN_OP_KEY,
    MODEL_FILE,
    TEXT_FILE,
    copy_assets,
    read_saved_model,
    saved_model_class,
    variables_prefix,
)
from penstock.saving.saved_nodes import SignatureMap
from penstock.saving.saver import Saver
from penstock.saving.signature_def_utils import get_tensor_from_tensor_info, predict_signature_def
from penstock.tracing.wrapped_function import cut_out
from penstock.types import dtypes, nest
from penstock.types.tensors import EagerTensor
from penstock.types.trackable import AutoTrackable


@export(v1=["saved_model.Builder", "saved_model.builder.SavedModelBuilder"])
class SavedModelBuilder:
    """Writes a SavedModel from graphs and a session.

    Args:
      export_dir: the directory, which must be empty or new.

    Raises:
      AssertionError: it holds files.

    Example:
      >>> import os, tempfile
      >>> import penstock as tf
      >>> directory = os.path.join(tempfile.mkdtemp(), "model")
      >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
      ...     v = tf.Variable(1.0, name="v")
      ...     session.run(v.initializer)
      ...     builder = tf.compat.v1.saved_model.Builder(directory)
      ...     builder.add_meta_graph_and_variables(session, ["serve"])
      ...     _ = builder.save()
      >>> sorted(os.listdir(directory))
      ['saved_model.pb', 'variables']
    """

    def __init__(self, export_dir: Any):
        self._directory = os.fspath(export_dir)
        if os.path.isdir(self._directory) and os.listdir(self._directory):
            raise AssertionError(
                f"Export directory {self._directory} already exists, and isn't empty. Please choose a different export "
                "directory, or delete all the contents of the specified directory."
            )
        os.makedirs(self._directory, exist_ok=True)
        self._message = saved_model_class()(saved_model_schema_version=1)
        self._has_variables = False
        self._session: Any = None

    def add_meta_graph_and_variables(
        self,
        sess: Any,
        tags: Sequence[str],
        signature_def_map: Mapping[str, Any] | None = None,
        assets_collection: Sequence[Any] | None = None,
        legacy_init_op: Any = None,
        clear_devices: bool = False,
        main_op: Any = None,
        strip_default_attrs: bool = False,
        saver: Saver | None = None,
    ) -> None:
        """Adds the current graph, and writes the values that its variables have in a session.

        Eager variables belong to no graph: one that uses them is written with their values as constants, as far as the
        signatures and `main_op` need it.

        Args:
          tags: what the graph is for, such as `["serve"]`.
          signature_def_map: name -> SignatureDef.
          assets_collection: string tensors with the paths of files to copy.
          main_op, legacy_init_op: an operation to run when the model is loaded; at most one of them.
          clear_devices: whether nodes forget their devices.
          saver: what writes the variables; one for all by default.

        Raises:
          AssertionError: variables have been written already.
        """
        if self._has_variables:
            raise AssertionError(
                "Graph state including variables and assets has already been saved. Please invoke `add_meta_graph()` "
                "instead."
            )
        self._session = sess
        saver = saver or self._saver()
        os.makedirs(os.path.join(self._directory, "variables"), exist_ok=True)
        saver.save(sess, variables_prefix(self._directory), write_meta_graph=False, write_state=False)
        self._has_variables = True
        self._add(tags, signature_def_map, assets_collection, main_op, legacy_init_op, clear_devices, saver)

    def add_meta_graph(
        self,
        tags: Sequence[str],
        signature_def_map: Mapping[str, Any] | None = None,
        assets_collection: Sequence[Any] | None = None,
        legacy_init_op: Any = None,
        clear_devices: bool = False,
        main_op: Any = None,
        strip_default_attrs: bool = False,
        saver: Saver | None = None,
    ) -> None:
        """Adds the current graph, which uses the variables that have been written; arguments as there.

        Raises:
          AssertionError: no variables have been written yet.
        """
        if not self._has_variables:
            raise AssertionError(
                "Graph state including variables and assets has not been saved yet. Please invoke "
                "`add_meta_graph_and_variables()` first."
            )
        saver = saver or self._saver()
        self._add(tags, signature_def_map, assets_collection, main_op, legacy_init_op, clear_devices, saver)

    @staticmethod
    def _saver() -> Saver:
        return Saver(sharded=True, allow_empty=True)

    def _add(
        self,
        tags: Any,
        signatures: Any,
        assets: Any,
        main_op: Any,
        legacy_op: Any,
        clear_devices: bool,
        saver: Saver,
    ) -> None:
        if main_op is not None and legacy_op is not None:
            raise ValueError("At most one of `main_op` and `legacy_init_op` can be given.")
        if current_graph().has_eager_variables:
            frozen = self._frozen(signatures, [each for each in (main_op, legacy_op) if each is not None])
            meta = export_meta_graph(graph_def=frozen, clear_devices=clear_devices, collection_list=())
        else:
            meta = export_meta_graph(clear_devices=clear_devices, saver_def=saver.as_saver_def())
        meta.meta_info_def.tags.extend([tags] if isinstance(tags, str) else list(tags))
        for name, signature in (signatures or {}).items():
            _check_signature(name, signature)
            meta.signature_def[name].CopyFrom(signature)
        for key, operation in ((MAIN_OP_KEY, main_op), (LEGACY_INIT_OP_KEY, legacy_op)):
            if operation is not None:
                name = getattr(operation, "name", operation)
                meta.collection_def[key].node_list.value[:] = [name]
                meta.signature_def[INIT_OP_SIGNATURE].outputs[INIT_OP_SIGNATURE].name = name
        self._add_assets(meta, assets or ())
        self._message.meta_graphs.add().CopyFrom(meta)

    def _frozen(self, signatures: Mapping[str, Any] | None, operations: Sequence[Any]) -> Any:
        """The part of the current graph that signatures and operations need, with the variables' values."""
        names = [getattr(each, "name", each) for each in operations]
        for signature in (signatures or {}).values():
            infos = (*signature.inputs.values(), *signature.outputs.values())
            names += [each.name.partition(":")[0] for each in infos]
        return convert_variables_to_constants(self._session, current_graph().as_graph_def(), names)

    def _add_assets(self, meta: Any, tensors: Sequence[Any]) -> None:
        paths = []
        for tensor in tensors:
            value = constant_value(tensor)
            if value is None or value.dtype != object:
                raise TypeError(f"Asset path tensor {tensor!r} must be a constant string.")
            paths.append(value.item().decode())
        for tensor, name in zip(tensors, copy_assets(paths, self._directory)):
            definition = meta.asset_file_def.add(filename=name)
            definition.tensor_info.name = tensor.name
            meta.collection_def[ASSETS_KEY].any_list.value.add().Pack(definition)

    def save(
        self,
        as_text: bool = False,
        experimental_image_format: bool = False,
        experimental_image_writer_options: Any = None,
    ) -> bytes:
        """Writes the file that makes the directory a SavedModel, and returns its path."""
        path = os.path.join(self._directory, TEXT_FILE if as_text else MODEL_FILE)
        write_message(self._message, path, as_text)
        return path.encode()


def _check_signature(name: str, signature: Any) -> None:
    if name == INIT_OP_SIGNATURE:
        raise KeyError(f"SignatureDef map key {name!r} is reserved for the SavedModel init op.")
    for infos in (signature.inputs, signature.outputs):
        for key, info in infos.items():
            if info.WhichOneof("encoding") is None or not info.dtype:
                raise AssertionError(f"All TensorInfo protos used in the SignatureDefs must have the name and dtype "
                                     f"fields set: {name!r}, {key!r}: {info}")  # fmt: skip


@export(v1=["saved_model.simple_save"])
def simple_save(
    session: Any, export_dir: Any, inputs: dict, outputs: dict, legacy_init_op: Any = None
) -> None:
    """Writes a SavedModel of the current graph with one signature, "serving_default", for servers.

    Args:
      session: where the variables have their values.
      inputs, outputs: name -> tensor.
    """
    builder = SavedModelBuilder(export_dir)
    builder.add_meta_graph_and_variables(
        session,
        ["serve"],
        {"serving_default": predict_signature_def(inputs, outputs)},
        current_graph().get_collection(GraphKeys.ASSET_FILEPATHS),
        main_op=legacy_init_op,
        clear_devices=True,
    )
    builder.save()


@export(v1=["saved_model.main_op.main_op"])
def main_op() -> Any:
    """An operation that initializes variables and tables when a SavedModel is loaded."""
    return group(global_variables_initializer(), local_variables_initializer(), tables_initializer())


@export(v1=["saved_model.main_op.main_op_with_restore", "saved_model.main_op_with_restore"])
def main_op_with_restore(restore_op_name: Any) -> Any:
    """As `main_op`, and then the operation that restores variables."""
    graph = current_graph()
    with graph.control_dependencies([main_op()]):
        restore = graph.as_graph_element(restore_op_name)
        return group(restore, name="init_with_restore")


# Loading.


def _with_tags(message: Any, tags: Any, directory: str) -> Any:
    """The MetaGraph with some tags."""
    wanted = {tags} if isinstance(tags, str) else set(tags)
    for meta in message.meta_graphs:
        if set(meta.meta_info_def.tags) == wanted:
            return meta
    available = [set(meta.meta_info_def.tags) for meta in message.meta_graphs]
    raise RuntimeError(
        f"MetaGraphDef associated with tags {tags!r} could not be found in SavedModel at {directory}, with available tags "
        f"'{available}'. To inspect available tag-sets in the SavedModel, read its saved_model.pb."
    )


@export(v1=["saved_model.load", "saved_model.loader.load"])
def load(sess: Any, tags: Any, export_dir: Any, import_scope: str | None = None, **saver_kwargs: Any) -> Any:
    """Loads a SavedModel into a session: adds its graph to the session's, restores variables, initializes tables.

    Args:
      tags: the tags of the graph.
      export_dir: the directory, written by TF 1 or TF 2.
      import_scope: a prefix for all names.

    Returns:
      The MetaGraphDef.

    Raises:
      RuntimeError: there is no graph with these tags.
      OSError: there is no SavedModel, or it is damaged.
    """
    directory = os.fspath(export_dir)
    directory = directory.decode() if isinstance(directory, bytes) else directory
    meta = _with_tags(read_saved_model(directory), tags, directory)
    with sess.graph.as_default():
        add_meta_graph(meta, import_scope=import_scope)
    _restore(sess, meta, directory, import_scope)
    return meta


def _restore(sess: Any, meta: Any, directory: str, import_scope: str | None) -> None:
    def scoped(name: str) -> str:
        return f"{import_scope}/{name}" if import_scope else name

    prefix = variables_prefix(directory)
    if meta.HasField("saver_def") and os.path.exists(prefix + ".index"):
        saver = meta.saver_def
        sess.run(scoped(saver.restore_op_name), {scoped(saver.filename_tensor_name): prefix})
    feeds = {
        scoped(each.tensor_info.name): os.path.join(directory, "assets", each.filename)
        for each in meta.asset_file_def
    }
    for name in _init_ops(meta):
        sess.run(scoped(name), feeds)


def _init_ops(meta: Any) -> list[str]:
    """The names of the operations that initialize a loaded graph."""
    if INIT_OP_SIGNATURE in meta.signature_def:
        return [meta.signature_def[INIT_OP_SIGNATURE].outputs[INIT_OP_SIGNATURE].name]
    for key in (MAIN_OP_KEY, LEGACY_INIT_OP_KEY):
        if key in meta.collection_def:
            return list(meta.collection_def[key].node_list.value)
    return []


# As an object, for TF 2.


class _LoadedGraph(AutoTrackable):
    """A SavedModel of TF 1: its signatures as functions, its variables as eager variables."""

    def prune(self, feeds: Any, fetches: Any, name: str | None = None, input_signature: Any = None) -> Any:
        """A function from tensors of the loaded graph to others, given by their names: structures of them."""
        graph = self.graph
        keywords = sorted(feeds) if isinstance(feeds, Mapping) else None
        flat = [graph.as_graph_element(each) for each in nest.flatten(feeds)]
        found = nest.map_structure(graph.as_graph_element, fetches)
        return self._cut_out(flat, found, name or "pruned", keywords)

    def _cut_out(self, feeds: list, fetches: Any, name: str, keywords: Any) -> Any:
        function = cut_out(self.graph, feeds, fetches, name, self._outside, keywords)
        for variable in self.variables:
            if any(outside is variable.handle for outside in function.graph.external_captures):
                function.graph.watch_variable(variable)
        return function


def load_as_object(directory: str, message: Any, tags: Any) -> Any:
    """What `tf.saved_model.load` gives for a SavedModel without objects."""
    if tags is None:
        if len(message.meta_graphs) != 1:
            options = [list(meta.meta_info_def.tags) for meta in message.meta_graphs]
            raise ValueError(
                "Importing a SavedModel with `tf.saved_model.load` requires a `tags` argument if there is more than one "
                f"MetaGraph. Got `tags=None`, but there are {len(options)} MetaGraphs in the SavedModel with tag sets: "
                f"{options}. Pass a `tags=` argument to load this SavedModel."
            )
        meta = message.meta_graphs[0]
    else:
        meta = _with_tags(message, tags, directory)
    graph = Graph()
    session = Session(graph=graph)
    with graph.as_default():
        add_meta_graph(meta)
    _restore(session, meta, directory, None)
    with context.building(None):
        outside, variables = _eager_resources(session, graph)
    session.close()
    root = _LoadedGraph()
    root.__dict__["graph"], root.__dict__["_outside"] = graph, outside
    root.variables = variables
    signatures = SignatureMap()
    for name, signature in meta.signature_def.items():
        if name != INIT_OP_SIGNATURE:
            keywords = sorted(signature.inputs)
            feeds = [get_tensor_from_tensor_info(signature.inputs[key], graph) for key in keywords]
            fetches = {
                key: get_tensor_from_tensor_info(info, graph) for key, info in signature.outputs.items()
            }
            signatures._add_signature(name, root._cut_out(feeds, fetches, name, keywords))
    root.signatures = signatures
    root.tensorflow_version = meta.meta_info_def.tensorflow_version
    root.tensorflow_git_version = meta.meta_info_def.tensorflow_git_version
    return root


def _eager_resources(session: Session, graph: Graph) -> tuple[dict[int, EagerTensor], list[Variable]]:
    """id(handle in a graph) -> the eager tensor for it, and the eager variables among them."""
    trainable = {each.handle.op.name for each in graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)}
    outside: dict[int, EagerTensor] = {}
    variables = []
    outer, thread.resources = thread.resources, session.resources
    try:
        for operation in graph.get_operations():
            if (
                operation.inputs
                or len(operation.outputs) != 1
                or operation.outputs[0].dtype is not dtypes.resource
            ):
                continue
            definition = operation.definition
            found = definition.numpy_body(**definition.attrs_for_kernel(operation.attrs))
            if isinstance(found, State):
                if not found.is_initialized:
                    continue
                name = operation.attrs.get("shared_name") or operation.name
                variable = Variable(
                    np.asarray(found.read()), trainable=operation.name in trainable, name=name
                )
                variables.append(variable)
                outside[id(operation.outputs[0])] = variable.handle
            else:
                outside[id(operation.outputs[0])] = EagerTensor(found, dtypes.resource)
    finally:
        thread.resources = outer
    return outside, variables
