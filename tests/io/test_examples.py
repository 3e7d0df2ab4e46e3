"""The wire format of Examples: what protocol buffers write is read, in all of its forms, and damage is an error."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock as tf
from penstock.io import example_wire as wire
from penstock.io.example_batches import Dense, Listed, Wanted, parse_examples
from penstock.io.sequence_batches import parse_sequence_examples

INT64 = st.integers(-(2**63), 2**63 - 1)
VALUES = st.one_of(
    st.lists(INT64, max_size=30),
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30),
    st.lists(st.binary(max_size=200), min_size=1, max_size=4),
)


def feature(values):
    kind = type(values[0]) if values else int
    if kind is bytes:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if kind is float:
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def example(**features):
    found = {key: feature(values) for key, values in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=found)).SerializeToString(deterministic=True)


def kind_of(values):
    return {bytes: tf.string, float: tf.float32}.get(type(values[0]) if values else int, tf.int64)


def ragged(serialized, key, dtype):
    parsed = parse_examples(serialized, Wanted(ragged=[Listed(key.encode(), dtype)]))
    splits = parsed.ragged_splits[0]
    return [parsed.ragged_values[0][a:b].tolist() for a, b in itertools.pairwise(splits)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=150), VALUES, max_size=4), min_size=1, max_size=4))
def test_what_protocol_buffers_write_is_read(examples):
    serialized = [example(**each) for each in examples]
    for key in {key for each in examples for key in each}:
        kinds = {kind_of(each[key]) for each in examples if key in each}
        if len(kinds) == 1:
            assert ragged(serialized, key, kinds.pop()) == [each.get(key, []) for each in examples]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(INT64, min_size=3, max_size=3), st.binary(min_size=5, max_size=5)),
        min_size=3,
        max_size=6,
    )
)
def test_examples_of_equal_layout_are_read_as_a_matrix(rows):
    serialized = [example(i=numbers, s=[text], f=[1.5, 2.5]) for numbers, text in rows]
    wanted = Wanted(
        dense=[
            Dense(b"i", tf.int64, (3,), None),
            Dense(b"s", tf.string, (), None),
            Dense(b"f", tf.float32, (2,), None),
        ]
    )
    numbers, texts, floats = parse_examples(serialized, wanted).dense_values
    assert numbers.tolist() == [numbers for numbers, _ in rows]
    assert texts.tolist() == [text for _, text in rows]
    assert floats.tolist() == [[1.5, 2.5]] * len(rows)


@pytest.mark.parametrize("different", [0, 1, 3])
def test_an_example_that_looks_like_the_others_and_is_not(different):
    serialized = [example(a=[1], b=[2]) for _ in range(4)]
    serialized[different] = example(a=[1], c=[2])
    expected = [[2]] * 4
    expected[different] = []
    assert ragged(serialized, "b", tf.int64) == expected


def message(tag, content):
    return bytes([tag, len(content)]) + content


FORMS = {
    "packed": message(0x0A, bytes([1, 2])),
    "unpacked": bytes([8, 1, 8, 2]),
    "packed twice": message(0x0A, b"\x01") + message(0x0A, b"\x02"),
    "mixed": message(0x0A, b"\x01") + bytes([8, 2]),
    "unknown field": bytes([0x10, 5]) + message(0x0A, bytes([1, 2])),
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS)
def test_lists_may_be_written_in_several_ways(content):
    entry = message(0x0A, b"a") + message(0x12, message(0x1A, content))
    data = message(0x0A, message(0x0A, entry))
    assert tf.train.Example.FromString(data).features.feature["a"].int64_list.value == [1, 2]
    assert ragged([data], "a", tf.int64) == [[1, 2]]


def test_unpacked_floats():
    content = b"\x0d" + np.float32(1.5).tobytes() + b"\x0d" + np.float32(2).tobytes()
    data = message(0x0A, message(0x0A, message(0x0A, b"a") + message(0x12, message(0x12, content))))
    assert ragged([data], "a", tf.float32) == [[1.5, 2]]


def test_the_value_may_stand_before_the_key():
    entry = message(0x12, message(0x1A, FORMS["packed"])) + message(0x0A, b"a")
    assert ragged([message(0x0A, message(0x0A, entry))], "a", tf.int64) == [[1, 2]]


def test_joined_examples_merge_and_the_last_feature_wins():
    data = example(a=[1], b=[5]) + example(a=[2, 3])
    assert ragged([data], "a", tf.int64) == [[2, 3]]
    assert ragged([data], "b", tf.int64) == [[5]]


@pytest.mark.parametrize("values", [[0], [127, 128, -1, 2**63 - 1, -(2**63)], list(range(-200, 300))])
def test_varints(values):
    data = example(a=values)
    assert ragged([data], "a", tf.int64) == [values]
    assert ragged([data, example(a=[]), data], "a", tf.int64) == [values, [], values]


@pytest.mark.parametrize("data", [b"\x80" * 11, b"\x01" * 20 + b"\x80", b"\x80" * 30 + b"\1", b"\x81"])
def test_malformed_varints(data):
    with pytest.raises(wire.MalformedError):
        wire.decode_varints(data)


def test_the_message_names_the_example():
    good, bad = example(a=[1]), b"\x0a\x05garbage"
    with pytest.raises(
        ValueError, match=r"Name: two, Index: 1\. Could not parse example input, value: '\\n\\x05garb"
    ):
        parse_examples([good, bad], Wanted(ragged=[Listed(b"a", tf.int64)]), [b"one", b"two"])


ALL = Wanted(
    sparse=[Listed(b"i", tf.int64)],
    dense=[Dense(b"f", tf.float32, (None,), np.float32(0)), Dense(b"g", tf.float32, (2,), np.zeros(2, "f"))],
    ragged=[Listed(b"s", tf.string)],
)
WHOLE = example(i=[1, -300, 5], f=[1.0, 2.0], g=[3.0, 4.0], s=[b"text", b"more"])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_examples_raise_value_errors_only(data):
    damaged = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    for batch in ([bytes(damaged)], [WHOLE, bytes(damaged), WHOLE]):
        try:
            parse_examples(batch, ALL)
        except ValueError:
            pass


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_noise_is_read_as_protocol_buffers_read_it_or_refused(data):
    from google.protobuf.message import DecodeError

    try:
        wanted = tf.train.Example.FromString(data).features.feature
        expected = {key: list(wanted[key].int64_list.value) for key in wanted}
    except DecodeError:
        return
    for key, values in expected.items():
        if wanted[key].WhichOneof("kind") == "int64_list":
            assert ragged([data], key, tf.int64) == [values]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_sequence_examples_raise_value_errors_only(data):
    steps = tf.train.FeatureList(feature=[feature([1, 2]), feature([3, 4])])
    whole = tf.train.SequenceExample(
        context=tf.train.Features(feature={"i": feature([7])}),
        feature_lists=tf.train.FeatureLists(feature_list={"d": steps}),
    ).SerializeToString(deterministic=True)
    damaged = bytearray(whole)
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    lists = Wanted(dense=[Dense(b"d", tf.int64, (2,), None)], sparse=[], ragged=[Listed(b"e", tf.int64)])
    try:
        parse_sequence_examples([whole, damaged], Wanted(sparse=[Listed(b"i", tf.int64)]), lists)
    except ValueError:
        pass
