"""`tf.strings.join`, `reduce_join`, `unsorted_segment_join`. The values are TensorFlow's."""

from __future__ import annotations

import pytest

import penstock as tf
from tests.ops.string_values import plain

s = tf.strings
v1 = tf.compat.v1
R = tf.ragged.constant

CALLS = [
    (lambda: s.join(["a", "b"]), b"ab"),
    (lambda: s.join([["a", "b"], ["c", "d"]], separator="-"), [b"a-c", b"b-d"]),
    (lambda: s.join([["a", "b"], "c"], "-"), [b"a-c", b"b-c"]),
    (lambda: s.join([]), b""),
    (lambda: s.join([R([["a"], ["b", "c"]]), R([["x"], ["y", "z"]])], "-"), [[b"a-x"], [b"b-y", b"c-z"]]),
    (lambda: s.join([R([["a"], ["b", "c"]]), "!"], "-"), [[b"a-!"], [b"b-!", b"c-!"]]),
    (lambda: s.reduce_join([["a", "b"], ["c", "d"]]), b"abcd"),
    (lambda: s.reduce_join([["a", "b"], ["c", "d"]], 0), [b"ac", b"bd"]),
    (lambda: s.reduce_join([["a", "b"], ["c", "d"]], axis=1, separator="-"), [b"a-b", b"c-d"]),
    (lambda: s.reduce_join([["a", "b"], ["c", "d"]], axis=[0, 1], separator="-"), b"a-c-b-d"),
    (lambda: s.reduce_join([["a", "b"], ["c", "d"]], axis=[1, 0], separator="-"), b"a-b-c-d"),
    (lambda: s.reduce_join([["a", "b"], ["c", "d"]], axis=-1, keepdims=True), [[b"ab"], [b"cd"]]),
    (lambda: s.reduce_join([["a", "b"], ["c", "d"]], axis=[]), [[b"a", b"b"], [b"c", b"d"]]),
    (lambda: s.reduce_join("a"), b"a"),
    (lambda: s.reduce_join(tf.zeros([0, 2], tf.string), 0), [b"", b""]),
    (lambda: s.reduce_join(tf.zeros([0, 2], tf.string)), b""),
    (lambda: s.reduce_join(R([["a", "b"], ["c"]]), axis=-1), [b"ab", b"c"]),
    (lambda: s.reduce_join(R([["a", "b"], ["c"]]), axis=1, separator=","), [b"a,b", b"c"]),
    (lambda: s.reduce_join(R([["a", "b"], ["c"]]), axis=0), [b"ac", b"b"]),
    (lambda: s.reduce_join(R([["a", "b"], ["c"]])), b"abc"),
    (lambda: s.reduce_join(R([["a", "b"], ["c"]]), axis=1, keepdims=True), [[b"ab"], [b"c"]]),
    (lambda: s.reduce_join(R([[["a", "b"], ["c"]], [["d"]]]), axis=[1, 2]), [b"abc", b"d"]),
    (
        lambda: s.reduce_join(R([[["a", "b"], ["c"]], [["d"]]]), axis=2, separator="-"),
        [[b"a-b", b"c"], [b"d"]],
    ),
    (lambda: v1.reduce_join([["a", "b"], ["c", "d"]], 0), [b"ac", b"bd"]),
    (
        lambda: v1.reduce_join([["a", "b"], ["c", "d"]], reduction_indices=[1], keep_dims=True),
        [[b"ab"], [b"cd"]],
    ),
    (lambda: s.unsorted_segment_join(["a", "b", "c", "d"], [0, 1, 0, 1], 2, ":"), [b"a:c", b"b:d"]),
    (lambda: s.unsorted_segment_join([["a", "b"], ["c", "d"]], [1, 0], 2, "-"), [[b"c", b"d"], [b"a", b"b"]]),
    (lambda: s.unsorted_segment_join([["a", "b"], ["c", "d"]], [[1, 0], [0, 0]], 2, "-"), [b"b-c-d", b"a"]),
    (lambda: s.unsorted_segment_join(tf.fill([0, 2], "a"), tf.zeros([0], tf.int32), 1), [[b"", b""]]),
]


@pytest.mark.parametrize(("call", "expected"), CALLS, ids=range(len(CALLS)))
def test_values(call, expected):
    assert plain(call()) == plain(expected)


REFUSED = [
    (lambda: s.join([["a", "b"], ["c"]]), tf.errors.InvalidArgumentError),
    (lambda: s.join(["a", ["b"], [["c"]]]), tf.errors.InvalidArgumentError),
    (lambda: s.reduce_join([["a", "b"], ["c", "d"]], axis=[0, 0]), tf.errors.InvalidArgumentError),
    (lambda: s.reduce_join([["a", "b"], ["c", "d"]], axis=5), tf.errors.OutOfRangeError),
    (lambda: s.unsorted_segment_join(["a", "b", "c", "d"], [2, -1, 0, 0], 3), tf.errors.InvalidArgumentError),
    (lambda: s.unsorted_segment_join(["a", "b"], [5, 0], 2), tf.errors.InvalidArgumentError),
    (
        lambda: s.unsorted_segment_join(tf.fill([0], "a"), tf.zeros([0], tf.int32), -1),
        tf.errors.InvalidArgumentError,
    ),
    (lambda: s.unsorted_segment_join(["a", "b"], [0], 2), tf.errors.InvalidArgumentError),
]


@pytest.mark.parametrize(("call", "error"), REFUSED, ids=range(len(REFUSED)))
def test_refused(call, error):
    with pytest.raises(error):
        call()
