"""Python structures of specs and values as StructuredValue messages, and back.

SavedModels keep with these the arguments and results of functions.
"""

from __future__ import annotations

import collections
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.graph.tensor_proto import array_of_proto, shape_of_proto, shape_proto, tensor_proto
from penstock.types import type_spec
from penstock.types.dtypes import DType, as_dtype, dtype_of_array
from penstock.types.shapes import TensorShape
from penstock.types.specs import BoundedTensorSpec, TensorSpec, TypeSpec
from penstock.types.tensors import EagerTensor, Tensor

# The kinds of specs that messages know by number -> where their class is, and its name there.
_SPEC_CLASSES: dict[str, tuple[str, str]] = {
    "SPARSE_TENSOR_SPEC": ("penstock.types.sparse_tensor", "SparseTensorSpec"),
    "INDEXED_SLICES_SPEC": ("penstock.types.indexed_slices", "IndexedSlicesSpec"),
    "RAGGED_TENSOR_SPEC": ("penstock.ops.ragged.spec", "RaggedTensorSpec"),
    "TENSOR_ARRAY_SPEC": ("penstock.ops.tensor_array", "TensorArraySpec"),
    "DATA_ITERATOR_SPEC": ("penstock.data.iterator", "IteratorSpec"),
    "OPTIONAL_SPEC": ("penstock.data.optional", "OptionalSpec"),
    "VARIABLE_SPEC": ("penstock.types.specs", "VariableSpec"),
    "ROW_PARTITION_SPEC": ("penstock.ops.ragged.row_partition", "RowPartitionSpec"),
}


class NotStructuredError(TypeError):
    """A value that messages have no form for."""


def encode(value: Any) -> Any:
    """A structure as a StructuredValue.

    Args:
      value: lists, tuples, named tuples and dicts of numbers, strings, None, dtypes, shapes, specs and tensors.

    Raises:
      NotStructuredError: it holds something else.
    """
    from tensorboard.compat.proto import struct_pb2

    message = struct_pb2.StructuredValue()
    _fill(message, value)
    return message


def can_encode(value: Any) -> bool:
    """Whether `encode` takes a structure."""
    try:
        encode(value)
    except NotStructuredError:
        return False
    return True


def _fill(message: Any, value: Any) -> None:
    if value is None:
        message.none_value.SetInParent()
    elif isinstance(value, (bool, np.bool_)):
        message.bool_value = bool(value)
    elif isinstance(value, (int, np.integer)):
        message.int64_value = int(value)
    elif isinstance(value, (float, np.floating)):
        message.float64_value = float(value)
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, DType):
        message.tensor_dtype_value = value.as_datatype_enum
    elif isinstance(value, TensorShape):
        message.tensor_shape_value.CopyFrom(shape_proto(value))
    elif isinstance(value, Tensor) and not isinstance(value, EagerTensor):
        _fill_tensor_spec(message.tensor_spec_value, TensorSpec(value.shape, value.dtype))
    elif isinstance(value, EagerTensor):
        message.tensor_value.CopyFrom(tensor_proto(value.numpy(), value.dtype))
    elif isinstance(value, np.ndarray):
        message.numpy_value.CopyFrom(tensor_proto(value, dtype_of_array(value)))
    elif isinstance(value, BoundedTensorSpec):
        _fill_tensor_spec(message.bounded_tensor_spec_value, value)
        message.bounded_tensor_spec_value.minimum.CopyFrom(tensor_proto(value.minimum, value.dtype))
        message.bounded_tensor_spec_value.maximum.CopyFrom(tensor_proto(value.maximum, value.dtype))
    elif type(value) is TensorSpec:
        _fill_tensor_spec(message.tensor_spec_value, value)
    elif isinstance(value, TypeSpec):
        _fill_type_spec(message.type_spec_value, value)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        message.named_tuple_value.name = type(value).__name__
        for name in value._fields:
            pair = message.named_tuple_value.values.add(key=name)
            _fill(pair.value, getattr(value, name))
    elif isinstance(value, tuple):
        message.tuple_value.SetInParent()
        for each in value:
            _fill(message.tuple_value.values.add(), each)
    elif isinstance(value, list):
        message.list_value.SetInParent()
        for each in value:
            _fill(message.list_value.values.add(), each)
    elif isinstance(value, collections.abc.Mapping) and all(isinstance(key, str) for key in value):
        message.dict_value.SetInParent()
        for key, each in value.items():
            _fill(message.dict_value.fields[key], each)
    else:
        raise NotStructuredError(f"No encoder for {value!r} of type {type(value)}.")


def _fill_tensor_spec(message: Any, spec: Any) -> None:
    message.shape.CopyFrom(shape_proto(spec.shape))
    message.dtype = spec.dtype.as_datatype_enum
    message.name = spec.name or ""


def _fill_type_spec(message: Any, spec: Any) -> None:
    from tensorboard.compat.proto import struct_pb2

    kinds = struct_pb2.TypeSpecProto
    name = type(spec).__name__
    kind = next((key for key, (_, known) in _SPEC_CLASSES.items() if known == name), None)
    if kind is not None:
        message.type_spec_class = getattr(kinds, kind)
        message.type_spec_class_name = name
    elif hasattr(type(spec), "_tf_extension_type_fields") or name.startswith("AnonymousExtension"):
        message.type_spec_class = kinds.EXTENSION_TYPE_SPEC
        message.type_spec_class_name = f"{type(spec).__module__}.{type(spec).__qualname__}"
    else:
        try:
            message.type_spec_class_name = type_spec.get_name(type(spec))
        except ValueError as error:
            raise NotStructuredError(str(error)) from None
        message.type_spec_class = kinds.REGISTERED_TYPE_SPEC
    _fill(message.type_state, tuple(spec._serialize()))
    message.num_flat_components = len(_flat_components(spec))


def _flat_components(spec: Any) -> list[Any]:
    from penstock.types import nest

    return nest.flatten(spec._component_specs, expand_composites=True)


# Back.


def decode(message: Any) -> Any:
    """The structure in a StructuredValue.

    Raises:
      ValueError: the message holds a spec of a class that is unknown here.
    """
    kind = message.WhichOneof("kind")
    return _DECODERS[kind](getattr(message, kind)) if kind else None


def _tensor_spec(message: Any) -> TensorSpec:
    return TensorSpec(shape_of_proto(message.shape), as_dtype(message.dtype), message.name or None)


def _bounded_spec(message: Any) -> BoundedTensorSpec:
    return BoundedTensorSpec(
        shape_of_proto(message.shape),
        as_dtype(message.dtype),
        array_of_proto(message.minimum),
        array_of_proto(message.maximum),
        message.name or None,
    )


def _type_spec(message: Any) -> Any:
    from tensorboard.compat.proto import struct_pb2

    kind = struct_pb2.TypeSpecProto.TypeSpecClass.Name(message.type_spec_class)
    state = decode(message.type_state)
    if kind in _SPEC_CLASSES:
        module, name = _SPEC_CLASSES[kind]
        return getattr(importlib.import_module(module), name)._deserialize(state)
    if kind == "REGISTERED_TYPE_SPEC":
        return type_spec.lookup(message.type_spec_class_name)._deserialize(state)
    if kind == "EXTENSION_TYPE_SPEC":
        from penstock.types.extension_anonymous import AnonymousExtensionTypeSpec

        return AnonymousExtensionTypeSpec._deserialize(state)
    raise ValueError(
        f"The type {message.type_spec_class_name!r} ({kind}) of a saved value is not known here."
    )


def _named_tuple(message: Any) -> Any:
    names = [pair.key for pair in message.values]
    made: Any = collections.namedtuple(message.name, names)  # type: ignore[misc]
    return made(*(decode(pair.value) for pair in message.values))


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "none_value": lambda message: None,
    "bool_value": bool,
    "int64_value": int,
    "float64_value": float,
    "string_value": str,
    "tensor_dtype_value": as_dtype,
    "tensor_shape_value": shape_of_proto,
    "tensor_spec_value": _tensor_spec,
    "bounded_tensor_spec_value": _bounded_spec,
    "type_spec_value": _type_spec,
    "tensor_value": lambda message: EagerTensor(array_of_proto(message), as_dtype(message.dtype)),
    "numpy_value": array_of_proto,
    "list_value": lambda message: [decode(each) for each in message.values],
    "tuple_value": lambda message: tuple(decode(each) for each in message.values),
    "dict_value": lambda message: {key: decode(message.fields[key]) for key in sorted(message.fields)},
    "named_tuple_value": _named_tuple,
}
