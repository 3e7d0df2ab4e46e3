"""TFRecord files: what is written is read, and damage is found and named."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock as tf
from penstock.io.records import RecordReader, read_records

KINDS = ["", "GZIP", "ZLIB"]
THREE = [b"abc0", b"abc1", b"abc2"]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "a.tfrecord")


def _write(path, records, options=None):
    with tf.io.TFRecordWriter(path, options) as writer:
        for record in records:
            writer.write(record)
    with open(path, "rb") as file:
        return file.read()


def _read_damaged(path, data, kind=""):
    """The records before the damage, and the error."""
    with open(path, "wb") as file:
        file.write(data)
    found = []
    with pytest.raises(tf.errors.DataLossError) as error:
        for record in read_records(path, kind):
            found.append(record)
    assert path in error.value.message
    return found, error.value.message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("buffer_size", [None, 1, 7, 1000])
def test_round_trip(path, kind, buffer_size):
    records = [b"", b"x", os.urandom(3000), b"end"]
    _write(path, records, kind)
    assert list(read_records(path, kind, buffer_size)) == records


def test_bytes_of_the_file_are_tensorflows(path):
    assert _write(path, [b"abc0"]) == b"\x04\0\0\0\0\0\0\0BER\x04abc0\xc6\xf3|2"


def test_an_empty_file_has_no_records(path):
    assert _write(path, []) == b""
    assert list(read_records(path)) == []


def test_text_is_stored_as_utf8(path):
    _write(path, ["é"])
    assert list(read_records(path)) == ["é".encode()]


@pytest.mark.parametrize("kind", KINDS)
def test_reading_begins_at_an_offset(path, kind):
    _write(path, THREE, kind)
    assert list(read_records(path, kind, offset=20)) == THREE[1:]
    assert list(read_records(path, kind, offset=60)) == []


def test_the_position_after_a_batch_is_where_to_resume(path):
    _write(path, THREE)
    with RecordReader(path, buffer_size=45) as reader:
        assert next(reader.batches()) == THREE[:2]
        assert reader.position == 40


@pytest.mark.parametrize("cut", [1, 5, 19])
def test_a_truncated_file_names_the_offset(path, cut):
    data = _write(path, THREE)
    found, message = _read_damaged(path, data[:-cut])
    assert found == THREE[:2]
    assert "truncated record at 40" in message


@pytest.mark.parametrize("place, what", [(20, "length"), (29, "length"), (33, "data"), (37, "data")])
def test_a_flipped_bit_names_the_offset(path, place, what):
    data = bytearray(_write(path, THREE))
    data[place] ^= 4
    found, message = _read_damaged(path, bytes(data))
    assert found == THREE[:1]
    assert "corrupted record at 20" in message
    assert what in message


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("cut", [1, 10])
def test_a_truncated_compressed_file(path, kind, cut):
    data = _write(path, THREE, kind)
    _, message = _read_damaged(path, data[:-cut], kind)
    assert "cut off" in message


def test_a_file_that_is_not_compressed(path):
    assert "inflate" in _read_damaged(path, b"hello world", "GZIP")[1]


def test_gzip_files_may_be_joined(path):
    data = _write(path, THREE, "GZIP")
    with open(path, "wb") as file:
        file.write(data + data)
    assert list(read_records(path, "GZIP")) == THREE * 2


def test_a_missing_file(path):
    with pytest.raises(tf.errors.NotFoundError, match=r"a\.tfrecord; No such file"):
        list(read_records(path))
    with pytest.raises(tf.errors.NotFoundError):
        tf.io.TFRecordWriter(f"{path}/b")


def test_flushed_records_can_be_read(path):
    for kind in KINDS:
        writer = tf.io.TFRecordWriter(path, kind)
        writer.write(b"one")
        writer.flush()
        reader = read_records(path, kind)
        assert next(reader) == b"one"
        reader.close()
        writer.close()


def test_a_closed_writer(path):
    writer = tf.io.TFRecordWriter(path)
    writer.close()
    writer.close()
    with pytest.raises(tf.errors.FailedPreconditionError, match=r"Writer is closed\."):
        writer.write(b"x")
    with pytest.raises(tf.errors.FailedPreconditionError):
        writer.flush()


def test_a_record_of_another_type(path):
    with tf.io.TFRecordWriter(path) as writer, pytest.raises(TypeError, match="int"):
        writer.write(5)


def test_a_full_disk_leaves_whole_records(path, monkeypatch):
    writer = tf.io.TFRecordWriter(path)
    writer.write(b"one")
    writer.flush()
    file = writer._file._file

    class Full:
        """Takes 10 bytes, and then there is no space."""

        taken = False

        def __getattr__(self, name):
            return getattr(file, name)

        def write(self, data):
            if self.taken:
                raise OSError(28, "No space left on device")
            self.taken = True
            return file.write(data[:10])

    writer._file._file = Full()
    writer.write(b"two")
    with pytest.raises(tf.errors.ResourceExhaustedError, match="No space"):
        writer.flush()
    writer.close()
    assert list(read_records(path)) == [b"one"]


def test_options():
    options = tf.io.TFRecordOptions
    kind = options.get_compression_type_string
    assert [kind(each) for each in (None, "", "ZLIB", options("GZIP"), 2, 0)] == [
        "",
        "",
        "ZLIB",
        "GZIP",
        "GZIP",
        "",
    ]
    for wrong in ("FOO", 5):
        with pytest.raises(ValueError, match="Not a valid compression_type"):
            options(wrong)


def test_compression_level_and_strategy_reach_zlib(path):
    record = bytes(range(256)) * 100
    stored = _write(path, [record], tf.io.TFRecordOptions("ZLIB", compression_level=0))
    best = _write(
        path, [record], tf.io.TFRecordOptions("ZLIB", compression_level=9, mem_level=8, window_bits=12)
    )
    assert len(stored) > len(record) > len(best)
    assert zlib.decompress(best)[12:-4] == record


def test_names_of_tf1(path):
    old = tf.compat.v1.python_io
    with old.TFRecordWriter(path, old.TFRecordOptions(old.TFRecordCompressionType.GZIP)) as writer:
        writer.write(b"one")
    assert list(old.tf_record_iterator(path, old.TFRecordOptions(old.TFRecordCompressionType.GZIP))) == [
        b"one"
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8), st.sampled_from(KINDS), st.integers(1, 200))
def test_any_records_come_back(tmp_path_factory, records, kind, buffer_size):
    path = str(tmp_path_factory.getbasetemp() / "any")
    _write(path, records, kind)
    assert list(read_records(path, kind, buffer_size)) == records


@settings(max_examples=80, deadline=None)
@given(st.data(), st.sampled_from(KINDS))
def test_any_damage_is_an_error_or_gives_the_records_before_it(tmp_path_factory, data, kind):
    path = str(tmp_path_factory.getbasetemp() / "damaged")
    records = [b"first", b"second" * 9, b"third"]
    whole = bytearray(_write(path, records, kind))
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del whole[place:]
    with open(path, "wb") as file:
        file.write(whole)
    found = []
    try:
        for record in read_records(path, kind):
            found.append(record)
    except tf.errors.DataLossError:
        pass
    assert found == records[: len(found)]


@settings(max_examples=80, deadline=None)
@given(st.binary(min_size=1, max_size=200), st.sampled_from(KINDS))
def test_any_bytes_raise_nothing_but_data_loss(tmp_path_factory, content, kind):
    path = str(tmp_path_factory.getbasetemp() / "noise")
    with open(path, "wb") as file:
        file.write(content)
    with pytest.raises(tf.errors.DataLossError):
        list(read_records(path, kind))


def test_a_writer_left_open_is_closed_when_the_process_ends(tmp_path):
    program = f"""
import sys
from penstock.io.record_writer import TFRecordWriter
writer = TFRecordWriter({str(tmp_path / "a")!r})
writer.write(b"kept")
sys.kept = writer  # outlives the modules, as what a traceback holds does
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert list(read_records(tmp_path / "a")) == [b"kept"]
