"""The bytes of a tensor in a checkpoint's data file, and their checksum.

Numbers lie as in memory, little-endian. Strings are their lengths, a checksum of those, and then the texts. A variant
is an object array of serialized VariantTensorDataProtos, each with its length before and a checksum behind it.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.io.checksums import crc32c, extend_crc32c, mask
from penstock.io.varint import read_varint, write_varint
from penstock.types import dtypes
from penstock.types.dtypes import DType

_CHECKSUM = struct.Struct("<I")


def encode(array: np.ndarray, dtype: DType) -> Iterator[tuple[Any, int]]:
    """The pieces of a tensor's bytes, each with the (unmasked) checksum of all the pieces up to it.

    Raises:
      TypeError: tensors of this dtype have no values that a file can hold.
    """
    if dtype is dtypes.string:
        yield from _encode_strings(array)
    elif dtype is dtypes.variant:
        yield from _encode_variants(array)
    elif dtype.np_dtype is None:
        raise TypeError(f"tensors of dtype {dtype.name} cannot be written to a checkpoint")
    else:
        plain = np.ascontiguousarray(array, dtype.np_dtype)
        if sys.byteorder == "big":
            plain = plain.byteswap()
        data = plain.reshape(-1).view(np.uint8)
        yield data, crc32c(data)


def decode(data: Any, dtype: DType, shape: tuple[int, ...], big_endian: bool = False) -> np.ndarray:
    """The tensor that lies in `data`, a writable buffer of its own whose checksum has been compared.

    Raises:
      ValueError: `data` is no tensor of this dtype and shape.
    """
    if dtype is dtypes.string:
        return _objects(_decode_strings(bytes(data), math.prod(shape)), shape)
    if dtype is dtypes.variant:
        return _objects(_decode_variants(bytes(data), math.prod(shape)), shape)
    if dtype.np_dtype is None:
        raise ValueError(f"it has the dtype {dtype.name}, of which no values can be in a file")
    expected = math.prod(shape) * dtype.size
    if len(data) != expected:
        raise ValueError(f"it has {len(data)} bytes, and {expected} belong to {dtype.name} {list(shape)}")
    array = np.frombuffer(data, dtype.np_dtype).reshape(shape)
    return array.byteswap() if big_endian != (sys.byteorder == "big") else array


def checksum(data: Any, dtype: DType, count: int) -> int:
    """The checksum that belongs to the bytes of a tensor of `count` elements.

    Raises:
      ValueError: the bytes cannot be taken apart.
    """
    if dtype is dtypes.string:
        lengths, position = _lengths(bytes(data), count)
        crc = _of_lengths(lengths)
        return extend_crc32c(crc, bytes(data[position:]))
    if dtype is dtypes.variant:
        crc = 0
        for length, piece, stored in _variants(bytes(data), count):
            crc = extend_crc32c(extend_crc32c(crc, struct.pack("<Q", length)), piece)
            crc = extend_crc32c(crc, stored)
        return crc
    return crc32c(data)


def _objects(values: list[bytes], shape: tuple[int, ...]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape)


# Strings.


def _of_lengths(lengths: list[int]) -> int:
    """The checksum of lengths: of each as 4 bytes, or as 8 where it needs them."""
    return crc32c(b"".join(struct.pack("<I" if each < 1 << 32 else "<Q", each) for each in lengths))


def _encode_strings(array: np.ndarray) -> Iterator[tuple[bytes, int]]:
    texts = [each if isinstance(each, bytes) else str(each).encode() for each in array.reshape(-1)]
    lengths = [len(each) for each in texts]
    crc = _of_lengths(lengths)
    stored = _CHECKSUM.pack(mask(crc))
    crc = extend_crc32c(crc, stored)
    yield b"".join(map(write_varint, lengths)) + stored, crc
    joined = b"".join(texts)
    yield joined, extend_crc32c(crc, joined)


def _lengths(data: bytes, count: int) -> tuple[list[int], int]:
    """The lengths of strings, and the position behind them."""
    lengths, position = [], 0
    for _ in range(count):
        length, position = read_varint(data, position)
        lengths.append(length)
    return lengths, position


def _decode_strings(data: bytes, count: int) -> list[bytes]:
    lengths, position = _lengths(data, count)
    if data[position : position + 4] != _CHECKSUM.pack(mask(_of_lengths(lengths))):
        raise ValueError("the checksum of the lengths of its strings does not match")
    position += 4
    texts = []
    for length in lengths:
        texts.append(data[position : position + length])
        position += length
    if position != len(data):
        raise ValueError(f"it has {len(data)} bytes, and {position} belong to its strings")
    return texts


# Variants.


def _encode_variants(array: np.ndarray) -> Iterator[tuple[bytes, int]]:
    crc = 0
    for each in array.reshape(-1):
        if not isinstance(each, bytes):
            raise TypeError(f"a variant that holds {type(each).__name__} cannot be written to a checkpoint")
        crc = extend_crc32c(extend_crc32c(crc, struct.pack("<Q", len(each))), each)
        stored = _CHECKSUM.pack(mask(crc))
        crc = extend_crc32c(crc, stored)
        yield write_varint(len(each)) + each + stored, crc


def _variants(data: bytes, count: int) -> Iterator[tuple[int, bytes, bytes]]:
    position = 0
    for _ in range(count):
        length, position = read_varint(data, position)
        end = position + length
        if end + 4 > len(data):
            raise ValueError("a variant goes beyond its end")
        yield length, data[position:end], data[end : end + 4]
        position = end + 4
    if position != len(data):
        raise ValueError(f"it has {len(data)} bytes, and {position} belong to its variants")


def _decode_variants(data: bytes, count: int) -> list[bytes]:
    return [piece for _, piece, _ in _variants(data, count)]
