"""`tf.saved_model.load`: the objects of a SavedModel, with their variables, tables, assets and functions."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine import context
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.graph.graph_def_import import Added, GraphReader
from penstock.graph.lifting import init_scope
from penstock.graph.tensor_proto import array_of_proto, shape_of_proto
from penstock.io.tensor_bundle import BundleReader
from penstock.ops.asset import Asset
from penstock.ops.trackable_resource import TrackableResource
from penstock.ops.variables.creation import VariableAggregation, VariableSynchronization
from penstock.ops.variables.variable import Variable
from penstock.saving.object_graph import OBJECT_GRAPH_KEY, VARIABLE_VALUE
from penstock.saving.restored_function import RestoredFunction
from penstock.saving.saved_model_files import MODEL_FILE, read_saved_model, variables_prefix
from penstock.saving.saved_model_options import LoadOptions
from penstock.saving.saved_nodes import SignatureMap, captured_tensor
from penstock.saving.structured_values import decode
from penstock.tracing.concrete_function import ConcreteFunction
from penstock.types import nest
from penstock.types.data_structures import ListWrapper, _DictWrapper, _TupleWrapper
from penstock.types.dtypes import as_dtype
from penstock.types.specs import TensorSpec, TypeSpec
from penstock.types.tensors import EagerTensor
from penstock.types.trackable import AutoTrackable


@export("saved_model.load", v1=["saved_model.load_v2"])
def load(export_dir: Any, tags: Any = None, options: LoadOptions | None = None) -> Any:
    """Loads a SavedModel that Penstock or TensorFlow has written.

    Args:
      export_dir: the directory.
      tags: the tags of the part to load, where a TF 1 model has several.
      options: a `tf.saved_model.LoadOptions`.

    Returns:
      An object with the attributes of the saved one: variables, tables, functions (the traces that were saved), and
      `signatures`, a map from names to concrete functions. Gradients flow through the functions.

    Raises:
      OSError: there is no SavedModel, or a file is damaged.
      ValueError: the tags do not match.

    Example:
      >>> import tempfile
      >>> import penstock as tf
      >>> module = tf.Module()
      >>> module.double = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec([], tf.float32)])
      >>> directory = tempfile.mkdtemp()
      >>> tf.saved_model.save(module, directory)
      >>> loaded = tf.saved_model.load(directory)
      >>> loaded.double(21.0).numpy(), list(loaded.signatures)
      (np.float32(42.0), ['serving_default'])
    """
    directory = os.fspath(export_dir)
    directory = directory.decode() if isinstance(directory, bytes) else directory
    options = options or LoadOptions()
    if isinstance(tags, str):
        tags = [tags]
    message = read_saved_model(directory)
    meta = message.meta_graphs[0]
    if len(message.meta_graphs) != 1 or not meta.HasField("object_graph_def"):
        from penstock.saving.saved_model_v1 import load_as_object

        return load_as_object(directory, message, tags)
    if tags is not None and set(tags) != set(meta.meta_info_def.tags):
        raise ValueError(
            f"Got an incompatible argument to `tags`: {sorted(tags)}. The SavedModel at {directory} has one MetaGraph "
            f"with tags {list(meta.meta_info_def.tags)}. You may omit the argument, pass 'None', or pass matching tags."
        )
    with init_scope(), context.building(None):
        root = _Loader(directory, meta, options).load()
    root.tensorflow_version = meta.meta_info_def.tensorflow_version
    root.tensorflow_git_version = meta.meta_info_def.tensorflow_git_version
    return root


class _UserObject(AutoTrackable):
    """A loaded object of a class that the SavedModel does not know. It can be called if the saved one could."""


class _CallableUserObject(_UserObject):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__dict__["__call__"](*args, **kwargs)


class _RestoredResource(TrackableResource):
    """A loaded object that owns a resource: it is made and filled by functions of the SavedModel."""

    def __init__(self, device: str = ""):
        super().__init__(device)
        self.__dict__["_self_functions"] = {}
        self.__dict__["_self_contents"] = None

    def _create_resource(self) -> Any:
        return self.__dict__["_self_functions"]["_create_resource"]()

    def _initialize(self) -> Any:
        return self.__dict__["_self_functions"]["_initialize"]()

    def _add_trackable_child(self, name: str, value: Any) -> None:
        if name in _RESOURCE_FUNCTIONS:
            self.__dict__["_self_functions"][name] = value
        else:
            super()._add_trackable_child(name, value)

    # A table that grows has contents of its own, which two more functions give and take.

    @property
    def _legacy_saveable_name(self) -> str:
        contents = self.__dict__["_self_contents"]
        return contents[0] if contents else ""

    def _serialize_to_tensors(self) -> dict[str, Any]:
        contents = self.__dict__["_self_contents"]
        if contents is None:
            return {}
        found = contents[1](convert_to_tensor(""))
        return {name: each["tensor"] for name, each in zip(contents[3], found)}

    def _restore_from_tensors(self, restored_tensors: dict[str, Any]) -> Any:
        contents = self.__dict__["_self_contents"]
        return contents[2](tuple(restored_tensors[name] for name in contents[3]))


_RESOURCE_FUNCTIONS = ("_create_resource", "_initialize", "_destroy_resource")


def _text(tensor: Any) -> str:
    return tensor.numpy().decode()


class _Loader:
    """One load."""

    def __init__(self, directory: str, meta: Any, options: LoadOptions):
        self._directory, self._meta, self._options = directory, meta, options
        self._file = os.path.join(directory, MODEL_FILE)
        self._keys: dict[int, dict[str, str]] = {}
        self._reader_of_values: Any = None
        self._nodes = meta.object_graph_def.nodes
        self._objects: dict[int, Any] = {}
        self._functions: dict[str, ConcreteFunction] = {}
        self._constants = {node.name: node for node in meta.graph_def.node if node.op == "Const"}
        gradients = {
            each.registered_op_type: self._gradient_maker(each.gradient_func)
            for each in meta.graph_def.library.registered_gradients
        }
        self._reader = GraphReader(meta.graph_def.library, None, gradients)

    def load(self) -> Any:
        """The root object."""
        if not self._nodes:
            raise OSError(f"{self._file} holds no objects.")
        with self._open_checkpoint() as reader:
            self._reader_of_values = reader
            for number in range(len(self._nodes)):
                self._object(number)
            for number, node in enumerate(self._nodes):
                for child in node.children:
                    self._attach(self._objects[number], child.local_name, self._object(child.node_id))
            for number, node in enumerate(self._nodes):
                if node.WhichOneof("kind") == "resource":
                    self._objects[number].resource_handle  # noqa: B018 - it is made now
                    self._objects[number]._initialize()
            for number, node in enumerate(self._nodes):
                if node.WhichOneof("kind") == "resource" and node.saveable_objects:
                    self._restore_contents(number, node)
        root = self._objects[0]
        if self._options.experimental_load_function_aliases:
            root.function_aliases = self._function_aliases()
        return root

    def _function_aliases(self) -> dict[str, Any]:
        """Alias -> the function that was given it when the model was saved."""
        found: dict[str, Any] = {}
        for name, alias in self._meta.meta_info_def.function_aliases.items():
            for number, node in enumerate(self._nodes):
                if name in node.function.concrete_functions:
                    found[alias] = self._objects[number]
            found.setdefault(alias, self._function(name))
        return found

    # The checkpoint.

    def _open_checkpoint(self) -> Any:
        prefix = variables_prefix(self._directory)
        if self._options.experimental_skip_checkpoint or not os.path.exists(prefix + ".index"):
            if any(node.WhichOneof("kind") == "variable" for node in self._nodes):
                self._missing_checkpoint(prefix)
            return contextlib.nullcontext()
        reader = BundleReader(prefix)
        self._keys = self._match_objects(reader)
        return reader

    def _missing_checkpoint(self, prefix: str) -> None:
        if not (self._options.experimental_skip_checkpoint or self._options.allow_partial_checkpoint):
            raise OSError(
                f"The SavedModel at {self._directory} lacks the values of its variables: {prefix}.index"
            )

    def _match_objects(self, reader: BundleReader) -> dict[int, dict[str, str]]:
        """Number of an object -> name -> key of its values: the checkpoint has an object graph with the same names."""
        from tensorboard.compat.proto import trackable_object_graph_pb2

        graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
            reader.read(OBJECT_GRAPH_KEY).item()
        )
        found: dict[int, dict[str, str]] = {}
        waiting, seen = [(0, 0)], {0}
        while waiting:
            number, stored = waiting.pop()
            node = graph.nodes[stored]
            found[number] = {each.name: each.checkpoint_key for each in node.attributes}
            children = {each.local_name: each.node_id for each in node.children}
            for child in self._nodes[number].children:
                if child.local_name in children and child.node_id not in seen:
                    seen.add(child.node_id)
                    waiting.append((child.node_id, children[child.local_name]))
        return found

    def _restore_contents(self, number: int, node: Any) -> None:
        """Gives a resource the contents that it had."""
        thing = self._objects[number]
        for name, functions in node.saveable_objects.items():
            key = self._keys.get(number, {}).get(name)
            give, take = self._object(functions.save_function), self._object(functions.restore_function)
            suffixes = [_text(each["name"]) for each in give(convert_to_tensor(""))]
            thing.__dict__["_self_contents"] = (name, give, take, suffixes)
            if key is None:
                continue
            keys = [_text(each["name"]) for each in give(convert_to_tensor(key))]
            tensors = [
                EagerTensor(self._reader_of_values.read(k), self._reader_of_values.dtype(k)) for k in keys
            ]
            take(tuple(tensors))

    # Objects.

    def _object(self, number: int) -> Any:
        if number not in self._objects:
            if not 0 <= number < len(self._nodes):
                raise OSError(f"{self._file} names an object {number} that it lacks.")
            node = self._nodes[number]
            kind = node.WhichOneof("kind") or "user_object"
            if kind == "variable":
                self._objects[number] = self._make_variable(number, node)
            else:
                self._objects[number] = getattr(self, f"_make_{kind}")(node)
        return self._objects[number]

    def _make_user_object(self, node: Any) -> Any:
        identifier = node.user_object.identifier
        if identifier == "signature_map":
            return SignatureMap()
        if identifier == "trackable_list_wrapper":
            return ListWrapper([])
        if identifier == "trackable_dict_wrapper":
            return _DictWrapper({})
        if identifier == "trackable_tuple_wrapper":
            children = sorted(
                node.children, key=lambda child: int(child.local_name) if child.local_name.isdigit() else -1
            )
            found = [self._object(each.node_id) for each in children if each.local_name.isdigit()]
            return _TupleWrapper(tuple(found))
        can_call = any(child.local_name == "__call__" for child in node.children)
        return _CallableUserObject() if can_call else _UserObject()

    def _make_asset(self, node: Any) -> Any:
        name = self._meta.asset_file_def[node.asset.asset_file_def_index].filename
        return Asset(os.path.join(self._directory, "assets", name))

    def _make_variable(self, number: int, node: Any) -> Any:
        message = node.variable
        dtype, shape = as_dtype(message.dtype), shape_of_proto(message.shape)
        key = self._keys.get(number, {}).get(VARIABLE_VALUE)
        if key is not None:
            value = EagerTensor(self._reader_of_values.read(key), self._reader_of_values.dtype(key))
        else:
            if not (self._options.experimental_skip_checkpoint or self._options.allow_partial_checkpoint):
                raise AssertionError(f"The SavedModel has no value for its variable {message.name!r}.")
            dims = [dim or 0 for dim in shape.as_list()] if shape.rank is not None else []
            value = EagerTensor(np.zeros(dims, dtype.as_numpy_dtype), dtype)
        variable = Variable(
            value,
            trainable=message.trainable,
            name=message.name or None,
            dtype=dtype,
            shape=shape,
            synchronization=VariableSynchronization(message.synchronization),
            aggregation=VariableAggregation(message.aggregation),
        )
        if key is None and getattr(variable, "_state", None) is not None:
            variable._state.assign(None)
        return variable

    def _make_constant(self, node: Any) -> EagerTensor:
        found = self._constants.get(node.constant.operation)
        if found is None:
            raise OSError(f"{self._file} lacks the constant {node.constant.operation!r}.")
        return EagerTensor(array_of_proto(found.attr["value"].tensor), as_dtype(found.attr["dtype"].type))

    def _make_resource(self, node: Any) -> Any:
        return _RestoredResource(node.resource.device)

    def _make_captured_tensor(self, node: Any) -> Any:
        return node.captured_tensor  # found when the function that it belongs to is there

    def _make_function(self, node: Any) -> Any:
        names = list(node.function.concrete_functions)
        clean = _clean_name(names[0]) if names else "restored_function"
        return RestoredFunction(clean, [self._function(name) for name in names], node.function.function_spec)

    def _make_bare_concrete_function(self, node: Any) -> Any:
        message = node.bare_concrete_function
        function = self._function(message.concrete_function_name)
        for placeholder, keyword in zip(function.graph.arguments, message.argument_keywords):
            placeholder.op._user_name = keyword
        function._num_positional_args = message.allowed_positional_arguments
        function._arg_keywords = list(message.argument_keywords)
        return function

    def _attach(self, parent: Any, name: str, child: Any) -> None:
        """Puts a loaded object where its parent had it."""
        if isinstance(
            parent, (ConcreteFunction, RestoredFunction, Asset, Variable, EagerTensor, _TupleWrapper)
        ):
            return
        if isinstance(parent, ListWrapper):
            if name.isdigit():
                position = int(name)
                while len(parent) <= position:
                    parent.append(None)
                parent[position] = child
        elif isinstance(parent, _DictWrapper):
            parent[name] = child
        elif isinstance(parent, _CallableUserObject) and name == "__call__":
            parent.__dict__["__call__"] = child
        elif hasattr(parent, "_add_trackable_child"):
            parent._add_trackable_child(name, child)

    # Functions.

    def _function(self, name: str) -> ConcreteFunction:
        if name not in self._functions:
            self._functions[name] = self._make_concrete(name)
        return self._functions[name]

    def _make_concrete(self, name: str) -> ConcreteFunction:
        message = self._meta.object_graph_def.concrete_functions
        if name not in message:
            raise OSError(f"{self._file} names a function {name!r} that it lacks.")
        saved = message[name]
        definition = self._reader.message(name)
        captured = [self._captured(number) for number in saved.bound_inputs]
        arguments = len(definition.signature.input_arg) - len(captured)
        stand_ins = [None] * arguments + [_Known(each) for each in captured]
        signature = decode(saved.canonicalized_input_signature)
        graph = self._reader.function(name, stand_ins)
        graph.name = _clean_name(name)
        for outside, inside in zip(captured, graph.inputs[arguments:]):
            graph._captures[id(outside)] = (outside, inside)
        for number in saved.bound_inputs:
            thing = self._objects[number]
            if isinstance(thing, Variable):
                graph.watch_variable(thing)
        graph.structured_input_signature = signature
        specs = [
            each for each in nest.flatten(signature, expand_composites=True) if isinstance(each, TensorSpec)
        ]
        for placeholder, spec in zip(graph.arguments, specs):
            placeholder.op._user_name = spec.name or placeholder.op.name
            if placeholder.shape.rank is None:
                placeholder.set_shape(spec.shape)
        structure = decode(saved.output_signature)
        graph.structured_outputs = _packed(structure, graph.outputs)
        return ConcreteFunction(graph)

    def _captured(self, number: int) -> Any:
        """The tensor by which functions use an object."""
        thing = self._object(number)
        if isinstance(thing, EagerTensor):
            return thing
        if isinstance(thing, _RestoredResource):
            for child in self._nodes[number].children:
                if child.local_name in _RESOURCE_FUNCTIONS[:1]:
                    self._attach(thing, child.local_name, self._object(child.node_id))
        found = captured_tensor(thing)
        if found is None:
            raise OSError(f"{self._file}: a function captures the object {number}, which has no tensor.")
        return found

    def _gradient_maker(self, name: str) -> Callable[[Added], Callable]:
        """Makes the gradient rule of a node: a function of the gradients, and of tensors around the node."""

        def make(added: Added) -> Callable:
            def rule(call: Any, *gradients: Any) -> list[Any]:
                from penstock.autodiff.backprop import dense, zeros_like

                saved = self._meta.object_graph_def.concrete_functions[name]
                arrived = [
                    zeros_like(tensor) if each is None else dense(each)
                    for tensor, each in zip(call.outputs, gradients)
                ]
                captured = []
                for number in saved.bound_inputs:
                    node = self._nodes[number]
                    if node.WhichOneof("kind") == "captured_tensor":
                        captured.append(_named_tensor(added, node.captured_tensor.name))
                    else:
                        captured.append(self._captured(number))
                flat = self._reader.call(current_graph(), name, [*arrived, *captured])
                return nest.flatten(_packed(decode(saved.output_signature), flat), expand_composites=True)

            rule.accepts_none = True  # type: ignore[attr-defined]
            return rule

        return make


class _Known:
    """What is known of a captured tensor."""

    def __init__(self, tensor: Any):
        self.handle_data = getattr(tensor, "handle_data", None)
        if self.handle_data is None and not tensor.dtype.is_numpy_compatible:
            self.handle_data = getattr(tensor.host(), "handle_data", None)


def _named_tensor(added: Added, name: str) -> Any:
    """A tensor of a function by the name that it had in the graph from which the function was made."""
    op_name, _, index = name.partition(":")
    if index not in ("", "0"):
        return added.values[f"{op_name}:{index}"]
    argument = re.sub(r"[^a-z0-9_]", "_", op_name.lower())
    return added.values[op_name if op_name in added.values else argument]


def _packed(structure: Any, tensors: Sequence[Any]) -> Any:
    """Flat results in the structure of the specs that a message has for them."""
    filled = iter(tensors)
    flat = []
    for each in nest.flatten(structure, expand_composites=True):
        value = next(filled) if isinstance(each, TypeSpec) else each
        if isinstance(each, TensorSpec) and value.shape.is_compatible_with(each.shape):
            value.set_shape(each.shape)
        flat.append(value)
    return nest.pack_sequence_as(structure, flat, expand_composites=True)


def _clean_name(name: str) -> str:
    """The name that a function had in Python."""
    found = re.match(r"^__inference_(.*)_\d+$", name)
    return found[1] if found else name
