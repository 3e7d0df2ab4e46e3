"""Fields of protocol buffers of any type as arrays, and back: what `tf.io.decode_proto` and `encode_proto` do.

Message types come from the process (`local://`), from a FileDescriptorSet in bytes (`bytes://...`), or from a file.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.io.example_messages import NAMES, messages
from penstock.io.filesystem import files_of, os_errors
from penstock.types import dtypes, errors
from penstock.types.dtypes import DType


def _varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _zigzag(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _delimited(value: Any) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(len(data)) + data


class _Kind(NamedTuple):
    """A type of fields: its name, the dtypes that it may have (the first has its default), wire type and encoding."""

    name: str
    dtypes: tuple[DType, ...]
    wire_type: int
    encode: Callable[[Any], bytes]


_INT32, _INT64 = (dtypes.int32, dtypes.int64), (dtypes.int64,)
_UINT32, _UINT64 = (dtypes.uint32, dtypes.uint64), (dtypes.uint64,)
# By the numbers of FieldDescriptorProto.Type.
_KINDS = {
    1: _Kind("double", (dtypes.float64,), 1, struct.Struct("<d").pack),
    2: _Kind("float", (dtypes.float32, dtypes.float64), 5, struct.Struct("<f").pack),
    3: _Kind("int64", _INT64, 0, _varint),
    4: _Kind("uint64", _UINT64, 0, _varint),
    5: _Kind("int32", _INT32, 0, _varint),
    6: _Kind("fixed64", _UINT64, 1, struct.Struct("<Q").pack),
    7: _Kind("fixed32", _UINT32, 5, struct.Struct("<I").pack),
    8: _Kind("bool", (dtypes.bool,), 0, _varint),
    9: _Kind("string", (dtypes.string,), 2, _delimited),
    11: _Kind("message", (dtypes.string,), 2, _delimited),
    12: _Kind("bytes", (dtypes.string,), 2, _delimited),
    13: _Kind("uint32", _UINT32, 0, _varint),
    14: _Kind("enum", (dtypes.int32,), 0, _varint),
    15: _Kind("sfixed32", _INT32, 5, struct.Struct("<i").pack),
    16: _Kind("sfixed64", _INT64, 1, struct.Struct("<q").pack),
    17: _Kind("sint32", _INT32, 0, _zigzag),
    18: _Kind("sint64", _INT64, 0, _zigzag),
}


@functools.lru_cache(maxsize=64)
def message_class(message_type: str, source: bytes) -> Any:
    """The class of a message.

    Args:
      message_type: its full name.
      source: `local://`, `bytes://` and a serialized FileDescriptorSet, or the path of a file with one.

    Raises:
      ValueError: there is no such message or file.
    """
    from google.protobuf import message_factory

    if source in (b"", b"local://"):
        return _local_class(message_type)
    try:
        found = _pool(source).FindMessageTypeByName(message_type)
    except KeyError:
        raise ValueError(f"No descriptor found for message type {message_type}") from None
    return message_factory.GetMessageClass(found)


def _local_class(message_type: str) -> Any:
    """A message of this process. TensorFlow's have tensorboard's package name here, and Example is our own."""
    from google.protobuf import descriptor_pool, message_factory

    package, _, name = message_type.rpartition(".")
    if package == "tensorflow" and name in NAMES:
        return getattr(messages(), name)
    for each in (message_type, message_type.replace("tensorflow.", "tensorboard.", 1)):
        try:
            return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(each))
        except KeyError:
            continue
    raise ValueError(f"No descriptor found for message type {message_type}")


def _pool(source: bytes) -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool
    from google.protobuf.message import DecodeError

    if source.startswith(b"bytes://"):
        data = source[len(b"bytes://") :]
    else:
        files, path = files_of(source)
        with os_errors(path), files.open_file(path, "rb") as file:
            data = file.read()
    try:
        described = descriptor_pb2.FileDescriptorSet.FromString(data)
        pool = descriptor_pool.DescriptorPool()
        for each in described.file:
            pool.Add(each)
    except (DecodeError, TypeError, KeyError) as error:
        raise ValueError(f"descriptor_source holds no FileDescriptorSet: {error}") from None
    return pool


def fields_of(message: Any, names: Sequence[str]) -> list[Any]:
    """The descriptors of some fields.

    Raises:
      ValueError: there is no such field.
    """
    known = message.DESCRIPTOR.fields_by_name
    for name in names:
        if name not in known:
            raise ValueError(f"Unknown field: {name} in message type {message.DESCRIPTOR.full_name}")
    return [known[name] for name in names]


def decode(
    serialized: Sequence[bytes], message: Any, names: Sequence[str], types: Sequence[DType], as_text: bool
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The values of fields of a batch of messages.

    Args:
      serialized: the messages.
      message: their class.
      names: the fields.
      types: the dtype of each; those of numbers must be that of the field, or wider.
      as_text: whether the messages are in the text format.

    Returns:
      How many values each message has for each field, int32 [batch, fields]; and for each field its values,
      [batch, the most], filled up with the field's default.

    Raises:
      ValueError: a field or dtype does not fit. DataLossError: a message is malformed.
    """
    fields = fields_of(message, names)
    for field, dtype in zip(fields, types):
        if dtype not in _KINDS[field.type].dtypes:
            raise ValueError(
                f"Unexpected output type for {field.full_name}: {_KINDS[field.type].name} to {dtype.name}"
            )
    parsed = [_parse(message, index, data, as_text) for index, data in enumerate(serialized)]
    columns = [[_values(each, field) for each in parsed] for field in fields]
    sizes = np.array([[len(values) for values in column] for column in columns], np.int32).T
    return sizes.reshape(len(parsed), len(fields)), [
        _matrix(column, field, dtype) for column, field, dtype in zip(columns, fields, types)
    ]


def _parse(message: Any, index: int, data: bytes, as_text: bool) -> Any:
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError

    name = message.DESCRIPTOR.full_name
    try:
        return text_format.Parse(data, message()) if as_text else message.FromString(data)
    except (DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        raise errors.DataLossError(
            None, None, f"message {index} of {len(data)} bytes is no {name}: {error}"
        ) from None


def _values(parsed: Any, field: Any) -> list[Any]:
    """The values of a field of a message; of a field that is not repeated one or none."""
    value = getattr(parsed, field.name)
    if field.is_repeated:
        values = list(value)
    elif field.has_presence:
        values = [value] if parsed.HasField(field.name) else []
    else:
        values = [value] if value != field.default_value else []
    if field.type == 11:
        return [each.SerializeToString() for each in values]
    return [each.encode() for each in values] if field.type == 9 else values


def _matrix(column: list[list[Any]], field: Any, dtype: DType) -> np.ndarray:
    default = (b"" if dtype is dtypes.string else 0) if field.is_repeated else field.default_value
    default = b"" if default is None else default.encode() if isinstance(default, str) else default
    longest = max(map(len, column), default=0)
    if not field.is_repeated:
        longest = max(longest, 1)
    matrix = np.empty((len(column), longest), dtype.as_numpy_dtype)
    matrix[...] = default
    for row, values in zip(matrix, column):
        row[: len(values)] = values
    return matrix


def encode(
    sizes: np.ndarray, values: Sequence[np.ndarray], message: Any, names: Sequence[str]
) -> list[bytes]:
    """Messages with values for some fields.

    Args:
      sizes: how many values each message has for each field, [batch, fields].
      values: for each field its values, [batch, at least the size].
      message: the class of the messages.
      names: the fields.

    Raises:
      ValueError: a field, dtype or size does not fit.
    """
    fields = fields_of(message, names)
    order = sorted(range(len(fields)), key=lambda index: fields[index].number)
    for field, array in zip(fields, values):
        kind = _KINDS[field.type]
        dtype = dtypes.string if array.dtype == object else dtypes.as_dtype(array.dtype)
        if dtype not in kind.dtypes:
            raise ValueError(
                f"Incompatible type for field {field.name}.  Saw dtype: {dtype.name} but field type is: {kind.name}"
            )
    encoded = []
    for row, counts in enumerate(sizes.tolist()):
        parts = []
        for place in order:
            if counts[place] > values[place].shape[1]:
                raise ValueError(
                    f"Size to write must not be larger than value tensor; but saw: {counts[place]} > "
                    f"{values[place].shape[1]} at message {row} field {place}"
                )
            parts.append(_encoded(fields[place], values[place][row, : max(counts[place], 0)].tolist()))
        encoded.append(b"".join(parts))
    return encoded


def _encoded(field: Any, values: list[Any]) -> bytes:
    """A field with its tag; numbers that are packed share one."""
    kind = _KINDS[field.type]
    if field.is_packed and values:
        return _varint(field.number << 3 | 2) + _delimited(b"".join(map(kind.encode, values)))
    tag = _varint(field.number << 3 | kind.wire_type)
    return b"".join(tag + kind.encode(each) for each in values)
