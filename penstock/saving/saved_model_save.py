"""`tf.saved_model.save`: objects, their variables and functions as a SavedModel."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.graph.graph_def import OWN_OPS, FunctionLibrary, plain_name
from penstock.graph.tensor_proto import shape_proto
from penstock.io.tensor_bundle_writer import BundleWriter
from penstock.release import TENSORFLOW_VERSION
from penstock.saving.object_graph import OBJECT_GRAPH_KEY
from penstock.saving.object_values import SavedAttribute, attributes_of, full_name
from penstock.saving.saved_debugging import strip_debugging, write_debug_info
from penstock.saving.saved_gradients import CapturedTensor, gradient_function, operations_with_gradients
from penstock.saving.saved_graph import SavedGraph
from penstock.saving.saved_model_files import (
    ASSETS_KEY,
    INIT_OP_SIGNATURE,
    MAIN_OP_KEY,
    MODEL_FILE,
    copy_assets,
    new_directory,
    saved_model_class,
    variables_prefix,
    write_fingerprint,
)
from penstock.saving.saved_model_options import SaveOptions, VariablePolicy
from penstock.saving.saved_nodes import SavedNodes, SignatureMap, is_resource, is_variable
from penstock.saving.saved_signatures import (
    Signature,
    argument_keywords,
    collect,
    input_specs,
    output_specs,
    wrapper_def,
)
from penstock.saving.structured_values import can_encode, encode
from penstock.tracing.concrete_function import ConcreteFunction
from penstock.tracing.function import Function
from penstock.types import nest
from penstock.types.data_structures import ListWrapper, _DictWrapper, _TupleWrapper
from penstock.types.specs import TensorSpec
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor
from penstock.types.trackable import Trackable

_logger = logging.getLogger("tensorflow")


@export("saved_model.save", v1=["saved_model.save", "saved_model.experimental.save"])
def save(obj: Any, export_dir: Any, signatures: Any = None, options: SaveOptions | None = None) -> None:
    """Saves an object with its variables, tables, assets and functions, so that another program can call them.

    What is saved: `obj`, all trackable objects that it holds, and of every `tf.function` in them the traces that exist
    (one with an input signature is traced now). TensorFlow 2.21 loads what this writes.

    Args:
      obj: a `tf.Module` or another trackable object.
      export_dir: the directory. A new one appears whole or not at all.
      signatures: a `tf.function` with an input signature, a concrete function, or a dict from names to them: what
        servers call. Without it the only function with named outputs is the signature.
      options: a `tf.saved_model.SaveOptions`.

    Raises:
      ValueError: `obj` is not trackable, or a signature is no function of a known signature.
      AssertionError: a function uses a variable or a table that `obj` does not hold.
      FileNotFoundError: an asset does not exist.

    Example:
      >>> import tempfile
      >>> import penstock as tf
      >>> class Scale(tf.Module):
      ...     def __init__(self):
      ...         self.factor = tf.Variable(3.0)
      ...     @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
      ...     def __call__(self, x):
      ...         return x * self.factor
      >>> directory = tempfile.mkdtemp()
      >>> tf.saved_model.save(Scale(), directory)
      >>> tf.saved_model.load(directory)([1.0, 2.0]).numpy()
      array([3., 6.], dtype=float32)
    """
    if thread.graph is not None and thread.graph.building_function:
        raise AssertionError(
            "tf.saved_model.save is not supported inside a traced @tf.function. Move the call to the outer eagerly-"
            "executed context."
        )
    if not isinstance(obj, Trackable):
        raise ValueError(f"Expected an object of type `Trackable`, such as `tf.Module`. Got {obj!r}.")
    options = options or SaveOptions()
    if options.experimental_image_format:
        raise ValueError(
            "experimental_image_format: the split format of models over 2 GB is not written here."
        )
    writer = _Writer(obj, signatures, options)
    with new_directory(os.fspath(export_dir)) as directory:
        writer.write(directory)


class _SignatureNode(Trackable):
    """Stands for a signature among the objects."""

    def __init__(self, name: str, signature: Signature):
        self.name, self.signature = name, signature


class _Writer:
    """One save."""

    def __init__(self, obj: Any, signatures: Any, options: SaveOptions):
        self._options = options
        # A function may make its variables when it is traced, so everything is traced before objects are looked for.
        self._signatures = collect(obj, signatures)
        shown = SignatureMap()
        for name, signature in self._signatures.items():
            shown._add_signature(name, _SignatureNode(name, signature))
        SavedNodes(obj, SignatureMap()).trace_all()
        self._nodes = SavedNodes(obj, shown)
        self._library = FunctionLibrary(expand=True)
        self._concrete: dict[str, tuple[ConcreteFunction, list[int]]] = {}  # name -> (function, captures)
        self._wrappers: dict[str, Any] = {}  # name of a signature -> its FunctionDef

    def write(self, directory: str) -> None:
        """Writes all files."""
        message = saved_model_class()(saved_model_schema_version=1)
        meta = message.meta_graphs.add()
        info = meta.meta_info_def
        info.tags.extend(["serve", *self._options.extra_tags])
        info.tensorflow_version, info.tensorflow_git_version = TENSORFLOW_VERSION, "penstock"
        objects = meta.object_graph_def
        for number, thing in enumerate(self._nodes.objects):
            self._fill_node(objects.nodes.add(), number, thing)
        self._fill_aliases(info)
        self._add_gradients(meta.graph_def.library)
        for name, (concrete, bound) in self._concrete.items():
            _fill_concrete(objects.concrete_functions[name], concrete, bound)
        while len(objects.nodes) < len(self._nodes.objects):  # constants that functions capture
            number = len(objects.nodes)
            self._fill_node(objects.nodes.add(), number, self._nodes.objects[number])
        self._fill_graph(meta, objects)
        self._write_assets(meta, objects, directory)
        self._write_variables(directory)
        if self._options.save_debug_info:
            graphs = {name: concrete.graph for name, (concrete, _) in self._concrete.items()}
            write_debug_info(directory, graphs)
        with open(os.path.join(directory, MODEL_FILE), "wb") as file:
            file.write(message.SerializeToString(deterministic=True))
        write_fingerprint(directory, message)

    # Objects.

    def _fill_node(self, node: Any, number: int, thing: Any) -> None:
        for name, child in self._nodes.children[number].items():
            node.children.add(node_id=child, local_name=name)
        if is_variable(thing):
            self._fill_variable(node.variable, thing)
        elif isinstance(thing, Function):
            names = [self._add_concrete(each) for each in _traces(thing)]
            node.function.concrete_functions.extend(names)
            _fill_function_spec(node.function.function_spec, thing)
        elif isinstance(thing, ConcreteFunction):
            node.bare_concrete_function.concrete_function_name = self._add_concrete(thing)
            keywords = argument_keywords(thing)
            node.bare_concrete_function.argument_keywords.extend(keywords)
            node.bare_concrete_function.allowed_positional_arguments = len(keywords)
        elif isinstance(thing, _SignatureNode):
            self._fill_signature(node.bare_concrete_function, thing)
        elif is_resource(thing):
            node.resource.device = getattr(thing, "_resource_device", "") or ""
            if number in self._nodes.contents:
                name, give, take = self._nodes.contents[number]
                node.saveable_objects[name].save_function = give
                node.saveable_objects[name].restore_function = take
        elif hasattr(thing, "asset_path"):
            node.asset.asset_file_def_index = 0  # set when the assets are written
        elif isinstance(thing, CapturedTensor):
            node.captured_tensor.name, node.captured_tensor.concrete_function = thing
        elif isinstance(thing, EagerTensor):
            node.constant.operation = ""  # set when the graph is made
        else:
            _fill_user_object(node.user_object, thing)

    def _fill_variable(self, message: Any, variable: Any) -> None:
        message.dtype = variable.dtype.as_datatype_enum
        message.shape.CopyFrom(shape_proto(variable.shape))
        message.trainable = bool(variable.trainable)
        message.synchronization = _enum_value(variable.synchronization)
        message.aggregation = _enum_value(variable.aggregation)
        message.name = variable._shared_name
        if self._options.experimental_variable_policy is VariablePolicy.SAVE_VARIABLE_DEVICES:
            message.device = variable.device or ""

    def _fill_signature(self, message: Any, node: _SignatureNode) -> None:
        called = self._add_concrete(node.signature.function)
        name = f"__inference_signature_wrapper_{len(self._wrappers)}_{called.removeprefix('__inference_')}"
        self._wrappers[node.name] = wrapper_def(name, called, node.signature)
        message.concrete_function_name = name
        message.argument_keywords.extend(sorted(node.signature.inputs))
        message.allowed_positional_arguments = 0 if len(node.signature.inputs) > 1 else 1

    def _fill_aliases(self, info: Any) -> None:
        for alias, function in self._options.function_aliases.items():
            traces = _traces(function) if isinstance(function, Function) else [function]
            for each in traces:
                info.function_aliases[self._add_concrete(each)] = alias

    # Functions.

    def _add_concrete(self, concrete: ConcreteFunction) -> str:
        name = self._library.name(concrete.graph)
        if name not in self._concrete:
            self._concrete[name] = (concrete, self._captures_of(concrete))
        return name

    def _captures_of(self, concrete: ConcreteFunction) -> list[int]:
        found = []
        for outside, inside in concrete.graph.captures:
            if isinstance(outside, SymbolicTensor):
                found.append(
                    self._nodes.add(CapturedTensor(_saved_name(outside), self._library.name(outside.graph)))
                )
                continue
            number = self._nodes.number_of_capture(outside)
            if number is None:
                raise AssertionError(
                    "Tried to export a function which references an 'untracked' resource. TensorFlow objects (e.g. "
                    "tf.Variable) captured by functions must be 'tracked' by assigning them to an attribute of a "
                    "tracked object or assigned to an attribute of the main object directly. See the information "
                    f"below:\n\tFunction name = {concrete.name}\n\tCaptured Tensor = {outside!r} ({inside.name})"
                    f"{_what_it_is(concrete, outside)}"
                )
            found.append(number)
        return found

    def _add_gradients(self, library: Any) -> None:
        """Saves the gradients that users gave; one that cannot be saved gets a name that nobody knows.

        Gradients may have gradients without end (those of `jax2tf` do): the second ones are the last that are saved.
        """
        done: set[str] = set()
        order: dict[str, int] = {}  # function -> of which order it is a gradient; 0 for those of the program
        while len(done) < len(self._concrete):
            name = next(each for each in self._concrete if each not in done)
            done.add(name)
            for operation, is_nested in operations_with_gradients(self._concrete[name][0].graph):
                kind = f"CustomGradient-{len(self._library.custom_gradients)}"
                self._library.custom_gradients[id(operation)] = kind
                last = order.get(name, 0) == 2
                if last or is_nested or not self._options.experimental_custom_gradients:
                    continue
                gradient = self._add_concrete(gradient_function(operation))
                order[gradient] = order.get(name, 0) + 1
                library.registered_gradients.add(registered_op_type=kind, gradient_func=gradient)

    # The graph.

    def _fill_graph(self, meta: Any, objects: Any) -> None:
        graph = SavedGraph(self._nodes, not self._options.experimental_skip_saver)
        functions = {each.signature.name: each for each in self._library.messages()}
        if self._options.experimental_debug_stripper:
            strip_debugging(functions.values())
        _warn_of_own_ops(functions.values())
        for wrapper in self._wrappers.values():
            functions[wrapper.signature.name] = wrapper
        for number, name in graph.names.items():
            if isinstance(self._nodes.objects[number], EagerTensor):
                objects.nodes[number].constant.operation = name.removesuffix(":0")
        for name, signature in self._signatures.items():
            called = self._library.name(signature.function.graph)
            bound = self._concrete[called][1]
            wrapper = self._wrappers[name]
            meta.signature_def[name].CopyFrom(graph.add_signature(name, signature, wrapper, bound))
            entry = objects.concrete_functions[wrapper.signature.name]
            entry.bound_inputs.extend(bound)
            entry.canonicalized_input_signature.CopyFrom(encode(((), input_specs(signature))))
            entry.output_signature.CopyFrom(encode(output_specs(signature)))
        init_op = graph.add_init_op(self._initializing_calls(graph, functions))
        meta.signature_def[INIT_OP_SIGNATURE].outputs[INIT_OP_SIGNATURE].name = init_op
        meta.signature_def[INIT_OP_SIGNATURE].outputs[INIT_OP_SIGNATURE].tensor_shape.unknown_rank = True
        meta.collection_def[MAIN_OP_KEY].node_list.value.append(init_op)
        if graph.saver is not None:
            saver = meta.saver_def
            saver.filename_tensor_name, saver.save_tensor_name, saver.restore_op_name = graph.saver
            saver.version = saver.V2
        gradients = list(meta.graph_def.library.registered_gradients)
        meta.graph_def.CopyFrom(graph.message)
        meta.graph_def.library.registered_gradients.extend(gradients)
        meta.graph_def.library.function.extend(functions.values())
        self._graph = graph

    def _initializing_calls(self, graph: SavedGraph, functions: dict[str, Any]) -> list[str]:
        calls = []
        for number, thing in enumerate(self._nodes.objects):
            if not is_resource(thing):
                continue
            function = self._nodes.objects[self._nodes.children[number]["_initialize"]]
            for concrete in _traces(function):
                name = self._library.name(concrete.graph)
                calls.append(graph.add_call(functions[name], self._concrete[name][1]))
        return calls

    # Files.

    def _write_assets(self, meta: Any, objects: Any, directory: str) -> None:
        names = copy_assets([path for _, _, path in self._graph.assets], directory)
        for index, ((number, tensor, _), name) in enumerate(zip(self._graph.assets, names)):
            definition = meta.asset_file_def.add(filename=name)
            definition.tensor_info.name = tensor
            objects.nodes[number].asset.asset_file_def_index = index
            meta.collection_def[ASSETS_KEY].any_list.value.add().Pack(definition)

    def _write_variables(self, directory: str) -> None:
        from tensorboard.compat.proto import trackable_object_graph_pb2

        message = trackable_object_graph_pb2.TrackableObjectGraph()
        with BundleWriter(variables_prefix(directory)) as writer:
            for number, thing in enumerate(self._nodes.objects):
                node = message.nodes.add()
                for name, child in self._nodes.children[number].items():
                    node.children.add(node_id=child, local_name=name)
                if isinstance(thing, (Function, ConcreteFunction, EagerTensor, CapturedTensor)):
                    continue
                for attribute in attributes_of(thing, self._nodes.paths[number]):
                    _write_attribute(writer, node, thing, attribute)
                node.has_checkpoint_values.value = bool(node.attributes)
            writer.add(OBJECT_GRAPH_KEY, _bytes(message.SerializeToString(deterministic=True)))


def _bytes(value: bytes) -> np.ndarray:
    array = np.empty((), object)
    array[()] = value
    return array


def _write_attribute(writer: BundleWriter, node: Any, thing: Any, attribute: SavedAttribute) -> None:
    node.attributes.add(name=attribute.name, full_name=full_name(thing), checkpoint_key=attribute.key)
    for each in attribute.tensors:
        value = each.tensor.value() if is_variable(each.tensor) else each.tensor
        writer.add(each.key, np.asarray(value.host() if isinstance(value, Tensor) else value))


def _saved_name(tensor: SymbolicTensor) -> str:
    """The name that a tensor of a function has where the function is loaded."""
    if any(tensor is each for each in tensor.graph.inputs):
        return f"{plain_name(tensor.op.name)}:0"
    return tensor.name


def _enum_value(value: Any) -> int:
    return int(getattr(value, "value", value) or 0)


def _what_it_is(concrete: ConcreteFunction, handle: Any) -> str:
    for variable in concrete.graph.variables:
        if getattr(variable, "handle", None) is handle:
            return f"\n\tTrackable referencing this tensor = {variable!r}"
    return ""


_WRAPPERS = {
    ListWrapper: "trackable_list_wrapper",
    _DictWrapper: "trackable_dict_wrapper",
    _TupleWrapper: "trackable_tuple_wrapper",
}


def _fill_user_object(message: Any, thing: Any) -> None:
    wrappers = (name for kind, name in _WRAPPERS.items() if isinstance(thing, kind))
    message.identifier = next(wrappers, getattr(thing, "_object_identifier", "_generic_user_object"))
    message.version.producer = message.version.min_consumer = 1


def _warn_of_own_ops(functions: Iterable[Any]) -> None:
    own = {node.op for function in functions for node in function.node_def} & OWN_OPS
    if own:
        _logger.warning(
            "The SavedModel uses ops that TensorFlow does not have, so only Penstock can load it: %s.",
            ", ".join(sorted(own)),
        )


# Functions as messages.


def _traces(function: Function) -> list[ConcreteFunction]:
    """The traces of a function that a SavedModel can hold: each once, none that belongs to an outer graph."""
    found = {id(each.graph): each for each in function._list_all_concrete_functions_for_serialization()}
    return [
        each
        for each in found.values()
        if all(isinstance(outside, EagerTensor) for outside in each.graph.external_captures)
        and can_encode(each.structured_input_signature)
    ]


def _fill_concrete(message: Any, concrete: ConcreteFunction, bound: Sequence[int]) -> None:
    message.bound_inputs.extend(bound)
    signature = concrete.structured_input_signature
    if signature is None:
        signature = ((), {})
    message.canonicalized_input_signature.CopyFrom(
        encode(_with_names(signature, argument_keywords(concrete)))
    )
    message.output_signature.CopyFrom(encode(_output_structure(concrete)))


def _with_names(signature: Any, keywords: Sequence[str]) -> Any:
    """An input signature whose tensor specs have the names of the arguments."""
    names = iter(keywords)

    def named(spec: Any) -> Any:
        if type(spec) is TensorSpec:
            return TensorSpec(spec.shape, spec.dtype, next(names, None))
        if hasattr(spec, "_component_specs"):
            for _ in nest.flatten(spec._component_specs, expand_composites=True):
                next(names, None)
        return spec

    return nest.map_structure(named, signature)


def _output_structure(concrete: ConcreteFunction) -> Any:
    def spec_of(value: Any) -> Any:
        if isinstance(value, Tensor):
            return TensorSpec(value.shape, value.dtype)
        return getattr(value, "_type_spec", value)

    outputs = concrete.graph.structured_outputs
    return nest.map_structure(spec_of, outputs)


def _fill_function_spec(message: Any, function: Function) -> None:
    parameters = list(function.function_spec.signature.parameters.values())
    kinds = inspect.Parameter
    positional = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    keyword_only = [p for p in parameters if p.kind is kinds.KEYWORD_ONLY]
    defaults = [p.default for p in positional if p.default is not kinds.empty]
    keyword_defaults = {p.name: p.default for p in keyword_only if p.default is not kinds.empty}
    fields = {
        "args": [p.name for p in positional],
        "varargs": next((p.name for p in parameters if p.kind is kinds.VAR_POSITIONAL), None),
        "varkw": next((p.name for p in parameters if p.kind is kinds.VAR_KEYWORD), None),
        "defaults": tuple(each if can_encode(each) else None for each in defaults) if defaults else None,
        "kwonlyargs": [p.name for p in keyword_only],
        "kwonlydefaults": {name: v if can_encode(v) else None for name, v in keyword_defaults.items()} or None,
        "annotations": {},
    }  # fmt: skip
    message.fullargspec.named_tuple_value.name = "FullArgSpec"
    for name, value in fields.items():
        message.fullargspec.named_tuple_value.values.add(key=name).value.CopyFrom(encode(value))
    signature = function.input_signature
    message.input_signature.CopyFrom(encode(signature if can_encode(signature) else None))
    message.is_method = False
    message.jit_compile = {None: 0, True: 1, False: 2}[function._jit_compile]
