"""Hash functions give many strings of one length what they give each of them."""

import random

import numpy as np
import pytest

from penstock.ops.strings.farmhash import fingerprint64, fingerprints64
from penstock.ops.strings.hashing import _hash64, hash64
from penstock.ops.strings.siphash import siphash, siphashes
from penstock.ops.strings.words import hashes

KEY = (1 << 63 | 5, 17)


@pytest.mark.parametrize(
    ("many", "one"),
    [
        (fingerprints64, fingerprint64),
        (lambda strings: hashes(_hash64, strings), hash64),
        (lambda strings: siphashes(strings, KEY), lambda each: siphash(each, KEY)),
    ],
)
def test_many_strings_of_all_lengths(many, one):
    generator = random.Random(1)
    lengths = [0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200, 256, 257]
    strings = np.array([generator.randbytes(length) for length in lengths * 40], object).reshape(2, -1)
    found = many(strings)
    assert found.shape == strings.shape and found.dtype == np.uint64
    assert found.ravel().tolist() == [one(each) for each in strings.ravel()]


def test_no_strings():
    assert fingerprints64(np.empty((0, 3), object)).shape == (0, 3)
