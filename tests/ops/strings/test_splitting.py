"""`tf.strings.split`, `bytes_split`, `ngrams`, and TF 1's `string_split`. The values are TensorFlow's."""

from __future__ import annotations

import pytest

import penstock as tf
from tests.ops.string_values import plain

s = tf.strings
v1 = tf.compat.v1
R = tf.ragged.constant

CALLS = [
    (lambda: s.bytes_split("hello"), [b"h", b"e", b"l", b"l", b"o"]),
    (lambda: s.bytes_split(["hello", "ab", ""]), [[b"h", b"e", b"l", b"l", b"o"], [b"a", b"b"], []]),
    (lambda: s.bytes_split([["hello"], ["a"]]), [[[b"h", b"e", b"l", b"l", b"o"]], [[b"a"]]]),
    (lambda: s.bytes_split("héé"), [b"h", b"\xc3", b"\xa9", b"\xc3", b"\xa9"]),
    (lambda: s.bytes_split(R([["ab"], ["c", "d"]])), [[[b"a", b"b"]], [[b"c"], [b"d"]]]),
    (lambda: s.split("hello world a"), [b"hello", b"world", b"a"]),
    (lambda: s.split(["hello world", "a  b"]), [[b"hello", b"world"], [b"a", b"b"]]),
    (lambda: s.split(["hello world", "a  b", ""], sep=" "), [[b"hello", b"world"], [b"a", b"", b"b"], [b""]]),
    (lambda: s.split(["a,b,,c", ",x,"], sep=","), [[b"a", b"b", b"", b"c"], [b"", b"x", b""]]),
    (lambda: s.split(["a<>b<>c"], "<>"), [[b"a", b"b", b"c"]]),
    (lambda: s.split("a b c d", maxsplit=2), [b"a", b"b", b"c d"]),
    (lambda: s.split("a,b,c,d", ",", 2), [b"a", b"b", b"c,d"]),
    (lambda: s.split([["a b"], ["c"]]), [[[b"a", b"b"]], [[b"c"]]]),
    (lambda: s.split(""), []),
    (lambda: s.split([""], ","), [[b""]]),
    (lambda: s.split(" \t a\n b "), [b"a", b"b"]),
    (lambda: s.split(R([["a b"], ["c", "d e"]])), [[[b"a", b"b"]], [[b"c"], [b"d", b"e"]]]),
    (lambda: v1.strings.split(["a b", "c"]), ([[0, 0], [0, 1], [1, 0]], [b"a", b"b", b"c"], [2, 2])),
    (lambda: v1.strings.split(["a b", "c"], result_type="RaggedTensor"), [[b"a", b"b"], [b"c"]]),
    (lambda: v1.strings.split("a b", result_type="RaggedTensor"), [[b"a", b"b"]]),
    (lambda: v1.strings.split("a b"), ([[0, 0], [0, 1]], [b"a", b"b"], [1, 2])),
    (lambda: v1.strings.split(source=["a b"], sep="b"), ([[0, 0], [0, 1]], [b"a ", b""], [1, 2])),
    (lambda: v1.string_split(["a b", "c"]), ([[0, 0], [0, 1], [1, 0]], [b"a", b"b", b"c"], [2, 2])),
    (lambda: v1.string_split(["a b", "", " c "]), ([[0, 0], [0, 1], [2, 0]], [b"a", b"b", b"c"], [3, 2])),
    (lambda: v1.string_split(["a,b;c"], ",;"), ([[0, 0], [0, 1], [0, 2]], [b"a", b"b", b"c"], [1, 3])),
    (
        lambda: v1.string_split(["a,b,,c"], ",", skip_empty=False),
        ([[0, 0], [0, 1], [0, 2], [0, 3]], [b"a", b"b", b"", b"c"], [1, 4]),
    ),
    (lambda: v1.string_split(["abc"], ""), ([[0, 0], [0, 1], [0, 2]], [b"a", b"b", b"c"], [1, 3])),
    (lambda: v1.string_split(["a b", "c"], result_type="RaggedTensor"), [[b"a", b"b"], [b"c"]]),
    (lambda: s.ngrams(["a", "b", "c"], 2), [b"a b", b"b c"]),
    (lambda: s.ngrams(["a", "b", "c"], [1, 2], separator="-"), [b"a", b"b", b"c", b"a-b", b"b-c"]),
    (lambda: s.ngrams(["a", "b", "c"], 2, pad_values=("L", "R")), [b"L a", b"a b", b"b c", b"c R"]),
    (lambda: s.ngrams(["a", "b", "c"], 3, pad_values="P", padding_width=1), [b"P a b", b"a b c", b"b c P"]),
    (lambda: s.ngrams(["a", "b"], 3), []),
    (lambda: s.ngrams(["a", "b"], 3, preserve_short_sequences=True), [b"a b"]),
    (
        lambda: s.ngrams(["a", "b"], (2, 3), pad_values="P"),
        [b"P a", b"a b", b"b P", b"P P a", b"P a b", b"a b P", b"b P P"],
    ),
    (lambda: s.ngrams(R([["a", "b", "c"], ["d"], []]), 2), [[b"a b", b"b c"], [], []]),
    (
        lambda: s.ngrams(R([["a", "b", "c"], ["d"], []]), [2, 3], preserve_short_sequences=True),
        [[b"a b", b"b c", b"a b c"], [b"d"], []],
    ),
    (lambda: s.ngrams([["a", "b", "c"], ["d", "e", "f"]], 2), [[b"a b", b"b c"], [b"d e", b"e f"]]),
    (lambda: s.ngrams(R([[["a", "b"], ["c"]], [["d", "e"]]]), 2), [[[b"a b"], []], [[b"d e"]]]),
    (
        lambda: s.ngrams(R([["a", "b", "c"], ["d"], []]), 2, pad_values=("<", ">"), padding_width=5),
        [[b"< a", b"a b", b"b c", b"c >"], [b"< d", b"d >"], [b"< >"]],
    ),
    (lambda: s.split("a b c d", maxsplit=0), [b"a b c d"]),
    (lambda: s.split("a,b", ",", 0), [b"a,b"]),
    (lambda: s.split("a b  c ", maxsplit=1), [b"a", b"b  c "]),
    (lambda: s.split("a  b", sep=" ", maxsplit=1), [b"a", b" b"]),
    (lambda: s.split(["a b", ""], maxsplit=1), [[b"a", b"b"], []]),
    (
        lambda: tf.raw_ops.StringSplitV2(input=["a b", "c"], sep="", maxsplit=-1),
        ([[0, 0], [0, 1], [1, 0]], [b"a", b"b", b"c"], [2, 2]),
    ),
    (lambda: s.split(["a b"], tf.constant(" ")), [[b"a", b"b"]]),
]


@pytest.mark.parametrize(("call", "expected"), CALLS, ids=range(len(CALLS)))
def test_values(call, expected):
    assert plain(call()) == plain(expected)


REFUSED = [
    (lambda: v1.string_split("abc"), tf.errors.InvalidArgumentError),
    (lambda: s.ngrams(["a"], 0), ValueError),
    (lambda: s.ngrams(["a"], 2, padding_width=1), ValueError),
    (lambda: s.ngrams(["a"], 2, pad_values=1), TypeError),
    (lambda: s.ngrams([1], 2), TypeError),
    (lambda: tf.raw_ops.StringSplitV2(input="a b", sep="", maxsplit=-1), tf.errors.InvalidArgumentError),
    (lambda: s.split(["a b"], sep=["x"]), tf.errors.InvalidArgumentError),
]


@pytest.mark.parametrize(("call", "error"), REFUSED, ids=range(len(REFUSED)))
def test_refused(call, error):
    with pytest.raises(error):
        call()
