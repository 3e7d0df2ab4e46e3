"""FarmHash's Fingerprint64, the hash that TensorFlow calls "fast": the same number on every machine.

Serves `tf.fingerprint` and the ops that hash strings into buckets. https://github.com/google/farmhash
"""

from __future__ import annotations

import struct

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_word = struct.Struct("<Q").unpack_from
_half = struct.Struct("<I").unpack_from


def fingerprint64(data: bytes) -> int:
    """The 64-bit FarmHash fingerprint of a byte string.

    >>> hex(fingerprint64(b"abc"))
    '0x24a5b3a074e7f369'
    """
    length = len(data)
    if length <= 16:
        return _up_to_16(data, length)
    if length <= 32:
        return _up_to_32(data, length)
    if length <= 64:
        return _up_to_64(data, length)
    return _long(data, length)


def _rotate(value: int, shift: int) -> int:
    value &= _MASK
    return (value >> shift | value << (64 - shift)) & _MASK


def _shift_mix(value: int) -> int:
    value &= _MASK
    return value ^ value >> 47


def _mix(u: int, v: int, multiplier: int) -> int:
    """Two words into one (HashLen16)."""
    a = _shift_mix((u ^ v) * multiplier)
    return _shift_mix((v ^ a) * multiplier) * multiplier & _MASK


def _up_to_16(s: bytes, length: int) -> int:
    multiplier = _K2 + length * 2
    if length >= 8:
        a, b = _word(s, 0)[0] + _K2, _word(s, length - 8)[0]
        c, d = _rotate(b, 37) * multiplier + a, (_rotate(a, 25) + b) * multiplier
        return _mix(c & _MASK, d & _MASK, multiplier)
    if length >= 4:
        return _mix(length + (_half(s, 0)[0] << 3), _half(s, length - 4)[0], multiplier)
    if length:
        y = s[0] + (s[length >> 1] << 8)
        z = length + (s[length - 1] << 2)
        return _shift_mix(y * _K2 ^ z * _K0) * _K2 & _MASK
    return _K2


def _up_to_32(s: bytes, length: int) -> int:
    multiplier = _K2 + length * 2
    a, b = _word(s, 0)[0] * _K1, _word(s, 8)[0]
    c, d = _word(s, length - 8)[0] * multiplier, _word(s, length - 16)[0] * _K2
    u, v = _rotate(a + b, 43) + _rotate(c, 30) + d, a + _rotate(b + _K2, 18) + c
    return _mix(u & _MASK, v & _MASK, multiplier)


def _up_to_64(s: bytes, length: int) -> int:
    multiplier = _K2 + length * 2
    a, b = _word(s, 0)[0] * _K2, _word(s, 8)[0]
    c, d = _word(s, length - 8)[0] * multiplier, _word(s, length - 16)[0] * _K2
    y = (_rotate(a + b, 43) + _rotate(c, 30) + d) & _MASK
    z = _mix(y, (a + _rotate(b + _K2, 18) + c) & _MASK, multiplier)
    e, f = _word(s, 16)[0] * multiplier, _word(s, 24)[0]
    g, h = (y + _word(s, length - 32)[0]) * multiplier, (z + _word(s, length - 24)[0]) * multiplier
    u, v = _rotate(e + f, 43) + _rotate(g, 30) + h, e + _rotate(f + a, 18) + g
    return _mix(u & _MASK, v & _MASK, multiplier)


def _weak(s: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """Four words and two seeds into two words (WeakHashLen32WithSeeds)."""
    w, x, y, z = struct.unpack_from("<4Q", s, at)
    a += w
    b = _rotate(b + a + z, 21)
    c = a
    a += x + y
    b += _rotate(a, 44)
    return (a + z) & _MASK, (b + c) & _MASK


def _round(
    s: bytes,
    at: int,
    state: tuple[int, int, int, tuple[int, int], tuple[int, int]],
    multiplier: int,
    final: int,
) -> tuple[int, int, int, tuple[int, int], tuple[int, int]]:
    """Stirs 64 bytes into the state; `final` is 9 for the last round, 1 before."""
    x, y, z, v, w = state
    x = _rotate(x + y + v[0] + _word(s, at + 8)[0], 37) * multiplier
    y = _rotate(y + v[1] + _word(s, at + 48)[0], 42) * multiplier
    x = (x ^ w[1] * final) & _MASK
    y = (y + v[0] * final + _word(s, at + 40)[0]) & _MASK
    z = _rotate(z + w[0], 33) * multiplier & _MASK
    v = _weak(s, at, v[1] * multiplier, x + w[0])
    w = _weak(s, at + 32, z + w[1], y + _word(s, at + 16)[0])
    return z, y, x, v, w


def _long(s: bytes, length: int) -> int:
    seed = 81
    y = (seed * _K1 + 113) & _MASK
    z = _shift_mix(y * _K2 + 113) * _K2 & _MASK
    state = ((seed * _K2 + _word(s, 0)[0]) & _MASK, y, z, (0, 0), (0, 0))
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
