"""The native reader of Examples reads what the Python one reads, or nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock as tf
from penstock.engine.native import host_library
from penstock.io import example_wire as wire
from penstock.io.example_columns import FeatureError, ScannedColumn
from penstock.io.native_examples import native_columns
from penstock.types import dtypes

pytestmark = pytest.mark.skipif(
    not hasattr(host_library(), "penstock_find_features"), reason="no native functions"
)

NAMES = ["a", "b", "c"]
FEATURES = st.one_of(
    st.builds(tf.train.Feature),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30).map(
        lambda values: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    ),
    st.lists(st.floats(width=32, allow_nan=False), max_size=9).map(
        lambda values: tf.train.Feature(float_list=tf.train.FloatList(value=values))
    ),
    st.lists(st.binary(max_size=200), max_size=4).map(
        lambda values: tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    ),
)
EXAMPLES = st.dictionaries(st.sampled_from([*NAMES, "other", ""]), FEATURES, max_size=5).map(
    lambda features: tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
)


def scanned(serialized, slots):
    rows = []
    for each in serialized:
        rows.append([None] * len(slots))
        wire.scan_example(each, slots, rows[-1])
    return [ScannedColumn(found) for found in zip(*rows)]


def described(column, dtype):
    """What a column gives: its arrays, or its error."""
    try:
        found = column.column(dtype)
    except FeatureError as error:
        return error.index, str(error)
    return found.values.dtype, found.values.tolist(), list(found.counts), found.missing


def assert_alike(serialized):
    slots = {name.encode(): place for place, name in enumerate(NAMES)}
    native = native_columns(serialized, slots)
    if native is not None:
        for ours, theirs in zip(native, scanned(serialized, slots), strict=True):
            for dtype in (dtypes.int64, dtypes.float32, dtypes.string):
                assert described(ours, dtype) == described(theirs, dtype)
    return native


@settings(max_examples=100, deadline=None)
@given(st.lists(EXAMPLES, min_size=1, max_size=6))
def test_what_protocol_buffers_write_is_read(serialized):
    assert assert_alike(serialized) is not None


@settings(max_examples=300, deadline=None)
@given(st.lists(EXAMPLES, min_size=1, max_size=6), st.data())
def test_what_is_damaged_is_read_as_in_python_or_left_to_it(serialized, data):
    which = data.draw(st.integers(0, len(serialized) - 1))
    damaged = bytearray(serialized[which])
    for _ in range(data.draw(st.integers(1, 3)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    serialized[which] = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    assert_alike(serialized)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=6))
def test_noise_is_read_as_in_python_or_left_to_it(serialized):
    assert_alike(serialized)


def test_a_list_in_two_pieces_is_left_to_python():
    parts = [
        tf.train.Example(features=tf.train.Features(feature={"a": each})).SerializeToString()
        for each in (
            tf.train.Feature(int64_list=tf.train.Int64List(value=[1])),
            tf.train.Feature(int64_list=tf.train.Int64List(value=[2])),
        )
    ]
    assert native_columns([b"".join(parts)] * 4, {b"a": 0}) is None


def test_many_features_in_any_order_are_found():
    random = np.random.default_rng(0)
    names = [f"feature{i}" for i in range(50)]
    serialized = []
    for row in range(8):
        features = b""
        for place in random.permutation(50):
            value = tf.train.Feature(int64_list=tf.train.Int64List(value=[row, int(place)]))
            features += tf.train.Features(feature={names[place]: value}).SerializeToString()
        serialized.append(b"\x0a" + _varint(len(features)) + features)
    columns = native_columns(serialized, {name.encode(): place for place, name in enumerate(names)})
    for place, column in enumerate(columns):
        found = column.column(dtypes.int64).values.reshape(8, 2)
        assert found.tolist() == [[row, place] for row in range(8)]


def _varint(value):
    return bytes([value & 0x7F | 0x80, value >> 7]) if value > 127 else bytes([value])
