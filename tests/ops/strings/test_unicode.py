"""`tf.strings.unicode_*`. The values are TensorFlow's."""

from __future__ import annotations

import pytest

import penstock as tf
from tests.ops.string_values import plain

s = tf.strings
R = tf.ragged.constant

CALLS = [
    (lambda: s.unicode_decode("héllo", "UTF-8"), [104, 233, 108, 108, 111]),
    (lambda: s.unicode_decode(["héllo", "ab", ""], "UTF-8"), [[104, 233, 108, 108, 111], [97, 98], []]),
    (lambda: s.unicode_decode([["hé"], ["a"]], "UTF-8"), [[[104, 233]], [[97]]]),
    (lambda: s.unicode_decode(b"a\xffb", "UTF-8"), [97, 65533, 98]),
    (lambda: s.unicode_decode(b"a\xffb", "UTF-8", errors="ignore"), [97, 98]),
    (lambda: s.unicode_decode(b"a\xffb", "UTF-8", replacement_char=63), [97, 63, 98]),
    (lambda: s.unicode_decode(b"a\xe4\xb8b", "UTF-8"), [97, 65533, 98]),
    (lambda: s.unicode_decode(b"\xe4\xb8", "UTF-8"), [65533]),
    (lambda: s.unicode_decode(b"\xf0\x90\x80\xff", "UTF-8"), [65533, 65533]),
    (lambda: s.unicode_decode(b"\xed\xa0\x80", "UTF-8"), [65533, 65533, 65533]),
    (lambda: s.unicode_decode(b"\xc0\x80", "UTF-8"), [65533, 65533]),
    (lambda: s.unicode_decode(b"\xf4\x90\x80\x80", "UTF-8"), [65533, 65533, 65533, 65533]),
    (lambda: s.unicode_decode(b"\xf8\x88\x80\x80\x80", "UTF-8"), [65533, 65533, 65533, 65533, 65533]),
    (lambda: s.unicode_decode(b"\x80\x80a", "UTF-8"), [65533, 65533, 97]),
    (lambda: s.unicode_decode(b"\xe2\x28\xa1", "UTF-8"), [65533, 40, 65533]),
    (
        lambda: s.unicode_decode("a\nb\x01\x7f\x9f", "UTF-8", replace_control_characters=True),
        [97, 65533, 98, 65533, 127, 159],
    ),
    (
        lambda: s.unicode_decode("a\nb\x01\x7f\u0085", "UTF-8", replace_control_characters=True),
        [97, 65533, 98, 65533, 127, 133],
    ),
    (lambda: s.unicode_decode("ab", "UTF-8", replace_control_characters=True, errors="ignore"), [97, 98]),
    (lambda: s.unicode_decode("a\tb", "UTF-8", replace_control_characters=True, errors="ignore"), [97, 98]),
    (
        lambda: s.unicode_decode("a\tb", "UTF-8", replace_control_characters=True, errors="strict"),
        [97, 65533, 98],
    ),
    (lambda: s.unicode_decode(b"\xe9a", "latin1"), [233, 97]),
    (lambda: s.unicode_decode(b"\xe9a", "US-ASCII"), [65533, 97]),
    (lambda: s.unicode_decode(b"\x00a\x00b", "UTF-16-BE"), [97, 98]),
    (lambda: s.unicode_decode(b"\x00a\x00", "UTF-16-BE"), [97, 65533]),
    (lambda: s.unicode_decode(b"\xd8\x00\x00a", "UTF-16-BE"), [65533, 97]),
    (lambda: s.unicode_decode(b"a\x00b\x00", "UTF-16-LE"), [97, 98]),
    (lambda: s.unicode_decode(b"\x00\x00\x00a", "UTF-32-BE"), [97]),
    (lambda: s.unicode_decode(b"\x00\x11\x00\x00\x00\x00\x00a", "UTF-32-BE"), [65533, 97]),
    (lambda: s.unicode_decode("日本".encode("shift-jis"), "shift-jis"), [26085, 26412]),
    (lambda: s.unicode_decode("\ufeffa", "UTF-8"), [65279, 97]),
    (lambda: s.unicode_decode(R([["a"], ["b", "é"]]), "UTF-8"), [[[97]], [[98], [233]]]),
    (lambda: s.unicode_decode_with_offsets("héllo", "UTF-8"), ([104, 233, 108, 108, 111], [0, 1, 3, 4, 5])),
    (
        lambda: s.unicode_decode_with_offsets(["hé", "ab"], "UTF-8"),
        ([[104, 233], [97, 98]], [[0, 1], [0, 1]]),
    ),
    (lambda: s.unicode_decode_with_offsets(b"a\xe4\xb8b", "UTF-8"), ([97, 65533, 98], [0, 1, 3])),
    (lambda: s.unicode_decode_with_offsets(b"a\xffb", "UTF-8", errors="ignore"), ([97, 98], [0, 2])),
    (lambda: s.unicode_decode_with_offsets(b"\x00a\x00b", "UTF-16-BE"), ([97, 98], [0, 2])),
    (lambda: s.unicode_split("héllo", "UTF-8"), [b"h", b"\xc3\xa9", b"l", b"l", b"o"]),
    (
        lambda: s.unicode_split(["héllo", "ab", ""], "UTF-8"),
        [[b"h", b"\xc3\xa9", b"l", b"l", b"o"], [b"a", b"b"], []],
    ),
    (lambda: s.unicode_split(b"a\xffb", "UTF-8"), [b"a", b"\xef\xbf\xbd", b"b"]),
    (lambda: s.unicode_split(b"a\xffb", "UTF-8", errors="ignore"), [b"a", b"b"]),
    (lambda: s.unicode_split(b"\x00a\x00b", "UTF-16-BE"), [b"\x00a", b"\x00b"]),
    (lambda: s.unicode_split_with_offsets("hé", "UTF-8"), ([b"h", b"\xc3\xa9"], [0, 1])),
    (
        lambda: s.unicode_split_with_offsets(["hé", "b"], "UTF-8"),
        ([[b"h", b"\xc3\xa9"], [b"b"]], [[0, 1], [0]]),
    ),
    (
        lambda: s.unicode_split_with_offsets(R([["hé"], ["b"]]), "UTF-8"),
        ([[[b"h", b"\xc3\xa9"]], [[b"b"]]], [[[0, 1]], [[0]]]),
    ),
    (lambda: s.unicode_encode([104, 233], "UTF-8"), b"h\xc3\xa9"),
    (lambda: s.unicode_encode([[104, 233], [97, 98]], "UTF-8"), [b"h\xc3\xa9", b"ab"]),
    (lambda: s.unicode_encode(R([[104, 233], [97]]), "UTF-8"), [b"h\xc3\xa9", b"a"]),
    (lambda: s.unicode_encode(R([[[104, 233], [97]], [[98]]]), "UTF-8"), [[b"h\xc3\xa9", b"a"], [b"b"]]),
    (lambda: s.unicode_encode([104, 233], "UTF-16-BE"), b"\x00h\x00\xe9"),
    (lambda: s.unicode_encode([104, 65536], "UTF-16-BE"), b"\x00h\xd8\x00\xdc\x00"),
    (lambda: s.unicode_encode([104], "UTF-32-BE"), b"\x00\x00\x00h"),
    (lambda: s.unicode_encode([55296, 1114112, -1], "UTF-8"), b"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"),
    (lambda: s.unicode_encode([55296], "UTF-8", errors="ignore"), b""),
    (lambda: s.unicode_encode([55296], "UTF-8", replacement_char=63), b"?"),
    (lambda: s.unicode_encode(tf.zeros([0], tf.int32), "UTF-8"), b""),
    (lambda: s.unicode_transcode(["hé", "a"], "UTF-8", "UTF-16-BE"), [b"\x00h\x00\xe9", b"\x00a"]),
    (lambda: s.unicode_transcode(b"a\xffb", "UTF-8", "UTF-8"), b"a\xef\xbf\xbdb"),
    (lambda: s.unicode_transcode(b"a\xffb", "UTF-8", "UTF-8", errors="ignore"), b"ab"),
    (
        lambda: s.unicode_transcode("a\x01b", "UTF-8", "UTF-8", replace_control_characters=True),
        b"a\xef\xbf\xbdb",
    ),
    (
        lambda: s.unicode_transcode(
            "a\x01b", "UTF-8", "UTF-8", replace_control_characters=True, replacement_char=0x20
        ),
        b"a b",
    ),
    (lambda: s.unicode_transcode(b"\xe9", "latin1", "UTF-8"), b"\xc3\xa9"),
    (lambda: s.unicode_transcode("é", "UTF-8", "UTF-32-BE"), b"\x00\x00\x00\xe9"),
    (lambda: s.unicode_transcode(R([["é"], ["b"]]), "UTF-8", "UTF-16-BE"), [[b"\x00\xe9"], [b"\x00b"]]),
    (lambda: s.unicode_transcode("\ufeffa", "UTF-8", "UTF-8"), b"\xef\xbb\xbfa"),
    (lambda: s.unicode_transcode(b"\xfe\xff\x00a", "UTF-16", "UTF-8"), b"a"),
    (lambda: s.unicode_transcode(b"a\x00", "UTF-16", "UTF-8"), b"\xe6\x84\x80"),
    (lambda: s.unicode_transcode(b"\x00a", "UTF-16", "UTF-8"), b"a"),
    (
        lambda: s.unicode_script([65, 0x3B1, 0x4E00, 48, -1, 0x110000, 0x10FFFF, 0x300]),
        [25, 14, 17, 0, -1, -1, 103, 1],
    ),
    (lambda: s.unicode_script(R([[65], [0x410]])), [[25], [8]]),
]


@pytest.mark.parametrize(("call", "expected"), CALLS, ids=range(len(CALLS)))
def test_values(call, expected):
    assert plain(call()) == plain(expected)


REFUSED = [
    (lambda: s.unicode_decode(b"a\xffb", "UTF-8", errors="strict"), tf.errors.InvalidArgumentError),
    (lambda: s.unicode_decode("a", "nonsense"), tf.errors.InvalidArgumentError),
    (lambda: s.unicode_decode("a", "UTF-8", errors="bad"), tf.errors.InvalidArgumentError),
    (lambda: s.unicode_decode("a", "UTF-8", replacement_char=-1), tf.errors.InvalidArgumentError),
    (lambda: s.unicode_split("a", "latin1"), tf.errors.InvalidArgumentError),
    (lambda: s.unicode_encode([55296], "UTF-8", errors="strict"), tf.errors.InvalidArgumentError),
    (lambda: s.unicode_encode([104], "latin1"), tf.errors.InvalidArgumentError),
    (lambda: s.unicode_encode(104, "UTF-8"), ValueError),
    (
        lambda: s.unicode_transcode(b"a\xffb", "UTF-8", "UTF-8", errors="strict"),
        tf.errors.InvalidArgumentError,
    ),
    (lambda: s.unicode_transcode("é", "UTF-8", "latin1"), tf.errors.InvalidArgumentError),
    (lambda: s.unicode_transcode("é", "UTF-8", "US-ASCII"), tf.errors.InvalidArgumentError),
]


@pytest.mark.parametrize(("call", "error"), REFUSED, ids=range(len(REFUSED)))
def test_refused(call, error):
    with pytest.raises(error):
        call()
