"""`tf.strings.as_string`, `tf.strings.to_number`. The values are TensorFlow's."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from tests.ops.string_values import plain

s = tf.strings
v1 = tf.compat.v1
R = tf.ragged.constant
INF, NAN = float("inf"), float("nan")

CALLS = [
    (lambda: s.as_string([1, 2]), [b"1", b"2"]),
    (
        lambda: s.as_string([1.5, -2.25, 1e10, float("nan"), float("inf"), 0.1]),
        [b"1.500000", b"-2.250000", b"10000000000.000000", b"nan", b"inf", b"0.100000"],
    ),
    (lambda: s.as_string([1.5, -2.25, 1e10], precision=2), [b"1.50", b"-2.25", b"10000000000.00"]),
    (
        lambda: s.as_string([1.5, -2.25, 1e-10], scientific=True),
        [b"1.500000e+00", b"-2.250000e+00", b"1.000000e-10"],
    ),
    (
        lambda: s.as_string([1.5, -2.25, 1e-10], scientific=True, precision=3),
        [b"1.500e+00", b"-2.250e+00", b"1.000e-10"],
    ),
    (
        lambda: s.as_string([1.5, -2.25, 1e-10, 0.1, 1e10, 123456.7], shortest=True),
        [b"1.5", b"-2.25", b"1e-10", b"0.1", b"1e+10", b"123457"],
    ),
    (lambda: s.as_string([0.1, 1e22], shortest=True, precision=3), [b"0.1", b"1e+22"]),
    (lambda: s.as_string([1, 2], width=4), [b"   1", b"   2"]),
    (lambda: s.as_string([1, -2], width=4, fill="0"), [b"0001", b"-002"]),
    (lambda: s.as_string([1, -2], width=4, fill="-"), [b"1   ", b"-2  "]),
    (lambda: s.as_string([1, -2], width=4, fill="+"), [b"  +1", b"  -2"]),
    (lambda: s.as_string([1, -2], width=4, fill=" "), [b"   1", b"  -2"]),
    (lambda: s.as_string([1.5], width=10, fill="0", precision=2), [b"0000001.50"]),
    (lambda: s.as_string([1, 2], fill="0"), [b"1", b"2"]),
    (lambda: s.as_string([True, False]), [b"true", b"false"]),
    (lambda: s.as_string([True, False], width=7), [b"true", b"false"]),
    (lambda: s.as_string([1 + 2j, 0.5]), [b"(1.000000,2.000000)", b"(0.500000,0.000000)"]),
    (lambda: s.as_string(["a", "b"]), [b"a", b"b"]),
    (lambda: s.as_string(["a", "b"], width=4), [b"   a", b"   b"]),
    (lambda: s.as_string(np.int8([1])), [b"1"]),
    (lambda: s.as_string(np.uint8([200])), [b"200"]),
    (lambda: s.as_string(np.uint64([2**64 - 1])), [b"18446744073709551615"]),
    (lambda: s.as_string(tf.constant([1.5], tf.float16)), [b"1.500000"]),
    (lambda: s.as_string(tf.constant([1.5], tf.bfloat16)), [b"1.500000"]),
    (lambda: s.as_string(np.float64([1 / 3])), [b"0.333333"]),
    (lambda: s.as_string(R([[1, 2], [3]])), [[b"1", b"2"], [b"3"]]),
    (lambda: s.as_string(tf.constant(5, tf.int64)), b"5"),
    (lambda: s.to_number(["1.5", "-2e3", "nan", "inf", " 3 "]), [1.5, -2000.0, NAN, INF, 3.0]),
    (lambda: s.to_number(["1", "-2"], tf.int32), [1, -2]),
    (lambda: s.to_number(["1", "-2"], tf.int64), [1, -2]),
    (lambda: s.to_number(["1.5"], tf.float64), [1.5]),
    (lambda: s.to_number(["1e50"]), [INF]),
    (lambda: s.to_number(["0x10"]), [16.0]),
    (lambda: s.to_number(["+5"], tf.int32), [5]),
    (lambda: s.to_number(["Infinity", "-INF", "NAN", "1.", "-.5", ".5e1"]), [INF, -INF, NAN, 1.0, -0.5, 5.0]),
    (lambda: s.to_number(R([["1"], ["2", "3"]]), tf.int32), [[1], [2, 3]]),
    (lambda: v1.strings.to_number(["1.5"]), [1.5]),
    (lambda: v1.string_to_number(["1.5"], tf.float64), [1.5]),
]


@pytest.mark.parametrize(("call", "expected"), CALLS, ids=range(len(CALLS)))
def test_values(call, expected):
    assert plain(call()) == plain(expected)


REFUSED = [
    (lambda: s.as_string([1, 2], fill="ab"), tf.errors.InvalidArgumentError),
    (lambda: s.as_string([1, 2], fill="x", width=3), tf.errors.InvalidArgumentError),
    (lambda: s.as_string([1], precision=2), tf.errors.InvalidArgumentError),
    (lambda: s.as_string([1], scientific=True), tf.errors.InvalidArgumentError),
    (lambda: s.as_string([1], shortest=True), tf.errors.InvalidArgumentError),
    (lambda: s.as_string([1.0], shortest=True, scientific=True), tf.errors.InvalidArgumentError),
    (lambda: s.to_number(["1.5"], tf.int32), tf.errors.InvalidArgumentError),
    (lambda: s.to_number(["abc"]), tf.errors.InvalidArgumentError),
    (lambda: s.to_number([""]), tf.errors.InvalidArgumentError),
    (lambda: s.to_number(["99999999999"], tf.int32), tf.errors.InvalidArgumentError),
    (lambda: s.to_number(["0x10"], tf.int32), tf.errors.InvalidArgumentError),
    (lambda: s.to_number(["1_0"], tf.int32), tf.errors.InvalidArgumentError),
    (lambda: s.to_number(["5"], tf.uint8), tf.errors.InvalidArgumentError),
    (lambda: s.to_number(["5"], tf.bool), tf.errors.InvalidArgumentError),
]


@pytest.mark.parametrize(("call", "error"), REFUSED, ids=range(len(REFUSED)))
def test_refused(call, error):
    with pytest.raises(error):
        call()
