"""Kernels that treat all strings at once give what they give string by string, and hand over where they cannot."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.ops.strings import unicode_ops
from tests.ops.string_values import plain

s = tf.strings
v1 = tf.compat.v1
BYTES = [b"a,b", b"", b",", b"\x00,\x00\x00", b"\xff,\xc3", b"\xa9", "é,ü中".encode(), b"abc"]
VALID = [b"ab", b"", "é".encode(), "中\U0001f600".encode(), b"\x00", b"", b"a\n"]

SEPARATELY = {
    "split at a byte": lambda each: s.split(each, ","),
    "split at two bytes": lambda each: s.split(each, "\0\0"),
    "split at whitespace": s.split,
    "split once": lambda each: s.split(each, ",", 1),
    "split at any of two bytes": lambda each: v1.string_split(
        tf.reshape(each, [-1]), ",a", result_type="RaggedTensor"
    ),
    "split into bytes": s.bytes_split,
    "UTF-16": lambda each: s.unicode_transcode(each, "UTF-8", "UTF-16-BE"),
    "shown control characters": lambda each: s.unicode_transcode(
        each, "UTF-8", "UTF-8", replacement_char=63, replace_control_characters=True
    ),
    "code points and back": lambda each: s.unicode_encode(s.unicode_decode(each, "UTF-8"), "UTF-8"),
    "code points": lambda each: s.unicode_decode(each, "UTF-8"),
    "places of code points": lambda each: s.unicode_decode_with_offsets(each, "UTF-8")[1],
    "characters": lambda each: s.length(each, unit="UTF8_CHAR"),
    "front": lambda each: s.substr(each, 0, 2),
    "front of characters": lambda each: s.substr(each, 0, 2, unit="UTF8_CHAR"),
    "spaces": lambda each: s.regex_replace(each, ",|b", r"<\0>"),
    "empty matches": lambda each: s.regex_replace(each, "b*", "-"),
    "first match": lambda each: s.regex_replace(each, "[a-z]", "", replace_global=False),
}


@pytest.mark.parametrize("strings", [BYTES, VALID], ids=["bytes", "valid"])
@pytest.mark.parametrize("call", SEPARATELY.values(), ids=SEPARATELY)
def test_a_vector_gives_what_each_string_gives(call, strings):
    separately = [plain(call(tf.constant(each))) for each in strings]
    if call is SEPARATELY["split at any of two bytes"]:  # takes vectors only
        separately = [row for rows in separately for row in rows]
    assert plain(call(tf.constant(strings))) == separately


@pytest.mark.parametrize("length", [-1, 0, 1, 2, 5])
@pytest.mark.parametrize("position", [-3, -2, -1, 0, 1, 3])
@pytest.mark.parametrize("unit", ["BYTE", "UTF8_CHAR"])
def test_one_part_of_all_strings_is_that_of_each(position, length, unit):
    words = [b"abc", b"abcdef", b"abcd"]
    same = s.substr(words, position, length, unit=unit)
    each = s.substr(words, [position] * 3, [length] * 3, unit=unit)
    assert (
        plain(same)
        == plain(each)
        == plain(s.substr([*words, "中é1"], [position] * 4, [length] * 4, unit))[:3]
    )


@pytest.mark.parametrize("position", [3, -3])
def test_one_part_is_refused_where_a_string_is_too_short(position):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=rf"pos {position} out of range for string b'ab'"
    ):
        s.substr(["abc", "ab", "a"], position, 1)


def test_strings_that_are_valid_only_together_are_decoded_one_by_one():
    assert unicode_ops._decode_valid([b"\xc3", b"\xa9"], _UTF_8) is None
    assert plain(s.unicode_decode([b"\xc3", b"\xa9", b"a"], "UTF-8")) == [[65533], [65533], [97]]


@pytest.mark.parametrize("encoding", ["UTF-8", "utf8"])
@pytest.mark.parametrize("strings", [VALID, [], [b""], [b"a"]])
def test_decoding_together_and_one_by_one_agree(strings, encoding):
    how = _UTF_8._replace(encoding=encoding)
    together = unicode_ops._decode_valid(strings, how)
    assert together is not None
    for found, expected in zip(together, unicode_ops._decode_each(strings, how)):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


_UTF_8 = unicode_ops.Decoding("UTF-8", "replace", 0xFFFD, False)

NUMBERS = [b"1.5", b" 2 ", b"-inf", b"1e400", b"0.1", b"nan", b"-7\n", b"1e-320"]


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_numbers_read_by_the_fast_and_the_careful_way_agree(dtype):
    fast, careful = s.to_number(NUMBERS, dtype), s.to_number([*NUMBERS, "0x10"], dtype)
    np.testing.assert_array_equal(fast.numpy(), careful.numpy()[:-1])
    assert careful.numpy()[-1] == 16


@pytest.mark.parametrize(
    ("text", "dtype"),
    [("1_0", tf.float32), ("1_0", tf.int32), ("", tf.int64), ("2147483648", tf.int32), ("-1", tf.uint32),
     ("-1", tf.uint64), ("1.0", tf.int32), ("a\0", tf.float64)],
)  # fmt: skip
def test_what_is_no_number_is_named_among_numbers(text, dtype):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"could not correctly convert string: {text}"):
        s.to_number(["1", text, "2"], dtype)


@pytest.mark.parametrize("options", [{}, {"width": 4}, {"width": 4, "fill": "0"}, {"width": 5, "fill": "-"}])
@pytest.mark.parametrize("values", [[1, -20, 300], [1.5, -2.25, float("inf")], [True, False], []])
def test_numbers_become_the_text_of_each(values, options):
    together = s.as_string(tf.constant(values), **options)
    assert plain(together) == [
        plain(s.as_string(each, **options)) for each in tf.unstack(tf.constant(values))
    ]
    assert plain(s.as_string(tf.constant([values, values]), **options)) == [plain(together)] * 2


@pytest.mark.parametrize(
    ("errors", "expected"), [("replace", ["a?", "", "?中"]), ("ignore", ["a", "", "中"])]
)
def test_code_points_that_are_none_are_replaced_or_left_out(errors, expected):
    points = tf.ragged.constant([[97, -1], [], [0xD800, 0x4E2D]], dtype=tf.int32)
    assert plain(s.unicode_encode(points, "UTF-8", errors, 63)) == [each.encode() for each in expected]


def test_parts_that_end_beyond_a_string_end_with_it():
    largest = 2**63 - 1
    assert plain(s.substr(["abc", "ab"], [1, -1], tf.constant([largest, largest]))) == [b"bc", b"b"]
    assert plain(s.substr(["abc", "ab"], 1, tf.constant(largest))) == [b"bc", b"b"]


def test_no_strings_have_no_parts():
    assert plain(s.substr(tf.constant([], tf.string), 3, 1)) == []
