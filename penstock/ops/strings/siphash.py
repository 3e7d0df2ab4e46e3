"""SipHash-2-4, a hash with a key that nobody can foresee without it. https://www.aumasson.jp/siphash/siphash.pdf"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.ops.strings.native_hashes import native_hashes
from penstock.ops.strings.words import OneString, hashes

_MASK = (1 << 64) - 1


def siphash(data: bytes, key: tuple[int, int]) -> int:
    """The 64-bit SipHash-2-4 of a byte string under a key of two 64-bit words.

    >>> hex(siphash(bytes(range(15)), (0x0706050403020100, 0x0F0E0D0C0B0A0908)))
    '0xa129ca6149be45e5'
    """
    return _hash(OneString(data), key)


def siphashes(strings: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """The hash of each string of an array of bytes: uint64, of the same shape."""
    found = native_hashes("siphashes", strings, *(word & _MASK for word in key))
    return hashes(lambda s: _hash(s, key), strings) if found is None else found


def _hash(s: Any, key: tuple[int, int]) -> Any:
    k0, k1 = key[0] & _MASK, key[1] & _MASK
    state = (
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    )
    whole = s.length // 8 * 8
    last = s.rest(whole) | (s.length & 0xFF) << 56
    for word in [*map(s.word, range(0, whole, 8)), last]:
        v0, v1, v2, v3 = state
        v0, v1, v2, v3 = _round(*_round(v0, v1, v2, v3 ^ word))
        state = (v0 ^ word, v1, v2, v3)
    v0, v1, v2, v3 = state
    state = (v0, v1, v2 ^ 0xFF, v3)
    for _ in range(4):
        state = _round(*state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _rotate(value: Any, shift: int) -> Any:
    return (value << shift | value >> (64 - shift)) & _MASK


def _round(v0: Any, v1: Any, v2: Any, v3: Any) -> tuple[Any, Any, Any, Any]:
    v0, v2 = v0 + v1 & _MASK, v2 + v3 & _MASK
    v1, v3 = _rotate(v1, 13) ^ v0, _rotate(v3, 16) ^ v2
    v0, v2 = _rotate(v0, 32) + v3 & _MASK, v2 + v1 & _MASK
    v3, v1 = _rotate(v3, 21) ^ v0, _rotate(v1, 17) ^ v2
    return v0, v1, _rotate(v2, 32), v3
