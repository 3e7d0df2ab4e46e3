"""`tf.strings.to_hash_bucket`, `to_hash_bucket_fast`, `to_hash_bucket_strong`. The values are TensorFlow's."""

from __future__ import annotations

import hashlib
import random

import pytest

import penstock as tf
from tests.ops.string_values import plain

s = tf.strings
v1 = tf.compat.v1
R = tf.ragged.constant

CALLS = [
    (lambda: s.to_hash_bucket(["a", "hello", ""], 1000), [868, 938, 899]),
    (lambda: s.to_hash_bucket_fast(["a", "hello", ""], 1000), [939, 296, 263]),
    (lambda: s.to_hash_bucket_strong(["a", "hello", ""], 1000, [1, 2]), [646, 622, 435]),
    (lambda: s.to_hash_bucket_fast(R([["a"], ["b", "c"]]), 10), [[9], [2, 2]]),
    (lambda: s.to_hash_bucket(R([["a"], ["b", "c"]]), 10), [[8], [0, 7]]),
    (lambda: v1.string_to_hash_bucket(["a"], 10), [8]),
]


@pytest.mark.parametrize(("call", "expected"), CALLS, ids=range(len(CALLS)))
def test_values(call, expected):
    assert plain(call()) == plain(expected)


REFUSED = [
    (lambda: s.to_hash_bucket_strong(["a"], 1000, [1]), tf.errors.InvalidArgumentError),
    (lambda: s.to_hash_bucket_fast(["a"], 0), tf.errors.InvalidArgumentError),
]


@pytest.mark.parametrize(("call", "error"), REFUSED, ids=range(len(REFUSED)))
def test_refused(call, error):
    with pytest.raises(error):
        call()


@pytest.mark.parametrize(
    ("hash_function", "digest"),
    [
        (lambda x: s.to_hash_bucket(x, 2**62), "5adaf74d958d10ad253d5f154e2c79a7"),
        (lambda x: s.to_hash_bucket_fast(x, 2**62), "7dc5efcfed610c4a894e6d6379852440"),
        (
            lambda x: s.to_hash_bucket_strong(x, 2**62, [123456789, 2**60 + 7]),
            "0b4f19f1e1d98e72e32e44fb040cea29",
        ),
    ],
    ids=["hash64", "farmhash", "siphash"],
)
def test_strings_of_every_length(hash_function, digest):
    generator = random.Random(0)
    lengths = [*range(140), 200, 255, 256, 257, 1000]
    data = [bytes(generator.randrange(256) for _ in range(length)) for length in lengths]
    assert hashlib.md5(hash_function(data).numpy().tobytes()).hexdigest() == digest
