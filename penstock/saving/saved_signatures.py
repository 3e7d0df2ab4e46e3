"""Signatures of a SavedModel: functions with named tensors as arguments and a dict of tensors as result.

In the message each is a wrapper: a function that calls the traced function and gives its outputs their names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from penstock.graph.tensor_proto import shape_proto
from penstock.saving.saved_model_files import INIT_OP_SIGNATURE
from penstock.tracing.concrete_function import ConcreteFunction
from penstock.tracing.function import Function
from penstock.types import nest
from penstock.types.specs import TensorSpec
from penstock.types.tensors import Tensor

_DEFAULT = "serving_default"


class Signature(NamedTuple):
    """A function with named inputs and outputs.

    Attributes:
      function: the traced function. inputs: the name of each of its arguments.
      outputs: name -> position among its flat outputs.
    """

    function: ConcreteFunction
    inputs: list[str]
    outputs: dict[str, int]


def argument_keywords(function: ConcreteFunction) -> list[str]:
    """A unique name for each argument of a function, by which it can be passed."""
    names: list[str] = []
    for placeholder in function.graph.arguments:
        wanted = getattr(placeholder.op, "_user_name", None) or placeholder.op.name
        name, count = wanted, 0
        while name in names:
            count += 1
            name = f"{wanted}_{count}"
        names.append(name)
    return names


def collect(root: Any, signatures: Any) -> dict[str, Signature]:
    """The signatures to save, by name.

    Args:
      root: the object that is saved. signatures: what the caller gave: a function, a dict of functions, or None.

    Raises:
      ValueError: one is no function of the kind that a signature can be, or takes the name of TensorFlow's own.
    """
    if signatures is None:
        found = _only_function(root)
        signatures = {} if found is None else {_DEFAULT: found}
    if not isinstance(signatures, Mapping):
        signatures = {_DEFAULT: signatures}
    result = {}
    for name, function in signatures.items():
        if name == INIT_OP_SIGNATURE:
            raise ValueError(f'"{INIT_OP_SIGNATURE}" is reserved for the SavedModel initialization op.')
        if not isinstance(name, str):
            raise ValueError(f"Signature keys must be strings, got {name!r}.")
        concrete = _concrete(function)
        if concrete is None:
            raise ValueError(
                f"Expected a TensorFlow function for which to generate a signature, but got {function!r}. Only "
                "`tf.functions` with an input signature or concrete functions can be used as a signature."
            )
        result[name] = Signature(concrete, argument_keywords(concrete), _named_outputs(name, concrete))
    return result


def _only_function(root: Any) -> Any:
    """The function that is the signature where the caller names none: the only one that can be."""
    children = root._trackable_children("savedmodel")
    try:
        default = children.get("_default_save_signature") or getattr(root, "_default_save_signature", None)
        if default is not None and _concrete(default) is not None:
            return default
    except TypeError:
        pass  # Keras has a default for a model with several inputs that cannot be made, or traced
    possible = []
    for child in children.values():
        if isinstance(child, (Function, ConcreteFunction)):
            concrete = _concrete(child)
            if concrete is not None and _has_named_outputs(concrete):
                possible.append(concrete)
    return possible[0] if len(possible) == 1 else None


def _concrete(function: Any) -> ConcreteFunction | None:
    if isinstance(function, ConcreteFunction):
        return function
    if not isinstance(function, Function):
        return None
    if function.input_signature is not None:
        return function.get_concrete_function()
    traces = function._list_all_concrete_functions()
    return traces[0] if len(traces) == 1 else None


def _has_named_outputs(concrete: ConcreteFunction) -> bool:
    try:
        _named_outputs("", concrete)
    except ValueError:
        return False
    return True


def _named_outputs(name: str, concrete: ConcreteFunction) -> dict[str, int]:
    outputs = concrete.graph.structured_outputs
    if outputs is None or isinstance(outputs, Tensor):
        outputs = {} if outputs is None else {"output_0": outputs}
    elif isinstance(outputs, (list, tuple)) and not hasattr(outputs, "_fields"):
        outputs = {f"output_{index}": each for index, each in enumerate(outputs)}
    elif hasattr(outputs, "_asdict"):
        outputs = outputs._asdict()
    if not isinstance(outputs, Mapping):
        raise ValueError(
            f"Got a dictionary containing non-Tensor value {outputs!r} in the output of the function {concrete.name} "
            "used to generate a SavedModel signature."
        )
    positions = {id(each): index for index, each in enumerate(concrete.graph.outputs)}
    named = {}
    for key, value in outputs.items():
        if not isinstance(key, str):
            raise ValueError(
                f"Got a dictionary with a non-string key {key!r} in the output of the function {concrete.name} used to "
                f"generate the SavedModel signature {name!r}."
            )
        if value is None:
            continue
        if not isinstance(value, Tensor):
            parts = nest.flatten(value, expand_composites=True)
            raise ValueError(
                f"Got a non-Tensor value {value!r} (of {len(parts)} tensors) for key {key!r} in the output of the function "
                f"{concrete.name} used to generate the SavedModel signature {name!r}. Outputs for functions used as "
                "signatures must be a single Tensor, a sequence of Tensors, or a dictionary from string to Tensor."
            )
        named[key] = positions[id(value)]
    return named


def wrapper_def(name: str, called: str, signature: Signature) -> Any:
    """The FunctionDef of a signature: it calls the function `called`, and orders what comes out by name."""
    from tensorboard.compat.proto import function_pb2

    graph = signature.function.graph
    message = function_pb2.FunctionDef()
    message.signature.name = name
    message.signature.is_stateful = True
    node = message.node_def.add(name="StatefulPartitionedCall", op="StatefulPartitionedCall")
    node.attr["f"].func.name = called
    keywords = iter(signature.inputs)
    arguments = len(graph.arguments)
    node.attr["Tin"].list.SetInParent()
    node.attr["Tout"].list.SetInParent()
    for index, tensor in enumerate(graph.inputs):
        argument = message.signature.input_arg.add()
        argument.name = re.sub(r"\W", "_", next(keywords)) if index < arguments else f"unknown_{index}"
        argument.type = tensor.dtype.as_datatype_enum
        shapes = message.arg_attr[index].attr["_output_shapes"].list
        shapes.shape.append(shape_proto(tensor.shape))
        node.input.append(argument.name)
        node.attr["Tin"].list.type.append(argument.type)
    for tensor in graph.outputs:
        node.attr["Tout"].list.type.append(tensor.dtype.as_datatype_enum)
    for position, (_, index) in enumerate(sorted(signature.outputs.items())):
        kind = graph.outputs[index].dtype.as_datatype_enum
        key = f"identity_{position}" if position else "identity"
        copy = message.node_def.add(name=f"Identity_{position}", op="Identity")
        copy.input.append(f"{node.name}:output:{index}")
        copy.attr["T"].type = kind
        message.signature.output_arg.add(name=key, type=kind)
        message.ret[key] = f"{copy.name}:output:0"
    message.signature.control_output.append(node.name)
    message.control_ret[node.name] = node.name
    return message


def input_specs(signature: Signature) -> dict[str, TensorSpec]:
    """Name -> spec of the inputs."""
    return {
        name: TensorSpec(each.shape, each.dtype, name)
        for name, each in zip(signature.inputs, signature.function.graph.arguments)
    }


def output_specs(signature: Signature) -> dict[str, TensorSpec]:
    """Name -> spec of the outputs, in the order of the names."""
    outputs = signature.function.graph.outputs
    return {
        name: TensorSpec(outputs[index].shape, outputs[index].dtype, name)
        for name, index in sorted(signature.outputs.items())
    }
