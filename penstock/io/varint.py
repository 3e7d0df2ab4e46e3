"""Variable-length integers of protocol buffers and tables: seven bits a byte, low bits first."""

from __future__ import annotations

from typing import Any


def read_varint(data: Any, position: int) -> tuple[int, int]:
    """The integer at `position` of bytes, and the position after it.

    Raises:
      ValueError: the data ends inside it, or it has more than 64 bits.

    >>> read_varint(bytes([172, 2]), 0)
    (300, 2)
    """
    value = shift = 0
    while True:
        if position >= len(data):
            raise ValueError("the data ends inside a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, position
        shift += 7
        if shift > 63:
            break
    raise ValueError("a number has more than 64 bits")


def write_varint(value: int) -> bytes:
    """The bytes of an integer that is not negative.

    >>> list(write_varint(300))
    [172, 2]
    """
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
