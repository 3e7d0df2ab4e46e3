"""Snappy streams: what an encoder may write is read, and damage is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.io.snappy import decompress
from penstock.io.varint import write_varint


def _literal(text):
    length = len(text) - 1
    if length < 60:
        return bytes([length << 2]) + text
    width = (length.bit_length() + 7) // 8
    return bytes([(59 + width) << 2]) + length.to_bytes(width, "little") + text


def _copy(offset, size):
    if 4 <= size <= 11 and offset < 2048:
        return bytes([1 | (size - 4) << 2 | offset >> 8 << 5, offset & 255])
    if offset < 1 << 16:
        return bytes([2 | (size - 1) << 2]) + offset.to_bytes(2, "little")
    return bytes([3 | (size - 1) << 2]) + offset.to_bytes(4, "little")


@given(st.data())
def test_literals_and_copies(data):
    stream, text = b"", b""
    for _ in range(data.draw(st.integers(0, 8))):
        if text and data.draw(st.booleans()):
            offset, size = data.draw(st.integers(1, len(text))), data.draw(st.integers(1, 64))
            stream += _copy(offset, size)
            for _ in range(size):
                text += text[-offset:][:1]
        else:
            piece = data.draw(st.binary(min_size=1, max_size=9)) * data.draw(
                st.sampled_from([1, 1, 30, 8000])
            )
            stream, text = stream + _literal(piece), text + piece
    assert decompress(write_varint(len(text)) + stream) == text


DAMAGED = {
    "a literal that is cut off": bytes([5, 4 << 2]) + b"abc",
    "a length that is cut off": bytes([5, 61 << 2, 1]),
    "a copy that is cut off": bytes([5, 0, 97, 2]),
    "a copy from before the start": bytes([5, 0, 97, 14, 9, 0]),
    "a copy of nothing": bytes([5, 0, 97, 14, 0, 0]),
    "another length": bytes([5, 0, 97]),
    "no length": b"",
    "a length without end": b"\xff" * 12,
}


@pytest.mark.parametrize("stream", DAMAGED.values(), ids=DAMAGED)
def test_damage_is_refused(stream):
    with pytest.raises(ValueError):
        decompress(stream)
