"""`tf.io.decode_proto`, `tf.io.encode_proto`: fields of protocol buffers as tensors. `penstock.io.proto_fields` does the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.io import proto_fields
from penstock.ops.strings.kernels import as_array, bytes_attr, one_of, string_array, text_attr
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor


class DecodeProtoV2(NamedTuple):
    """What `tf.io.decode_proto` gives: the numbers of values, int32 [..., fields], and the values of each field."""

    sizes: Tensor
    values: list[Tensor]


def _class(message_type: Any, descriptor_source: Any) -> Any:
    return proto_fields.message_class(text_attr(message_type), bytes_attr(descriptor_source))


def _decode(
    bytes: Any, *, message_type: Any, field_names: Sequence[Any], output_types: Sequence[Any], descriptor_source: Any,
    message_format: Any, sanitize: bool,
) -> list[np.ndarray]:  # fmt: skip
    serialized = as_array(bytes)
    names, types = [text_attr(each) for each in field_names], [as_dtype(each) for each in output_types]
    if len(names) != len(types):
        raise ValueError("field_names and output_types attributes must have the same length")
    form = one_of(text_attr(message_format), "message_format", ("binary", "text"))
    if not serialized.size:
        raise ValueError("bytes must contain at least one value")
    message = _class(message_type, descriptor_source)
    sizes, values = proto_fields.decode(
        serialized.reshape(-1).tolist(), message, names, types, form == "text"
    )
    return [
        sizes.reshape(*serialized.shape, len(names)),
        *(each.reshape(*serialized.shape, -1) for each in values),
    ]


def _decoded_shapes(call: ShapeCall) -> list[TensorShape]:
    batch = call.shape(0)
    count = len(call.attrs["field_names"])
    return [batch.concatenate([count]), *[batch.concatenate([None])] * len(call.attrs["output_types"])]


def _encode(
    sizes: Any,
    values: Sequence[Any],
    *,
    field_names: Sequence[Any],
    message_type: Any,
    descriptor_source: Any,
) -> np.ndarray:
    sizes, arrays = np.asarray(sizes), [as_array(each) for each in values]
    names = [text_attr(each) for each in field_names]
    if len(names) != len(arrays):
        raise ValueError(f"there are {len(names)} field_names and {len(arrays)} values")
    for name, array in zip(names, arrays):
        if array.ndim < 2:
            raise ValueError(
                f"Invalid shape for field {name}.  Saw shape {list(array.shape)} but it should be at least a matrix."
            )
        expected = [*array.shape[:-1], len(names)]
        if list(sizes.shape) != expected:
            raise ValueError(
                f"sizes should be batch_size + [len(field_names)].  Saw: {list(sizes.shape)} but expected: {expected}"
            )
    rows = [array.reshape(-1, array.shape[-1]) for array in arrays]
    message = _class(message_type, descriptor_source)
    encoded = proto_fields.encode(sizes.reshape(-1, len(names)), rows, message, names)
    return string_array(encoded, sizes.shape[:-1])


op(
    "DecodeProtoV2(bytes: string; message_type, field_names, output_types, descriptor_source='local://', "
    "message_format='binary', sanitize=False) -> (sizes: int32, values: *output_types)",
    numpy=_decode,
    shape=_decoded_shapes,
    gradient=stops,
)
op(
    "EncodeProto(sizes: int32, values: *Tinput_types; field_names, message_type, descriptor_source='local://') -> "
    "bytes: string",
    numpy=_encode,
    shape=lambda call: call.shape(0)[:-1],
    gradient=stops,
)


@export("io.decode_proto")
def decode_proto(
    bytes: Any,
    message_type: str,
    field_names: Sequence[str],
    output_types: Sequence[Any],
    descriptor_source: Any = "local://",
    message_format: str = "binary",
    sanitize: bool = False,
    name: str | None = None,
) -> DecodeProtoV2:
    """The values of some fields of serialized protocol buffers.

    Args:
      bytes: a string tensor, a message in each element.
      message_type: the full name of their type.
      field_names: the fields.
      output_types: a dtype for each: that of the field or a wider one; string for strings, bytes and messages.
      descriptor_source: where the type is described: "local://" (this process), "bytes://" and a serialized
        FileDescriptorSet, or the path of a file with one.
      message_format: "binary" or "text".
      sanitize: accepted for TensorFlow's sake; messages are parsed in any case.
      name: the node's name in a graph.

    Returns:
      `sizes`, int32 [..., fields]: how many values there are; and `values`: for each field a tensor [..., the most],
      filled up with the field's default.

    Raises:
      InvalidArgumentError: there is no such message or field, or a dtype does not fit.
      DataLossError: a message is malformed.

    Example:
      >>> import penstock as tf
      >>> data = tf.train.Int64List(value=[3, 4]).SerializeToString()
      >>> tf.io.decode_proto([data], "tensorflow.Int64List", ["value"], [tf.int64]).values[0].numpy()
      array([[3, 4]])
    """
    attrs = {
        "message_type": message_type, "field_names": list(field_names),
        "output_types": [as_dtype(each) for each in output_types], "descriptor_source": descriptor_source,
        "message_format": message_format, "sanitize": sanitize,
    }  # fmt: skip
    sizes, *values = execute("DecodeProtoV2", (convert_to_tensor(bytes, dtypes.string),), attrs, name)
    return DecodeProtoV2(sizes, values)


@export("io.encode_proto")
def encode_proto(
    sizes: Any,
    values: Sequence[Any],
    field_names: Sequence[str],
    message_type: str,
    descriptor_source: Any = "local://",
    name: str | None = None,
) -> Tensor:
    """Serialized protocol buffers with values for some fields: the inverse of `tf.io.decode_proto`.

    Args:
      sizes: int32 [..., fields]: how many of the values each message gets.
      values: for each field a tensor [..., at least the size].
      field_names: the fields.
      message_type, descriptor_source: see `decode_proto`.
      name: the node's name in a graph.

    Returns:
      A string tensor, the messages.

    Raises:
      InvalidArgumentError: there is no such message or field, or a dtype, shape or size does not fit.

    Example:
      >>> import penstock as tf
      >>> data = tf.io.encode_proto([[2]], [tf.constant([[3, 4]], tf.int64)], ["value"], "tensorflow.Int64List")
      >>> tf.train.Int64List.FromString(data[0].numpy()).value
      [3, 4]
    """
    inputs = (convert_to_tensor(sizes, dtypes.int32), [convert_to_tensor(each) for each in values])
    attrs = {
        "field_names": list(field_names),
        "message_type": message_type,
        "descriptor_source": descriptor_source,
    }
    return execute("EncodeProto", inputs, attrs, name)
