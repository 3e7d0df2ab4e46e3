"""`tf.strings.lower`, `upper`, `strip`, `length`, `substr`. The values are TensorFlow's."""

from __future__ import annotations

import pytest

import penstock as tf
from tests.ops.string_values import plain

s = tf.strings
v1 = tf.compat.v1
R = tf.ragged.constant

CALLS = [
    (lambda: s.substr("hello", 1, 3), b"ell"),
    (lambda: s.substr(["hello", "worldly"], [1, 2], [2, 3]), [b"el", b"rld"]),
    (lambda: s.substr(["hello", "worldly"], -3, 2), [b"ll", b"dl"]),
    (lambda: s.substr(["hello"], [5], [2]), [b""]),
    (lambda: s.substr(["hello"], [0], [-2]), [b"hello"]),
    (lambda: s.substr("hello", 2, 100), b"llo"),
    (lambda: s.substr("", 0, 1), b""),
    (
        lambda: s.substr([["ten", "eleven"], ["fifteen", "twelve"]], [1, 2], [2, 3]),
        [[b"en", b"eve"], [b"if", b"elv"]],
    ),
    (lambda: s.substr("abc", [0, 1], [1, 1]), [b"a", b"b"]),
    (lambda: s.substr("héllo", 1, 2), b"\xc3\xa9"),
    (lambda: s.substr("héllo", 1, 2, unit="UTF8_CHAR"), b"\xc3\xa9l"),
    (lambda: s.substr("héllo", -2, 2, unit="UTF8_CHAR"), b"lo"),
    (lambda: s.substr(R([["hello", "wo"], ["abc"]]), 1, 2), [[b"el", b"o"], [b"bc"]]),
    (lambda: v1.substr("hello", 1, 3), b"ell"),
    (lambda: v1.substr(["hello"], [1], [3], "nm", "BYTE"), [b"ell"]),
    (lambda: s.length(["héllo", "a", ""]), [6, 1, 0]),
    (lambda: s.length(["héllo", "a", ""], unit="UTF8_CHAR"), [5, 1, 0]),
    (lambda: s.length(b"\xff\xc3\xa9\x80", unit="UTF8_CHAR"), 2),
    (lambda: s.length(R([["ab"], ["c", ""]])), [[2], [1, 0]]),
    (lambda: v1.strings.length(["abc"], "nm", "BYTE"), [3]),
    (lambda: s.lower(["ABÉ"]), [b"ab\xc3\x89"]),
    (lambda: s.lower(["ABÉ"], encoding="utf-8"), [b"ab\xc3\xa9"]),
    (lambda: s.upper(["abéß"]), [b"AB\xc3\xa9\xc3\x9f"]),
    (lambda: s.upper(["abéß"], encoding="utf-8"), [b"AB\xc3\x89SS"]),
    (lambda: s.lower(R([["A"], ["B"]])), [[b"a"], [b"b"]]),
    (lambda: s.lower(b"A\xff\xc3\x89"), b"a\xff\xc3\x89"),
    (lambda: s.lower(b"A\xff\xc3\x89", encoding="utf-8"), b"a\xef\xbf\xbd\xc3\xa9"),
    (lambda: s.strip(["  a b \t\n\r\x0b\x0c", "", " "]), [b"a b", b"", b""]),
    (lambda: s.strip(R([[" a"], ["b "]])), [[b"a"], [b"b"]]),
]


@pytest.mark.parametrize(("call", "expected"), CALLS, ids=range(len(CALLS)))
def test_values(call, expected):
    assert plain(call()) == plain(expected)


REFUSED = [
    (lambda: s.substr(["hello", "worldly"], 1, [2, 3]), tf.errors.InvalidArgumentError),
    (lambda: s.substr(["hello"], [6], [2]), tf.errors.InvalidArgumentError),
    (lambda: s.substr(["hello"], [-6], [2]), tf.errors.InvalidArgumentError),
    (lambda: s.substr("héllo", 9, 2, unit="UTF8_CHAR"), tf.errors.InvalidArgumentError),
    (lambda: s.substr("héllo", 1, 2, unit="X"), tf.errors.InvalidArgumentError),
    (lambda: s.length("a", unit="BAD"), tf.errors.InvalidArgumentError),
    (lambda: s.upper(["a"], encoding="latin"), tf.errors.InvalidArgumentError),
]


@pytest.mark.parametrize(("call", "error"), REFUSED, ids=range(len(REFUSED)))
def test_refused(call, error):
    with pytest.raises(error):
        call()
