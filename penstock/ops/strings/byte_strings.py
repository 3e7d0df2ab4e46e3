"""Strings that hold other data: `tf.io.decode_raw`, `decode_base64`, `encode_base64`, `decode_compressed`."""

from __future__ import annotations

import base64
import re
import zlib
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, unchanged
from penstock.engine.static_value import static_int
from penstock.ops.arguments import renamed
from penstock.ops.strings.kernels import as_array, map_strings, one_of, text_attr
from penstock.types import dtypes, errors
from penstock.types.dtypes import DType, as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_ALPHABET = re.compile(rb"[A-Za-z0-9_-]*")
_RAW = (
    dtypes.float16, dtypes.float32, dtypes.float64, dtypes.int32, dtypes.uint16, dtypes.uint8, dtypes.int16, dtypes.int8,
    dtypes.int64, dtypes.complex64, dtypes.complex128, dtypes.bool, dtypes.bfloat16,
)  # fmt: skip


def _encode_base64(data: bytes, pad: bool) -> bytes:
    text = base64.urlsafe_b64encode(data)
    return text if pad else text.rstrip(b"=")


def _decode_base64(text: bytes) -> bytes:
    bare = text.rstrip(b"=")
    if len(bare) % 4 == 1:
        raise ValueError("Base64 string length cannot be 1 modulo 4.")
    padded = bare + b"=" * (-len(bare) % 4)
    if not _ALPHABET.fullmatch(bare) or text not in (bare, padded):
        raise ValueError("Invalid character found in base64.")
    return base64.urlsafe_b64decode(padded)


op(
    "EncodeBase64(input: string; pad=False) -> output: string",
    numpy=lambda input, *, pad: map_strings(lambda each: _encode_base64(each, pad), input),
    shape=unchanged,
    gradient=stops,
)
op(
    "DecodeBase64(input: string) -> output: string",
    numpy=lambda input: map_strings(_decode_base64, input),
    shape=unchanged,
    gradient=stops,
)


def _raw_dtype(out_type: Any) -> DType:
    dtype = as_dtype(out_type)
    if dtype not in _RAW:
        listed = ", ".join(each.name for each in _RAW)
        raise ValueError(f"out_type is {dtype.name}, which is not in the list of allowed values: {listed}")
    return dtype


def _numbers(data: bytes, shape: tuple[int, ...], dtype: DType, little_endian: bool) -> np.ndarray:
    kind = np.dtype(dtype.as_numpy_dtype)
    if not little_endian and kind.itemsize > 1:
        part = kind.itemsize // 2 if kind.kind == "c" else kind.itemsize
        data = np.frombuffer(data, np.uint8).reshape(-1, part)[:, ::-1].tobytes()
    return np.frombuffer(data, kind).reshape(shape).copy()


def _decode_raw(bytes: Any, *, out_type: Any, little_endian: bool) -> np.ndarray:
    strings, dtype = as_array(bytes), _raw_dtype(out_type)
    flat = strings.reshape(-1)
    length = len(flat[0]) if flat.size else 0
    for index, each in enumerate(flat):
        if len(each) != length:
            raise ValueError(
                "DecodeRaw requires input strings to all be the same size, but "
                f"element {index} has size {len(each)} != {length}"
            )
    if length % dtype.size:
        raise ValueError(
            f"Input to DecodeRaw has length {length} that is not a multiple of {dtype.size}, the size of {dtype.name}"
        )
    return _numbers(b"".join(flat), (*strings.shape, length // dtype.size), dtype, little_endian)


def _decode_padded_raw(
    input_bytes: Any, fixed_length: Any, *, out_type: Any, little_endian: bool
) -> np.ndarray:
    strings, dtype, length = as_array(input_bytes), _raw_dtype(out_type), static_int(fixed_length)
    if length <= 0:
        raise ValueError(f"fixed_length must be greater than zero, but got {length}")
    if length % dtype.size:
        raise ValueError(f"fixed_length ({length}) must be a multiple of the size of out_type ({dtype.size})")
    data = b"".join(each[:length].ljust(length, b"\0") for each in strings.reshape(-1))
    return _numbers(data, (*strings.shape, length // dtype.size), dtype, little_endian)


def _padded_shape(call: ShapeCall) -> TensorShape:
    length = call.value(1)
    size = as_dtype(call.attrs["out_type"]).size
    return call.shape(0).concatenate([None if length is None else int(length) // size])


op(
    "DecodeRaw(bytes: string; out_type, little_endian=True) -> output: out_type",
    numpy=_decode_raw,
    shape=lambda call: call.shape(0).concatenate([None]),
    gradient=stops,
)
op(
    "DecodePaddedRaw(input_bytes: string, fixed_length: int32; out_type, little_endian=True) -> output: out_type",
    numpy=_decode_padded_raw,
    shape=_padded_shape,
    gradient=stops,
)

# zlib's windowBits: 15 is a zlib stream, 16 more a gzip file.
_WINDOWS = {"ZLIB": 15, "GZIP": 31}


def _decompress(data: bytes, window: int) -> bytes:
    try:
        return zlib.decompress(data, window)
    except zlib.error as error:
        raise errors.DataLossError(
            None, None, f"DecodeCompressed: inflate() failed on a string of {len(data)} bytes: {error}"
        ) from None


def _decode_compressed(bytes: Any, *, compression_type: Any) -> np.ndarray:
    kind = one_of(text_attr(compression_type), "compression_type", ("", "ZLIB", "GZIP"))
    if not kind:
        return as_array(bytes)
    return map_strings(lambda each: _decompress(each, _WINDOWS[kind]), bytes)


op(
    "DecodeCompressed(bytes: string; compression_type='') -> output: string",
    numpy=_decode_compressed,
    shape=unchanged,
    gradient=stops,
)


# Public functions.


@export("io.encode_base64", v1=["io.encode_base64", "encode_base64"])
def encode_base64(input: Any, pad: bool = False, name: str | None = None) -> Tensor:
    """Strings in web-safe Base64 (with `-` and `_`).

    Args:
      input: a string tensor.
      pad: whether `=` fills the last group of four.
      name: the node's name in a graph.

    Example:
      >>> import penstock as tf
      >>> tf.io.encode_base64("hello").numpy()
      b'aGVsbG8'
    """
    return execute("EncodeBase64", (convert_to_tensor(input, dtypes.string),), {"pad": pad}, name)


@export("io.decode_base64", v1=["io.decode_base64", "decode_base64"])
def decode_base64(input: Any, name: str | None = None) -> Tensor:
    """The data of strings in web-safe Base64, padded or not.

    Raises:
      InvalidArgumentError: a string is not Base64.

    Example:
      >>> import penstock as tf
      >>> tf.io.decode_base64("aGVsbG8").numpy()
      b'hello'
    """
    return execute("DecodeBase64", (convert_to_tensor(input, dtypes.string),), None, name)


@export("io.decode_raw", v1=[])
def decode_raw(
    input_bytes: Any,
    out_type: Any,
    little_endian: bool = True,
    fixed_length: Any = None,
    name: str | None = None,
) -> Tensor:
    r"""The numbers whose bytes strings hold.

    Args:
      input_bytes: a string tensor; without `fixed_length` all strings must have one length.
      out_type: the dtype of the numbers.
      little_endian: the order of their bytes.
      fixed_length: strings are cropped, or padded with zeros, to so many bytes.
      name: the node's name in a graph.

    Returns:
      A tensor with one dimension more.

    Raises:
      InvalidArgumentError: the lengths differ, or are no multiple of the size of a number.

    Example:
      >>> import penstock as tf
      >>> tf.io.decode_raw(tf.constant([b"\x01\x00\x02\x00"]), tf.int16).numpy()
      array([[1, 2]], dtype=int16)
    """
    strings = convert_to_tensor(input_bytes, dtypes.string)
    attrs = {"out_type": as_dtype(out_type), "little_endian": little_endian}
    if fixed_length is None:
        return execute("DecodeRaw", (strings,), attrs, name)
    return execute("DecodePaddedRaw", (strings, convert_to_tensor(fixed_length, dtypes.int32)), attrs, name)


@export(v1=["io.decode_raw", "decode_raw"])
def decode_raw_v1(
    input_bytes: Any = None,
    out_type: Any = None,
    little_endian: bool = True,
    name: str | None = None,
    bytes: Any = None,
) -> Tensor:
    """TF 1's names of the arguments of `tf.io.decode_raw`."""
    if out_type is None:
        raise ValueError("decode_raw_v1() missing 1 positional argument: 'out_type'")
    return decode_raw(
        renamed(input_bytes, bytes, "input_bytes and bytes"), out_type, little_endian, name=name
    )


@export("io.decode_compressed", v1=["io.decode_compressed", "decode_compressed"])
def decode_compressed(bytes: Any, compression_type: str = "", name: str | None = None) -> Tensor:
    """Strings decompressed.

    Args:
      bytes: a string tensor.
      compression_type: "", "ZLIB" or "GZIP".
      name: the node's name in a graph.

    Raises:
      DataLossError: a string is not compressed in that way, or is cut off.
    """
    tensor = convert_to_tensor(bytes, dtypes.string)
    return execute("DecodeCompressed", (tensor,), {"compression_type": compression_type}, name)
