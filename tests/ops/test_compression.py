"""`tf.io.compress`, `tf.io.decompress`, and Examples from JSON."""

from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest

import penstock as tf

E = tf.errors


@pytest.mark.parametrize("kind", ["GZIP", "ZLIB"])
@pytest.mark.parametrize("level", [-1, 0, 9])
def test_strings_round_trip(kind, level):
    strings = [["a" * 1000, ""], ["b", "\0"]]
    packed = tf.io.compress(strings, kind, level)
    assert packed.shape == [2, 2]
    assert tf.io.decompress(packed, kind).numpy().tolist() == tf.constant(strings).numpy().tolist()
    assert tf.io.decode_compressed(packed, kind).numpy()[0, 0] == b"a" * 1000


def test_the_streams_are_standard():
    assert gzip.decompress(tf.io.compress("abc").numpy()) == b"abc"
    assert zlib.decompress(tf.io.compress("abc", compression_type="ZLIB").numpy()) == b"abc"


@pytest.mark.parametrize("dtype", [tf.float32, tf.int64, tf.uint8, tf.bool, tf.bfloat16])
def test_tensors_round_trip(dtype):
    tensor = tf.cast(tf.reshape(tf.range(6), [2, 3]), dtype)
    packed = tf.function(tf.io.compress)(tensor)
    assert packed.shape == []
    assert packed.dtype is tf.string
    found = tf.io.decompress(packed, out_type=dtype)
    assert np.array_equal(found, tensor)


def test_errors():
    with pytest.raises(E.InvalidArgumentError, match="compression_type"):
        tf.io.compress("a", "LZ4")
    with pytest.raises(E.InvalidArgumentError, match="level"):
        tf.io.compress("a", level=10)
    with pytest.raises(E.DataLossError, match="inflate"):
        tf.io.decompress("abc")
    with pytest.raises(E.DataLossError, match="inflate"):
        tf.io.decompress(tf.io.compress("abc").numpy()[:-4])
    with pytest.raises(E.InvalidArgumentError, match="Type mismatch"):
        tf.io.decompress(tf.io.compress([1.0]), out_type=tf.int32)


JSON = (
    '{"features": {"feature": {"a": {"int64List": {"value": ["1", 2]}}, "b": {"bytesList": {"value": ["eA=="]}}, '
    '"c": {"floatList": {"value": [1.5]}}}}}'
)


def test_examples_from_json():
    data = tf.io.decode_json_example([JSON, "{}"])
    assert data.shape == [2]
    kinds = {
        "a": tf.io.FixedLenFeature([2], tf.int64),
        "b": tf.io.FixedLenFeature([], tf.string),
        "c": tf.io.FixedLenFeature([1], tf.float32),
    }
    parsed = tf.io.parse_single_example(data[0], kinds)
    assert parsed["a"].numpy().tolist() == [1, 2]
    assert parsed["b"].numpy() == b"x"
    assert parsed["c"].numpy().tolist() == [1.5]


@pytest.mark.parametrize(
    "text", ["", "{", '{"x": 1}', '{"features": 3}', "\udcff".encode("utf-8", "surrogatepass")]
)
def test_json_that_is_no_example(text):
    with pytest.raises(E.InvalidArgumentError, match="Error while parsing JSON"):
        tf.io.decode_json_example(text)
