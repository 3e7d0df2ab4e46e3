"""Decompresses Snappy's raw format, in which TF 1 wrote the blocks of its checkpoints.

Weights hardly compress: their blocks are a few long literals, which is why plain Python is fast enough.
"""

from __future__ import annotations

from penstock.io.varint import read_varint


def decompress(data: bytes) -> bytes:
    """The contents of a raw Snappy stream.

    Raises:
      ValueError: the stream is damaged.

    >>> decompress(bytes([9, 8]) + b"abc" + bytes([22, 3, 0]))
    b'abcabcabc'
    """
    length, position = read_varint(data, 0)
    out = bytearray()
    end = len(data)
    while position < end:
        tag = data[position]
        position += 1
        kind = tag & 3
        if kind == 0:
            size, position = _literal_size(data, position, tag >> 2)
            if position + size > end:
                raise ValueError("a literal of a Snappy stream goes beyond its end")
            out += data[position : position + size]
            position += size
            continue
        # A copy of what was written `offset` bytes ago: 1, 2 or 4 bytes say how far.
        width = (0, 1, 2, 4)[kind]
        if position + width > end:
            raise ValueError("a Snappy stream ends inside a copy")
        offset = int.from_bytes(data[position : position + width], "little")
        position += width
        size = (tag >> 2) + 1
        if kind == 1:
            offset |= (tag >> 5) << 8
            size = ((tag >> 2) & 7) + 4
        start = len(out) - offset
        if offset == 0 or start < 0:
            raise ValueError("a copy of a Snappy stream begins before its start")
        piece = bytes(out[start : start + size])
        out += (piece * (size // len(piece) + 1))[:size]  # a copy that overlaps itself repeats
    if len(out) != length:
        raise ValueError(f"a Snappy stream of {length} bytes holds {len(out)}")
    return bytes(out)


def _literal_size(data: bytes, position: int, code: int) -> tuple[int, int]:
    """The length of a literal and where it begins: short lengths are in the tag, others in 1 to 4 bytes."""
    if code < 60:
        return code + 1, position
    width = code - 59
    if position + width > len(data):
        raise ValueError("a Snappy stream ends inside the length of a literal")
    return int.from_bytes(data[position : position + width], "little") + 1, position + width
