"""Elements in files as TensorFlow's snapshots keep them: record files with one TensorProto for each tensor.

The messages are written by hand, because nearly every one has the same few bytes in front of its contents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from penstock.data.element import Layout, as_eager
from penstock.io.record_writer import TFRecordWriter
from penstock.io.records import read_records
from penstock.io.varint import read_varint, write_varint
from penstock.types import dtypes, errors
from penstock.types.dtypes import as_dtype

_CONTENT = b"\x22"  # the field `tensor_content`


def compression_kind(name: Any) -> str:
    """What the record files call a compression; "AUTO" is none.

    Raises:
      InvalidArgumentError: there is no such compression here.
    """
    if name in (None, "", "AUTO", "NONE"):
        return ""
    if name not in ("GZIP", "ZLIB"):
        raise errors.InvalidArgumentError(
            None, None, f"compression must be one of None, 'AUTO', 'GZIP', got {name!r}."
        )
    return name


def _message_head(dtype: Any, shape: tuple[int, ...]) -> bytes:
    """The fields `dtype` and `tensor_shape` of a TensorProto."""
    dims = b"".join(
        b"\x12" + write_varint(len(size)) + size
        for size in (b"\x08" + write_varint(dim) if dim else b"" for dim in shape)
    )
    return b"\x08" + write_varint(dtype.as_datatype_enum) + b"\x12" + write_varint(len(dims)) + dims


def _string_content(array: np.ndarray) -> bytes:
    texts = [bytes(each) for each in array.ravel()]
    return b"".join([*(write_varint(len(each)) for each in texts), *texts])


class ElementWriter:
    """Writes elements to a record file.

    Args:
      path: the file. layout: of the elements. compression: "" or "GZIP".
    """

    def __init__(self, path: str, layout: Layout, compression: str = ""):
        for dtype in layout.dtypes:
            if dtype in (dtypes.variant, dtypes.resource):
                raise errors.UnimplementedError(
                    None,
                    None,
                    f"{path}: elements that hold datasets or resources cannot be written: {layout.spec}.",
                )
        self._writer = TFRecordWriter(path, compression)
        self._dtypes = layout.dtypes
        self._heads: dict[tuple, bytes] = {}
        self.elements = 0

    def write(self, flat: Sequence[Any]) -> None:
        """Adds an element."""
        for dtype, value in zip(self._dtypes, flat):
            array = np.asarray(as_eager(value)) if dtype is not dtypes.string else _objects(value)
            key = (dtype, array.shape)
            head = self._heads.get(key)
            if head is None:
                head = self._heads[key] = _message_head(dtype, array.shape) + _CONTENT
            content = _string_content(array) if dtype is dtypes.string else array.tobytes()
            self._writer.write(head + write_varint(len(content)) + content)
        self.elements += 1

    def close(self) -> None:
        """Finishes the file."""
        self._writer.close()


def _objects(value: Any) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    array = np.empty((), object)
    array[()] = value
    return array


def read_elements(path: str, layout: Layout, compression: str = "", skip: int = 0) -> Iterator[list]:
    """The elements of a file, after the first `skip`.

    Raises:
      NotFoundError: there is no such file. DataLossError: it is damaged, or holds other elements.
    """
    count = len(layout.dtypes)
    if count == 0:
        return
    flat: list[Any] = []
    number = 0
    for record in read_records(path, compression):
        if number >= skip:
            flat.append(_array(record, path))
        else:
            flat.append(None)
        if len(flat) == count:
            number += 1
            if number > skip:
                yield flat
            flat = []
    if flat:
        raise errors.DataLossError(
            None, None, f"{path}: the last element has {len(flat)} of {count} components"
        )


def _array(record: bytes, path: str) -> Any:
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto import tensor_pb2

    from penstock.graph.tensor_proto import array_of_proto, shape_of_proto

    try:
        proto = tensor_pb2.TensorProto.FromString(record)
        dtype = as_dtype(proto.dtype)
        if dtype is dtypes.string and proto.tensor_content:
            shape = tuple(shape_of_proto(proto.tensor_shape).as_list())
            return _strings(proto.tensor_content, shape)
        array = array_of_proto(proto)
    except (DecodeError, ValueError, TypeError, IndexError) as error:
        raise errors.DataLossError(None, None, f"{path}: a record is no tensor: {error}") from error
    return array[()] if array.ndim == 0 else array


def _strings(content: bytes, shape: tuple[int, ...]) -> Any:
    lengths, at = [], 0
    for _ in range(int(np.prod(shape))):
        length, at = read_varint(content, at)
        lengths.append(length)
    array = np.empty(len(lengths), object)
    for index, length in enumerate(lengths):
        array[index] = content[at : at + length]
        at += length
    return array[0] if shape == () else array.reshape(shape)
