"""Sorted tables: what is written is read, in order, and damage raises DataLossError."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.io.checksums import masked_crc32c
from penstock.io.sorted_table import MAGIC, SortedTable, write_table
from penstock.io.varint import write_varint
from penstock.types import errors


def _read(tmp_path, contents):
    path = tmp_path / "table"
    path.write_bytes(contents)
    return SortedTable(str(path))


def _written(pairs):
    out = io.BytesIO()
    write_table(out, pairs)
    return out.getvalue()


@given(st.dictionaries(st.binary(max_size=8), st.binary(max_size=40)))
def test_round_trip(tmp_path_factory, pairs):
    table = _read(tmp_path_factory.mktemp("table"), _written(sorted(pairs.items())))
    assert list(table) == sorted(pairs.items())
    for key, value in pairs.items():
        assert table.get(key) == value
    assert table.get(b"x" * 9) is None


def test_a_large_table_has_several_blocks(tmp_path):
    pairs = [(b"%06d" % index, bytes(3000)) for index in range(300)]
    table = _read(tmp_path, _written(pairs))
    assert len(table._blocks) > 1
    assert list(table) == pairs
    assert table.get(b"000299") == bytes(3000)


def test_keys_out_of_order_are_refused():
    with pytest.raises(ValueError, match="comes after"):
        _written([(b"b", b""), (b"a", b"")])


def _block(contents, compression):
    data = contents + bytes([compression])
    return data + masked_crc32c(data).to_bytes(4, "little")


def test_blocks_that_snappy_compressed_are_read(tmp_path):
    plain = bytes([0, 1, 3]) + b"k" + b"abc" + bytes(4) + (1).to_bytes(4, "little")
    packed = write_varint(len(plain)) + bytes([(len(plain) - 1) << 2]) + plain
    data = _block(packed, 1)
    handle = write_varint(0) + write_varint(len(packed))
    index = bytes([0, 1, len(handle)]) + b"k" + handle + bytes(4) + (1).to_bytes(4, "little")
    place = write_varint(len(data)) + write_varint(len(index))
    contents = data + _block(index, 0) + (place + place).ljust(40, b"\0") + MAGIC.to_bytes(8, "little")
    assert list(_read(tmp_path, contents)) == [(b"k", b"abc")]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda data: b"", "fewer than the 48"),
        (lambda data: data[:-1] + b"x", "magic number"),
        (lambda data: b"x" + data[1:], "checksum of the block at byte 0"),
        (lambda data: data[:-48] + b"\xff" * 40 + data[-8:], "more than 64 bits"),
        (lambda data: data[:-48] + (b"\0\0\x7f\x7f").ljust(40, b"\0") + data[-8:], "goes beyond the end"),
    ],
)
def test_damage_names_the_file(tmp_path, change, message):
    with pytest.raises(errors.DataLossError, match=f"table is damaged.*{message}"):
        list(_read(tmp_path, change(_written([(b"a", b"1")]))))
