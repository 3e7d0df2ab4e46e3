"""Element specs as StructuredValue messages, as TensorFlow keeps them beside saved datasets, and back."""

from __future__ import annotations

from typing import Any

from penstock.graph.tensor_proto import shape_of_proto, shape_proto
from penstock.ops.ragged_spec import RaggedTensorSpec
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.sparse_tensor import SparseTensorSpec
from penstock.types.specs import NoneTensorSpec, TensorSpec

# The numbers that `TypeSpecProto` gives to classes of specs.
_CLASSES = {"SPARSE_TENSOR_SPEC": SparseTensorSpec, "RAGGED_TENSOR_SPEC": RaggedTensorSpec}


def to_message(value: Any) -> Any:
    """A structure of specs (and of the plain values that specs consist of) as a StructuredValue.

    Raises:
      TypeError: there is no message for it.
    """
    from tensorboard.compat.proto import struct_pb2

    message = struct_pb2.StructuredValue()
    if isinstance(value, TensorSpec):
        spec = message.tensor_spec_value
        spec.name = value.name or ""
        spec.shape.CopyFrom(shape_proto(value.shape))
        spec.dtype = value.dtype.as_datatype_enum
    elif value is None or isinstance(value, NoneTensorSpec):
        message.none_value.SetInParent()
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int):
        message.int64_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, DType):
        message.tensor_dtype_value = value.as_datatype_enum
    elif isinstance(value, TensorShape):
        message.tensor_shape_value.CopyFrom(shape_proto(value))
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        message.named_tuple_value.name = type(value).__name__
        for key, each in zip(value._fields, value):
            pair = message.named_tuple_value.values.add(key=key)
            pair.value.CopyFrom(to_message(each))
    elif isinstance(value, (tuple, list)):
        values = message.tuple_value if isinstance(value, tuple) else message.list_value
        values.SetInParent()
        for each in value:
            values.values.add().CopyFrom(to_message(each))
    elif isinstance(value, dict):
        message.dict_value.SetInParent()
        for key, each in value.items():
            message.dict_value.fields[str(key)].CopyFrom(to_message(each))
    else:
        name = next((name for name, kind in _CLASSES.items() if type(value) is kind), None)
        if name is None:
            raise TypeError(f"Elements of {value!r} cannot be saved.")
        spec = message.type_spec_value
        spec.type_spec_class = struct_pb2.TypeSpecProto.TypeSpecClass.Value(name)
        spec.type_spec_class_name = type(value).__name__
        spec.type_state.CopyFrom(to_message(value._serialize()))
    return message


def of_message(message: Any) -> Any:
    """The structure that a StructuredValue describes.

    Raises:
      ValueError: it describes something that elements of datasets cannot be.
    """
    from tensorboard.compat.proto import struct_pb2

    kind = message.WhichOneof("kind")
    value = getattr(message, kind)
    if kind == "tensor_spec_value":
        return TensorSpec(shape_of_proto(value.shape), as_dtype(value.dtype), value.name or None)
    if kind == "none_value":
        return None
    if kind in ("bool_value", "int64_value", "string_value"):
        return value
    if kind == "tensor_dtype_value":
        return as_dtype(value)
    if kind == "tensor_shape_value":
        return shape_of_proto(value)
    if kind == "tuple_value":
        return tuple(of_message(each) for each in value.values)
    if kind == "list_value":
        return [of_message(each) for each in value.values]
    if kind == "dict_value":
        return {key: of_message(value.fields[key]) for key in sorted(value.fields)}
    if kind == "named_tuple_value":
        import collections

        pairs = [(each.key, of_message(each.value)) for each in value.values]
        return collections.namedtuple(value.name, [key for key, _ in pairs])(*(each for _, each in pairs))
    if kind == "type_spec_value":
        name = struct_pb2.TypeSpecProto.TypeSpecClass.Name(value.type_spec_class)
        if name in _CLASSES:
            return _CLASSES[name]._deserialize(of_message(value.type_state))
    raise ValueError(f"A {kind} says nothing about the elements of a dataset.")
