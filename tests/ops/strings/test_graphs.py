"""Strings in graphs: they run on the host between compiled pieces, with shapes as far as they are known."""

from __future__ import annotations

import penstock as tf

s = tf.strings


def test_numbers_and_strings_in_one_function():
    @tf.function
    def f(x, names):
        values = tf.reduce_sum(tf.matmul(x, x), axis=1)
        labels = s.join([s.upper(names), s.as_string(values, precision=1)], separator="=")
        return s.reduce_join(labels, separator=";"), tf.reduce_sum(s.length(labels))

    text, total = f(tf.eye(2) * 2.0, tf.constant(["a", "bc"]))
    assert text.numpy() == b"A=4.0;BC=4.0"
    assert total.numpy() == 11


def test_splitting_a_vector_of_unknown_size():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def f(lines):
        words = s.split(lines)
        assert words.shape.as_list() == [None, None]
        return words.to_tensor(default_value="-"), words.row_lengths()

    table, lengths = f(tf.constant(["a b c", "", "d"]))
    assert table.numpy().tolist() == [[b"a", b"b", b"c"], [b"-", b"-", b"-"], [b"d", b"-", b"-"]]
    assert lengths.numpy().tolist() == [3, 0, 1]


def test_shapes():
    @tf.function(input_signature=[tf.TensorSpec([2, None], tf.string)])
    def f(x):
        shapes.extend(
            each.shape.as_list()
            for each in (
                s.lower(x), s.length(x), s.substr(x, 0, 1), s.regex_replace(x, "a", "b"), s.reduce_join(x, 1),
                s.reduce_join(x, 0, keepdims=True), s.to_number(x), s.to_hash_bucket_fast(x, 3), s.join([x, "!"]),
                s.unsorted_segment_join(x, [0, 0], 5), s.reduce_join(x), s.unicode_transcode(x, "UTF-8", "UTF-8"),
            )
        )  # fmt: skip
        return x

    shapes: list = []
    f(tf.constant([["1"], ["2"]]))
    assert shapes == [[2, None]] * 4 + [[2], [1, None]] + [[2, None]] * 3 + [[5, None], [], [2, None]]


def test_trailing_zero_bytes_stay():
    assert s.join([b"a\0", b"\0"]).numpy() == b"a\0\0"
    assert s.split(tf.constant(b"a\0,b\0"), ",").numpy().tolist() == [b"a\0", b"b\0"]
    assert s.substr(tf.constant(b"ab\0\0"), 1, 3).numpy() == b"b\0\0"
