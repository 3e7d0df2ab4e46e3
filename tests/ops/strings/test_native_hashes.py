import numpy as np
import pytest

from penstock.ops.strings.farmhash import fingerprint64
from penstock.ops.strings.native_hashes import _library, native_hashes
from penstock.ops.strings.siphash import siphash

pytestmark = pytest.mark.skipif(_library() is None, reason="no native kernels")

RANDOM = np.random.default_rng(0)
STRINGS = np.array([RANDOM.bytes(length) for length in [*range(140), 255, 256, 257, 1000]], object)
KEY = (2**64 - 3, 0x0706050403020100)


def test_fingerprints_are_those_of_single_strings():
    expected = [fingerprint64(each) for each in STRINGS]
    assert native_hashes("fingerprints", STRINGS).tolist() == expected


def test_siphashes_are_those_of_single_strings():
    expected = [siphash(each, KEY) for each in STRINGS]
    assert native_hashes("siphashes", STRINGS, *KEY).tolist() == expected


def test_arrays_of_any_shape_and_strides():
    grid = STRINGS[:140].reshape(10, 14).T[::2]
    found = native_hashes("fingerprints", grid)
    assert found.tolist() == [[fingerprint64(each) for each in row] for row in grid]


@pytest.mark.parametrize("other", ["text", None, 3, bytearray(b"bytes"), np.bytes_(b"bytes")])
def test_other_objects_are_left_to_python(other):
    strings = STRINGS[:20].copy()
    strings[11] = other
    assert native_hashes("fingerprints", strings) is None


def test_few_strings_are_left_to_python():
    assert native_hashes("fingerprints", STRINGS[:2]) is None
