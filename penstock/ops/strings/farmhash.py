"""FarmHash's Fingerprint64, the hash that TensorFlow calls "fast", and Fingerprint128: the same on every machine.

Serve `tf.fingerprint`, the ops that hash strings into buckets, and `SdcaFprint`. https://github.com/google/farmhash
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.ops.strings.native_hashes import native_hashes
from penstock.ops.strings.words import OneString, hashes

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def fingerprint64(data: bytes) -> int:
    """The 64-bit FarmHash fingerprint of a byte string.

    >>> hex(fingerprint64(b"abc"))
    '0x24a5b3a074e7f369'
    """
    return _fingerprint(OneString(data))


def fingerprints64(strings: np.ndarray) -> np.ndarray:
    """The fingerprint of each string of an array of bytes: uint64, of the same shape."""
    found = native_hashes("fingerprints", strings)
    return hashes(_fingerprint, strings) if found is None else found


def _fingerprint(s: Any) -> Any:
    if s.length <= 16:
        return _up_to_16(s)
    if s.length <= 32:
        return _up_to_32(s)
    if s.length <= 64:
        return _up_to_64(s)
    return _long(s)


def _rotate(value: Any, shift: int) -> Any:
    value = value & _MASK
    return (value >> shift | value << (64 - shift)) & _MASK


def _shift_mix(value: Any) -> Any:
    value = value & _MASK
    return value ^ value >> 47


def _mix(u: Any, v: Any, multiplier: Any) -> Any:
    """Two words into one (HashLen16)."""
    a = _shift_mix((u ^ v) * multiplier)
    return _shift_mix((v ^ a) * multiplier) * multiplier & _MASK


def _up_to_16(s: Any) -> Any:
    length = s.length
    multiplier = _K2 + length * 2
    if length >= 8:
        a, b = s.word(0) + _K2, s.word(length - 8)
        c, d = _rotate(b, 37) * multiplier + a, (_rotate(a, 25) + b) * multiplier
        return _mix(c & _MASK, d & _MASK, multiplier)
    if length >= 4:
        return _mix(length + (s.half(0) << 3), s.half(length - 4), multiplier)
    if length:
        y = s.byte(0) + (s.byte(length >> 1) << 8)
        z = length + (s.byte(length - 1) << 2)
        return _shift_mix(y * _K2 ^ z * _K0) * _K2 & _MASK
    return _K2


def _up_to_32(s: Any) -> Any:
    length = s.length
    multiplier = _K2 + length * 2
    a, b = s.word(0) * _K1, s.word(8)
    c, d = s.word(length - 8) * multiplier, s.word(length - 16) * _K2
    u, v = _rotate(a + b, 43) + _rotate(c, 30) + d, a + _rotate(b + _K2, 18) + c
    return _mix(u & _MASK, v & _MASK, multiplier)


def _up_to_64(s: Any) -> Any:
    length = s.length
    multiplier = _K2 + length * 2
    a, b = s.word(0) * _K2, s.word(8)
    c, d = s.word(length - 8) * multiplier, s.word(length - 16) * _K2
    y = (_rotate(a + b, 43) + _rotate(c, 30) + d) & _MASK
    z = _mix(y, (a + _rotate(b + _K2, 18) + c) & _MASK, multiplier)
    e, f = s.word(16) * multiplier, s.word(24)
    g, h = (y + s.word(length - 32)) * multiplier, (z + s.word(length - 24)) * multiplier
    u, v = _rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g
    return _mix(u & _MASK, v & _MASK, multiplier)


def _weak(s: Any, at: int, a: Any, b: Any) -> tuple[Any, Any]:
    """Four words and two seeds into two words (WeakHashLen32WithSeeds)."""
    w, x, y, z = (s.word(at + 8 * i) for i in range(4))
    a = a + w  # not in place: these may be arrays
    b = _rotate(b + a + z, 21)
    c = a
    a = a + x + y
    b = b + _rotate(a, 44)
    return (a + z) & _MASK, (b + c) & _MASK


def _round(s: Any, at: int, state: tuple, multiplier: Any, final: int) -> tuple:
    """Stirs 64 bytes into the state; `final` is 9 for the last round, 1 before."""
    x, y, z, v, w = state
    x = _rotate(x + y + v[0] + s.word(at + 8), 37) * multiplier
    y = _rotate(y + v[1] + s.word(at + 48), 42) * multiplier
    x = (x ^ w[1] * final) & _MASK
    y = (y + v[0] * final + s.word(at + 40)) & _MASK
    z = _rotate(z + w[0], 33) * multiplier & _MASK
    v = _weak(s, at, v[1] * multiplier, x + w[0])
    w = _weak(s, at + 32, z + w[1], y + s.word(at + 16))
    return z, y, x, v, w


def _long(s: Any) -> Any:
    length = s.length
    seed = 81
    none = s.word(0) * 0  # a number or an array, as the words are
    y = none + (seed * _K1 + 113 & _MASK)
    z = _shift_mix(y * _K2 + 113) * _K2 & _MASK
    state = (s.word(0) + (seed * _K2 & _MASK) & _MASK, y, z, (none, none), (none, none))
    end = (length - 1) // 64 * 64
    for at in range(0, end, 64):
        state = _round(s, at, state, _K1, 1)
    x, y, z, v, w = state
    multiplier = _K1 + ((z & 0xFF) << 1)
    w = ((w[0] + ((length - 1) & 63)) & _MASK, w[1])
    v = ((v[0] + w[0]) & _MASK, v[1])
    w = ((w[0] + v[0]) & _MASK, w[1])
    x, y, z, v, w = _round(s, length - 64, (x, y, z, v, w), multiplier, 9)
    first = _mix(v[0], w[0], multiplier) + _shift_mix(y) * _K0 + z
    second = _mix(v[1], w[1], multiplier) + x
    return _mix(first & _MASK, second & _MASK, multiplier)


# 128 bits: the CityHash128 that FarmHash kept.

_PAIR = 0x9DDFEA08EB382D69


def fingerprint128(data: bytes) -> tuple[int, int]:
    """The low and the high word of the 128-bit fingerprint of a byte string.

    >>> hex(fingerprint128(b"abc")[0])
    '0x3980b2afd2126c04'
    """
    if len(data) < 16:
        return _seeded(OneString(data), _K0, _K1)
    seeds = OneString(data)
    return _seeded(OneString(data[16:]), seeds.word(0), seeds.word(8) + _K0 & _MASK)


def _seeded(s: OneString, low: int, high: int) -> tuple[int, int]:
    return _seeded_short(s, low, high) if s.length < 128 else _seeded_long(s, low, high)


def _mix_pair(u: int, v: int) -> int:
    return _mix(u & _MASK, v & _MASK, _PAIR)


def _seeded_short(s: OneString, a: int, b: int) -> tuple[int, int]:
    length = s.length
    if length <= 16:
        a = _shift_mix(a * _K1) * _K1 & _MASK
        c = b * _K1 + _up_to_16(s) & _MASK
        d = _shift_mix(a + (s.word(0) if length >= 8 else c))
    else:
        c = _mix_pair(s.word(length - 8) + _K1, a)
        d = _mix_pair(b + length, c + s.word(length - 16))
        a = a + d & _MASK
        for at in range(0, length - 16, 16):
            a = (a ^ _shift_mix(s.word(at) * _K1) * _K1 & _MASK) * _K1 & _MASK
            b ^= a
            c = (c ^ _shift_mix(s.word(at + 8) * _K1) * _K1 & _MASK) * _K1 & _MASK
            d ^= c
    a, b = _mix_pair(a, c), _mix_pair(d, b)
    return a ^ b, _mix_pair(b, a)


def _seeded_long(s: OneString, x: int, y: int) -> tuple[int, int]:
    length = s.length
    z = length * _K1 & _MASK
    first = _rotate(y ^ _K1, 49) * _K1 + s.word(0) & _MASK
    v = (first, _rotate(first, 42) * _K1 + s.word(8) & _MASK)
    w = (_rotate(y + z, 35) * _K1 + x & _MASK, _rotate(x + s.word(88), 53) * _K1 & _MASK)
    end = length // 128 * 128
    for at in range(0, end, 64):
        x, y, z, v, w = _round(s, at, (x, y, z, v, w), _K1, 1)
    x += _rotate(v[0] + z, 49) * _K0
    y = y * _K0 + _rotate(w[1], 37)
    z = z * _K0 + _rotate(w[0], 27)
    v, w = (v[0] * _K0 & _MASK, v[1]), (w[0] * 9, w[1])
    for at in range(
        length - 32, end - 32, -32
    ):  # what is left, from its end; the last part may begin before it
        y = _rotate(x + y, 42) * _K0 + v[1]
        w = (w[0] + s.word(at + 16), w[1])
        x = x * _K0 + w[0]
        z += w[1] + s.word(at)
        w = (w[0], w[1] + v[0])
        v = _weak(s, at, v[0] + z & _MASK, v[1])
        v = (v[0] * _K0 & _MASK, v[1])
    x, y = _mix_pair(x, v[0]), _mix_pair(y + z, w[0])
    return _mix_pair(x + v[1], w[1]) + y & _MASK, _mix_pair(x + w[1], y + v[1])
