"""`tf.strings.regex_replace`, `tf.strings.regex_full_match`: RE2's syntax and matches. The values are TensorFlow's."""

from __future__ import annotations

import pytest

import penstock as tf
from penstock.ops.strings.regular_expressions import compile_pattern, matches_empty, replace, rewriting
from tests.ops.string_values import plain

s = tf.strings
R = tf.ragged.constant

CALLS = [
    (lambda: s.regex_replace(["hello world"], "o", "0"), [b"hell0 w0rld"]),
    (lambda: s.regex_replace(["hello world"], "o", "0", replace_global=False), [b"hell0 world"]),
    (lambda: s.regex_replace("hello", r"(l+)", r"<\1>"), b"he<ll>o"),
    (lambda: s.regex_replace("hello", r"(l+)", r"<\0\\>"), b"he<ll\\>o"),
    (lambda: s.regex_replace("hello", r"l", r"\2"), b"hello"),
    (lambda: s.regex_replace("hello", "", "-"), b"-h-e-l-l-o-"),
    (lambda: s.regex_replace("hello", "x*", "-"), b"-h-e-l-l-o-"),
    (lambda: s.regex_replace("héllo", ".", "x"), b"xxxxx"),
    (lambda: s.regex_replace("a\nb$", r"$", "E"), b"a\nb$E"),
    (lambda: s.regex_replace("a\n", r"$", "E"), b"a\nE"),
    (lambda: s.regex_replace("a\nb", ".", "x"), b"x\nx"),
    (lambda: s.regex_replace("héllo wörld", r"\w", "x"), b"x\xc3\xa9xxx x\xc3\xb6xxx"),
    (lambda: s.regex_replace("abc", r"[[:alpha:]]", "x"), b"xxx"),
    (lambda: s.regex_replace("abc1é", r"\pL", "x"), b"xxx1x"),
    (lambda: s.regex_replace("abc1é", r"\p{Lu}|\P{L}", "x"), b"abcx\xc3\xa9"),
    (lambda: s.regex_replace("αbγ", r"\p{Greek}", "x"), b"xbx"),
    (lambda: s.regex_replace("a.b", r"\Q.\E", "x"), b"axb"),
    (lambda: s.regex_replace("aXb", r"(?i)x", "-"), b"a-b"),
    (lambda: s.regex_replace("ab\nab", r"(?m)^a", "-"), b"-b\n-b"),
    (lambda: s.regex_replace("a\nb", r"(?s).", "-"), b"---"),
    (lambda: s.regex_replace("aaa", r"a{2}", "-"), b"-a"),
    (lambda: s.regex_replace("aaa", r"(?P<n>a)", r"[\1]"), b"[a][a][a]"),
    (lambda: s.regex_replace("aaa", r"a+?", "-"), b"---"),
    (lambda: s.regex_replace("aaa", r"(?U)a+", "-"), b"---"),
    (lambda: s.regex_replace("a\x00b", r"\x00", "-"), b"a-b"),
    (lambda: s.regex_replace("ab", r"\z", "-"), b"ab-"),
    (lambda: s.regex_replace("ab", r"\A", "-"), b"-ab"),
    (lambda: s.regex_replace("a-b", r"[\w-]", "x"), b"xxx"),
    (lambda: s.regex_replace(b"\xff\xfea", r".", "x"), b"\xff\xfex"),
    (lambda: s.regex_replace("abc", tf.constant("b"), tf.constant("X")), b"aXc"),
    (lambda: s.regex_replace(R([["ab"], ["bb", "c"]]), "b", "x"), [[b"ax"], [b"xx", b"c"]]),
    (lambda: s.regex_full_match(["abc", "ab"], "ab."), [True, False]),
    (lambda: s.regex_full_match(["abc", "ab"], "a|ab"), [False, True]),
    (lambda: s.regex_full_match("a\n", "a"), False),
    (lambda: s.regex_full_match(R([["ab"], ["c"]]), "a."), [[True], [False]]),
    (lambda: s.regex_replace("baac", "a*", "-"), b"-b-c-"),
    (lambda: s.regex_replace("abc", "|b", "-"), b"-a-b-c-"),
    (lambda: s.regex_replace("abc", "b", "\\"), b"ac"),
    (lambda: s.regex_replace("abc", "b", "\\x"), b"ac"),
    (lambda: s.regex_replace("a{,5}", "a{,5}", "-"), b"-"),
    (lambda: s.regex_replace("S", r"\123", "-"), b"-"),
    (lambda: s.regex_replace("a\x0bb", r"\s", "-"), b"a\x0bb"),
    (lambda: s.regex_replace("éÉ", r"(?i)é", "-"), b"--"),
    (lambda: s.regex_replace("aBcD", r"a(?i)b|c", "-"), b"--D"),
    (lambda: s.regex_replace("aBcC", r"a(?i)b|c", "-"), b"---"),
    (lambda: s.regex_replace("a]b", r"[]]", "-"), b"a-b"),
    (lambda: s.regex_replace("a^b", r"[\^]", "-"), b"a-b"),
    (lambda: s.regex_replace("abc", r"[^a]", "-"), b"a--"),
    (lambda: s.regex_replace("abC", r"(?i)[^c]", "-"), b"--C"),
    (lambda: s.regex_replace("a-c", r"[a\-c]", "-"), b"---"),
    (lambda: s.regex_replace("日本 ab", r"[\p{Han}]+", "X"), b"X ab"),
    (lambda: s.regex_replace("a\u00a0b", r"\s", "X"), b"a\xc2\xa0b"),
    (lambda: s.regex_replace("a b", r"[[:space:][:digit:]]", "X"), b"aXb"),
    (lambda: s.regex_replace("a1", r"[[:^digit:]]", "X"), b"X1"),
    (lambda: s.regex_replace("a.b", r"a\.b", "X"), b"X"),
    (lambda: s.regex_replace("a/b", r"a\/b", "X"), b"X"),
    (lambda: s.regex_replace("a_b", r"a\_b", "X"), b"X"),
    (lambda: s.regex_replace("ab", r"\x61\x{62}", "X"), b"X"),
    (lambda: s.regex_replace("abc", r"(?:a|b)+", "<\\0>"), b"<ab>c"),
    (lambda: s.regex_replace("foo.bar", r"[.]", "-"), b"foo-bar"),
    (lambda: s.regex_replace("HELLO", "(?i)hello(?-i)", "x"), b"x"),
]


@pytest.mark.parametrize(("call", "expected"), CALLS, ids=range(len(CALLS)))
def test_values(call, expected):
    assert plain(call()) == plain(expected)


REFUSED = [
    (lambda: s.regex_replace("abc", r"(", "x"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("abc", r"(?<=a)b", "x"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("abc", r"(a)\1", "x"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("a b", r"\s|\h", "-"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace(["abc", "bcd"], ["b", "c"], "X"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_full_match("a", "("), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("abc", "a*+", "-"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("abc", "a**", "-"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("abc", r"\1", "-"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("ab", r"(?<n>a)", "-"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("abc", r"[a-", "-"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("abc", r"[c-a]", "-"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("abc", r"a{1001}", "-"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("a1", r"[[:foo:]]", "X"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("aéb", r"a\éb", "X"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("ab", r"\pX", "X"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("abc", r"*a", "X"), tf.errors.InvalidArgumentError),
    (lambda: s.regex_replace("abc", r"a)", "X"), tf.errors.InvalidArgumentError),
]


@pytest.mark.parametrize(("call", "error"), REFUSED, ids=range(len(REFUSED)))
def test_refused(call, error):
    with pytest.raises(error):
        call()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a", False), ("a+", False), ("a*", True), ("a?b", False), ("a{0,2}", True), ("a{2}", False), ("", True),
        ("a|b", False), ("a|", True), ("a*|b", True), ("(a|b)+", False), ("(a|b)*", True), ("(a|b*)c", False),
        ("(?:a*)(b?)", True), ("()a", False), (r"\b", True), (r"^$", True), ("^a$", False), (r"\Qab\E", False),
        (r"\Qab\E*", False), (r"\Qa\E*", True), ("(?i)a|(?i:b*)", True), (r"\d+|[ab]?", True), ("(a(b*|c))d|e", False),
    ],
)  # fmt: skip
def test_which_patterns_match_nothing_at_all(pattern, expected):
    assert matches_empty(pattern.encode()) is expected


@pytest.mark.parametrize("rewrite", ["-", "", r"\\", r"<\0>", r"\1", r"\\1-\1"])
@pytest.mark.parametrize("pattern", ["(a)", "b(a)?", "x|(b)", r"(\w)c", "(?i)(A)b"])
def test_patterns_that_match_something_are_replaced_as_those_that_may_match_nothing(pattern, rewrite):
    compiled = compile_pattern(pattern.encode())
    for text in ["", "abba", "a", "xaacbc\ndb", "ä a"]:
        expected = replace(compiled, rewriting(rewrite, 1), text)
        assert plain(s.regex_replace(text, pattern, rewrite)) == expected.encode()


def test_invalid_utf_8_is_kept():
    assert plain(s.regex_replace(["ä", b"\xff.\xc3"], r"\.", "-")) == ["ä".encode(), b"\xff-\xc3"]
